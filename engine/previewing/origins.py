"""Which mapped value each element of a document came from: what changes in the document when that value alone changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from lxml import etree

from engine.dataclass import dataclass
from engine.errors import RenderError

# A document of more elements is shown without saying where they came from: each name costs one rendering more.
MOST = 2000
# What the engine gives every template, and what no value changes, by what people call its origin.
OURS = "flowctl"
FIXED = "the template"
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", re.ASCII)
_ENGINE = ("request_id", "guid", "target_id", "edit_sequence")

Render = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its path as libxml2 writes it, its text when it holds no elements, and how deep it is."""

    path: str
    tag: str
    attributes: tuple[tuple[str, str], ...]
    text: str
    depth: int
    is_leaf: bool


def elements_of(document: str | bytes) -> list[Element]:
    """The elements in the order of the document; none when it is no XML."""
    data = document.encode("utf-8", "replace") if isinstance(document, str) else document
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        return []
    tree = root.getroottree()
    return [_element(tree, each) for each in root.iter()]


def _element(tree: Any, each: etree._Element) -> Element:
    path = str(tree.getpath(each))
    is_leaf = len(each) == 0
    attributes = tuple((str(name), str(value)) for name, value in each.attrib.items())
    return Element(path, str(each.tag), attributes, (each.text or "") if is_leaf else "", path.count("/") - 1, is_leaf)


def origins(render: Render, values: Mapping[str, Any], base: list[Element]) -> list[tuple[str, ...]]:
    """For each element of the document that these values give, the names of the values that it came from.

    A text that none of them changes came from the template. Of a very long document nothing is said.
    """
    if len(base) > MOST:
        return [()] * len(base)
    found: list[dict[str, None]] = [{} for _ in base]
    for name in _names(values):
        try:
            other = elements_of(render(_changed(values, name.split("."))))
        except RenderError:
            continue
        shown = OURS if name in _ENGINE else name
        for position in _differing(base, other):
            found[position][shown] = None
    return [tuple(each) or ((FIXED,) if of.text else ()) for each, of in zip(found, base, strict=True)]


def _names(values: Mapping[str, Any]) -> dict[str, None]:
    """The names of all plain values: `vendor`, `lines[].amount`. An object of the target counts as one value."""
    found: dict[str, None] = {}
    for name, value in values.items():
        found.update((f"{name}{rest}", None) for rest in _within(value))
    return found


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and "list_id" not in value:
        for name, inner in value.items():
            yield from (f".{name}{rest}" for rest in _within(inner))
    elif isinstance(value, list):
        for item in value:
            yield from (f"[]{rest}" for rest in _within(item))
    elif value is not None:
        yield ""


def _changed(value: Any, path: list[str]) -> Any:
    """The same values, with another one wherever the path leads."""
    if not path:
        return _another(value)
    name, rest = path[0], path[1:]
    plain = name.rstrip("[]")
    if not isinstance(value, Mapping) or plain not in value:
        return value
    lists = name.count("[]")
    return {**value, plain: _in_lists(value[plain], rest, lists)}


def _in_lists(value: Any, rest: list[str], lists: int) -> Any:
    if lists and isinstance(value, list):
        return [_in_lists(item, rest, lists - 1) for item in value]
    return value if lists or isinstance(value, list) else _changed(value, rest)


def _another(value: Any) -> Any:
    """A value of the same kind that is printed otherwise."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | Decimal):
        return value + 1
    if isinstance(value, str):
        # What a template prints as an amount must stay one.
        return f"{Decimal(value) + 1:f}" if _NUMBER.fullmatch(value) else f"{value}~"
    if isinstance(value, Mapping) and "list_id" in value:
        return {name: _another(inner) for name, inner in value.items()}
    return value


def _differing(base: list[Element], other: list[Element]) -> Iterator[int]:
    """The positions of the elements that are not the same any more, of those that are gone the outermost."""
    if [each.path for each in base] == [each.path for each in other]:
        for position, (one, two) in enumerate(zip(base, other, strict=True)):
            if (one.text, one.attributes) != (two.text, two.attributes):
                yield position
        return
    keys = [[(each.tag, each.depth, each.attributes, each.text) for each in side] for side in (base, other)]
    gone: set[str] = set()
    for tag, start, end, _, _ in SequenceMatcher(a=keys[0], b=keys[1], autojunk=False).get_opcodes():
        for position in range(start, end) if tag in ("replace", "delete") else ():
            path = base[position].path
            if path.rpartition("/")[0] not in gone:
                yield position
            gone.add(path)
