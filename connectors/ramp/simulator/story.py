"""What a script of a Ramp business is told with: names of its objects, and the books that lines are coded to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.records import Account, Selection
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import UnknownName
from engine.money import exponent, parse_money

Chart = Mapping[str, Sequence[Mapping[str, Any]]]
_LINE = ("amount", "account", "class", "customer", "memo", "times", "fields")
# Lists of the books whose entries are options of a field that calls of ours made, by our id of the field.
_FIELDS = {"class": "classes", "customer": "customers"}


@dataclass(slots=True)
class Story:
    """The simulator with the names that a case gives to its objects, and the books that lines are coded to."""

    simulator: RampSimulator
    chart: Chart
    ids: dict[str, str] = field(default_factory=dict)

    def id_of(self, kind: str, name: str) -> str:
        """The id of an object by the name that the case gave it."""
        found = self.ids.get(f"{kind}:{name}")
        if found is None:
            known = tuple(key.partition(":")[2] for key in self.ids if key.startswith(f"{kind}:"))
            raise UnknownName(kind, name, known)
        return found

    def new_id(self, kind: str, name: str, given: Json) -> str:
        """An id that always belongs to this name, or the one the case wants."""
        made = str(given.get("id") or self.simulator.world.names.fixed(kind, name))
        self.ids[f"{kind}:{name}"] = made
        return made


def expanded(lines: Sequence[Json]) -> list[Json]:
    """The lines of a case; one with `times` stands there as often."""
    made = []
    for index, line in enumerate(lines):
        known(f"lines[{index}]", line, _LINE)
        made += [line] * int(line.get("times", 1))
    return made


def coding(story: Story, line: Json, whole: Json) -> tuple[Selection, ...]:
    """The selections of a line: names of the books, or `{id, name, code}` of something that is not there."""
    kinds = (
        ("account", "accounts", "GL_ACCOUNT"),
        ("class", "classes", "COST_CENTER"),
        ("customer", "customers", "CUSTOMERS_JOBS"),
        ("vendor", "vendors", "MERCHANT"),
    )
    made = []
    for key, plural, kind in kinds:
        # A bill's own `vendor` is its payee, not a coding.
        if key not in line or (key == "vendor" and "lines" in line):
            continue
        made.append(Selection(kind, option(story, plural, line[key]), whole.get("provider")))  # type: ignore[arg-type]
    for field_id, name in line.get("fields", {}).items():
        known("fields", line["fields"], tuple(_FIELDS))
        chosen = option(story, _FIELDS[field_id], name)
        made.append(Selection("OTHER", chosen, whole.get("provider"), field_id))
    return tuple(made)


def option(story: Story, plural: str, value: Any) -> Account:
    """An entry of the books by its name, or `{id, name, code}` of something that is not there."""
    if isinstance(value, dict):
        return Account(str(value["id"]), str(value["name"]), str(value.get("code", "")))
    others = story.chart.get("balances", ()) if plural == "accounts" else ()
    for item in (*story.chart.get(plural, ()), *others):
        if item["name"] == value:
            return Account(str(item["external_id"]), str(item["name"]), str(item.get("code") or ""))
    own = story.simulator.world.accounts.values() if plural == "accounts" else ()
    for found in own:
        if found.account.name == value:
            return found.account
    names = [str(item["name"]) for item in story.chart.get(plural, ())] + [item.account.name for item in own]
    raise UnknownName(plural, str(value), tuple(names), among=plural)


def known(where: str, given: Json, names: Sequence[str]) -> None:
    """Refuse a part that is misspelt."""
    for name in given:
        if name not in names:
            raise UnknownName(f"part of {where}", name, tuple(names))


def minor_of(text: object, currency: str) -> int:
    """An amount in major units as minor ones."""
    amount: Decimal = parse_money(text)
    return int(amount.scaleb(exponent(currency)))


def date_of(text: str) -> date:
    """A day."""
    return date.fromisoformat(text)


def moment_of(day: date) -> datetime:
    """A moment of a day."""
    return datetime.combine(day, time(9, 30), UTC)
