"""A company file in a campaign: a random selection of faults from a seed, and a record of what was really posted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

from lxml import etree

from connectors.qbwc.sandbox import FILE_ID, QuickBooksSandbox
from connectors.qbwc.simulator import dotnet
from connectors.qbwc.simulator.company import Books, CompanyFile, close_books
from connectors.qbwc.simulator.faults import FAULTS, FaultPlan, Faults
from connectors.qbwc.simulator.model import Behaviour, Preferences, VirtualClock
from connectors.qbwc.simulator.processor import RequestProcessor
from connectors.qbwc.simulator.seed import Account, add, seed_company
from connectors.qbwc.simulator.transport import Answer, Post, handler_post
from connectors.qbwc.simulator.webconnector import Application, WebConnector
from connectors.qbwc.spec import OWNER_ID
from engine.clock import Clock
from engine.contract import Handler, Json
from engine.rigs import Made, Watch

# What no service can see: the model leaves it out, and so does a campaign.
_UNSEEN = frozenset({"switch_file_unseen"})
# Rates of what is frequent at 1.0 of a schedule's own level; the rest goes by its default.
_USUAL = 0.12
_RATES: Mapping[str, float] = {
    "abandon_before": 0.02, "abandon_after": 0.02, "drop_send_answer": 0.08, "drop_receive_answer": 0.08,
    "switch_file": 0.25, "switch_file_midway": 0.08, "restore_backup": 0.3, "user_edit": 0.4, "user_delete": 0.25,
    "connection_error": 0.2, "duplicate_receive": 0.2,
}  # fmt: skip
_OWN: Mapping[str, float] = {"busy": 0.15, "stale_receive": 0.05}
_ACCOUNTS = (
    Account("Checking", "Bank", "10100"),
    Account("Accounts Payable", "AccountsPayable", "20000"),
    Account("Ramp Card", "CreditCard", "20500"),
    Account("Office Supplies", "Expense", "64900"),
    Account("Software", "Expense", "67800"),
    Account("Travel", "Expense", "68400"),
)
_MOST_REQUESTS = 120
_LOCKS = ("Bill", "Vendor", "BillPaymentCheck", "CreditCardCharge")


class _Storm(Faults):
    """Faults that remember what people and backups took away."""

    def __init__(self, plan: FaultPlan, other_file: CompanyFile | None = None) -> None:
        super().__init__(plan, other_file)
        self.taken_away: set[str] = set()

    def between_sessions(self, company: CompanyFile) -> list[str]:
        """What happens between two sessions."""
        before = _ids(company.books)
        done = super().between_sessions(company)
        if done:
            self.taken_away |= before - _ids(company.books)
        return done


@dataclass(slots=True)
class _Tap:
    """A `Post` that tells the watch which documents we hand out, and which answers we took."""

    post: Post
    watch: Watch
    rig: QuickBooksRig
    said: str = ""
    older: str = ""

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call."""
        if b"<receiveResponseXML " in body:
            self._stale(body)
        answer = self.post(body, headers)
        if b"<sendRequestXML " in body:
            place = self.rig.place()  # the file that this very call named
            self.said = _result(answer[1])
            if self.said.startswith("<?xml"):
                self.watch.handed_out(self.said, place)
        elif b"<receiveResponseXML " in body and answer[0] == 200:
            self.older = _argument(body, "response")
            self.watch.answered(self.said, self.older)
        return answer

    def _stale(self, body: bytes) -> None:
        """The answer to an earlier document comes once more, as that of the present one."""
        if not self.older or not self.rig.strikes("stale_receive"):
            return
        given = {"ticket": _argument(body, "ticket"), "response": self.older, "hresult": "", "message": ""}
        self.post(*dotnet.request("receiveResponseXML", given))


class _Connector(WebConnector):
    """A Web Connector that notes what each document made."""

    rig: QuickBooksRig
    watch: Watch

    def _process(self, processor: RequestProcessor, request: str) -> tuple[str, str, str]:
        company = processor.company
        before = _ids(company.books)
        try:
            return super()._process(processor, request)
        finally:
            made = [self.rig.note(company, key) for key in company.books.txns if key not in before]
            made += [self.rig.note(company, key) for key in company.books.lists if key not in before]
            self.watch.ran(request, self.rig.place(company), made)


@dataclass(slots=True)
class QuickBooksRig:
    """The company file, another one beside it, and everything that goes wrong between them and us."""

    sandbox: QuickBooksSandbox
    other: CompanyFile
    faults: _Storm
    chance: random.Random
    # Faults of this rig's own, beside those of the Web Connector.
    rates: Mapping[str, float] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    astray: list[Made] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)
    connector: _Connector | None = None

    def place(self, company: CompanyFile | None = None) -> str:
        """Which company file is open, or this one is."""
        found = company or (self.connector.company if self.connector else self.sandbox.company)
        return "home" if found is self.sandbox.company else "other"

    def note(self, company: CompanyFile, key: str) -> Made:
        """Remember a new object as it is now."""
        txn = company.books.txns.get(key)
        if txn is not None:
            made = Made(key, txn.kind, txn.guid, txn.amount)
        else:
            item = company.books.lists[key]
            made = Made(key, item.kind, item.guid, None)
        if company is self.sandbox.company:
            self.made[key] = made
            self.faults.taken_away.discard(key)
        else:
            self.astray.append(made)
        return made

    def visit(self, handler: Handler, user: str, password: str, watch: Watch) -> list[str]:
        """What happens between two sessions, then one session."""
        self._lock()
        post = _Tap(handler_post(handler), watch, self)
        connector = _Connector(
            post, user, password, self.sandbox.company, application=self.sandbox.application, faults=self.faults
        )
        connector.rig, connector.watch = self, watch
        self.connector = connector
        before = Counter(self.faults.counts)
        report = connector.update()
        struck = [name for name, count in (self.faults.counts - before).items() for _ in range(count)]
        return [f"session {report.outcome}, {len(report.calls)} calls", *struck, *report.errors]

    def calm(self) -> None:
        """No more faults."""
        self.total += self.faults.counts
        away = self.faults.taken_away
        self.faults = _Storm(FaultPlan())
        self.faults.taken_away = away
        self.rates = {}
        self.sandbox.company.locks.clear()
        close_books(self.sandbox.company, None)

    def live(self) -> Sequence[Made]:
        """What we made and is there now."""
        there = _ids(self.sandbox.company.books)
        return [made for key, made in self.made.items() if key in there]

    def has(self, object_id: str) -> bool:
        """Whether an object is there now."""
        books = self.sandbox.company.books
        return object_id in books.txns or object_id in books.lists

    def elsewhere(self) -> Sequence[Made]:
        """What we made in the other file."""
        return self.astray

    def removed(self) -> frozenset[str]:
        """What people and backups took away, and nothing brought back."""
        return frozenset(self.faults.taken_away - _ids(self.sandbox.company.books))

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        return self.total + self.faults.counts

    def strikes(self, name: str) -> bool:
        """Whether a fault of this rig's own happens now."""
        rate = self.rates.get(name, 0.0)
        happens = rate > 0 and self.chance.random() < rate
        self.total[name] += happens
        return happens

    def _lock(self) -> None:
        """Somebody has a form open in QuickBooks, or has closed it again."""
        locks = self.sandbox.company.locks
        locks.clear()
        if self.strikes("busy"):
            locks[self.chance.choice(_LOCKS)] = self.chance.choice((3175, 3176, 3180))


def make_rig(seed: int, clock: Clock, options: Json) -> QuickBooksRig:
    """A small company file with a random selection of faults and of the behaviours that no source proves."""
    chance = random.Random(f"{seed}:books")  # noqa: S311 - a simulation must repeat
    without = frozenset(options.get("without", ())) | _UNSEEN
    company, other = _company(seed, clock, "home"), _company(seed + 1, clock, "other")
    company.behaviour = other.behaviour = _behaviour(chance)
    if chance.random() < 0.3:
        # The other file looks just like this one, but for its path and what the Web Connector wrote into it.
        other.preferences = replace(other.preferences, company_name=company.preferences.company_name)
    level = chance.choice((0.3, 1.0, 1.0, 2.0))
    focus = frozenset(options.get("focus", ()))
    chosen = [name for name in (*FAULTS, *_OWN) if name not in without and chance.random() < 0.4]
    if focus:
        chosen, level = [name for name in (*FAULTS, *_OWN) if name in focus], 2.0
    usual = {**_RATES, **_OWN}
    drawn = {name: min(0.6, level * chance.uniform(0.3, 1.0) * usual.get(name, _USUAL)) for name in chosen}
    rates = {name: rate for name, rate in drawn.items() if name not in _OWN}
    plan = FaultPlan(seed, rates, slow_s=chance.choice((20.0, 61.0, 240.0)))
    application = Application(owner_id=OWNER_ID, file_id=FILE_ID, max_requests=_MOST_REQUESTS)
    application = replace(application, closes_after_error=chance.random() < 0.3)
    rig = QuickBooksRig(QuickBooksSandbox(company, application), other, _Storm(plan, other), chance)
    rig.rates = {name: rate for name, rate in drawn.items() if name in _OWN}
    if _wants("closed_period", without, focus) and chance.random() < (1.0 if focus else 0.1):
        close_books(company, _today(clock) - timedelta(days=chance.randrange(10, 60)))
        rig.total["closed_period"] += 1
    if _wants("name_taken", without, focus) and chance.random() < (1.0 if focus else 0.1):
        add(company, chance.choice(("Customer", "Employee")), "Smith Ltd", {})
        rig.total["name_taken"] += 1
    return rig


def _wants(name: str, without: frozenset[str], focus: frozenset[str]) -> bool:
    return name not in without and (not focus or name in focus)


def _behaviour(chance: random.Random) -> Behaviour:
    """Every switch for what is not known, thrown."""
    options: Mapping[str, Sequence[Any]] = {
        "guid_in_add_answers": (True, False),
        "guid_in_queries": (True, True, False),
        "checksum": ("bytes", "content"),
        "stored_answer": ("full", "ids"),
        "kept_sets": (0, 0, 1, 3),
        "backup_restores_recovery": (True, False),
        "store_loss": (0.0, 0.0, 0.1, 0.5),
        "absent_set_code": ("9002", "600"),
        "message_set_id_limit": (24, 23),
        "closed_period_code": (3170, 3171),
        "wrong_account_code": (3210, 3140),
        "currency_mismatch_code": (3210, 3140, 3180),
        "refuse_negative_total": (True, False),
        "missing_ref_number_code": (500, 1),
        "unrun_requests": ("omit", "3231"),
        "payment_touches_bill": (True, False),
        "outside_cp1252": ("replace", "keep"),
        "inactive_usable": (True, False),
    }
    return Behaviour(**{name: chance.choice(values) for name, values in options.items()})


@cache
def _template() -> Books:
    company = seed_company(
        1,
        vendors=("Acme Supply", "Harbor Office Park"),
        accounts=_ACCOUNTS,
        classes=("Engineering",),
        customers=("Smith", "Smith:Kitchen"),
        clock=VirtualClock(),
    )
    return company.books


def _company(seed: int, clock: Clock, place: str) -> CompanyFile:
    """A copy of the one small company file: building it anew would take longer than a schedule may."""
    preferences = Preferences(company_name=f"Sandbox Company {place}")
    company = CompanyFile(f"C:\\QuickBooks\\{place}.qbw", seed=seed, preferences=preferences, clock=clock)
    company.load(_template().copy())
    return company


def _ids(books: Books) -> set[str]:
    return {*books.txns, *books.lists}


def _today(clock: Clock) -> date:
    return clock.now().date()


def _result(document: bytes) -> str:
    """The text of the first element inside a SOAP body."""
    try:
        return "".join(str(text) for text in etree.fromstring(document)[-1][0].itertext())
    except (etree.XMLSyntaxError, IndexError):
        return ""


def _argument(document: bytes, name: str) -> str:
    call = etree.fromstring(document)[-1][0]
    return next((child.text or "" for child in call if etree.QName(child).localname == name), "")
