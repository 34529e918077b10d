"""What to do about a problem of an expression, worded from the text around it or from the types it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.diagnostics import clearly_meant, suggestion
from engine.mapping.types import ResultType

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_OPERATORS = {"and": "&&", "or": "||"}
# A word of a text that was written without quotes; what may be added to a text: another, or a field.
_WORD = re.compile(r"[A-Za-z][\w-]*[.!,]?")
_PART = r"(?:'[^'\\]*'|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
# Words that other languages have as operators -> what to write instead.
_OPERATOR_WORDS: Mapping[str, str] = {
    "in": 'write contains(`["A", "B"]`, status) for `status in [A, B]`',
    "is": "write !a for `a is null`, and a == 'x' for anything else",
    "like": "there are no patterns: use starts_with, ends_with or contains",
    "eq": "write == to compare",
    "ne": "write != for unequal",
    **dict.fromkeys(("if", "then", "else"), "write `condition && this || that`"),
}
_ARITHMETIC = frozenset("+-*/%")
_LISTS = frozenset({"list", "texts", "amounts"})
_FITTING = {"amount": frozenset({"money", "amount"}), "date": frozenset({"date", "datetime"})}
_ANY = "texts stand in single quotes, numbers in backticks: status == 'OPEN' && money(amount) > `5`"
# A token, or the start of one, that JMESPath does not have -> what to write instead.
_TOKENS: Mapping[str, str] = {
    **dict.fromkeys("\u2018\u2019\u201a\u00b4", "this is a typographic quote: write ' around a text"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", "this is a typographic quote: write ' around a text"),
    **dict.fromkeys("\u00a0\u2007\u202f\u3000", "this is no ordinary space: delete it, and type a space"),
    **dict.fromkeys("\u2013\u2014", "this is a dash: write - in a number, and ' around a text"),
    **dict.fromkeys(("=~", "~"), "there are no patterns: use starts_with, ends_with or contains"),
    "{": "an expression names its fields without {{ }}: vendor.name",
    "${": "an expression names its fields without ${ }; a setting is read with setting('name')",
    "=": "write == to compare",
    "<>": "write != for unequal",
    "$": "a field is named without $; the whole record is root()",
    "?": "write `condition && this || that` without a question mark",
    ";": "write one expression, without ;",
    "#": "quote the whole expression: in YAML a # begins a comment",
}
# Two kinds of values that are never equal -> what to compare instead.
COMPARED: Mapping[frozenset[str], str] = {
    frozenset(
        ("text", "number")
    ): "compare with a text in single quotes, or make an amount of the text with money(...)",
    frozenset(("text", "boolean")): "compare with `true` or `false` in backticks, or leave the comparison out",
    frozenset(("number", "boolean")): "compare with `true` or `false` in backticks, or leave the comparison out",
    frozenset(("text", "list")): "ask contains(list, text), or compare one item: list[0]",
    frozenset(("number", "list")): "compare length(list)",
    frozenset(("text", "object")): "compare one of its fields",
    frozenset(("number", "object")): "compare one of its fields",
}


def syntax_hint(text: str, offset: int) -> str:
    """What to do about text that is no expression, from what stands at the offset and before it."""
    rest, before = text[offset:], text[:offset].rstrip()
    word = re.match(r"\w+", rest)
    last = re.search(r"\w+$", before)
    if not rest.strip():
        return _ending(before)
    if said := _text_or_joined(text) or (_for_operator(word[0], before) if word else ""):
        return said
    if last and last[0].lower() == "not":
        return "write ! for `not`: !(a == b)"
    if last and last[0].lower() in _OPERATORS:
        return f"write {_OPERATORS[last[0].lower()]} for `{last[0]}`"
    if (number := _NUMBER.match(rest)) and not before.endswith(("[", ":")):
        return f"write numbers in backticks: `{number[0]}`"
    if (found := next((hint for token, hint in _TOKENS.items() if rest.startswith(token)), None)) is not None:
        return found
    if rest[0] in _ARITHMETIC:
        return "there is no arithmetic: add with sum_money([a, b]), subtract with neg_money(b) in it"
    if before.endswith("[") and rest[0] in "'\"":
        return 'read a field with a dot: a.b, or a."odd name"'
    if rest[0] in ")]}":
        return _closing(before, rest[0])
    if rest[0] in ",:":
        return (
            "remove it: no value follows" if rest[1:].lstrip()[:1] in (*_PAIRS.values(), "") else "a value is missing"
        )
    if before.endswith("."):
        return "a name, [ ] or { } follows a dot"
    if last or before.endswith((")", "]", "}", "'", "`", '"')):
        return "put a comma, a dot or an operator such as == or && before it"
    return _ANY


_OTHER_WORDS = frozenset({*_OPERATORS, *_OPERATOR_WORDS, "not"})


def _text_or_joined(text: str) -> str:
    """What to write for words without quotes, and for texts that are added; empty when the text is neither."""
    words = text.split()
    if len(words) > 1 and all(_WORD.fullmatch(word) for word in words) and not _OTHER_WORDS & {*map(str.lower, words)}:
        return f"a text stands in single quotes: \"'{' '.join(words)}'\""
    return f"add texts with {joined}" if (joined := as_join(text)) else ""


def as_join(text: str) -> str:
    """The call that joins what a text adds with `+`; empty when it adds no text in single quotes to fields and texts."""
    parts = re.fullmatch(rf"\s*({_PART})((?:\s*\+\s*{_PART})+)\s*", text)
    if parts is None or "'" not in text:
        return ""
    return f"join('', [{', '.join(re.findall(_PART, text))}])"


def _for_operator(word: str, before: str) -> str:
    """What to write for a word that is an operator elsewhere; some of them are names where nothing stands before."""
    if word.lower() in _OPERATORS:
        return f"write {_OPERATORS[word.lower()]} for `{word}`"
    return _OPERATOR_WORDS.get(word.lower(), "") if before else ""


def _opened(text: str) -> list[str]:
    """The brackets that are open at the end of a text."""
    stack: list[str] = []
    for char in _QUOTED.sub("", text):
        if char in _PAIRS:
            stack.append(char)
        elif stack and _PAIRS[stack[-1]] == char:
            stack.pop()
    return stack


def _ending(before: str) -> str:
    closers = "".join(_PAIRS[char] for char in reversed(_opened(before)))
    if re.search(r"(\|\||&&|[=<>,.:!&|])$", before):
        return "a value is missing at the end" + (f", and {closers} after it" if closers else "")
    return f"add {closers} at the end" if closers else _ANY


def _closing(before: str, closer: str) -> str:
    stack = _opened(before)
    if not stack:
        return f"remove it: nothing is open that {closer} could close"
    if _PAIRS[stack[-1]] != closer:
        return f"close {stack[-1]} first, with {_PAIRS[stack[-1]]}"
    return "a value is missing before it"


def is_closed_by(text: str, comment: str) -> bool:
    """Whether a text ends within a quote that the comment after it closes."""
    opened = next((char for char in _QUOTED.sub("", text) if char in "'`\""), "")
    return bool(opened) and opened in comment


_LITERALS = {"true": "true", "false": "false", "null": "null", "none": "null", "nil": "null"}
_RECORD_WORDS = frozenset({"record", "this", "self", "source", "item", "row", "data", "payload", "it", "input"})


def field_hint(name: str, current: ResultType, root: ResultType, *, quoted: bool) -> str:
    """Where a field may be that is not in the value that is read."""
    if not clearly_meant(name, current.names):
        if (literal := _LITERALS.get(name.casefold())) is not None:
            return f"write `{literal}` in backticks; without them it is a field"
        if name in _RECORD_WORDS:
            return "a field is named alone: id; the value itself is @, the whole source record root()"
        if quoted:
            return f"double quotes name a field; write a text in single quotes: '{name}'"
        holders = [key for key, kind in current.fields if kind.kind == "object" and kind.field(name) is not None]
        if len(holders) == 1:
            return f"it is in `{holders[0]}`: write {holders[0]}.{name}"
        if current is not root and root.field(name) is not None:
            return f"the source record has it: write root().{name}, or add it to what is read here"
        if any(name in field.choices for _, field in current.fields):
            return f"a text stands in single quotes: '{name}'"
    return suggestion(name, current.names)


def kind_hint(wanted: str, found: ResultType, record: ResultType) -> str:
    """How a value of the kind that was found can be given where another is wanted, by the fields of the record."""
    kind = found.kind
    if wanted in ("number", "integer", "count") and kind == "money":
        return f"write a number in backticks: `{found.choices[0]}`" if found.choices else "wrap it in money(...)"
    if wanted in ("amount", "date") and kind not in ("list", "object"):
        names = [name for name, field in record.fields if field.kind in _FITTING[wanted]]
        listed = f": {', '.join(names[:8])}" if names else ""
        return f"give a field that holds {'money' if wanted == 'amount' else 'a date'}{listed}"
    if kind == "object" and wanted not in _LISTS:
        return "read one of its fields" + (f": {', '.join(found.names[:8])}" if found.names else "")
    if kind == "list":
        return {
            "amount": "add up its items: sum_money(list[].amount)",
            "number": "count it with length(...), or take one item: list[0]",
        }.get(wanted, "take one item of it, such as list[0]")
    if wanted in _LISTS:
        return "put it in [ ] for a list of one"
    if wanted == "object":
        return "give an object: {a: b}"
    if wanted in ("text", "countable", "key"):
        return "make a text of it with to_string(...)"
    return "write a number in backticks: `5`, or make one with to_number(...)"
