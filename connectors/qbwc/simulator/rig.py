"""A company file in a campaign: a random selection of faults from a seed, and a record of what was really posted."""

from __future__ import annotations

import os
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from xml.sax.saxutils import unescape

from lxml import etree

from connectors.qbwc.sandbox import FILE_ID, QuickBooksSandbox
from connectors.qbwc.simulator import dotnet
from connectors.qbwc.simulator.clerk import clerk_of
from connectors.qbwc.simulator.company import Books, CompanyFile, close_books, user_deletes
from connectors.qbwc.simulator.faults import FAULTS, FaultPlan, Faults
from connectors.qbwc.simulator.people import Storm, fields_of
from connectors.qbwc.simulator.processor import RequestProcessor
from connectors.qbwc.simulator.seed import add
from connectors.qbwc.simulator.smallfile import any_behaviour, small_company
from connectors.qbwc.simulator.transport import Answer
from connectors.qbwc.simulator.webconnector import Abandoned, Application, WebConnector
from connectors.qbwc.spec import OWNER_ID
from engine.clock import Clock
from engine.contract import Handler, HttpCall, Json
from engine.dataclass import dataclass
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
_OWN: Mapping[str, float] = {
    "busy": 0.15, "stale_receive": 0.05, "edit_midway": 0.05, "second_connector": 0.3, "slow_set": 0.3,
    "query_refused": 0.12,
}  # fmt: skip
# How long QuickBooks may go on with a set after another machine came, which may happen after the first minute.
_SLOW_S = (61, 90, 180)
# The kinds of which QuickBooks refuses queries for a while, and with what.
_ASKED = ("Bill", "Bill", "BillPaymentCheck", "CreditCardCharge")
_REFUSED = (3260, 1000)
# What befalls the company file befalls it once, not once a machine.
_AT_HOME = dict.fromkeys(("restore_backup", "user_edit", "user_delete", "switch_file"), 0.0)
_POLITE = frozenset({"serverVersion", "clientVersion"})
_HERE, _THERE = "203.0.113.10", "198.51.100.20"
_MOST_REQUESTS = 120
_SENT, _SENT_END = b"<sendRequestXMLResult>", b"</sendRequestXMLResult>"
_WRITES = re.compile(r"<\w+(?:Add|Mod|Void)Rq ")
_LOCKS = ("Bill", "Vendor", "BillPaymentCheck", "CreditCardCharge")


class _Turns:
    """Lets a second agent act between two calls of the first one: of the two, one runs at a time."""

    def __init__(self, update: Callable[[], object]) -> None:
        self.is_over = False
        self._update = update
        self._error: BaseException | None = None
        self._first, self._second = threading.Semaphore(0), threading.Semaphore(0)
        self._done = _thread(os.getpid()).submit(self._run)

    def step(self) -> None:
        """The second one goes on to its next call."""
        if self.is_over:
            return
        self._second.release()
        self._first.acquire()
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        """The second one stops before its next call."""
        self._first.release()
        self._second.acquire()

    def finish(self) -> None:
        """The second one goes on to its end."""
        while not self.is_over:
            self.step()
        self._done.result()

    def _run(self) -> None:
        self._second.acquire()
        try:
            self._update()
        except BaseException as error:  # noqa: BLE001 - it is raised where the first one waits
            self._error = error
        finally:
            self.is_over = True
            self._first.release()


class _Others:
    """Other machines, or the same one anew, that come while a first one has a session; one of them at a time."""

    def __init__(self, rig: QuickBooksRig, makes: Callable[[Faults], _Connector]) -> None:
        self.came: list[_Connector] = []
        self._rig = rig
        self._makes = makes
        self._turns: _Turns | None = None

    def come(self) -> _Connector:
        """One more comes; it waits before its first call."""
        faults = self._rig.faults
        quiet = Faults(replace(faults.plan, rates={**faults.plan.rates, **_AT_HOME}), self._rig.other)
        second = self._makes(quiet)
        if self._rig.chance.random() < 0.2:
            second.post.client = _HERE  # type: ignore[attr-defined]  # both behind one address
        self._turns = _Turns(second.update)
        second.pauses = self._turns.wait
        self.came.append(second)
        return second

    @property
    def is_one(self) -> bool:
        """Whether one of them has a session."""
        return self._turns is not None and not self._turns.is_over

    def step(self) -> None:
        """The present one goes on to its next call."""
        if self._turns is not None:
            self._turns.step()

    def overtake(self) -> None:
        """The first one is not through for more than a minute: another one, or the same machine anew, looks and writes."""
        chance, clock = self._rig.chance, self._rig.sandbox.company.clock
        started, longest = clock.monotonic(), chance.choice(_SLOW_S)
        clock.sleep(longest)
        if not self.is_one:
            came = self.come()
            came.post.client = chance.choice((_HERE, _THERE))  # type: ignore[attr-defined]  # always a tap
        for _ in range(chance.randrange(4, 20)):
            if not self.is_one or clock.monotonic() - started > longest + 60:
                return
            self.step()

    def finish(self) -> None:
        """The present one goes on to its end."""
        if self._turns is not None:
            self._turns.finish()


@cache
def _thread(_process: int) -> ThreadPoolExecutor:
    """The one thread of second agents: a new one for each would compile every schema anew."""
    return ThreadPoolExecutor(1, "second-agent")


@dataclass(slots=True)
class _Tap:
    """A `Post` from one address that tells the watch which documents we hand out, and which answers we took."""

    handler: Handler
    client: str
    connector: _Connector
    said: str = ""
    older: str = ""

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call."""
        connector = self.connector
        call, watch, session = connector.called, connector.watch, connector.session
        if call[0] == "receiveResponseXML":
            self._stale(str(call[1]["ticket"]))
        place = connector.rig.place(connector.company)  # the file that this very call names
        answer = self._post(body, headers)
        if call[0] == "sendRequestXML":
            self.said = _result(answer[1])
            if self.said.startswith("<?xml"):
                watch.handed_out(self.said, place, session)
        elif call[0] == "receiveResponseXML" and answer[0] == 200:
            self.older = str(call[1]["response"])
            watch.answered(self.said, self.older, session)
        return answer

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        lower = {name.lower(): value for name, value in headers.items()}
        reply = self.handler(HttpCall("POST", "/qbwc", "", lower, body, self.client))
        return reply.status, reply.body, reply.headers.get("content-type", "")

    def _stale(self, ticket: str) -> None:
        """The answer to an earlier document comes once more, as that of the present one."""
        if not self.older or not _strikes(self.connector.rig, "stale_receive"):
            return
        given = {"ticket": ticket, "response": self.older, "hresult": "", "message": ""}
        self._post(*dotnet.request("receiveResponseXML", given))


class _Connector(WebConnector):
    """A Web Connector that notes what each document made."""

    rig: QuickBooksRig
    watch: Watch
    session: int
    called: tuple[str, Mapping[str, str | int]] = ("", {})
    # What happens before each of its calls, and while QuickBooks is slow over a set of several.
    pauses: Callable[[], None]
    overtaken: Callable[[], None] | None = None

    def _call(self, method: str, **arguments: str | int) -> etree._Element | None:
        if method in _POLITE and not self.rig.is_polite:
            return None
        self.pauses()
        self.called = (method, arguments)
        return super()._call(method, **arguments)

    def _process(self, processor: RequestProcessor, request: str) -> tuple[str, str, str]:
        rig, company = self.rig, processor.company
        # Right before a modify it is what the modify must notice.
        if company.books.txns and _strikes(rig, "edit_midway", 8 if "ModRq" in request else 1):
            rig.faults.edit(company)
        slow = self._slow(processor, request)
        rig.running.append(_ids(company.books))
        standing = rig.faults.standing(company.books) if company is rig.sandbox.company else {}
        answered = ("", "", "")
        try:
            answered = super()._process(processor, request)
            return answered
        finally:
            before = rig.running.pop()
            made = [rig.note(company, key) for key in company.books.txns if key not in before]
            made += [rig.note(company, key) for key in company.books.lists if key not in before]
            for outer in rig.running:
                outer |= {item.id for item in made}
            self.watch.ran(request, rig.place(company), made, answered[0])
            _compare(rig, standing)
            if _is_lost(rig, request) or (slow and rig.chance.random() < 0.7):
                raise Abandoned

    def _slow(self, processor: RequestProcessor, request: str) -> bool:
        """Whether QuickBooks is so slow over a set of several that another machine comes before it is through."""
        processor.pauses = _at_once
        count = len(_WRITES.findall(request))
        overtaken = self.overtaken
        if count < 2 or overtaken is None or not _strikes(self.rig, "slow_set"):
            return False
        after = self.rig.chance.randrange(1, count)
        processor.pauses = lambda position: overtaken() if position == after else None
        return True


@dataclass(slots=True)
class QuickBooksRig:
    """The company file, another one beside it, and everything that goes wrong between them and us."""

    sandbox: QuickBooksSandbox
    other: CompanyFile
    faults: Storm
    chance: random.Random
    # Faults of this rig's own, beside those of the Web Connector.
    rates: Mapping[str, float] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    astray: list[Made] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)
    overwrites: list[str] = field(default_factory=list)
    sessions: int = 0
    # What was there when each set began that QuickBooks is at work on.
    running: list[set[str]] = field(default_factory=list)
    # For how many more sessions queries of a kind are refused.
    refuses: int = 0
    # The kind whose next write loses its answer.
    loses: str = ""
    # Whether it asks for the service's version first, as the real one does; no answer changes anything.
    is_polite: bool = True
    # Whether another machine may come while QuickBooks is slow over a set.
    is_shared: bool = False

    def place(self, company: CompanyFile) -> str:
        """Which company file this is."""
        return "home" if company is self.sandbox.company else "other"

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
        """What happens between two sessions, then one session, perhaps with that of another machine among its calls."""
        self._lock()
        before = Counter(self.faults.counts)
        first = self._agent(handler, (user, password), watch, self.faults)
        others = _Others(self, lambda faults: self._agent(handler, (user, password), watch, faults))
        first.overtaken = others.overtake
        if _strikes(self, "second_connector"):
            second = others.come()
            if self.chance.random() < 0.2:
                second.company = self.other
            first.pauses = _lets(others, self.chance)
        try:
            report = first.update()
        finally:
            others.finish()
        lines = [f"session {report.outcome}, {len(report.calls)} calls"]
        reports = [second.report for second in others.came]
        lines += [f"second Web Connector {each.outcome}, {len(each.calls)} calls" for each in reports]
        struck = [name for name, count in (self.faults.counts - before).items() for _ in range(count)]
        return [*lines, *struck, *report.errors]

    def _agent(self, handler: Handler, login: tuple[str, str], watch: Watch, faults: Faults) -> _Connector:
        application = self.sandbox.application
        made = _Connector(_unset, *login, self.sandbox.company, application=application, faults=faults)
        made.rig, made.watch, made.session, made.pauses = self, watch, self.sessions, _go_on
        made.post = _Tap(handler, _HERE if faults is self.faults else _THERE, made)
        self.sessions += 1
        return made

    def calm(self) -> None:
        """No more faults."""
        self.total += self.faults.counts + (self.faults.clerk.counts if self.faults.clerk else Counter())
        away, edits, back = self.faults.taken_away, self.faults.edits, self.faults.brought_back
        self.faults = Storm(FaultPlan())
        self.faults.taken_away, self.faults.edits, self.faults.brought_back = away, edits, back
        self.rates, self.refuses = {}, 0
        self.sandbox.company.locks.clear()
        self.sandbox.company.refusals.clear()
        close_books(self.sandbox.company, None)

    def refuse(self, kind: str, *, after_loss: bool = False) -> None:
        """Queries of a kind are refused from now on, or once the answer to a write of it was lost; of none when empty."""
        refusals, self.loses = self.sandbox.company.refusals, kind if after_loss else ""
        refusals.clear()
        if kind and not after_loss:
            refusals[f"{kind}QueryRq"] = self.chance.choice(_REFUSED)

    def delete_other(self, kind: str) -> str:
        """A person deletes a transaction of ours that is of another kind; its id, empty when there is none."""
        books = self.sandbox.company.books
        others = [key for key in self.made if key in books.txns and books.txns[key].kind != kind]
        chosen = self.chance.choice(others) if others else ""
        if chosen:
            user_deletes(self.sandbox.company, chosen)
            self.faults.taken_away.add(chosen)
        return chosen

    def live(self) -> Sequence[Made]:
        """What we made and is there now."""
        there = _ids(self.sandbox.company.books)
        return [made for key, made in self.made.items() if key in there]

    def has(self, object_id: str) -> bool:
        """Whether an object is there now."""
        books = self.sandbox.company.books
        return object_id in books.txns or object_id in books.lists

    def amount(self, object_id: str) -> Decimal | None:
        """What a transaction amounts to now."""
        txn = self.sandbox.company.books.txns.get(object_id)
        return txn.amount if txn is not None else None

    def edited(self, object_id: str) -> frozenset[str]:
        """The fields of a transaction that a person set last."""
        return frozenset(name for key, name in self.faults.standing(self.sandbox.company.books) if key == object_id)

    def rolled_back(self, object_id: str) -> bool:
        """Whether a restored backup has given a transaction its present amount, and nothing has set it since."""
        txn = self.sandbox.company.books.txns.get(object_id)
        return txn is not None and self.faults.brought_back.get(object_id) == txn.amount

    def overwritten(self) -> Sequence[str]:
        """Edits of people that a request of ours undid."""
        return self.overwrites

    def elsewhere(self) -> Sequence[Made]:
        """What we made in the other file."""
        return self.astray

    def removed(self) -> frozenset[str]:
        """What people and backups took away, and nothing brought back."""
        return frozenset(self.faults.taken_away - _ids(self.sandbox.company.books))

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        return self.total + self.faults.counts

    def _lock(self) -> None:
        """Somebody has a form open in QuickBooks, or has closed it again; what may be asked changes too."""
        locks = self.sandbox.company.locks
        locks.clear()
        if _strikes(self, "busy"):
            locks[self.chance.choice(_LOCKS)] = self.chance.choice((3175, 3176, 3180))
        if self.refuses:
            self.refuses -= 1
            if not self.refuses:
                self.refuse("")
        if not self.refuses and _strikes(self, "query_refused"):
            self.refuses = self.chance.choice((2, 3, 5))
            self.refuse(self.chance.choice(_ASKED))


@dataclass(frozen=True, slots=True)
class _Apart:
    """The clock of another machine."""

    clock: Clock
    off: timedelta

    def now(self) -> datetime:
        """What that machine believes."""
        return self.clock.now() + self.off

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.clock.sleep(seconds)


def make_rig(seed: int, clock: Clock, options: Json) -> QuickBooksRig:
    """A small company file with a random selection of faults and of the behaviours that no source proves."""
    chance = random.Random(f"{seed}:books")  # noqa: S311 - a simulation must repeat
    without = frozenset(options.get("without", ())) | _UNSEEN
    focus = frozenset(options.get("focus", ()))
    apart = _wants("clock_apart", without, focus) and chance.random() < (1.0 if focus else 0.25)
    theirs = _Apart(clock, timedelta(minutes=chance.choice((-10, 10)))) if apart else clock
    company, other = small_company(seed, theirs, "home"), small_company(seed + 1, theirs, "other")
    company.behaviour = other.behaviour = any_behaviour(chance)
    if "no_marker" in options.get("often", {}):
        blind = replace(company.behaviour, guid_in_queries=False, guid_in_add_answers=False)
        company.behaviour = other.behaviour = blind
    if chance.random() < 0.3:
        # The other file looks just like this one, but for its path and what the Web Connector wrote into it.
        other.preferences = replace(other.preferences, company_name=company.preferences.company_name)
    level = chance.choice((0.3, 1.0, 1.0, 2.0))
    chosen = [name for name in (*FAULTS, *_OWN) if name not in without and chance.random() < 0.4]
    if focus:
        chosen, level = [name for name in (*FAULTS, *_OWN) if name in focus], 2.0
    usual = {**_RATES, **_OWN}
    drawn = {name: min(0.6, level * chance.uniform(0.3, 1.0) * usual.get(name, _USUAL)) for name in chosen}
    often: Mapping[str, float] = options.get("often", {})
    for name in (*FAULTS, *_OWN):
        if name in often and name not in without:
            drawn[name] = max(often[name], drawn.get(name, 0.0))
    rates = {name: rate for name, rate in drawn.items() if name not in _OWN}
    plan = FaultPlan(seed, rates, slow_s=chance.choice((20.0, 61.0, 240.0)))
    application = Application(owner_id=OWNER_ID, file_id=FILE_ID, max_requests=_MOST_REQUESTS)
    application = replace(application, closes_after_error=chance.random() < 0.3)
    rig = QuickBooksRig(
        QuickBooksSandbox(company, application), other, Storm(plan, other, clerk_of(seed, options)), chance
    )
    rig.rates = {name: rate for name, rate in drawn.items() if name in _OWN}
    rig.faults.forgets = bool(options.get("forgets"))
    rig.is_polite = chance.random() < 0.1
    rig.is_shared = bool(rig.rates.get("slow_set"))
    if rig.is_shared:
        # Two computers are in the file at the same time: what one asks does not wait for what the other does.
        company.preferences = replace(company.preferences, file_mode="MultiUser")
    rig.total["clock_apart"] += apart
    if _wants("closed_period", without, focus) and chance.random() < (1.0 if focus else 0.1):
        close_books(company, _today(clock) - timedelta(days=chance.randrange(10, 60)))
        rig.total["closed_period"] += 1
    if _wants("name_taken", without, focus) and chance.random() < (1.0 if focus else 0.1):
        add(company, chance.choice(("Customer", "Employee")), "Smith Ltd", {})
        rig.total["name_taken"] += 1
    return rig


def _wants(name: str, without: frozenset[str], focus: frozenset[str]) -> bool:
    return name not in without and (not focus or name in focus)


def _ids(books: Books) -> set[str]:
    return {*books.txns, *books.lists}


def _strikes(rig: QuickBooksRig, name: str, times: int = 1) -> bool:
    """Whether a fault of the rig's own happens now; so many times as often as usual."""
    rate = rig.rates.get(name, 0.0)
    rate = min(0.7, times * rate) if times > 1 else rate
    happens = rate > 0 and rig.chance.random() < rate
    rig.total[name] += happens
    return happens


def _compare(rig: QuickBooksRig, standing: Mapping[tuple[str, str], object]) -> None:
    """Note every edit of a person that a request of ours has undone; another edit may have come since."""
    for (key, name), value in standing.items():
        txn = rig.sandbox.company.books.txns.get(key)
        now = fields_of(txn).get(name) if txn is not None else value
        if txn is not None and now != value and rig.faults.edits[key, name] == value:
            rig.overwrites.append(f"{txn.kind} {key}: a person had set its {name} to {value}, and now it is {now}")


def _is_lost(rig: QuickBooksRig, request: str) -> bool:
    """Whether the answer to this one is lost, after which queries of its kind are refused."""
    if not rig.loses or f"<{rig.loses}AddRq " not in request:
        return False
    rig.refuse(rig.loses)
    return True


def _lets(others: _Others, chance: random.Random) -> Callable[[], None]:
    """Before each call of the first agent, the second one may make some of its own."""

    def pause() -> None:
        while others.is_one and chance.random() < 0.4:
            others.step()

    return pause


def _at_once(_position: int) -> None:
    """QuickBooks is not slow."""


def _go_on() -> None:
    """Nothing happens before a call."""


def _unset(_body: bytes, _headers: Mapping[str, str]) -> Answer:
    raise ConnectionError("no service")


def _today(clock: Clock) -> date:
    return clock.now().date()


def _result(document: bytes) -> str:
    """The document that an answer to sendRequestXML carries."""
    start = document.find(_SENT)
    end = document.find(_SENT_END, start)
    if start < 0 or end < 0:
        return ""
    return unescape(document[start + len(_SENT) : end].decode(), {"&#13;": "\r"})
