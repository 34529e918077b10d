"""Every way in which a message set can end, decided from what QuickBooks said."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from hashlib import sha256

import pytest

from connectors.qbwc.probe import Found, look, questions
from connectors.qbwc.recovery import (
    NotNow,
    NotOurs,
    Running,
    Settled,
    after_answer,
    after_probe,
    foreign,
    refused_whole,
    restored,
    seen_as,
    stale_lists,
)
from connectors.qbwc.state import Recovery
from engine.contract import MessageSet, Operation, OperationOutcome
from engine.errors import Bug
from engine.qbxml.response import parse_response
from tests.connectors.qbwc.kit import answer, posted, refused
from tests.connectors.qbwc.memory_outbox import START, bill, operation, vendor

ONE, TWO = bill(1), bill(2)


def message_set(*operations: Operation, set_id: str | None = None, attempts: int = 1) -> MessageSet:
    body = b"".join(op.body for op in operations)
    return MessageSet(set_id or operations[0].id, body, sha256(body).hexdigest(), operations, attempts=attempts)


ALONE, BOTH = message_set(ONE), message_set(ONE, TWO, set_id="SET")


def judged(text: str, of: MessageSet = ALONE) -> object:
    return after_answer(of, parse_response(text), text)


def only(verdict: object) -> OperationOutcome:
    assert isinstance(verdict, Settled)
    assert len(verdict.outcomes) == 1
    return verdict.outcomes[0]


def status(code: int | None, inner: str = "") -> str:
    return answer(
        inner, f' newMessageSetID="{ONE.id}"' + (f' messageSetStatusCode="{code}"' if code is not None else "")
    )


def test_a_success_is_posted_with_its_ids() -> None:
    assert judged(posted(ONE.id)) == Settled(
        (OperationOutcome(ONE.id, "posted", {"TxnID": "1A-1", "EditSequence": "7"}),)
    )


def test_a_kept_answer_of_ids_alone_is_posted() -> None:
    inner = f'<BillAddRs requestID="{ONE.id}" statusCode="0"><ErrorRecovery><TxnID>1A-1</TxnID><EditSequence>7</EditSequence></ErrorRecovery></BillAddRs>'
    assert judged(status(0, inner)) == Settled(
        (OperationOutcome(ONE.id, "posted", {"TxnID": "1A-1", "EditSequence": "7"}),)
    )


@pytest.mark.parametrize("code", [None, 0, 600, 9002, 9003, 9005, 1234])
def test_no_answer_in_the_answer_means_looking_for_the_records(code: int | None) -> None:
    assert judged(status(code)) == Recovery(ONE.id, "probe", ask=(ONE.id,))


def test_an_answer_counts_even_where_it_could_not_be_kept() -> None:
    text = posted(ONE.id).replace('messageSetStatusCode="0"', 'messageSetStatusCode="9005"')
    assert only(judged(text)).outcome == "posted"


def test_other_bytes_are_never_sent_again() -> None:
    assert judged(status(9001)) == Recovery(ONE.id, "probe", frozen=True, ask=(ONE.id,))


def test_an_id_that_is_too_long_is_held_as_a_fault_of_ours() -> None:
    found = only(judged(status(9004)))
    assert (found.outcome, found.code, found.message) == (
        "held",
        "message_set_9004",
        "QuickBooks refused the message-set id",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (posted(ONE.id, set_id="OTHER"), "it names another message set"),
        (posted(TWO.id, set_id=ONE.id), "it answers a request that was not sent"),
        (posted("", set_id=ONE.id), "it answers a request that was not sent"),
        (posted(ONE.id, request="CheckAdd"), "it answers with another kind of object than was asked for"),
        (answer(f'<BillAddRs requestID="{ONE.id}" statusCode="0"/>' * 2), "it answers the same request twice"),
    ],
)
def test_an_answer_to_something_else_is_not_believed(text: str, reason: str) -> None:
    assert judged(text) == NotOurs(reason)
    assert foreign(ALONE, parse_response(text)) == reason


@pytest.mark.parametrize(
    ("code", "outcome", "waits"),
    [
        (3140, "deferred", ("list:Vendor",)),
        (3120, "deferred", ("list:Vendor",)),
        (3171, "deferred", ("period",)),
        (3175, "retry", ()),
        (1010, "retry", ()),
        (3210, "failed", ()),
        (3260, "held", ()),
        (4242, "held", ()),
    ],
)
def test_a_refusal_has_its_outcome(code: int, outcome: str, waits: tuple[str, ...]) -> None:
    text = "There is an invalid reference to QuickBooks Vendor"
    found = only(judged(refused(ONE.id, code, text)))
    assert (found.outcome, found.code, found.message, found.waits_for) == (outcome, str(code), text, waits)


def test_a_missing_reference_that_names_no_list_fails() -> None:
    found = only(judged(refused(ONE.id, 3140, "Invalid argument.")))
    assert (found.outcome, found.hint) == ("failed", "what the record refers to is not in QuickBooks")


@pytest.mark.parametrize("code", [0, 1, 500, 501, 510, 530, 550, 600, 1000])
def test_no_id_means_that_it_is_looked_for(code: int) -> None:
    text = refused(ONE.id, code)
    assert judged(text) == Recovery(ONE.id, "probe", whole=False, ask=(ONE.id,), answer=text)


def test_a_warning_with_an_id_is_posted() -> None:
    text = posted(ONE.id).replace('statusCode="0"', 'statusCode="530"').replace("Status OK", "Field ignored")
    found = only(judged(text))
    assert (found.outcome, found.receipt["TxnID"], found.code, found.message) == (
        "posted",
        "1A-1",
        "530",
        "Field ignored",
    )


def test_a_taken_name_is_looked_up_for_a_vendor_and_fails_for_anything_else() -> None:
    new = vendor(3, "Acme")
    found = judged(refused(new.id, 3100, "in use", "VendorAdd"), message_set(new))
    assert isinstance(found, Recovery)
    assert (found.stage, found.ask, found.taken) == ("probe", (new.id,), (new.id,))
    assert only(judged(refused(ONE.id, 3100))).outcome == "failed"


def test_a_batch_keeps_what_is_sure_and_asks_for_the_rest() -> None:
    text = answer(
        f'<BillAddRs requestID="{ONE.id}" statusCode="0"><BillRet><TxnID>1A-1</TxnID></BillRet></BillAddRs>',
        ' newMessageSetID="SET" messageSetStatusCode="0"',
    )
    found = judged(text, BOTH)
    assert isinstance(found, Recovery)
    assert (found.whole, found.ask, [data["operation_id"] for data in found.decided]) == (False, (TWO.id,), [ONE.id])
    assert after_probe(BOTH, found, {TWO.id: Found("none", {})}, START) == Settled((
        OperationOutcome(ONE.id, "posted", {"TxnID": "1A-1"}),
        OperationOutcome(TWO.id, "retry", code="not_run", message="QuickBooks keeps no answer and does not hold it"),
    ))  # fmt: skip


# --- after looking for the records ----------------------------------------------------------------------------------

HIT, NONE = Found("hit", {"TxnID": "1A-1"}), Found("none", {})


def probed(found: Found, *, frozen: bool = False, whole: bool = True) -> object:
    recovery = Recovery(ONE.id, "probe", whole=whole, frozen=frozen, ask=(ONE.id,))
    return after_probe(ALONE, recovery, {ONE.id: found}, START)


def test_one_hit_is_posted() -> None:
    for more in ({}, {"frozen": True}, {"whole": False}):
        found = only(probed(HIT, **more))
        assert (found.outcome, found.receipt, found.message) == (
            "posted",
            {"TxnID": "1A-1"},
            "found in QuickBooks after its answer was lost",
        )


def test_none_means_the_same_bytes_again() -> None:
    assert probed(NONE) == Recovery(ONE.id, "resend", ask=(ONE.id,))


def test_none_after_9001_is_held_and_never_sent() -> None:
    found = only(probed(NONE, frozen=True))
    assert (found.outcome, found.code) == ("held", "message_set_9001")


def test_a_modify_whose_object_was_changed_is_merged_anew_but_not_after_9001() -> None:
    for more in ({}, {"whole": False}):
        found = only(probed(Found("changed", {}, "why"), **more))
        assert (found.outcome, found.code, found.message) == ("retry", "changed_there", "why")
    assert only(probed(Found("changed", {}, "why"), frozen=True)).outcome == "held"


def test_a_modify_that_is_out_of_date_is_tried_again_and_nothing_else_is() -> None:
    change = operation(4, "<TxnID>1A-1</TxnID><EditSequence>7</EditSequence>", "BillMod")
    found = only(judged(refused(change.id, 3200, "stale", "BillMod"), message_set(change)))
    assert (found.outcome, found.code, found.retry_after_s) == ("retry", "3200", 0.0)
    assert only(judged(refused(ONE.id, 3200))).outcome == "held"


@pytest.mark.parametrize("kind", ["twice", "alike"])
def test_anything_unclear_is_held(kind: str) -> None:
    for more in ({}, {"frozen": True}, {"whole": False}):
        found = only(probed(Found(kind, {}, "why"), **more))  # type: ignore[arg-type]  # parametrised text
        assert (found.outcome, found.code, found.message) == ("held", "unclear", "why")


def test_what_is_held_says_which_command_names_the_one_that_is_there() -> None:
    found = only(probed(Found("alike", {}, "why", ("1A-9",))))
    assert found.hint.startswith("somebody may have entered it by hand; ")
    assert "`flowctl retry ID --there 1A-9`" in found.hint


def test_a_look_up_that_failed_decides_nothing() -> None:
    assert probed(Found("later", {}, "1010: not now")) == NotNow("1010: not now")


def test_the_same_bytes_are_not_sent_for_ever() -> None:
    verdict = after_probe(replace(ALONE, attempts=5), Recovery(ONE.id, "probe", ask=(ONE.id,)), {ONE.id: NONE}, START)
    found = only(verdict)
    assert (found.outcome, found.message) == ("held", "it was sent 5 times and QuickBooks never answered")


def test_an_internal_error_is_tried_once_more_and_then_held() -> None:
    recovery = Recovery(ONE.id, "probe", whole=False, ask=(ONE.id,))
    assert only(after_probe(ALONE, recovery, {ONE.id: NONE}, START)).outcome == "retry"
    again = message_set(ONE, set_id="FRESH")
    assert only(after_probe(again, replace(recovery, set_id="FRESH"), {ONE.id: NONE}, START)).outcome == "held"


def test_part_of_a_set_in_quickbooks_means_that_the_set_is_not_sent_again() -> None:
    recovery = Recovery("SET", "probe", ask=(ONE.id, TWO.id))
    found = after_probe(BOTH, recovery, {ONE.id: HIT, TWO.id: NONE}, START)
    assert isinstance(found, Settled)
    assert [outcome.outcome for outcome in found.outcomes] == ["posted", "retry"]
    assert after_probe(BOTH, recovery, {ONE.id: NONE, TWO.id: NONE}, START) == replace(recovery, stage="resend")


@pytest.mark.parametrize(
    "recovery",
    [
        Recovery("SET", "probe", ask=(ONE.id, TWO.id)),
        Recovery("SET", "probe", whole=False, ask=(ONE.id, TWO.id), silent=(TWO.id,)),
    ],
)
def test_the_rest_of_a_set_that_is_there_in_part_is_waited_for(recovery: Recovery) -> None:
    sent, found = replace(BOTH, sent_at=START), {ONE.id: HIT, TWO.id: NONE}
    text = (
        "QuickBooks has a part of what it was given (2 records) and may be working on the rest. Nothing is sent until it "
        "has finished; the next update asks again."
    )
    half = timedelta(minutes=30)
    assert after_probe(sent, recovery, found, START + timedelta(seconds=1799), missed_at=START - half) == Running(text)
    # Our clock was wrong when it was sent, or is wrong now: by how much nobody knows. So one look decides nothing.
    for now in (START + half, START - timedelta(hours=1), START + timedelta(hours=3)):
        assert after_probe(sent, recovery, found, now) == Running(text)
        assert after_probe(sent, recovery, found, now, missed_at=now - timedelta(seconds=1799)) == Running(text)
        verdict = after_probe(sent, recovery, found, now, missed_at=now - half)
        assert isinstance(verdict, Settled)
        assert [outcome.outcome for outcome in verdict.outcomes] == ["posted", "retry"]


@pytest.mark.parametrize("kept", [BOTH, ALONE])
def test_what_another_computer_may_still_be_working_on_is_not_sent_again(kept: MessageSet) -> None:
    ids = tuple(operation.id for operation in kept.operations)
    recovery, found = Recovery(kept.id, "probe", ask=ids), dict.fromkeys(ids, NONE)
    sent = replace(kept, sent_at=START)
    soon, later, long_ago = START + timedelta(seconds=1799), START + timedelta(seconds=1800), START - timedelta(days=1)
    text = (
        f"QuickBooks does not have what it was given ({len(ids)} records), but another computer that has the company file "
        "open may still be working on it. It is not sent again before it has been missing for half an hour, or the file is "
        "open in single-user mode; the next update asks again."
    )
    assert after_probe(sent, recovery, found, soon, elsewhere=True, missed_at=long_ago) == Running(text)
    assert after_probe(sent, recovery, found, later, elsewhere=True) == Running(text)
    again = after_probe(sent, recovery, found, later, elsewhere=True, missed_at=long_ago)
    assert again == replace(recovery, stage="resend")
    assert after_probe(sent, recovery, found, soon) == replace(recovery, stage="resend")


def test_what_an_answer_speaks_of_is_not_waited_for() -> None:
    recovery = Recovery(
        "SET", "probe", whole=False, ask=(TWO.id,), decided=(asdict(OperationOutcome(ONE.id, "posted")),)
    )
    sent = replace(BOTH, sent_at=START)
    assert isinstance(after_probe(sent, recovery, {TWO.id: NONE}, START), Settled)
    frozen = Recovery("SET", "probe", frozen=True, ask=(ONE.id, TWO.id))
    verdict = after_probe(sent, frozen, {ONE.id: HIT, TWO.id: NONE}, START)
    assert isinstance(verdict, Settled)
    assert [outcome.outcome for outcome in verdict.outcomes] == ["posted", "held"]


def test_a_taken_name_that_is_no_vendors_is_deferred() -> None:
    new = vendor(3, "Acme")
    recovery = Recovery(new.id, "probe", whole=False, ask=(new.id,), taken=(new.id,))
    found = only(after_probe(message_set(new), recovery, {new.id: NONE}, START))
    assert (found.outcome, found.code, found.waits_for) == ("deferred", "3100", ("list:Vendor",))
    assert stale_lists([found]) == ()
    found = only(after_probe(message_set(new), recovery, {new.id: Found("hit", {"ListID": "8-1"})}, START))
    assert (found.outcome, found.receipt, found.message) == (
        "posted",
        {"ListID": "8-1"},
        "the vendor existed in QuickBooks and is used",
    )


def test_an_unreadable_document_ran_nothing() -> None:
    hint = "the request is wrong, not the record: report it with this record's QBXML"
    assert refused_whole(ALONE, " bad XML ") == Settled(
        (OperationOutcome(ONE.id, "failed", code="0x80040400", message="bad XML", hint=hint),)
    )


def test_an_unreadable_set_is_looked_for_once_before_each_goes_alone() -> None:
    verdict = refused_whole(replace(BOTH, sent_at=START), "bad XML")
    assert verdict == Recovery("SET", "probe", whole=False, ask=(ONE.id, TWO.id), refused="bad XML")
    found = after_probe(replace(BOTH, sent_at=START), verdict, {ONE.id: HIT, TWO.id: NONE}, START)
    assert isinstance(found, Settled)
    assert [(outcome.outcome, outcome.code, outcome.message) for outcome in found.outcomes] == [
        ("posted", "", "found in QuickBooks after its answer was lost"),
        ("retry", "0x80040400", "bad XML"),
    ]


def test_lists_that_were_wrong_are_named_once() -> None:
    outcomes = [
        OperationOutcome(str(n), "deferred", waits_for=("list:Vendor", "period", "list:Class")) for n in range(2)
    ]
    assert stale_lists(outcomes) == ("Vendor", "Class")


def queries(*operations: Operation) -> tuple[bytes, ...]:
    return questions(operations, "q", START)[0]


# --- is it ours? ----------------------------------------------------------------------------------------------------


def ret(
    guid: str = ONE.guid,
    memo: str = "Ramp bill 1",
    ref: str = "INV-1",
    amount: str = "10.00",
    name: str = "Acme Supply",
    txn: str = "1",
) -> str:
    marker = f"<ExternalGUID>{guid}</ExternalGUID>" if guid else ""
    return (
        f"<BillRet><TxnID>{txn}</TxnID><EditSequence>7</EditSequence><VendorRef><FullName>{name}</FullName></VendorRef>"
        f"<TxnDate>2026-11-20</TxnDate><AmountDue>{amount}</AmountDue><RefNumber>{ref}</RefNumber><Memo>{memo}</Memo>{marker}</BillRet>"
    )


def looked(*rets: str, second: str = "", code: int = 0) -> Found:
    found = f'<BillQueryRs requestID="q.0" statusCode="{code}" statusMessage="m">{"".join(rets)}</BillQueryRs>'
    other = second or '<BillQueryRs requestID="q.1" statusCode="500" statusMessage=""/>'
    return look(ONE, parse_response(answer(found + other)), ("q.0", "q.1"))


@pytest.mark.parametrize(
    ("rets", "kind"),
    [
        ((), "none"),
        ((ret(),), "hit"),
        ((ret(guid=ONE.guid.upper(), memo="edited", ref="edited", amount="99.00", name="Other"),), "hit"),
        ((ret(), ret(txn="2")), "twice"),
        ((ret(guid="{11111111-1111-1111-1111-111111111111}"),), "none"),
        ((ret(guid=""),), "hit"),
        ((ret(guid="0"),), "hit"),
        ((ret(guid="", memo="typed by hand"),), "alike"),
        ((ret(guid="", amount="11.00"),), "alike"),
        ((ret(guid="", name="Other"),), "alike"),
        # A person may have changed both, and nothing of ours is left to see.
        ((ret(guid="", memo="typed by hand", ref="INV-9"),), "alike"),
        ((ret(guid="", memo="typed by hand", ref="INV-9", amount="11.00"),), "none"),
        ((ret(guid="", memo="typed by hand", name="Other"),), "alike"),
        ((ret(guid="", memo="typed by hand", name="Other", amount="11.00"),), "alike"),
        ((ret(guid="", memo="typed by hand", name="Other", ref="INV-9"),), "alike"),
        ((ret(guid="", memo="typed by hand", name="Other", ref="INV-9", amount="11.00"),), "none"),
        ((ret(guid=""), ret(guid="", txn="2")), "twice"),
        ((ret(), ret(guid="", memo="typed by hand", txn="2")), "hit"),
    ],
)
def test_the_immutable_mark_decides_and_what_looks_like_it_is_left_to_a_person(
    rets: tuple[str, ...], kind: str
) -> None:
    assert looked(*rets).kind == kind


@pytest.mark.parametrize(
    ("there", "kind"),
    [
        (ret(guid="", ref="", memo="typed by hand"), "alike"),
        # Its amount was all that told it from another one of the same vendor and day, and a person changed that too.
        (ret(guid="", ref="", memo="typed by hand", amount="11.00"), "alike"),
        (ret(guid="", ref="", memo="typed by hand", name="Other"), "alike"),
        (ret(guid="", ref="", memo="typed by hand", name="Other", amount="11.00"), "none"),
    ],
)
def test_one_without_a_number_may_be_left_of_by_its_party_and_date(there: str, kind: str) -> None:
    body = ONE.body.replace(b"<RefNumber>INV-1</RefNumber>", b"")
    assert body != ONE.body
    found = f'<BillQueryRs requestID="q.0" statusCode="0" statusMessage="">{there}</BillQueryRs>'
    assert look(replace(ONE, body=body), parse_response(answer(found)), ("q.0",)).kind == kind


@pytest.mark.parametrize(("amount", "kind"), [("10.00", "alike"), ("11.00", "none")])
@pytest.mark.parametrize("request_", ["JournalEntryAdd", "CreditCardChargeAdd"])
def test_what_names_no_party_may_be_left_of_by_its_amount(request_: str, amount: str, kind: str) -> None:
    """A person changed the number, the day and the memo of what nobody had an answer about."""

    def lines(memo: str, amount: str) -> str:
        if request_ == "JournalEntryAdd":
            rest = f"<Amount>{amount}</Amount><Memo>{memo}</Memo>"
            return f"<JournalDebitLine>{rest}</JournalDebitLine><JournalCreditLine>{rest}</JournalCreditLine>"
        return f"<Amount>{amount}</Amount><Memo>{memo}</Memo>"

    name = request_.removesuffix("Add")
    head = f"<TxnDate>2026-11-20</TxnDate><RefNumber>7</RefNumber><ExternalGUID>{ONE.guid}</ExternalGUID>"
    body = f"<{request_}Rq><{request_}>{head}{lines('Ramp 1', '10.00')}</{request_}></{request_}Rq>".encode()
    rest = f"<TxnDate>2026-11-21</TxnDate><RefNumber>HAND-1</RefNumber>{lines('checked by hand', amount)}"
    there = f"<{name}Ret><TxnID>1</TxnID>{rest}</{name}Ret>"
    said = answer(f'<{name}QueryRs requestID="q.0" statusCode="0" statusMessage="">{there}</{name}QueryRs>')
    assert look(replace(ONE, request=request_, body=body), parse_response(said), ("q.0",)).kind == kind


def test_what_is_known_to_stand_for_something_else_is_not_taken_for_a_worn_one() -> None:
    worn = ret(guid="", memo="Ramp bill 2", ref="INV-9")
    found = f'<BillQueryRs requestID="q.0" statusCode="0" statusMessage="">{worn}</BillQueryRs>'
    said = parse_response(answer(found))
    assert look(ONE, said, ("q.0",)) == Found(
        "alike",
        {},
        "QuickBooks already has bill INV-9 of Acme Supply dated 2026-11-20 over 10.00; the one to be posted has the number "
        "INV-1",
        ("1",),
    )
    assert look(ONE, said, ("q.0",), {"1"}) == Found("none", {})


def test_the_same_object_in_both_answers_is_one() -> None:
    second = f'<BillQueryRs requestID="q.1" statusCode="0" statusMessage="">{ret()}</BillQueryRs>'
    assert looked(ret(), second=second) == Found("hit", {"TxnID": "1", "RefNumber": "INV-1", "ExternalGUID": ONE.guid})


def test_silence_of_a_failed_query_proves_nothing() -> None:
    assert looked(code=1010) == Found("later", {}, "1010: m")
    assert look(ONE, parse_response(answer()), ("q.0", "q.1")) == Found(
        "later", {}, "QuickBooks left a query unanswered"
    )
    second = f'<BillQueryRs requestID="q.1" statusCode="0" statusMessage="">{ret()}</BillQueryRs>'
    assert looked(code=1010, second=second).kind == "hit"


def test_a_transaction_is_asked_for_by_number_and_among_all_since_it_was_frozen() -> None:
    first, second = (text.decode() for text in queries(ONE))
    assert first.startswith(
        '<BillQueryRq requestID="q.0.0"><ModifiedDateRangeFilter><FromModifiedDate>2026-11-19T09:00:00</FromModifiedDate>'
        "</ModifiedDateRangeFilter>"
    )
    assert second.startswith('<BillQueryRq requestID="q.0.1"><RefNumber>INV-1</RefNumber>')
    assert "<IncludeRetElement>ExternalGUID</IncludeRetElement>" in first


def test_what_has_no_number_is_asked_for_by_time_alone() -> None:
    inner = (
        "<TxnDate>2026-11-20</TxnDate><TransferFromAccountRef><FullName>Checking</FullName></TransferFromAccountRef>"
        "<TransferToAccountRef><FullName>Savings</FullName></TransferToAccountRef><Amount>5.00</Amount><Memo>Ramp transfer 1</Memo>"
    )
    transfer = operation(9, inner, "TransferAdd")
    assert len(queries(transfer)) == 1
    data = "<TransferRet><TxnID>1</TxnID><TxnDate>2026-11-20</TxnDate><Amount>{}</Amount><Memo>{}</Memo></TransferRet>"
    for amount, memo, kind in (
        ("5.00", "Ramp transfer 1", "hit"),
        ("6.00", "Ramp transfer 1", "alike"),
        ("5.00", "x", "alike"),
    ):
        text = answer(f'<TransferQueryRs requestID="q.0" statusCode="0">{data.format(amount, memo)}</TransferQueryRs>')
        assert look(transfer, parse_response(text), ("q.0",)).kind == kind


def test_a_vendor_is_found_by_name() -> None:
    new = vendor(3, "Acme &amp; Sons")
    assert queries(new)[0].startswith(b'<VendorQueryRq requestID="q.0.0"><FullName>Acme &amp; Sons</FullName>')
    data = "<VendorRet><ListID>8-1</ListID><EditSequence>1</EditSequence><Name>{}</Name><IsActive>{}</IsActive></VendorRet>"
    for name, active, kind in (
        ("ACME &amp; sons", "true", "hit"),
        ("Acme &amp; Sons", "false", "alike"),
        ("Acme", "true", "none"),
    ):
        text = answer(f'<VendorQueryRs requestID="q.0" statusCode="0">{data.format(name, active)}</VendorQueryRs>')
        assert look(new, parse_response(text), ("q.0",)).kind == kind


@pytest.mark.parametrize(("sequence", "kind"), [("7", "none"), ("8", "changed"), ("", "changed")])
def test_a_modify_is_judged_by_its_edit_sequence(sequence: str, kind: str) -> None:
    change = operation(4, "<TxnID>1A-1</TxnID><EditSequence>7</EditSequence><Memo>x</Memo>", "BillMod")
    assert queries(change)[0].startswith(b'<BillQueryRq requestID="q.0.0"><TxnID>1A-1</TxnID>')
    data = f"<BillRet><TxnID>1A-1</TxnID><EditSequence>{sequence}</EditSequence></BillRet>" if sequence else ""
    text = answer(f'<BillQueryRs requestID="q.0" statusCode="0">{data}</BillQueryRs>')
    assert look(change, parse_response(text), ("q.0",)).kind == kind


@pytest.mark.parametrize(("sequence", "kind"), [("7", "none"), ("8", "changed")])
def test_a_vendor_that_was_to_be_changed_is_found_by_its_list_id(sequence: str, kind: str) -> None:
    change = operation(4, "<ListID>8-1</ListID><EditSequence>7</EditSequence><Name>New</Name>", "VendorMod")
    assert queries(change) == (b'<VendorQueryRq requestID="q.0.0"><ListID>8-1</ListID></VendorQueryRq>',)
    ret = f"<VendorRet><ListID>8-1</ListID><EditSequence>{sequence}</EditSequence><Name>A</Name></VendorRet>"
    text = answer(f'<VendorQueryRs requestID="q.0" statusCode="0">{ret}</VendorQueryRs>')
    assert look(change, parse_response(text), ("q.0",)).kind == kind


def test_a_request_that_cannot_be_found_again_is_a_bug() -> None:
    with pytest.raises(Bug) as caught:
        queries(operation(5, "<Name>x</Name>", "InvoiceAdd"))
    assert str(caught.value) == "there is no way to find a InvoiceAdd again"


# --- seen before it is sent again -------------------------------------------------------------------------------------

ELSEWHERE = OperationOutcome(ONE.id, "held", code="twice", message="QuickBooks has it as another kind of object")


def test_what_was_seen_settles_a_set_of_one() -> None:
    known = seen_as(ALONE, {ONE.id: ELSEWHERE})
    assert (known.ask, known.stage, restored(known.decided)) == ((), "probe", [ELSEWHERE])


@pytest.mark.parametrize("sent_before", [False, True])
def test_the_rest_of_a_set_of_which_a_part_was_seen_goes_alone_once_quickbooks_must_be_through(
    sent_before: bool,
) -> None:
    two = replace(TWO, sent_before=sent_before)
    both = replace(message_set(ONE, two, set_id="SET"), sent_at=START)
    known = seen_as(both, {ONE.id: ELSEWHERE})
    none, late = {two.id: Found("none", {})}, START + timedelta(hours=1)
    assert known.ask == (two.id,)
    assert isinstance(after_probe(both, known, none, START), Running)
    assert isinstance(after_probe(both, known, none, late), Running)
    again = OperationOutcome(two.id, "retry", code="not_run", message="QuickBooks keeps no answer and does not hold it")
    assert after_probe(both, known, none, late, missed_at=START) == Settled((ELSEWHERE, again))


# --- refused, and perhaps saved ----------------------------------------------------------------------------------------

LOCKED = "the list is locked by another user"


@pytest.mark.parametrize("code", [3170, 3180])
def test_what_is_refused_as_locked_is_looked_for_before_it_waits(code: int) -> None:
    known = judged(refused(ONE.id, code, LOCKED))
    assert isinstance(known, Recovery)
    assert (known.stage, known.whole, known.ask, known.decided, known.silent) == ("probe", False, (ONE.id,), (), ())
    waits = only(after_probe(ALONE, known, {ONE.id: Found("none", {})}, START))
    assert (waits.outcome, waits.code, waits.message, waits.retry_after_s) == ("retry", str(code), LOCKED, 30.0)
    there = only(after_probe(ALONE, known, {ONE.id: Found("hit", {"TxnID": "1"})}, START))
    assert there == OperationOutcome(
        ONE.id, "posted", {"TxnID": "1"}, message=f"QuickBooks refused it ({code}) and has it all the same"
    )


def test_what_certainly_did_not_run_is_not_looked_for() -> None:
    assert only(judged(refused(ONE.id, 3175, "in use"))).outcome == "retry"
    assert only(judged(refused(ONE.id, 3180, "There was an error when saving a Bill."))).outcome == "failed"
