"""What a Ramp business has in a campaign beside bills and cards: reimbursements, transfers, cashbacks, vendor credits."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from typing import Any, Literal

from connectors.ramp.simulator import build, outbuild, syncs
from connectors.ramp.simulator.records import Account, Line, Money, Selection
from connectors.ramp.simulator.world import World
from engine.dataclass import dataclass
from engine.money import from_minor
from engine.rigs import Standing, Wanted

Table = Literal["reimbursements", "transfers", "cashbacks"]
# What people do with them, each with its usual rate between two runs.
DEEDS: Mapping[str, float] = {
    "late_reimbursement": 0.25, "late_transfer": 0.15, "late_cashback": 0.15, "late_credit": 0.15, "ready_other": 0.3,
    "edit_reimbursement": 0.2, "code_reimbursement": 0.15, "twin_reimbursement": 0.06, "export_other": 0.06,
    "transfer_fails": 0.05, "use_credit": 0.1,
}  # fmt: skip
KINDS: Mapping[Table, str] = {
    "reimbursements": "REIMBURSEMENT_SYNC",
    "transfers": "TRANSFER_SYNC",
    "cashbacks": "STATEMENT_CREDIT_SYNC",
}
_FAILED = "RETURNED_BY_RDFI"
_MOST = 3


@dataclass(slots=True)
class Spend:
    """Makes and changes them, and knows every amount that each was ever shown with."""

    world: World
    chance: random.Random
    accounts: Sequence[Account]
    classes: Sequence[Account] = ()
    customers: Sequence[Account] = ()
    # Whether the flow posts vendor credits.
    has_credits: bool = False
    shown: dict[str, set[Decimal]] = field(default_factory=dict)

    def begin(self) -> None:
        """Up to two of each."""
        for make in (self.reimbursement, self.transfer, self.cashback, self.credit):
            for _ in range(self.chance.choice((0, 1, 1, 2))):
                make()
        self.look()

    def act(self, name: str) -> str:
        """Do one of `DEEDS`; returns what it was done to, empty when there was nothing."""
        return _DOINGS[name](self)

    def look(self) -> None:
        """Note the amounts that are shown now; of a reimbursement, what a journal entry of it would debit."""
        world = self.world
        for row in world.reimbursements.values():
            debits = sum(line.minor for line in row.lines if line.minor > 0)
            self._show(row.id, from_minor(debits, row.paid.currency))
        for table in ("transfers", "cashbacks"):
            for each in world.tables()[table].values():
                self._show(each.id, from_minor(each.amount.minor, each.amount.currency))
        for credit in world.vendor_credits.values():
            self._show(credit.id, from_minor(credit.minor, credit.currency))

    def wanted(self) -> list[Wanted]:
        """Every one of them. Nobody can tell Ramp that a vendor credit is posted: it is due for ever."""
        told = {(mark.kind, mark.object_id) for mark in self.world.marks}
        found = [
            self._wanted(table, row.id, _stands(row, is_told=(kind, row.id) in told))
            for table, kind in KINDS.items()
            for row in self.world.tables()[table].values()
        ]
        due: Standing = "due" if self.has_credits else "off"
        return [*found, *(self._wanted("vendor_credits", key, due) for key in self.world.vendor_credits)]

    # --- making ---

    def coding(self) -> tuple[Selection, ...]:
        """An account, now and then a class and a customer."""
        tags = [self.chance.choice(some) if some and self.chance.random() < 0.3 else None for some in self._tags()]
        return build.coded(self.chance.choice(self.accounts), *tags)

    def lines(self) -> tuple[Line, ...]:
        """One to three lines; one of several may take something off again."""
        chance = self.chance
        made = [Line(chance.randrange(100, 90_000), self.coding()) for _ in range(chance.choice((1, 1, 2, 3)))]
        if len(made) > 1 and chance.random() < 0.2:
            made[-1] = replace(made[-1], minor=-chance.randrange(1, 100))
        return tuple(made)

    def reimbursement(self) -> str:
        """What an employee spent, or pays back; perhaps not ready yet."""
        lines, chance = self.lines(), self.chance
        paid = Money(sum(line.minor for line in lines))
        fields: dict[str, Any] = {
            "direction": "USER_TO_BUSINESS" if chance.random() < 0.35 else "BUSINESS_TO_USER",
            "sync_status": "NOT_SYNC_READY" if chance.random() < 0.2 else "SYNC_READY",
            "memo": chance.choice((None, "Client dinner")),
        }
        return outbuild.add_reimbursement(self.world, paid, lines=lines, **fields).id

    def transfer(self) -> str:
        """A payment of the card balance."""
        ready = "NOT_SYNC_READY" if self.chance.random() < 0.2 else "SYNC_READY"
        return outbuild.add_transfer(self.world, Money(self.chance.randrange(1, 900_000)), sync_status=ready).id

    def cashback(self) -> str:
        """What Ramp credits."""
        return outbuild.add_cashback(self.world, Money(self.chance.randrange(1, 9_000))).id

    def credit(self) -> str:
        """What a vendor credits; API profiles before 2026 do not list credits."""
        world, chance = self.world, self.chance
        if world.profile == "2025-08" or not world.vendors:
            return ""
        vendor = chance.choice(list(world.vendors))
        lines = [Line(chance.randrange(1, 50_000), self.coding()) for _ in range(chance.choice((1, 1, 2)))]
        number = chance.choice((None, f"CR-{len(world.vendor_credits)}", "CR-1"))
        return outbuild.add_credit(world, vendor, lines, reference=number).id

    def some(self, table: Table) -> Any:
        """One of a kind that is not in the books yet, or None."""
        found = [row for row in self.world.tables()[table].values() if row.sync_status != "SYNCED"]
        return self.chance.choice(found) if found else None

    def _tags(self) -> tuple[Sequence[Account], Sequence[Account]]:
        return self.classes, self.customers

    def _show(self, key: str, amount: Decimal) -> None:
        self.shown.setdefault(key, set()).add(amount)

    def _wanted(self, stream: str, key: str, standing: Standing) -> Wanted:
        return Wanted(stream, "post", key, standing, frozenset(self.shown.get(key, ())))


def _stands(row: Any, *, is_told: bool) -> Standing:
    if is_told:
        return "told"
    if row.sync_status == "SYNCED":
        return "by_hand"
    return "due" if row.sync_status == "SYNC_READY" and getattr(row, "status", "") != _FAILED else "off"


# --- deeds ------------------------------------------------------------------------------------------------------------


def _late(table: str, make: Callable[[Spend], str]) -> Callable[[Spend], str]:
    def deed(spend: Spend) -> str:
        rows: Mapping[str, Any] = {**spend.world.tables(), "vendor_credits": spend.world.vendor_credits}[table]
        return make(spend) if len(rows) < _MOST else ""

    return deed


def _ready(spend: Spend) -> str:
    found: list[tuple[Table, Any]] = [
        (table, row)
        for table in KINDS
        for row in spend.world.tables()[table].values()
        if row.sync_status == "NOT_SYNC_READY"
    ]
    if not found:
        return ""
    table, row = spend.chance.choice(found)
    spend.world.tables()[table][row.id] = replace(row, sync_status="SYNC_READY")
    if table == "reimbursements":
        spend.world.emit("reimbursements.ready_to_sync", row.id)
    return str(row.id)


def _edit(spend: Spend) -> str:
    row = spend.some("reimbursements")
    if row is None:
        return ""
    lines = spend.lines()
    paid = Money(sum(line.minor for line in lines))
    spend.world.reimbursements[row.id] = replace(row, lines=lines, paid=paid, spent=paid, updated_at=spend.world.now)
    return str(row.id)


def _code(spend: Spend) -> str:
    row = spend.some("reimbursements")
    if row is None:
        return ""
    lines = tuple(replace(line, selections=spend.coding()) for line in row.lines)
    spend.world.reimbursements[row.id] = replace(row, lines=lines, updated_at=spend.world.now)
    return str(row.id)


def _twin(spend: Spend) -> str:
    """The same taxi again on the same day: nothing but Ramp's own id tells the two apart."""
    rows = list(spend.world.reimbursements.values())
    if not rows or len(rows) > _MOST:
        return ""
    row = spend.chance.choice(rows)
    same = {name: getattr(row, name) for name in ("user_id", "direction", "memo", "spent_on", "spent")}
    return outbuild.add_reimbursement(spend.world, row.paid, lines=row.lines, **same).id


def _export(spend: Spend) -> str:
    ready = [
        row.id for table in KINDS for row in spend.world.tables()[table].values() if row.sync_status == "SYNC_READY"
    ]
    if not ready:
        return ""
    chosen = str(spend.chance.choice(ready))
    syncs.export_button(spend.world, (chosen,))
    return chosen


def _fails(spend: Spend) -> str:
    row = spend.some("transfers")
    if row is None:
        return ""
    spend.world.transfers[row.id] = replace(row, status=_FAILED)
    return str(row.id)


def _use(spend: Spend) -> str:
    """Some of a credit is applied to a bill of its vendor."""
    world = spend.world
    for credit in world.vendor_credits.values():
        bills = [bill for bill in world.bills.values() if bill.vendor_id == credit.vendor_id]
        left = credit.minor - credit.applied_minor
        if bills and left:
            used = spend.chance.choice((left, max(1, left // 2)))
            applied = (*credit.applied, (spend.chance.choice(bills).id, used))
            world.vendor_credits[credit.id] = replace(credit, applied=applied)
            return credit.id
    return ""


_DOINGS: Mapping[str, Callable[[Spend], str]] = {
    "late_reimbursement": _late("reimbursements", Spend.reimbursement),
    "late_transfer": _late("transfers", Spend.transfer),
    "late_cashback": _late("cashbacks", Spend.cashback),
    "late_credit": _late("vendor_credits", Spend.credit),
    "ready_other": _ready,
    "edit_reimbursement": _edit,
    "code_reimbursement": _code,
    "twin_reimbursement": _twin,
    "export_other": _export,
    "transfer_fails": _fails,
    "use_credit": _use,
}
