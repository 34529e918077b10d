"""`flowctl deferred`, `retry` and `status`: what waits, what is tried again, and what never is."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from engine.clock import iso
from engine.store import journal, records, work
from engine.store.base import Row
from engine.store.records import Move, Reason
from tests.cli.cli_kit import Cli
from tests.cli.shelf import AT, FLOW, Shelf, shelf, unmapped


def filled(cli: Cli) -> dict[str, int]:
    with shelf(cli) as desk:
        gifts = unmapped("account", "k-1", "Client Gifts")
        later = Reason("not_posted", "bills/b-1 is deferred", "", ("posted:bills:b-1",))
        return {
            "b-1": desk.record("b-1", "deferred", gifts, unmapped("class", "c 9", "West"), reference="INV-1"),
            "b-2": desk.record("b-2", "deferred", gifts, amount="0.50", currency="EUR"),
            "p-1": desk.record("p-1", "deferred", later, stream="bill_payments"),
            "f-1": desk.record("f-1", "failed", Reason("check", "lines do not add up", "fix it")),
            "s-1": desk.record("s-1", "sent"),
            "u-1": desk.record("u-1", "unknown", Reason("unclear", "cannot tell")),
            "d-1": desk.record("d-1", "closed", amount="7"),
        }


def test_worklist_is_grouped_by_what_is_missing(cli: Cli) -> None:
    filled(cli)
    ran = cli.ok("deferred")
    assert ran.text() == (
        f"[0]\n{FLOW}: the account `Client Gifts` is not in the Account list of QuickBooks: "
        "2 records, 0.50 EUR + 100.00 USD\n"
        f"  do: flowctl map set {FLOW} account k-1 'NAME THERE'\n"
        f"{FLOW}: another record must be posted first: 1 record, 100.00 USD\n"
        "  do: nothing: they follow by themselves when the other record is posted\n"
        f"{FLOW}: the class `West` is not in the Account list of QuickBooks: 1 record, 100.00 USD\n"
        f"  do: flowctl map set {FLOW} class 'c 9' 'NAME THERE'\n"
        "--\n3 records deferred, 0.50 EUR + 200.00 USD\n"
    )
    listed = cli.ok("deferred", "--records", "--flow", FLOW).out
    assert "    1  bills/b-1  INV-1  Acme  2026-11-01  100.00 USD\n" in listed
    found = cli.ok("deferred", "--format", "json").json()
    assert (found["records"], found["money"]) == (3, {"EUR": "0.50", "USD": "200.00"})
    assert [gap["records"] for gap in found["gaps"]] == [2, 1, 1]


def test_what_waits_for_a_flow_that_is_off_rests(cli: Cli) -> None:
    filled(cli)
    cli.ok("company", "flow", FLOW, "off")
    assert cli.ok("deferred").text() == (
        f"[0]\n--\n{FLOW} is off: 3 records at rest, not shown; --flow shows them\n0 records deferred\n"
    )
    found = cli.ok("deferred", "--format", "json").json()
    assert (found["records"], found["resting"], found["gaps"]) == (0, {FLOW: 3}, [])
    assert cli.ok("deferred", "--flow", FLOW).err == "3 records deferred, 0.50 EUR + 200.00 USD\n"
    assert f"off: {FLOW}, 3 records at rest\n" in cli.ok("status").out
    assert cli.ok("status", "--format", "json").json()["resting"] == {FLOW: 3}


def test_what_may_be_meant_is_named_when_asked(cli: Cli) -> None:
    filled(cli)
    with shelf(cli) as desk:
        desk.accounts("Gifts to Clients", "Old Client Gifts", "Rent\x1b[2J gifts", inactive=("Old Client Gifts",))
    lines = cli.ok("deferred", "--suggest").out.splitlines()
    assert lines[1:3] == [
        f"  do: flowctl map set {FLOW} account k-1 'NAME THERE'",
        "  perhaps: `Gifts to Clients`, `Rent?[2J gifts`",
    ]
    assert [line for line in cli.ok("deferred").out.splitlines() if "perhaps" in line] == []
    found = cli.ok("deferred", "--suggest", "--format", "json").json()
    assert [gap["suggestions"] for gap in found["gaps"]] == [["Gifts to Clients", "Rent\x1b[2J gifts"], [], []]


def test_vendor_text_cannot_drive_the_terminal(cli: Cli) -> None:
    with shelf(cli) as desk:
        desk.record("b-1", "deferred", unmapped("account", "k\x1b[2J", "Gifts\u202e\x07"), reference="\x1b]0;x\x07")
    for command in (("deferred", "--records"), ("status",), ("retry", "--state", "deferred")):
        ran = cli.ok(*command)
        assert not {"\x1b", "\x07", "\u202e"} & set(ran.out + ran.err)


def test_retry_by_state_leaves_the_rest(cli: Cli) -> None:
    numbers = filled(cli)
    ran = cli.ok("retry", "--reason", "fixed\x1b it")
    assert ran.text() == (
        f"[0]\n{FLOW}/bills/f-1: pending again\n--\n1 record pending again\n"
        "`flowctl serve` prepares them by itself; `flowctl run FLOW` does it now\n"
    )
    with shelf(cli) as desk:
        assert desk.states()["f-1"] == "pending"
        (line,) = [row for row in journal.of_record(desk.tx, numbers["f-1"]) if row["event"] == "retried"]
    assert (line["actor"], json.loads(line["detail"])) == ("cli:pat", {"why": "fixed? it"})
    assert cli.ok("retry", "--state", "deferred", "--flow", FLOW).err.startswith("3 records pending again\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("s-1", "sent: it is under way; a second one would be posted twice"),
        ("u-1", "unknown: it was sent and its outcome is not known; a second one could be posted twice (cannot tell)"),
        ("d-1", "closed: it is posted, and the source knows"),
    ],
)
def test_what_may_be_posted_is_never_tried_again(cli: Cli, name: str, why: str) -> None:
    filled(cli)
    ran = cli("retry", name)
    assert ran.text() == f"[1]\n--\nrefused: {FLOW}/bills/{name} is {why}\n0 records pending again, 1 refused\n"
    with shelf(cli) as desk:
        assert desk.states()[name] == why.partition(":")[0]


def test_retry_by_number_id_and_reference(cli: Cli) -> None:
    numbers = filled(cli)
    ran = cli("retry", str(numbers["b-2"]), "f-1", "INV-1", "nobody", "9" * 30, "--format", "json")
    found = ran.json()
    assert ran.status == 1
    assert sorted(item["source_id"] for item in found["retried"]) == ["b-1", "b-2", "f-1"]
    assert found["not_found"] == ["nobody", "9" * 30]


def test_held_request_is_cancelled_and_one_under_way_is_not(cli: Cli) -> None:
    with shelf(cli) as desk:
        held = desk.record("held", "failed", Reason("3260", "no permission"))
        desk.operation(held, "op-held", "held")
        done = desk.record("done", "failed", Reason("3000", "refused"))
        desk.operation(done, "op-done", "done")
        away = desk.record("away", "failed", Reason("3000", "refused"))
        desk.operation(away, "op-away", "sent")
    ran = cli("retry")
    assert ran.status == 1
    assert f"refused: {FLOW}/bills/away is failed: its request op-away is sent\n" in ran.err
    with shelf(cli) as desk:
        assert desk.states() == {"held": "pending", "done": "pending", "away": "failed"}
        states = [desk.tx.one("operation_get", {"id": name}) for name in ("op-held", "op-done", "op-away")]
        assert [row["state"] for row in states if row] == ["cancelled", "done", "sent"]


def test_what_only_shares_the_name_of_what_is_tried_again_is_left_alone(cli: Cli) -> None:
    with shelf(cli) as desk:
        desk.record("b-1", "closed")
        change = desk.record("b-1", "deferred", Reason("edited_there", "both changed it"), stream="bill_payments")
        desk.record("b-2", "closed")
    ran = cli.ok("retry", "b-1")
    assert ran.text() == (
        f"[0]\n{FLOW}/bill_payments/b-1: pending again\n--\n"
        "1 record pending again, 1 other of the same name left as they are\n"
        "`flowctl serve` prepares them by itself; `flowctl run FLOW` does it now\n"
    )
    with shelf(cli) as desk:
        records.move(desk.tx, "main", AT, "x", [Move(_row(desk, change), "failed", "failed", (Reason("x", "x"),))])
    found = cli("retry", "b-1", "b-2", "--format", "json")
    assert found.status == 1
    assert [(item["id"], item["state"]) for item in found.json()["left"]] == [(1, "closed")]
    assert [(item["id"], item["state"]) for item in found.json()["refused"]] == [(3, "closed")]


def _row(desk: Shelf, number: int) -> Row:
    row = desk.tx.one("record_get", {"id": number})
    assert row is not None
    return row


def test_what_was_held_before_it_was_sent_is_said_to_be_so(cli: Cli) -> None:
    with shelf(cli) as desk:
        number = desk.record("u-1", "unknown", Reason("alike", "QuickBooks already has bill 7", "run it"))
        desk.operation(number, "op-1", "held")
    assert cli("retry", "u-1").err == (
        f"refused: {FLOW}/bills/u-1 is unknown: QuickBooks may hold it already; nothing was sent "
        "(QuickBooks already has bill 7); run it\n0 records pending again, 1 refused\n"
    )
    out = cli.ok("status").out
    assert "\nunknown, held: 1 record, QuickBooks may hold it already; nothing was sent\n" in out
    assert cli.ok("status", "--format", "json").json()["held_unsent"] == 1
    assert cli.ok("deferred").err == (
        "0 records deferred\n"
        "1 record held: QuickBooks may hold it already; nothing was sent; `flowctl status` says what to do\n"
    )
    assert cli.ok("deferred", "--format", "json").json()["held_unsent"] == 1


def test_a_persons_word_is_about_the_one_that_waits_for_it(cli: Cli) -> None:
    held(cli)
    with shelf(cli) as desk:
        desk.record("u-1", "skipped", Reason("not_selected", "not paid yet"), stream="bill_payments")
    ran = cli.ok("retry", "u-1", "--there", "1A-1", "--yes")
    assert ran.out == f"{FLOW}/bills/u-1: taken as posted\n"
    assert cli("retry", "u-1", "--not-there", "--yes").err == (
        f"error: {FLOW}/bills/u-1 is closed, and waits for nobody's word\n"
        "  hint: only a record that is `unknown`, and whose message set is settled, is decided by a person\n"
    )


def test_two_that_wait_for_a_word_under_one_name_are_told_apart(cli: Cli) -> None:
    held(cli)
    with shelf(cli) as desk:
        desk.operation(desk.record("u-1", "unknown", Reason("x", "x"), stream="bill_payments"), "op-2", "held")
    ran = cli("retry", "u-1", "--not-there", "--yes")
    assert ran.text() == (
        "[2]\n--\nerror: this fits 2 records, and --not-there and --there speak of one\n"
        "  hint: name it by its number: 1 is bills/u-1, 2 is bill_payments/u-1\n"
    )
    assert cli.ok("retry", "2", "--not-there", "--yes").out == f"{FLOW}/bill_payments/u-1: pending again\n"


def held(cli: Cli, *, set_state: str = "settled") -> None:
    """A record whose outcome only a person can find out."""
    with shelf(cli) as desk:
        number = desk.record("u-1", "unknown", Reason("unclear", "cannot tell"))
        desk.operation(number, "op-1", "held")
        desk.tx.run("operation_state", {"id": "op-1", "state": "held", "message_set_id": "set-1", "not_before": ""})
        scope = {"id": "set-1", "company": "main", "body": b"x", "sha256": "x", "ticket_hash": "t", "at": AT}
        desk.tx.run("set_insert", scope)
        if set_state == "settled":
            desk.tx.run("set_settle", {"id": "set-1", "company": "main", "at": AT, "settled_no": 1, "answer": b""})
        work.raise_alert(desk.tx, "main", work.Alert("unknown", f"{FLOW}/bills/u-1", "cannot tell"), AT)


def test_a_person_says_that_it_is_not_there(cli: Cli) -> None:
    held(cli)
    assert cli("retry", "u-1", "--not-there").text() == (
        f"[1]\n--\nTake {FLOW}/bills/u-1 as not there, and post it again? [y/N]: \n"
        "error: nobody answered, and nothing was done\n  hint: give --yes where nobody can answer\n"
    )
    ran = cli.ok("retry", "u-1", "--not-there", "--yes", "--reason", "searched by number")
    assert ran.out == f"{FLOW}/bills/u-1: pending again\n"
    with shelf(cli) as desk:
        assert desk.states() == {"u-1": "pending"}
        row = desk.tx.one("operation_get", {"id": "op-1"})
        assert row is not None
        assert row["state"] == "cancelled"
        assert work.alerts(desk.tx, "main") == []
        assert [event for event, _, _ in desk.events()] == ["read", "declared", "failed", "retried"]
        assert journal.verify(desk.tx, "main") is None


def test_a_person_says_that_it_is_there(cli: Cli) -> None:
    held(cli)
    ran = cli.ok("retry", "u-1", "--there", "1A2B-1234567890", "--yes")
    assert ran.out == f"{FLOW}/bills/u-1: taken as posted\n"
    with shelf(cli) as desk:
        assert desk.states() == {"u-1": "closed"}
        row = desk.tx.one("record_get", {"id": 1})
        assert row is not None
        assert json.loads(row["receipt"]) == {"TxnID": "1A2B-1234567890"}


@pytest.mark.parametrize("words", [("--not-there",), ("--there", "1A-1")])
def test_nobody_decides_what_is_still_under_way(cli: Cli, words: tuple[str, ...]) -> None:
    held(cli, set_state="in_doubt")
    ran = cli("retry", "u-1", *words, "--yes")
    assert ran.text() == (
        f"[1]\n--\nerror: {FLOW}/bills/u-1 is unknown, and waits for nobody's word\n"
        "  hint: only a record that is `unknown`, and whose message set is settled, is decided by a person\n"
    )
    with shelf(cli) as desk:
        assert desk.states() == {"u-1": "unknown"}


def test_a_persons_word_is_about_one_record(cli: Cli) -> None:
    filled(cli)
    assert cli("retry", "--not-there").status == 2
    assert cli("retry", "f-1", "--not-there", "--yes").status == 1
    assert cli("retry", "f-1", "--there", "x y", "--yes").status == 2
    assert cli("retry", "f-1", "--there", "1", "--not-there").status == 2


def test_retry_closes_the_alert(cli: Cli) -> None:
    filled(cli)
    with shelf(cli) as desk:
        work.raise_alert(desk.tx, "main", work.Alert("failed", f"{FLOW}/bills/f-1", "x"), AT)
    cli.ok("retry", "f-1")
    with shelf(cli) as desk:
        assert work.alerts(desk.tx, "main") == []


def test_status(cli: Cli) -> None:
    filled(cli)
    with shelf(cli) as desk:
        desk.accounts("Meals", "Travel")
        work.raise_alert(desk.tx, "main", work.Alert("deferred", f"{FLOW}/account/k-1", "missing", "map it"), AT)
        scope = {"id": "set-1", "company": "main", "body": b"x", "sha256": "x", "ticket_hash": "t", "at": AT}
        desk.tx.run("set_insert", scope)
        desk.tx.run("set_doubt", {"id": "set-1", "company": "main"})
        number = work.begin_run(desk.tx, "main", FLOW, AT)
        work.finish_run(desk.tx, number, "done", {"bills": {"read": 3}, "vendors": {"read": 2}}, AT)
    ran = cli.ok("status")
    head, _, rest = ran.out.partition("last run: ")
    assert head == (
        "main\n\n"
        "flow                stream         state     records  money\n"
        f"{FLOW}  bill_payments  deferred  1        100.00 USD\n"
        f"{FLOW}  bills          sent      1        100.00 USD\n"
        f"{FLOW}  bills          unknown   1        100.00 USD\n"
        f"{FLOW}  bills          closed    1        7 USD\n"
        f"{FLOW}  bills          deferred  2        0.50 EUR + 100.00 USD\n"
        f"{FLOW}  bills          failed    1        100.00 USD\n\n"
    )
    lines = rest.splitlines()
    assert lines[0].startswith(f"{FLOW} done ")
    assert lines[0].endswith(" ago, 5 read")
    assert lines[1:3] == ["Web Connector: never called", "backlog: 0 to send, 0 to tell the source"]
    assert lines[3] == "waiting in all: 2, failures told: 0.0 a minute"
    assert lines[4].startswith("message set set-1: in doubt, sent ")
    assert lines[5].startswith("list Account: 2 objects, read ")
    assert lines[6:] == ["alerts: 1", "  deferred: missing", "    do: map it"]
    with shelf(cli) as desk:
        work.raise_alert(desk.tx, "main", work.Alert("deferred", f"{FLOW}/account/k-1", "missing", "map it"), AT)
        desk.tx.run("set_resent", {"id": "set-1", "company": "main", "ticket_hash": "t", "at": AT})
    out = cli.ok("status").out
    assert "  deferred: missing (seen 2 times)\n" in out
    assert re.search(r"\nmessage set set-1: under way, sent 2 times, last [0-9]+ [a-z]+ ago\n", out)
    found = cli.ok("status", "--flow", FLOW, "--format", "json").json()
    assert found["in_doubt"]["id"] == "set-1"
    assert (found["waiting"], found["failures_a_minute"]) == (2, "0.0")
    assert sum(line["records"] for line in found["states"]) == 7
    assert found["states"][0]["money"] == {"USD": "100.00"}


def session(cli: Cli, *, seen_s: float) -> None:
    """A session that nobody ended."""
    with shelf(cli) as desk:
        desk.tx.run("session_insert", {"ticket_hash": "t", "company": "main", "state": "{}", "at": ago(desk, seen_s)})


def ago(desk: Shelf, seconds: float) -> str:
    return iso(desk.world.clock.now() - timedelta(seconds=seconds))


def agent_lines(cli: Cli) -> list[str]:
    return [line for line in cli.ok("status").out.splitlines() if line.startswith("Web Connector: ")]


def test_status_says_here_only_when_it_called_just_now(cli: Cli) -> None:
    session(cli, seen_s=5)
    assert agent_lines(cli) == ["Web Connector: is here now"]
    assert cli.ok("status", "--format", "json").json()["session"]["here"] is True


def test_status_of_a_session_that_was_cut_off(cli: Cli) -> None:
    session(cli, seen_s=3 * 3600 + 1)
    assert agent_lines(cli) == ["Web Connector: last called 3 h ago, and did not end its session"]
    found = cli.ok("status", "--format", "json").json()["session"]
    assert (found["open"], found["here"]) == (True, False)


def test_status_says_who_was_refused(cli: Cli) -> None:
    with shelf(cli) as desk:
        for seconds in (7265, 7264, 7263):
            work.refuse_sign_in(desk.tx, "main", "acme", desk.world.clock.now() - timedelta(seconds=seconds))
        work.refuse_sign_in(desk.tx, "", "mian", desk.world.clock.now() - timedelta(seconds=3700))
    assert agent_lines(cli) == [
        "Web Connector: refused 3 times, last as `acme` 2 h ago",
        "Web Connector: refused once, as `mian` 1 h ago, a user name that nobody has",
    ]
    assert cli.ok("status").out.endswith(
        "alerts: 1\n  session: the Web Connector was refused as `acme` (seen 3 times)\n"
        "    do: type the password again in the Web Connector; when it is lost, `flowctl qwc --new-password` makes another\n"
    )
    found = cli.ok("status", "--format", "json").json()
    assert (found["refused"]["times"], found["refused_unknown"]["user"]) == (3, "mian")
    session(cli, seen_s=120)
    assert agent_lines(cli)[:2] == [
        "Web Connector: last called 2 min ago, and did not end its session",
        "Web Connector: refused 3 times, last as `acme` 2 h ago",
    ]


def test_a_bill_and_its_payment_are_the_same_money(cli: Cli) -> None:
    with shelf(cli) as desk:
        gifts = unmapped("account", "k-1", "Client Gifts")
        desk.record("b-1", "deferred", gifts, amount="100.00")
        desk.record("b-1", "deferred", gifts, amount="60.00", stream="bill_payments")
        desk.record("b-2", "deferred", gifts, amount="40.00")
        desk.record("b-1", "deferred", gifts, amount="7.00", stream="card_purchases")  # another object of Ramp's
    assert cli.ok("deferred").text() == (
        f"[0]\n{FLOW}: the account `Client Gifts` is not in the Account list of QuickBooks: "
        "bill_payments 1 record, 60.00 USD; bills 2 records, 140.00 USD; card_purchases 1 record, 7.00 USD\n"
        f"  do: flowctl map set {FLOW} account k-1 'NAME THERE'\n"
        "--\n4 records deferred, 147.00 USD (a record of the source that waits in several streams is counted once)\n"
    )
    found = cli.ok("deferred", "--format", "json").json()
    assert (found["money"], found["gaps"][0]["money"]) == ({"USD": "147.00"}, {"USD": "147.00"})
    assert [(line["stream"], line["money"]) for line in found["streams"]] == [
        ("bill_payments", {"USD": "60.00"}),
        ("bills", {"USD": "140.00"}),
        ("card_purchases", {"USD": "7.00"}),
    ]


def test_status_of_a_flow_that_is_not_there(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    ran = cli("status", "--flow", "ramp_to_quickboks")
    assert ran.status == 2
    assert f"did you mean `{FLOW}`?" in ran.err
