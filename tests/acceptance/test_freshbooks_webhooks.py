"""FreshBooks' webhooks and the flow: forged, twice, out of order; what is in Ramp is what FreshBooks has when it is read."""

from __future__ import annotations

from typing import Any

import anyio
import httpx

from connectors.freshbooks.simulator.records import Delivery
from engine.desk import StoreOutbox
from engine.golden.stage import COMPANY, Stage
from engine.runner import Runner
from engine.server import Server
from tests.acceptance.test_freshbooks_faults import FLOW, PROGRAM, business
from tests.engine.kit import count, logging

HOOK = f"/webhooks/{COMPANY}/freshbooks"
_BILL = {"vendor": "acme", "issued": "2026-02-20", "lines": [{"amount": "5.00", "category": "Rent"}]}


class Endpoint:
    """flowctl's own server, without a socket; with `forge`, somebody on the way changes what the call says."""

    def __init__(self, stage: Stage) -> None:
        programs = {FLOW: PROGRAM}
        self._app = Server(stage.world, programs, StoreOutbox(stage.world, programs)).app()
        self.answers: list[tuple[int, str]] = []
        self.forge = False

    def take(self, delivery: Delivery) -> int:
        """One call, as FreshBooks makes it; returns the status."""
        body = delivery.body.replace(b"object_id=", b"object_id=9") if self.forge else delivery.body

        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="https://sync.example.com") as client:
                return await client.post(HOOK, content=body, headers=dict(delivery.headers))

        answer = anyio.run(main)
        self.answers.append((answer.status_code, delivery.event))
        return answer.status_code


def next_reads(stage: Stage) -> dict[str, str]:
    with stage.world.store.read() as tx:
        rows = tx.rows("schedule_due", {"company": COMPANY, "flow": FLOW, "at": "9999"})
    return {row["stream"]: row["next_at"] for row in rows}


def test_webhooks_twice_and_out_of_order_write_what_freshbooks_has() -> None:
    with logging(), business() as (stage, freshbooks, ramp):
        Runner(stage.world).run(PROGRAM, COMPANY)
        # Whatever is due later is not meant here: no webhook has come yet.
        with stage.world.store.write() as tx:
            for stream in ("vendors", "bills", "expenses"):
                tx.run("schedule_create", {"company": COMPANY, "flow": FLOW, "stream": stream, "at": "2030"})
        freshbooks.listen(f"https://sync.example.com{HOOK}")
        freshbooks.act("options", {"webhook_duplicates": 1.0, "webhook_shuffle": True})
        endpoint = Endpoint(stage)
        given: dict[str, Any] = {"kept": {**_BILL, "number": "K-1"}, "gone": {**_BILL, "number": "G-1"}}
        freshbooks.act("add", {"bills": given})
        freshbooks.act("edit_bill", {"bill": "kept", "lines": [{"amount": "6.00", "category": "Rent"}]})
        freshbooks.act("delete_bill", "gone")
        freshbooks.simulator.deliver(endpoint.take)
        events = sorted(event for _, event in endpoint.answers)
        assert {status for status, _ in endpoint.answers} == {200}
        assert events == ["bill.create"] * 4 + ["bill.delete"] * 2 + ["bill.update"] * 2
        assert next_reads(stage) == {"vendors": "2030", "bills": stage.world.at(), "expenses": "2030"}
        for _ in range(3):
            Runner(stage.world).run(PROGRAM, COMPANY)
        numbers = [line.split(" | ")[2:4] for line in ramp.contents() if line.startswith("entered bill")]
        assert sorted(pair for pair in numbers if pair[0] in ("K-1", "G-1")) == [["K-1", "6.00 USD"]]


def test_a_forged_webhook_is_refused_and_nothing_is_read_for_it() -> None:
    with logging(), business() as (stage, freshbooks, _):
        freshbooks.listen(f"https://sync.example.com{HOOK}")
        endpoint = Endpoint(stage)
        endpoint.forge = True
        freshbooks.act("delete_bill", "one")
        freshbooks.simulator.deliver(endpoint.take)
        assert endpoint.answers == [(401, "bill.delete")]
        assert (count(stage.world.store, "webhook_events"), next_reads(stage)) == (0, {})
