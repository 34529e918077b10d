"""Marks: chunks, confirmation, repeats."""

from __future__ import annotations

import httpx
import pytest

from engine.contract import MarkCall, Marked
from engine.errors import AuthRefused, NotShown, Rejected, Transient
from tests.connectors.expensify.source_kit import FakeExpensify, Raw, envelope, report


def call(*numbers: int, kind: str = "MARK_AS_EXPORTED") -> MarkCall:
    return MarkCall(kind, "key", tuple(Marked(f"R{n:011d}", f"TXN-{n}") for n in numbers))


def marks(vendor: FakeExpensify) -> list[Raw]:
    return [job for job in vendor.jobs if "onFinish" in job]


def test_marked_reports_are_marked_and_that_is_confirmed() -> None:
    vendor = FakeExpensify(report(1), report(2), report(3))
    vendor.source(export_label="books").mark(call(1, 3))
    assert vendor.labels == {"R00000000001": {"books"}, "R00000000003": {"books"}}
    assert vendor.asked() == [
        "reportIDList=R00000000001,R00000000003 limit=50 -> books",
        "reportIDList=R00000000001,R00000000003 markedAsExported=books limit=100",
        "download",
    ]


def test_a_mark_may_be_repeated() -> None:
    vendor = FakeExpensify(report(1))
    for _ in range(2):
        vendor.source().mark(call(1, 1))
    assert vendor.labels == {"R00000000001": {"flowctl"}}


def test_more_than_fifty_go_in_chunks() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(120)))
    vendor.source().mark(call(*range(120)))
    assert [len(job["inputSettings"]["filters"]["reportIDList"].split(",")) for job in marks(vendor)] == [50, 50, 20]
    assert set(vendor.labels) == {report(n)["reportID"] for n in range(120)}


def test_a_report_that_was_reopened_is_marked_all_the_same() -> None:
    vendor = FakeExpensify(report(1, state="OPEN"))
    vendor.source().mark(call(1))
    assert vendor.labels == {"R00000000001": {"flowctl"}}


def test_a_report_that_is_gone_needs_no_mark() -> None:
    FakeExpensify().source().mark(call(1))


def test_that_nothing_is_left_to_mark_may_be_said_with_404() -> None:
    vendor = FakeExpensify(report(1))
    vendor.nothing_is_404()
    vendor.source().mark(call(1, 2))
    assert vendor.labels == {"R00000000001": {"flowctl"}}
    vendor.source().mark(call(2))
    assert len(marks(vendor)) == 2


def test_nothing_to_mark_is_no_call() -> None:
    vendor = FakeExpensify()
    vendor.source().mark(call())
    assert vendor.jobs == []


def test_a_mark_that_does_not_show_is_to_be_repeated() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(1, 8)))
    vendor.before = lambda job: httpx.Response(200, text="export1.json") if "onFinish" in job else None
    with pytest.raises(Transient) as caught:
        vendor.source().mark(call(*range(1, 8)))
    assert str(caught.value) == (
        "acme/expensify: MARK_AS_EXPORTED was taken but does not show yet: R00000000001, R00000000002, R00000000003, "
        "R00000000004, R00000000005 and 2 more"
    )
    assert caught.value.retry_after_s == 15.0
    assert type(caught.value) is Transient
    vendor.before = lambda _: None
    vendor.source().mark(call(*range(1, 8)))
    assert len(vendor.labels) == 7


def test_what_shows_of_a_mark_is_told_from_what_does_not() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(1, 4)))
    vendor.source().mark(call(1, 3))
    vendor.before = lambda job: httpx.Response(200, text="export1.json") if "onFinish" in job else None
    with pytest.raises(NotShown) as caught:
        vendor.source().mark(call(1, 2, 3))
    assert caught.value.ids == {"R00000000002"}
    assert caught.value.retry_after_s == 15.0


@pytest.mark.parametrize(
    "answer", [lambda: envelope(404), lambda: envelope(410), lambda: httpx.Response(200, content=b"")]
)
def test_a_confirmation_that_says_nothing_confirms_nothing(answer: object) -> None:
    assert callable(answer)
    vendor = FakeExpensify(report(1))
    vendor.before = lambda job: answer() if job["type"] == "download" else None
    with pytest.raises(Transient):
        vendor.source().mark(call(1))


def test_one_chunk_that_fails_keeps_no_other_from_its_mark() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(120)))
    vendor.before = lambda _: (
        envelope(410) if len(marks(vendor)) == 1 else (envelope(500) if len(marks(vendor)) == 2 else None)
    )
    with pytest.raises(Transient, match="responseCode 500"):
        vendor.source().mark(call(*range(120)))
    assert set(vendor.labels) == {report(n)["reportID"] for n in range(100, 120)}


def test_a_lost_answer_is_no_doubt_that_a_person_must_settle() -> None:
    vendor = FakeExpensify(report(1))

    def lose(job: Raw) -> httpx.Response | None:
        if "onFinish" in job:
            vendor.dispatch(job)
            raise httpx.ReadTimeout("")
        return None

    vendor.before = lose
    with pytest.raises(Transient):
        vendor.source().mark(call(1))
    assert vendor.labels == {"R00000000001": {"flowctl"}}


def test_refused_credentials_stop_at_once() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(120)))
    vendor.before = lambda _: envelope(403)
    with pytest.raises(AuthRefused):
        vendor.source().mark(call(*range(120)))
    assert len(vendor.jobs) == 1


def test_other_marks_and_odd_ids_are_refused_before_any_call() -> None:
    vendor = FakeExpensify()
    with pytest.raises(Rejected) as caught:
        vendor.source().mark(call(1, kind="BILL_SYNC"))
    assert str(caught.value) == "acme/expensify: there is no mark `BILL_SYNC`"
    with pytest.raises(Rejected, match="an id that Expensify cannot have given"):
        vendor.source().mark(MarkCall("MARK_AS_EXPORTED", "key", (Marked("R1,R2", "T"),)))
    assert vendor.jobs == []
