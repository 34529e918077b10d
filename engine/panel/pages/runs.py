"""Runs of a company with charts of what came of them, and one run with its steps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import get_args
from urllib.parse import urlencode

from engine import history
from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.history import By, Period
from engine.overview import STATES
from engine.panel import charts
from engine.panel.charts import Chart, Point
from engine.panel.web import ROOT, Answer, Ask, Page, PageMissing, Shown
from engine.store import runs, tally
from engine.store.runs import Run

_SIZE = 30
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
# What is shown of a stream's counts, as people call it, in the order of a record's life.
COUNTS = (
    ("read", "Listed"),
    ("intended", "Prepared"),
    ("deferred", "Waiting"),
    ("failed", "Failed"),
    ("skipped", "Left out"),
)
STEPS = {
    "lists": "Lists of the target looked at",
    "read": "Read",
    "write": "Prepared, and written where the target is called",
    "tell": "Source told",
}
_NEVER_ENDED = (
    "broken off",
    "It did not come to its end: flowctl was stopped, or died. What it left is done by the next run.",
)
OUTCOMES = {
    "done": ("done", ""),
    "failed": ("with trouble", ""),
    "running": ("running", "It is at work now."),
    "lost": _NEVER_ENDED,
}
# What kept a run from finishing its work, and what helps, for people who never open a terminal.
TROUBLES = {
    "busy": ("The same was being read already.", "Nothing is to be done: its records come with that other read."),
    "unreached": (
        "The service could not be reached, or asked for a pause.",
        "It is tried again by itself. When it goes on for hours, look whether the service has a fault.",
    ),
    "sign_in": (
        "The service did not let flowctl in.",
        "Somebody who may do so has to connect it again: the password, key or permission is no longer good.",
    ),
    "not_as_sent": (
        "The service shows something else than it was sent.",
        "Look at it there: nothing more is written until it is right. The text below says what it is.",
    ),
    "refused": ("The service refused what it was asked.", "The text below says what; correct it there, or ask for help."),
    "answer": ("The service answered something that makes no sense.", "It is tried again; ask for help if it stays so."),
    "store": ("flowctl could not use its own storage.", "It is tried again in seconds. Is the disk full?"),
    "set_up": ("Something is not set up for this flow.", "The text below says what is missing."),
    "broken": ("The run broke off.", "It is tried again at the next time. The log of flowctl has the rest."),
    "other": ("Something went wrong.", "The text below says what."),
}  # fmt: skip
_WHATS: Mapping[str, tuple[str, str]] = {
    "read": ("Read", "Records that came in, and changes of posted ones."),
    "posted": ("Posted", "Records that reached the target."),
    "deferred": ("Began to wait", "Records that miss something, such as a mapping."),
    "failed": ("Failed", "Records that were refused, or did not fit."),
    "skipped": ("Left out", "Records that are not to be written."),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kept a run from finishing: what it is, what helps, the streams, and the exact words."""

    what: str
    helps: str
    streams: tuple[str, ...]
    exact: str


@dataclass(frozen=True, slots=True)
class Line:
    """A run in the list."""

    run: Run
    took: str
    outcome: str
    told: str
    troubles: tuple[Trouble, ...]

    @property
    def whats(self) -> list[str]:
        """What the troubles are, each once."""
        return list(dict.fromkeys(trouble.what for trouble in self.troubles))


def _runs(ask: Ask) -> Answer:
    company = str(ask.where["company"])
    asked = ask.query.get("by", "day")
    by: By = next((one for one in get_args(By) if one == asked), "day")
    behind = ask.query.get("behind", "")
    before = int(behind) if _ID.fullmatch(behind) else runs.BEYOND
    today = date.fromisoformat(tally.day_in(ask.world.at(), str(ask.where["time_zone"])))
    with ask.world.store.read(ask.code) as tx:
        flows = runs.flows(tx, company)
        flow = ask.query.get("flow", "") if ask.query.get("flow", "") in flows else ""
        found = runs.page(tx, company, flow, before, _SIZE + 1)
        begun = tally.begin_on(tx, company)
        periods = history.look(tx, company, flow, history.periods(by, today))
    kept = {"flow": flow} if flow else {}
    kept |= {"by": by} if by != "day" else {}
    here = f"{ROOT}/c/{company}/runs"
    following = _address(here, {**kept, "behind": str(found[_SIZE - 1].number)}) if len(found) > _SIZE else ""
    values = {
        "lines": [line_of(run, ask.world.at()) for run in found[:_SIZE]],
        "following": following,
        "first": _address(here, kept) if before != runs.BEYOND else "",
        "flows": flows,
        "flow": flow,
        "by": by,
        "switches": [(one, _address(here, {**kept, "by": one})) for one in get_args(By)],
        "charts": charts_of(by, periods) if begun else (),
        "total": history.total(periods),
        "span": charts.span,
        "since": begun if begun > periods[0].first.isoformat() else "",
    }
    return Shown("runs.html", values)


def _address(path: str, fields: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(fields)}" if fields else path


def charts_of(by: By, periods: Sequence[Period]) -> tuple[Chart, ...]:
    """What the tab shows: how many, and how long it took."""
    found = [
        charts.counts(f"chart-{what}", title, about, [_point(by, one, (one.counts[what],)) for one in periods])
        for what, (title, about) in _WHATS.items()
    ]
    took = [_point(by, one, (one.within_s(95), one.within_s(50))) for one in periods]
    names = ("95 of 100 within", "half within")
    about = "From when a record was first read; waiting for a mapping counts."
    return (*found, charts.spans("chart-took", "Time until posted", about, names, took))


def _point(by: By, period: Period, values: tuple[int | None, ...]) -> Point:
    first = period.first
    month = first.strftime("%b")
    if by == "month":
        return Point(month, f"{month} {first.year}", values, period.is_open)
    title = first.isoformat() if by == "day" else f"{first.isoformat()} to {period.last.isoformat()}"
    return Point(f"{first.day} {month}", title, values, period.is_open)


def line_of(run: Run, now: str) -> Line:
    """A run for people."""
    outcome, told = OUTCOMES.get(run.outcome, (run.outcome, ""))
    return Line(run, _took(run.started_at, run.ended_at or now), outcome, told, _troubles(run))


def _took(since: str, until: str) -> str:
    seconds = (from_iso(until) - from_iso(since)).total_seconds()
    return charts.span(round(seconds)) if seconds >= 1 else "under 1 s"


def _troubles(run: Run) -> tuple[Trouble, ...]:
    """Streams that met the very same share one."""
    met: dict[tuple[str, str], list[str]] = {}
    for problem in run.problems:
        exact = "; ".join(text for text in (problem["message"], problem["hint"]) if text)
        met.setdefault((problem["kind"], exact), []).append(problem["stream"])
    return tuple(
        Trouble(*TROUBLES.get(kind, TROUBLES["other"]), tuple(stream for stream in streams if stream), exact)
        for (kind, exact), streams in met.items()
    )


def _run(ask: Ask) -> Answer:
    text, company = ask.path["run"], str(ask.where["company"])
    with ask.world.store.read(ask.code) as tx:
        run = runs.get(tx, company, int(text)) if _ID.fullmatch(text) else None
        if run is None:
            raise PageMissing("there is no such run of this company")
        became = runs.became(tx, run.number)
    looked_at = sum(sum(states.values()) for states in became.values())
    used = [state for state in STATES if any(state in states for states in became.values())]
    values = {
        "line": line_of(run, ask.world.at()),
        "run": run,
        "columns": [(name, title) for name, title in COUNTS if run.count(name) or name in ("read", "intended")],
        "steps": _steps(run),
        "became": became,
        "states": used,
        "looked_at": looked_at,
        "is_more": looked_at >= runs.LOOKED_AT,
        "is_served": run.flow in ask.programs,
    }
    return Shown("run.html", values)


def _steps(run: Run) -> list[tuple[str, str, str, str]]:
    """Each step in words, its stream, when it ended and how long it took."""
    found, before = [], run.started_at
    for step in run.steps:
        found.append((STEPS.get(step["what"], step["what"]), step["stream"], step["at"], _took(before, step["at"])))
        before = step["at"]
    return found


PAGES = (
    Page("/c/{company}/runs", _runs, tab="Runs"),
    Page("/c/{company}/runs/{run}", _run),
)
