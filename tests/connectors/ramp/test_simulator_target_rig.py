"""Ramp as a campaign's target: what is told of every write, what shows late, and what people do to what we made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.ramp.connector import RampConnector
from connectors.ramp.simulator.target_people import _DOINGS
from connectors.ramp.simulator.target_rig import RampTargetRig
from engine.rigs import CalledRig, Made
from engine.testing import FakeClock

BODY: dict[str, Any] = {
    "name": "Acme  Supply",
    "country": "US",
    "state": "NY",
    "business_vendor_contacts": {"email": "bills@example.com"},
}


class Notes:
    """What a watch was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def writing(self, key: str) -> None:
        self.lines.append(f"writing {key}")

    def wrote(self, key: str, made: Sequence[Made], *, answered: bool) -> None:
        found = " ".join(f"{item.kind} {item.guid} {item.amount}" for item in made)
        self.lines.append(f"wrote {key}: {found or 'nothing'}{'' if answered else ', no answer'}")


class Bench:
    """A quiet business, and a client with a token."""

    def __init__(self, late: float = 0.0) -> None:
        self.clock, self.notes = FakeClock(), Notes()
        rig = RampConnector().rig(1, self.clock, {"role": "target", "focus": ["nothing"]})
        assert isinstance(rig, RampTargetRig)
        assert isinstance(rig, CalledRig)
        self.rig = rig
        self.client = httpx.Client(base_url="https://x", transport=rig.transport(self.notes))
        options = rig.sandbox.simulator.world.options
        scopes = "vendors:write bills:write vendors:read"
        answer = self.client.post(
            "/developer/v1/token",
            data={"grant_type": "client_credentials", "scope": scopes},
            auth=(options.client_id, options.client_secret),
        )
        self.client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        rig.way.late = late

    def vendor(self) -> httpx.Response:
        owner = self.rig.settings()["vendor_owner"]
        return self.client.post("/developer/v1/vendors", json={**BODY, "vendor_owner_id": owner})

    def bill(self, vendor_id: str) -> str:
        world = self.rig.sandbox.simulator.world
        answer = self.client.post(
            "/developer/v1/bills",
            json={
                "vendor_id": vendor_id,
                "vendor_contact_id": world.vendors[vendor_id].contact_id,
                "entity_id": world.primary_entity().id,
                "invoice_number": "INV-1",
                "invoice_currency": "USD",
                "issued_at": "2026-03-01",
                "due_at": "2026-03-31",
                "payment_method": "ONE_TIME_CARD",
                "remote_id": "freshbooks:1",
                "line_items": [{"amount": "12.50"}],
            },
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


def test_each_write_is_told_with_the_key_of_its_operation() -> None:
    bench = Bench()
    vendor_id = bench.vendor().json()["id"]
    bill_id = bench.bill(vendor_id)
    bench.client.delete(f"/developer/v1/bills/{bill_id}")
    vendor, bill = "vendor:acme supply", "bill:freshbooks:1"
    assert bench.notes.lines == [
        f"writing {vendor}", f"wrote {vendor}: vendor {vendor} None", f"writing {bill}", f"wrote {bill}: bill {bill} 12.50",
        f"writing at:{bill_id}", f"wrote at:{bill_id}: nothing",
    ]  # fmt: skip
    key = bench.rig.key
    assert [
        key("VendorCreate", BODY, ""), key("BillCreate", {"remote_id": "freshbooks:1"}, ""), key("BillArchive", {}, bill_id),
        key("TransactionCode", {"transaction_id": "t"}, ""), key("TransactionCodeUpdate", {}, "t"), key("Other", {}, ""),
    ] == [vendor, bill, f"at:{bill_id}", "transaction:t", "transaction:t", ""]  # fmt: skip
    assert [bench.rig.stands(name) for name in (vendor_id, bill_id, "nobody")] == ["there", "archived", ""]
    assert [made.id for made in bench.rig.made()] == [vendor_id, bill_id]


@pytest.mark.parametrize("calmed", [False, True])
def test_a_late_write_has_no_answer_and_shows_in_the_end(*, calmed: bool) -> None:
    bench = Bench(late=1.0)
    assert bench.vendor().status_code == 504
    assert bench.notes.lines[1:] == ["wrote vendor:acme supply: nothing, no answer"]
    assert bench.rig.made() == []
    if calmed:
        bench.rig.calm()
    else:
        bench.clock.sleep(100)
    assert [(made.kind, made.guid) for made in bench.rig.made()] == [("vendor", "vendor:acme supply")]
    assert bench.rig.counts()["late_write"] == 1


def test_a_lost_answer_is_told_as_none() -> None:
    from connectors.ramp.simulator.faults import Fault, FaultPlan

    bench = Bench()
    bench.rig.sandbox.simulator.faults = FaultPlan(
        1, [Fault("truncated", at=(0,)), Fault("timeout_before", at=(1,)), Fault("reset_after", at=(2,))]
    )
    bench.vendor()
    assert bench.vendor().status_code == 504
    with pytest.raises(httpx.ReadError):
        bench.vendor()
    vendor = "vendor:acme supply"
    assert [line for line in bench.notes.lines if line.startswith("wrote")] == [
        f"wrote {vendor}: vendor {vendor} None, no answer",
        f"wrote {vendor}: nothing, no answer",
        f"wrote {vendor}: vendor {vendor} None, no answer",
    ]
    # Two of them, and no one can tell which is meant.
    assert bench.rig.doubtful(vendor)


def test_what_people_do_is_remembered() -> None:
    bench = Bench()
    rig = bench.rig
    bill_id = bench.bill(bench.vendor().json()["id"])
    assert _DOINGS["person_edits"](rig.people) == bill_id
    assert rig.edited(bill_id) == {"amount"}
    assert rig.amount(bill_id) != Decimal("12.50")
    bench.client.patch(f"/developer/v1/bills/{bill_id}", json={"line_items": [{"amount": "13.00"}]})
    assert (rig.edited(bill_id), rig.amount(bill_id)) == (frozenset(), Decimal("13.00"))
    assert _DOINGS["person_archives"](rig.people) == bill_id
    assert (set(rig.removed()), rig.stands(bill_id)) == ({bill_id}, "archived")
    assert [
        _DOINGS[name](rig.people) for name in ("person_archives", "person_pays", "person_notes", "person_codes")
    ] == [""] * 4
    rig.spent([Decimal("5.00")] * 20)
    world = rig.sandbox.simulator.world
    assert world.transactions
    assert {rig.stands(name) for name in world.transactions} == {"lent"}
    assert {rig.amount(name) for name in world.transactions} == {Decimal("5.00")}
