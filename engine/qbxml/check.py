"""Checks requests against our schema and freezes them: the bytes that come out are the bytes that are sent."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol, cast

from lxml import etree

from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.qbxml.envelope import VERSION
from engine.qbxml.errors import InvalidRequest, UnknownRequest, UnreadableRequest
from engine.qbxml.lint import harmless, lint
from engine.qbxml.notation import Body, Element, Notation, Value, elements, load
from engine.qbxml.problem import Problem
from engine.qbxml.text import outside_windows_1252, to_windows_1252_safe
from engine.shipped import shipped

_QUOTED = re.compile(r"'([^']*)'")
_EXPECTED = re.compile(r"Expected is (?:one of )?\( (.*) \)")
_INDEX = re.compile(r"\[[0-9]+\]")
_SHOWN = {
    "amount": "an amount has two decimals or none and no grouping: 1050.00",
    "price": "a price has up to five decimals and no grouping: 10.5",
    "quantity": "a quantity has up to five decimals and no grouping: 2.5",
    "percent": "a percentage has up to five decimals: 7.25",
    "number": "a number looks like 1.0825",
    "int": "a whole number is expected",
    "bool": "write true or false",
    "date": "a date looks like 2026-03-31",
    "moment": "a time looks like 2026-03-31T18:05:00, without `Z` and fractions",
    "duration": "a duration looks like PT1H30M",
    "guid": "a GUID has braces: {7B2C1E0A-1111-4222-8333-444455556666}, or is 0",
}


_TEXT_OR_ELEMENTS = {
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "must be empty",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "holds elements, and no text beside them",
    "SCHEMAV_CVC_TYPE_3_1_2": "holds text, and no elements",
}


class _LogEntry(Protocol):
    """What is used of one of lxml's log entries, which its type stubs do not describe."""

    path: str | None
    line: int
    message: str
    type_name: str


class _Local(threading.local):
    """What one thread uses again and again: libxml2 parsers and schemas are not to be shared between threads."""

    def __init__(self) -> None:
        self.schemas: dict[str, etree.XMLSchema] = {}
        self.parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            remove_blank_text=True,
        )


_local = _Local()


@lru_cache(maxsize=256)
def request_name(name: str) -> str:
    """The element name of a request that may be called `BillAdd` or `BillAddRq`."""
    return name if name.endswith("Rq") else f"{name}Rq"


@lru_cache(maxsize=1)
def known_requests() -> frozenset[str]:
    """The requests we have a schema for, without `Rq`: `BillAdd`."""
    folder = shipped("schemas") / "qbxml"
    return frozenset(entry.name.removesuffix("Rq.xsd") for entry in folder.iterdir() if entry.name.endswith("Rq.xsd"))


def schema(name: str) -> etree.XMLSchema:
    """The compiled schema of a request, kept for this thread.

    Raises:
        UnknownRequest: there is none.
    """
    element = request_name(name)
    found = _local.schemas.get(element)
    if found is None:
        if element.removesuffix("Rq") not in known_requests():
            raise UnknownRequest(name, sorted(known_requests()))
        source = (shipped("schemas") / "qbxml" / f"{element}.xsd").read_bytes()
        found = _local.schemas[element] = etree.XMLSchema(etree.fromstring(source))
    return found


def check_request(name: str, element: bytes) -> list[Problem]:
    """All problems that the schema finds in a request element; the linter is not asked."""
    compiled = schema(name)
    try:
        root = _read(request_name(name), element)
    except UnreadableRequest as error:
        return [Problem("/", error.line or 0, str(error).split(": ", 1)[-1], error.hint or "")]
    return [] if compiled.validate(root) else _schema_problems(request_name(name), compiled)


def freeze_request(name: str, rendered: str, *, version: str = VERSION) -> bytes:
    """Turn a rendered request into the bytes to send: compact, pure ASCII, valid, and nothing QuickBooks would refuse.

    Characters outside Windows-1252 are replaced by the nearest ones, because QuickBooks could not store them.

    Raises:
        UnreadableRequest: it is no XML, or holds a document type.
        InvalidRequest: the schema or the linter objects; `problems` has all of it.
    """
    element = request_name(name)
    root = _read(element, rendered.encode("utf-8", "replace"))
    plain = rendered.isascii() and not ("&" in rendered and "&#" in rendered)
    if not (plain or _storable(rendered)):
        _make_storable(root)
    compiled = _local.schemas.get(element) or schema(element)
    if not compiled.validate(root):
        raise InvalidRequest(element, _schema_problems(element, compiled))
    # The same bytes either way; text that is ASCII already is written a quarter faster when no encoding is asked for.
    frozen = etree.tostring(root, encoding="unicode").encode() if plain else etree.tostring(root)
    if version != VERSION or not harmless(root, frozen):
        problems = lint(root, version=version)
        if problems:
            raise InvalidRequest(element, problems)
    return frozen


def _read(name: str, data: bytes) -> etree._Element:
    if b"!" in data and b"<!DOCTYPE" in data:  # one character is found, or not, in a tenth of the time
        raise UnreadableRequest(name, 1, "it declares a document type, which a request never does")
    try:
        root = etree.fromstring(data, _local.parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableRequest(name, error.lineno or 1, _syntax(error)) from None
    if root.tag != name:
        raise UnreadableRequest(name, 1, f"its root element is `{str(root.tag)[:60]}`, not `{name}`")
    return root


def _syntax(error: etree.XMLSyntaxError) -> str:
    return str(error.msg or "it is no XML").split(", line ", 1)[0]


def _storable(rendered: str) -> bool:
    """Whether the text as a whole can be seen to hold only what QuickBooks stores."""
    return "&#" not in rendered and unicodedata.is_normalized("NFC", rendered) and not outside_windows_1252(rendered)


def _make_storable(root: etree._Element) -> None:
    for element in root.iter():
        text = element.text
        if text and not text.isascii():
            safe = to_windows_1252_safe(text)
            if safe != text:
                element.text = safe
        for key, value in cast("dict[str, str]", element.attrib).items():
            if outside_windows_1252(value):
                element.set(key, to_windows_1252_safe(value))


# --- wording what libxml2 found, without ever quoting a value ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Finding:
    kind: str
    message: str
    names: tuple[str, ...]
    element: Element | None
    parent: Body | None


def _schema_problems(name: str, compiled: etree.XMLSchema) -> list[Problem]:
    notation = load()
    found: dict[str, Problem] = {}
    for entry in cast("Iterable[_LogEntry]", compiled.error_log):
        path = entry.path or "/"
        names = tuple(part for part in _INDEX.sub("", path).split("/") if part)
        element, parent = _locate(notation, name, names)
        message, hint = _worded(_Finding(entry.type_name, entry.message, names, element, parent), notation)
        # libxml2 can follow an error with a second one on the same element: the first says it best.
        found.setdefault(path, Problem(path, entry.line, message, hint))
    return list(found.values())


def _locate(notation: Notation, name: str, names: tuple[str, ...]) -> tuple[Element | None, Body | None]:
    """What the notation says of the element at a path, and of the element that holds it."""
    body: Body | None = notation.requests[name].body
    parent: Body | None = None
    element: Element | None = None
    for part in names[1:]:
        parent = body
        element = next((e for e in elements(parent.items) if e.name == part), None) if parent else None
        body = notation.body(element) if element else None
    return element, parent


def _worded(finding: _Finding, notation: Notation) -> tuple[str, str]:
    name = finding.names[-1] if finding.names else ""
    expected = _EXPECTED.search(finding.message)
    wanted = [word.strip() for word in expected.group(1).split(",")] if expected else []
    if finding.kind == "SCHEMAV_ELEMENT_CONTENT":
        if "Missing child" in finding.message:
            return f"`{name}` needs {_listed(wanted)}", "map a value for it" if len(
                wanted
            ) == 1 else "one of them must come here"
        return _misplaced(finding, name, wanted)
    if finding.kind == "SCHEMAV_CVC_MAXLENGTH_VALID":
        length, limit = (*_QUOTED.findall(finding.message), "", "", "", "")[2:4]
        return (
            f"`{name}` has {length} characters, QuickBooks takes {limit}",
            f"shorten it, for example with limit(..., `{limit}`)",
        )
    if finding.kind in _TEXT_OR_ELEMENTS:
        return (
            f"`{name}` {_TEXT_OR_ELEMENTS[finding.kind]}",
            "text must stand within the elements that are meant for it",
        )
    if "CVC_COMPLEX_TYPE" in finding.kind or "CVC_ATTRIBUTE" in finding.kind or finding.element is None:
        return f"an attribute of `{name}` is missing, unknown or has a value that is not allowed", ""
    return _bad_value(finding, name, notation)


def _misplaced(finding: _Finding, name: str, wanted: list[str]) -> tuple[str, str]:
    if len(wanted) == 1 and finding.element is not None and len(finding.names) > 1 and not wanted[0].endswith("*"):
        return (
            f"`{finding.names[-2]}` needs `{wanted[0]}` before `{name}`",
            "map a value for it, and keep the order of QBXML",
        )
    after = f"; here it takes {_listed(wanted)}" if wanted else ""
    allowed = [element.name for element in elements(finding.parent.items)] if finding.parent else []
    if finding.element is not None:
        return f"`{name}` may not stand here{after}", f"QBXML fixes the order: {', '.join(allowed)}"
    return f"`{name}` is not known here{after}", suggestion(name, allowed)


def _bad_value(finding: _Finding, name: str, notation: Notation) -> tuple[str, str]:
    kind = finding.element.type if finding.element else None
    if isinstance(kind, str) and kind in notation.enums:
        return f"`{name}` has a value that is not in its list", f"one of: {', '.join(notation.enums[kind][:40])}"
    if isinstance(kind, Value) and kind.word == "int" and (kind.low is not None or kind.high is not None):
        low, high = (("" if bound is None else str(bound)) for bound in (kind.low, kind.high))
        return (
            f"`{name}` is out of bounds",
            f"a whole number {f'from {low} ' if low else ''}{f'to {high}' if high else ''}".rstrip(),
        )
    shown = _SHOWN.get(kind.word, "") if isinstance(kind, Value) else ""
    return f"`{name}` does not have the form of its type", shown


def _listed(names: list[str]) -> str:
    return " or ".join(f"`{name}`" for name in names[:6]) + (" or ..." if len(names) > 6 else "")
