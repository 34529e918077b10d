"""What an expression asks of the world while it is computed, what the answer is, and where that came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from typing import Any, TypeVar

from engine.dataclass import dataclass
from engine.pipeline import RecordContext
from engine.store.companies import setting_key
from engine.store.records import Reason

_RULES = {"list_id": "by its id in the list", "number": "by its number", "exact_name": "by its exact name"}
Question = tuple[str, str, tuple[str, ...]]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Heard:
    """One question: `function` and `name` as in `lookup('vendor', ...)`, what was given, the answer, and where that is from.

    `gap` is what is missing, and how to mend it. The same question of several lines counts `times`.
    """

    function: str
    name: str
    given: tuple[str, ...]
    answer: Any
    origin: str
    gap: Reason | None = None
    times: int = 1


@dataclass(slots=True)
class Listening:
    """The context of one expression: it asks the record's own context, and remembers what was asked.

    `whose` has the settings that do not stand as the flow has them, by key, with the words that say where they are from.
    """

    inner: RecordContext
    whose: Mapping[str, str]
    heard: dict[Question, Heard] = field(default_factory=dict)

    @property
    def root(self) -> object:
        """The whole source record."""
        return self.inner.root

    def lookup(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, Any] | None:
        """A required object."""
        return self._object("lookup", name, (key, label, number), lambda: self.inner.lookup(name, key, label, number))

    def lookup_if(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, Any] | None:
        """An object that is required only when the source gives a value."""
        if not (key or label):
            return self.inner.lookup_if(name, key, label, number)
        return self._object(
            "lookup_if", name, (key, label, number), lambda: self.inner.lookup_if(name, key, label, number)
        )

    def find(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, Any] | None:
        """An object if there is one."""
        return self._object("find", name, (key, label, number), lambda: self.inner.find(name, key, label, number))

    def setting(self, name: str, scope: str | None = None) -> str | int | bool | None:
        """A setting of this company, for a scope or in general."""
        answer = self.inner.setting(name, scope)
        key = setting_key(name, scope) if scope else name
        where = self.whose.get(key) or self.whose.get(name) or "the flow's default"
        self._hear("setting", name, (scope,), answer, where)
        return answer

    def linked(self, name: str, list_id: str | None) -> bool:
        """Whether anything of the source means this object of the target."""
        found = self.inner.linked(name, list_id)
        self._hear("linked", name, (list_id,), found, "by the mapping table")
        return found

    def posted(self, stream: str, key: str) -> Mapping[str, str] | None:
        """The receipt of another stream's record."""
        return self._gapped("posted", stream, (key,), "from what was posted", lambda: self.inner.posted(stream, key))

    def candidates(self, name: str, amount: Decimal, currency: str, date: str, days: int) -> list[Mapping[str, Any]]:
        """The objects that fit."""
        found = self.inner.candidates(name, amount, currency, date, days)
        given = (str(amount), currency, date, str(days))
        self._hear("candidates", name, given, found, "from the target's list")
        return found

    def match(self, name: str, key: str, found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The object that is meant."""
        matched = self._gapped("match", name, (key,), "", lambda: self.inner.match(name, key, found))
        question = ("match", name, (key,))
        said = self._mapping(name, key)
        where = said or ("the only one that fits" if matched is not None else "nothing fits")
        self.heard[question] = replace(self.heard[question], origin=where)
        return matched

    def waited(self, name: str, date: str, days: int) -> bool:
        """Whether the days are over."""
        return self._gapped(
            "waited", name, (date, str(days)), "by the date now", lambda: self.inner.waited(name, date, days)
        )

    def wanted(self, name: str, key: str) -> bool:
        """Whether any record waits for the mapping."""
        found = self.inner.wanted(name, key)
        self._hear("wanted", name, (key,), found, "by what waits in the store")
        return found

    def _object(
        self,
        function: str,
        name: str,
        given: tuple[str | None, str | None, str | None],
        ask: Callable[[], Mapping[str, Any] | None],
    ) -> Mapping[str, Any] | None:
        """An object of a list, and by which rule it was found."""
        found = self._gapped(function, name, given, "", ask)
        key, label, number = given
        resolved = self.inner.resolver.resolve(name, key, label, number)
        rule, question = resolved.rule, _question(function, name, given)
        if found is None and function != "find":
            # The same gap may have been noted for another question before.
            gap = self._unread(name) or self.heard[question].gap or resolved.reason
            self.heard[question] = replace(self.heard[question], gap=gap)
        if found is not None and rule is not None:
            where = (self._mapping(name, key) or self._mapping(name, label)) if rule == "mapped" else _RULES[rule]
            self.heard[question] = replace(self.heard[question], origin=where or "by a mapping")
        return found

    def _gapped(
        self, function: str, name: str, given: Sequence[str | None], origin: str, ask: Callable[[], Answer]
    ) -> Answer:
        """Ask, and keep what the record's context has noted as missing meanwhile."""
        before = len(self.inner.missing)
        answer = ask()
        new = self.inner.missing[before:]
        self._hear(function, name, given, answer, origin, new[0] if new else None)
        return answer

    def _hear(
        self, function: str, name: str, given: Sequence[str | None], answer: Any, origin: str, gap: Reason | None = None
    ) -> None:
        question = _question(function, name, given)
        known = self.heard.get(question)
        if known is not None:
            self.heard[question] = replace(known, times=known.times + 1)
        else:
            self.heard[question] = Heard(function, name, question[2], answer, origin, gap)

    def _unread(self, name: str) -> Reason | None:
        """Why nothing can be found yet: the list was never read."""
        resolver = self.inner.resolver
        lookup = resolver.flow.lookup(name)
        if lookup is None or resolver.list_loaded(resolver.kept(lookup)):
            return None
        return Reason("unread", f"the list {resolver.kept(lookup)} was never read")

    def _mapping(self, name: str, key: str | None) -> str:
        """Who has mapped a key; empty when nobody has."""
        resolver = self.inner.resolver
        scope = {"company": resolver.company, "flow": resolver.flow.name, "lookup": name, "source_key": key or ""}
        row = resolver.tx.one("mapping_get", scope)
        if row is None:
            return ""
        return (
            f"by a person's mapping of `{key}`"
            if row["origin"] == "person"
            else f"by this flow's own mapping of `{key}`"
        )


def _question(function: str, name: str, given: Sequence[str | None]) -> Question:
    return function, name, tuple("" if each is None else str(each) for each in given)
