"""Text to tree: the `jmespath` parser, held to limits, keeping the offset of every name and reading numbers exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jmespath.exceptions import EmptyExpressionError, IncompleteExpressionError, LexerError, ParseError
from jmespath.lexer import Lexer
from jmespath.parser import ParsedResult, Parser

from engine.dataclass import dataclass

# The published type stubs leave out the methods that a subclass needs.
_AnyLexer: Any = Lexer
_AnyParser: Any = Parser

MAX_LENGTH = 4096
MAX_NODES = 500
MAX_DEPTH = 40
MAX_DIGITS = 40
_SLICE = "slice"
_SMALLER = "move parts of it to `define`"
_OPEN = frozenset({"lparen", "lbracket", "lbrace", "filter"})
_CLOSE = frozenset({"rparen", "rbracket", "rbrace"})
_PREFIX = frozenset({"not", "expref"})
_NUMBER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a parsed expression; `value` is a name, a literal, an index, or the three parts of a slice."""

    kind: str
    value: Any
    children: tuple[Node, ...]
    start: int


class BadSyntax(Exception):  # it is turned into a Diagnostic, never shown as an exception
    """The text is no expression, or one that is larger than any flow needs."""

    def __init__(self, code: str, offset: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.offset = offset
        self.message = message
        self.hint = hint


class _Lexer(_AnyLexer):  # type: ignore[misc]  # see _AnyLexer
    """Reads the literal between backticks as strict JSON without floats."""

    def _consume_literal(self) -> dict[str, Any]:
        start = self._position
        lexeme = self._consume_until("`").replace("\\`", "`")
        try:
            value = json.loads(lexeme, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BadSyntax(
                "E101", start, "what stands between backticks is not JSON", "write text in single quotes: 'text'"
            ) from error
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and not _is_moderate(value):
            hint = "an id of digits is a text: write it in single quotes"
            raise BadSyntax("E101", start, f"a number may have {MAX_DIGITS} digits at most", hint)
        return {"type": "literal", "value": value, "start": start, "end": self._position}


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _is_moderate(value: int | Decimal) -> bool:
    if isinstance(value, int):
        return bool(abs(value) < 10**MAX_DIGITS)
    return abs(value.adjusted()) < MAX_DIGITS and len(value.as_tuple().digits) <= MAX_DIGITS


def _placed(kind: str) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """The parser's own way to read what begins with a token, keeping where that is."""
    read = getattr(_AnyParser, f"_token_nud_{kind}")

    def placed(parser: Any, token: dict[str, Any]) -> dict[str, Any]:
        return {**read(parser, token), "start": token["start"]}

    return placed


class _Parser(_AnyParser):  # type: ignore[misc]  # see _AnyLexer
    """Keeps offsets, and refuses the missing and doubled commas that jmespath lets through."""

    def _parse(self, expression: str) -> ParsedResult:
        self.tokenizer = _Lexer().tokenize(expression)
        self._tokens = list(self.tokenizer)
        _check_nesting(self._tokens)
        self._index = 0
        parsed = self._expression(binding_power=0)
        if self._current_token() != "eof":
            self._raise_parse_error_for_token(self._lookahead_token(0), "unexpected")
        return ParsedResult(expression, parsed)

    _token_nud_literal = _placed("literal")
    _token_nud_unquoted_identifier = _placed("unquoted_identifier")
    _token_nud_quoted_identifier = _placed("quoted_identifier")
    _token_nud_current = _placed("current")
    _token_nud_star = _placed("star")
    _token_nud_filter = _placed("filter")
    _token_nud_flatten = _placed("flatten")
    _token_nud_not = _placed("not")
    _token_nud_expref = _placed("expref")
    _token_nud_lbrace = _placed("lbrace")
    _token_nud_lbracket = _placed("lbracket")

    def _parse_index_expression(self) -> dict[str, Any]:
        bracket = self._lookahead_token(-1)
        return {**super()._parse_index_expression(), "start": bracket["start"]}

    def _token_led_lparen(self, left: dict[str, Any]) -> dict[str, Any]:
        if left["type"] != "field":
            before = self._lookahead_token(-2)
            hint = "put an operator such as && or == before the parenthesis"
            raise BadSyntax("E101", before["start"], "only a name can be called", hint)
        args = []
        while self._current_token() != "rparen":
            args.append(self._expression())
            if self._current_token() == "comma" and self._lookahead(1) != "rparen":
                self._match("comma")
            elif self._current_token() != "rparen":
                self._raise_parse_error_maybe_eof("`,` or `)`", self._lookahead_token(0))
        self._match("rparen")
        return {"type": "function_expression", "value": left["value"], "children": args, "start": left.get("start", 0)}

    def _parse_multi_select_hash(self) -> dict[str, Any]:
        pairs = []
        while True:
            key = self._lookahead_token(0)
            self._match_multiple_tokens(token_types=["quoted_identifier", "unquoted_identifier"])
            self._match("colon")
            value = self._expression(0)
            pairs.append({"type": "key_val_pair", "children": [value], "value": key["value"], "start": key["start"]})
            if self._current_token() == "rbrace":
                self._match("rbrace")
                return {"type": "multi_select_dict", "children": pairs}
            self._match("comma")


def _check_nesting(tokens: list[dict[str, Any]]) -> None:
    """Refuse deep nesting before the recursive parser walks into it."""
    depth = run = 0
    for token in tokens:
        kind = token["type"]
        run = run + 1 if kind in _PREFIX else 0
        depth += (kind in _OPEN) - (kind in _CLOSE)
        if depth + run > MAX_DEPTH:
            raise BadSyntax("E102", token["start"], f"nested more than {MAX_DEPTH} deep", _SMALLER)


@lru_cache(maxsize=2048)
def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        BadSyntax: with the offset of the problem; never RecursionError.
    """
    if len(text) > MAX_LENGTH:
        raise BadSyntax("E102", 0, f"longer than {MAX_LENGTH} characters", _SMALLER)
    try:
        parser: Any = _Parser()
        parsed = parser._parse(text).parsed  # noqa: SLF001  # `parse` would share jmespath's cache, and its floats
    except EmptyExpressionError as error:
        raise BadSyntax("E101", 0, "the expression is empty", "write @ for the whole value") from error
    except IncompleteExpressionError as error:
        hint = _hint(text, len(text))
        raise BadSyntax("E101", len(text), "the expression ends too early", hint) from error
    except LexerError as error:
        raise BadSyntax("E101", error.lexer_position, *_lexer_message(error, text)) from error
    except ParseError as error:
        at = error.lex_position
        message = f"unexpected `{str(error.token_value)[:20]}`"
        raise BadSyntax("E101", at, message, _hint(text, at)) from error
    except RecursionError as error:
        raise BadSyntax("E102", 0, f"nested more than {MAX_DEPTH} deep", _SMALLER) from error
    count = [0]
    return _node(parsed, 0, count)


@lru_cache(maxsize=2048)
def parts(text: str) -> tuple[Node, ...]:
    """Every node of an expression, from the outermost; none of one that cannot be read."""
    try:
        return walk(parse(text))
    except BadSyntax:
        return ()


def walk(node: Node) -> tuple[Node, ...]:
    """A node and all nodes below it."""
    pending = [node]
    found = []
    while pending:
        current = pending.pop()
        found.append(current)
        pending += current.children[::-1]
    return tuple(found)


def _hint(text: str, offset: int) -> str:
    from engine.mapping.wording import syntax_hint  # words are only needed where something is wrong

    return syntax_hint(text, offset)


def _lexer_message(error: LexerError, text: str) -> tuple[str, str]:
    if str(error.message).startswith("Unclosed"):
        return "a quote is opened here and never closed", f"add {text[error.lexer_position : error.lexer_position + 1]}"
    found = str(error.lexer_value)[:20]
    shown = f"`{found}`" if found.isprintable() and found.strip() else f"character U+{ord(found[:1] or ' '):04X}"
    return f"unexpected {shown}", _hint(text, error.lexer_position)


def _node(raw: dict[str, Any], depth: int, count: list[int], above: int = 0) -> Node:
    """The node; `above` is where it starts when nothing of it is written, as the left side of `[0]` alone."""
    count[0] += 1
    if count[0] > MAX_NODES:
        raise BadSyntax("E102", 0, f"more than {MAX_NODES} parts", _SMALLER)
    if depth > MAX_DEPTH:
        raise BadSyntax("E102", above, f"nested more than {MAX_DEPTH} deep", _SMALLER)
    kind = raw["type"]
    if kind == _SLICE:
        if raw["children"][2] == 0:
            raise BadSyntax(
                "E101", raw["start"], "a slice cannot have the step 0", "remove it, or write another: [::2]"
            )
        return Node(kind, tuple(raw["children"]), (), raw["start"])
    start = raw.get("start")
    above = above if start is None else start
    children = tuple(_node(child, depth + 1, count, above) for child in raw.get("children", ()))
    if start is None:
        start = min((c.start for c in children if c.kind != "identity"), default=above)
    return Node(kind, raw.get("value"), children, start)
