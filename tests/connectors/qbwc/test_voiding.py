"""A payment that the source voids is voided in QuickBooks: once, whatever answers are lost, and never over a person's edit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connectors.qbwc import figures, probe, survey, voiding, written
from connectors.qbwc.merge import Ready
from connectors.qbwc.simulator import user_deletes, user_edits
from connectors.qbwc.simulator.company import close_books, restore, user_recodes
from connectors.qbwc.simulator.model import Txn
from connectors.qbwc.simulator.txns import put_void
from engine.contract import Json, Operation, OperationOutcome
from engine.evidence import Figures
from engine.follow import Hand
from engine.lookups import Resolver
from engine.operator import worklist
from engine.program import compile_flow
from engine.qbxml.response import Response, parse_response
from engine.store import holdings as kept
from engine.store import journal, records
from engine.store.base import Row
from tests.connectors.qbwc.rig import Rig
from tests.connectors.qbwc.rig import bill as bill_of
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, FLOW

PAYMENTS = """
  payments:
    after: [bills]
    fetch: {from: shop, stream: payments}
    key: id
    about: {amount: money(amount), currency: currency, party: vendor, reference: id, date: date(date)}
    select:
      - {only: "status != 'VOID'", say: the payment is voided}
    map:
      vendor: lookup('vendor', null, vendor)
      ap_account: lookup('account', null, 'Accounts Payable')
      bank_account: lookup('account', null, 'Checking')
      date: date(date)
      reference: id
      memo: "join_nonempty(' ', ['Payment', id])"
      bills: "bills[].{txn_id: posted('bills', id).TxnID, amount: money(amount), credits: `[]`}"
    write:
      to: ledger
      request: BillPaymentCheckAdd
      template: bills_payment_check_add.xml.j2
      undo:
        when: setting('voided_payments') == 'void' && status == 'VOID'
        request: TxnVoid
        template: txn_void.xml.j2
"""
TEXT = (
    kit.YAML[: kit.YAML.index("  payments:\n")].replace(
        "write: {to: ledger, request: BillAdd, template: bill_add.xml.j2}",
        "write: {to: ledger, request: BillAdd, template: bill_add.xml.j2, undo: "
        "{when: status == 'dead', request: TxnVoid, template: txn_void.xml.j2}}",
    )
    + PAYMENTS.lstrip("\n")
).replace(
    "  with_payments: {type: boolean, default: true, help: Post payments}\n",
    "  voided_payments: {type: choice, options: [report, void], default: void, help: What becomes of them}\n",
)
HAND = Hand(COMPANY, AT, "test")


def payment(source_id: str = "p-1", amount: str = "100.00", status: str = "PAID", bill: str = "b-1") -> Json:
    paid = [{"id": bill, "amount": amount}]
    more = {"currency": "USD", "vendor": "Acme Supply", "date": "2026-03-01", "bills": paid}
    return {"id": source_id, "amount": amount, "status": status, **more}


class Books(Rig):
    """A company file that our flow has posted a bill and its payment into; `netted` is one that used a credit."""

    netted: Json

    def read(self, *payments: Json) -> None:
        """The source lists these payments, and they are read."""
        self.bench.shop.listed["payments"] = list(payments)
        self.bench.run("payments")

    def voided(self) -> None:
        """The source voids the payment."""
        self.read(payment(status="VOID"))

    def settle(self, sessions: int = 8) -> None:
        """Sessions until one sends nothing more than it must, each after a while."""
        for _ in range(sessions):
            self.session()
            self.bench.world.clock.sleep(3700)

    @property
    def check(self) -> Txn:
        """Our payment in QuickBooks."""
        (found,) = self.company.txns("BillPaymentCheck")
        return found

    def record(self, source_id: str = "p-1", stream: str = "payments") -> Row:
        return self.bench.record(source_id, stream)

    def change(self, source_id: str = "p-1", stream: str = "payments") -> Row:
        """The newest change of a record."""
        with self.bench.world.store.read() as tx:
            found = records.newest_change(tx, self.record(source_id, stream))
        assert found is not None
        return found

    def voids(self) -> list[str]:
        """Every void that was sent, as bytes."""
        return [found for document in self.sent for found in re.findall(r"<TxnVoidRq.*?</TxnVoidRq>", document)]

    def lines(self) -> list[tuple[str, Any]]:
        """What the journal says of the change that voided, and how."""
        with self.bench.world.store.read() as tx:
            found = journal.of_record(tx, self.change()["id"])
        return [(line["event"], json.loads(line["detail"]).get("voided")) for line in found]

    def reasons(self, row: Row) -> list[tuple[str, str]]:
        return [(reason.code, reason.message) for reason in records.load_reasons(row)]


@pytest.fixture
def books() -> Iterator[Books]:
    with kit.bench(TEXT, lists=False) as bench:
        made = Books(bench)
        made.prepare(bill_of())
        made.read(payment())
        made.settle(3)
        assert made.record()["state"] == "closed"
        assert made.bench.alerts() == []
        made.sent.clear()
        yield made
        with bench.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def is_undone(books: Books, by: str = "here") -> None:
    """The payment is void in QuickBooks, and everything of ours says so."""
    check = books.check
    assert (check.amount, check.values["Memo"], check.void) == (Decimal("0.00"), "VOID: Payment p-1", True)
    assert books.company.open_amount(next(books.company.txns("Bill"))) == Decimal("100.00")
    record = books.record()
    assert (record["state"], record["amount"], record["drifted"], record["newest"]) == ("closed", "0.00", 0, None)
    assert json.loads(record["receipt"])["voided"] == by
    who = "it was voided there" if by == "here" else "a person had voided it there"
    assert books.reasons(record) == [("voided", f"the source has voided it, and {who}")]
    assert (books.change()["phase"], books.change()["state"]) == ("post+1", "closed")
    assert books.bench.alerts() == []


# --- it is voided


def test_what_the_source_voids_is_voided(books: Books) -> None:
    before = books.check
    books.voided()
    assert (books.change()["state"], books.record()["state"]) == ("intended", "closed")
    books.session()
    is_undone(books)
    (sent,) = books.voids()
    assert sent == (
        f'<TxnVoidRq requestID="{books.change()["operation_id"]}"><TxnVoidType>BillPaymentCheck</TxnVoidType>'
        f"<TxnID>{before.txn_id}</TxnID></TxnVoidRq>"
    )
    assert (books.check.guid, books.check.txn_id) == (before.guid, before.txn_id)
    assert books.check.edit_sequence > before.edit_sequence
    assert books.lines() == [("read", None), ("sent", None), ("posted", "here"), ("closed", None)]
    with books.bench.world.store.read() as tx:
        posted = next(line for line in journal.of_record(tx, books.change()["id"]) if line["event"] == "posted")
    told = json.loads(posted["detail"])
    assert (told["amount"], told["total"], told["changes"]) == ("-100.00", "0.00", books.record()["id"])
    # Nothing follows: neither the source's next listing, nor any look at the books.
    books.sent.clear()
    books.bench.run("payments")
    books.settle(4)
    is_undone(books)
    assert books.voids() == []


def test_the_object_is_read_right_before(books: Books) -> None:
    books.voided()
    kinds: list[str] = []

    def noting(kind: str, document: str) -> str:
        kinds.append(kind)
        return books.quickbooks.process(document)

    books.hook = noting
    books.session()
    assert kinds[-2:] == ["merge", "write"]


@pytest.mark.parametrize("after", [False, True], ids=["before it ran", "after it ran"])
@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("stored", [False, True], ids=["no answer kept", "answer kept"])
def test_lost_answers_void_once(books: Books, index: int, *, after: bool, stored: bool) -> None:
    if not stored:
        books.company.behaviour = replace(books.company.behaviour, store_loss=1.0)
    books.voided()
    calls, ran = 0, 0

    def losing(_: str, document: str) -> str | None:
        nonlocal calls, ran
        calls += 1
        lost = calls == index + 1
        before = books.check.void
        answer = books.quickbooks.process(document) if after or not lost else None
        ran += books.check.void and not before
        return None if lost else answer

    books.hook = losing
    books.settle(5)
    is_undone(books)
    assert (ran, len(set(books.voids()))) == (1, 1)


@pytest.mark.parametrize("answer", ["", "<no xml", '<?xml version="1.0" ?><QBXML><QBXMLMsgsRs/></QBXML>'])
def test_an_answer_that_says_nothing_is_looked_into(books: Books, answer: str) -> None:
    books.voided()
    books.hook = lambda kind, document: (books.quickbooks.process(document), answer)[kind == "write"]
    books.session()
    books.hook = lambda _, document: books.quickbooks.process(document)
    books.settle(3)
    assert books.check.void
    assert json.loads(books.record()["receipt"])["voided"] == "here"


def test_a_store_that_was_put_back_voids_nothing_twice(books: Books) -> None:
    books.voided()
    image = books.image()
    books.session()
    edit_sequence = books.check.edit_sequence
    books.restore(image)
    books.settle(3)
    is_undone(books, "there")
    assert books.check.edit_sequence == edit_sequence
    assert len(books.voids()) == 1


def test_a_store_from_before_the_payment_knows_the_voided_one_again() -> None:
    with kit.bench(TEXT, lists=False) as bench:
        books = Books(bench)
        books.prepare(bill_of())
        books.settle(2)
        image = books.image()
        books.read(payment())
        books.settle(2)
        books.voided()
        books.settle(2)
        is_undone(books)
        books.restore(image)
        # Whatever is written next looks at what is there; payments are looked through for one of them.
        books.read(payment(status="VOID"), payment("p-2"))
        books.settle(3)
        record = books.record()
        assert (record["state"], json.loads(record["receipt"])["voided"]) == ("closed", "here")
        assert books.record("p-2")["state"] == "closed"
        assert books.bench.alerts() == []


# --- and never over a person


def bank(books: Books) -> str:
    return next(a.list_id for a in books.company.items("Account") if a.full_name == "Savings")


def redrawn(books: Books) -> None:
    check = books.check
    refs = {**check.refs, "BankAccountRef": bank(books)}
    books.company.put_txn(replace(check, refs=refs, edit_sequence=check.edit_sequence + 1))


def unapplied(books: Books) -> None:
    check = books.check
    books.company.put_txn(replace(check, applied=(), edit_sequence=check.edit_sequence + 1))


def repaid(books: Books) -> None:
    check = books.check
    applied = (replace(check.applied[0], amount=Decimal("60.00")),)
    books.company.put_txn(replace(check, amount=Decimal("60.00"), applied=applied))


EDITS: dict[str, tuple[Callable[[Books], object], str]] = {
    "amount": (repaid, "amount 60.00 there, 100.00 here; bills `N-b-1 60.00` there, `N-b-1 100.00` here"),
    "date": (
        lambda books: user_recodes(books.company, books.check.txn_id, dated_on=date(2026, 3, 4)),
        "date `2026-03-04` there, `2026-03-01` here",
    ),
    "bank": (redrawn, "account `Savings` there, `another one` here"),
    "bills": (unapplied, "bills nothing there, `{bill} 100.00` here"),
    "number": (
        lambda books: user_edits(books.company, books.check.txn_id, reference="1001"),
        "number `1001` there, `p-1` here",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_a_person_edited_is_left_to_a_person(books: Books, name: str) -> None:
    edit, told = EDITS[name]
    (the_bill,) = books.company.txns("Bill")
    edit(books)
    there = books.check
    books.voided()
    books.settle(3)
    assert (books.check, books.voids()) == (there, [])
    change = books.change()
    said = told.replace("{bill}", the_bill.txn_id)
    assert books.reasons(change) == [
        ("edited_there", f"the source has voided it, and it was changed in QuickBooks since it was posted: {said}")
    ]
    assert not records.is_voided(books.record())
    assert ("deferred", f"{FLOW}/payments/p-1", 1) in books.bench.alerts()
    # The person voids it there, and the record is tried again.
    put_void(books.company, books.check)
    with books.bench.world.store.write() as tx:
        assert worklist.retry(tx, HAND, [change], "").moved
    books.settle(2)
    record = books.record()
    assert (records.is_voided(record), json.loads(record["receipt"])["voided"]) == (True, "there")
    assert books.voids() == []
    assert books.bench.alerts() == []


def test_a_change_that_a_person_left_out_stays_out(books: Books) -> None:
    user_edits(books.company, books.check.txn_id, reference="1001")
    books.voided()
    books.settle(2)
    with books.bench.world.store.write() as tx:
        assert worklist.leave_out(tx, HAND, [books.change()], "").moved
    books.read({**payment(status="VOID"), "note": "x"})
    books.settle(2)
    assert (books.change()["state"], books.voids()) == ("skipped", [])


def test_an_edit_between_the_lost_answer_and_the_look_is_not_voided(books: Books) -> None:
    books.voided()

    def losing(kind: str, document: str) -> str | None:
        return None if kind == "write" else books.quickbooks.process(document)

    books.hook = losing
    books.session()
    user_edits(books.company, books.check.txn_id, reference="1001")
    books.hook = lambda _, document: books.quickbooks.process(document)
    books.settle(4)
    assert not books.check.void
    assert books.change()["state"] == "deferred"
    assert [code for code, _ in books.reasons(books.change())] == ["edited_there"]


def test_what_a_person_voided_counts_as_done(books: Books) -> None:
    put_void(books.company, books.check)
    books.settle(2)
    # It is told as an edit until the source says the same.
    assert [kind for kind, _, _ in books.bench.alerts()] == ["edited"]
    books.voided()
    books.settle(2)
    is_undone(books, "there")
    assert books.voids() == []
    assert books.lines()[-2:] == [("posted", "there"), ("closed", None)]


def test_what_is_gone_is_decided_as_ever(books: Books) -> None:
    user_deletes(books.company, books.check.txn_id)
    books.voided()
    books.settle(2)
    assert books.record()["state"] == "vanished"
    assert sorted(kind for kind, _, _ in books.bench.alerts()) == ["deferred", "vanished"]
    assert [code for code, _ in books.reasons(books.change())] == ["gone_there"]
    with books.bench.world.store.write() as tx:
        assert worklist.post_again(tx, HAND, [books.record()], "").moved
    books.settle(2)
    # What the source has voided is not posted in order to be voided.
    assert (books.record()["state"], books.count("BillPaymentCheck")) == ("skipped", 0)
    assert books.reasons(books.record()) == [("undone", "the source has voided it already")]
    assert books.bench.alerts() == []


# --- what QuickBooks refuses


def test_a_closed_period_is_waited_for(books: Books) -> None:
    close_books(books.company, date(2026, 3, 1))
    books.voided()
    books.settle(2)
    assert (books.change()["state"], books.check.void) == ("deferred", False)
    with books.bench.world.store.read() as tx:
        waiting = tx.rows("waits_on", {"company": COMPANY, "wait_key": "period"})
    assert [row["id"] for row in waiting] == [books.change()["id"]]
    close_books(books.company, None)
    with books.bench.outbox.transaction() as desk:
        desk.books.opened(COMPANY)
    books.settle(2)
    is_undone(books)


def answering(books: Books, code: int, message: str = "no") -> None:
    def hook(kind: str, document: str) -> str:
        if kind != "write":
            return books.quickbooks.process(document)
        (name,) = re.findall(r'<TxnVoidRq requestID="(\w+)"', document)
        (set_id,) = re.findall(r'newMessageSetID="(\w+)"', document)
        inner = f'<TxnVoidRs requestID="{name}" statusCode="{code}" statusSeverity="Error" statusMessage="{message}"/>'
        return f'<QBXML><QBXMLMsgsRs newMessageSetID="{set_id}" messageSetStatusCode="0">{inner}</QBXMLMsgsRs></QBXML>'

    books.hook = hook


@pytest.mark.parametrize(
    ("code", "message", "state", "reason"),
    [
        (3120, "Object 1 specified in the request cannot be found.", "intended", "retry"),
        (3170, "could not be locked; in use by another user", "intended", "retry"),
        (3171, "on or before the closing date", "deferred", "3171"),
        (3175, "locked", "intended", "retry"),
        (3176, "locked", "intended", "retry"),
        (3180, "The transaction is already void.", "intended", "retry"),
        (3200, "out-of-date", "intended", "retry"),
        (3161, "it cannot be voided", "failed", "3161"),
        (3180, "it cannot be voided", "failed", "3180"),
        (4242, "new", "failed", "4242"),
    ],
)
def test_what_quickbooks_says_of_a_void(books: Books, code: int, message: str, state: str, reason: str) -> None:
    books.voided()
    answering(books, code, message)
    state_of = books.session()
    assert state_of.ended
    change = books.change()
    # One that is out of date twice in a session is left alone until something is read anew.
    expected = {3200: ("deferred", "3200")}.get(code, (state, reason))
    assert (change["state"], records.load_reasons(change)[0].code) == expected
    assert not records.is_voided(books.record())


@pytest.mark.parametrize("again", ["harmless", "refused"])
def test_a_person_who_voids_it_between_the_look_and_the_void(books: Books, again: Any) -> None:
    books.company.behaviour = replace(books.company.behaviour, void_again=again)
    books.voided()

    def hook(kind: str, document: str) -> str:
        if kind == "write" and not books.check.void:
            put_void(books.company, books.check)
        return books.quickbooks.process(document)

    books.hook = hook
    books.settle(3)
    is_undone(books, "here" if again == "harmless" else "there")


# --- afterwards


def test_a_voided_payment_is_of_no_use_to_others_and_its_bill_can_be_paid_again(books: Books) -> None:
    books.voided()
    books.settle(1)
    with books.bench.world.store.read() as tx:
        receipt, reason = Resolver(tx, COMPANY, books.bench.program.flow, {}).receipt("payments", "p-1")
    assert receipt is None
    assert reason is not None
    assert (reason.code, reason.message) == ("voided", "payments/p-1 was posted and is voided in ledger")
    books.read(payment(status="VOID"), payment("p-2"))
    books.settle(2)
    assert books.record("p-2")["state"] == "closed"
    assert [txn.amount for txn in books.company.txns("BillPaymentCheck")] == [Decimal("0.00"), Decimal("100.00")]
    assert books.company.open_amount(next(books.company.txns("Bill"))) == Decimal("0.00")
    assert books.bench.alerts() == []


def test_a_source_that_takes_it_back_is_reported_and_nothing_is_posted(books: Books) -> None:
    books.voided()
    books.settle(1)
    books.read(payment())
    books.settle(2)
    assert (books.check.void, books.record()["state"], books.record()["drifted"]) == (True, "closed", 1)
    assert books.bench.alerts() == [("drifted", f"{FLOW}/payments/p-1", 1)]
    (told,) = books.alerts()
    assert told == (
        f"{FLOW}/payments/p-1: the source no longer says that it is void, and what was posted is voided in the target; "
        "it is not posted again"
    )
    books.voided()
    is_undone(books)


def test_what_is_taken_back_while_the_void_waits_is_not_voided(books: Books) -> None:
    books.voided()
    books.read(payment())
    books.settle(2)
    assert (books.check.void, books.change()["state"], books.voids()) == (False, "skipped", [])
    assert books.reasons(books.change()) == [("taken_back", "the source says again what is posted")]
    assert books.bench.alerts() == []


def test_what_is_taken_back_while_the_void_is_under_way_is_reported(books: Books) -> None:
    books.voided()
    books.hook = lambda kind, document: (books.quickbooks.process(document), None)[kind == "write"]
    books.session()
    books.read(payment())
    books.hook = lambda _, document: books.quickbooks.process(document)
    books.settle(3)
    assert books.check.void
    assert records.is_voided(books.record())
    assert [kind for kind, _, _ in books.bench.alerts()] == ["drifted"]
    assert books.count("BillPaymentCheck") == 1


def test_a_voided_object_that_is_deleted_is_no_news(books: Books) -> None:
    books.voided()
    books.settle(1)
    user_deletes(books.company, books.check.txn_id)
    books.settle(3)
    assert (books.record()["state"], books.bench.alerts()) == ("closed", [])


def test_a_backup_from_before_the_void_is_reported(books: Books) -> None:
    saved = books.company.books.copy()
    books.voided()
    books.settle(1)
    restore(books.company, saved)
    books.settle(2)
    assert [kind for kind, _, _ in books.bench.alerts()] == ["edited"]
    (told,) = books.alerts()
    assert "amount 100.00 there, 0.00 here" in told


def test_a_voided_record_is_said_to_be_wanted_again_only_by_its_source(books: Books) -> None:
    def choose(value: str | None) -> None:
        with books.bench.world.store.write() as tx:
            worklist.put_setting(tx, HAND, books.bench.program.flow, "voided_payments", value)

    books.voided()
    books.settle(2)
    choose("report")
    books.read({**payment(status="VOID"), "touched": "2026-03-09"})
    books.settle(2)
    assert (books.alerts(), books.record()["drifted"]) == ([], 0)
    wanted = (
        f"{FLOW}/payments/p-1: the source no longer says that it is void, and what was posted is voided in the target; "
        "it is not posted again"
    )
    books.read(payment())
    assert books.alerts() == [wanted]
    # The setting is no news of the source, whichever way it goes.
    for value in ("void", "report", None):
        choose(value)
        books.settle(1)
        assert books.alerts() == [wanted]
    choose("report")
    books.voided()
    assert (books.alerts(), books.record()["drifted"]) == ([], 0)
    assert (len(set(books.voids())), books.check.void) == (1, True)


def test_the_setting_decides(books: Books) -> None:
    flow = books.bench.program.flow
    with books.bench.world.store.write() as tx:
        worklist.put_setting(tx, HAND, flow, "voided_payments", "report")
    books.voided()
    books.settle(2)
    assert (books.check.void, books.voids()) == (False, [])
    assert books.bench.alerts() == [("drifted", f"{FLOW}/payments/p-1", 1)]
    with books.bench.world.store.write() as tx:
        worklist.put_setting(tx, HAND, flow, "voided_payments", "void")
    books.settle(2)
    is_undone(books)


def test_the_setting_decides_through_definitions_too() -> None:
    text = TEXT.replace(
        "lookups:", "define:\n  voids: chosen(@) == 'void'\n  chosen: setting('voided_payments')\nlookups:", 1
    ).replace("when: setting('voided_payments') == 'void' && status", "when: voids(@) && status")
    with kit.bench(text, lists=False) as bench:
        books = Books(bench)
        books.prepare(bill_of())
        books.read(payment())
        books.settle(3)
        for value, is_void in (("report", False), ("void", True)):
            with bench.world.store.write() as tx:
                worklist.put_setting(tx, HAND, bench.program.flow, "voided_payments", value)
            if value == "report":
                books.voided()
            books.settle(2)
            assert books.check.void is is_void
        is_undone(books)


def test_a_payment_that_is_voided_before_it_was_posted_is_not_posted(books: Books) -> None:
    books.read(payment(status="VOID"), payment("p-9", status="VOID"))
    assert (books.record("p-9")["state"]) == "skipped"


def test_a_payment_that_is_voided_while_it_is_under_way_is_voided_next() -> None:
    with kit.bench(TEXT, lists=False) as bench:
        books = Books(bench)
        books.prepare(bill_of())
        books.settle(2)
        books.read(payment())
        books.hook = lambda kind, document: (books.quickbooks.process(document), None)[kind == "write"]
        books.session()
        books.voided()
        books.hook = lambda _, document: books.quickbooks.process(document)
        books.settle(3)
        is_undone(books)


def test_a_paid_bill_waits_for_its_payment_to_be_voided(books: Books) -> None:
    books.prepare(bill_of(status="dead"))
    books.settle(2)
    change = books.change("b-1", "bills")
    assert (change["state"], [code for code, _ in books.reasons(change)]) == ("deferred", ["paid_there"])
    books.voided()
    books.settle(3)
    (the_bill,) = books.company.txns("Bill")
    assert (the_bill.void, books.check.void) == (True, True)
    assert books.record("b-1", "bills")["amount"] == "0.00"
    assert books.bench.alerts() == []


@contextmanager
def payment_and_void() -> Iterator[Books]:
    """A payment and the void of what it pays wait together, and would travel together."""
    with kit.bench(TEXT, lists=False) as bench:
        books = Books(bench)
        books.prepare(bill_of())
        books.settle(3)
        books.quick()
        books.read(payment())
        books.prepare(bill_of(status="dead"))
        books.sent.clear()
        yield books


def kinds_sent(books: Books) -> list[str]:
    """The requests of each document that looks at a single object or writes, in order."""
    names = r"<(BillPaymentCheckAdd|TxnVoid|BillMod|BillQuery)Rq"
    found = [re.findall(names, document) for document in books.sent if "<TxnID>" in document]
    return [" ".join(each) for each in found]


def test_a_payment_and_the_void_of_its_bill_never_travel_together() -> None:
    with payment_and_void() as books:
        books.session()
        # The void is held against the bill as it is once the payment was answered.
        assert kinds_sent(books)[-2:] == ["BillPaymentCheckAdd", "BillQuery"]
        assert books.voids() == []
        books.settle(3)
        (the_bill,) = books.company.txns("Bill")
        assert (the_bill.void, books.check.void, books.record()["state"]) == (False, False, "closed")
        change = books.change("b-1", "bills")
        assert (change["state"], [code for code, _ in books.reasons(change)]) == ("deferred", ["paid_there"])
        books.voided()
        books.settle(3)
        (the_bill,) = books.company.txns("Bill")
        assert (the_bill.void, books.check.void, books.bench.alerts()) == (True, True, [])


@pytest.mark.parametrize("after", [False, True], ids=["before it ran", "after it ran"])
def test_a_bill_is_not_voided_while_its_payment_is_in_doubt(*, after: bool) -> None:
    with payment_and_void() as books:

        def losing(kind: str, document: str) -> str | None:
            if kind != "write":
                return books.quickbooks.process(document)
            if after:
                books.quickbooks.process(document)
            return None

        books.hook = losing
        books.session()
        assert books.voids() == []
        books.hook = lambda _, document: books.quickbooks.process(document)
        books.settle(4)
        (the_bill,) = books.company.txns("Bill")
        assert (the_bill.void, books.check.void, books.voids()) == (False, False, [])


def test_a_void_is_looked_at_anew_when_something_came_between(books: Books) -> None:
    books.voided()
    kinds: list[str] = []
    late = [True]

    def hook(kind: str, document: str) -> str:
        kinds.append(kind)
        if kind == "merge" and late:
            late.clear()
            # A list becomes due after the look, and a person is quicker than the void.
            answer = books.quickbooks.process(document)
            with books.bench.outbox.transaction() as desk:
                desk.books.expire(COMPANY, ("Account",))
            user_edits(books.company, books.check.txn_id, reference="1001")
            return answer
        return books.quickbooks.process(document)

    books.hook = hook
    books.session()
    assert kinds[-3:] == ["merge", "list", "merge"]
    assert (books.check.void, books.voids()) == (False, [])
    assert [code for code, _ in books.reasons(books.change())] == ["edited_there"]


def seen_as(books: Books, *left_out: str) -> None:
    """QuickBooks does not tell these of the bill."""

    def hook(_: str, document: str) -> str:
        answer = books.quickbooks.process(document)
        for name in left_out:
            answer = re.sub(f"<{name}>.*?</{name}>", "", answer, flags=re.DOTALL)
        return answer

    books.hook = hook


@pytest.mark.parametrize("amount", ["100.00", "30.00"])
@pytest.mark.parametrize("left_out", [("OpenAmount",), ("OpenAmount", "LinkedTxn"), ("OpenAmount", "IsPaid")])
def test_a_paid_bill_is_known_without_what_newer_versions_tell(amount: str, left_out: tuple[str, ...]) -> None:
    with kit.bench(TEXT, lists=False) as bench:
        books = Books(bench)
        books.prepare(bill_of())
        books.read(payment(amount=amount))
        books.settle(3)
        seen_as(books, *left_out)
        books.prepare(bill_of(status="dead"))
        books.settle(2)
        (the_bill,) = books.company.txns("Bill")
        # Without links, a part is not told by anything; QuickBooks gives them when it is asked to.
        is_told = amount == "100.00" or "LinkedTxn" not in left_out
        assert the_bill.void is not is_told
        assert books.change("b-1", "bills")["state"] == ("deferred" if is_told else "closed")


@pytest.mark.parametrize("left_out", [("OpenAmount",), ("OpenAmount", "IsPaid")])
def test_a_bill_of_which_nothing_tells_whether_it_is_paid_is_for_a_person(left_out: tuple[str, ...]) -> None:
    with kit.bench(TEXT, lists=False) as bench:
        books = Books(bench)
        books.prepare(bill_of())
        books.settle(2)
        seen_as(books, *left_out)
        books.prepare(bill_of(status="dead"))
        books.settle(2)
        (the_bill,) = books.company.txns("Bill")
        assert the_bill.void is ("IsPaid" not in left_out)
        change = books.change("b-1", "bills")
        if the_bill.void:
            assert change["state"] == "closed"
            return
        assert books.reasons(change) == [
            ("paid_there", "the source has voided it, and QuickBooks does not tell whether it is paid or used there")
        ]
        assert [kind for kind, _, _ in bench.alerts()] == ["deferred"]
        put_void(books.company, the_bill)
        with bench.world.store.write() as tx:
            assert worklist.retry(tx, HAND, [change], "").moved
        books.settle(2)
        assert (books.change("b-1", "bills")["state"], bench.alerts()) == ("closed", [])


# --- a check that uses credits, credits, and journal entries


CREDITS = TEXT.replace(
    "amount: money(amount), credits: `[]`}",
    "amount: money(amount), credits: credits[].{txn_id: txn_id, amount: money(amount)}}",
)


@contextmanager
def with_credit(amount: str = "70.00", used: str = "30.00") -> Iterator[Books]:
    """A bill of 100.00 that a check paid, partly with a vendor credit that somebody entered by hand."""
    with kit.bench(CREDITS, lists=False) as bench:
        books = Books(bench)
        books.prepare(bill_of())
        books.settle(2)
        books.posts(
            "<VendorCreditAddRq><VendorCreditAdd><VendorRef><FullName>Acme Supply</FullName></VendorRef>"
            "<ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef><Amount>30.00</Amount>"
            "</ExpenseLineAdd></VendorCreditAdd></VendorCreditAddRq>"
        )
        (credit,) = books.company.txns("VendorCredit")
        paid = {"id": "b-1", "amount": amount, "credits": [{"txn_id": credit.txn_id, "amount": used}]}
        books.netted = {**payment(amount=amount), "bills": [paid]}
        books.read(books.netted)
        books.settle(3)
        assert (books.record()["state"], books.bench.alerts()) == ("closed", [])
        yield books


def owed(books: Books) -> tuple[str, str]:
    """What is open of the bill, and what is left of the credit."""
    (the_bill,), (credit,) = books.company.txns("Bill"), books.company.txns("VendorCredit")
    return str(books.company.open_amount(the_bill)), str(books.company.open_amount(credit))


@pytest.mark.parametrize(("amount", "used"), [("70.00", "30.00"), ("0.00", "30.00")])
def test_a_void_frees_the_credits_too(amount: str, used: str) -> None:
    with with_credit(amount, used) as books:
        assert owed(books)[1] == "0.00"
        books.read({**books.netted, "status": "VOID"})
        books.settle(2)
        assert (books.check.void, owed(books)) == (True, ("100.00", "30.00"))
        assert (records.is_voided(books.record()), books.bench.alerts()) == (True, [])


def test_a_check_with_a_credit_is_not_taken_for_edited() -> None:
    with with_credit() as books:
        books.settle(4)
        assert books.bench.alerts() == []
        redrawn(books)
        books.settle(2)
        (told,) = books.alerts()
        assert "account `Savings` there, `another one` here" in told


def test_another_sum_for_a_bill_is_seen(books: Books) -> None:
    repaid(books)
    books.settle(2)
    (told,) = books.alerts()
    assert "amount 60.00 there, 100.00 here; bills `N-b-1 60.00` there, `N-b-1 100.00` here" in told


JOURNAL = (
    b'<JournalEntryAddRq requestID="x"><JournalEntryAdd><TxnDate>2026-03-01</TxnDate><JournalDebitLine><AccountRef>'
    b"<FullName>Travel</FullName></AccountRef><Amount>12.00</Amount><Memo>m</Memo></JournalDebitLine><JournalCreditLine>"
    b"<AccountRef><FullName>Checking</FullName></AccountRef><Amount>12.00</Amount></JournalCreditLine></JournalEntryAdd>"
    b"</JournalEntryAddRq>"
)
CREDIT = (
    b'<VendorCreditAddRq requestID="x"><VendorCreditAdd><VendorRef><FullName>Acme Supply</FullName></VendorRef>'
    b"<TxnDate>2026-03-01</TxnDate><ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef>"
    b"<Amount>12.00</Amount></ExpenseLineAdd></VendorCreditAdd></VendorCreditAddRq>"
)


@pytest.mark.parametrize(
    ("kind", "body", "total", "accounts"),
    [
        ("JournalEntry", JOURNAL, "12.00", (("Travel", "12.00"), ("Checking", "-12.00"))),
        ("VendorCredit", CREDIT, "-12.00", (("Travel", "-12.00"),)),
    ],
)
def test_journal_entries_and_credits_are_voided_and_counted(
    books: Books, kind: str, body: bytes, total: str, accounts: Any
) -> None:
    found = figures.figures(f"{kind}Add", body)
    assert (str(found.total), tuple((name, str(amount)) for name, amount in found.accounts)) == (total, accounts)
    books.posts(body.decode())
    (txn,) = books.company.txns(kind)

    def there() -> Response:
        (query,) = voiding.queries(operation, "m.0")
        document = (
            f'<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">{query.decode()}'
        )
        answer = books.quickbooks.process(f"{document}</QBXMLMsgsRq></QBXML>")
        return parse_response(answer).responses[0]

    void = f'<TxnVoidRq requestID="v"><TxnVoidType>{kind}</TxnVoidType><TxnID>{txn.txn_id}</TxnID></TxnVoidRq>'.encode()
    at = books.bench.world.clock.now()
    operation = Operation("v", "TxnVoid", void, "", "", at, target_id=txn.txn_id, base=body, whole=void)
    assert isinstance(voiding.decide(operation, there()), Ready)
    books.posts(void.decode())
    done = voiding.decide(operation, there())
    assert isinstance(done, OperationOutcome)
    assert (done.outcome, done.code, done.receipt["TxnID"]) == ("posted", "voided_there", txn.txn_id)
    (data,) = there().objects
    assert probe.differences(operation, data) == ()
    (shown_there,) = figures.read(kind, there(), 500).figures
    assert (shown_there.total, shown_there.accounts) == (Decimal(0), ())
    user_edits(books.company, txn.txn_id, reference="X")
    first = replace(
        txn, amount=Decimal("13.00"), lines=(replace(txn.lines[0], amount=Decimal("13.00")), *txn.lines[1:])
    )
    books.company.put_txn(first)
    edited = voiding.decide(operation, there())
    assert isinstance(edited, OperationOutcome)
    assert edited.code == "edited_there"
    assert probe.differences(operation, there().objects[0]) == ("amount 13.00 there, 0.00 here",)


# --- what the parts say


def shown(**more: Any) -> Json:
    return {"TxnID": "1-1", "EditSequence": "5", "TxnDate": "2026-03-01", "Amount": "0.00", "Memo": "VOID:", **more}


@pytest.mark.parametrize(
    ("data", "void"),
    [
        (shown(), True),
        (shown(Memo="Void: Payment"), True),
        (shown(Amount="1.00"), False),
        (shown(Memo="Payment"), False),
        ({"TxnID": "1-1", "Memo": "VOID:"}, False),
        (
            {"JournalDebitLine": [{"Amount": "0.00", "Memo": "VOID: m"}], "JournalCreditLine": {"Amount": "0.00"}},
            True,
        ),
        ({"JournalDebitLine": [{"Amount": "0.00", "Memo": "m"}]}, False),
        ({"AmountDue": "0.00", "Memo": "VOID: x"}, True),
    ],
)
def test_what_is_void(data: Json, *, void: bool) -> None:
    assert voiding.is_void(data) is void


LINK = {"TxnID": "2-2", "TxnType": "BillPaymentCheck", "LinkType": "AMTTYPE", "Amount": "-30.00"}


@pytest.mark.parametrize(
    ("data", "paid"),
    [
        ({"AmountDue": "100.00", "IsPaid": "true"}, True),
        ({"AmountDue": "100.00", "IsPaid": "false"}, False),
        ({"AmountDue": "100.00", "IsPaid": "false", "LinkedTxn": LINK}, True),
        ({"AmountDue": "100.00", "IsPaid": "false", "LinkedTxn": [{**LINK, "Amount": "0.00"}, LINK]}, True),
        ({"AmountDue": "100.00", "IsPaid": "false", "LinkedTxn": [{**LINK, "Amount": "0.00"}]}, False),
        ({"AmountDue": "100.00", "IsPaid": "false", "LinkedTxn": [{**LINK, "LinkType": "QUANTYPE"}]}, False),
        ({"AmountDue": "100.00", "IsPaid": "false", "LinkedTxn": [{**LINK, "TxnType": "PurchaseOrder"}]}, False),
        ({"AmountDue": "100.00", "OpenAmount": "100.00"}, False),
        ({"AmountDue": "100.00", "OpenAmount": "70.00", "IsPaid": "false"}, True),
        ({"AmountDue": "0.00", "IsPaid": "true"}, False),
        ({"AmountDue": "100.00"}, None),
        ({"AmountDue": "100.00", "OpenAmount": "much"}, None),
        ({"CreditAmount": "30.00"}, None),
        ({"CreditAmount": "30.00", "OpenAmount": "30.00"}, False),
        ({"CreditAmount": "30.00", "LinkedTxn": {**LINK, "Amount": "30.00"}}, True),
        ({}, None),
    ],
)
def test_what_is_paid(data: Json, *, paid: bool | None) -> None:
    assert voiding._is_paid(data) is paid


def test_a_void_has_no_money() -> None:
    body = b'<TxnVoidRq requestID="x"><TxnVoidType>BillPaymentCheck</TxnVoidType><TxnID>1-1</TxnID></TxnVoidRq>'
    assert figures.figures("TxnVoid", body) == Figures("BillPaymentCheck", "1-1", voids=True)


def test_nothing_is_looked_through_for_a_void() -> None:
    assert survey.kinds_of(("TxnVoid", "BillAdd")) == ("Bill",)


def test_flows_without_undo_compile_as_ever() -> None:
    program = compile_flow(kit.flow())
    assert [way.undo for stream in program.streams for way in stream.variants] == [None] * 4
    assert written.reads_first("TxnVoid")
    assert written.reads_first("BillMod")
    assert not written.reads_first("BillAdd")


def test_the_holding_keeps_the_void(books: Books) -> None:
    books.voided()
    books.settle(1)
    with books.bench.world.store.read() as tx:
        (row,) = kept.of_record(tx, books.record()["id"])
    assert (row["state"], row["kind"], row["operation_id"]) == (
        "there",
        "BillPaymentCheck",
        books.change()["operation_id"],
    )
