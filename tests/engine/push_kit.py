"""A target that is called: a cloud that keeps what it is given, loses answers, and dies when a test says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import httpx

from engine.clock import Clock
from engine.contract import Binding, Json, ListObject, Operation, Receipt, Tools
from engine.diagnostics import Diagnostic
from engine.errors import Ambiguous, Rejected, RunError
from engine.program import FlowProgram, compile_flow
from engine.registry import registered
from engine.runreport import RunReport
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, RequestSpec
from engine.store import companies
from engine.store.base import Row, Store, Tx
from engine.testing import memory_world
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench

NAME = "shop_to_cloud"
FLOW = """
flow: shop_to_cloud
version: 1
connections:
  shop: {connector: shop}
  books: {connector: ledger}
  cloud: {connector: cloud}
lookups:
  vendor: {target: books.Vendor, match: [mapped, list_id, exact_name]}
streams:
  vendors:
    trigger: {every: 6h}
    fetch: {from: books, stream: Vendor}
    key: list_id
    about: {party: full_name}
    select: active
    map: {name: full_name}
    write: {to: cloud, request: VendorCreate}
  bills:
    after: [vendors]
    trigger: {every: 1h}
    fetch: {from: shop, stream: bills, with: {ready: true}}
    key: id
    about: {amount: money(amount), currency: currency, party: vendor.name, reference: number, date: date}
    map:
      vendor: posted('vendors', lookup('vendor', vendor.id, vendor.name).list_id).id
      number: number
      amount: money(amount)
      date: date(date)
    check:
      - {expect: "amount > `0`", say: the amount is zero or less}
    write: {to: cloud, request: BillCreate}
    mark_synced: {in: shop, as: BILL, reference: receipt.id, failures: [failed]}
"""
CLOUD = ConnectorSpec(
    name="cloud",
    title="Cloud",
    help="keeps bills",
    settings=(
        FieldSpec("base_url", "text", "where it is"),
        FieldSpec("settle_s", "integer", "how long a lost write may take to show"),
    ),
    lists=(ListSpec("vendors", "vendors"),),
    account=("base_url",),
    requests=(
        RequestSpec(
            "VendorCreate",
            "add a vendor",
            documents="json",
            fields=(FieldSpec("name", "text", "its name", required=True), FieldSpec("email", "text", "its address")),
        ),
        RequestSpec(
            "BillCreate",
            "enter a bill",
            documents="json",
            fields=(
                FieldSpec("number", "text", "its number", required=True),
                FieldSpec("vendor", "id", "whom it is from", required=True),
                FieldSpec("amount", "money", "how much", required=True),
                FieldSpec("date", "date", "its date"),
            ),
        ),
    ),
)

Fault = Literal["before", "after", "late"] | RunError | BaseException


class Crash(BaseException):
    """The process is gone."""


@dataclass(slots=True)
class Cloud:
    """Knows an object by the name or number it was given, which it does not make unique. `faults` are by call."""

    clock: Clock
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    late: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    closed: int = 0
    dies: tuple[int, str] | None = None

    def write(self, operation: Operation) -> Receipt:
        body = json.loads(operation.body)
        with self._call("write", body) as fault:
            if fault == "late":
                self.late.append((self.clock.monotonic() + 30, body))
                raise Ambiguous("no answer came")
            if fault == "before":
                raise Ambiguous("no answer came")
            made = self._add(body)
            if fault == "after":
                raise Ambiguous("no answer came")
            return Receipt({"id": made, "name": body.get("name", "")})

    def find(self, operation: Operation) -> Receipt | None:
        body = json.loads(operation.body)
        with self._call("find", body):
            self._arrive()
            for key, item in self.objects.items():
                if _title(item) == _title(body):
                    return Receipt({"id": key, "name": item.get("name", "")})
            return None

    def close(self) -> None:
        self.closed += 1

    @contextmanager
    def _call(self, kind: str, body: Mapping[str, Any]) -> Iterator[Fault | None]:
        number = len(self.calls)
        self.calls.append(f"{kind} {_title(body)}")
        if self.dies == (number, "before"):
            raise Crash
        fault = self.faults.get(number)
        if isinstance(fault, BaseException):
            raise fault
        yield fault
        if self.dies == (number, "after"):
            raise Crash

    def _add(self, body: dict[str, Any]) -> str:
        key = f"c-{len(self.objects) + 1}"
        self.objects[key] = body
        return key

    def _arrive(self) -> None:
        due = [item for item in self.late if item[0] <= self.clock.monotonic()]
        for item in due:
            self.late.remove(item)
            self._add(item[1])


def _title(body: Mapping[str, Any]) -> str:
    return str(body.get("number") or body.get("name"))


@dataclass(slots=True)
class CloudConnector:
    cloud: Cloud
    spec: ConnectorSpec = CLOUD

    def check(self, binding: Binding) -> list[Diagnostic]:
        return []

    def open(self, binding: Binding, tools: Tools) -> Any:
        self.cloud.settings = binding.settings
        return self.cloud


@dataclass(slots=True)
class CloudBench(Bench):
    """A bench whose flow writes to the cloud as well."""

    cloud: Cloud = field(default_factory=lambda: Cloud(memory_world().clock))

    def passed(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)

    def titles(self) -> list[str]:
        return sorted(_title(item) for item in self.cloud.objects.values())


VENDORS = (ListObject("V-1", "Grün & Söhne"), ListObject("V-2", "Retired", active=False))


@cache
def compiled(text: str) -> FlowProgram:
    """The program of a sound flow between the bench's connectors, made once."""
    return compile_flow(kit.flow(text, f"{NAME}.yaml"))


@contextmanager
def cloud_bench(text: str = FLOW, *, lists: bool = True, vendors: bool = True) -> Iterator[CloudBench]:
    """A bench; with `vendors`, the cloud has the vendor of the lists, and knows it as posted."""
    shop = kit.Shop()
    connector = kit.ShopConnector(shop)
    world = memory_world()
    cloud = Cloud(world.clock)
    with registered({"shop": connector, "ledger": kit.LedgerConnector(), "cloud": CloudConnector(cloud)}):
        try:
            program = compiled(text)
            with world.store.write() as tx:
                connect(tx, world)
            made = CloudBench(world, program, shop, connector, cloud=cloud)
            if lists:
                made.read_lists(VENDORS)
            if lists and vendors:
                made.run("vendors")
                cloud.calls.clear()
            yield made
        finally:
            world.store.close()


def connect(tx: Tx, world: Any, company: str = COMPANY) -> None:
    """A company with all three."""
    kit.connected(tx, world, company)
    companies.put_connection(tx, company, "books", "ledger", {"user": f"{company}-books"}, AT)
    companies.put_connection(tx, company, "cloud", "cloud", {}, AT)


@dataclass(slots=True)
class DyingStore:
    """A store whose process dies at the transaction that a test names, before it or just after its commit."""

    inner: Store
    at: int
    after: bool
    count: int = 0
    dead: bool = False

    def write(self, *of: str) -> AbstractContextManager[Tx]:
        return self._open(lambda: self.inner.write(*of))

    def read(self, *of: str) -> AbstractContextManager[Tx]:
        return self._open(lambda: self.inner.read(*of))

    def close(self) -> None:
        return

    @contextmanager
    def _open(self, opened: Callable[[], AbstractContextManager[Tx]]) -> Iterator[Tx]:
        number = self.count
        self.count += 1
        if self.dead or (number == self.at and not self.after):
            self.dead = True
            raise Crash
        with opened() as tx:
            yield tx
        if number == self.at:
            self.dead = True
            raise Crash


def dying(bench: CloudBench, at: int, *, after: bool) -> DyingStore:
    """From now on the bench's process dies at a transaction."""
    store = DyingStore(bench.world.store, at, after)
    bench.world = replace(bench.world, store=store)
    return store


def run(bench: CloudBench) -> RunReport:
    return bench.runner.run(bench.program, COMPANY)


def operation(bench: CloudBench, source_id: str = "b-1") -> Row:
    with bench.world.store.read() as tx:
        found = tx.one("operation_get", {"id": bench.record(source_id)["operation_id"]})
    assert found is not None
    return found


# --- a simulator of the same, for golden cases -----------------------------------------------------------------------


@dataclass(slots=True)
class CloudSandbox:
    """The cloud behind HTTP, given `{"bills": [...]}` that are there already."""

    given: Json
    _bills: list[dict[str, Any]] = field(default_factory=list)
    _lost: int = 0

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        return {"base_url": base_url}, {}

    def total(self) -> Decimal:
        return sum((Decimal(bill["amount"]) for bill in self._bills if "amount" in bill), Decimal(0))

    def save(self) -> str:
        return json.dumps(self._bills)

    def app(self) -> Any:
        raise NotImplementedError

    def transport(self) -> httpx.BaseTransport:
        return httpx.MockTransport(self._handle)

    def act(self, action: str, value: Any) -> None:
        assert action == "lose_answers"
        self._lost = int(value)

    def contents(self) -> list[str]:
        return [f"{bill['number']} {bill['amount']}" for bill in self._bills]

    def unused(self) -> list[str]:
        return ["lost answer"] * self._lost

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            number = request.url.params["number"]
            found = [i for i, bill in enumerate(self._bills) if bill["number"] == number]
            return httpx.Response(200, json={"id": f"c-{found[0] + 1}" if found else None})
        self._bills.append(json.loads(request.content))
        if self._lost:
            self._lost -= 1
            raise httpx.ReadTimeout("lost")
        return httpx.Response(201, json={"id": f"c-{len(self._bills)}"})


@dataclass(slots=True)
class SimulatedCloud:
    """The connector to the sandbox."""

    spec: ConnectorSpec = CLOUD

    def check(self, binding: Binding) -> list[Diagnostic]:
        return []

    def sandbox(self, seed: int, clock: Clock, options: Json) -> CloudSandbox:
        return CloudSandbox(options["given"], [dict(bill) for bill in options["given"].get("bills", ())])

    def open(self, binding: Binding, tools: Tools) -> Any:
        return _Caller(httpx.Client(base_url=str(binding.settings["base_url"]), transport=tools.transport))


@dataclass(slots=True)
class _Caller:
    client: httpx.Client

    def write(self, operation: Operation) -> Receipt:
        headers = {"content-type": "application/json"}
        try:
            answer = self.client.post("/bills", content=operation.body, headers=headers)
        except httpx.TransportError as error:
            raise Ambiguous("no answer came") from error
        return Receipt({"id": answer.json()["id"]})

    def find(self, operation: Operation) -> Receipt | None:
        number = json.loads(operation.body)["number"]
        if not number:
            raise Rejected("no number")
        found = self.client.get("/bills", params={"number": number}).json()["id"]
        return None if found is None else Receipt({"id": found})

    def close(self) -> None:
        self.client.close()
