"""The document that a record would be written as, line by line, each with the mapped name that it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import RenderError
from engine.jsonbody import body_of
from engine.pipeline import Freeze, template_values
from engine.previewing.model import Document, Line, Trouble
from engine.previewing.origins import Element, elements_of, origins
from engine.program import VariantProgram
from engine.qbxml.errors import InvalidRequest
from engine.qbxml.problem import Problem


def document_of(way: VariantProgram, mapped: Mapping[str, Any], ids: tuple[str, str], freeze: Freeze) -> Document:
    """What this way of writing makes of a mapped record; `ids` are the operation's own id and the record's marker."""
    if way.template is None:
        return _json(way, mapped)
    return _qbxml(way, mapped, ids, freeze)


def _json(way: VariantProgram, mapped: Mapping[str, Any]) -> Document:
    try:
        body = json.loads(body_of(way.request, way.fields, dict(mapped)))
    except RenderError as error:
        return Document(way.request, "json", (), (Trouble(str(error), error.hint or ""),))
    unused = tuple(name for name, value in mapped.items() if value is not None and name not in body)
    return Document(way.request, "json", tuple(_json_lines(body, "", 0, "", "")), (), unused)


def _json_lines(value: Any, path: str, depth: int, before: str, after: str) -> Iterator[Line]:
    """A value as JSON, a line each; what stands on a line of its own is named by its path in the mapped record."""
    if not value or not isinstance(value, dict | list):
        yield Line(f"{before}{json.dumps(value, ensure_ascii=False)}{after}", depth, (path,) if path else ())
        return
    inner = list(_members(value, path)) if isinstance(value, dict) else [("", f"{path}[]", each) for each in value]
    opens, closes = "{}" if isinstance(value, dict) else "[]"
    yield Line(f"{before}{opens}", depth)
    for number, (name, where, each) in enumerate(inner, 1):
        yield from _json_lines(each, where, depth + 1, name, "," if number < len(inner) else "")
    yield Line(f"{closes}{after}", depth)


def _members(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, Any]]:
    for name, each in value.items():
        yield f"{json.dumps(name, ensure_ascii=False)}: ", f"{path}.{name}" if path else name, each


def _qbxml(way: VariantProgram, mapped: Mapping[str, Any], ids: tuple[str, str], freeze: Freeze) -> Document:
    template = way.template
    assert template is not None
    values = template_values(mapped, *ids)
    try:
        rendered = template.render(values)
    except RenderError as error:
        return Document(way.request, "qbxml", (), (Trouble(str(error), error.hint or ""),))
    problems: tuple[Problem, ...] = ()
    others: list[Trouble] = []
    shown: str | bytes = rendered
    try:
        shown = freeze(way.request, rendered)
    except InvalidRequest as error:
        problems = error.problems
    except RenderError as error:
        others.append(Trouble(str(error), error.hint or ""))
    elements = elements_of(rendered)
    came = origins(template.render, values, elements)
    # What is sent has its characters changed where QuickBooks could not store them, and the same elements.
    sent = elements_of(shown)
    lines = tuple(_xml_lines(sent if len(sent) == len(elements) else elements, came, problems))
    known = {each.path for each in elements}
    others += [Trouble(f"{each.xpath}: {each.message}", each.hint) for each in problems if each.xpath not in known]
    named = {name.partition("[")[0].partition(".")[0] for names in came for name in names}
    unused = tuple(name for name, value in mapped.items() if value is not None and name not in named) if named else ()
    return Document(way.request, "qbxml", lines, tuple(others), unused)


def _xml_lines(elements: list[Element], came: list[tuple[str, ...]], problems: tuple[Problem, ...]) -> Iterator[Line]:
    """A line for each tag that holds elements, and one for each that holds text."""
    open_: list[Element] = []
    for element, names in zip(elements, came, strict=True):
        while open_ and open_[-1].depth >= element.depth:
            last = open_.pop()
            yield Line(f"</{last.tag}>", last.depth)
        wrong = tuple(Trouble(each.message, each.hint) for each in problems if each.xpath == element.path)
        start = "".join([element.tag, *(f' {name}="{_escaped(value)}"' for name, value in element.attributes)])
        if element.is_leaf:
            yield Line(f"<{start}>{_escaped(element.text)}</{element.tag}>", element.depth, names, wrong)
        else:
            yield Line(f"<{start}>", element.depth, names, wrong)
            open_.append(element)
    yield from (Line(f"</{last.tag}>", last.depth) for last in reversed(open_))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "&#10;")
