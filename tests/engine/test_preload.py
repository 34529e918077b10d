"""What was written to a connection: undone objects do not count, changed ones count once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.flowlang.flowfile import load_flow
from engine.preload import Written, written
from engine.store import outbox, records
from engine.store.base import Tx
from engine.store.records import Intake, NewRecord, Place, State
from engine.testing import memory_world

AT = "2026-11-20T09:00:00.000000Z"
FLOW = """
flow: charting
version: 1
connections:
  ramp: {connector: ramp}
  books: {connector: qbwc}
streams:
  accounts:
    trigger: {every: 6h}
    fetch: {from: books, stream: Account}
    key: list_id
    map: {id: list_id, name: full_name, classification: "'EXPENSE'"}
    write: {to: ramp, request: AccountUpload}
"""


def add(tx: Tx, one: str, request: str, state: State = "posted", **more: Any) -> None:
    """A record with the operation that wrote it."""
    intake = Intake(one, "{}", "0" * 64, None, None, "", None, None)
    place = Place("main", "charting", more.get("stream", "accounts"), more.get("phase", "post"))
    (number,) = records.insert(tx, place, 1, AT, "test", [NewRecord(intake, state, ())])
    if not request:
        return
    name = f"{one}/{place.phase}"
    follow = json.dumps({"undo": True} if more.get("undo") else {})
    new = outbox.NewOperation(name, more.get("connection", "ramp"), number, request, b"{}", "{G}", "{}", follow)
    outbox.add(tx, "main", AT, [new])
    row: dict[str, Any] = {"id": number, "operation_id": name, "from": state, "to": state, "reasons": "[]"}
    row |= {"mapped_sha256": None, "receipt": None, "attempts": 0, "at": AT}
    tx.run("record_move", row)


def test_objects_are_counted_once_and_undone_ones_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "charting.yaml"
    path.write_text(FLOW)
    flow, problems = load_flow(path)
    assert flow is not None, problems
    world = memory_world()
    with world.store.write() as tx:
        add(tx, "A-1", "AccountUpload")
        add(tx, "A-2", "AccountUpload", "closed")
        add(tx, "A-2", "AccountUpdate", phase="post+1")
        add(tx, "A-3", "AccountUpload")
        add(tx, "A-3", "AccountDelete", phase="post+1", undo=True)
        add(tx, "A-4", "AccountUpload")
        add(tx, "A-4", "AccountDelete", phase="post+1", undo=True)
        add(tx, "A-4", "AccountUpdate", phase="post+2")
        add(tx, "A-5", "AccountUpload", "failed")
        add(tx, "A-6", "", "deferred")
        add(tx, "A-7", "", "skipped")
        add(tx, "V-1", "AccountingVendorUpload", stream="vendors")
        add(tx, "X-1", "AccountUpload", stream="elsewhere", connection="other")
        found = written(tx, [flow], "main", "ramp", ("AccountUpload", "OptionUpload"))
        nobody = written(tx, [flow], "other", "ramp", ("AccountUpload",))
    world.store.close()
    assert found == Written({"AccountUpload": 3, "OptionUpload": 0}, {"charting/accounts": 2})
    assert nobody == Written({"AccountUpload": 0}, {})
