"""What matches records of a source with objects of a target's list, and waits for those that may still come."""

from __future__ import annotations

from collections.abc import Mapping

from engine.mapping.functions import (
    FunctionSpec,
    Parameter,
    WrongValueError,
    count_of,
    date_part,
    list_of,
    text_of,
    to_money,
)
from engine.mapping.scope import EvalContext
from engine.mapping.similar import similar

# What an object needs for `candidates` to compare it with a record; it may have `other_amount` and `other_currency` as well.
COMPARED = ("amount", "currency", "date")

_Object = Mapping[str, object]


def alike(a: object, b: object) -> bool:
    """Whether two names are alike; null is like nothing."""
    return similar(None if a is None else text_of(a), None if b is None else text_of(b))


def candidates(
    context: EvalContext, name: str, amount: object, currency: object, date: object, days: object
) -> list[_Object]:
    """The objects that fit; none when anything of it is null."""
    asked, day, within = to_money(amount), date_part(date), count_of(days)
    if asked is None or currency is None or day is None:
        return []
    return context.candidates(name, asked, text_of(currency), day, within)


def match(context: EvalContext, name: str, key: str | None, found: object) -> _Object | None:
    """The one that is meant."""
    if not key:
        raise WrongValueError("a key", key or None)
    given = [] if found is None else list_of(found)
    objects = [each for each in given if isinstance(each, Mapping)]
    if len(objects) != len(given):
        raise WrongValueError("a list of candidates", given)
    return context.match(name, key, objects)


def waited(context: EvalContext, name: str, date: object, days: object) -> bool:
    """Whether the days are over."""
    day = date_part(date)
    if day is None:
        raise WrongValueError("a date", None)
    return context.waited(name, day, count_of(days))


def wanted(context: EvalContext, name: str, key: str | None) -> bool:
    """Whether anything waits for the mapping."""
    return bool(key) and context.wanted(name, str(key))


_NAME, _KEY = Parameter("name", "name"), Parameter("key", "key")
_DATE, _DAYS = Parameter("date", "date"), Parameter("days", "count")
_FOUND = "candidates('card', '10.50', 'USD', '2026-03-02', `3`)"

MATCHING: tuple[FunctionSpec, ...] = (
    FunctionSpec(
        "similar",
        (Parameter("a", "text"), Parameter("b", "text")),
        "boolean",
        "whether two names are alike, but for case, accents, punctuation, company forms and store numbers; false for null",
        "similar('Café Noir, Inc.', 'CAFE NOIR #0042')",
        True,
        alike,
    ),
    FunctionSpec(
        "candidates",
        (_NAME, Parameter("amount", "amount"), Parameter("currency", "text"), _DATE, _DAYS),
        "list",
        "the active objects of the lookup's list with this amount and currency, and a date so many days around this one, "
        "the nearest first",
        f"{_FOUND}[].list_id",
        ["t-1"],
        candidates,
    ),
    FunctionSpec(
        "match",
        (_NAME, _KEY, Parameter("candidates", "list")),
        "object",
        "the object that a person mapped the key to, else the only candidate; null when there is none. When there are "
        "several, or another record has it, the record waits for a mapping",
        f"match('card', 'e-1', {_FOUND}).list_id",
        "t-1",
        match,
    ),
    FunctionSpec(
        "waited",
        (_NAME, _DATE, _DAYS),
        "boolean",
        "true once so many days have passed since the date, and the lookup's list was read since; until then the record "
        "waits for the list to be read again",
        "waited('card', '2026-03-02', `5`)",
        True,
        waited,
    ),
    FunctionSpec(
        "wanted",
        (_NAME, _KEY),
        "boolean",
        "whether any record of the flow waits for this key to be mapped; in `select`, the record is looked at again once "
        "one does",
        "wanted('vendor', 'v-1')",
        True,
        wanted,
    ),
)
