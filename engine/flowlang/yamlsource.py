"""YAML read strictly, with the line and column of every key and value kept.

Scalars follow the YAML 1.2 core schema: `no`, `12:30` and `2020-01-41` stay text. Duplicate keys, tags, anchors,
aliases and merge keys are refused, and so is a file that is too large, too deep or too long to be a flow.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator
from dataclasses import field
from decimal import Decimal
from typing import Any, NoReturn

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent, ScalarEvent

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 100_000
MAX_DIGITS = 40

Value = str | int | Decimal | bool | None

UNREADABLE = "F001"
SYNTAX = "F002"
DUPLICATE = "F003"
EXTRAS = "F004"
TOO_BIG = "F005"
NOT_ONE_DOCUMENT = "F006"


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A text, number, boolean or nothing. `line` and `column` are where its content starts, after an opening quote."""

    value: Value
    text: str
    style: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping in the order it was written; its keys are texts, each only once."""

    entries: tuple[tuple[ScalarNode, Node], ...]
    line: int
    column: int

    def get(self, key: str) -> Node | None:
        """The value of `key`."""
        for name, value in self.entries:
            if name.text == key:
                return value
        return None

    def key(self, key: str) -> ScalarNode | None:
        """The node of the key itself."""
        for name, _ in self.entries:
            if name.text == key:
                return name
        return None


Node = ScalarNode | ListNode | MapNode


def plain(node: Node) -> Any:
    """The node as ordinary dicts, lists and scalars."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return {name.text: plain(value) for name, value in node.entries}


def load(text: str, path: str) -> tuple[Node | None, list[Diagnostic]]:
    """Read one YAML document; with a problem that leaves no document to speak of, the node is None."""
    if len(text) > MAX_BYTES // 4 and len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return None, [
            _problem(Location(path), TOO_BIG, "the file is larger than 1 MiB", "a flow file is a few kilobytes")
        ]
    # None of what is not allowed can be printed; to look for it takes ten times as long.
    if not text.replace("\n", "").isprintable() and (odd := _NOT_ALLOWED.search(text)) is not None:
        return None, [_odd_character(text, odd, path)]
    builder = _Builder(text, path)
    try:
        node = builder.build()
    except _Stop as stop:
        return None, [*builder.problems, stop.problem]
    except yaml.MarkedYAMLError as error:
        return None, [*builder.problems, _syntax_problem(error, text, path)]
    return node, builder.problems


# --- places inside a scalar -------------------------------------------------------------------------------------------


def place(source: str, start: Location, offset: int, value: str) -> Location:
    """Where character `offset` of a scalar's `value` was written, when its content starts at `start` in `source`.

    Folding and indentation change white space only, so the n-th other character of the value is the n-th other
    character of the source; escapes in quoted text are stepped over as one.
    """
    position = index_of(source, start.line, start.column)
    quote = source[position - 1] if position and source[position - 1] in "'\"" else ""
    wanted = sum(1 for c in value[:offset] if not c.isspace())
    visible = offset < len(value) and not value[offset].isspace()
    for begin, length, blank in _written(source, position, quote):
        if wanted == 0 and not visible:
            break
        if not blank:
            if wanted == 0:
                return _location(source, begin, start.path)
            wanted -= 1
            position = begin + length
    return _location(source, position, start.path)


def _written(source: str, position: int, quote: str) -> Iterator[tuple[int, int, bool]]:
    """Every character of a scalar as written: its index, its length, and whether it is only white space."""
    while position < len(source):
        length, blank = 1, source[position].isspace()
        if quote == "'" and source.startswith("''", position):
            length = 2
        elif quote == '"' and source[position] == "\\":
            kind = source[position + 1 : position + 2]
            length = {"x": 4, "u": 6, "U": 10, "\r": 3}.get(kind, 2)
            digits = source[position + 2 : position + length] if kind in "xuU" else ""
            blank = chr(int(digits, 16)).isspace() if digits else kind in " \tntrv\n\r_NLP"
        elif quote and source[position] == quote:
            return
        yield position, length, blank
        position += length


def index_of(source: str, line: int, column: int) -> int:
    """The index of a line and column in a text; both count from 1."""
    position = 0
    for _ in range(line - 1):
        position = source.find("\n", position) + 1
    return position + column - 1


def _location(source: str, index: int, path: str) -> Location:
    start = source.rfind("\n", 0, index) + 1
    return Location(path, source.count("\n", 0, index) + 1, index - start + 1)


# --- scalars of the YAML 1.2 core schema ------------------------------------------------------------------------------

_WORDS: dict[str, Value] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OTHER_INTEGER = re.compile(r"0o([0-7]+)\Z|0x([0-9a-fA-F]+)\Z")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")


def resolve(text: str) -> Value:
    """The value of an unquoted scalar; a number of more than forty digits stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > MAX_DIGITS:
        return text
    return _number(text)


def _number(text: str) -> Value:
    if _INTEGER.match(text):
        return int(text)
    if other := _OTHER_INTEGER.match(text):
        return int(other[1], 8) if other[1] else int(other[2], 16)
    if _DECIMAL.match(text):
        return Decimal(text)
    return Decimal(text.replace(".", "", 1)) if _SPECIAL.match(text) else text


# --- from parser events to nodes --------------------------------------------------------------------------------------


class _Stop(Exception):
    """Reading cannot go on."""

    def __init__(self, problem: Diagnostic) -> None:
        super().__init__()
        self.problem = problem


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read."""

    mapping: bool
    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[ScalarNode, Node]] = field(default_factory=list)
    key: ScalarNode | None = None
    seen: dict[str, ScalarNode] = field(default_factory=dict)


def _events(text: str) -> Callable[[], yaml.Event | None]:
    """Parser events one by one, and None after the last.

    PyYAML's C loader overflows the C stack on tens of thousands of nested brackets, but in its composer, which calls
    itself. The C parser keeps its state on the heap and looks ahead 1,024 characters at most, so pulling events and
    stopping at MAX_DEPTH is safe, and fifteen times faster than the Python parser (0.7 ms for a flow of 160 lines).
    """
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    following: Callable[[], yaml.Event | None] = loader(text).get_event
    return following


class _Builder:
    """Builds the node tree with a stack of its own, so that depth costs no recursion."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.problems: list[Diagnostic] = []
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0
        self._nodes = 0
        self._lines: list[int] = []

    def build(self) -> Node | None:
        """Read the one document."""
        following = _events(self.text)
        while (event := following()) is not None:
            if isinstance(event, ScalarEvent):
                if event.anchor or event.tag:
                    self._check_extras(event)
                self._add(self._scalar(event))
            elif isinstance(event, CollectionStartEvent):
                if event.anchor or event.tag:
                    self._check_extras(event)
                self._start(event)
            elif isinstance(event, CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._stop(event, EXTRAS, f"`*{event.anchor}` is an alias, and a flow file has none", _NO_ANCHORS)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._document(event)
        if self._root is None or (isinstance(self._root, ScalarNode) and self._root.value is None):
            self.problems.append(
                _problem(Location(self.path, 1, 1), NOT_ONE_DOCUMENT, "the file is empty", "begin with `flow: name`")
            )
            return None
        return self._root

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(event, NOT_ONE_DOCUMENT, "a second document starts here", "write one flow a file; remove `---`")
        if event.tags:
            self._stop(event, EXTRAS, "a flow file has no tags", "remove the `%TAG` line")

    def _start(self, event: CollectionStartEvent) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if self._stack and self._stack[-1].mapping and self._stack[-1].key is None:
            from engine.flowlang.yamlwording import BRACES  # words are only needed where something is wrong

            index = event.start_mark.index if event.start_mark is not None else 0
            hint = BRACES if self.text[index - 1 : index + 1] == "{{" else 'put text with { } or [ ] in quotes: "a[0]"'
            self._stop(event, SYNTAX, "a key must be a text", hint)
        if len(self._stack) >= MAX_DEPTH:
            self._stop(
                event, TOO_BIG, f"the file is nested more than {MAX_DEPTH} levels deep", "a flow needs about eight"
            )
        self._count(event)
        self._stack.append(_Open(mapping, *_mark(event)))

    def _end(self) -> None:
        done = self._stack.pop()
        node: Node
        if done.mapping:
            node = MapNode(tuple(done.entries), done.line, done.column)
        else:
            node = ListNode(tuple(done.items), done.line, done.column)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        if not top.mapping:
            top.items.append(node)
        elif top.key is None:
            assert isinstance(node, ScalarNode)
            top.key = node
        else:
            self._entry(top, top.key, node)
            top.key = None

    def _entry(self, top: _Open, key: ScalarNode, value: Node) -> None:
        text = key.text
        if text not in top.seen and (text != "<<" or key.style):
            top.seen[text] = key
            top.entries.append((key, value))
            return
        here = Location(self.path, key.line, key.column)
        if text == "<<" and not key.style:
            self.problems.append(_problem(here, EXTRAS, "`<<` is a merge key, and a flow file has none", _NO_ANCHORS))
            return
        first = top.seen[text]
        message = f"the key `{shorten(text)}` is here twice, first at {first.line}:{first.column}"
        hint = f"remove or rename one of the two `{shorten(text)}`"
        self.problems.append(_problem(here, DUPLICATE, message, hint))
        if len(self._stack) == 1:
            top.entries = [(name, _joined(node, value, name, key)) for name, node in top.entries]

    def _scalar(self, event: ScalarEvent) -> ScalarNode:
        self._count(event)
        style, text = event.style, event.value
        line, column = _mark(event)
        if not style:
            return ScalarNode(resolve(text), text, "", line, column)
        if style in ("'", '"'):
            column += 1
        elif style in ("|", ">"):
            line, column = self._block_content(line)
        if style == '"' and (odd := _CONTROL.search(text)) is not None:
            message = f"the text holds the control character U+{ord(odd[0]):04X}"
            self.problems.append(_problem(Location(self.path, line, column), SYNTAX, message, "delete its escape"))
        return ScalarNode(text, text, style, line, column)

    def _block_content(self, header: int) -> tuple[int, int]:
        """Where the first visible character below the header of a block scalar is."""
        if not self._lines:
            self._lines = [0, *(m.end() for m in re.finditer("\n", self.text))]
        if header >= len(self._lines):
            return header, 1
        begin = self._lines[header]
        found = _VISIBLE.search(self.text, begin)
        at = found.start() if found else begin
        line = bisect.bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1

    def _check_extras(self, event: ScalarEvent | CollectionStartEvent) -> None:
        if event.anchor:
            self._stop(event, EXTRAS, f"`&{event.anchor}` is an anchor, and a flow file has none", _NO_ANCHORS)
        if event.tag:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            from engine.flowlang.yamlwording import quoted_hint  # words are only needed where something is wrong

            index = event.start_mark.index if event.start_mark is not None else 0
            hint = f"remove `{shorten(tag)}`" if tag.startswith("!!") else quoted_hint(self.text, index)
            self._stop(event, EXTRAS, f"`{shorten(tag)}` is a tag, and a flow file has none", hint)

    def _count(self, event: yaml.Event) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(event, TOO_BIG, f"the file has more than {MAX_NODES:,} values", "a flow has a few hundred")

    def _stop(self, event: yaml.Event, code: str, message: str, hint: str) -> NoReturn:
        raise _Stop(_problem(Location(self.path, *_mark(event)), code, message, hint))


def _mark(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    assert mark is not None  # only events made by hand have none
    return mark.line + 1, mark.column + 1


def shorten(text: str, length: int = 60) -> str:
    """The text on one line, cut so that it fits into a message."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 3] + "..."


# --- problems ---------------------------------------------------------------------------------------------------------

_NO_ANCHORS = "write the value out where it is needed; expressions used often go under `define`"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_VISIBLE = re.compile(r"\S")
# Characters no editor shows, and line separators that YAML 1.1 and 1.2 count differently.
# They are listed, not the allowed ones: a class of nearly all characters takes 2 ms to compile.
_NOT_ALLOWED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|[\u2028\u2029]|[\ud800-\udfff]|[\ufffe\uffff]|\ufeff|\r(?!\n)"
)


def _joined(node: Node, value: Node, name: ScalarNode, key: ScalarNode) -> Node:
    """A section that is written twice as one, so that nothing that uses the second half of it seems unknown."""
    if name.text != key.text or not isinstance(node, MapNode) or not isinstance(value, MapNode):
        return node
    more = tuple((n, v) for n, v in value.entries if node.key(n.text) is None)
    return MapNode((*node.entries, *more), node.line, node.column)


def _problem(location: Location, code: str, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic(location, code, "", message, hint)


def _odd_character(text: str, found: re.Match[str], path: str) -> Diagnostic:
    code = ord(found[0])
    names = {0: "a NUL character", 13: "a carriage return alone", 0xFEFF: "a byte order mark"}
    message = f"{names.get(code, f'the character U+{code:04X}')} cannot stand here"
    hint = f'delete it; inside double quotes, write it as "\\u{code:04x}"'
    return _problem(_location(text, found.start(), path), SYNTAX, message, hint)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, path: str) -> Diagnostic:
    from engine.flowlang.yamlwording import worded  # words are only needed where something is wrong

    index, message, hint = worded(error, text)
    return _problem(_location(text, min(index, len(text)), path), SYNTAX, message, hint)
