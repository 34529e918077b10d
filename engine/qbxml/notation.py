"""Reads our notation of QBXML messages (`schemas/qbxml/source/*.qbx`) into a model; `common.qbx` explains its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from typing import Literal

from engine.dataclass import dataclass
from engine.qbxml.errors import BadNotation
from engine.shipped import shipped

Mark = Literal["", "absent", "abroad"]

VALUE_WORDS = frozenset(
    {
        "text",
        "id",
        "ref",
        "amount",
        "price",
        "quantity",
        "percent",
        "number",
        "int",
        "bool",
        "date",
        "moment",
        "duration",
        "guid",
    }
)
_HEAD = re.compile(
    r"(?P<kind>enum|part|shape|request|response) (?P<name>[A-Za-z0-9]+)"
    r"(?: (?P<style>counted|paged))?(?: since (?P<since>[0-9.]+))?(?: default (?P<default>[A-Za-z0-9_]+))?"
)
_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9]+)(?P<count>[?*+]|\[[0-9]+\.\.[0-9]+\])?"
    r"(?: +(?P<type>(?!since |absent|abroad)[A-Za-z0-9]+)(?: (?P<limit>[0-9.]+))?(?P<macro> or macro)?)?"
    r"(?: +since (?P<since>[0-9.]+))?(?: +(?P<mark>absent|abroad))?"
)
_ATTRIBUTE = re.compile(r"@(?P<name>[A-Za-z0-9]+)(?P<required>!?) +(?P<type>[A-Za-z]+)")
_COUNTS: Mapping[str, tuple[int, int | None]] = {"": (1, 1), "?": (0, 1), "*": (0, None), "+": (1, None)}


@dataclass(frozen=True, slots=True)
class Value:
    """A plain value: a word such as `text` or `amount`, with a length limit, or bounds for `int`."""

    word: str
    limit: int | None = None
    low: int | None = None
    high: int | None = None
    macro: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute; `type` is a value word or the name of an enum."""

    name: str
    type: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What an element with children holds, in order."""

    attributes: tuple[Attribute, ...]
    items: tuple[Particle, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """An element: `type` is a plain value, the name of a shape or enum, or the children themselves."""

    name: str
    low: int
    high: int | None
    type: Value | str | Body
    since: str = ""
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Group:
    """`either` one of its items, or all of them `together`."""

    kind: Literal["either", "together"]
    low: int
    high: int | None
    items: tuple[Particle, ...]


Particle = Element | Group


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response."""

    name: str
    body: Body
    since: str = ""


@dataclass(frozen=True, slots=True)
class Notation:
    """All that the source files say; `defaults` holds what an empty element of an enum means."""

    enums: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, str]
    shapes: Mapping[str, Body]
    requests: Mapping[str, Message]
    responses: Mapping[str, Message]

    def body(self, element: Element) -> Body | None:
        """The children of an element, or None when it holds a plain value."""
        if isinstance(element.type, Body):
            return element.type
        if isinstance(element.type, str):
            return self.shapes.get(element.type)
        return reference(element.type.limit) if element.type.word == "ref" else None


@lru_cache(maxsize=64)
def reference(limit: int | None) -> Body:
    """The body of a reference to a list object."""
    return Body((), (Element("ListID", 0, 1, Value("id")), Element("FullName", 0, 1, Value("text", limit))))


def elements(items: tuple[Particle, ...]) -> Iterator[Element]:
    """The elements among some particles, in order, looking through groups but not into children."""
    for item in items:
        if isinstance(item, Element):
            yield item
        else:
            yield from elements(item.items)


@lru_cache(maxsize=1)
def load() -> Notation:
    """The notation that ships with the product."""
    folder = shipped("schemas") / "qbxml" / "source"
    sources = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".qbx")}
    return parse(sources)


@dataclass(slots=True)
class _Node:
    """One line, with the lines indented under it."""

    where: str
    text: str
    children: list[_Node] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    parts: dict[str, _Node] = field(default_factory=dict)
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Body] = field(default_factory=dict)


def parse(sources: Mapping[str, str]) -> Notation:
    """Read source files, given by name.

    Raises:
        BadNotation: naming file and line.
    """
    nodes = [node for name in sorted(sources) for node in _tree(name, sources[name])]
    heads = [(node, _matched(_HEAD, node)) for node in nodes]
    reading = _Reading()
    for node, head in heads:
        if head["kind"] == "part":
            reading.parts[head["name"]] = node
        elif head["kind"] == "enum":
            words = ",".join(child.text for child in node.children).split(",")
            reading.enums[head["name"]] = tuple(word.strip() for word in words if word.strip())
            if head["default"]:
                reading.defaults[head["name"]] = head["default"]
    messages: dict[str, dict[str, Message]] = {"request": {}, "response": {}}
    for node, head in heads:
        kind, name = head["kind"], head["name"]
        if kind == "shape":
            reading.shapes[name] = _body(reading, node)
        elif kind in messages:
            body = _body(reading, node)
            given = _message_attributes(kind, head["style"])
            messages[kind][name] = Message(name, Body(given + body.attributes, body.items), head["since"])
    notation = Notation(reading.enums, reading.defaults, reading.shapes, messages["request"], messages["response"])
    _check_names(notation)
    return notation


def _message_attributes(kind: str, style: str) -> tuple[Attribute, ...]:
    found = [Attribute("requestID", "text")]
    if kind == "request":
        found += [Attribute("metaData", "MetaData")] if style else []
        found += [Attribute("iterator", "IteratorStep"), Attribute("iteratorID", "text")] if style == "paged" else []
        return tuple(found)
    found += [
        Attribute("statusCode", "int", True),
        Attribute("statusSeverity", "text", True),
        Attribute("statusMessage", "text"),
    ]
    found += [Attribute("retCount", "int")] if style else []
    found += [Attribute("iteratorRemainingCount", "int"), Attribute("iteratorID", "text")] if style == "paged" else []
    return tuple(found)


def _tree(name: str, source: str) -> list[_Node]:
    roots: list[_Node] = []
    open_at: list[list[_Node]] = [roots]
    for number, raw in enumerate(source.splitlines(), 1):
        line = raw.rstrip()
        if not line or line.lstrip().startswith("#"):
            continue
        depth, odd = divmod(len(line) - len(line.lstrip(" ")), 2)
        where = f"{name}:{number}"
        if odd or depth >= len(open_at):
            raise BadNotation(where, "the indentation does not fit the line above")
        node = _Node(where, line.strip())
        open_at[depth].append(node)
        open_at[depth + 1 :] = [node.children]
    return roots


def _body(reading: _Reading, node: _Node) -> Body:
    attributes = tuple(_attribute(child) for child in node.children if child.text.startswith("@"))
    return Body(attributes, _items(reading, [child for child in node.children if not child.text.startswith("@")]))


def _attribute(node: _Node) -> Attribute:
    found = _matched(_ATTRIBUTE, node)
    return Attribute(found["name"], found["type"], bool(found["required"]))


def _items(reading: _Reading, nodes: list[_Node]) -> tuple[Particle, ...]:
    found: list[Particle] = []
    for node in nodes:
        if node.text.startswith("like "):
            part = reading.parts.get(node.text[5:])
            if part is None:
                raise BadNotation(node.where, f"there is no part `{node.text[5:]}`")
            found += _items(reading, part.children)
        else:
            found.append(_particle(reading, node))
    return tuple(found)


def _particle(reading: _Reading, node: _Node) -> Particle:
    line = _matched(_LINE, node)
    name = line["name"]
    low, high = _count(line["count"])
    if name in ("either", "together"):
        kind_of_group: Literal["either", "together"] = "either" if name == "either" else "together"
        return Group(kind_of_group, low, high, _items(reading, node.children))
    given = line["type"]
    if not given:
        return Element(name, low, high, _body(reading, node), line["since"], _mark(line["mark"]))
    if node.children:
        raise BadNotation(node.where, f"`{name}` has both a type and lines under it")
    kind = _value(given, line["limit"], bool(line["macro"])) if given in VALUE_WORDS else given
    return Element(name, low, high, kind, line["since"], _mark(line["mark"]))


def _mark(word: str) -> Mark:
    return "absent" if word == "absent" else "abroad" if word == "abroad" else ""


def _value(word: str, limit: str, macro: bool) -> Value:
    if word == "int":
        low, _, high = (limit or "..").partition("..")
        return Value(word, None, int(low) if low else None, int(high) if high else None)
    return Value(word, int(limit) if limit else None, macro=macro)


def _count(text: str) -> tuple[int, int | None]:
    if text in _COUNTS:
        return _COUNTS[text]
    low, _, high = text.strip("[]").partition("..")
    return int(low), int(high)


def _matched(pattern: re.Pattern[str], node: _Node) -> dict[str, str]:
    """The named groups of a line; those that are not there are empty."""
    found = pattern.fullmatch(node.text)
    if found is None:
        raise BadNotation(node.where, f"`{node.text}` is no line of this notation")
    return found.groupdict("")


def _check_names(notation: Notation) -> None:
    known = {*notation.enums, *notation.shapes}
    bodies = [*notation.shapes.values(), *(m.body for m in (*notation.requests.values(), *notation.responses.values()))]
    while bodies:
        body = bodies.pop()
        used = [attribute.type for attribute in body.attributes if attribute.type not in VALUE_WORDS]
        for element in elements(body.items):
            if isinstance(element.type, Body):
                bodies.append(element.type)
            elif isinstance(element.type, str):
                used.append(element.type)
        for name in used:
            if name not in known:
                raise BadNotation(name, "no enum or shape has this name")
