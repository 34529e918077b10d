"""The outbox as a polled connector sees it: sessions, operations and lists, in one transaction a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from engine.clock import iso
from engine.contract import ListObject, Login, MessageSet, Operation, OperationOutcome
from engine.desk import StoreOutbox
from engine.errors import Bug
from engine.store import companies, journal, lists, work
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY, Bench, bill, vendor
from tests.engine.store.rows import REFUSED


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


class Stop(Exception):
    pass


def listening(bench: Bench) -> tuple[StoreOutbox, list[str]]:
    heard: list[str] = []
    return replace(bench.outbox, changed=heard.append), heard


# --- transactions


def test_what_a_call_did_is_kept_or_not_at_all(bench: Bench) -> None:
    with pytest.raises(Stop), bench.outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "t-1", {})
        desk.books.expire(COMPANY, ["Vendor"])
        raise Stop
    with bench.outbox.transaction() as desk:
        assert desk.sessions.load("t-1") is None
        assert desk.books.due(COMPANY) == ()


def test_work_that_was_made_is_announced_after_the_commit(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    outbox, heard = listening(bench)
    outcome = kit.posted(made.operations[0].id)
    with pytest.raises(Stop), outbox.transaction() as desk:
        desk.operations.settle(COMPANY, made.id, [outcome], b"")
        raise Stop
    assert heard == []
    with outbox.transaction() as desk:
        desk.operations.settle(COMPANY, made.id, [outcome], b"")
        assert heard == []
    assert heard == [COMPANY]


# --- sessions


def test_a_session(bench: Bench) -> None:
    outbox, heard = listening(bench)
    with outbox.transaction() as desk:
        assert desk.sessions.open(COMPANY, "t-1", {"step": 1}) == ()
        assert desk.sessions.load("t-1") == (COMPANY, {"step": 1})
        desk.sessions.save("t-1", {"step": 2})
        assert desk.sessions.load("t-1") == (COMPANY, {"step": 2})
        assert desk.sessions.load("t-2") is None
        desk.sessions.close("t-1")
        desk.sessions.close("t-1")
        desk.sessions.close("unknown")
        assert desk.sessions.load("t-1") is None
        with pytest.raises(Bug) as caught:
            desk.sessions.save("t-1", {})
        assert str(caught.value) == "a closed Web Connector session cannot be saved"
    assert heard == [COMPANY]


def test_a_new_session_closes_the_one_before(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.sessions.open("zeta", "z-1", {})
        desk.sessions.open(COMPANY, "t-1", {"step": 1})
        assert desk.sessions.open(COMPANY, "t-2", {"step": 0}) == ({"step": 1},)
        assert desk.sessions.load("t-1") is None
        assert desk.sessions.load("t-2") is not None
        assert desk.sessions.load("z-1") is not None


def test_old_sessions_are_forgotten(bench: Bench) -> None:
    """A Web Connector that comes in vain every five minutes does not fill the store."""
    for number in range(60):
        bench.world.clock.sleep(300)
        with bench.outbox.transaction() as desk:
            desk.sessions.open(COMPANY, f"t-{number}", {})
    assert kit.count(bench.world.store, "sessions") == 51
    with bench.outbox.transaction() as desk:
        assert desk.sessions.load("t-59") is not None


def visited(bench: Bench, ticket: str) -> bool:
    """Whether a visit was noted at once."""
    with bench.outbox.transaction() as desk:
        return desk.sessions.passed(COMPANY, ticket, {"user": "acme-wc"})


def newest(bench: Bench) -> dict[str, object]:
    with bench.world.store.read() as tx:
        row = tx.one("session_newest", {"company": COMPANY})
    assert row is not None
    return {name: row[name] for name in ("company", "state", "is_open", "opened_at", "seen_at")}


def bound(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.sessions.bind(COMPANY, {"file": "1"})


def test_a_visit_with_nothing_to_do_leaves_what_a_session_in_vain_leaves(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bound(bench)
    outbox, heard = listening(bench)
    outbox, left = replace(outbox, logs=True), []
    with kit.logging():
        with outbox.transaction() as desk:
            desk.sessions.open(COMPANY, "t-1", {"user": "acme-wc"})
            desk.sessions.in_vain(COMPANY, "t-1")
        left.append(newest(bench))
        bench.world.clock.sleep(3600)
        with outbox.transaction() as desk:
            assert desk.sessions.passed(COMPANY, "t-2", {"user": "acme-wc"})
        left.append(newest(bench))
    at = bench.world.at()
    assert left[1] == {**left[0], "opened_at": at, "seen_at": at}
    assert left[1]["is_open"] == 0
    assert heard == [COMPANY, COMPANY]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for line in lines:
        del line["timestamp"]
    assert lines == 2 * [
        {"event": "Web Connector came, nothing to do", "level": "info", "company": COMPANY, "user": "acme-wc"}
    ]


def test_a_visit_that_may_find_something_to_do_is_not_noted_at_once(bench: Bench) -> None:
    assert not visited(bench, "unbound")
    bound(bench)
    assert visited(bench, "idle")
    with bench.outbox.transaction() as desk:
        desk.books.expire(COMPANY, ["Vendor"])
    assert not visited(bench, "a list is due")
    with bench.world.store.write() as tx:
        lists.finish(tx, COMPANY, "Vendor", bench.world.at())
    assert visited(bench, "it was read")
    with bench.world.store.write() as tx:
        work.refuse_sign_in(tx, COMPANY, "acme-wc", bench.world.clock.now())
    assert not visited(bench, "an alert is to end")
    with bench.outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "open", {})
    assert not visited(bench, "another session is open")
    with bench.outbox.transaction() as desk:
        desk.sessions.close("open")
    assert visited(bench, "it was closed")
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    assert not visited(bench, "a bill waits")
    made = bench.send()
    assert made is not None
    assert not visited(bench, "it is under way")
    with bench.outbox.transaction() as desk:
        desk.operations.settle(COMPANY, made.id, [kit.posted(made.operations[0].id)], b"")
    assert kit.count(bench.world.store, "sessions") == 4


def test_a_visit_of_a_company_that_has_written_something_looks_whether_it_is_still_there(bench: Bench) -> None:
    bound(bench)
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    with bench.outbox.transaction() as desk:
        desk.operations.settle(COMPANY, made.id, [kit.posted(made.operations[0].id)], b"")
        is_due = desk.holdings.check_due(COMPANY)
    assert is_due
    assert not visited(bench, "never looked")
    with bench.outbox.transaction() as desk:
        desk.holdings.checked(COMPANY)
    assert visited(bench, "just looked")


def test_old_visits_are_forgotten_now_and_then(bench: Bench) -> None:
    bound(bench)
    for number in range(60):
        bench.world.clock.sleep(60)
        assert visited(bench, f"f-{number}")
    assert kit.count(bench.world.store, "sessions") == 60
    assert visited(bench, "1-60")
    assert kit.count(bench.world.store, "sessions") == 51


def test_a_login_and_the_company_file(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.put_login(tx, Login(COMPANY, "acme-wc", "hash"), kit.AT)
    with bench.outbox.transaction() as desk:
        assert bench.outbox.login("acme-wc") == Login(COMPANY, "acme-wc", "hash", {"user": "acme-wc"})
        assert bench.outbox.login("x") is None
        assert desk.sessions.identity(COMPANY) is None
        desk.sessions.bind(COMPANY, {"file": "1"})
        assert desk.sessions.identity(COMPANY) == {"file": "1"}
        desk.sessions.note(COMPANY, "odd", "something odd", {"n": 1})
        desk.sessions.note(COMPANY, "worse", "something worse", alert=True)
    assert bench.alerts() == [("session", "worse", 1)]
    with bench.world.store.read() as tx:
        lines = [(line["event"], line["actor"], json.loads(line["detail"])) for line in journal.lines(tx, COMPANY)][-3:]
    assert lines == [
        ("bound", "web-connector", {"file": "1"}),
        ("odd", "web-connector", {"message": "something odd", "n": 1}),
        ("worse", "web-connector", {"message": "something worse"}),
    ]


def test_what_is_remembered_from_one_session_to_the_next(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        assert desk.sessions.recall(COMPANY, "pace") is None
        desk.sessions.remember(COMPANY, "pace", {"limit": 4})
        desk.sessions.remember(COMPANY, "pace", {"limit": 8, "why": "ü"})
        desk.sessions.remember("zeta", "pace", {"limit": 1})
    with bench.outbox.transaction() as desk:
        assert desk.sessions.recall(COMPANY, "pace") == {"limit": 8, "why": "ü"}
        assert desk.sessions.recall(COMPANY, "other") is None


def test_what_a_person_was_told_of_a_session_is_over(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.sessions.note(COMPANY, "scan_failed", "it could not be read", alert=True)
        desk.sessions.note(COMPANY, "check_failed", "it could not be asked", alert=True)
        desk.sessions.over(COMPANY, "scan_failed")
        desk.sessions.over(COMPANY, "never_told")
    assert bench.alerts() == [("session", "check_failed", 1)]


# --- refused sign-ins, and the log


def refusing(bench: Bench, *users: tuple[str, str]) -> None:
    for company, user in users:
        with bench.outbox.transaction() as desk:
            desk.sessions.refused(company, user)
        bench.world.clock.sleep(5)


def refusals(bench: Bench, company: str) -> work.Refusals | None:
    with bench.world.store.read() as tx:
        return work.refusals(tx, company, bench.world.clock.now())


def test_refused_sign_ins_are_counted_until_one_is_good(bench: Bench) -> None:
    refusing(bench, *[(COMPANY, "acme-wc")] * 8)
    assert bench.alerts() == [("session", "sign_in_refused", 8)]
    found = refusals(bench, COMPANY)
    assert found is not None
    assert (found.times, found.user) == (8, "acme-wc")
    with bench.world.store.read() as tx:
        (alert,) = work.alerts(tx, COMPANY)
        events = [(line["event"], line["detail"]) for line in journal.lines(tx, COMPANY)]
    assert alert["message"] == "the Web Connector was refused as `acme-wc`"
    assert "`flowctl qwc --new-password --company" in alert["hint"]
    assert events.count(("sign_in_refused", '{"user":"acme-wc"}')) == 1  # the alert counts, the journal does not grow
    with bench.outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "t-1", {})
    assert bench.alerts() == []
    assert refusals(bench, COMPANY) is None


def test_a_user_name_that_nobody_has_is_kept_clean_and_for_a_day(bench: Bench) -> None:
    refusing(bench, ("", "x`\x1b[2J\u202e" + "y" * 300))
    found = refusals(bench, "")
    assert found is not None
    assert (found.times, found.user) == (1, "x??[2J?" + "y" * 53)
    assert bench.alerts() == []
    assert refusals(bench, COMPANY) is None
    bench.world.clock.sleep(timedelta(days=1).total_seconds())
    assert refusals(bench, "") is None
    refusing(bench, ("", "z"))
    found = refusals(bench, "")
    assert found is not None
    assert (found.times, found.user) == (1, "z")


def test_sessions_are_logged_after_the_commit(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    outbox = replace(bench.outbox, logs=True)
    state = {"user": "acme-wc", "turn": 7, "counts": {"posted": 3, "retry": 1}}
    with kit.logging():
        with pytest.raises(Stop), outbox.transaction() as desk:
            desk.sessions.open(COMPANY, "t-0", {"user": "acme-wc"})
            raise Stop
        with outbox.transaction() as desk:
            desk.sessions.open(COMPANY, "t-1", {"user": "acme-wc"})
            desk.sessions.note(COMPANY, "page_unanswered", "the same", alert=True)
            desk.sessions.in_vain(COMPANY, "t-1")
        for ticket in ("t-2", "t-3"):
            with outbox.transaction() as desk:
                desk.sessions.open(COMPANY, ticket, {"user": "acme-wc"})
            bench.world.clock.sleep(2.5)
            with outbox.transaction() as desk:
                desk.sessions.save(ticket, state)
        with outbox.transaction() as desk:
            desk.sessions.note(COMPANY, "company_refused", "the text stays in the store", alert=True)
            desk.sessions.close("t-3")
        with outbox.transaction() as desk:
            desk.sessions.refused("", "no\nbody")
        with bench.outbox.transaction() as desk:
            desk.sessions.refused(COMPANY, "acme-wc")  # this one does not log
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for line in lines:
        del line["timestamp"]
    who = {"company": COMPANY, "user": "acme-wc"}
    came = {**who, "requests": 7, "posted": 3, "deferred": 0, "failed": 0, "retry": 1, "seconds": 2.5}
    trouble = {"event": "Web Connector session has trouble", "level": "warning", "company": COMPANY}
    assert lines == [
        {"event": "Web Connector came, nothing to do", "level": "info", **who},
        {**trouble, "state": "page_unanswered"},
        {"event": "Web Connector session begins", "level": "info", **who},
        {"event": "Web Connector session was cut off", "level": "warning", **came},
        {"event": "Web Connector session begins", "level": "info", **who},
        {**trouble, "state": "company_refused"},
        {"event": "Web Connector session ends", "level": "info", **came},
        {"event": "Web Connector sign-in refused", "level": "warning", "user": "no?body"},
    ]


# --- operations


def test_waiting_records_are_prepared_when_the_agent_calls() -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill(), bill("b-2")]
        bench.run("bills")
        with bench.outbox.transaction() as desk:
            assert desk.operations.backlog(COMPANY) == 0
            assert desk.operations.refill(COMPANY) == 0
        bench.read_lists()
        with bench.outbox.transaction() as desk:
            assert desk.operations.backlog(COMPANY) == 2
            assert desk.operations.backlog(COMPANY) == 2
            assert desk.operations.refill(COMPANY) == 0
            assert len(desk.operations.next(COMPANY, 1)) == 1
            assert desk.operations.next("zeta", 1) == ()


def test_a_flow_whose_connections_are_not_all_made_is_left_alone() -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill()]
        bench.run("bills")
        bench.read_lists()
        with bench.world.store.write() as tx:
            tx.run("credential_delete", {"company": COMPANY, "connection": "shop", "field": "api_key"})
            tx.run("credential_delete", {"company": COMPANY, "connection": "shop", "field": "hook_secret"})
        stores.raw(bench.world.store, "DELETE FROM connections WHERE connection = 'shop'")
        with bench.outbox.transaction() as desk:
            assert desk.operations.backlog(COMPANY) == 0
            assert desk.books.due(COMPANY) == ()


def in_flight(bench: Bench) -> MessageSet:
    bench.shop.listed["bills"] = [bill(), bill("b-2")]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    return made


def test_a_set_in_flight(bench: Bench) -> None:
    made = in_flight(bench)
    assert set(bench.states().values()) == {"sent"}
    with bench.outbox.transaction() as desk:
        found = desk.operations.unsettled(COMPANY)
        assert found is not None
        assert (found.id, found.body, found.state, found.attempts) == ("set-1", made.body, "sent", 1)
        assert desk.operations.next(COMPANY, 9) == ()
        assert desk.operations.uncleared(COMPANY) is None
        assert desk.operations.unsettled("zeta") is None


def test_a_set_in_doubt_and_sent_again(bench: Bench) -> None:
    made = in_flight(bench)
    with bench.outbox.transaction() as desk:
        desk.operations.doubt(COMPANY, made.id, "no answer")
        desk.operations.doubt(COMPANY, made.id, "no answer")  # once
    assert set(bench.states().values()) == {"unknown"}
    with bench.outbox.transaction() as desk:
        desk.operations.resend(COMPANY, made.id, "t-2")
        found = desk.operations.unsettled(COMPANY)
        assert found is not None
        assert (found.state, found.attempts, found.ticket_hash) == ("sent", 2, "t-2")
    assert set(bench.states().values()) == {"sent"}
    assert bench.journal("b-1")[-3:] == ["sent", "in_doubt", "resent"]
    bench.settle(made)
    with bench.outbox.transaction() as desk:
        desk.operations.doubt(COMPANY, made.id, "too late")
        assert desk.operations.uncleared(COMPANY) == made.id
    assert set(bench.states().values()) == {"posted"}


@pytest.mark.parametrize("set_id", ["set-1", "other"])
def test_a_set_that_is_not_there_cannot_be_sent_again(bench: Bench, set_id: str) -> None:
    made = in_flight(bench)
    if set_id == made.id:
        bench.settle(made)
    with pytest.raises(Bug) as caught, bench.outbox.transaction() as desk:
        desk.operations.resend(COMPANY, set_id, "t-2")
    assert str(caught.value) == f"message set {set_id} is not there to be sent again"


def test_a_set_is_sent_again_only_when_it_was_in_doubt(bench: Bench) -> None:
    made = in_flight(bench)
    with pytest.raises(Bug), bench.outbox.transaction() as desk:
        desk.operations.resend(COMPANY, made.id, "t-2")


@pytest.mark.parametrize("case", ["none", "one", "another", "too many"])
def test_a_set_is_settled_with_one_outcome_for_each(bench: Bench, case: str) -> None:
    made = in_flight(bench)
    ids = {
        "none": [], "one": [made.operations[0].id], "another": [made.operations[0].id, "x"],
        "too many": [*(op.id for op in made.operations), "x"],
    }[case]  # fmt: skip
    with pytest.raises(Bug) as caught, bench.outbox.transaction() as desk:
        desk.operations.settle(COMPANY, made.id, [OperationOutcome(i, "posted") for i in ids], b"")
    assert str(caught.value) == "message set set-1 must be settled with one outcome for each of its operations"
    assert set(bench.states().values()) == {"sent"}


def test_a_set_is_settled_once(bench: Bench) -> None:
    made = in_flight(bench)
    bench.settle(made)
    with pytest.raises(Bug):
        bench.settle(made)
    assert set(bench.states().values()) == {"posted"}


def test_a_second_set_in_flight_is_refused_and_leaves_nothing(bench: Bench) -> None:
    in_flight(bench)
    body = b"<x/>"
    with pytest.raises(REFUSED), bench.outbox.transaction() as desk:
        desk.operations.freeze(COMPANY, MessageSet("set-2", body, sha256(body).hexdigest(), ()))
    with bench.outbox.transaction() as desk:
        found = desk.operations.unsettled(COMPANY)
    assert found is not None
    assert found.id == "set-1"


# --- operations that were not sent


def waiting(bench: Bench) -> Operation:
    """One bill that waits to be sent."""
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 9)
    return operation


def conclude(bench: Bench, outcome: OperationOutcome, company: str = COMPANY) -> None:
    with bench.outbox.transaction() as desk:
        desk.unsent.conclude(company, outcome, b"<answer/>")


def test_the_kinds_that_wait_in_the_order_in_which_they_are_sent(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        assert desk.unsent.kinds(COMPANY) == ()
    bench.shop.listed["bills"] = [bill(), bill("b-2")]
    bench.run("bills")
    bench.shop.listed["vendors"] = [vendor()]
    bench.run("vendors")
    with bench.outbox.transaction() as desk:
        assert desk.unsent.kinds(COMPANY) == ("BillAdd", "VendorAdd")
        assert desk.unsent.kinds("zeta") == ()
    bench.post_all()
    with bench.outbox.transaction() as desk:
        assert desk.unsent.kinds(COMPANY) == ()


def test_an_operation_that_was_found_is_posted_without_being_sent(bench: Bench) -> None:
    operation = waiting(bench)
    outbox, heard = listening(bench)
    found = OperationOutcome(operation.id, "posted", {"TxnID": "T-1"}, message="it was there")
    with outbox.transaction() as desk:
        desk.unsent.conclude(COMPANY, found, b"<answer/>")
    assert heard == [COMPANY]
    assert bench.states() == {"b-1": "posted"}
    with bench.world.store.read() as tx:
        line = journal.of_record(tx, bench.record("b-1")["id"])[-1]
        row = tx.one("operation_get", {"id": operation.id})
    assert json.loads(line["detail"]) == {
        "operation": operation.id, "sha256": operation.sha256, "sent": False, "why": "it was there",
        "answer": sha256(b"<answer/>").hexdigest(), "receipt": {"TxnID": "T-1"}, "amount": "100.00",
    }  # fmt: skip
    assert row is not None
    assert (row["state"], row["message_set_id"]) == ("done", None)


def test_an_operation_that_was_not_sent_waits_for_a_person(bench: Bench) -> None:
    operation = waiting(bench)
    conclude(bench, OperationOutcome(operation.id, "held", code="alike", message="T-1 looks like it", hint="look"))
    assert bench.states() == {"b-1": "unknown"}
    assert bench.reasons("b-1") == [("alike", "T-1 looks like it")]
    assert bench.alerts() == [("unknown", "shop_to_ledger/bills/b-1", 1)]
    assert bench.send() is None


def test_an_operation_that_cannot_be_sent_is_deferred(bench: Bench) -> None:
    operation = waiting(bench)
    conclude(bench, OperationOutcome(operation.id, "deferred", code="gone_there", message="it is gone"))
    assert bench.states() == {"b-1": "deferred"}
    assert bench.alerts() == [("deferred", "shop_to_ledger/bills/b-1", 1)]
    with bench.outbox.transaction() as desk:
        assert desk.operations.backlog(COMPANY) == 0


@pytest.mark.parametrize("case", ["another company", "no such", "sent", "settled", "retry"])
def test_only_what_waits_is_concluded_or_amended(bench: Bench, case: str) -> None:
    operation = waiting(bench)
    company = "zeta" if case == "another company" else COMPANY
    number = "nobody" if case == "no such" else operation.id
    if case in ("sent", "settled"):
        made = bench.send()
        assert made is not None
        if case == "settled":
            bench.settle(made)
    before = bench.states()
    with pytest.raises(Bug) as caught:
        conclude(bench, OperationOutcome(number, "retry" if case == "retry" else "posted", {"TxnID": "T-1"}), company)
    if case == "retry":
        assert str(caught.value) == f"operation {number} was not sent, so there is nothing to try again"
    else:
        assert str(caught.value) == f"operation {number} does not wait to be sent"
        with pytest.raises(Bug), bench.outbox.transaction() as desk:
            desk.unsent.amend(company, number, b"<x/>")
    assert bench.states() == before


def test_other_bytes_are_what_is_sent(bench: Bench) -> None:
    operation = waiting(bench)
    with bench.outbox.transaction() as desk:
        desk.unsent.amend(COMPANY, operation.id, b"<BillAddRq/>")
        (amended,) = desk.operations.next(COMPANY, 9)
    assert (amended.id, amended.body, amended.sha256) == (
        operation.id, b"<BillAddRq/>", sha256(b"<BillAddRq/>").hexdigest(),
    )  # fmt: skip
    made = bench.send()
    assert made is not None
    assert b"<BillAddRq/>" in made.body


# --- lists


def test_lists_are_due_until_read_and_again_after_four_hours() -> None:
    with kit.bench(lists=False) as bench:
        with bench.outbox.transaction() as desk:
            assert desk.books.due(COMPANY) == ("Account", "Vendor")
            desk.books.store_page(COMPANY, "Vendor", [ListObject("1", "A")], first=True, last=False)
            assert desk.books.due(COMPANY) == ("Account", "Vendor")
            desk.books.store_page(COMPANY, "Vendor", [ListObject("2", "B")], first=False, last=True)
            desk.books.store_page(COMPANY, "Account", [], first=True, last=True)
            desk.books.store_page(COMPANY, "Other", [], first=True, last=False)
            assert desk.books.due(COMPANY) == ()  # `Other` is of no flow
            assert desk.books.get(COMPANY, "Vendor", "a") == ListObject("1", "A")
            assert desk.books.get(COMPANY, "Vendor", "c") is None
            desk.books.expire(COMPANY, ["Account", "Other"])
            assert desk.books.due(COMPANY) == ("Account",)
        bench.world.clock.sleep(4 * 3600)
        with bench.outbox.transaction() as desk:
            assert desk.books.due(COMPANY) == ("Account",)
        bench.world.clock.sleep(1)
        with bench.outbox.transaction() as desk:
            assert desk.books.due(COMPANY) == ("Account", "Vendor")


def test_a_list_that_was_read_wakes_who_waited_for_it(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(vendor={"id": "v-7", "name": "Nobody"})]
    bench.run("bills")
    with bench.outbox.transaction() as desk:
        desk.books.store_page(COMPANY, "Vendor", [ListObject("V-7", "Nobody")], first=True, last=False)
    assert bench.states() == {"b-1": "deferred"}
    with bench.outbox.transaction() as desk:
        desk.books.store_page(COMPANY, "Vendor", [], first=False, last=True)
    assert bench.states() == {"b-1": "pending"}
    with bench.world.store.read() as tx:
        line = [line for line in journal.lines(tx, COMPANY) if line["event"] == "list_read"][-1]
    assert json.loads(line["detail"]) == {"list": "Vendor", "gone": 2, "woken": 1}
    assert line["at"] == iso(bench.world.clock.now())


def test_a_period_that_is_open_again_wakes_who_waited_for_it(bench: Bench) -> None:
    made = in_flight(bench)
    closed = OperationOutcome(made.operations[0].id, "deferred", code="3170", message="closed", waits_for=("period",))
    bench.settle(made, closed)
    assert bench.states() == {"b-1": "deferred", "b-2": "posted"}
    with bench.outbox.transaction() as desk:
        desk.books.opened("zeta")
    assert bench.states()["b-1"] == "deferred"
    with bench.outbox.transaction() as desk:
        desk.books.opened(COMPANY)
    assert bench.states()["b-1"] == "pending"
