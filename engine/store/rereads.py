"""A transaction that answers what is asked over and over from memory, until something is written that the question looks at.

One call of an agent asks the same from many places: whether the company is halted, what is under way, where a connection
leads to. Inside a transaction that holds the company nobody else changes the answers, and what this one changes drops them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from engine.store.base import Params, Row, Tx, statements

# To remember an answer takes a tenth of what it takes to ask; so these are the questions that most calls ask again.
AGAIN = frozenset(
    {
        "connection_get",
        "fact_get",
        "holdings_newest",
        "identity_get",
        "list_get",
        "lists_of",
        "operation_get",
        "operations_next",
        "operations_of_set",
        "pause_for",
        "pending_exists",
        "set_unsettled",
        "settings_of",
    }
)
# Tables whose rows take rows of other tables with them when they are deleted.
TAKE_OTHERS = frozenset({"spans"})
_BACKENDS = ("sqlite", "postgres")
_WORD = re.compile(r"\w+")
_WRITTEN = re.compile(r"\b(?:INSERT\s+INTO|INSERT\s+OR\s+\w+\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)")


class Rereads:
    """Hands on to `tx` what it does not know. It must be the only way in which the transaction writes."""

    __slots__ = ("_known", "_tx")

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        # The answers to each question, by what it was asked with.
        self._known: dict[str, dict[tuple[object, ...], list[Row]]] = {}

    def run(self, name: str, params: Params) -> int:
        """Execute and return how many rows changed."""
        for outdated in outdates(name):
            self._known.pop(outdated, None)
        return self._tx.run(name, params)

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        """Execute once a row of positional parameters."""
        for outdated in outdates(name):
            self._known.pop(outdated, None)
        self._tx.many(name, params)

    def rows(self, name: str, params: Params) -> list[Row]:
        """All rows: the caller's own list of them."""
        return self._again(name, params).copy() if name in AGAIN else self._anew(name, params)

    def one(self, name: str, params: Params) -> Row | None:
        """The first row."""
        found = self._again(name, params) if name in AGAIN else self._anew(name, params)
        return found[0] if found else None

    def _again(self, name: str, params: Params) -> list[Row]:
        known, key = self._known.setdefault(name, {}), tuple(params.items())
        found = known.get(key)
        if found is None:
            found = known[key] = self._tx.rows(name, params)
        return found

    def _anew(self, name: str, params: Params) -> list[Row]:
        # A question may change something and tell what it has come to.
        for outdated in outdates(name):
            self._known.pop(outdated, None)
        return self._tx.rows(name, params)


@cache
def outdates(name: str) -> tuple[str, ...]:
    """Those of the questions in `AGAIN` whose answers may be others once this statement was run, on whatever backend."""
    texts = _texts(name)
    written = {word for text in texts for word in _WRITTEN.findall(text)}
    if not written and all(text.startswith(("SELECT", "WITH")) and "FROM" in text for text in texts):
        return ()
    if not written or not written.isdisjoint(TAKE_OTHERS):
        return tuple(sorted(AGAIN))
    return tuple(sorted(each for each in AGAIN if not written.isdisjoint(_words(each))))


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(word for text in _texts(name) for word in _WORD.findall(text))


def _texts(name: str) -> list[str]:
    return [found[name] for found in map(statements, _BACKENDS) if name in found]
