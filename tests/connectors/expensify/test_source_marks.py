"""Marks: chunks, confirmation, repeats."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from engine.contract import MarkCall, Marked
from engine.errors import AuthRefused, NotShown, Rejected, Transient
from tests.connectors.expensify.source_kit import FakeExpensify, Raw, envelope, file, report


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
    assert [job["type"] for job in vendor.jobs] == ["file", "file", "get", "file", "get", "file"]


def test_of_several_that_are_not_there_each_is_told_alone() -> None:
    """One that is gone may have kept the others from their mark: nobody says what such a 404 is about."""
    vendor = FakeExpensify(report(1), report(2))

    def before(job: Raw) -> httpx.Response | None:
        named = job["inputSettings"]["filters"]["reportIDList"].split(",") if job["type"] == "file" else []
        return envelope(404) if "R00000000003" in named else None

    vendor.before = before
    with pytest.raises(Rejected, match=r"there is no such thing \(responseCode 404\)"):
        vendor.source().mark(call(1, 2, 3))
    assert vendor.labels == {}
    for number in (1, 2, 3):
        vendor.source().mark(call(number))
    assert vendor.labels == {"R00000000001": {"flowctl"}, "R00000000002": {"flowctl"}}


@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
@pytest.mark.parametrize("only_to_confirm", [False, True])
def test_that_reports_of_policies_that_are_not_there_are_gone_is_not_believed(
    numbers: tuple[int, ...], *, only_to_confirm: bool
) -> None:
    """No report is to blame: the call stands as it is, and a person is told what the credentials lack."""
    vendor = FakeExpensify(report(1), report(2))
    vendor.before = lambda job: (
        envelope(404) if job["type"] == "file" and not (only_to_confirm and "onFinish" in job) else None
    )
    with pytest.raises(AuthRefused, match="may not administer the policy NOWHERE, or there is none") as caught:
        vendor.source(policies="NOWHERE").mark(call(*numbers))
    assert caught.value.hint == "make their account an admin of the policy, or correct the setting `policies`"
    vendor.lists = {"policyList": []}
    with pytest.raises(AuthRefused, match="may administer no policy"):
        vendor.source().mark(call(*numbers))


def test_one_that_is_told_to_be_gone_and_is_listed_does_not_show() -> None:
    vendor = FakeExpensify(report(1))
    vendor.before = lambda job: envelope(404) if "onFinish" in job else None
    with pytest.raises(NotShown) as caught:
        vendor.source().mark(call(1))
    assert caught.value.ids == {"R00000000001"}


def test_nothing_to_mark_is_no_call() -> None:
    vendor = FakeExpensify()
    vendor.source().mark(call())
    assert vendor.jobs == []


def test_a_mark_that_does_not_show_is_to_be_repeated() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(1, 8)))
    vendor.before = lambda job: httpx.Response(200, text="export1.json") if "onFinish" in job else None
    with pytest.raises(NotShown) as caught:
        vendor.source().mark(call(*range(1, 8)))
    assert str(caught.value) == (
        "acme/expensify: MARK_AS_EXPORTED was taken but does not show yet: R00000000001, R00000000002, R00000000003, "
        "R00000000004, R00000000005 and 2 more"
    )
    assert caught.value.retry_after_s == 15.0
    assert caught.value.ids == {report(n)["reportID"] for n in range(1, 8)}
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


def losing(vendor: FakeExpensify, *lost: int, instead: Mapping[int, httpx.Response] | None = None) -> None:
    """Marks all but some; the marking jobs of these numbers, from 1, are answered otherwise and mark nothing."""

    def before(job: Raw) -> httpx.Response | None:
        if "onFinish" not in job:
            return None
        if answer := (instead or {}).get(len(marks(vendor))):
            return answer
        done = vendor.dispatch(job)
        for number in lost:
            vendor.labels.pop(f"R{number:011d}", None)
        return done

    vendor.before = before


def unmarked(vendor: FakeExpensify) -> set[str]:
    return {each["reportID"] for each in vendor.reports} - set(vendor.labels)


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_what_a_chunk_does_not_show_says_nothing_of_another_one_that_failed(bad: int) -> None:
    """The engine takes for told whatever a `NotShown` does not name."""
    vendor = FakeExpensify(*(report(n) for n in range(120)))
    losing(vendor, 7, 57, 107, instead={bad: envelope(500)})
    with pytest.raises(Transient, match="responseCode 500") as caught:
        vendor.source().mark(call(*range(120)))
    assert not isinstance(caught.value, NotShown)
    assert len(unmarked(vendor)) == (22 if bad == 3 else 52)


@pytest.mark.parametrize("answer", [envelope(410), envelope(404)])
@pytest.mark.parametrize("bad", [1, 2])
def test_what_does_not_show_of_any_chunk_and_what_was_refused_is_named(bad: int, answer: httpx.Response) -> None:
    vendor = FakeExpensify(*(report(n) for n in range(90)))
    losing(vendor, 7, 60, 61, instead={bad: answer})
    with pytest.raises(NotShown) as caught:
        vendor.source().mark(call(*range(90)))
    assert caught.value.ids == unmarked(vendor)
    assert len(caught.value.ids) == (52 if bad == 1 else 41)
    assert caught.value.retry_after_s == 15.0


def test_what_does_not_show_of_several_chunks_is_named_and_marked_again_without_the_others() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(90)))
    losing(vendor, 7, 60, 61)
    with pytest.raises(NotShown) as caught:
        vendor.source().mark(call(*range(90)))
    assert caught.value.ids == unmarked(vendor) == {"R00000000007", "R00000000060", "R00000000061"}
    vendor.before = lambda _: None
    vendor.source().mark(call(7, 60, 61))
    assert unmarked(vendor) == set()


def test_what_is_listed_by_its_other_id_is_the_report_that_was_told() -> None:
    """Which of its two ids stands first may change between the reading of a report and its mark."""
    vendor = FakeExpensify()
    listed = [report(8, oldReportID="3397451"), report(2), report(4, oldReportID="")]
    told = MarkCall(
        "MARK_AS_EXPORTED",
        "key",
        tuple(Marked(i, "T") for i in ("3397451", "R00000000002", "R3", report(4)["reportID"])),
    )
    vendor.before = lambda job: httpx.Response(200, content=file(*listed)) if job["type"] == "download" else None
    with pytest.raises(NotShown, match=r"does not show yet: 3397451, R00000000002, R00000000004$") as caught:
        vendor.source().mark(told)
    assert caught.value.ids == {"3397451", "R00000000002", "R00000000004"}


def test_where_another_report_is_listed_nothing_is_taken_for_marked() -> None:
    vendor = FakeExpensify()
    vendor.before = lambda job: (
        httpx.Response(200, content=file(report(1), report(9))) if job["type"] == "download" else None
    )
    with pytest.raises(NotShown) as caught:
        vendor.source().mark(call(1, 2))
    assert caught.value.ids == {"R00000000001", "R00000000002"}


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
