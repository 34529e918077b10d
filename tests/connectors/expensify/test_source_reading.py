"""Which reports are found: windows, limits, labels, states."""

from __future__ import annotations

import httpx
import pytest

from engine.errors import BadAnswer, Rejected
from tests.connectors.expensify.source_kit import FakeExpensify, Raw, envelope, file, ids, report


def read(vendor: FakeExpensify, /, **settings: str | int | bool) -> list[tuple[str, bool]]:
    pages = list(vendor.source(**settings).read("reports", {}, None))
    assert all(page.checkpoint is None for page in pages)
    return [(r["reportID"], r["isExported"]) for page in pages for r in page.records]


def exports(vendor: FakeExpensify) -> list[str]:
    return [words for words in vendor.asked() if words != "download"]


def test_reports_that_are_marked_come_too_when_they_were_approved_lately() -> None:
    vendor = FakeExpensify(
        report(1),
        report(2),
        report(3, "2026-09-01"),
        report(4, state="OPEN"),
        report(5, state="SUBMITTED"),
        report(6, state="REIMBURSED"),
        report(7, state="ARCHIVED"),
        labels={"R00000000002": "flowctl", "R00000000003": "flowctl", "R00000000001": "another flow's"},
    )
    assert read(vendor) == [
        ("R00000000001", False),
        ("R00000000006", False),
        ("R00000000007", False),
        ("R00000000002", True),
    ]


def test_a_report_submitted_long_ago_and_approved_lately_is_not_taken_for_marked() -> None:
    late = report(1, "2025-01-05", approved="2026-11-20 08:00:00")
    vendor = FakeExpensify(late, report(2), labels={"R00000000002": "flowctl"})
    assert read(vendor) == [("R00000000001", False), ("R00000000002", True)]
    assert exports(vendor) == [
        "startDate=2025-11-22 endDate=2026-11-22 markedAsExported=flowctl limit=500",
        "approvedAfter=2026-10-21 limit=500",
        "approvedAfter=2025-11-22 markedAsExported=flowctl limit=500",
    ]


def test_the_settings_set_the_windows() -> None:
    vendor = FakeExpensify()
    assert read(vendor, lookback_days=10, recheck_days=3, export_label="x", export_limit=50) == []
    assert exports(vendor) == [
        "startDate=2026-11-11 endDate=2026-11-22 markedAsExported=x limit=50",
        "approvedAfter=2026-11-17 limit=50",
        "approvedAfter=2026-11-10 markedAsExported=x limit=50",
    ]


def test_a_window_never_spans_more_than_a_year() -> None:
    vendor = FakeExpensify()
    read(vendor, lookback_days=365)
    assert exports(vendor)[0] == "startDate=2025-11-22 endDate=2026-11-22 markedAsExported=flowctl limit=500"
    vendor = FakeExpensify()
    read(vendor, lookback_days=800, recheck_days=365)
    assert exports(vendor) == [
        "startDate=2024-09-13 endDate=2024-11-22 markedAsExported=flowctl limit=500",
        "startDate=2024-11-22 endDate=2025-11-22 markedAsExported=flowctl limit=500",
        "startDate=2025-11-22 endDate=2026-11-22 markedAsExported=flowctl limit=500",
        "approvedAfter=2025-11-22 limit=500",
        "approvedAfter=2025-11-22 markedAsExported=flowctl limit=500",
    ]


def test_a_report_that_was_approved_while_nobody_read_is_found_by_its_approval() -> None:
    late = report(1, "2025-01-05", approved="2026-06-20 08:00:00")
    vendor = FakeExpensify(late, report(2), labels={"R00000000002": "flowctl"})
    assert read(vendor) == [("R00000000001", False), ("R00000000002", True)]


def test_reports_of_long_ago_are_old_unless_a_person_has_said_how_far_back_to_look() -> None:
    closed = report(1, "2026-05-20", approved=None, state="ARCHIVED", created="2026-05-19")
    approved = report(2, "2026-01-02", approved="2026-05-20 08:00:00")
    marked = report(3, "2026-01-02", approved="2026-11-20 08:00:00")
    reports = [
        closed,
        approved,
        marked,
        report(4, "2026-05-26"),
        report(5, "2025-01-02", approved="2026-11-20 08:00:00"),
    ]

    def old(**settings: int) -> list[str]:
        source = FakeExpensify(*reports, labels={"R00000000003": "flowctl"}).source(**settings)
        return [r["reportID"] for page in source.read("reports", {}, None) for r in page.records if r["isOld"]]

    assert old() == ["R00000000001", "R00000000002"]
    assert old(lookback_days=365) == []
    source = FakeExpensify(*reports).source()
    assert [(source.get("reports", r["reportID"]) or {})["isOld"] for r in reports] == [True, True, False, False, False]


def test_too_many_reports_by_their_approval_leave_those_of_the_last_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.expensify.reading._MOST_REPORTS", 60)
    early = [report(n, f"2026-{1 + n % 9:02d}-05", approved=f"2026-{1 + n % 9:02d}-06 08:00:00") for n in range(150)]
    late = report(900, "2025-01-05", approved="2026-11-20 08:00:00")
    vendor = FakeExpensify(*early, late)
    found = read(vendor, export_limit=50)
    assert sorted(found) == sorted((r["reportID"], False) for r in (*early, late))
    assert exports(vendor)[-2:] == [
        "approvedAfter=2025-11-22 markedAsExported=flowctl limit=100",
        "approvedAfter=2026-10-21 markedAsExported=flowctl limit=50",
    ]


def test_that_there_is_nothing_may_be_said_with_404() -> None:
    vendor = FakeExpensify(report(1), report(2), labels={"R00000000001": "flowctl"})
    vendor.nothing_is_404()
    assert read(vendor) == [("R00000000002", False), ("R00000000001", True)]
    assert (vendor.source().get("reports", "R00000000001") or {})["isExported"] is True
    assert vendor.source().get("reports", "R00000000009") is None
    vendor.reports = []
    assert read(vendor) == []


def test_that_there_is_nothing_in_a_policy_that_is_not_there_is_not_believed() -> None:
    vendor = FakeExpensify()
    vendor.nothing_is_404()
    with pytest.raises(Rejected, match="may not administer the policy NOWHERE, or there is none"):
        read(vendor, policies="NOWHERE")


def test_a_full_file_is_read_again_in_halves_that_share_their_day() -> None:
    early = [report(n, "2026-11-13") for n in range(30)]
    late = [report(100 + n, "2026-11-19") for n in range(40)]
    vendor = FakeExpensify(*early, *late)
    found = read(vendor, lookback_days=9, export_limit=50, recheck_days=1)
    assert found == [(r["reportID"], False) for r in (*early, *late)]
    assert exports(vendor)[:3] == [
        "startDate=2026-11-12 endDate=2026-11-22 markedAsExported=flowctl limit=50",
        "startDate=2026-11-12 endDate=2026-11-17 markedAsExported=flowctl limit=50",
        "startDate=2026-11-17 endDate=2026-11-22 markedAsExported=flowctl limit=50",
    ]


def test_a_report_on_the_day_that_halves_share_comes_once() -> None:
    many = [report(n, "2026-11-17") for n in range(40)]
    more = [report(50 + n, "2026-11-21") for n in range(20)]
    vendor = FakeExpensify(*many, *more)
    found = read(vendor, lookback_days=9, export_limit=50, recheck_days=1)
    assert sorted(found) == [(r["reportID"], False) for r in (*many, *more)]


def test_what_one_file_lists_twice_comes_twice_on_one_page() -> None:
    many = [report(n) for n in range(100)]
    vendor = FakeExpensify(*many, many[99], many[3])
    pages = [[r["reportID"] for r in page.records] for page in vendor.source().read("reports", {}, None)]
    listed = [r["reportID"] for r in many]
    assert pages == [[*listed[:4], listed[3], *listed[4:99]], [listed[99], listed[99]]]
    vendor = FakeExpensify(*many, many[99])
    pages = [[r["reportID"] for r in page.records] for page in vendor.source().read("reports", {}, None)]
    assert pages == [[*listed, listed[99]]]


@pytest.mark.parametrize("inclusive", ["startDate", "endDate", "both"])
def test_halves_lose_nothing_whichever_end_of_a_window_counts(inclusive: str) -> None:
    reports = [report(n, f"2026-11-{1 + n % 20:02d}") for n in range(200)]
    vendor = FakeExpensify(*reports)

    def filtered(job: Raw) -> None:
        if job["type"] != "file" or "startDate" not in job["inputSettings"]["filters"]:
            return
        filters = job["inputSettings"]["filters"]
        vendor.reports = [
            r
            for r in reports
            if not (inclusive == "startDate" and r["submitted"] == filters["endDate"])
            and not (inclusive == "endDate" and r["submitted"] == filters["startDate"])
        ]

    vendor.before = filtered
    assert sorted(read(vendor, export_limit=50)) == [(r["reportID"], False) for r in reports]


def test_a_single_day_that_fills_the_file_is_read_with_twice_the_limit() -> None:
    reports = [report(n, "2026-11-21") for n in range(130)]
    vendor = FakeExpensify(*reports)
    assert len(read(vendor, lookback_days=1, export_limit=50, recheck_days=1)) == 130
    assert exports(vendor) == [
        "startDate=2026-11-20 endDate=2026-11-22 markedAsExported=flowctl limit=50",
        "startDate=2026-11-20 endDate=2026-11-21 markedAsExported=flowctl limit=50",
        "startDate=2026-11-20 endDate=2026-11-21 markedAsExported=flowctl limit=100",
        "startDate=2026-11-20 endDate=2026-11-21 markedAsExported=flowctl limit=200",
        "startDate=2026-11-21 endDate=2026-11-22 markedAsExported=flowctl limit=50",
        "startDate=2026-11-21 endDate=2026-11-22 markedAsExported=flowctl limit=100",
        "startDate=2026-11-21 endDate=2026-11-22 markedAsExported=flowctl limit=200",
        "approvedAfter=2026-11-19 limit=50",
        "approvedAfter=2026-11-19 limit=100",
        "approvedAfter=2026-11-19 limit=200",
        "approvedAfter=2026-11-19 markedAsExported=flowctl limit=50",
        "approvedAfter=2026-11-19 markedAsExported=flowctl limit=100",
        "approvedAfter=2026-11-19 markedAsExported=flowctl limit=200",
    ]


def test_an_export_that_never_ends_is_given_up() -> None:
    vendor = FakeExpensify()

    def full(job: Raw) -> None:
        if job["type"] == "file":
            vendor.reports = [report(n) for n in range(int(job["inputSettings"]["limit"]))]

    vendor.before = full
    with pytest.raises(BadAnswer, match=r"acme/expensify: more than 20,000 reports in one export"):
        read(vendor, lookback_days=1, export_limit=5000)


def test_a_file_that_is_too_large_is_read_again_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.expensify.client.MAX_FILE", 30_000)
    reports = [report(n, f"2026-11-{12 + n % 10:02d}") for n in range(40)]
    vendor = FakeExpensify(*reports)
    assert sorted(read(vendor, lookback_days=9, recheck_days=1)) == [(r["reportID"], False) for r in reports]
    assert exports(vendor)[:2] == [
        "startDate=2026-11-12 endDate=2026-11-22 markedAsExported=flowctl limit=500",
        "startDate=2026-11-12 endDate=2026-11-17 markedAsExported=flowctl limit=500",
    ]


def test_pages_hold_a_hundred_records() -> None:
    vendor = FakeExpensify(*(report(n) for n in range(250)))
    assert [len(p.records) for p in vendor.source().read("reports", {}, None)] == [100, 100, 50]
    assert [len(p.records) for p in FakeExpensify().source().read("reports", {}, None)] == [0]


def test_policies_are_filtered_by_the_setting_or_by_the_filter() -> None:
    reports = [report(1, policyID="A"), report(2, policyID="B"), report(3, policyID="C")]
    assert ids(list(FakeExpensify(*reports).source(policies="A,C").read("reports", {}, None))) == [
        "R00000000001",
        "R00000000003",
    ]
    vendor = FakeExpensify(*reports)
    assert ids(list(vendor.source(policies="A").read("reports", {"policy_id": "B"}, None))) == ["R00000000002"]
    assert exports(vendor)[0].startswith("policyIDList=B startDate=")


def test_unknown_streams_and_filters_are_refused_before_any_call() -> None:
    vendor = FakeExpensify()
    source = vendor.source()
    for stream, filters, message in (
        ("report", {}, "acme/expensify: there is no stream `report`"),
        ("reports", {"policyid": "A"}, "acme/expensify: `reports` has no filter `policyid`"),
        ("tags", {"policy_id": "A,B"}, "acme/expensify: `A,B` is no id of a policy"),
    ):
        with pytest.raises(Rejected) as caught:
            list(source.read(stream, filters, None))
        assert str(caught.value) == message
    assert vendor.jobs == []


class TestGet:
    def test_a_report_that_is_not_marked_costs_one_export(self) -> None:
        vendor = FakeExpensify(report(1, state="OPEN"), report(2))
        found = vendor.source().get("reports", "R00000000001")
        assert found is not None
        assert (found["reportID"], found["state"], found["isExported"]) == ("R00000000001", "OPEN", False)
        assert exports(vendor) == ["reportIDList=R00000000001 markedAsExported=flowctl limit=2"]

    def test_a_marked_one_costs_two(self) -> None:
        vendor = FakeExpensify(report(1), labels={"R00000000001": "flowctl"})
        found = vendor.source().get("reports", "R00000000001")
        assert found is not None
        assert found["isExported"] is True
        assert len(exports(vendor)) == 2

    def test_one_that_is_gone_is_none(self) -> None:
        assert FakeExpensify().source().get("reports", "R1") is None
        vendor = FakeExpensify()
        vendor.before = lambda job: envelope(404) if job["type"] == "file" else None
        assert vendor.source().get("reports", "R1") is None
        assert [job["type"] for job in vendor.jobs] == ["file", "get", "file"]

    def test_that_one_is_gone_from_policies_that_are_not_there_is_not_believed(self) -> None:
        """Who has lost a policy is told the same of all its reports: they would be left out though they wait to be posted."""
        vendor = FakeExpensify(report(1))
        vendor.before = lambda job: envelope(404) if job["type"] == "file" else None
        with pytest.raises(Rejected, match="may not administer the policy NOWHERE, or there is none"):
            vendor.source(policies="NOWHERE").get("reports", "R00000000001")
        vendor.lists = {"policyList": []}
        with pytest.raises(Rejected, match="may administer no policy"):
            vendor.source().get("reports", "R00000000001")

    def test_an_address_where_nothing_is_says_nothing_of_the_report(self) -> None:
        vendor = FakeExpensify()
        vendor.before = lambda job: envelope(404, status=404) if job["type"] == "file" else None
        assert vendor.source().get("reports", "R1") is None

        vendor.before = lambda _: httpx.Response(404, text="<html>")
        with pytest.raises(Rejected, match="nothing is there"):
            vendor.source().get("reports", "R1")

    def test_it_is_found_by_its_other_id_and_keeps_the_one_it_was_asked_by(self) -> None:
        vendor = FakeExpensify()
        vendor.before = lambda job: (
            httpx.Response(200, content=file(report(7, oldReportID="3397451"))) if job["type"] == "download" else None
        )
        found = vendor.source().get("reports", "3397451")
        assert found is not None
        assert (found["reportID"], found["oldReportID"]) == ("3397451", "3397451")

    def test_another_report_is_no_answer(self) -> None:
        vendor = FakeExpensify()
        vendor.before = lambda job: (
            httpx.Response(200, content=file(report(7), report(8))) if job["type"] == "download" else None
        )
        with pytest.raises(BadAnswer, match="other reports than the one that was asked for"):
            vendor.source().get("reports", "R00000000007")

    @pytest.mark.parametrize("odd", ["", "R1,R2", "R 1", "R1\n", "../x", "R" * 41, "é"])
    def test_an_id_that_could_be_read_as_several_is_refused(self, odd: str) -> None:
        vendor = FakeExpensify()
        with pytest.raises(Rejected, match="an id that Expensify cannot have given"):
            vendor.source().get("reports", odd)
        assert vendor.jobs == []
