"""Finds where in a flow file a cursor stands, by what is written before it: also in a file that is no YAML yet.

Nothing after the cursor is looked at, and nothing before it has to be right: an unclosed bracket or quote ends, at the
latest, where a line is indented no more than the key that it belongs to.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Literal

from engine.dataclass import dataclass
from engine.flowlang.structure import Steps

_KEY = re.compile(
    r"""(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<plain>[^\s\-#"'{}\[\],&*!|>%@`:?][^:\n#]*?))[ \t]*:(?=[ \t]|$)"""
)
_BLOCK = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?$")
_INDENT = re.compile(r"[ \t]*")
_COMMENT = re.compile(r"(?:^|[ \t])#")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a cursor stands in.

    With the role `key`, a key of the mapping at `steps`, or the first word of a value there; with `value`, the value at
    `steps`. `text` is what of it is written before the cursor, without quotes and escapes; `style` is its quote, or `|`
    or `>` of a block, or empty. `nested` tells whether it stands in { } or [ ].
    """

    steps: Steps
    role: Literal["key", "value"]
    text: str
    style: str = ""
    nested: bool = False


@dataclass(slots=True)
class _Part:
    """A mapping or list that is open where the scanner stands; `indent` is -1 for one in brackets."""

    kind: Literal["map", "list"]
    indent: int = -1
    key: str | None = None
    index: int = 0

    @property
    def step(self) -> str | int:
        return self.index if self.kind == "list" else self.key or ""


@dataclass(slots=True)
class _Scanner:
    """Reads a text up to its end; what is open then is where the cursor stands."""

    lines: list[str]
    blocks: list[_Part] = field(default_factory=list)
    flows: list[_Part] = field(default_factory=list)
    # The scalar being read: its style, and what was read of it. None where none has begun.
    style: str = ""
    text: str | None = None
    # Whether the current key or item has a value already.
    filled: bool = False
    comment: bool = False
    role: Literal["key", "value"] = "key"

    def run(self) -> Cursor | None:
        """Read everything; None when the cursor stands in a comment, or where nothing can stand."""
        for number, line in enumerate(self.lines):
            self.comment = False
            self._line(line, last=number == len(self.lines) - 1)
        if self.comment or not self._is_somewhere():
            return None
        parts = [*self.blocks, *self.flows]
        steps = tuple(part.step for part in (parts[:-1] if self._at_key(parts) else parts))
        return Cursor(steps, self.role, self._decoded(), self.style, bool(self.flows))

    def _at_key(self, parts: list[_Part]) -> bool:
        """Whether the last part is the mapping whose key is being written."""
        return self.role == "key" and bool(parts) and parts[-1].kind == "map" and parts[-1].key is None

    def _is_somewhere(self) -> bool:
        return not (self.filled and (self.text is None or self.role == "key"))

    def _decoded(self) -> str:
        text = self.text or ""
        if self.style == "'":
            return text.replace("''", "'")
        return re.sub(r"\\(.)", r"\1", text) if self.style == '"' else text

    # -- lines

    @property
    def _base(self) -> int:
        return self.blocks[-1].indent if self.blocks else -1

    def _line(self, line: str, *, last: bool) -> None:
        indent = _INDENT.match(line).end()  # type: ignore[union-attr]  # it matches anything
        blank = indent == len(line)
        if self.text is not None or self.flows:
            if blank and not last:
                return
            left = indent <= self._base and not (line[indent : indent + 1] in ("}", "]") and self.flows)
            if not left and not (not blank and not self.flows and not self.style and self._begins(line, indent)):
                self._go_on(line)
                return
            self.flows.clear()
            self.text, self.style = None, ""
        if not blank or last:
            self._block_line(line, indent)

    def _begins(self, line: str, indent: int) -> bool:
        """Whether a line that could go on with a plain text begins a key instead, indented as no text would be."""
        return any(part.indent == indent for part in self.blocks) and bool(_KEY.match(line, indent))

    def _go_on(self, line: str) -> None:
        """Read a further line of a scalar of several lines, or of what is in brackets."""
        if self.flows or self.style in ("'", '"'):
            self._flow(line, 0, more=True)
        else:
            self.text = f"{self.text}\n{line}"

    def _block_line(self, line: str, at: int) -> None:
        rest = line[at:]
        if rest.startswith("#"):
            self.comment = True
            return
        self._close(at, is_item=rest.startswith("- ") or rest == "-")
        while rest.startswith("- ") or rest == "-":
            self._item(at)
            after = line[at + 1 :]
            at += 1 + len(after) - len(after.lstrip(" "))
            rest = line[at:]
        found = _KEY.match(line, at)
        if found is None:
            self._loose(line, at)
            return
        key = found["double"] or found["single"] or found["plain"] or ""
        if self.blocks and self.blocks[-1].kind == "map" and self.blocks[-1].indent == at:
            self.blocks[-1].key = key
        else:
            self.blocks.append(_Part("map", at, key))
        self._value(line, found.end())

    def _close(self, at: int, *, is_item: bool) -> None:
        """Leave what a line that begins at a column does not belong to."""
        while self.blocks and (
            self.blocks[-1].indent > at
            or (self.blocks[-1].indent == at and self.blocks[-1].kind == "list" and not is_item)
        ):
            self.blocks.pop()
            self.filled = True

    def _item(self, at: int) -> None:
        if self.blocks and self.blocks[-1].kind == "list" and self.blocks[-1].indent == at:
            self.blocks[-1].index += 1
        else:
            self.blocks.append(_Part("list", at))
        self.filled, self.role = False, "key"

    def _loose(self, line: str, at: int) -> None:
        """Read what is no key yet: a key half typed, an item, or the value of the key above."""
        self.role, self.style, self.text = "key", "", None
        top = self.blocks[-1] if self.blocks else None
        if top is None or (top.kind == "map" and top.indent == at):
            # A key beside others.
            if top is None:
                self.blocks.append(_Part("map", at))
            else:
                top.key = None
            self.filled = False
        if at < len(line) and line[at] in "{['\"":
            self._value(line, at)
        elif at < len(line):
            self.text = line[at:]
            self.comment = bool(_COMMENT.search(self.text))

    # -- values

    def _value(self, line: str, at: int) -> None:
        """Read what stands after a key, or as an item."""
        while at < len(line) and line[at] in " \t":
            at += 1
        self.role, self.style, self.text = "value", "", None
        self.filled = at < len(line)
        rest = line[at:]
        if not rest:
            return
        if rest.startswith("#"):
            self.comment, self.filled = True, False
        elif _BLOCK.match(rest):
            self.style, self.text = rest[0], ""
        elif rest[0] in "{['\"":
            self._flow(line, at)
        else:
            self.comment = bool(_COMMENT.search(rest))
            self.text = rest

    def _flow(self, line: str, at: int, *, more: bool = False) -> None:
        """Read brackets and quotes from a column on, as far as the line goes."""
        if more and self.text is not None:
            if self.style in ("'", '"'):
                self.text += "\n"
                at = self._quoted(line, at)
            else:
                self._end_scalar()
        while at < len(line) and not self.comment:
            at = self._piece(line, at)
            if not self.flows and self.text is None:
                self.filled = True
                return

    def _piece(self, line: str, at: int) -> int:
        """Read one character, or a quoted text, inside brackets; where to go on."""
        char = line[at]
        if char in " \t":
            self.text = None if self.text is None else self.text + char
        elif char == "#" and (at == 0 or line[at - 1] in " \t"):
            self.comment = True
        elif char in "{[":
            self._end_scalar()
            self.flows.append(_Part("map" if char == "{" else "list"))
            self.role, self.filled = ("key" if char == "{" else "value"), False
        elif char in "}],":
            self._separator(char)
        elif char in "'\"" and self.text is None:
            self.style, self.text = char, ""
            return self._quoted(line, at + 1)
        elif char == ":" and self._ends_key(line, at):
            self.flows[-1].key = (self.text or "").strip()
            self.role, self.style, self.text, self.filled = "value", "", None, False
        else:
            self.text = (self.text or "") + char
        return at + 1

    def _ends_key(self, line: str, at: int) -> bool:
        after = line[at + 1 : at + 2]
        return self.role == "key" and bool(self.flows) and self.flows[-1].kind == "map" and after in ("", " ", "\t")

    def _separator(self, char: str) -> None:
        self._end_scalar()
        if char != ",":
            self.flows.pop()
            self.filled = True
            self.role = "value"
        elif self.flows[-1].kind == "map":
            self.flows[-1].key, self.role, self.filled = None, "key", False
        else:
            self.flows[-1].index += 1
            self.role, self.filled = "value", False

    def _end_scalar(self) -> None:
        self.style, self.text = "", None

    def _quoted(self, line: str, at: int) -> int:
        """Read a quoted text up to its closing quote; what follows a key's is read as the key."""
        assert self.text is not None
        while at < len(line):
            char = line[at]
            if self.style == '"' and char == "\\":
                self.text += line[at : at + 2]
                at += 2
            elif self.style == "'" and line.startswith("''", at):
                self.text += "''"
                at += 2
            elif char == self.style:
                return self._closed(line, at + 1)
            else:
                self.text += char
                at += 1
        return at

    def _closed(self, line: str, at: int) -> int:
        """The quote is closed: in a mapping's key the text is kept until the colon, else it is over."""
        if self.flows and self.role == "key":
            self.text, self.style = self._decoded(), ""
            return at
        self._end_scalar()
        self.filled = True
        return at if self.flows else len(line)


def locate(text: str, line: int, column: int) -> Cursor | None:
    """What stands at a line and column, both counted from 0; None in a comment and where nothing can be written."""
    before = text.replace("\r\n", "\n").split("\n")[: line + 1]
    if len(before) <= line:
        return None
    before[line] = before[line][:column]
    return _Scanner(before).run()
