"""`flowctl pause`, `resume`, `hold`, `release` and `replay`: asked where money moves, each done once, each in the journal."""

from __future__ import annotations

import json

import pytest

from engine.store import journal, marks, outbox, records
from engine.store.records import Reason
from tests.cli.cli_kit import Cli
from tests.cli.shelf import AT, FLOW, Shelf, shelf
from tests.engine.store.rows import calls_due


def filled(cli: Cli) -> None:
    """Two records are prepared, one waits, one is posted."""
    with shelf(cli) as desk:
        for name, amount in (("b-1", "100.00"), ("b-2", "0.50")):
            number = desk.record(name, "intended", reference=f"N-{name}", amount=amount)
            desk.operation(number, f"op-{name}", "waiting")
        desk.record("b-3", "deferred", Reason("unmapped", "no account"), amount="7.00")
        desk.record("b-4", "closed")


def ready(desk: Shelf) -> list[str]:
    return [row["id"] for row in outbox.ready(desk.tx, "main", AT, 10)]


def told(cli: Cli, *events: str) -> list[tuple[str, str, str, str, dict[str, object]]]:
    with shelf(cli) as desk:
        lines = desk.tx.rows("journal_from", {"company": "main", "after": 0, "limit": 1000})
    return [
        (row["event"], row["flow"], row["source_id"], row["actor"], json.loads(row["detail"]))
        for row in lines
        if row["event"] in events
    ]


def test_a_company_is_paused_and_goes_on(cli: Cli) -> None:
    filled(cli)
    assert cli("pause").text().splitlines()[-1] == "Error: Missing option '--reason'."
    assert cli("pause", "--reason", " ").text() == (
        "[2]\n--\nerror: What is paused or held back needs a reason: somebody will ask.\n"
        "  hint: say in a few words why, such as `the books are being closed`\n"
    )
    assert cli.ok("pause", "--reason", "closing the books").out == "main: paused\n"
    assert cli.ok("pause", "--reason", "again").out == "main: was paused before, nothing was changed\n"
    assert "THIS COMPANY IS PAUSED by cli:pat: closing the books\n" in cli.ok("status").out
    with shelf(cli) as desk:
        assert ready(desk) == []
    refused = cli("run", FLOW)
    assert refused.status == 2
    assert "is paused since" in refused.err
    assert cli("resume", stdin=b"n\n").status == 1
    asked = cli.ok("resume", stdin=b"y\n")
    assert asked.out == "main: goes on\n"
    assert "Let main go on, and send 2 requests, 100.50 USD? [y/N]" in asked.err
    assert cli.ok("resume").out == "main: was not paused, nothing was changed\n"
    with shelf(cli) as desk:
        assert ready(desk) == ["op-b-1", "op-b-2"]
    assert told(cli, "paused", "unpaused") == [
        ("paused", "", "", "cli:pat", {"what": "company", "why": "closing the books"}),
        ("unpaused", "", "", "cli:pat", {"what": "company"}),
    ]


def test_a_flow_is_paused_by_itself(cli: Cli) -> None:
    filled(cli)
    assert cli.ok("pause", FLOW, "--reason", "new chart", "--format", "json").json() == {
        "company": "main", "flow": FLOW, "paused": True, "changed": True,
    }  # fmt: skip
    cli.ok("pause", "--reason", "all")
    assert cli.ok("resume", "--yes").err == f"main/{FLOW} is still paused: new chart\n"
    assert cli("pause", "no_flow", "--reason", "x").status == 2
    assert cli("pause", "--company", "nobody", "--reason", "x").status == 2
    shown = cli.ok("status", "--format", "json").json()
    assert [(row["flow"], row["why"]) for row in shown["paused"]] == [(FLOW, "new chart")]


def test_records_are_held_and_released(cli: Cli) -> None:
    filled(cli)
    held = cli("hold", "N-b-1", "b-3", "b-4", "b-9", "--reason", "wrong vendor")
    assert held.text() == (
        f"[1]\n{FLOW}/bills/b-1: held back\n{FLOW}/bills/b-3: held back\n--\n"
        f"refused: {FLOW}/bills/b-4 is closed: it is posted, and the source knows\n"
        "error: there is no record `b-9` in main\n"
        "2 records held back, 107.00 USD\n"
    )
    with shelf(cli) as desk:
        assert ready(desk) == ["op-b-2"]
    assert "held back: 2 records, not sent until released\n" in cli.ok("status").out
    again = cli("hold", "b-1", "--reason", "x")
    assert again.err.splitlines()[0] == (
        f"refused: {FLOW}/bills/b-1 is intended: pat holds it back already: wrong vendor"
    )
    released = cli("release", "--flow", FLOW, stdin=b"y\n")
    assert released.out == f"{FLOW}/bills/b-1: released\n{FLOW}/bills/b-3: released\n"
    assert "Released: 2 records, 107.00 USD? [y/N]" in released.err
    assert released.err.splitlines()[-1] == "2 records released, 107.00 USD"
    assert [line[:3] for line in told(cli, "on_hold", "released")] == [
        ("on_hold", FLOW, "b-1"),
        ("on_hold", FLOW, "b-3"),
        ("released", FLOW, "b-1"),
        ("released", FLOW, "b-3"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "name records, or say which are meant: --flow, --state, --party, --from, --to"),
        (("--from", "soon"), "--from: `soon` is no date: write it as 2026-03-31"),
    ],
)
def test_which_records_are_meant_must_be_said(cli: Cli, given: tuple[str, ...], said: str) -> None:
    filled(cli)
    ran = cli("hold", "--reason", "x", *given)
    assert (ran.status, ran.err.splitlines()[-1]) == (2, f"Error: {said}")


def test_a_filter_says_which_records_are_meant(cli: Cli) -> None:
    filled(cli)
    ran = cli.ok("hold", "--state", "intended", "--party", "acm", "--from", "2026-11-01", "--reason", "x")
    assert ran.err == "2 records held back, 100.50 USD\n"


def test_a_replay_of_every_state_sends_nothing_a_second_time(cli: Cli) -> None:
    """Three times over all states: what is posted, under way or may be there is refused, with the reason."""
    with shelf(cli) as desk:
        for state in (
            "pending",
            "intended",
            "sent",
            "unknown",
            "posted",
            "closed",
            "deferred",
            "failed",
            "skipped",
            "vanished",
        ):
            number = desk.record(state, state)
            if state in ("intended", "sent", "unknown", "posted", "closed", "vanished"):
                kept = {"intended": "waiting", "sent": "sent", "unknown": "held"}.get(state, "done")
                desk.operation(number, f"op-{state}", kept)
    before = operations(cli)
    for _ in range(3):
        ran = cli("replay", "--flow", FLOW, "--yes")
        assert (ran.status, ran.out) == (1, "")
    assert operations(cli) == before
    assert ran.err.splitlines()[-1] == "0 records replayed"
    assert f"refused: {FLOW}/bills/posted is posted: it is posted, and nothing is sent a second time" in ran.err
    with shelf(cli) as desk:
        assert journal.verify(desk.tx, "main") is None


def test_what_a_source_refused_to_hear_counts_as_told_once_a_person_says_so(cli: Cli) -> None:
    with shelf(cli) as desk:
        number = desk.record("b-5", "posted", amount="7.00")
        marks.add(desk.tx, "main", marks.NewMark(FLOW, "ramp", "BILL_SYNC", number, "b-5", "posted", "T-1"))
    ran = cli("replay", "b-5", "--told")
    assert (ran.status, ran.err.splitlines()[0]) == (
        1,
        f"refused: {FLOW}/bills/b-5 is posted: the source is told by itself",
    )
    with shelf(cli) as desk:
        marks.group(desk.tx, "main", FLOW, AT, limit=10)
        (call,) = calls_due(desk.tx, "main", FLOW, AT)
        marks.finish(desk.tx, call["id"], "refused")
    ran = cli.ok("replay", "b-5", "--told", "--reason", "entered there")
    assert ran.text() == f"[0]\n{FLOW}/bills/b-5: told by hand\n--\n1 record told by hand, 7.00 USD\n"
    assert told(cli, "closed") == [("closed", FLOW, "b-5", "cli:pat", {"why": "told by hand: entered there"})]


def operations(cli: Cli) -> list[tuple[str, str]]:
    with shelf(cli) as desk:
        rows = desk.tx.rows("records_listing", {"company": "main", "state": "", "flow": "", "limit": 100})
        found = [(row["source_id"], desk.tx.one("operation_get", {"id": row["operation_id"] or ""})) for row in rows]
        assert all(records.load_reasons(row) == () for row in rows)
    return [(name, row["state"] if row is not None else "none") for name, row in found]
