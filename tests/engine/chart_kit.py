"""A called target that changes and archives what it has, and takes several operations in a call, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from engine.clock import Clock
from engine.contract import Binding, Operation, Receipt, Tools
from engine.diagnostics import Diagnostic
from engine.errors import Ambiguous, Rejected, Transient
from engine.program import FlowProgram, compile_flow
from engine.registry import registered
from engine.spec import ConnectorSpec, FieldSpec, RequestSpec
from engine.store import companies
from engine.store.base import Row
from engine.testing import memory_world
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench
from tests.engine.push_kit import Crash, Fault

NAME = "shop_to_chart"
FLOW = """
flow: shop_to_chart
version: 1
connections:
  shop: {connector: shop}
  chart: {connector: chart}
streams:
  accounts:
    trigger: {every: 6h}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name}
    map: {id: id, name: name, group: country}
    write:
      to: chart
      request: AccountUpload
      change: {request: AccountUpdate}
      undo: {when: status == 'closed', request: AccountHide}
  bills:
    trigger: {every: 1h}
    fetch: {from: shop, stream: bills, with: {ready: true}}
    key: id
    about: {amount: money(amount), currency: currency, party: vendor.name, reference: number, date: date}
    select:
      - {only: "status != 'draft'", say: the bill is a draft}
    map: {number: number, vendor: vendor.id, amount: money(amount), memo: memo}
    write:
      to: chart
      request: BillCreate
      change: {request: BillUpdate}
      undo: {when: status == 'void', gone: true, request: BillArchive}
    mark_synced: {in: shop, as: BILL, reference: receipt.id, failures: [failed]}
"""
_NUMBER = FieldSpec("number", "text", "its number", required=True)
_AMOUNT = FieldSpec("amount", "money", "how much", required=True)
_MEMO = FieldSpec("memo", "text", "a note")
_ACCOUNT = (
    FieldSpec("id", "id", "our id", required=True),
    FieldSpec("name", "text", "its name", required=True),
    FieldSpec("group", "text", "what it is in"),
)
CHART = ConnectorSpec(
    name="chart",
    title="Chart",
    help="keeps accounts and bills",
    requests=(
        RequestSpec(
            "BillCreate",
            "enter a bill",
            documents="json",
            fields=(_NUMBER, FieldSpec("vendor", "id", "whose", required=True), _AMOUNT, _MEMO),
        ),
        RequestSpec("BillUpdate", "change a bill", documents="json", fields=(_NUMBER, _AMOUNT, _MEMO)),
        RequestSpec("BillArchive", "archive a bill", documents="json", undoes=("Bill",), undone="archived"),
        RequestSpec(
            "AccountUpload", "add accounts", documents="json", fields=_ACCOUNT, batch=4, batch_by="group"
        ),
        RequestSpec("AccountUpdate", "change an account", documents="json", fields=_ACCOUNT[1:], restores=True),
        RequestSpec("AccountHide", "hide an account", documents="json", undoes=("Account",)),
    ),
)  # fmt: skip


_UNDOING = ("BillArchive", "AccountHide")


@dataclass(slots=True)
class Chart:
    """Knows an object by `id` or `number`, and makes neither unique. `faults` are by call; `bad` ids are always refused."""

    clock: Clock
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    asked: list[Operation] = field(default_factory=list)
    made: list[Operation] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    late: list[tuple[float, Sequence[Operation]]] = field(default_factory=list)
    dies: tuple[int, str] | None = None
    chokes: str | None = None

    def find(self, operation: Operation) -> Receipt | None:
        self.asked.append(operation)
        with self._call(f"find {_title(operation)}"):
            return self._found(operation)

    def write(self, operation: Operation) -> Receipt:
        (receipt,) = self._write("write", [operation])
        return receipt

    def find_all(self, operations: Sequence[Operation]) -> Mapping[str, Receipt]:
        with self._call(f"find_all {len(operations)}"):
            found = {operation.id: self._found(operation) for operation in operations}
            return {name: receipt for name, receipt in found.items() if receipt is not None}

    def write_all(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        return self._write("write_all", operations)

    def _write(self, kind: str, operations: Sequence[Operation]) -> list[Receipt]:
        with self._call(f"{kind} {' '.join(map(_title, operations))}") as fault:
            if self.chokes is not None and any(_title(op) == self.chokes for op in operations):
                raise Transient("500")
            refused = [text for op in operations if (text := self.bad.get(_title(op)) or self.bad.get("*"))]
            if refused:
                raise Rejected(refused[0])
            if fault == "late":
                self.late.append((self.clock.monotonic() + 30, operations))
            if fault in ("late", "before"):
                raise Ambiguous("no answer came")
            made = [self._make(operation) for operation in operations]
            if fault == "after":
                raise Ambiguous("no answer came")
            return made

    @contextmanager
    def _call(self, text: str) -> Iterator[Fault | None]:
        number = len(self.calls)
        self.calls.append(text)
        if self.dies == (number, "before"):
            raise Crash
        fault = self.faults.get(number)
        if isinstance(fault, BaseException):
            raise fault
        for due in [item for item in self.late if item[0] <= self.clock.monotonic()]:
            self.late.remove(due)
            for operation in due[1]:
                self._make(operation)
        yield fault
        if self.dies == (number, "after"):
            raise Crash

    def _make(self, operation: Operation) -> Receipt:
        self.made.append(operation)
        body = json.loads(operation.body)
        key = operation.target_id or f"c-{len(self.objects) + 1}"
        was = self.objects.setdefault(key, {})
        was |= {"archived": True} if operation.request in _UNDOING else body
        if operation.request == "AccountUpdate":
            was.pop("archived", None)
        return Receipt({"id": key})

    def _found(self, operation: Operation) -> Receipt | None:
        body = json.loads(operation.body)
        if operation.target_id:
            there = self.objects[operation.target_id]
            wanted = {"archived": True} if operation.request in _UNDOING else body
            is_so = {**there, **wanted} == there and (operation.request != "AccountUpdate" or "archived" not in there)
            return Receipt({"id": operation.target_id}) if is_so else None
        names = [key for key, item in self.objects.items() if _name(item) == _name(body) and "archived" not in item]
        return Receipt({"id": names[0]}) if names else None


def _name(body: Mapping[str, Any]) -> str:
    return str(body.get("number") or body.get("id"))


def _title(operation: Operation) -> str:
    return f"{operation.request}:{operation.target_id}" if operation.target_id else _name(json.loads(operation.body))


@dataclass(slots=True)
class ChartConnector:
    chart: Any
    spec: ConnectorSpec = CHART

    def check(self, binding: Binding) -> list[Diagnostic]:
        return []

    def open(self, binding: Binding, tools: Tools) -> Any:
        return self.chart


@dataclass(slots=True)
class ChartBench(Bench):
    """A bench whose flow writes to the chart alone."""

    chart: Chart = field(default_factory=lambda: Chart(memory_world().clock))

    def passed(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)

    def go(self) -> list[str]:
        """Run; what the chart was asked, and the errors there were."""
        before = len(self.chart.calls)
        report = self.runner.run(self.program, COMPANY)
        return [*self.chart.calls[before:], *(f"{type(error).__name__}: {error}" for error in report.errors)]

    def names(self) -> list[str]:
        return sorted(_name(item) for item in self.chart.objects.values())

    def change(self, number: int = 1, source_id: str = "b-1", stream: str = "bills") -> Row:
        scope = {"company": COMPANY, "flow": NAME, "stream": stream, "source_id": source_id}
        with self.world.store.read() as tx:
            row = tx.one("record_find", {**scope, "phase": f"post+{number}"})
        assert row is not None
        return row


@cache
def compiled(text: str) -> FlowProgram:
    """The program of a sound flow between the bench's connectors, made once."""
    return compile_flow(kit.flow(text, f"{NAME}.yaml"))


@contextmanager
def chart_bench(text: str = FLOW, chart: type[Any] = Chart, spec: ConnectorSpec = CHART) -> Iterator[ChartBench]:
    shop = kit.Shop(page_size=1000)
    connector = kit.ShopConnector(shop)
    world = memory_world()
    made = chart(world.clock)
    with registered({"shop": connector, "ledger": kit.LedgerConnector(), "chart": ChartConnector(made, spec)}):
        try:
            program = compiled(text) if spec is CHART else compile_flow(kit.flow(text, f"{NAME}.yaml"))
            with world.store.write() as tx:
                kit.connected(tx, world)
                companies.put_connection(tx, COMPANY, "chart", "chart", {}, AT)
            yield ChartBench(world, program, shop, connector, chart=made)
        finally:
            world.store.close()


def account(number: int, group: str = "x", **changes: Any) -> dict[str, Any]:
    return {"id": f"a-{number}", "name": f"Account {number}", "status": "open", "country": group, **changes}
