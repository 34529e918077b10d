"""What the campaign's own observers hold for a person's edit, and for a version that was read."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.qbwc.simulator import RequestProcessor, backup, seed_company, user_edits
from connectors.qbwc.simulator.faults import FaultPlan
from connectors.qbwc.simulator.people import Storm
from connectors.qbwc.simulator.rig import QuickBooksRig
from engine.campaign.__main__ import flow_program
from engine.campaign.check import _base_settled
from engine.campaign.play import Plan, stage_of
from engine.campaign.witness import Request, Session, _current
from engine.rigs import Told
from engine.store import marks

ADD = (
    '<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError"><BillAddRq><BillAdd>'
    "<VendorRef><FullName>Acme Supply</FullName></VendorRef><ExpenseLineAdd><AccountRef><FullName>Travel</FullName>"
    "</AccountRef><Amount>10.00</Amount></ExpenseLineAdd></BillAdd></BillAddRq></QBXMLMsgsRq></QBXML>"
)


def test_what_a_backup_brings_back_is_not_what_a_person_set_right_after_it() -> None:
    company = seed_company(7)
    RequestProcessor(company).process(ADD)
    (bill,) = company.txns("Bill")
    storm = Storm(FaultPlan(schedule={"restore_backup": (0,), "user_edit": (0,)}))
    storm._backups = [backup(company)]
    user_edits(company, bill.txn_id, amount=Decimal("99.00"), memo="by hand")
    done = storm.between_sessions(company)
    assert done[0] == "restored from a backup"
    assert len(done) == 2
    (now,) = company.txns("Bill")
    assert now.edit_sequence > bill.edit_sequence
    edited = {name for _, name in storm.standing(company.books)}
    assert edited
    what = done[1].split(": ")[1].split()[0]
    assert edited <= {what} | {"lines"} | {
        f"{part} of line {n}" for part in ("account", "class", "amount") for n in (1, 2)
    }
    assert ("amount" in edited) is (what in ("amount", "line"))


def test_what_a_backup_puts_back_is_known_until_something_else_is_set() -> None:
    stage = stage_of(Plan(flow_program("ramp_to_quickbooks"), focus=frozenset({"nothing"})), 1)
    rig = stage.books
    assert isinstance(rig, QuickBooksRig)
    company = rig.sandbox.company
    RequestProcessor(company).process(ADD)
    (bill,) = company.txns("Bill")
    rig.faults = Storm(FaultPlan(schedule={"restore_backup": (0, 1)}))
    rig.faults._backups = [backup(company)]
    rig.faults.between_sessions(company)
    assert not rig.rolled_back(bill.txn_id)
    user_edits(company, bill.txn_id, amount=Decimal("99.00"))
    rig.faults._backups = rig.faults._backups[:1]
    rig.faults.between_sessions(company)
    assert rig.rolled_back(bill.txn_id)
    user_edits(company, bill.txn_id, memo="by hand")
    rig.calm()
    assert rig.rolled_back(bill.txn_id)
    user_edits(company, bill.txn_id, amount=Decimal("98.00"))
    assert not rig.rolled_back(bill.txn_id)


def test_what_quickbooks_has_kept_is_known_to_be_from_its_memory() -> None:
    witness = stage_of(Plan(flow_program("ramp_to_quickbooks"), focus=frozenset({"nothing"})), 1).witness
    head = '<?xml version="1.0"?><?qbxml version="13.0"?><QBXML>'
    kept = f"{head}<QBXMLMsgsRs><BillAddRs><BillRet><TxnID>1A-1</TxnID></BillRet></BillAddRs></QBXMLMsgsRs></QBXML>"
    ids = 'newMessageSetID="S" oldMessageSetID="S" onError="stopOnError"'
    witness.ran(f'{head}<QBXMLMsgsRq onError="stopOnError"><BillQueryRq/></QBXMLMsgsRq></QBXML>', "home", (), kept)
    assert witness.remembered == set()
    witness.ran(f"{head}<QBXMLMsgsRq {ids}></QBXMLMsgsRq></QBXML>", "home", (), kept)
    assert witness.remembered == {"1A-1"}


@pytest.mark.parametrize(
    ("version", "again", "broken"),
    [
        ("2", False, []),
        ("1", False, [(22, "BillModRq M went out with EditSequence 1, and 2 was read")]),
        ("1", True, []),
        ("0", True, [(22, "BillModRq M went out with EditSequence 0, and 2 was read")]),
    ],
)
def test_only_what_goes_out_again_may_name_a_version_that_was_read_before(
    version: str, again: bool, broken: list[tuple[int, str]]
) -> None:
    witness = stage_of(Plan(flow_program("ramp_to_quickbooks"), focus=frozenset({"nothing"})), 1).witness
    session = Session()
    session.versions["1A-1"] = ["1", "2"]
    text = f"<BillMod><TxnID>1A-1</TxnID><EditSequence>{version}</EditSequence></BillMod>"
    _current(witness, Request("BillModRq", "M", text), session, again=again)
    assert witness.broken == broken


@pytest.mark.parametrize("resent", [False, True])
def test_what_a_process_died_over_before_anybody_saw_it_goes_out_again(resent: bool) -> None:
    stage = stage_of(Plan(flow_program("ramp_to_quickbooks"), focus=frozenset({"nothing"})), 1)
    witness, machine = stage.witness, stage.witness.machine
    document = (
        '<QBXML><QBXMLMsgsRq newMessageSetID="0123456789abcdefABCDEF" onError="stopOnError"><BillModRq requestID="M">'
        "<BillMod><TxnID>1A-1</TxnID><EditSequence>1</EditSequence></BillMod></BillModRq></QBXMLMsgsRq></QBXML>"
    )
    row = {"id": "0123456789abcdefABCDEF", "company": machine.company, "ticket_hash": "", "at": "2026-03-02"}
    with machine.world.store.write(machine.company) as tx:
        tx.run("set_insert", {**row, "body": document.encode(), "sha256": sha256(document.encode()).hexdigest()})
        if resent:
            tx.run("set_resent", row)
    witness.sessions[1].versions["1A-1"] = ["1", "2"]
    witness.handed_out(document, "home", 1)
    assert [number for number, _ in witness.broken if number != 7] == ([] if resent else [22])


@pytest.mark.parametrize(("dies", "broken"), [(False, 1), (True, 0)])
def test_a_call_that_a_process_died_over_may_tell_what_is_not_so_any_more(dies: bool, broken: int) -> None:
    """Nobody knows whether its source has heard it, so it is made again as it was."""
    witness = stage_of(Plan(flow_program("ramp_to_quickbooks"), focus=frozenset({"nothing"})), 1).witness
    machine, told = witness.machine, Told("transactions", "post", "left-out", "1A-1")
    scope = {
        "company": machine.company,
        "flow": machine.program.flow.name,
        "connection": "ramp",
        "kind": "transactions",
    }
    with machine.world.store.write(machine.company) as tx:
        tx.run("mark_call_insert", {**scope, "id": 1, "request": "", "idempotency_key": "key", "at": "2026-03-02"})
    machine.restart(machine.processes[0])  # it was not under way then
    with machine.world.store.write(machine.company) as tx:
        marks.trying(tx, 1)
    if dies:
        machine.restart(machine.processes[0])
    witness.hears("key-0", [told], [])
    assert len(witness.broken) == broken


@pytest.mark.parametrize(
    ("state", "receipt", "settled"),
    [
        ("deferred", "1", True),
        ("vanished", "1", True),
        ("posted", "2", True),
        ("posted", "1", False),
        ("closed", "1", False),
    ],
)
def test_a_change_rests_when_its_record_has_gone_on_without_what_it_changed(
    state: str, receipt: str, settled: bool
) -> None:
    scope = {"flow": "f", "stream": "bills", "source_id": "b1"}
    base = {**scope, "phase": "post", "state": state, "receipt": receipt}
    change = {**scope, "phase": "post+1", "state": "closed", "receipt": "1"}
    assert _base_settled(cast("Any", SimpleNamespace(rows=[change, base])), cast("Any", change)) is settled
