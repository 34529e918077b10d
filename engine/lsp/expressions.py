"""What stands before a cursor inside an expression, and what may stand there: also where it is not complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from engine.dataclass import dataclass
from engine.mapping.analysis import watch
from engine.mapping.scope import Scope
from engine.mapping.syntax import Node
from engine.mapping.types import ANY, ResultType, union

# Stands for the name or the text that is being written. No field of any vendor has this name.
MARK = "flowctl_cursor_here"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CALLED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\Z")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a cursor stands in an expression.

    `name`: a field or function may stand there; `text`: it is inside single quotes; `nothing`: nothing can be offered.
    `word` is what of it is written, `head` all before it, `closers` what closes the brackets that are open. `call` is
    the function whose argument it is, if it is directly one, with the argument's number from 0.
    """

    kind: Literal["name", "text", "nothing"]
    head: str = ""
    word: str = ""
    closers: str = ""
    call: tuple[str, int] | None = None

    @property
    def after_dot(self) -> bool:
        """Whether a field of what stands before is read."""
        return self.head.rstrip().endswith(".")


@dataclass(slots=True)
class _Open:
    """A bracket that is not closed: for `(` the function called, and how many commas were seen."""

    bracket: str
    called: str = ""
    commas: int = 0
    at_key: bool = False


def spot(before: str) -> Spot:
    """What a cursor stands in, by the text of the expression before it."""
    stack: list[_Open] = []
    quote, since = "", 0
    position = 0
    while position < len(before):
        char = before[position]
        if quote:
            if char == "\\":
                position += 1
            elif char == quote:
                quote = ""
        elif char in "'`\"":
            quote, since = char, position
        elif char in _CLOSERS:
            called = _CALLED.search(before[:position]) if char == "(" else None
            stack.append(_Open(char, called[1] if called else "", at_key=char == "{"))
        elif char in ")]}":
            if stack:
                stack.pop()
        elif char == "," and stack:
            stack[-1].commas += 1
            stack[-1].at_key = stack[-1].bracket == "{"
        elif char == ":" and stack:
            stack[-1].at_key = False
        position += 1
    closers = "".join(_CLOSERS[each.bracket] for each in reversed(stack))
    if quote == "'":
        return _text(before, since, closers, stack)
    if quote or (stack and stack[-1].at_key):
        return Spot("nothing")
    word = _WORD.search(before)
    start = word.start() if word else len(before)
    return Spot("name", before[:start], before[start:], closers, _direct(before[:start], stack))


def _text(before: str, quote: int, closers: str, stack: Sequence[_Open]) -> Spot:
    return Spot("text", before[:quote], before[quote + 1 :], closers, _direct(before[:quote], stack))


def _direct(head: str, stack: Sequence[_Open]) -> tuple[str, int] | None:
    """The call whose argument begins after `head`."""
    if not stack or stack[-1].bracket != "(" or not stack[-1].called or not head.rstrip().endswith(("(", ",")):
        return None
    return stack[-1].called, stack[-1].commas


def read_from(at: Spot, data: ResultType, scope: Scope, root: ResultType | None = None) -> ResultType:
    """The type of the value that a name at this place is read from; any, where that cannot be told."""
    found: list[ResultType] = []

    def seen(node: Node, current: ResultType, _result: ResultType) -> None:
        if node.kind == "field" and node.value == MARK:
            found.append(current)

    watch(f"{at.head}{MARK}{at.closers}", data, scope, seen, root)
    return found[0] if found else ANY


def compared_with(at: Spot, data: ResultType, scope: Scope, root: ResultType | None = None) -> tuple[str, ...]:
    """The texts that the value can be with which the text at this place is compared; none, where they are not known."""
    found: list[tuple[str, ...]] = []
    types: dict[int, ResultType] = {}

    def seen(node: Node, _current: ResultType, result: ResultType) -> None:
        types[id(node)] = result
        if node.kind == "comparator" and any(child.value == MARK for child in node.children):
            found.extend(types[id(child)].choices for child in node.children if child.value != MARK)

    watch(f"{at.head}'{MARK}'{at.closers}", data, scope, seen, root)
    return found[0] if found else ()


def argument_of(name: str, text: str, data: ResultType, scope: Scope, root: ResultType | None = None) -> ResultType:
    """What the define `name` is called with in an expression and the defines that it calls; any, when it never is."""
    found: list[ResultType] = []
    types: dict[int, ResultType] = {}

    def seen(node: Node, _current: ResultType, result: ResultType) -> None:
        types[id(node)] = result
        if node.kind == "function_expression" and node.value == name and len(node.children) == 1:
            found.append(types.get(id(node.children[0]), ANY))

    watch(text, data, scope, seen, root)
    known = [each for each in found if each.kind != "any"]
    result = known[0] if known else ANY
    for each in known[1:]:
        result = union(result, each)
    return result
