"""What an expression may name, and what the engine answers while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Protocol

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location
from engine.mapping.types import ResultType
from engine.model import Expr
from engine.spec import FieldSpec


class EvalContext(Protocol):
    """The world as one record sees it; the runner implements it."""

    @property
    def root(self) -> object:
        """The whole source record, for `root()`."""
        ...

    def lookup(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, object] | None:
        """The object a key is mapped to; when there is none, it is noted as missing and the record waits for it."""
        ...

    def lookup_if(
        self, name: str, key: str | None, label: str | None, number: str | None
    ) -> Mapping[str, object] | None:
        """The same, but a key and label that are both null need no object."""
        ...

    def find(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, object] | None:
        """The object a key is mapped to, or None; nothing is noted."""
        ...

    def setting(self, name: str, scope: str | None = None) -> str | int | bool | None:
        """A setting of the company for this flow: the value for this scope if it has one, else the general value."""
        ...

    def linked(self, name: str, list_id: str | None) -> bool:
        """Whether a row of a lookup table means this object of the target."""
        ...

    def posted(self, stream: str, key: str) -> Mapping[str, object] | None:
        """The receipt of the record `key` of another stream; noted as missing when it is not posted yet."""
        ...

    def candidates(self, name: str, amount: Decimal, currency: str, date: str, days: int) -> list[Mapping[str, object]]:
        """The active objects of a lookup's list with this amount and currency and a date (`YYYY-MM-DD`) within days."""
        ...

    def match(self, name: str, key: str, found: Sequence[Mapping[str, object]]) -> Mapping[str, object] | None:
        """The one that is meant; noted as missing when that is not certain."""
        ...

    def waited(self, name: str, date: str, days: int) -> bool:
        """Whether so many days have passed since the date; noted as missing when they have not."""
        ...

    def wanted(self, name: str, key: str) -> bool:
        """Whether any record waits for this mapping."""
        ...


class Watch(Protocol):
    """Is told what a compiled flow computes, for the coverage of golden cases; without one nothing is told or slower."""

    def outcome(self, expr: Expr) -> int:
        """The number under which the values of an expression, or of a define, are told."""
        ...

    def branch(self, expr: Expr, kind: str, offset: int) -> int:
        """The number of one way through an expression, which begins at an offset in it."""
        ...

    def asked(self, expr: Expr, function: str, offset: int) -> int:
        """The number under which the answers to one call of `posted` or `match` are told."""
        ...

    def hit(self, number: int) -> None:
        """Say that this way was taken."""
        ...

    def told(self, number: int, value: object) -> None:
        """Say that an expression had this value."""
        ...

    def heard(self, name: str, key: str | None, label: str | None, number: str | None, context: EvalContext) -> None:
        """Say that a lookup was asked for this."""
        ...


def place_of(expr: Expr, offset: int) -> Location:
    """The place `offset` characters into an expression; its start when it spans lines and no column is certain."""
    return expr.location if "\n" in expr.text else expr.location.shifted(offset)


# How often the input may appear in a result, and how many parts of an expression are within each other.
Growth = tuple[int, int]
# The type of an expression's value, its problems, and the two objects it was read against.
Analysed = tuple[ResultType, tuple[Diagnostic, ...], object, object]


@dataclass(slots=True)
class Known:
    """What was found out about the expressions of one scope, so that each rule that asks need not find it out again.

    `checked` and `analysed` keep problems without their path in the document; `analysed` keeps what an expression was
    read against as well, whose identity is part of the key. `meanings` are those of `engine.mapping.shared`, by text.
    """

    checked: dict[Expr, tuple[Diagnostic, ...]] = field(default_factory=dict)
    analysed: dict[tuple[Expr, int, int], Analysed] = field(default_factory=dict)
    meanings: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    growth: dict[str, Growth] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """The names an expression may use.

    `settings` gives the type of each setting, and `lookup_fields` the fields that an object found by a lookup offers;
    `receipts` what `posted` gives of a stream. What is absent from either is an open object. `place` maps an offset
    inside an expression to a place in a file; `engine.flowlang.yamlsource.place` does so for any scalar, folded ones too.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    lookups: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    define: Mapping[str, Expr] = field(default_factory=dict)
    lookup_fields: Mapping[str, tuple[FieldSpec, ...]] = field(default_factory=dict)
    receipts: Mapping[str, tuple[FieldSpec, ...]] = field(default_factory=dict)
    place: Callable[[Expr, int], Location] = place_of
    watch: Watch | None = None
    known: Known = field(default_factory=Known, compare=False, repr=False)
