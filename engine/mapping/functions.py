"""What an expression can call: our own functions, and the one table of all functions that checks and docs read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from engine import money
from engine.dataclass import dataclass
from engine.errors import ExpressionError

MAX_TEXT = 1_000_000
MAX_LIST = 100_000

ParameterType = Literal[
    "any",
    "text",
    "number",
    "amount",
    "integer",
    "count",
    "date",
    "list",
    "object",
    "expression",
    "name",
    "key",
    "texts",
    "amounts",
    "countable",
]
ResultName = Literal["any", "text", "number", "amount", "integer", "boolean", "date", "list", "object", "same", "item"]


class WrongValueError(ExpressionError):
    """A function was given a value it does not take."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"{expected} was expected, but this is {kind_of(value)}")


class TooLargeError(ExpressionError):
    """The result is larger than any record may be."""

    def __init__(self) -> None:
        super().__init__(f"the result is larger than {MAX_TEXT:,} characters or {MAX_LIST:,} items")


def kind_of(value: object) -> str:
    """The kind of a value in words, without the value."""
    for kind, name in ((bool, "true or false"), (str, "a text"), (int | Decimal, "a number"), (list, "a list")):
        if isinstance(value, kind):
            return name
    if value is None:
        return "missing (null)"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function."""

    name: str
    type: ParameterType
    optional: bool = False


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function: what checks and the reference page know of it. `gives` is what its example results in."""

    name: str
    parameters: tuple[Parameter, ...]
    result: ResultName
    help: str
    example: str
    gives: object
    run: Callable[..., object] | None = None
    variadic: bool = False

    @property
    def signature(self) -> str:
        """How it is called: `limit(text, n)`."""
        names = [f"{p.name}?" if p.optional else p.name for p in self.parameters]
        return f"{self.name}({', '.join(names)}{', ...' if self.variadic else ''})"

    def takes(self, count: int) -> bool:
        """Whether it can be called with `count` arguments."""
        least = sum(not p.optional for p in self.parameters)
        return count >= least and (self.variadic or count <= len(self.parameters))


# --- text ------------------------------------------------------------------------------------------------------------

_SPACES = re.compile(r"\s+")


def text_of(value: object) -> str:
    """A text argument."""
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str(value)
    raise WrongValueError("a text", value)


def count_of(value: object) -> int:
    """A count: a whole number from 0 to a million."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TEXT:
        raise WrongValueError("a whole number from 0 to 1,000,000", value)
    return value


def limit(value: object, n: object) -> str | None:
    """Cut to `n` characters."""
    if type(value) is str and type(n) is int and 0 <= n <= MAX_TEXT and value.isascii():
        return value[:n]
    if value is None:
        return None
    text = text_of(value)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text[: count_of(n)]


def last(value: object, n: object) -> str | None:
    """The last `n` characters."""
    if value is None:
        return None
    text, count = text_of(value), count_of(n)
    return text[-count:] if count else ""


def name_text(value: object, n: object) -> str | None:
    """A list name that QuickBooks takes: a colon would make a sub-item."""
    if value is None:
        return None
    text = unicodedata.normalize("NFC", text_of(value)).replace(":", "-")
    text = "".join(c for c in _SPACES.sub(" ", text) if unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    return text.strip()[: count_of(n)].strip()


def replace(value: object, old: object, new: object) -> str | None:
    """Put `new` for every `old`."""
    if value is None:
        return None
    text, was, now = text_of(value), text_of(old), text_of(new)
    if not was:
        raise WrongValueError("a text to look for", None)
    if len(text) + text.count(was) * len(now) > MAX_TEXT:
        raise TooLargeError
    return text.replace(was, now)


def upper(value: object) -> str | None:
    """Capital letters."""
    return None if value is None else text_of(value).upper()


def lower(value: object) -> str | None:
    """Small letters."""
    return None if value is None else text_of(value).lower()


def trim(value: object) -> str | None:
    """Without white space at both ends."""
    return None if value is None else text_of(value).strip()


def split(value: object, separator: object) -> list[str] | None:
    """The pieces between separators."""
    if value is None:
        return None
    text, mark = text_of(value), text_of(separator)
    if not mark:
        raise WrongValueError("a separator", None)
    if text.count(mark) >= MAX_LIST:
        raise TooLargeError
    return text.split(mark)


def pad(value: object, n: object, fill: object = "0") -> str | None:
    """Fill up on the left."""
    if value is None:
        return None
    mark = text_of(fill)
    if len(mark) != 1:
        raise WrongValueError("one character to fill with", fill)
    return text_of(value).rjust(count_of(n), mark)


def join_nonempty(separator: object, pieces: object) -> str | None:
    """Join the texts that are there."""
    if pieces is None:
        return None
    kept = [p if type(p) is str else text_of(p) for p in list_of(pieces) if p is not None and p != ""]
    return joined(text_of(separator), kept)


def joined(separator: str, texts: list[str]) -> str:
    """Join, within the limit."""
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_TEXT:
        raise TooLargeError
    return separator.join(texts)


# --- money -----------------------------------------------------------------------------------------------------------


def to_money(value: object) -> Decimal | None:
    """An amount in major units."""
    # Fewer than 14 digits with one point at most: what nearly every amount looks like, read without a pattern.
    if type(value) is str and len(value) < 14 and value.isascii() and value.replace(".", "", 1).isdecimal():
        return Decimal(value)
    return None if value is None else money.parse_money(value)


def round_money(value: object) -> Decimal | None:
    """Round to cents."""
    return None if value is None else money.round_cents(money.parse_money(value))


def abs_money(value: object) -> Decimal | None:
    """Without the sign."""
    return None if value is None else money.parse_money(value).copy_abs()


def neg_money(value: object) -> Decimal | None:
    """With the other sign."""
    if value is None:
        return None
    amount = money.parse_money(value)
    return amount.copy_negate() if amount else money.ZERO


def amount_is_negative(value: object) -> bool | None:
    """Below zero."""
    return None if value is None else money.parse_money(value) < 0


def sum_money(values: object) -> Decimal | None:
    """The exact sum of a list of amounts."""
    if values is None:
        return None
    return money.total([amount for v in list_of(values) if (amount := to_money(v)) is not None])


def minor(value: object, currency: object) -> Decimal | None:
    """Major units from minor units."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongValueError("a whole number of minor units", value)
    return money.from_minor(value, text_of(currency))


# --- dates -----------------------------------------------------------------------------------------------------------


class BadDateError(ExpressionError):
    """A text is no date."""

    def __init__(self, text: str) -> None:
        super().__init__(f"`{text[:32]}` is not a date", hint="a date looks like 2026-03-02 or 2026-03-02T09:00:00Z")


def date_part(value: object) -> str | None:
    """The date as written, without shifting it to another time zone."""
    if value is None:
        return None
    text = text_of(value)
    try:
        if len(text) == 10:
            date.fromisoformat(text)
        else:
            datetime.fromisoformat(text)
    except ValueError as error:
        raise BadDateError(text) from error
    if len(text) < 10 or text[4] != "-" or text[7] != "-" or (len(text) > 10 and text[10] not in "Tt "):
        raise BadDateError(text)
    return text[:10]


def add_days(value: object, n: object) -> str | None:
    """A date some days later, or earlier."""
    start = date_part(value)
    if start is None:
        return None
    if isinstance(n, bool) or not isinstance(n, int):
        raise WrongValueError("a whole number of days", n)
    try:
        return (date.fromisoformat(start) + timedelta(days=n)).isoformat()
    except OverflowError as error:
        raise BadDateError(start) from error


# --- lists -----------------------------------------------------------------------------------------------------------


def list_of(value: object) -> list[object]:
    """A list argument."""
    if isinstance(value, list):
        return value
    raise WrongValueError("a list", value)


def identity_of(value: object) -> object:
    """Something hashable that is equal for equal JSON values, and tells true from 1."""
    if isinstance(value, Mapping):
        return ("{", tuple(sorted((k, identity_of(v)) for k, v in value.items())))
    if isinstance(value, list):
        return ("[", tuple(identity_of(v) for v in value))
    return ("b" if isinstance(value, bool) else "v", value)


def group_by(values: object, key: Callable[[object], object]) -> list[dict[str, object]] | None:
    """Groups in the order of their first items."""
    if values is None:
        return None
    groups: dict[object, dict[str, object]] = {}
    members: dict[object, list[object]] = {}
    for value in list_of(values):
        name = key(value)
        mark = identity_of(name)
        if mark not in groups:
            members[mark] = []
            groups[mark] = {"key": name, "items": members[mark]}
        members[mark].append(value)
    return list(groups.values())


def unique(values: object) -> list[object] | None:
    """Each value once, in the order of first appearance."""
    if values is None:
        return None
    seen: dict[object, object] = {}
    for value in list_of(values):
        seen.setdefault(identity_of(value), value)
    return list(seen.values())


def _p(name: str, type_: ParameterType, *, optional: bool = False) -> Parameter:
    return Parameter(name, type_, optional)


_TEXT, _N, _AMOUNT = _p("text", "text"), _p("n", "count"), _p("amount", "amount")
_FOUND = (_p("name", "name"), _p("key", "key"), _p("label", "key", optional=True), _p("number", "key", optional=True))
_GROUPS = [{"key": "a", "items": [{"k": "a"}, {"k": "a"}]}, {"key": "b", "items": [{"k": "b"}]}]

OWN: tuple[FunctionSpec, ...] = (
    FunctionSpec(
        "money", (_AMOUNT,), "amount", "read an amount in major units", "money('10.50')", Decimal("10.50"), to_money
    ),
    FunctionSpec(
        "round_money",
        (_AMOUNT,),
        "amount",
        "round an amount to cents, a half away from zero",
        "round_money('2.675')",
        Decimal("2.68"),
        round_money,
    ),
    FunctionSpec(
        "abs_money",
        (_AMOUNT,),
        "amount",
        "an amount without its sign",
        "abs_money('-7.00')",
        Decimal("7.00"),
        abs_money,
    ),
    FunctionSpec(
        "neg_money",
        (_AMOUNT,),
        "amount",
        "an amount with the other sign",
        "neg_money('7.00')",
        Decimal("-7.00"),
        neg_money,
    ),
    FunctionSpec(
        "amount_is_negative",
        (_AMOUNT,),
        "boolean",
        "whether an amount is below zero",
        "amount_is_negative('-0.01')",
        True,
        amount_is_negative,
    ),
    FunctionSpec(
        "sum_money",
        (_p("list", "amounts"),),
        "amount",
        "the exact sum of amounts; nulls are left out",
        "sum_money(['0.10', '0.20'])",
        Decimal("0.30"),
        sum_money,
    ),
    FunctionSpec(
        "minor",
        (_p("count", "integer"), _p("currency", "text")),
        "amount",
        "an amount from a count of the currency's minor units",
        "minor(`1050`, 'USD')",
        Decimal("10.50"),
        minor,
    ),
    FunctionSpec(
        "date",
        (_p("text", "date"),),
        "date",
        "the date of a date or time as written, in its own time zone",
        "date('2026-03-02T23:30:00-05:00')",
        "2026-03-02",
        date_part,
    ),
    FunctionSpec(
        "add_days",
        (_p("date", "date"), _p("n", "integer")),
        "date",
        "a date some days later (or earlier, with a negative number)",
        "add_days('2026-02-27', `2`)",
        "2026-03-01",
        add_days,
    ),
    FunctionSpec(
        "limit", (_TEXT, _N), "text", "the first n characters", "limit('INV-2026-0001', `8`)", "INV-2026", limit
    ),
    FunctionSpec("last", (_TEXT, _N), "text", "the last n characters", "last('INV-2026-0001', `4`)", "0001", last),
    FunctionSpec(
        "name_text",
        (_TEXT, _N),
        "text",
        "a name as QuickBooks lists take it: no colon, no control characters, at most n long",
        "name_text(' Acme:  West ', `41`)",
        "Acme- West",
        name_text,
    ),
    FunctionSpec(
        "replace",
        (_TEXT, _p("old", "text"), _p("new", "text")),
        "text",
        "put new for every old",
        "replace('a-b-c', '-', '')",
        "abc",
        replace,
    ),
    FunctionSpec("upper", (_TEXT,), "text", "capital letters", "upper('usd')", "USD", upper),
    FunctionSpec("lower", (_TEXT,), "text", "small letters", "lower('USD')", "usd", lower),
    FunctionSpec("trim", (_TEXT,), "text", "no white space at either end", "trim('  a b ')", "a b", trim),
    FunctionSpec(
        "split",
        (_TEXT, _p("separator", "text")),
        "list",
        "the pieces between separators",
        "split('a/b', '/')",
        ["a", "b"],
        split,
    ),
    FunctionSpec(
        "pad",
        (_TEXT, _N, _p("fill", "text", optional=True)),
        "text",
        "fill up on the left, with 0 unless told",
        "pad('7', `3`)",
        "007",
        pad,
    ),
    FunctionSpec(
        "join_nonempty",
        (_p("separator", "text"), _p("list", "list")),
        "text",
        "join texts, leaving out null and empty ones",
        "join_nonempty(' ', ['a', '', `null`, 'b'])",
        "a b",
        join_nonempty,
    ),
    FunctionSpec(
        "group_by",
        (_p("list", "list"), _p("expression", "expression")),
        "list",
        "items that share a value, as {key, items}, in order of first appearance",
        'group_by(`[{"k": "a"}, {"k": "b"}, {"k": "a"}]`, &k)',
        _GROUPS,
        group_by,
    ),
    FunctionSpec(
        "unique", (_p("list", "list"),), "list", "each value once", "unique(['b', 'a', 'b'])", ["b", "a"], unique
    ),
    FunctionSpec("root", (), "any", "the whole source record, from anywhere inside it", "root().id", "bill-1"),
    FunctionSpec(
        "setting",
        (_p("name", "name"), _p("scope", "key", optional=True)),
        "any",
        "a setting of the company; with a scope the value that was set for that scope, else the general one",
        "setting('home_currency')",
        "USD",
    ),
    FunctionSpec(
        "lookup",
        _FOUND,
        "object",
        "the target's object for a key; when there is none the record waits for a mapping",
        "lookup('vendor', 'v-1', 'Acme').full_name",
        "Acme",
    ),
    FunctionSpec(
        "lookup_if",
        _FOUND,
        "object",
        "as lookup, but null when key and label are both null",
        "lookup_if('vendor', `null`, `null`)",
        None,
    ),
    FunctionSpec(
        "find", _FOUND, "object", "the target's object for a key, or null", "find('vendor', 'v-2', 'Nobody')", None
    ),
    FunctionSpec(
        "linked",
        (_p("name", "name"), _p("list_id", "key")),
        "boolean",
        "whether a mapping of the lookup, by a person or by the flow itself, means this object of the target",
        "linked('vendor', '80000001-1')",
        True,
    ),
    FunctionSpec(
        "posted",
        (_p("stream", "name"), _p("key", "key")),
        "object",
        "the receipt of a record that another stream posted",
        "posted('bills', 'bill-1').TxnID",
        "1A-1",
    ),
)
