"""Somebody who keeps the lists of a company file in a campaign: names change, and come and go."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import ListObject
from connectors.qbwc.simulator.seed import add
from engine.contract import Json
from engine.dataclass import dataclass

# What is done to the lists, each with its usual rate between two sessions.
DEEDS: Mapping[str, float] = {
    "list_new": 0.2,
    "list_renamed": 0.2,
    "list_off": 0.15,
    "list_on": 0.3,
    "list_merged": 0.05,
}
# What nothing refers to yet: only that is merged into another one.
_NEW = "New "
_KINDS = ("Account", "Class", "Customer", "Vendor")


@dataclass(slots=True)
class Clerk:
    """Changes accounts that are spent on, classes, customers and vendors, as people do between two sessions."""

    chance: random.Random
    rates: Mapping[str, float]
    counts: Counter[str] = field(default_factory=Counter)

    def works(self, company: CompanyFile) -> list[str]:
        """What is done to the lists now, for a timeline."""
        done = []
        for name, rate in self.rates.items():
            if self.chance.random() < rate and (what := self._do(name, company)):
                done.append(f"{name} {what}")
                self.counts[name] += 1
        return done

    def _do(self, name: str, company: CompanyFile) -> str:
        kind = self.chance.choice(_KINDS)
        every = (item for each in _KINDS for item in company.items(each))
        if name == "list_new":
            values = {"AccountType": "Expense", "AccountNumber": ""} if kind == "Account" else {}
            return add(company, kind, f"{_NEW}{kind} {len(company.books.lists)}", values).full_name
        found = [item for item in company.items(kind) if _is_free(item)]
        if name == "list_on":
            found = [item for item in every if not item.active]
        if name == "list_renamed" and not company.behaviour.guid_in_queries:
            # Nobody could know again what we made, once an older copy of our store is put back and its name is another.
            found = [item for item in found if not item.guid]
        if name == "list_merged":
            # Transactions would go over to the other name, as if somebody had edited each; those are other people's deeds.
            found = [item for item in every if item.name.startswith(_NEW) and not _is_used(company, item)]
        if not found:
            return ""
        chosen = self.chance.choice(found)
        if name == "list_merged":
            # QuickBooks keeps the other name; this one is gone.
            company.delete(chosen.list_id)
            return chosen.full_name
        if name == "list_renamed":
            short = f"{chosen.name.rstrip('!')[:28]}{'!' * self.chance.randrange(1, 3)}"
            above = chosen.full_name.rpartition(":")[0]
            changed = replace(chosen, name=short, full_name=f"{above}:{short}" if above else short)
        else:
            changed = replace(chosen, active=name == "list_on")
        edit = company.next_edit(chosen.edit_sequence)
        company.put_list(replace(changed, modified_at=company.clock.now(), edit_sequence=edit))
        return chosen.full_name


def clerk_of(seed: int, options: Json) -> Clerk | None:
    """Somebody who keeps the lists, where the flow reads the chart of accounts as it reads records."""
    if "Account" not in options.get("read", ()):
        return None
    chance = random.Random(f"{seed}:clerk")  # noqa: S311 - a simulation must repeat
    without, focus = frozenset(options.get("without", ())), frozenset(options.get("focus", ()))
    rates = {name: rate * chance.uniform(0.5, 1.5) for name, rate in DEEDS.items()}
    if focus:
        rates = {name: rate for name, rate in DEEDS.items() if name in focus}
    elif chance.random() < 0.5:
        return None
    return Clerk(chance, {name: rate for name, rate in rates.items() if name not in without})


def _is_free(item: ListObject) -> bool:
    """What a flow's settings name is not renamed or switched off: a person who does that is told what to do."""
    return item.kind != "Account" or item.values.get("AccountType") == "Expense"


def _is_used(company: CompanyFile, item: ListObject) -> bool:
    """Whether a transaction names it."""
    return any(
        item.list_id in refs.values()
        for txn in company.books.txns.values()
        for refs in (txn.refs, *(line.refs for line in txn.lines))
    )
