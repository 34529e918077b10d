"""A FreshBooks account in a campaign: small, with a random selection of faults, and people who change their minds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, get_args
from urllib.parse import urlencode

from connectors.freshbooks.sandbox import VERIFIER, FreshBooksSandbox
from connectors.freshbooks.simulator import webhooks
from connectors.freshbooks.simulator.core import FreshBooksSimulator
from connectors.freshbooks.simulator.faults import Fault, FaultName, FaultPlan
from connectors.freshbooks.simulator.records import ACTIVE, DELETED, Bill, Delivery, Expense, Line, Options
from connectors.freshbooks.simulator.seed import cents, seed_categories
from connectors.freshbooks.simulator.serve import transport
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.rigs import Hears, Posts, Standing, Told, Wanted

if TYPE_CHECKING:
    import httpx

# Faults that need a person, or a server that is broken for good, are for golden cases: no campaign has the person.
_FAULTS: tuple[FaultName, ...] = tuple(
    name for name in get_args(FaultName) if name not in ("refresh_refused", "error_200", "page_repeat", "row_gone")
)
_NAMES = ("Acme Supply", "Harbor Light Electric", "Müller & Söhne GmbH", "東京オフィス用品", "O'Malley <&> Sons")
# What people do in FreshBooks, each with its usual rate between two runs.
_DEEDS: Mapping[str, float] = {
    "late_bill": 0.25, "twin_bill": 0.05, "edit_amount": 0.25, "edit_memo": 0.2, "edit_coding": 0.15, "pay": 0.25,
    "delete": 0.06, "restore": 0.1, "edit_vendor": 0.1, "late_expense": 0.2, "edit_expense": 0.15, "delete_expense": 0.05,
    "tokens_end": 0.1,
}  # fmt: skip
# What happens to webhooks on their way, each with its usual rate for a delivery.
_ON_THE_WAY: Mapping[str, float] = {
    "hook_dropped": 0.3, "hook_again": 0.3, "hook_forged": 0.3, "hook_late": 0.2, "hook_shuffled": 0.5, "hook_doubled": 0.3,
}  # fmt: skip
# What keeps a bill from being posted, or brings more than bills.
_LOSES = frozenset({"delete", "delete_expense", "late_bill", "late_expense", "pay"})
_MOST = 5
Item = TypeVar("Item")


@dataclass(slots=True)
class FreshBooksRig:
    """The account, and what every record of it was ever shown as."""

    sandbox: FreshBooksSandbox
    chance: random.Random
    deeds: Mapping[str, float]
    shown: dict[tuple[str, str], set[Decimal]] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)
    hooks: dict[str, float] = field(default_factory=dict)
    # Every webhook that was ever sent, to be sent once more.
    posted: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    @property
    def simulator(self) -> FreshBooksSimulator:
        """The simulator below the sandbox."""
        return self.sandbox.simulator

    def transport(self, hears: Hears) -> httpx.BaseTransport:  # noqa: ARG002 - FreshBooks is told nothing
        """The API without a socket."""
        return transport(self.simulator)

    def befall(self) -> list[str]:
        """What people do in FreshBooks before our next run."""
        done = []
        for name, rate in self.deeds.items():
            if self.chance.random() < rate:
                what = _DOINGS[name](self)
                if what:
                    done.append(f"freshbooks: {name} {what}")
                    self.total[name] += 1
        self.look()
        return done

    def calm(self) -> None:
        """No more faults, and nobody changes anything."""
        self.total += self.simulator.faults.counts
        self.simulator.faults = FaultPlan(0)
        self.deeds, self.hooks = {}, {}

    def deliver(self, posts: Posts) -> list[str]:
        """Send the webhooks that are due; some are lost, late, doubled, repeated, in another order, or not from here."""
        lines: list[str] = []
        self.simulator.world.outage = self._hits("hook_dropped")

        def send(delivery: Delivery) -> int:
            if self._hits("hook_late"):
                raise OSError("the endpoint cannot be reached")
            headers = dict(delivery.headers)
            kind = "again" if any(body == delivery.body for _, body in self.posted) else "fresh"
            status = posts(headers, delivery.body, kind)
            self.posted.append((headers, delivery.body))
            lines.append(f"webhook {delivery.event}: {status}")
            return status

        self.simulator.deliver(send)
        if self.posted and self._hits("hook_again"):
            lines.append(f"webhook again: {_sent(posts, *self.chance.choice(self.posted), 'again')}")
        if self._hits("hook_forged"):
            lines.append(f"webhook forged: {_sent(posts, *self._forged(), 'forged')}")
        return lines

    def settings(self) -> Mapping[str, str | int | bool]:
        """A flow that is told otherwise wants less than all bills and expenses."""
        chance = random.Random(f"{self.simulator.world.names.text('settings', 8)}")  # noqa: S311 - it must repeat
        expenses = chance.choice(("match_then_bill", "match_then_bill", "paid_bill", "match_only"))
        return {"paid_bills": "as_paid", "expenses": expenses, "match_wait_days": chance.choice((0, 0, 7))}

    def permit(self) -> Mapping[str, str]:
        """A person allows the app once more, as `flowctl connect freshbooks` asks for."""
        return {"authorization_code": self.simulator.grants.code(lasting=True)}

    def look(self) -> None:
        """Note the amounts that are shown now."""
        world = self.simulator.world
        for bill in world.bills.values():
            self.shown.setdefault(("bills", str(bill.id)), set()).add(bill.total)
        for expense in world.expenses.values():
            self.shown.setdefault(("expenses", str(expense.id)), set()).add(expense.amount)

    def wanted(self) -> Sequence[Wanted]:
        """Every vendor, bill and expense; FreshBooks is never told anything, so nothing is ever `told`."""
        world = self.simulator.world
        found = [Wanted("bill_vendors", "post", str(key), "off", frozenset()) for key in world.vendors]
        found += [self._wanted("bills", bill) for bill in world.bills.values()]
        found += [self._wanted("expenses", expense) for expense in world.expenses.values()]
        return found

    def told(self) -> Sequence[Told]:
        """Nothing: FreshBooks has no way to be told what was posted."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        return self.total + self.simulator.faults.counts

    def _wanted(self, stream: str, row: Bill | Expense) -> Wanted:
        standing: Standing = "due" if row.vis_state == ACTIVE else "off"
        return Wanted(stream, "post", str(row.id), standing, frozenset(self.shown.get((stream, str(row.id)), ())))

    def _hits(self, name: str) -> bool:
        rate = self.hooks.get(name, 0.0)
        happens = rate > 0 and self.chance.random() < rate
        self.total[name] += happens
        return happens

    def _forged(self) -> tuple[Mapping[str, str], bytes]:
        """A webhook that nobody signed with the verifier: made up, or a true one that names another object."""
        if self.posted and self.chance.random() < 0.5:
            headers, body = self.chance.choice(self.posted)
            return headers, body.replace(b"object_id=", b"object_id=9", 1)
        body = urlencode({"name": "bill.update", "object_id": next(iter(self.simulator.world.bills), 1)}).encode()
        return {"x-freshbooks-hmac-sha256": webhooks.signature("somebody else's", body)}, body

    # --- making and finding ---

    def lines(self) -> tuple[Line, ...]:
        """One to three lines, each of some category."""
        categories = list(self.simulator.world.categories)
        return tuple(
            Line(cents(self.chance, 1, 100_000), self.chance.choice(categories))
            for _ in range(self.chance.choice((1, 1, 2, 3)))
        )

    def add_bill(self) -> Bill:
        """A bill."""
        world, chance = self.simulator.world, self.chance
        issued = world.now.date() - timedelta(days=chance.randrange(1, 60))
        number = chance.choice((f"INV-{len(world.bills)}", "INV-1", f"№ {len(world.bills)}", None))
        terms = chance.choice((0, 30))
        vendor_id = chance.choice(list(world.vendors))
        return world.add_bill(vendor_id, self.lines(), number=number, issued_on=issued, offset_days=terms)

    def add_expense(self) -> Expense:
        """An expense of one of the vendors, or of nobody."""
        world, chance = self.simulator.world, self.chance
        vendor = chance.choice((*(item.name for item in world.vendors.values()), None))
        return world.add_expense(cents(chance, 1, 50_000), chance.choice(list(world.categories)), vendor=vendor)

    def bill(self, fits: Callable[[Bill], bool]) -> Bill | None:
        """Some bill that fits."""
        return _some(self.chance, [bill for bill in self.simulator.world.bills.values() if fits(bill)])


def _some(chance: random.Random, found: Sequence[Item]) -> Item | None:
    return chance.choice(found) if found else None


def _an_expense(rig: FreshBooksRig) -> Expense | None:
    """Some expense that is not deleted."""
    expenses = rig.simulator.world.expenses.values()
    return _some(rig.chance, [item for item in expenses if item.vis_state == ACTIVE])


def _sent(posts: Posts, headers: Mapping[str, str], body: bytes, kind: str) -> str:
    try:
        return str(posts(headers, body, kind))
    except ConnectionError:
        return "no answer"


# --- deeds ------------------------------------------------------------------------------------------------------------


def _active(bill: Bill) -> bool:
    return bill.vis_state == ACTIVE


def _edit(
    change: Callable[[FreshBooksRig, Bill], Mapping[str, Any]], fits: Callable[[Bill], bool]
) -> Callable[..., str]:
    """A change of some bill that fits; it returns the bill's id."""

    def deed(rig: FreshBooksRig) -> str:
        bill = rig.bill(fits)
        return str(rig.simulator.world.edit_bill(bill.id, **change(rig, bill)).id) if bill else ""

    return deed


def _recoded(rig: FreshBooksRig, bill: Bill) -> Mapping[str, Any]:
    categories = list(rig.simulator.world.categories)
    return {"lines": tuple(replace(line, category_id=rig.chance.choice(categories)) for line in bill.lines)}


def _renamed(rig: FreshBooksRig, bill: Bill) -> Mapping[str, Any]:
    memo = rig.chance.choice(("changed", None))
    return {"lines": tuple(replace(line, description=memo) for line in bill.lines)}


def _late_bill(rig: FreshBooksRig) -> str:
    return str(rig.add_bill().id) if len(rig.simulator.world.bills) < _MOST else ""


def _twin_bill(rig: FreshBooksRig) -> str:
    """A vendor sends the same bill every month: nothing but FreshBooks' own id tells the two apart."""
    world, bill = rig.simulator.world, rig.bill(_active)
    if bill is None or len(world.bills) >= _MOST:
        return ""
    same: dict[str, Any] = {
        "number": bill.number,
        "issued_on": bill.issued_on,
        "offset_days": bill.offset_days,
    }
    return str(world.add_bill(bill.vendor_id, bill.lines, **same).id)


def _pay(rig: FreshBooksRig) -> str:
    bill = rig.bill(lambda b: _active(b) and b.paid < b.total)
    if bill is None:
        return ""
    rig.simulator.world.pay_bill(bill.id, bill.total - bill.paid)
    return str(bill.id)


def _edit_vendor(rig: FreshBooksRig) -> str:
    key = rig.chance.choice(list(rig.simulator.world.vendors))
    return str(rig.simulator.world.edit_vendor(key, phone=f"555-{rig.chance.randrange(10_000):04d}").id)


def _late_expense(rig: FreshBooksRig) -> str:
    return str(rig.add_expense().id) if len(rig.simulator.world.expenses) < _MOST else ""


def _edit_expense(rig: FreshBooksRig) -> str:
    expense = _an_expense(rig)
    if expense is None:
        return ""
    return str(rig.simulator.world.edit_expense(expense.id, amount=cents(rig.chance, 1, 50_000)).id)


def _delete_expense(rig: FreshBooksRig) -> str:
    expense = _an_expense(rig)
    return str(rig.simulator.world.edit_expense(expense.id, vis_state=DELETED).id) if expense else ""


def _tokens_end(rig: FreshBooksRig) -> str:
    rig.simulator.grants.expire()
    return "all of them"


_DOINGS: Mapping[str, Callable[[FreshBooksRig], str]] = {
    "late_bill": _late_bill,
    "twin_bill": _twin_bill,
    "edit_amount": _edit(lambda rig, _: {"lines": rig.lines()}, lambda b: _active(b) and not b.payments),
    "edit_memo": _edit(_renamed, _active),
    "edit_coding": _edit(_recoded, _active),
    "pay": _pay,
    "delete": _edit(lambda _rig, _bill: {"vis_state": DELETED}, lambda b: _active(b) and not b.payments),
    "restore": _edit(lambda _rig, _bill: {"vis_state": ACTIVE}, lambda b: not _active(b)),
    "edit_vendor": _edit_vendor,
    "late_expense": _late_expense,
    "edit_expense": _edit_expense,
    "delete_expense": _delete_expense,
    "tokens_end": _tokens_end,
}


# --- the beginning ----------------------------------------------------------------------------------------------------


def make_rig(seed: int, clock: Clock, options: Json) -> FreshBooksRig:
    """One to three vendors, one to four bills, perhaps expenses, and what goes wrong."""
    chance = random.Random(f"{seed}:source")  # noqa: S311 - a simulation must repeat
    without, focus = frozenset(options.get("without", ())), frozenset(options.get("focus", ()))
    often: Mapping[str, float] = options.get("often", {})
    # An account in which nothing keeps a bill from being posted at once: it may still change.
    plain = "plain" in often
    simulator = FreshBooksSimulator(seed, clock, options=_options(seed, chance), faults=_plan(chance, without, focus))
    gap = not plain and "gap" not in without and (not focus or "gap" in focus) and chance.random() < 0.4
    seed_categories(simulator.world, options.get("chart", {}), [{"name": "Client Gifts"}] if gap else [])
    deeds = _drawn(chance, _DEEDS, without, focus)
    deeds |= {name: max(often[name], deeds.get(name, 0.0)) for name in _DEEDS if name in often and name not in without}
    if plain:
        deeds = {name: rate for name, rate in deeds.items() if name not in _LOSES}
    rig = FreshBooksRig(FreshBooksSandbox(simulator), chance, deeds)
    rig.sandbox.listen("https://localhost/webhooks/sim/freshbooks")
    rig.hooks = _drawn(chance, _ON_THE_WAY, without, focus)
    doubled, shuffled = rig.hooks.pop("hook_doubled", 0.0), rig.hooks.pop("hook_shuffled", 0.0)
    rig.total["hook_doubled"] += doubled > 0
    rig.total["hook_shuffled"] += shuffled > 0
    world = simulator.world
    world.options = replace(world.options, webhook_duplicates=doubled, webhook_shuffle=shuffled > 0)
    for name in ["Acme Supply"] if plain else chance.sample(_NAMES, chance.randrange(1, 4)):
        world.add_vendor(name)
    for _ in range(chance.randrange(1, 2 if plain else 5)):
        rig.add_bill()
    for _ in range(0 if plain else chance.choice((0, 1, 2))):
        rig.add_expense()
    rig.look()
    return rig


def _drawn(
    chance: random.Random, rates: Mapping[str, float], without: frozenset[str], focus: frozenset[str]
) -> dict[str, float]:
    return {
        name: rate * chance.uniform(0.5, 1.5)
        for name, rate in rates.items()
        if name not in without and (name in focus if focus else chance.random() < 0.5)
    }


def _options(seed: int, chance: random.Random) -> Options:
    """Every switch for what is not known, thrown."""
    deleted = random.Random(f"{seed}:deleted")  # noqa: S311 - a simulation must repeat
    return Options(
        verifier=VERIFIER,
        # Our processes die at any call, and a campaign has nobody who would allow the app again.
        spare_refresh=True,
        token_seconds=chance.choice((43_200, 43_200, 3_600)),
        account_in=chance.choice(("membership", "role", "client")),
        errors=chance.choice(("old", "new")),
        lists_deleted=chance.random() < 0.5,
        newest_first=chance.random() < 0.5,
        vendor_times=chance.choice(("utc", "eastern")),
        text_ids=chance.random() < 0.3,
        page_most=chance.choice((100, 2)),
        filters_by_state=deleted.random() < 0.5,
        # Whether the last one of all was deleted or another account is connected would be a person's to say.
        shows_deleted=True,
    )


def _plan(chance: random.Random, without: frozenset[str], focus: frozenset[str]) -> list[Fault]:
    level = chance.choice((0.3, 1.0, 2.0))
    chosen = [name for name in _FAULTS if name not in without and chance.random() < 0.4]
    if focus:
        chosen, level = [name for name in _FAULTS if name in focus], 2.0
    return [
        Fault(
            name,
            probability=level * chance.uniform(0.02, 0.08),
            path=chance.choice(("", "", "/bills", "/expenses")),
            seconds=5.0,
        )
        for name in chosen
    ]
