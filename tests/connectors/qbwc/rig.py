"""The store of the engine, the turns of a session and a simulated company file, without the service around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from connectors.qbwc import conduct, putback
from connectors.qbwc.context import Context
from connectors.qbwc.simulator import RequestProcessor, seed_company
from connectors.qbwc.state import State
from engine.contract import Json, Login
from engine.qbxml.response import parse_response
from engine.store import companies, facts, work
from engine.upkeep.restoring import wake
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY, Bench
from tests.engine.test_changes import WITH_CHANGE

FLOW = WITH_CHANGE.replace("when: setting('with_payments')", "when: setting('card_payments')")
# Bills without a number, which QuickBooks tells apart by their marker alone.
UNNUMBERED = FLOW.replace("reference: limit(number, `20`)", "reference: number")
_MOST_TURNS = 400

# What becomes of a document: its kind and text make the answer; None when none comes.
Hook = Callable[[str, str], str | None]


class Rig:
    """One company. `hook` stands before QuickBooks; `sent` are the documents that were sent."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.company = bench, seed_company(seed=1)
        self.quickbooks = RequestProcessor(self.company)
        self.sent: list[str] = []
        self.hook: Hook = lambda _, document: self.quickbooks.process(document)

    def prepare(self, *bills: Json) -> None:
        """The source lists these, and they are read."""
        self.bench.shop.listed["bills"] = list(bills)
        self.bench.run("bills")

    def session(self) -> State:
        """One session, to its end or until an answer does not come."""
        bench = self.bench
        with bench.outbox.transaction() as desk:
            desk.sessions.open(COMPANY, f"t{bench.world.ids.base62(9)}", {})
            unsettled = desk.operations.unsettled(COMPANY)
            if unsettled is not None and unsettled.state == "sent":
                desk.operations.doubt(COMPANY, unsettled.id, "a new session began before the answer came")
        state = State(gate="passed", version="13.0")
        for _ in range(_MOST_TURNS):
            state, kind = self.step(state)
            if not kind or state.flight is not None:
                return state
        raise AssertionError("the session does not end")

    def step(self, state: State) -> tuple[State, str]:
        """One document and its answer; the kind of the turn, empty at the end. Without an answer the flight stays."""
        bench = self.bench
        with bench.outbox.transaction() as desk:
            context = Context(desk, COMPANY, "t", bench.world.clock, bench.world.ids)
            state, body = conduct.begin(context, state)
        if not body:
            return state, ""
        assert state.flight is not None
        kind, document = state.flight.kind, body.decode("ascii")
        self.sent.append(document)
        answer = self.hook(kind, document)
        if answer is None:
            return state, kind
        with bench.outbox.transaction() as desk:
            context = Context(desk, COMPANY, "t", bench.world.clock, bench.world.ids)
            state, _ = conduct.settle_known(context, conduct.take(context, state, answer, conduct.read(answer)))
        return state, kind

    def posts(self, request: str) -> None:
        """QuickBooks does one request by itself, whoever sent it."""
        self.quickbooks.process(_document(request))

    def bills(self) -> list[str]:
        """The numbers of our bills in QuickBooks."""
        return sorted(
            number for data in self._objects("Bill") if (number := data.get("RefNumber", "")).startswith("N-")
        )

    def count(self, kind: str) -> int:
        """How many objects of a kind the company file holds."""
        return len(self._objects(kind))

    def ids(self) -> dict[str, str]:
        """The TxnID of each of our bills, by its number."""
        return {data["RefNumber"]: data["TxnID"] for data in self._objects("Bill") if "RefNumber" in data}

    def _objects(self, kind: str) -> list[Json]:
        (response,) = parse_response(self.quickbooks.process(_document(f'<{kind}QueryRq requestID="1"/>'))).responses
        return list(response.objects)

    def image(self) -> Any:
        """A copy of our store."""
        return stores.image(self.bench.world.store)

    def restore(self, image: Any, made_at: str = "") -> None:
        """Our store is put back as it was; by `flowctl restore`, when it is said when the copy was made."""
        self.bench.world.store.close()
        self.bench.world = replace(self.bench.world, store=stores.like(image))
        if not made_at:
            return
        with self.bench.world.store.write() as tx:
            companies.put_login(tx, Login(COMPANY, "books", "no hash", {}), made_at)
            wake(tx, made_at, self.bench.world.at(), "cli:pat")
        with self.bench.outbox.transaction() as desk:
            # The file is open in single-user mode.
            context = Context(desk, COMPANY, "t", self.bench.world.clock, self.bench.world.ids)
            putback.noticed(context, "", sole_user=True)

    def quick(self, limit: int = 20) -> None:
        """QuickBooks has been quick so far, so that many records go together."""
        with self.bench.world.store.write() as tx:
            facts.remember(tx, COMPANY, self.bench.world.at(), "pace", {"limit": limit})

    def alerts(self) -> list[str]:
        with self.bench.world.store.read() as tx:
            return [row["message"] for row in work.alerts(tx, COMPANY)]

    def hints(self) -> list[str]:
        with self.bench.world.store.read() as tx:
            return [row["hint"] or "" for row in work.alerts(tx, COMPANY)]


def additions(document: str) -> list[str]:
    """The requests of a set that add bills."""
    return re.findall(r"<BillAddRq.*?</BillAddRq>", document, re.DOTALL)


def bill(source_id: str = "b-1", amount: str = "100.00", **more: object) -> Json:
    """A bill that the simulated company file takes."""
    lines = [{"account": "Travel", "code": None, "amount": amount, "memo": "m"}]
    return kit.bill(source_id, amount, **{"vendor": {"id": None, "name": "Acme Supply"}, "lines": lines, **more})


def _document(request: str) -> str:
    head = '<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">'
    return f"{head}{request}</QBXMLMsgsRq></QBXML>"


@contextmanager
def rig(text: str = FLOW) -> Iterator[Rig]:
    with kit.bench(text, lists=False) as bench:
        yield Rig(bench)
