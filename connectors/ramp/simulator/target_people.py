"""What people do in a simulated Ramp business that calls of ours write to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import timedelta

from connectors.ramp.simulator import build
from connectors.ramp.simulator.records import Bill, Line, Money, Transaction, Vendor
from connectors.ramp.simulator.world import World
from engine.dataclass import dataclass

# Each with its usual rate between two runs.
DEEDS: Mapping[str, float] = {
    "person_archives": 0.08, "person_pays": 0.1, "person_edits": 0.15, "person_notes": 0.15, "person_adds_vendor": 0.1,
    "person_adds_bill": 0.12, "person_codes": 0.15, "person_spends": 0.15,
}  # fmt: skip
NAMES = ("Acme Supply", "Harbor Light Electric", "Müller & Söhne GmbH", "東京オフィス用品", "O'Malley <&> Sons")
MERCHANTS = ("Blue Bottle Coffee", "Acme Supply", "Hôtel Lutetia")
_MOST_BILLS = 12


@dataclass(slots=True)
class People:
    """Who works in the business, and what of ours they changed or took away."""

    world: World
    chance: random.Random
    rates: Mapping[str, float]
    counts: Counter[str] = field(default_factory=Counter)
    # By object, the fields that a person changed, and no call of ours since.
    edited: dict[str, set[str]] = field(default_factory=dict)
    # The bills of ours that a person archived.
    removed: set[str] = field(default_factory=set)

    def act(self) -> list[str]:
        """What they do before our next run."""
        done = []
        for name, rate in self.rates.items():
            if self.chance.random() < rate:
                what = _DOINGS[name](self)
                if what:
                    done.append(f"ramp: {name} {what}")
                    self.counts[name] += 1
        return done

    def bill(self, fits: Callable[[Bill], bool]) -> Bill | None:
        """Some bill of ours that fits."""
        found = [bill for bill in self.world.bills.values() if bill.by_api and fits(bill)]
        return self.chance.choice(found) if found else None

    def lines(self) -> tuple[Line, ...]:
        """One line, coded."""
        account = self.chance.choice([row.account for row in self.world.accounts.values()])
        return (Line(self.chance.randrange(1, 100_000), build.coded(account)),)


# --- deeds ------------------------------------------------------------------------------------------------------------


def _open(bill: Bill) -> bool:
    return bill.status == "OPEN" and bill.archived_at is None


def _archives(people: People) -> str:
    bill = people.bill(_open)
    if bill is None:
        return ""
    people.removed.add(bill.id)
    return build.archive(people.world, bill.id).id


def _pays(people: People) -> str:
    bill = people.bill(_open)
    return build.pay_bill(people.world, bill.id).id if bill else ""


def _edits(people: People) -> str:
    bill = people.bill(_open)
    if bill is None:
        return ""
    people.edited.setdefault(bill.id, set()).add("amount")
    return build.edit_bill(people.world, bill.id, lines=people.lines()).id


def _notes(people: People) -> str:
    bill = people.bill(_open)
    return build.edit_bill(people.world, bill.id, memo="seen").id if bill else ""


def _adds_vendor(people: People) -> str:
    name = people.chance.choice(NAMES)
    return build.add_vendor(people.world, name).id


def _adds_bill(people: People) -> str:
    """A bill of a vendor, with the number of one of ours or one that ours may have yet; perhaps the same bill by hand."""
    world, chance = people.world, people.chance
    if not world.vendors or len(world.bills) >= _MOST_BILLS:
        return ""
    ours = people.bill(lambda _bill: True)
    vendor: Vendor = chance.choice(list(world.vendors.values()))
    number, vendor_id, day = f"INV-{chance.randrange(3)}", vendor.id, world.now.date() - timedelta(days=20)
    lines = people.lines()
    if ours is not None and chance.random() < 0.5:
        number, vendor_id, day = ours.invoice_number, ours.vendor_id, ours.issued_on
        lines = chance.choice((lines, ours.lines))
    return build.add_bill(world, lines, vendor_id=vendor_id, invoice_number=number, issued_on=day).id


def _codes(people: People) -> str:
    world = people.world
    if not world.transactions:
        return ""
    row: Transaction = people.chance.choice(list(world.transactions.values()))
    account = people.chance.choice([item.account for item in world.accounts.values()])
    lines = tuple(replace(line, selections=build.coded(account)) for line in row.lines)
    return build.edit_transaction(world, row.id, lines=lines).id


def _spends(people: People) -> str:
    settled = Money(people.chance.randrange(1, 90_000))
    return build.add_transaction(people.world, settled, merchant=people.chance.choice(MERCHANTS)).id


_DOINGS: Mapping[str, Callable[[People], str]] = {
    "person_archives": _archives,
    "person_pays": _pays,
    "person_edits": _edits,
    "person_notes": _notes,
    "person_adds_vendor": _adds_vendor,
    "person_adds_bill": _adds_bill,
    "person_codes": _codes,
    "person_spends": _spends,
}
