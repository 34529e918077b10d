"""Finds all reports that matter: exports have no pages, so one that reaches its limit is asked for in smaller pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

from connectors._http import TooLarge
from connectors.expensify.client import ExpensifyClient
from connectors.expensify.jobs import Selection
from connectors.expensify.records import Raw
from connectors.expensify.settings import Settings
from connectors.expensify.spec import FINAL_STATES
from engine.dataclass import dataclass
from engine.errors import BadAnswer

# Expensify refuses windows of more than a year (FACTS.md, "Export").
_LONGEST = timedelta(days=365)
_DAY = timedelta(days=1)
_MOST_REPORTS = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """A report as our template wrote it, and whether it is marked as exported with the connection's label."""

    raw: Raw
    exported: bool


def all_reports(client: ExpensifyClient, settings: Settings, policies: tuple[str, ...], today: date) -> Iterator[Found]:
    """First the reports that are not marked, then those approved lately that are.

    Windows overlap, so that most of what is listed again is left out here. What one file lists twice is handed on twice,
    one after the other: the engine skips it, and says so.

    A report that was approved lately may have been submitted before the window of the first export. Whether it is marked
    is then asked for; taking it for marked because the first export lacks it would lose it.
    """
    base = Selection(FINAL_STATES, policy_ids=policies)
    seen: set[str] = set()
    for reports in _submitted(client, replace(base, unmarked=settings.export_label), settings, today):
        yield from (Found(raw, exported=False) for raw in _news(reports, seen))
    # Whether the day itself counts is told in two ways, and days begin elsewhere at other hours.
    since = replace(base, approved_after=today - timedelta(days=settings.recheck_days) - _DAY)
    lately = [raw for raw in _growing(client, since, settings.export_limit) if raw["reportID"] not in seen]
    if not lately:
        return
    unmarked = {
        raw["reportID"]
        for raw in _growing(client, replace(since, unmarked=settings.export_label), settings.export_limit)
    }
    yield from (Found(raw, exported=raw["reportID"] not in unmarked) for raw in _news(lately, seen))


def _news(reports: Sequence[Raw], seen: set[str]) -> list[Raw]:
    """The reports of one file that no file before it had, those of one id together; `seen` knows them from now on."""
    by_id: dict[str, list[Raw]] = {}
    for raw in reports:
        if raw["reportID"] not in seen:
            by_id.setdefault(raw["reportID"], []).append(raw)
    seen.update(by_id)
    return [raw for found in by_id.values() for raw in found]


def one_report(client: ExpensifyClient, settings: Settings, report_id: str) -> Found | None:
    """One report in whatever state it is now, or None when Expensify has it no more."""
    selection = Selection(report_ids=(report_id,))
    # A report that is asked for by itself is nearly always one that is not marked, and then one export is enough.
    unmarked = _only(client, replace(selection, unmarked=settings.export_label), report_id)
    if unmarked is not None:
        return Found(unmarked, exported=False)
    found = _only(client, selection, report_id)
    return None if found is None else Found(found, exported=True)


def _only(client: ExpensifyClient, selection: Selection, report_id: str) -> Raw | None:
    """The report itself; a filter that was not honoured must not pass off another one for it."""
    reports = client.export(selection, 2)
    if not reports:
        return None
    found = next((raw for raw in reports if report_id in (raw["reportID"], raw.get("oldReportID"))), None)
    if found is None or len(reports) > 1:
        raise BadAnswer(f"{client.where}: Expensify answered with other reports than the one that was asked for")
    return found


def _submitted(
    client: ExpensifyClient, selection: Selection, settings: Settings, today: date
) -> Iterator[Sequence[Raw]]:
    """Files of reports by the day they were submitted or created; the window ends tomorrow, which has begun elsewhere."""
    end = today + _DAY
    start = max(today - timedelta(days=settings.lookback_days), end - _LONGEST)
    windows = [(start, end)]
    while windows:
        start, end = windows.pop()
        window, limit = replace(selection, start=start, end=end), settings.export_limit
        if end - start <= _DAY:
            yield _growing(client, window, limit)
            continue
        reports = _below(client, window, limit)
        if reports is not None:
            yield reports
            continue
        # The halves share their day: nobody says whether the first or the last day of a window belongs to it.
        middle = start + (end - start) // 2
        windows += [(middle, end), (start, middle)]


def _below(client: ExpensifyClient, selection: Selection, limit: int) -> list[Raw] | None:
    """The reports of a window, or None when its file is full or too large, so that some may be missing."""
    try:
        reports = client.export(selection, limit)
    except TooLarge:
        return None
    return list(reports) if len(reports) < limit else None


def _growing(client: ExpensifyClient, selection: Selection, limit: int) -> list[Raw]:
    """All reports of a selection that has no window to halve: the limit is doubled until the file is below it."""
    hint = "lower the setting `lookback_days` or `recheck_days`, or read fewer `policies` with one connection"
    while limit < 2 * _MOST_REPORTS:
        try:
            reports = client.export(selection, limit)
        except TooLarge as error:
            raise BadAnswer(str(error), hint=hint) from None
        if len(reports) < limit:
            return list(reports)
        limit *= 2
    raise BadAnswer(f"{client.where}: more than {_MOST_REPORTS:,} reports in one export", hint=hint)
