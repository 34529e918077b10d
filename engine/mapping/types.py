"""What an expression's value will be, as far as the fields of its source tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Literal

from engine.dataclass import dataclass
from engine.spec import FieldSpec, FieldType

# `money` is a decimal text as a source gives it; `amount` is a Decimal that a function has made of it.
Kind = Literal[
    "any", "null", "text", "id", "money", "amount", "decimal", "integer", "number", "boolean", "date", "datetime",
    "object", "list",
]  # fmt: skip
TEXTS: frozenset[str] = frozenset({"text", "id", "money", "date", "datetime"})
NUMBERS: frozenset[str] = frozenset({"amount", "integer", "number"})


@dataclass(frozen=True, slots=True)
class ResultType:
    """The type of a value.

    An `open` object may have more keys than `fields`. `max_length` bounds a text, when a bound is known; `choices`
    lists all texts it can be, when they are known. `help` says what a declared field means.
    """

    kind: Kind
    nullable: bool = True
    fields: tuple[tuple[str, ResultType], ...] = ()
    open: bool = True
    item: ResultType | None = None
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    help: str = field(default="", repr=False, compare=False)

    def field(self, name: str) -> ResultType | None:
        """The type of one key of an object."""
        for key, found in self.fields:
            if key == name:
                return found
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """The known keys of an object."""
        return tuple(key for key, _ in self.fields)

    def or_null(self, nullable: bool = True) -> ResultType:
        """The same type, which may also be null when `nullable` is."""
        return self._with_null(nullable=True) if nullable and not self.nullable else self

    def present(self) -> ResultType:
        """The same type without null."""
        return self._with_null(nullable=False) if self.nullable else self

    def _with_null(self, *, nullable: bool) -> ResultType:
        # As `replace` does, which takes three times as long: `validate` asks for it hundreds of times a flow.
        return ResultType(self.kind, nullable, self.fields, self.open, self.item, self.max_length, self.choices)


ANY = ResultType("any")
NULL = ResultType("null")
BOOLEAN = ResultType("boolean", nullable=False)


def record_type(fields: Iterable[FieldSpec]) -> ResultType:
    """The type of a record with these fields; open when there are none."""
    members = tuple((f.name, field_type(f)) for f in fields)
    return ResultType("object", nullable=False, fields=members, open=not members)


def field_type(spec: FieldSpec) -> ResultType:
    """The type of one declared field."""
    nullable = not spec.required
    if spec.type == "object":
        return replace(record_type(spec.fields), nullable=nullable, help=spec.help)
    if spec.type == "list":
        item = record_type(spec.fields) if spec.fields else _scalar(spec.of)
        return ResultType("list", nullable, item=item, help=spec.help)
    return _scalar(spec.type, nullable=nullable, choices=spec.choices, about=spec.help)


_LENGTHS: Mapping[str, int] = {"date": 10, "datetime": 40, "money": 32}


def _scalar(kind: FieldType, *, nullable: bool = False, choices: tuple[str, ...] = (), about: str = "") -> ResultType:
    return ResultType(kind, nullable=nullable, max_length=_LENGTHS.get(kind), choices=choices, help=about)


def object_type(entries: Iterable[tuple[str, ResultType]]) -> ResultType:
    """The type of a mapped record: an object with exactly these keys."""
    return ResultType("object", nullable=False, fields=tuple(entries), open=False)


def union(left: ResultType, right: ResultType) -> ResultType:
    """The type of a value that is one or the other."""
    nullable = left.nullable or right.nullable
    if left.kind == "null" or right.kind == "null":
        return (right if left.kind == "null" else left).or_null()
    longest = None
    if left.max_length is not None and right.max_length is not None:
        longest = max(left.max_length, right.max_length)
    if left.kind != right.kind:
        return ResultType(_wider(left.kind, right.kind), nullable, max_length=longest)
    choices = tuple(dict.fromkeys((*left.choices, *right.choices))) if left.choices and right.choices else ()
    if left.kind == "object":
        names = dict.fromkeys((*left.names, *right.names))
        members = tuple((name, _member(left.field(name), right.field(name))) for name in names)
        return ResultType("object", nullable, fields=members, open=left.open or right.open)
    item = union(left.item or ANY, right.item or ANY) if left.kind == "list" else None
    return ResultType(left.kind, nullable, item=item, max_length=longest, choices=choices)


def _member(left: ResultType | None, right: ResultType | None) -> ResultType:
    if left is not None and right is not None:
        return union(left, right)
    return (left or right or ANY).or_null()


def _wider(left: Kind, right: Kind) -> Kind:
    pair = {left, right}
    if pair == {"date", "datetime"}:
        return "datetime"
    if pair <= TEXTS:
        return "text"
    return "number" if pair <= NUMBERS else "any"
