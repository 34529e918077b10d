"""What the fields of a stream mean to a target: as its connector says, else guessed from names and types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from engine.abilities import Means
from engine.contract import Connector
from engine.dataclass import dataclass
from engine.spec import FieldSpec, FieldType, StreamSpec

_TEXTS: tuple[FieldType, ...] = ("text", "id")
_DAYS: tuple[FieldType, ...] = ("date", "datetime")
_PAYEE = r"(vendor|supplier|payee|merchant|creditor)"
# For each meaning the types that fit, and patterns of paths, the best first.
_SIGNS: Mapping[str, tuple[tuple[FieldType, ...], Sequence[str]]] = {
    "vendor_id": (_TEXTS, (rf"{_PAYEE}[._]?id", rf"{_PAYEE}\.\w*id")),
    "vendor": (("text",), (rf"{_PAYEE}[._]?(full_?)?name", rf"{_PAYEE}\.{_PAYEE}_name", _PAYEE)),
    "amount": (("money",), (r"total(_amount)?(\.amount)?", r"amount(\.amount)?", r"\w*total\w*")),
    "currency": (("text",), (r"\w*currency(_?code)?", r"\w+\.(currency|code)")),
    "date": (
        _DAYS,
        (r"(\w+\.)?(issued?|invoice|bill|credit|transaction)_?(at|on|date)", "date", r"created(_?(at|on|time))?"),
    ),
    "due": (_DAYS, (r"due(_?(at|on|date))?",)),
    "reference": (
        _TEXTS,
        (r"(\w+\.)?(invoice|bill|reference|document)_?(number|no)", "(number|reference)", r"\w*number"),
    ),
    "memo": (("text",), ("memo", "description", "notes?", "comment", r"\w*(memo|description)")),
    "country": (("text",), (r"(\w+\.)?country(_?code)?",)),
    "email": (("text",), (r"(\w+\.)?\w*e_?mail",)),
}
_LINES = re.compile(r"(\w*lines?|\w*items|expenses|splits)", re.IGNORECASE)
_LINE_SIGNS: Mapping[str, tuple[tuple[FieldType, ...], Sequence[str]]] = {
    "line.account_id": (_TEXTS, (r"(gl_?)?account[._]?id", r"category[._]?id")),
    "line.account": (("text",), (r"(gl_?)?account([._]?name)?", r"category([._]?name)?")),
    "line.amount": (("money",), (r"amount(\.amount)?", r"total(\.amount)?")),
    "line.memo": (("text",), ("memo", "description", "notes?", "comment")),
}
_VENDORS = ("vendors", "suppliers", "payees", "bill_vendors")


@dataclass(frozen=True, slots=True)
class Words:
    """Expressions by meaning; those in `guessed` were found by the names of fields."""

    stream: StreamSpec
    known: Mapping[str, str] = field(default_factory=dict)
    guessed: frozenset[str] = frozenset()

    def get(self, meaning: str) -> str:
        """The expression; empty when nothing in the stream means it."""
        return self.known.get(meaning, "")

    @property
    def defines(self) -> Mapping[str, str]:
        """What the expressions use."""
        return {name.removeprefix("define."): text for name, text in self.known.items() if name.startswith("define.")}


def words_of(connector: Connector, stream: StreamSpec) -> Words:
    """Everything that is known of a stream."""
    means: object = connector
    told = dict(means.meanings(stream.name)) if isinstance(means, Means) else {}
    guessed = dict(_guessed(stream))
    if "vendors" not in told:
        guessed["vendors"] = next((name for name in _VENDORS if connector.spec.stream(name) is not None), "")
    if stream.name in (*_VENDORS, told.get("vendors")):
        guessed |= _of_vendors(stream)
    found = {name: text for name, text in {**guessed, **told}.items() if text}
    return Words(stream, found, frozenset(guessed.keys() - told.keys()))


def _guessed(stream: StreamSpec) -> Iterator[tuple[str, str]]:
    paths = list(_paths(stream.fields))
    for meaning, signs in _SIGNS.items():
        yield meaning, _best(paths, *signs)
    for each in stream.fields:
        if each.type == "list" and each.fields and _LINES.fullmatch(each.name):
            inner = list(_paths(each.fields))
            if _best(inner, *_LINE_SIGNS["line.amount"]):
                yield "lines", each.name
                for meaning, signs in _LINE_SIGNS.items():
                    yield meaning, _best(inner, *signs)
                return


def _of_vendors(stream: StreamSpec) -> dict[str, str]:
    """Of a stream of those who are paid: its records are vendors themselves."""
    names = _best(list(_paths(stream.fields)), ("text",), (rf"({_PAYEE}_)?name", "full_?name"))
    return {"vendor_id": stream.key, "vendor": names, "amount": "", "lines": ""}


def _paths(fields: Sequence[FieldSpec], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, FieldType]]:
    for each in fields:
        path = f"{prefix}{each.name}"
        if each.type == "object" and depth < 2:
            yield from _paths(each.fields, f"{path}.", depth + 1)
        elif each.type != "list":
            yield path, each.type


def _best(paths: Sequence[tuple[str, FieldType]], types: tuple[FieldType, ...], patterns: Sequence[str]) -> str:
    for pattern in patterns:
        for path, type_ in paths:
            if type_ in types and re.fullmatch(pattern, path, re.IGNORECASE):
                return path
    return ""
