"""What the harness finds wrong whatever the expected files say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli import common
from engine.golden.case import load_case
from engine.golden.outcome import files_of, pretty, problems_of
from engine.golden.stage import Stage, staged
from engine.program import FlowProgram
from engine.store import marks
from tests import stores
from tests.engine.store.rows import calls_due
from tests.reference import ROOT

FLOW = "ramp_to_quickbooks"
CASES = ROOT / "tests" / "flows" / FLOW
BAD = (
    '<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">'
    '<BillAddRq requestID="1"><BillAdd><TxnDate>2026-02-20</TxnDate></BillAdd></BillAddRq></QBXMLMsgsRq></QBXML>'
)


@pytest.fixture(scope="module")
def program() -> FlowProgram:
    return common.program(str(ROOT / "flows" / f"{FLOW}.yaml"))


@pytest.fixture
def played(program: FlowProgram) -> Iterator[Stage]:
    with staged(load_case(CASES / "happy_path", program.flow), program) as stage:
        stage.play()
        yield stage


def test_a_document_that_the_schema_refuses(played: Stage) -> None:
    assert problems_of(played) == []
    played.seen.documents.append(BAD)
    (problem,) = problems_of(played)
    assert problem.splitlines() == [
        "06-BillAddRq.xml: 1: /BillAddRq/BillAdd/TxnDate: `BillAdd` needs `VendorRef` before `TxnDate`",
        "  hint: map a value for it, and keep the order of QBXML",
    ]


def test_a_journal_that_was_changed(played: Stage) -> None:
    stores.forge(played.world.store, "UPDATE journal SET detail = '{}' WHERE seq = 3")
    assert problems_of(played) == ["the journal is broken at line 3: the line was changed"]


def test_a_document_is_indented_and_its_characters_stay() -> None:
    document = (
        '<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?><QBXML><A b="1"><C>Caf&#233;</C></A></QBXML>'
    )
    assert pretty(document).splitlines() == [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<?qbxml version="13.0"?>',
        "<QBXML>",
        '  <A b="1">',
        "    <C>Caf&#233;</C>",
        "  </A>",
        "</QBXML>",
    ]


def test_what_came_out_holds_no_secret(played: Stage) -> None:
    secrets = [secret for box in played.sandboxes.values() for secret in box.binding("http://localhost")[1].values()]
    text = "".join(files_of(played).values())
    assert len(secrets) == 3
    assert [secret for secret in secrets if secret in text] == []


def test_what_was_posted_first_is_told_first_and_calls_never_wait_for_each_other(played: Stage) -> None:
    flow, at = played.program.flow.name, played.world.at()
    with played.world.store.write() as tx:
        rows = tx.rows("records_listing", {"company": "case", "state": "", "flow": flow, "limit": 4})

        def told(number: int, kind: str, subject: str) -> None:
            marks.add(tx, "case", marks.NewMark(flow, "ramp", kind, rows[number]["id"], subject, "posted", "T"))

        def due() -> list[str]:
            marks.group(tx, "case", flow, at, limit=9)
            return [row["kind"] for row in calls_due(tx, "case", flow, at)]

        told(0, "Z_BILL", "x")
        told(1, "A_PAYMENT", "x")
        assert due() == ["Z_BILL"]
        for row in calls_due(tx, "case", flow, at):
            marks.finish(tx, row["id"], "done")
        assert due() == ["A_PAYMENT"]
        marks.finish(tx, calls_due(tx, "case", flow, at)[0]["id"], "done")
        for number, (kind, subject) in enumerate((("A", "x"), ("B", "y"), ("B", "x"), ("A", "y"))):
            told(number, kind, subject)
        assert due() == ["A"]


def test_every_case_says_what_it_shows(program: FlowProgram) -> None:
    said = {folder.name: load_case(folder, program.flow).intent for folder in _folders()}
    assert len(set(said.values())) == len(said)
    assert [name for name, text in said.items() if not text.endswith(".") or len(text) < 40] == []


def _folders() -> list[Path]:
    return sorted(path.parent for path in CASES.glob("*/case.yaml"))
