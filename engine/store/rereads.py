"""A transaction that answers what was asked before from memory, until something is written that the question looks at.

One call of an agent asks the same from many places: whether the company is halted, what is under way, where a connection
leads to. Inside a transaction that holds the company nobody else changes the answers. What this one changes drops them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from engine.dataclass import dataclass
from engine.store.base import Params, Row, Tx, statements

_WORD = re.compile(r"\w+")
_WRITTEN = re.compile(r"\b(?:INSERT\s+INTO|INSERT\s+OR\s+\w+\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)")
# Tables whose rows take rows of other tables with them when they are deleted.
TAKE_OTHERS = frozenset({"spans"})
_BACKENDS = ("sqlite", "postgres")
# What is remembered of one statement: its answers by what it was asked with.
_Answers = dict[tuple[object, ...], list[Row]]


@dataclass(frozen=True, slots=True)
class _Statement:
    """What a statement looks at or changes, on whatever backend.

    `words` are all words of a question, the tables it looks at among them; None when its answer is not to be remembered.
    `written` are the tables that it changes; None when that may be any.
    """

    words: frozenset[str] | None
    written: frozenset[str] | None


class Rereads:
    """Hands everything on to `tx`, but a question that was asked before. It must be the only way to write in there."""

    __slots__ = ("_known", "_tx")

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._known: dict[str, _Answers] = {}

    def run(self, name: str, params: Params) -> int:
        """Execute and return how many rows changed."""
        self._outdate(_statement(name))
        return self._tx.run(name, params)

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        """Execute once a row of positional parameters."""
        self._outdate(_statement(name))
        self._tx.many(name, params)

    def rows(self, name: str, params: Params) -> list[Row]:
        """All rows: the caller's own list of them."""
        return self._found(name, params).copy()

    def one(self, name: str, params: Params) -> Row | None:
        """The first row."""
        found = self._found(name, params)
        return found[0] if found else None

    def _found(self, name: str, params: Params) -> list[Row]:
        key = tuple(params.items())
        known = self._known.get(name)
        if known is not None and (answer := known.get(key)) is not None:
            return answer
        statement = _statement(name)
        if statement.words is None:
            self._outdate(statement)
            return self._tx.rows(name, params)
        found = self._tx.rows(name, params)
        self._known.setdefault(name, {})[key] = found
        return found

    def _outdate(self, statement: _Statement) -> None:
        written = statement.written
        if written is None:
            self._known.clear()
            return
        for name in [name for name in self._known if not written.isdisjoint(_statement(name).words or ())]:
            del self._known[name]


@cache
def _statement(name: str) -> _Statement:
    texts = [found[name] for found in map(statements, _BACKENDS) if name in found]
    written = frozenset(word for text in texts for word in _WRITTEN.findall(text))
    if not written and all(text.startswith(("SELECT", "WITH")) and "FROM" in text for text in texts):
        return _Statement(frozenset(word for text in texts for word in _WORD.findall(text)), frozenset())
    return _Statement(None, written if written and written.isdisjoint(TAKE_OTHERS) else None)
