"""Reads what QuickBooks answers into plain data, tolerating everything that real files have been seen to send."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import field
from typing import cast

from lxml import etree

from engine.contract import Json
from engine.dataclass import dataclass
from engine.qbxml.errors import UnreadableAnswer
from engine.qbxml.repeats import REPEATED
from engine.qbxml.text import ILLEGAL

SIZE_LIMIT = 64 * 1024 * 1024
DEPTH_LIMIT = 64
# No status at all: QuickBooks has no negative code, so this one cannot be mistaken for an answer.
NO_CODE = -1

_PROLOG = re.compile(r"\A\s*<\?xml[^>]*\?>")
_ILLEGAL_REFERENCE = re.compile(r"&#(?:x0*([0-9A-Fa-f]{1,6})|0*([0-9]{1,7}));")
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NO_KEYS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one request.

    `objects` holds one nested dict for each returned object and `kinds` its element name (`BillRet`); answers without
    an object, such as that of TxnDel, give one object of their plain fields. `recovery` is the ErrorRecovery element,
    which QuickBooks gives instead of an object when it repeats a kept answer. `code` is -1 when there is no status.
    """

    name: str
    request_id: str
    code: int
    severity: str
    message: str
    objects: tuple[Json, ...] = ()
    kinds: tuple[str, ...] = ()
    recovery: Mapping[str, str] = field(default_factory=dict)
    iterator_id: str = ""
    iterator_remaining: int | None = None

    @property
    def ret_name(self) -> str:
        """The element name of the first object, or nothing."""
        return self.kinds[0] if self.kinds else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `message_set_status` is there only when a message-set id was sent."""

    message_set_status: int | None
    new_id: str
    old_id: str
    responses: tuple[Response, ...]

    def by_request_id(self, request_id: str) -> Response | None:
        """The answer to one request, or None when QuickBooks gave none."""
        return next((r for r in self.responses if r.request_id == request_id), None)

    def named(self, name: str) -> Response | None:
        """The first answer of a kind, such as `HostQueryRs`."""
        return next((r for r in self.responses if r.name == name), None)


def parse_response(text: str | bytes) -> Answer:
    """Read an answer.

    Raises:
        UnreadableAnswer: it is empty, cut off, too large or too deep, no XML, or no QBXML answer.
    """
    messages = _messages(_root(text))
    return Answer(
        message_set_status=_number(messages.get("messageSetStatusCode")),
        new_id=messages.get("newMessageSetID", ""),
        old_id=messages.get("oldMessageSetID", ""),
        responses=tuple(_response(element) for element in messages),
    )


def text_at(data: object, *path: str) -> str:
    """The text at a path of names in a returned object, taking the first of a list; nothing when it is not there."""
    here = data
    for name in path:
        if isinstance(here, list):
            here = here[0] if here else None
        if not isinstance(here, Mapping):
            return ""
        here = here.get(name)
    if isinstance(here, list):
        here = here[0] if here else None
    return here if isinstance(here, str) else ""


# --- from bytes to a tree ------------------------------------------------------------------------------------------


def _root(text: str | bytes) -> etree._Element:
    if len(text) > SIZE_LIMIT:
        raise UnreadableAnswer(f"it is larger than {SIZE_LIMIT >> 20} MiB")
    data = _as_bytes(text)
    if not data:
        raise UnreadableAnswer("it is empty")
    try:
        root = etree.fromstring(data, _local.parser)
    except etree.XMLSyntaxError as first:
        # Old company files hold control characters, and QuickBooks writes them out as they are.
        cleaned = _without_illegal(data)
        if cleaned is None:
            raise _unreadable(first) from None
        try:
            root = etree.fromstring(cleaned, _local.parser)
        except etree.XMLSyntaxError as error:
            raise _unreadable(error) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableAnswer("it declares a document type, which QuickBooks never does")
    return root


class _Local(threading.local):
    """A thread's own parser: making one takes longer than reading a usual answer with it."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )


_local = _Local()


def _as_bytes(text: str | bytes) -> bytes:
    """UTF-8 bytes, with any prolog kept only where it names the encoding of the bytes that follow."""
    if isinstance(text, str):
        # A SOAP stack has decoded this already: whatever encoding the prolog names is history.
        return _PROLOG.sub("", text.lstrip("\ufeff"), count=1).strip().encode("utf-8", "replace")
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return text
    data = text.removeprefix(b"\xef\xbb\xbf").strip()
    declared = _DECLARED.match(data)
    if declared and declared.group(1).lower() not in {b"utf-8", b"utf8"}:
        return data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # QuickBooks stores Windows-1252 and its prolog usually names nothing.
        return _PROLOG.sub("", data.decode("cp1252", "replace"), count=1).encode("utf-8")
    return data


def _without_illegal(data: bytes) -> bytes | None:
    """The document without characters that XML forbids, written raw or as references; None when it has none."""
    declared = _DECLARED.match(data)
    encoding = declared.group(1).decode("ascii") if declared else "utf-8"
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else encoding, "replace")
    except LookupError:
        return None
    cleaned = ILLEGAL.sub("", _ILLEGAL_REFERENCE.sub(_legal_reference, text))
    return None if cleaned == text else _PROLOG.sub("", cleaned, count=1).strip().encode("utf-8")


def _legal_reference(match: re.Match[str]) -> str:
    code = int(match.group(1), 16) if match.group(1) else int(match.group(2))
    return "" if code > 0x10FFFF or ILLEGAL.match(chr(code)) else match.group(0)


def _unreadable(error: etree.XMLSyntaxError) -> UnreadableAnswer:
    # Only libxml2's own sentence: it names elements, and never quotes values.
    reason = str(error.msg or "no XML").split(", line ", 1)[0]
    return UnreadableAnswer(reason, line=error.lineno or 0)


# --- from a tree to data -------------------------------------------------------------------------------------------


def _messages(root: etree._Element) -> etree._Element:
    if root.tag == "QBXMLMsgsRs":
        return root
    found = root.find("QBXMLMsgsRs") if root.tag == "QBXML" else None
    if found is None:
        raise UnreadableAnswer(f"it holds no QBXMLMsgsRs, its root is `{str(root.tag)[:60]}`")
    return found


def _response(element: etree._Element) -> Response:
    objects: list[Json] = []
    kinds: list[str] = []
    plain: dict[str, object] = {}
    recovery: Mapping[str, str] = _NO_KEYS
    for child in element:
        name = str(child.tag)
        if name == "ErrorRecovery":
            recovery = {str(key.tag): key.text or "" for key in child}
        elif len(child):
            objects.append(_fields(child, 1))
            kinds.append(name)
        else:
            _put(plain, name, child.text or "")
    if plain and not objects:
        objects.append(plain)
    code = _number(element.get("statusCode"))
    return Response(
        name=str(element.tag),
        request_id=element.get("requestID", ""),
        code=NO_CODE if code is None else code,
        severity=element.get("statusSeverity", ""),
        message=element.get("statusMessage", ""),
        objects=tuple(objects),
        kinds=tuple(kinds),
        recovery=recovery,
        iterator_id=element.get("iteratorID", ""),
        iterator_remaining=_number(element.get("iteratorRemainingCount")),
    )


def _fields(element: etree._Element, depth: int) -> dict[str, object]:
    if depth > DEPTH_LIMIT:
        line = cast("int | None", element.sourceline) or 0
        raise UnreadableAnswer(f"it is nested deeper than {DEPTH_LIMIT} levels", line=line)
    data: dict[str, object] = {}
    for child in element:
        name = str(child.tag)
        value = _fields(child, depth + 1) if len(child) else child.text or ""
        if name in data or name in REPEATED:
            _put(data, name, value)
        else:
            data[name] = value
    return data


def _put(data: dict[str, object], name: str, value: object) -> None:
    held = data.get(name)
    if held is None:
        data[name] = [value] if name in REPEATED else value
    elif isinstance(held, list):
        held.append(value)
    else:
        data[name] = [held, value]


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None
