"""Jobs of the types `file` and `download`: choosing reports, making a file, marking, and handing the file out."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any, get_args

from connectors.expensify.simulator import renderer
from connectors.expensify.simulator.data import report_model
from connectors.expensify.simulator.records import File, Options, Report, State
from connectors.expensify.simulator.wire import (
    TEXT,
    ApiError,
    Job,
    JsonObject,
    error_reply,
    mark_label,
    missing,
    section,
)
from connectors.expensify.simulator.world import World
from engine.contract import HttpReply
from engine.dataclass import dataclass

_STATES: tuple[State, ...] = get_args(State)
_EXTENSIONS = ("csv", "xls", "xlsx", "txt", "pdf", "json", "xml")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FORMS = ("404", "empty", "envelope")


@dataclass(frozen=True, slots=True)
class Export:
    """A `file` job, read and found in order; `mark` is the label to set, and None when nothing is to be marked."""

    extension: str
    states: frozenset[str]
    limit: int | None
    report_ids: frozenset[str] | None
    policy_ids: frozenset[str] | None
    start: date | None
    end: date | None
    approved_after: date | None
    label: str | None
    mark: str | None


def run_file(world: World, job: Job, *, duplicated: bool = False) -> HttpReply:
    """Run a `file` job: the answer is the bare name of a file that will be there later."""
    export = _read(world, job)
    if job.template is None:
        raise missing("template")
    if not renderer.recognised(job.template):
        raise ApiError(410, "This sandbox renders the template of flowctl's Expensify connector, and no other")
    chosen = choose(world, export)
    if not chosen and world.options.empty_export == "404":
        raise ApiError(404, "No reports were found")
    for report in chosen:
        world.shown[report.id].add(report.total)
    rows = [report_model(world, report) for report in chosen]
    if duplicated and rows:
        rows.append(rows[0])
    made_at = world.clock.monotonic()
    name = f"export{world.names.uuid('file')}.{export.extension}"
    world.files[name] = File(name, renderer.render(rows), tuple(report.id for report in chosen), made_at)
    if export.mark is not None:
        due_at = made_at + world.options.marks_after_s
        world.coming += [(due_at, report.id, export.mark) for report in chosen]
        world.settle()
    return HttpReply(200, {"content-type": TEXT}, name.encode())


def choose(world: World, export: Export) -> list[Report]:
    """The reports that an export lists, in order."""
    found = [report for report in world.reports.values() if _fits(world, export, report)]
    found.sort(key=lambda report: (report.dated, report.id), reverse=world.options.newest_first)
    return found[: export.limit]


def run_download(world: World, job: Job, *, withheld: bool = False) -> HttpReply:
    """Run a `download` job: the file's bytes, or one of the three ways to say that it is not ready."""
    name, system = job.body.get("fileName"), job.body.get("fileSystem")
    if not isinstance(name, str) or not name:
        raise missing("fileName")
    if system != "integrationServer":
        raise ApiError(410, "Parameter 'fileSystem' is not valid")
    file = world.files.get(name)
    # ASSUMED: a name that was never handed out looks like a file that is not ready.
    if file is None or withheld or not _is_ready(world, file):
        return _not_ready(world, file)
    # ASSUMED: the content type; a client cannot tell a file from an envelope by it.
    return HttpReply(200, {"content-type": TEXT}, file.body)


def _is_ready(world: World, file: File) -> bool:
    options = world.options
    waited = world.clock.monotonic() - file.made_at
    return file.polls >= options.ready_after_polls and waited >= options.ready_after_s


def _not_ready(world: World, file: File | None) -> HttpReply:
    polls = 0 if file is None else file.polls
    if file is not None:
        file.polls += 1
    form = world.options.not_ready
    if form == "mixed":
        form = _FORMS[(polls + len(world.files)) % 3]  # type: ignore[assignment]
    if form == "404":
        return HttpReply(404, {"content-type": "text/html"}, b"<html><body><h1>404 Not Found</h1></body></html>")
    if form == "empty":
        return HttpReply(200, {"content-type": TEXT}, b"")
    return error_reply(ApiError(404, "File not found"))


# --- which reports ----------------------------------------------------------------------------------------------------


def _fits(world: World, export: Export, report: Report) -> bool:
    if report.state not in export.states:
        return False
    if export.report_ids is not None and not export.report_ids & {report.id, report.old_id}:
        return False
    if export.policy_ids is not None and report.policy_id not in export.policy_ids:
        return False
    if export.start is not None and report.dated < export.start:
        return False
    if export.end is not None and report.dated > export.end:
        return False
    if export.label is not None and export.label in world.labels.get(report.id, {}):
        return False
    if export.approved_after is None:
        return True
    if report.approved is None:
        return False
    day = report.approved.date()
    return day > export.approved_after or (day == export.approved_after and world.options.approved_after_inclusive)


# --- reading a job ----------------------------------------------------------------------------------------------------


def _read(world: World, job: Job) -> Export:
    options, body, settings = world.options, job.body, job.settings
    received = section(body, "onReceive").get("immediateResponse")
    if received != ["returnRandomFileName"]:
        raise ApiError(410, "Parameter 'immediateResponse' is not valid")
    if settings.get("type") != "combinedReportData":
        raise ApiError(410, "Parameter 'type' is not valid")
    extension = section(body, "outputSettings").get("fileExtension")
    # A PDF is one file for each report, and the answer to such a job is documented nowhere.
    if extension not in _EXTENSIONS or extension == "pdf":
        raise ApiError(410, "Parameter 'fileExtension' is not valid")
    if "employeeEmail" in settings:
        raise ApiError(500, f"Not authorized to authenticate as user {settings['employeeEmail']}")
    filters = section(settings, "filters")
    start, after = _day(filters, "startDate"), _day(filters, "approvedAfter")
    report_ids = _ids(filters, "reportIDList")
    if report_ids is None and start is None and after is None:
        raise ApiError(410, "One of the parameters 'reportIDList', 'startDate', 'approvedAfter' is required")
    end = _day(filters, "endDate")
    _check_span(world, start or after, end)
    return Export(
        extension=str(extension),
        states=_states(settings),
        limit=_limit(options, settings.get("limit")),
        report_ids=report_ids,
        policy_ids=_ids(filters, "policyIDList"),
        start=start,
        end=end,
        approved_after=after,
        label=_text(filters, "markedAsExported"),
        mark=None if _is_test(options, body.get("test")) else mark_label(body),
    )


def _check_span(world: World, anchor: date | None, end: date | None) -> None:
    """At most a year, and one that began earlier must say where it ends."""
    if anchor is None:
        return
    if end is None:
        if anchor < world.now.date() - timedelta(days=366):
            raise missing("endDate")
    elif end < anchor or end > anchor + timedelta(days=366):
        raise ApiError(410, "The date range must not exceed one year")


def _states(settings: JsonObject) -> frozenset[str]:
    text = _text(settings, "reportState")
    if text is None:
        # ASSUMED: a job that names no state gets every one.
        return frozenset(_STATES)
    found = frozenset(part.strip() for part in text.split(","))
    for state in sorted(found - frozenset(_STATES)):
        raise ApiError(410, f"Status '{state}' is not supported")
    return found


def _limit(options: Options, value: object) -> int | None:
    if value is None or value == "":
        return None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str) or (is_number and options.number_limit == "taken"):
        text = str(value)
        if re.fullmatch("[0-9]{1,9}", text) and int(text) > 0:
            return int(text)
    raise ApiError(410, "Parameter 'limit' is not valid")


def _is_test(options: Options, value: object) -> bool:
    if value is None or value == "false":
        return False
    if value == "true":
        return True
    if isinstance(value, bool) and options.boolean_test != "refused":
        return value and options.boolean_test == "taken"
    raise ApiError(410, "Parameter 'test' is not valid")


def _ids(filters: JsonObject, name: str) -> frozenset[str] | None:
    text = _text(filters, name)
    return None if text is None else frozenset(part.strip() for part in text.split(",") if part.strip())


def _day(filters: JsonObject, name: str) -> date | None:
    text = _text(filters, name)
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ApiError(410, f"Parameter '{name}' is not valid")


def _text(values: JsonObject, name: str) -> str | None:
    """A text; one that is absent or empty is not given."""
    value: Any = values.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ApiError(410, f"Parameter '{name}' is not valid")
    return value
