"""What we wrote and believe to be in the target: looked after, missed, found again, and found that an earlier life wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine import follow, pipeline
from engine import holdings as engine_holdings
from engine.clock import iso
from engine.contract import ListObject, Marked, OperationOutcome
from engine.errors import StoreBusy, Transient
from engine.evidence import Holding, Seen, Sighting
from engine.follow import Hand
from engine.operator import worklist
from engine.operator.worklist import Retried
from engine.store import facts, journal, lists, marks, work
from engine.store import holdings as kept
from engine.store.base import Row, statements
from engine.store.sqlite import SqliteStore
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, VENDORS, Bench, bill, vendor

NO_PAYMENTS = kit.YAML.replace("when: setting('with_payments')", "when: setting('card_payments')")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def hand(bench: Bench) -> Hand:
    return Hand(COMPANY, bench.world.at(), "person")


def post(bench: Bench, *source_ids: str, told: bool = False) -> list[str]:
    """Post bills in this order; their ids in the ledger. With `told`, the shop knows."""
    bench.shop.listed["bills"] += [bill(source_id) for source_id in source_ids]
    bench.run("bills")
    assert bench.post_all() == len(source_ids)
    if told:
        bench.run("bills")
    return [receipt(bench, source_id)["TxnID"] for source_id in source_ids]


def receipt(bench: Bench, source_id: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(bench.record(source_id)["receipt"])
    return found


def after(bench: Bench, **span: float) -> str:
    """Let time pass; the moment when the next look begins."""
    bench.world.clock.sleep(timedelta(**span).total_seconds())
    return bench.world.at()


def ask(bench: Bench, since: str, limit: int = 20) -> list[str]:
    with bench.outbox.transaction() as desk:
        return [holding.target_id for holding in desk.holdings.to_check(COMPANY, limit, since)]


def see(bench: Bench, *target_ids: str, differences: tuple[str, ...] = (), edit_sequence: str = "1") -> None:
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen(target_id, edit_sequence, differences) for target_id in target_ids])


def miss(bench: Bench, *target_ids: str) -> None:
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, target_ids)


def finish(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.holdings.checked(COMPANY)


def look(bench: Bench, gone: Sequence[str] = (), limit: int = 20) -> list[list[str]]:
    """One whole look, an hour later, in which these are not there; the pages that were asked for."""
    since, pages = after(bench, hours=1), []
    while page := ask(bench, since, limit):
        pages.append(page)
        see(bench, *[target_id for target_id in page if target_id not in gone])
        miss(bench, *[target_id for target_id in page if target_id in gone])
    finish(bench)
    return pages


def alerts(bench: Bench, kind: str) -> list[tuple[str, str]]:
    with bench.world.store.read() as tx:
        return [(row["message"], row["hint"]) for row in work.alerts(tx, COMPANY) if row["kind"] == kind]


def line(bench: Bench, source_id: str, event: str, stream: str = "bills") -> dict[str, Any]:
    """What the journal says of a record's newest event of that name."""
    with bench.world.store.read() as tx:
        rows = journal.of_record(tx, bench.record(source_id, stream)["id"])
    found: dict[str, Any] = json.loads([row for row in rows if row["event"] == event][-1]["detail"])
    return found


def states_of(bench: Bench, source_id: str, stream: str = "bills") -> list[tuple[str, str]]:
    with bench.world.store.read() as tx:
        rows = kept.of_record(tx, bench.record(source_id, stream)["id"])
        return [(row["target_id"], row["state"]) for row in rows]


def decide(bench: Bench, what: str, *source_ids: str, reason: str = "") -> Retried:
    with bench.world.store.write() as tx:
        rows: list[Row] = [bench.record(source_id) for source_id in source_ids]
        done = worklist.post_again if what == "post_again" else worklist.leave_out
        return done(tx, hand(bench), rows, reason)


def halted(bench: Bench) -> str | None:
    with bench.world.store.read() as tx:
        return engine_holdings.halted(tx, COMPANY)


def accept(
    bench: Bench, *source_ids: str, reason: str = "", shown: Mapping[int, kept.Accepted] | None = None
) -> Retried:
    with bench.world.store.write() as tx:
        rows: list[Row] = [bench.record(source_id) for source_id in source_ids]
        return worklist.accept(tx, hand(bench), rows, reason, shown)


def told(bench: Bench) -> list[tuple[str, str]]:
    """Everything that the shop was told of posted records."""
    return [(mark.id, mark.reference) for call in bench.shop.calls for mark in call.posted]


def raises(error: Exception) -> None:
    raise error


# --- what is kept


def test_what_is_posted_is_held(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor()]
    bench.run("vendors")
    bench.post_all()
    (txn_id,) = post(bench, "b-1")
    list_id = json.loads(bench.record("v-9", "vendors")["receipt"])["ListID"]
    with bench.outbox.transaction() as desk:
        found = desk.holdings.of(COMPANY, [list_id, txn_id, "unknown"])
        assert desk.holdings.of(COMPANY, []) == ()
        assert desk.holdings.of("zeta", [txn_id]) == ()
    assert [(h.target_id, h.kind, h.number, h.edit_sequence, h.there) for h in found] == [
        (list_id, "Vendor", 1, "1", True),
        (txn_id, "Bill", 2, "1", True),
    ]
    written = found[1].written
    assert written is not None
    assert (written.id, written.request) == (bench.record("b-1")["operation_id"], "BillAdd")


def test_a_receipt_without_an_id_leaves_nothing_to_look_for() -> None:
    text = kit.YAML.replace("request: BillAdd, template: bill_add.xml.j2", "request: NotePost")
    with kit.bench(text) as bench:
        bench.shop.listed["bills"] = [bill()]
        bench.run("bills")
        made = bench.send()
        assert made is not None
        bench.settle(made, OperationOutcome(made.operations[0].id, "posted", {"note": "7"}))
        assert states_of(bench, "b-1") == []
        with bench.outbox.transaction() as desk:
            assert not desk.holdings.check_due(COMPANY)


def test_a_modify_gives_the_object_its_own_bytes_and_version(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    with bench.world.store.write() as tx:
        record = bench.record("b-1")
        operation = {"id": "op-mod", "request": "BillMod", "target_id": txn_id}
        kept.posted(tx, COMPANY, bench.world.at(), record, operation, {"TxnID": txn_id, "EditSequence": "2"})
        (row,) = kept.of_ids(tx, COMPANY, [txn_id])
    assert (row["operation_id"], row["edit_sequence"], row["kind"], row["state"], row["seq"]) == (
        "op-mod", "2", "Bill", "there", 1,
    )  # fmt: skip


def test_what_a_person_names_is_held_without_an_operation(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "held", message="perhaps"))
    with bench.world.store.write() as tx:
        worklist.declare(tx, hand(bench), bench.record("b-1"), "T-OTHER", "")
    with bench.outbox.transaction() as desk:
        assert desk.holdings.of(COMPANY, ["T-OTHER"]) == (Holding("T-OTHER", "Bill", 1),)


@pytest.mark.parametrize("is_seen", [True, False])
def test_what_a_person_names_is_told_when_its_amount_is_another(bench: Bench, is_seen: bool) -> None:
    """At once where it was seen before, else when it is looked at."""
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "held", message="perhaps"))
    amount = Decimal(bench.record("b-1")["amount"])
    with bench.world.store.write() as tx:
        if is_seen:
            kept.see(tx, COMPANY, bench.world.at(), [Sighting("Bill", "T-OTHER", "5", "", {}, total=amount + 1)])
        worklist.declare(tx, hand(bench), bench.record("b-1"), "T-OTHER", "")
    assert len(alerts(bench, "edited")) == int(is_seen)
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen("T-OTHER", "5", (), amount + 1)])
    ((message, _),) = alerts(bench, "edited")
    assert f"amount {amount + 1:.2f} there, {amount:.2f} here; flowctl leaves it as it is" in message
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen("T-OTHER", "6", (), amount)])
    assert alerts(bench, "edited") == []


# --- looking


def test_a_look_is_due_every_hour_once_something_is_held(bench: Bench) -> None:
    def due() -> bool:
        with bench.outbox.transaction() as desk:
            return desk.holdings.check_due(COMPANY)

    assert not due()
    post(bench, "b-1")
    assert due()
    finish(bench)
    assert not due()
    bench.world.clock.sleep(3599)
    assert not due()
    bench.world.clock.sleep(1)
    assert due()
    finish(bench)
    assert not due()


def test_a_look_takes_the_newest_then_the_longest_unseen_then_what_is_gone(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(6)])
    assert look(bench, limit=2) == [[ids[5], ids[4]]]  # nothing is known of a look before this one
    with bench.world.store.read() as tx:
        known = facts.recall(tx, COMPANY, "check")
    assert known is not None
    assert sorted(known) == ["at", "there"]
    assert look(bench, gone=[ids[3]], limit=2) == [[ids[5], ids[4]], [ids[0], ids[1]], [ids[2], ids[3]]]
    assert bench.record("b-3")["state"] == "vanished"
    pages = look(bench, limit=2)
    assert pages == [[ids[5], ids[4]], [ids[0], ids[1]], [ids[2]], [ids[3]]]
    assert bench.record("b-3")["state"] == "posted"


def test_no_more_than_twenty_are_looked_at_in_turn(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(50)]
    bench.run("bills")
    bench.post_all()
    assert [len(page) for page in look(bench, limit=5)] == [5]
    first = look(bench, limit=5)
    second = look(bench, limit=5)
    assert [len(page) for page in first] == [5, 5, 5, 5, 5]
    assert not {t for page in first[1:] for t in page} & {t for page in second[1:] for t in page}


def test_as_long_as_the_newest_are_missing_the_next_older_ones_follow(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(7)])
    pages = look(bench, gone=ids[3:], limit=2)
    assert pages == [[ids[6], ids[5]], [ids[4], ids[3]], [ids[2], ids[1]]]
    assert [bench.record(f"b-{n}")["state"] for n in range(7)] == ["posted"] * 3 + ["vanished"] * 4


def test_what_is_asked_for_stays_the_same_until_it_was_answered(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    since = after(bench, hours=1)
    assert ask(bench, since) == ask(bench, since) == [ids[1], ids[0]]
    see(bench, ids[1])
    assert ask(bench, since) == [ids[0]]
    see(bench, ids[0])
    assert ask(bench, since) == []


# --- edits


def test_an_edit_is_told_once_and_is_over_when_it_is_undone(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    changed = ("amount 120.00 there, 100.00 here", "memo `x` there, `m` here")
    see(bench, txn_id, differences=changed, edit_sequence="2")
    see(bench, txn_id, differences=changed, edit_sequence="2")
    message = (
        f"{FLOW}/bills/N-b-1: the bill was changed in Ledger after it was posted: amount 120.00 there, 100.00 here; "
        "memo `x` there, `m` here; flowctl leaves it as it is"
    )
    command = "flowctl reconcile --accept b-1 --company acme"
    hint = f"when that is right, accept it with `{command}`; else correct it in Ledger"
    assert alerts(bench, "edited") == [(message, hint)]
    assert ("edited", f"{FLOW}/bills/b-1", 1) in bench.alerts()
    assert bench.journal("b-1").count("edited") == 1
    assert line(bench, "b-1", "edited") == {"target_id": txn_id, "kind": "Bill", "differences": list(changed)}
    with bench.outbox.transaction() as desk:
        assert [h.edit_sequence for h in desk.holdings.of(COMPANY, [txn_id])] == ["2"]
    see(bench, txn_id, differences=changed[:1], edit_sequence="3")
    assert bench.journal("b-1").count("edited") == 2
    see(bench, txn_id, edit_sequence="4")
    assert bench.alerts() == []
    assert bench.record("b-1")["state"] == "posted"


def test_an_edit_that_is_right_is_accepted_and_any_other_is_told(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    amount, memo = "amount 120.00 there, 100.00 here", "memo `x` there, `m` here"
    see(bench, txn_id, differences=(amount,), edit_sequence="2")
    done = accept(bench, "b-1", reason="a late fee")
    assert ([row["source_id"] for row in done.moved], done.refused) == (["b-1"], ())
    assert bench.alerts() == []
    assert line(bench, "b-1", "accepted") == {"target_id": txn_id, "differences": [amount], "why": "a late fee"}
    see(bench, txn_id, differences=(amount,), edit_sequence="3")
    assert bench.alerts() == []
    refused = accept(bench, "b-1").refused
    assert [why for _, why in refused] == ["QuickBooks has it as it was posted, or as it was accepted before"]
    see(bench, txn_id, differences=(memo, amount), edit_sequence="4")
    ((message, _),) = alerts(bench, "edited")
    assert message == (
        f"{FLOW}/bills/N-b-1: the bill was changed in Ledger after it was posted: {memo}; flowctl leaves it as it is"
    )
    see(bench, txn_id, differences=(amount,), edit_sequence="5")
    assert bench.alerts() == []
    see(bench, txn_id, edit_sequence="6")  # put right again: the same edit is news when it comes back
    see(bench, txn_id, differences=(amount,), edit_sequence="7")
    assert [kind for kind, _, _ in bench.alerts()] == ["edited"]
    assert bench.record("b-1")["state"] == "posted"


def test_what_the_books_showed_and_was_accepted_is_no_news_when_it_is_looked_at(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    shown = {bench.record("b-1")["id"]: kept.Accepted((), {"amount": "120.00", "date": "2026-03-05"}, "print")}
    assert len(accept(bench, "b-1", shown=shown).moved) == 1
    amount, date = "amount 120.00 there, 100.00 here", "date `2026-03-05` there, `2026-03-01` here"
    see(bench, txn_id, differences=(amount, date), edit_sequence="2")
    assert bench.alerts() == []
    other = "amount 1120.00 there, 100.00 here"
    see(bench, txn_id, differences=(other, date), edit_sequence="3")
    ((message, _),) = alerts(bench, "edited")
    assert f"after it was posted: {other}; flowctl" in message


def test_only_what_is_posted_and_edited_is_accepted(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    look(bench, gone=[ids[0]])
    assert [(row["source_id"], why) for row, why in accept(bench, "b-1", "b-2").refused] == [
        (
            "b-1",
            "it was posted and is gone from the target; decide with `flowctl reconcile --post-again` or `--leave-out`",
        ),
        ("b-2", "QuickBooks has it as it was posted, or as it was accepted before"),
    ]
    assert "accepted" not in bench.journal("b-2")


# --- what is gone


def test_one_that_is_gone_has_vanished_and_the_source_is_not_told(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    look(bench, gone=[ids[0]])
    assert bench.states() == {"b-1": "vanished", "b-2": "posted"}
    assert bench.alerts() == [("vanished", f"{FLOW}/bills/b-1", 1)]
    hint = (
        "post it again with `flowctl reconcile --post-again b-1 --company acme`, "
        "or leave it out with `flowctl reconcile --leave-out b-1 --company acme`"
    )
    message = "the bill (Grün & Söhne, 100.00 EUR) is no longer in Ledger"
    assert alerts(bench, "vanished") == [(f"{FLOW}/bills/N-b-1: {message}", hint)]
    assert bench.reasons("b-1") == [("vanished", message)]
    assert line(bench, "b-1", "vanished")["target_id"] == ids[0]
    assert halted(bench) is None
    bench.run("bills")
    assert told(bench) == [("b-2", ids[1])]
    with bench.world.store.read() as tx:
        assert [(w.source_id, w.party) for w in worklist.vanished(tx, COMPANY)] == [("b-1", "Grün & Söhne")]
    look(bench, gone=[ids[0]])
    assert bench.alerts() == [("vanished", f"{FLOW}/bills/b-1", 1)]


def test_writing_goes_on_after_a_single_one_is_gone(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    look(bench, gone=[ids[1]])
    post(bench, "b-3")
    assert bench.states() == {"b-1": "closed", "b-2": "vanished", "b-3": "posted"}


def test_what_was_prepared_with_its_id_waits_until_the_id_is_known_anew(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    bench.shop.listed["bills"] = [bill(status="paid")]
    bench.run()
    assert bench.states("payments") == {"b-1": "intended"}
    look(bench, gone=[txn_id])
    assert bench.states("payments") == {"b-1": "pending"}
    bench.run()
    gone = "bills/N-b-1 was posted and is no longer in Ledger"
    assert bench.reasons("b-1", "payments") == [("not_posted", gone)]
    with bench.world.store.read() as tx:
        (gap,) = worklist.gaps(tx, COMPANY)
    assert gap.message == gone
    assert gap.fix == (
        "run `flowctl reconcile --post-again b-1 --company acme` to post it again, or `flowctl reconcile --leave-out b-1 "
        "--company acme` to leave it out; what waits for it follows by itself once it is posted again"
    )
    decide(bench, "post_again", "b-1")
    bench.run()
    bench.post_all()
    bench.run()
    with bench.outbox.transaction() as desk:
        (payment,) = desk.operations.next(COMPANY, 5)
    assert payment.request == "NotePost"
    assert receipt(bench, "b-1")["TxnID"].encode() in payment.body


def test_a_mark_in_a_call_that_was_not_tried_is_taken_out_of_it(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    with bench.world.store.write() as tx:
        assert marks.group(tx, COMPANY, FLOW, bench.world.at(), limit=10) == 1
    look(bench, gone=[ids[0]])
    bench.run("bills")
    assert told(bench) == [("b-2", ids[1])]
    assert bench.states() == {"b-1": "vanished", "b-2": "closed"}
    look(bench)
    bench.run("bills")
    assert told(bench) == [("b-2", ids[1]), ("b-1", ids[0])]
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}


def test_a_call_that_was_tried_may_have_been_heard_and_stands(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    bench.shop.mark_faults = [Transient("no answer")]
    assert bench.runner.run(bench.program, COMPANY, streams=["bills"]).errors != ()
    look(bench, gone=[ids[0]])
    bench.run("bills")
    assert [call.idempotency_key for call in bench.shop.calls] == [bench.shop.calls[0].idempotency_key] * 2
    assert bench.states() == {"b-1": "vanished", "b-2": "closed"}
    look(bench)
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}


@pytest.mark.parametrize("ours", [False, True])
def test_a_call_of_which_nothing_was_sent_tells_only_what_is_so(
    bench: Bench, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = post(bench, "b-1", "b-2")
    error = StoreBusy() if ours else Transient("no token")
    error.unsent = not ours
    with monkeypatch.context() as patch:
        if ours:
            patch.setattr(marks, "call_of", lambda _tx, _row: raises(error))
        else:
            bench.shop.mark_faults = [error]
        assert bench.runner.run(bench.program, COMPANY, streams=["bills"]).errors == (error,)
    tried = len(bench.shop.calls)
    look(bench, gone=[ids[0]])
    decide(bench, "post_again", "b-1")
    bench.run("bills")
    assert [mark for call in bench.shop.calls[tried:] for mark in call.posted] == [Marked("b-2", ids[1])]
    assert bench.post_all() == 1
    bench.run("bills")
    assert [mark for call in bench.shop.calls[tried + 1 :] for mark in call.posted] == [
        Marked("b-1", receipt(bench, "b-1")["TxnID"])
    ]
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}


# --- what is back


@pytest.mark.parametrize("knows", [False, True])
def test_what_is_back_is_what_it_was(bench: Bench, knows: bool) -> None:
    (txn_id, _) = post(bench, "b-1", "b-2", told=knows)
    state = "closed" if knows else "posted"
    assert bench.record("b-1")["state"] == state
    look(bench, gone=[txn_id])
    look(bench, gone=[txn_id])
    look(bench)
    assert bench.record("b-1")["state"] == state
    assert bench.alerts() == []
    assert line(bench, "b-1", "back") == {"target_id": txn_id, "kind": "Bill"}
    bench.run("bills")
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}
    assert sorted(told(bench)) == sorted([("b-1", txn_id), ("b-2", receipt(bench, "b-2")["TxnID"])])


# --- a restored backup


def test_the_two_newest_missing_together_halt_the_posting(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2", "b-3")
    bench.shop.listed["bills"].append(bill("b-4"))
    bench.run("bills")
    look(bench, gone=ids[1:])
    why = (
        "2 records that were posted are no longer in Ledger (200.00 EUR), which looks as if an older backup of the company "
        "file was restored; nothing more is written until it is decided what becomes of them"
    )
    assert halted(bench) == why
    with bench.outbox.transaction() as desk:
        assert desk.holdings.halted(COMPANY) == (
            f"{why}. What to do: when the newer company file still exists, open it and run the Web Connector again; else ask "
            "whoever looks after flowctl to decide about these records: `flowctl reconcile --company acme` lists them and "
            "says how"
        )
    hint = (
        "when the backup is to stay, post them again with `flowctl reconcile --post-again all --company acme`; leave "
        "out what is not to be posted with `flowctl reconcile --leave-out ID --company acme`; when the newer file is "
        "opened again, it goes on by itself"
    )
    assert alerts(bench, "restored") == [(why, hint)]
    assert ("restored", "books", 1) in bench.alerts()
    with bench.outbox.transaction() as desk:
        assert desk.operations.next(COMPANY, 10) == ()
        assert desk.operations.backlog(COMPANY) == 1
        assert desk.unsent.kinds(COMPANY) == ("BillAdd",)
        assert desk.holdings.halted("zeta") is None


def test_the_whole_of_what_is_missing_is_told(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(6)])
    look(bench, gone=ids[1:], limit=2)
    assert (halted(bench) or "").startswith("5 records that were posted are no longer in Ledger (500.00 EUR)")
    assert ("restored", "books", 2) in bench.alerts()


def test_old_ones_that_are_missing_halt_nothing_while_the_newest_is_there(bench: Bench) -> None:
    # A backup that was restored always misses the newest.
    ids = post(bench, *[f"b-{n}" for n in range(5)])
    look(bench, gone=ids[:4])
    assert halted(bench) is None
    assert [bench.record(f"b-{n}")["state"] for n in range(5)] == ["vanished"] * 4 + ["posted"]


def test_three_missing_in_one_look_halt_when_the_newest_is_among_them(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(5)])
    look(bench, gone=[*ids[:2], ids[4]])
    assert (halted(bench) or "").startswith("3 records")


def test_single_ones_that_go_one_after_the_other_halt_nothing(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(4)])
    for number in (3, 2, 1):
        look(bench, gone=ids[number:])
        assert halted(bench) is None
    assert [bench.record(f"b-{n}")["state"] for n in range(4)] == ["posted"] + ["vanished"] * 3


def test_a_look_that_was_cut_off_goes_on_counting(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(5)])
    ask(bench, after(bench, hours=1), 2)
    see(bench, ids[3])
    miss(bench, ids[4])
    assert halted(bench) is None
    look(bench, gone=[*ids[1:3], ids[4]])
    assert (halted(bench) or "").startswith("3 records")


def test_what_was_missing_days_ago_does_not_count(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(5)])
    for n in (4, 2, 1):  # no look comes to its end
        ask(bench, after(bench, days=1))
        miss(bench, ids[n])
        assert halted(bench) is None


def resumed(bench: Bench) -> bool:
    with bench.world.store.read() as tx:
        events = [row["event"] for row in journal.lines(tx, COMPANY)]
    assert events.count("halted") == 1
    return halted(bench) is None and alerts(bench, "restored") == [] and "resumed" in events


def test_the_halt_ends_with_the_last_decision(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2", "b-3")
    look(bench, gone=ids)
    decide(bench, "post_again", "b-1", "b-2")
    assert halted(bench) is not None
    decide(bench, "leave_out", "b-3", reason="paid by hand")
    assert resumed(bench)
    assert bench.alerts() == []
    assert line(bench, "b-3", "left_out")["why"] == "paid by hand"
    bench.post_all()
    with bench.outbox.transaction() as desk:
        assert desk.operations.backlog(COMPANY) == 2


def test_the_halt_ends_when_the_newer_file_is_open_again(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2", "b-3", told=True)
    look(bench, gone=ids)
    assert halted(bench) is not None
    look(bench)
    assert resumed(bench)
    assert set(bench.states().values()) == {"closed"}
    assert bench.alerts() == []


def test_once_one_is_back_after_a_halt_all_are_looked_at(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(50)])
    look(bench, gone=ids)
    assert [len(page) for page in look(bench, gone=ids, limit=10)] == [10, 10]
    assert [len(page) for page in look(bench, limit=10)] == [10] * 5
    assert resumed(bench)


# --- a person decides


def test_posted_again_under_the_same_marker_and_told_with_the_new_id(bench: Bench) -> None:
    (old, _) = post(bench, "b-1", "b-2")
    first = bench.record("b-1")["operation_id"]
    look(bench, gone=[old])
    done = decide(bench, "post_again", "b-1", reason="deleted by mistake")
    assert ([row["source_id"] for row in done.moved], done.refused) == (["b-1"], ())
    assert line(bench, "b-1", "post_again") == {"why": "deleted by mistake"}
    assert bench.alerts() == []
    bench.run("bills")
    assert bench.post_all() == 1
    new = receipt(bench, "b-1")["TxnID"]
    assert new != old
    assert states_of(bench, "b-1") == [(old, "replaced"), (new, "there")]
    with bench.world.store.read() as tx:
        operations = tx.rows("operations_of_record", {"record_id": bench.record("b-1")["id"]})
    assert {row["guid"] for row in operations} == {pipeline.guid_of(COMPANY, FLOW, "bills", "b-1", "post")}
    assert operations[0]["id"] == first
    bench.run("bills")
    assert sorted(told(bench)) == sorted([("b-1", new), ("b-2", receipt(bench, "b-2")["TxnID"])])


def test_a_source_that_knows_is_not_told_again(bench: Bench) -> None:
    (old, other) = post(bench, "b-1", "b-2", told=True)
    look(bench, gone=[old])
    decide(bench, "post_again", "b-1")
    bench.run("bills")
    assert bench.post_all() == 1
    assert bench.record("b-1")["state"] == "closed"
    assert line(bench, "b-1", "closed") == {"why": "the source was told when it was posted before"}
    bench.run("bills")
    assert told(bench) == [("b-1", old), ("b-2", other)]


def test_what_no_call_has_told_yet_is_told_with_the_new_id_only(bench: Bench) -> None:
    (old, other) = post(bench, "b-1", "b-2")
    with bench.world.store.write() as tx:
        marks.group(tx, COMPANY, FLOW, bench.world.at(), limit=10)
    look(bench, gone=[old])
    decide(bench, "post_again", "b-1")
    with bench.outbox.transaction() as desk:
        assert desk.operations.refill(COMPANY) == 1
    assert bench.post_all() == 1
    bench.run("bills")
    assert sorted(told(bench)) == sorted([("b-1", receipt(bench, "b-1")["TxnID"]), ("b-2", other)])
    assert set(bench.states().values()) == {"closed"}


def test_what_the_source_says_of_itself_by_then_does_not_keep_it_from_being_posted_again(bench: Bench) -> None:
    (old, _) = post(bench, "b-1", "b-2", told=True)
    look(bench, gone=[old])
    decide(bench, "post_again", "b-1")
    synced = bill("b-1", status="draft")  # to the shop it is no longer a bill to be posted
    bench.shop.listed["bills"] = [bill("b-2")]
    bench.shop.singles["b-1"] = synced
    bench.run("bills")
    assert bench.states()["b-1"] == "intended"
    bench.shop.listed["bills"] = [synced, bill("b-2")]
    bench.run("bills")
    assert bench.states()["b-1"] == "intended"
    assert bench.post_all() == 1


def test_what_was_left_out_stays_out_until_a_person_posts_it(bench: Bench) -> None:
    (old, _) = post(bench, "b-1", "b-2")
    look(bench, gone=[old])
    decide(bench, "leave_out", "b-1")
    assert bench.reasons("b-1") == [("left_out", "it was posted and is gone from the target, and a person left it out")]
    bench.shop.listed["bills"] = [bill("b-1", "120.00"), bill("b-2")]
    bench.run("bills")
    assert bench.states()["b-1"] == "skipped"
    assert bench.record("b-1")["amount"] == "120.00"
    done = decide(bench, "post_again", "b-1")
    assert len(done.moved) == 1
    bench.run("bills")
    assert bench.post_all() == 1
    assert bench.states()["b-1"] == "posted"


def test_only_what_has_vanished_is_decided(bench: Bench) -> None:
    post(bench, "b-1", told=True)
    bench.shop.listed["bills"] = [
        bill("b-1"),
        bill("b-2", status="draft"),
        bill("b-3", vendor={"id": "x", "name": "X"}),
    ]
    bench.run("bills")
    again = decide(bench, "post_again", "b-1", "b-2", "b-3")
    out = decide(bench, "leave_out", "b-2")
    assert again.moved == out.moved == ()
    assert [(row["source_id"], why) for row, why in (*again.refused, *out.refused)] == [
        ("b-1", "it is posted, and the source knows"),
        ("b-2", "it is not to be written"),
        ("b-3", "it was never posted, so it is not gone from the target"),
        ("b-2", "it is not to be written"),
    ]
    with bench.world.store.read() as tx:
        assert worklist.vanished(tx, COMPANY) == []


def test_trying_again_points_to_the_decision(bench: Bench) -> None:
    (old, _) = post(bench, "b-1", "b-2")
    look(bench, gone=[old])
    with bench.world.store.write() as tx:
        done = worklist.retry(tx, hand(bench), [bench.record("b-1")], "")
    ((_, why),) = done.refused
    assert why == (
        "it was posted and is gone from the target; decide with `flowctl reconcile --post-again` or `--leave-out` "
        "(the bill (Grün & Söhne, 100.00 EUR) is no longer in Ledger)"
    )


# --- decided, and then it is there again


@pytest.mark.parametrize("what", ["post_again", "prepared", "leave_out", "deferred"])
@pytest.mark.parametrize("knows", [False, True])
def test_a_decision_is_taken_back_when_it_is_there_again_and_nothing_was_sent(
    bench: Bench, what: str, knows: bool
) -> None:
    (old, _) = post(bench, "b-1", "b-2", told=knows)
    first = bench.record("b-1")["operation_id"]
    look(bench, gone=[old])
    decide(bench, "leave_out" if what == "leave_out" else "post_again", "b-1")
    if what == "prepared":
        bench.run("bills")
        assert bench.states()["b-1"] == "intended"
    if what == "deferred":
        bench.read_lists(vendors=[ListObject("V-8", "Other")])
        bench.run("bills")
        assert bench.states()["b-1"] == "deferred"
    see(bench, old)
    assert bench.record("b-1")["state"] == ("closed" if knows else "posted")
    assert bench.record("b-1")["operation_id"] == first
    assert receipt(bench, "b-1")["TxnID"] == old
    assert bench.post_all() == 0
    assert bench.alerts() == []
    bench.run("bills")
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}
    assert told(bench).count(("b-1", old)) == 1


def test_it_is_there_again_while_it_is_being_posted_once_more(bench: Bench) -> None:
    (old, _) = post(bench, "b-1", "b-2")
    look(bench, gone=[old])
    decide(bench, "post_again", "b-1")
    bench.run("bills")
    made = bench.send()
    assert made is not None
    see(bench, old)
    assert bench.states()["b-1"] == "sent"
    assert alerts(bench, "twice") == [
        (
            f"{FLOW}/bills/N-b-1: the bill (Grün & Söhne, 100.00 EUR) is in Ledger again, while it is being posted once more",
            "when both are there, delete one of them in Ledger",
        )
    ]


def twice(bench: Bench) -> tuple[str, str]:
    """A bill that was posted again, and whose first object is there again."""
    (old, _) = post(bench, "b-1", "b-2", told=True)
    look(bench, gone=[old])
    decide(bench, "post_again", "b-1")
    bench.run("bills")
    bench.post_all()
    new = receipt(bench, "b-1")["TxnID"]
    see(bench, old)
    return old, new


def test_what_is_there_twice_is_left_to_a_person(bench: Bench) -> None:
    old, new = twice(bench)
    see(bench, old)  # it is told once
    assert bench.alerts() == [("twice", f"{FLOW}/bills/b-1", 1)]
    assert alerts(bench, "twice") == [
        (
            f"{FLOW}/bills/N-b-1: the bill (Grün & Söhne, 100.00 EUR) is in Ledger more than once: {old} and {new}",
            "delete all but one of them in Ledger; flowctl finds out by itself which one is left",
        )
    ]
    assert line(bench, "b-1", "twice") == {"target_ids": [old, new]}
    assert bench.record("b-1")["state"] == "closed"
    miss(bench, old)
    assert bench.alerts() == []
    assert receipt(bench, "b-1")["TxnID"] == new
    assert states_of(bench, "b-1") == [(old, "replaced"), (new, "there")]


def test_the_record_goes_by_the_one_that_is_left(bench: Bench) -> None:
    old, new = twice(bench)
    miss(bench, new)
    assert bench.alerts() == []
    assert bench.record("b-1")["state"] == "closed"
    assert receipt(bench, "b-1")["TxnID"] == old
    assert states_of(bench, "b-1") == [(old, "there"), (new, "replaced")]
    miss(bench, old)
    assert bench.record("b-1")["state"] == "vanished"


def posted_twice(bench: Bench) -> tuple[str, str]:
    """A bill that was gone with a backup and was posted again into the older file; the newer file is open."""
    (old,) = post(bench, "b-1")
    look(bench, gone=[old])
    decide(bench, "post_again", "b-1")
    with bench.outbox.transaction() as desk:
        assert desk.operations.refill(COMPANY) == 1
    assert bench.post_all() == 1
    new = receipt(bench, "b-1")["TxnID"]
    assert set(ask(bench, after(bench, hours=1))) == {old, new}
    return old, new


@pytest.mark.parametrize("is_seen_first", [True, False])
@pytest.mark.parametrize("in_call", [True, False])
def test_the_source_is_told_the_id_that_is_there(bench: Bench, *, is_seen_first: bool, in_call: bool) -> None:
    old, new = posted_twice(bench)
    with bench.world.store.write() as tx:
        assert marks.group(tx, COMPANY, FLOW, bench.world.at(), limit=10, most=int(in_call)) == int(in_call)
    steps = (see, old), (miss, new)
    for step, target_id in steps if is_seen_first else reversed(steps):
        step(bench, target_id)
    finish(bench)
    assert receipt(bench, "b-1")["TxnID"] == old
    bench.world.clock.sleep(5400)
    bench.runner.tell(bench.program, COMPANY)
    assert told(bench) == [("b-1", old)]
    assert bench.states() == {"b-1": "closed"}


def test_who_names_the_first_one_again_has_the_source_told_of_it(bench: Bench) -> None:
    old, new = posted_twice(bench)
    miss(bench, old, new)
    finish(bench)
    assert bench.states() == {"b-1": "vanished"}
    with bench.world.store.write() as tx:
        worklist.declare(tx, hand(bench), bench.record("b-1"), old, "it is there")
    bench.runner.tell(bench.program, COMPANY)
    assert told(bench) == [("b-1", old)]


@pytest.mark.parametrize("is_seen_first", [True, False])
def test_what_was_prepared_with_the_newer_id_waits_for_the_one_that_is_there(
    bench: Bench, *, is_seen_first: bool
) -> None:
    old, new = posted_twice(bench)
    bench.shop.listed["bills"] = [bill("b-1", status="paid")]
    bench.run("payments")
    assert bench.states("payments") == {"b-1": "intended"}
    steps = (see, old), (miss, new)
    for step, target_id in steps if is_seen_first else reversed(steps):
        step(bench, target_id)
    assert bench.states("payments") == {"b-1": "pending"}
    bench.run("payments")
    with bench.outbox.transaction() as desk:
        bodies = [operation.body for operation in desk.operations.next(COMPANY, 5)]
    assert [old.encode() in body for body in bodies] == [True]


# --- what was seen there


def sighting(target_id: str, guid: str = "", kind: str = "Bill", **data: str) -> Sighting:
    by = data.get("RefNumber", ""), data.get("TxnDate", "")
    return Sighting(kind, target_id, "5", guid, data, *by, memo=data.get("Memo", ""))


def marker(source_id: str, stream: str = "bills", phase: str = "post") -> str:
    return pipeline.guid_of(COMPANY, FLOW, stream, source_id, phase).strip("{}").lower()


def scan(bench: Bench, *sightings: Sighting, kind: str = "Bill") -> None:
    with bench.outbox.transaction() as desk:
        desk.holdings.sighted(COMPANY, kind, sightings, scanned_at=bench.world.clock.now())


def sightings(bench: Bench) -> list[str]:
    return [row[0] for row in stores.raw(bench.world.store, "SELECT target_id FROM sightings ORDER BY target_id")]


def test_when_a_kind_was_looked_through_is_remembered(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        assert desk.holdings.scanned_at(COMPANY, "Bill") is None
        desk.holdings.sighted(COMPANY, "Bill", [sighting("T-1")])
        assert desk.holdings.scanned_at(COMPANY, "Bill") is None
        begun = bench.world.clock.now() - timedelta(minutes=3)
        desk.holdings.sighted(COMPANY, "Bill", [], scanned_at=begun)
        assert desk.holdings.scanned_at(COMPANY, "Bill") == begun
        assert desk.holdings.scanned_at(COMPANY, "Check") is None
        assert desk.holdings.scanned_at("zeta", "Bill") is None


def test_sightings_are_kept_until_they_are_old_and_never_of_what_is_held(bench: Bench) -> None:
    (held,) = post(bench, "b-1")
    scan(bench, sighting("T-1"), sighting(held))
    scan(bench, sighting("T-2", kind="Check"), kind="Check")
    assert sightings(bench) == ["T-1", "T-2"]
    after(bench, days=119)
    scan(bench, sighting("T-3"))
    after(bench, days=2)
    scan(bench, sighting("T-4"))
    assert sightings(bench) == ["T-2", "T-3", "T-4"]


def test_candidates_carry_the_marker_or_none(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 1)
        numbered = {"reference": "9", "dated_on": "2026-03-01"}
        assert desk.holdings.candidates(COMPANY, operation, **numbered) == ()
        other = "0b54bc7c-9f3d-4c0e-8a0a-1d2e3f4a5b6c"
        seen = [
            sighting("T-1", RefNumber="9"), sighting("T-2", marker("b-1")), sighting("T-3", other, RefNumber="9"),
            sighting("T-4", kind="Check", RefNumber="9"), sighting("T-5", marker("b-1"), kind="Check"),
            sighting("T-6", RefNumber="8", TxnDate="2026-03-01"),
        ]  # fmt: skip
        desk.holdings.sighted(COMPANY, "Bill", seen)
        seen = [replace(item, seen_at=bench.world.at()) for item in seen]
        assert desk.holdings.candidates(COMPANY, operation, **numbered) == (seen[1], seen[4], seen[0], seen[2])
        assert desk.holdings.candidates(COMPANY, operation) == (seen[1], seen[4])
        # Without a number, everything of its date could be it.
        assert desk.holdings.candidates(COMPANY, operation, dated_on="2026-03-01") == (
            seen[1], seen[4], seen[5],
        )  # fmt: skip
        modify = replace(operation, request="BillMod", target_id="T-9")
        assert desk.holdings.candidates(COMPANY, modify, **numbered) == ()
        assert desk.holdings.candidates("zeta", operation, **numbered) == ()


def test_a_candidate_without_a_marker_is_known_by_a_memo_that_names_the_record(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 1)
        seen = [
            sighting("T-1", RefNumber="HAND-1", TxnDate="2026-03-02", Memo="Ramp bill B-1"),
            sighting("T-2", RefNumber="9", Memo="Ramp bill B-1"),
            sighting("T-3", RefNumber="8", Memo="Ramp"),
            sighting("T-4", marker("b-2"), RefNumber="8", Memo="Ramp bill B-1"),
            sighting("T-5", kind="Check", RefNumber="8", Memo="Ramp bill B-1"),
        ]
        desk.holdings.sighted(COMPANY, "Bill", seen)

        def found(**by: str) -> list[str]:
            return [item.target_id for item in desk.holdings.candidates(COMPANY, operation, **by)]

        assert found(reference="9", dated_on="2026-03-01") == ["T-2"]
        assert found(reference="9", dated_on="2026-03-01", memo="Ramp bill B-1") == ["T-2", "T-1"]
        assert found(memo="Ramp bill B-1") == ["T-1", "T-2"]
        assert found(memo="Ramp") == []


def test_a_candidate_is_concluded_without_being_sent(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    scan(bench, sighting("T-7", marker("b-1")))
    assert bench.states() == {"b-1": "intended"}  # it is compared before it is sent
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 1)
        found = OperationOutcome(operation.id, "posted", {"TxnID": "T-7", "EditSequence": "5"})
        desk.unsent.conclude(COMPANY, found, b"<answer/>")
        assert desk.operations.next(COMPANY, 1) == ()
    assert bench.states() == {"b-1": "posted"}
    detail = line(bench, "b-1", "posted")
    assert (detail["sent"], detail["operation"], detail["receipt"]["TxnID"]) == (False, operation.id, "T-7")
    assert states_of(bench, "b-1") == [("T-7", "there")]
    assert sightings(bench) == []
    bench.run("bills")
    assert told(bench) == [("b-1", "T-7")]


def test_what_a_person_did_not_find_is_not_held_for_its_looks_again(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    scan(bench, sighting("T-1", RefNumber="9"))
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 1)
        desk.unsent.conclude(COMPANY, OperationOutcome(operation.id, "held", message="T-1 looks like it"), b"")
    assert bench.states() == {"b-1": "unknown"}
    with bench.world.store.write() as tx:
        worklist.declare(tx, hand(bench), bench.record("b-1"), None, "another bill")
    bench.run("bills")
    scan(bench, sighting("T-2", marker("b-1")))
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 1)
        assert [s.target_id for s in desk.holdings.candidates(COMPANY, operation, reference="9")] == ["T-2"]


# --- what an earlier life wrote


def test_what_waits_for_something_is_found_posted_and_told(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(vendor={"id": "x", "name": "X"})]
    bench.run("bills")
    bench.run("payments")
    assert bench.states() == {"b-1": "deferred"}
    assert bench.alerts() != []
    scan(bench, sighting("T-7", marker("b-1"), TxnID="T-7", RefNumber="N-b-1"))
    assert bench.states() == {"b-1": "posted"}
    assert receipt(bench, "b-1") == {"TxnID": "T-7", "RefNumber": "N-b-1"}
    assert bench.alerts() == []
    assert sightings(bench) == []
    assert line(bench, "b-1", "found") == {
        "target_id": "T-7", "kind": "Bill", "receipt": receipt(bench, "b-1"), "amount": "100.00",
        "why": "it carries the record's marker: an earlier life of this store wrote it",
    }  # fmt: skip
    with bench.outbox.transaction() as desk:
        assert desk.holdings.of(COMPANY, ["T-7"]) == (Holding("T-7", "Bill", 1, "5"),)
    bench.run("bills")
    assert told(bench) == [("b-1", "T-7")]
    assert bench.states() == {"b-1": "closed"}


def test_what_was_found_is_told_with_what_the_source_hears_beside_the_reference_once_that_is_known() -> None:
    """Ramp wants the vendor of a card transaction; when that was found, its vendor may not have been known again yet."""
    beside = kit.YAML.replace(
        "as: BILL, ", "as: BILL, with: {vendor_id: vendor.list_id, vendor_name: vendor.full_name}, "
    )
    with kit.bench(beside) as bench:
        bench.shop.listed["bills"] = [bill(vendor={"id": "x", "name": "X"})]
        bench.run("bills")
        scan(bench, sighting("T-7", marker("b-1"), TxnID="T-7", RefNumber="N-b-1"))
        assert bench.states() == {"b-1": "posted"}
        with bench.world.store.write() as tx:
            row = lists.Mapping(FLOW, "vendor", "x", VENDORS[0].full_name, VENDORS[0].list_id)
            follow.map_value(tx, hand(bench), bench.program.flow, row)
        bench.run("bills")
        ((marked,),) = [call.posted for call in bench.shop.calls if call.posted]
        assert dict(marked.details) == {"vendor_id": VENDORS[0].list_id, "vendor_name": VENDORS[0].full_name}


def test_what_failed_is_found_posted(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "held", code="3000", message="refused"))
    assert bench.states() == {"b-1": "failed"}
    scan(bench, sighting("T-7", marker("b-1")))
    assert bench.states() == {"b-1": "posted"}
    with bench.world.store.read() as tx:
        operation = tx.one("operation_get", {"id": made.operations[0].id})
    assert operation is not None
    assert operation["state"] == "cancelled"
    assert bench.alerts() == []


@pytest.mark.parametrize(("when", "amount", "told"), [("", "80.00", []), (", for: first", "100.00", ["edited"])])
def test_what_was_not_to_be_posted_yet_when_it_was_read_last_is_found_with_its_amount(
    when: str, amount: str, told: list[str]
) -> None:
    """A bill that was not paid yet has another amount than its payment; what only waited to be ready has its own."""
    text = kit.YAML.replace(
        "{only: \"status != 'draft'\", say: the bill is a draft}",
        f"{{only: \"status != 'draft'\", say: it is a draft{when}}}",
    )
    assert text != kit.YAML
    with kit.bench(text) as bench:
        bench.shop.listed["bills"] = [bill(status="draft")]
        bench.run("bills")
        assert bench.states() == {"b-1": "skipped"}
        there = sighting("T-7", marker("b-1"), TxnID="T-7", TxnDate="2026-03-09")
        scan(bench, replace(there, total=Decimal("80.00")))
        assert bench.states() == {"b-1": "closed"}
        assert (bench.record("b-1")["amount"], line(bench, "b-1", "found")["amount"]) == (amount, amount)
        assert [kind for kind, _, _ in bench.alerts()] == told


def test_what_is_skipped_is_closed_at_once_and_nobody_is_told(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(status="draft")]
    bench.run("bills")
    scan(bench, sighting("T-7", marker("b-1")))
    assert bench.states() == {"b-1": "closed"}
    bench.run("bills")
    assert told(bench) == []


def test_what_is_pending_is_found_posted_and_its_object_is_linked() -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["vendors"] = [vendor()]
        bench.run("vendors")
        assert bench.states("vendors") == {"v-9": "pending"}
        found = sighting("V-77", marker("v-9", "vendors"), "Vendor", ListID="V-77", Name="New Vendor")
        scan(bench, found, kind="Vendor")
        assert bench.states("vendors") == {"v-9": "closed"}
        scope = {"company": COMPANY, "flow": FLOW, "lookup": "vendor", "source_key": "v-9"}
        with bench.world.store.read() as tx:
            mapping = tx.one("mapping_get", scope)
        assert mapping is not None
        assert (mapping["list_id"], mapping["full_name"], mapping["origin"]) == ("V-77", "New Vendor", "created")


def test_a_mapping_that_is_there_stays_when_the_object_is_found(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor("v-1", "Grün & Söhne")]
    bench.run("vendors")
    assert bench.reasons("v-1", "vendors") == [("adopted", "`Grün & Söhne` is there already")]
    scan(bench, sighting("V-77", marker("v-1", "vendors"), "Vendor"), kind="Vendor")
    assert bench.states("vendors") == {"v-1": "closed"}
    scope = {"company": COMPANY, "flow": FLOW, "lookup": "vendor", "source_key": "v-1"}
    with bench.world.store.read() as tx:
        mapping = tx.one("mapping_get", scope)
    assert mapping is not None
    assert (mapping["list_id"], mapping["origin"]) == ("V-1", "adopted")
    assert json.loads(bench.record("v-1", "vendors")["receipt"]) == {"ListID": "V-77"}


def test_what_a_person_was_to_look_for_is_found(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "held", message="perhaps"))
    assert bench.states() == {"b-1": "unknown"}
    scan(bench, sighting("T-7", marker("b-1")), sighting("T-8", marker("b-1")))
    assert bench.states() == {"b-1": "unknown"}  # which of the two, a person says
    with bench.world.store.write() as tx:
        tx.run("sighting_drop", {"company": COMPANY, "target_id": "T-8"})
    scan(bench)
    assert bench.states() == {"b-1": "posted"}
    assert receipt(bench, "b-1") == {"TxnID": "T-7"}
    assert bench.alerts() == []


def test_what_has_vanished_is_found_under_another_id(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    look(bench, gone=ids)
    assert halted(bench) is not None
    scan(bench, sighting("T-7", marker("b-1")), sighting("T-8", marker("b-2")))
    assert set(bench.states().values()) == {"posted"}
    assert halted(bench) is None
    assert bench.alerts() == []
    assert states_of(bench, "b-1") == [(ids[0], "replaced"), ("T-7", "there")]
    bench.run("bills")
    assert sorted(told(bench)) == [("b-1", "T-7"), ("b-2", "T-8")]


@pytest.mark.parametrize("state", ["intended", "sent"])
def test_what_waits_or_is_under_way_is_left_alone(bench: Bench, state: str) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    made = bench.send() if state == "sent" else None
    scan(bench, sighting("T-7", marker("b-1")))
    scan(bench)
    assert bench.states() == {"b-1": state}
    assert sightings(bench) == ["T-7"]
    if made is not None:
        bench.settle(made)
        scan(bench)
        assert sightings(bench) == []
        assert [kind for kind, _, _ in bench.alerts()] == ["twice"]


def test_a_second_object_with_the_marker_is_told(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    scan(bench, sighting("T-7", marker("b-1")))
    assert [message for message, _ in alerts(bench, "twice")] == [
        f"{FLOW}/bills/N-b-1: the bill (Grün & Söhne, 100.00 EUR) is in Ledger more than once: {txn_id} and T-7"
    ]
    assert states_of(bench, "b-1") == [(txn_id, "there"), ("T-7", "there")]
    scan(bench, sighting("T-7", marker("b-1")))
    assert [times for _, _, times in bench.alerts()] == [1]
    miss(bench, "T-7")
    assert bench.alerts() == []
    assert bench.record("b-1")["state"] == "posted"


def test_two_objects_with_the_marker_of_one_record(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(status="draft")]
    bench.run("bills")
    scan(bench, sighting("T-7", marker("b-1")), sighting("T-8", marker("b-1")))
    assert bench.states() == {"b-1": "closed"}
    assert states_of(bench, "b-1") == [("T-7", "there"), ("T-8", "there")]
    assert [kind for kind, _, _ in bench.alerts()] == ["twice"]


def test_a_record_that_is_read_after_its_object_was_seen_is_found_all_the_same(bench: Bench) -> None:
    foreign = "0b54bc7c-9f3d-5c0e-8a0a-1d2e3f4a5b6c"
    scan(bench, sighting("T-7", marker("b-1")), sighting("T-8", foreign), sighting("T-9", foreign.replace("5c", "4c")))
    query = "SELECT target_id, record_id FROM sightings ORDER BY target_id"
    assert stores.raw(bench.world.store, query) == [("T-7", 0), ("T-8", 0), ("T-9", -1)]
    bench.shop.listed["bills"] = [bill("b-0"), bill(status="draft")]
    bench.run("bills")
    scan(bench)
    assert bench.states() == {"b-0": "intended", "b-1": "closed"}
    assert sightings(bench) == ["T-8", "T-9"]
    with bench.world.store.read() as tx:
        assert facts.recall(tx, COMPANY, "reclaim") == {"after": 4}


def test_the_records_of_a_flow_that_runs_elsewhere_are_left_to_it(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(status="draft")]
    bench.run("bills")
    with replace(bench.outbox, programs={}).transaction() as desk:
        desk.holdings.sighted(COMPANY, "Bill", [sighting("T-7", marker("b-1"))], scanned_at=bench.world.clock.now())
    assert bench.states() == {"b-1": "skipped"}
    scan(bench)
    assert bench.states() == {"b-1": "closed"}


# --- a million of them


def plan(bench: Bench, name: str, params: Mapping[str, object]) -> list[str]:
    store = bench.world.store
    assert isinstance(store, SqliteStore)
    return [row["detail"] for row in store.connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", params)]


@pytest.mark.only_sqlite("its plans are looked at")
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("holdings_newest", {"state": "there", "also": "gone", "limit": 20}),
        ("holdings_longest_ago", {"state": "there", "since": "a", "until": "b", "seq": 1, "limit": 20}),
        ("holdings_in_turn", {"state": "there", "limit": 20}),
        ("holdings_of_ids", {"target_ids": "[]"}),
        ("holdings_any", {}),
        ("holding_modified", {"operation_id": "", "edit_sequence": "", "target_id": "", "at": ""}),
        ("holdings_replace", {"record_id": 1, "target_id": "", "at": ""}),
        ("vanished_first", {}),
        ("vanished_amounts", {}),
        ("holdings_looked_ahead", {"latest": ""}),
        ("holdings_away", {"file": ""}),
        ("holdings_home", {"file": ""}),
        ("records_waiting_with", {"flow": "", "stream": "", "text": ""}),
        ("record_keys", {"flow": "", "stream": "", "source_id": "", "phase": "", "limit": 1}),
        ("sightings_marked_as", {"guid": ""}),
        ("sightings_numbered", {"kind": "", "value": ""}),
        ("sightings_dated", {"kind": "", "value": ""}),
        ("sightings_strange_numbered", {"kind": "", "value": ""}),
        ("sightings_strange_dated", {"kind": "", "value": ""}),
        ("sightings_strange_noted", {"kind": "", "value": ""}),
        ("sightings_unlooked", {}),
        ("sightings_in_vain", {}),
        ("sightings_found", {}),
    ],
)
def test_an_index_answers(bench: Bench, name: str, more: Mapping[str, object]) -> None:
    steps = [step for step in plan(bench, name, {"company": COMPANY, **more}) if "json_each" not in step]
    assert not any(step.startswith("SCAN") for step in steps), steps
    assert any(step.startswith("SEARCH") for step in steps), steps
    if name in ("holdings_newest", "holdings_longest_ago", "holdings_in_turn", "record_keys"):
        assert not any("B-TREE" in step for step in steps), steps
    if name == "record_keys":
        assert all("COVERING INDEX" in step for step in steps), steps
    if name == "holdings_of_ids":
        assert "(company=? AND target_id=?)" in steps[0], steps


def test_the_moments_are_text_that_sorts(bench: Bench) -> None:
    finish(bench)
    with bench.world.store.read() as tx:
        assert facts.recall(tx, COMPANY, "check") == {"at": iso(bench.world.clock.now())}
