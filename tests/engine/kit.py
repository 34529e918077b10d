"""What the tests of the core share: a scripted source, a polled target, a flow between them, and a world to run it in."""

from __future__ import annotations

import json
import logging as stdlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any, TextIO, cast

import structlog

from engine import log
from engine.clock import Clock, Ids
from engine.contract import (
    Binding,
    Event,
    Handler,
    Handshake,
    HttpCall,
    HttpReply,
    Json,
    ListObject,
    MarkCall,
    MessageSet,
    OperationOutcome,
    Outbox,
    Page,
    Tools,
)
from engine.desk import StoreOutbox
from engine.diagnostics import Diagnostic
from engine.errors import ForgedWebhook
from engine.flowlang.flowfile import parse_flow
from engine.model import Flow
from engine.program import FlowProgram, compile_flow
from engine.registry import registered
from engine.runner import Runner
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, MarkSpec, RequestSpec, StreamSpec
from engine.store import companies, records, work
from engine.store.base import Row, Store, Tx
from engine.testing import memory_world
from engine.world import World
from tests.reference import ROOT
from tests.stores import raw

AT = "2026-03-02T14:00:00.000000Z"
COMPANY = "acme"
FLOW = "shop_to_ledger"

YAML = """
flow: shop_to_ledger
version: 1
describe: Bills of a shop post into a ledger.
connections:
  shop: {connector: shop}
  ledger: {connector: ledger}
settings:
  card_payments: {type: boolean, default: false, help: Post payments by card}
  with_payments: {type: boolean, default: true, help: Post payments}
lookups:
  vendor: {target: ledger.Vendor, match: [mapped, list_id, exact_name]}
  account: {target: ledger.Account, match: [mapped, list_id, number, exact_name]}
streams:
  vendors:
    trigger: {every: 6h, webhook: [vendor.changed]}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name}
    select:
      - {only: "status != 'closed'", say: the vendor is closed}
    adopt: find('vendor', id, name)
    map:
      name: limit(name, `41`)
      company: limit(name, `41`)
      country: country
    write: {to: ledger, request: VendorAdd, template: vendor_add.xml.j2}
    provide: {lookup: vendor, key: id}
  bills:
    after: [vendors]
    trigger: {every: 1h, webhook: [bill.ready, bill.paid]}
    fetch: {from: shop, stream: bills, with: {ready: true}}
    key: id
    about: {amount: money(amount), currency: currency, party: vendor.name, reference: number, date: date}
    select:
      - {only: "status != 'draft'", say: the bill is a draft}
    map:
      vendor: lookup('vendor', vendor.id, vendor.name)
      ap_account: lookup('account', null, 'Accounts Payable')
      date: date(date)
      due: due
      reference: limit(number, `20`)
      memo: memo
      amount: money(amount)
      lines: "lines[].{account: lookup('account', account, account, code), amount: money(amount), memo: memo, class: null, customer: null}"
    check:
      - {expect: "sum_money(lines[].amount) == amount", say: the lines do not add up to the bill}
    write: {to: ledger, request: BillAdd, template: bill_add.xml.j2}
    mark_synced: {in: shop, as: BILL, reference: receipt.TxnID, failures: [failed, deferred]}
  payments:
    after: [bills]
    when: setting('with_payments')
    fetch: {from: shop, stream: bills, with: {ready: true}}
    key: id
    phase: payment
    about: {amount: money(amount), reference: number}
    select: "status == 'paid'"
    map:
      bill: posted('bills', id).TxnID
      amount: money(amount)
    write:
      to: ledger
      one_of:
        - {when: "amount > `500` && setting('card_payments')", request: CardPost}
        - {when: "amount <= `500`", request: NotePost}
"""

_LINE = (
    FieldSpec("account", "text", "account"),
    FieldSpec("code", "text", "number"),
    FieldSpec("amount", "money", "amount"),
    FieldSpec("memo", "text", "memo"),
)
SHOP = ConnectorSpec(
    name="shop",
    title="Shop",
    help="sells",
    settings=(
        FieldSpec("region", "text", "where it is", choices=("eu", "us")),
        FieldSpec("pages", "integer", "records a page"),
        FieldSpec("live", "boolean", "not the test shop"),
        FieldSpec("api_key", "text", "its key", required=True, secret=True),
        FieldSpec("hook_secret", "text", "signs webhooks", secret=True),
    ),
    streams=(
        StreamSpec(
            "vendors", "vendors", "id", (FieldSpec("id", "id", "its id"), FieldSpec("name", "text", "its name"))
        ),
        StreamSpec(
            "bills",
            "bills",
            "id",
            (FieldSpec("id", "id", "its id"), FieldSpec("lines", "list", "lines", fields=_LINE, of="object")),
            filters=(FieldSpec("ready", "boolean", "only what is ready"),),
        ),
    ),
    marks=(MarkSpec("BILL", "a bill was posted", ("bills",)),),
    webhooks=("bill.ready", "bill.paid", "vendor.changed"),
)
LEDGER = ConnectorSpec(
    name="ledger",
    title="Ledger",
    help="keeps books",
    settings=(
        FieldSpec("user", "text", "who signs in"),
        FieldSpec("password", "text", "its password", secret=True),
    ),
    requests=(
        RequestSpec("VendorAdd", "add a vendor"),
        RequestSpec("BillAdd", "enter a bill"),
        RequestSpec("NotePost", "leave a note", documents="json"),
        RequestSpec("CardPost", "leave a card note", documents="json"),
    ),
    lists=(ListSpec("Vendor", "vendors"), ListSpec("Account", "accounts")),
    delivery="pull",
    tells=(FieldSpec("home_currency", "text", "its own currency"), FieldSpec("size", "text", "its size")),
)

ACCOUNTS = (
    ListObject("A-AP", "Accounts Payable", number="2000"),
    ListObject("A-RENT", "Rent", number="6100", edit_sequence="7", data={"AccountType": "Expense"}),
    ListObject("A-OLD", "Old Rent", active=False, number="6199"),
    ListObject("A-TWIN1", "Twin 1", number="6200"),
    ListObject("A-TWIN2", "Twin 2", number="6200"),
)
VENDORS = (
    ListObject("V-1", "Grün & Söhne", data={"currency": "EUR"}),
    ListObject("V-2", "Retired", active=False),
)


@dataclass(slots=True)
class Shop:
    """A source that does what a test wrote down: what it lists, what it fails with, and what it was told."""

    listed: dict[str, list[Json]] = field(default_factory=lambda: {"vendors": [], "bills": []})
    singles: dict[str, Json | Exception] = field(default_factory=dict)
    page_size: int = 2
    faults: list[Exception | None] = field(default_factory=list)
    get_faults: list[Exception] = field(default_factory=list)
    mark_faults: list[BaseException | None] = field(default_factory=list)
    reads: list[tuple[str, Mapping[str, object], str | None]] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)
    calls: list[MarkCall] = field(default_factory=list)
    tools: Tools | None = None

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        self.reads.append((stream, dict(filters), checkpoint))
        found = self.listed.get(stream, [])
        start = int(checkpoint or 0)
        while True:
            if self.faults and (fault := self.faults.pop(0)) is not None:
                raise fault
            page = found[start : start + self.page_size]
            if not page:
                return
            start += len(page)
            yield Page(page, str(start))

    def get(self, stream: str, record_id: str) -> Json | None:
        self.gets.append(f"{stream}/{record_id}")
        if self.get_faults:
            raise self.get_faults.pop(0)
        found = self.singles.get(record_id)
        if isinstance(found, Exception):
            raise found
        return found

    def mark(self, call: MarkCall) -> None:
        self.calls.append(call)
        if self.mark_faults and (fault := self.mark_faults.pop(0)) is not None:
            raise fault


@dataclass(slots=True)
class ShopConnector:
    shop: Shop
    spec: ConnectorSpec = SHOP
    problems: list[Diagnostic] = field(default_factory=list)

    def check(self, binding: Binding) -> list[Diagnostic]:
        return self.problems

    def open(self, binding: Binding, tools: Tools) -> Any:
        self.shop.tools = tools
        return self.shop

    def verify(self, binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
        from engine.errors import BadAnswer, SettingMissing

        if "hook_secret" not in binding.secrets:
            raise SettingMissing(binding.company, binding.connection, ("hook_secret",))
        if headers.get("x-signature") != binding.secrets["hook_secret"]:
            raise ForgedWebhook
        try:
            data = json.loads(body)
        except ValueError as error:
            raise BadAnswer("no JSON") from error
        if "challenge" in data:
            return Handshake(data["challenge"], {"challenge": data["challenge"]})
        return Event(data["id"], data["type"], data.get("object"))


@dataclass(slots=True)
class LedgerConnector:
    spec: ConnectorSpec = LEDGER

    def check(self, binding: Binding) -> list[Diagnostic]:
        return []

    def open(self, binding: Binding, tools: Tools) -> Any:
        return None

    def handler(self, outbox: Outbox, clock: Clock, ids: Ids) -> Handler:
        def handle(call: HttpCall) -> HttpReply:
            seen = [call.method, call.path, call.query, call.headers.get("x-seen", ""), len(call.body), call.client]
            return HttpReply(200, {"content-type": "application/json", "x-ledger": "1"}, json.dumps(seen).encode())

        return handle


def newest_schema() -> int:
    """The newest version of the store's schema."""
    return max(int(path.name[:4]) for path in (ROOT / "engine" / "store" / "migrations").glob("*.sql"))


def flow(text: str = YAML, path: str = "shop_to_ledger.yaml") -> Flow:
    """A flow that is sound."""
    loaded = parse_flow(text.encode(), path)
    assert not loaded.problems, loaded.problems
    assert loaded.flow is not None
    return loaded.flow


@cache
def compiled(text: str = YAML) -> FlowProgram:
    """The program of a sound flow between the bench's connectors, made once: compiling takes longer than most tests."""
    return compile_flow(flow(text))


@dataclass(slots=True)
class Bench:
    """A company of one flow between the shop and the ledger, with everything a test looks at."""

    world: World
    program: FlowProgram
    shop: Shop
    connector: ShopConnector
    _sets: int = 0

    @property
    def outbox(self) -> StoreOutbox:
        return StoreOutbox(self.world, {self.program.flow.name: self.program})

    @property
    def runner(self) -> Runner:
        return Runner(self.world)

    def run(self, *streams: str) -> dict[str, dict[str, int]]:
        """Run; counts by stream. A run that met an error fails the test."""
        report = self.runner.run(self.program, COMPANY, streams=streams or None)
        assert report.errors == (), report.errors
        return {s.stream: {k: v for k, v in s.counts.items() if v} for s in report.streams}

    def read_lists(self, vendors: Sequence[ListObject] = VENDORS, accounts: Sequence[ListObject] = ACCOUNTS) -> None:
        """What the agent reports of the ledger's lists."""
        with self.outbox.transaction() as desk:
            desk.books.store_page(COMPANY, "Vendor", vendors, first=True, last=True)
            desk.books.store_page(COMPANY, "Account", accounts, first=True, last=True)

    def send(self, limit: int = 100) -> MessageSet | None:
        """Freeze the next operations into a message set, as the agent's call for work does."""
        with self.outbox.transaction() as desk:
            operations = desk.operations.next(COMPANY, limit)
            if not operations:
                return None
            self._sets += 1
            body = b"<set>" + b"".join(op.body for op in operations) + b"</set>"
            made = MessageSet(f"set-{self._sets}", body, sha256(body).hexdigest(), operations, ticket_hash="ticket")
            desk.operations.freeze(COMPANY, made)
            return made

    def settle(self, made: MessageSet, *outcomes: OperationOutcome) -> None:
        """What the ledger answered; posted for every operation that no outcome names."""
        by_id = {outcome.operation_id: outcome for outcome in outcomes}
        filled = [by_id.get(op.id) or posted(op.id, op.request) for op in made.operations]
        with self.outbox.transaction() as desk:
            desk.operations.settle(COMPANY, made.id, filled, b"<answer/>")

    def post_all(self) -> int:
        """Send and settle until the outbox is empty; returns how many operations were posted."""
        done = 0
        while (made := self.send()) is not None:
            self.settle(made)
            done += len(made.operations)
        return done

    def record(self, source_id: str, stream: str = "bills") -> Row:
        with self.world.store.read(COMPANY) as tx:
            rows = tx.rows(
                "record_find_any_phase",
                {"company": COMPANY, "flow": self.program.flow.name, "stream": stream, "source_id": source_id},
            )
        assert len(rows) == 1, rows
        return rows[0]

    def states(self, stream: str = "bills") -> dict[str, str]:
        with self.world.store.read() as tx:
            rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 1000})
        return {row["source_id"]: row["state"] for row in rows if row["stream"] == stream}

    def reasons(self, source_id: str, stream: str = "bills") -> list[tuple[str, str]]:
        return [(r.code, r.message) for r in records.load_reasons(self.record(source_id, stream))]

    def alerts(self) -> list[tuple[str, str, int]]:
        """The open alerts: kind, subject, how often."""
        with self.world.store.read() as tx:
            return [(row["kind"], row["subject"], row["times"]) for row in work.alerts(tx, COMPANY)]

    def journal(self, source_id: str, stream: str = "bills") -> list[str]:
        with self.world.store.read() as tx:
            return [
                line["event"]
                for line in tx.rows("journal_of_record", {"record_id": self.record(source_id, stream)["id"]})
            ]


@contextmanager
def bench(text: str = YAML, *, lists: bool = True) -> Iterator[Bench]:
    """A bench with an empty store; with `lists`, those of the ledger were read."""
    shop = Shop()
    connector = ShopConnector(shop)
    with registered({"shop": connector, "ledger": LedgerConnector()}):
        world = memory_world()
        try:
            program = compiled(text)
            with world.store.write() as tx:
                connected(tx, world)
            made = Bench(world, program, shop, connector)
            if lists:
                made.read_lists()
            yield made
        finally:
            world.store.close()


def connected(tx: Tx, world: World, company: str = COMPANY) -> None:
    """A company with both connections."""
    companies.add(tx, company, company.title(), AT)
    companies.put_connection(tx, company, "shop", "shop", {"region": "eu"}, AT)
    companies.put_secret(tx, world.vault, company, "shop", "api_key", "k-1", AT)
    companies.put_secret(tx, world.vault, company, "shop", "hook_secret", "hush", AT)
    companies.put_connection(tx, company, "ledger", "ledger", {"user": f"{company}-wc"}, AT)


def bill(source_id: str = "b-1", /, amount: str = "100.00", **changes: Any) -> dict[str, Any]:
    """A bill that posts."""
    return {
        "id": source_id,
        "status": "open",
        "number": f"N-{source_id}",
        "amount": amount,
        "currency": "EUR",
        "date": "2026-02-27",
        "memo": None,
        "vendor": {"id": "v-1", "name": "Grün & Söhne"},
        "lines": [{"account": "Rent", "code": "6100", "amount": amount, "memo": "m"}],
        **changes,
    }


def vendor(source_id: str = "v-9", name: str = "New Vendor", **changes: Any) -> dict[str, Any]:
    """A vendor that the ledger does not have."""
    return {"id": source_id, "name": name, "status": "active", "country": None, **changes}


def posted(operation_id: str, request: str = "BillAdd") -> OperationOutcome:
    name = "ListID" if request == "VendorAdd" else "TxnID"
    return OperationOutcome(operation_id, "posted", {name: f"T-{operation_id[:4]}", "EditSequence": "1"})


class _Stderr:
    """Whatever stderr is at the moment: pytest replaces it between the phases of a test."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


@contextmanager
def logging() -> Iterator[None]:
    """Log as JSON, for `logged` to read."""
    log.configure(json=True)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())))
    try:
        yield
    finally:
        structlog.reset_defaults()


@contextmanager
def unsilenced(name: str) -> Iterator[stdlib.Logger]:
    """A library's logger as in a fresh process: one test that starts uvicorn silences it for all that come after."""
    logger, *above = (stdlib.getLogger(one) for one in (name, name.partition(".")[0]))
    found = [(one, one.level, one.propagate, one.handlers) for one in (logger, *above)]
    for one, *_ in found:
        one.setLevel(stdlib.NOTSET)
        one.propagate, one.handlers = True, []
    try:
        yield logger
    finally:
        for one, level, propagate, handlers in found:
            one.setLevel(level)
            one.propagate, one.handlers = propagate, handlers


def count(store: Store, table: str) -> int:
    """How many rows a table has, of all companies."""
    ((found,),) = raw(store, f"SELECT COUNT(*) FROM {table}")
    return int(found)
