"""Finds all reports that matter: exports have no pages, so one that reaches its limit is asked for in smaller pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
# `approvedAfter` has no end, which is then tomorrow.
_LONGEST = timedelta(days=365)
_DAY = timedelta(days=1)
_MOST_REPORTS = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """A report as our template wrote it, and whether it is marked as exported with the connection's label.

    `old` says that it is not marked and so old that it may have been entered by hand before flowctl was set up.
    """

    raw: Raw
    exported: bool
    old: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How reports are listed. `look` asks for the policies, and raises an error when one of them is not there."""

    client: ExpensifyClient
    settings: Settings
    today: date
    look: Callable[[], object]

    def export(self, selection: Selection, limit: int) -> list[Raw]:
        """The reports of one file. That there is nothing is believed when the policies are there."""
        found = self.client.export_or_none(selection, limit)
        if found is None:
            self.look()
        return list(found or ())


def all_reports(it: Reading, policies: tuple[str, ...]) -> Iterator[Found]:
    """First the reports that are not marked, by submission and by approval, then those approved lately that are.

    Windows overlap, so that most of what is listed again is left out here. What one file lists twice is handed on twice,
    one after the other: the engine skips it, and says so.

    A report may be approved long after it was submitted, and while nobody read. So those that are not marked are asked for
    by their approval as well, as far back as by their submission; those that were approved lately and that this export
    lacks are marked.
    """
    base = Selection(FINAL_STATES, policy_ids=policies)
    settings = it.settings
    unmarked = replace(base, unmarked=settings.export_label)
    seen: set[str] = set()
    for reports in _submitted(it, unmarked):
        yield from (_unmarked(raw, settings, it.today) for raw in _news(reports, seen))
    since = _approved(base, settings.recheck_days, it.today)
    lately = [raw for raw in _growing(it, since, settings.export_limit) if raw["reportID"] not in seen]
    # Asked for last: what is marked while this is read is then taken for marked, and for nothing new.
    late = [raw for raw in _late(it, unmarked) if raw["reportID"] not in seen]
    yield from (_unmarked(raw, settings, it.today) for raw in _news(late, seen))
    yield from (Found(raw, exported=True) for raw in _news(lately, seen))


def _late(it: Reading, unmarked: Selection) -> list[Raw]:
    """Reports that are not marked, by their approval.

    Where those of the whole time do not fit into a file, those of `recheck_days` have to do until most are marked: there is
    no end of such a window that could be moved.
    """
    settings = it.settings
    try:
        since = _approved(unmarked, max(settings.lookback_days, settings.recheck_days), it.today)
        return _growing(it, since, settings.export_limit)
    except BadAnswer:
        return _growing(it, _approved(unmarked, settings.recheck_days, it.today), settings.export_limit)


def _approved(selection: Selection, days: int, today: date) -> Selection:
    """With what was approved within so many days; a year at most, since there is no other end than today."""
    # Whether the day itself counts is told in two ways, and days begin elsewhere at other hours.
    return replace(selection, approved_after=today - min(timedelta(days=days), _LONGEST - 2 * _DAY) - _DAY)


def _unmarked(raw: Raw, settings: Settings, today: date) -> Found:
    return Found(raw, exported=False, old=_is_old(raw, settings, today))


def _is_old(raw: Raw, settings: Settings, today: date) -> bool:
    """Whether a report was begun, submitted and approved before the days of which every report is surely a new one."""
    days = [day for name in ("created", "submitted", "approved") if (day := _day_of(raw.get(name))) is not None]
    return not days or max(days) < today - timedelta(days=settings.surely_days)


def _day_of(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _news(reports: Sequence[Raw], seen: set[str]) -> list[Raw]:
    """The reports of one file that no file before it had, those of one id together; `seen` knows them from now on."""
    by_id: dict[str, list[Raw]] = {}
    for raw in reports:
        if raw["reportID"] not in seen:
            by_id.setdefault(raw["reportID"], []).append(raw)
    seen.update(by_id)
    return [raw for found in by_id.values() for raw in found]


def one_report(it: Reading, report_id: str) -> Found | None:
    """One report in whatever state it is now, or None when Expensify has it no more."""
    selection = Selection(report_ids=(report_id,))
    # A report that is asked for by itself is nearly always one that is not marked, and then one export is enough.
    unmarked = _only(it, replace(selection, unmarked=it.settings.export_label), report_id)
    if unmarked is not None:
        return _unmarked(unmarked, it.settings, it.today)
    found = _only(it, selection, report_id)
    return None if found is None else Found(found, exported=True)


def _only(it: Reading, selection: Selection, report_id: str) -> Raw | None:
    """The report itself; a filter that was not honoured must not pass off another one for it."""
    reports = it.export(selection, 2)
    if not reports:
        return None
    found = next((raw for raw in reports if report_id in (raw["reportID"], raw.get("oldReportID"))), None)
    if found is None or len(reports) > 1:
        raise BadAnswer(f"{it.client.where}: Expensify answered with other reports than the one that was asked for")
    return found


def _submitted(it: Reading, selection: Selection) -> Iterator[Sequence[Raw]]:
    """Files of reports by the day they were submitted or created, in windows of a year, the oldest first.

    The last one ends tomorrow, which has begun elsewhere.
    """
    end = it.today + _DAY
    back = timedelta(days=it.settings.lookback_days)
    # Tomorrow is one of the days of a year.
    first, windows = (it.today if back < _LONGEST else end) - back, list[tuple[date, date]]()
    while end > first:
        # Windows share their days, as their halves do.
        windows.append((max(first, end - _LONGEST), end))
        end, _ = windows[-1]
    while windows:
        start, end = windows.pop()
        window, limit = replace(selection, start=start, end=end), it.settings.export_limit
        if end - start <= _DAY:
            yield _growing(it, window, limit)
            continue
        reports = _below(it, window, limit)
        if reports is not None:
            yield reports
            continue
        # The halves share their day: nobody says whether the first or the last day of a window belongs to it.
        middle = start + (end - start) // 2
        windows += [(middle, end), (start, middle)]


def _below(it: Reading, selection: Selection, limit: int) -> list[Raw] | None:
    """The reports of a window, or None when its file is full or too large, so that some may be missing."""
    try:
        reports = it.export(selection, limit)
    except TooLarge:
        return None
    return reports if len(reports) < limit else None


def _growing(it: Reading, selection: Selection, limit: int) -> list[Raw]:
    """All reports of a selection that has no window to halve: the limit is doubled until the file is below it."""
    hint = "lower the setting `lookback_days` or `recheck_days`, or read fewer `policies` with one connection"
    while limit < 2 * _MOST_REPORTS:
        try:
            reports = it.export(selection, limit)
        except TooLarge as error:
            raise BadAnswer(str(error), hint=hint) from None
        if len(reports) < limit:
            return reports
        limit *= 2
    raise BadAnswer(f"{it.client.where}: more than {_MOST_REPORTS:,} reports in one export", hint=hint)
