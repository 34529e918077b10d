"""Writes what a campaign came to, for docs/reference."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.crash.campaign import Summary, report
from tests.crash.play import Counted
from tests.crash.points import START, Group
from tests.crash.stage import Mode
from tests.reference import ROOT

PAGE = ROOT / "docs" / "reference" / "crash-points.md"
_MARK = "## Last published result\n"


def publish(summary: Summary, counted: Mapping[Mode, Counted], asked: str, page: Path = PAGE) -> None:
    """Replace the last result on the page."""
    before, mark, _ = page.read_text(encoding="utf-8").partition(_MARK)
    page.write_text(f"{before}{mark}\n{result(summary, counted, asked)}\n", encoding="utf-8")


def result(summary: Summary, counted: Mapping[Mode, Counted], asked: str) -> str:
    """What happened, in words and two tables."""
    counts = summary.counts
    bad = len(summary.failing)
    died = f"{counts['killed']:,} killed the process, {counts['eio']:,} gave EIO, {counts['enospc']:,} gave ENOSPC"
    missed = f" Not reached, because a run made fewer calls: {counts['unreached']}." if counts["unreached"] else ""
    verdict = "Nothing was lost, doubled or promised in vain at any of them." if not bad else f"{bad} were bad."
    pace = f"{summary.seconds:,.0f} seconds, SQLite {sqlite3.sqlite_version}."
    lines = [
        f"`{asked}`: {summary.points:,} points; {died}.{missed} {verdict} {pace}",
        "",
        "Points by what was struck:",
        "",
        *_table(("journal mode", "file", "call", "points"), _struck(summary.calls)),
        "",
        "Durable calls of one run without a fault, from which the points were chosen:",
        "",
        *_table(("journal mode", "thread", "call", "calls"), _counted(counted)),
    ]
    if bad:
        lines += ["", "```text", *(report(item) for item in summary.failing), "```"]
    return "\n".join(lines)


def _struck(calls: Counter[tuple[str, str, str]]) -> Iterator[tuple[str, ...]]:
    for (mode, file, call), number in sorted(calls.items()):
        yield mode, file, f"`{call}`", f"{number:,}"


def _counted(counted: Mapping[Mode, Counted]) -> Iterator[tuple[str, ...]]:
    for mode, dry in counted.items():
        for group, number in sorted(dry.calls.items(), key=lambda item: (item[0].thread, item[0].call)):
            yield mode, _thread(group), f"`{group.call}`", f"{number:,}"


def _thread(group: Group) -> str:
    """Which thread it is, by the order in which they are started."""
    return {START: "main, upgrading an old store", 1: "worker"}.get(group.thread, "answers")


def _table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
