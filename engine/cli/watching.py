"""`flowctl status --watch`: how all companies stand, drawn again and again on a terminal; elsewhere a line a change."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from engine.cli import common
from engine.dataclass import dataclass

if TYPE_CHECKING:
    from engine.clock import Clock
    from engine.standing import Count, Standing
    from engine.world import World

# More than this nobody reads at once, and looking at them takes its time.
MOST = 200
HEADER = (
    "company",
    "health",
    "deferred",
    "unknown",
    "failed",
    "vanished",
    "backlog",
    "alerts",
    "last poll",
    "waits since",
)
# What is compared from one look to the next: the two ages change by themselves.
_COMPARED = range(1, 8)
_HOME, _REST, _BOLD, _PLAIN = "\x1b[H", "\x1b[J", "\x1b[1m", "\x1b[0m"
# Whoever needs a decision stands above.
_URGENCY = ("halted", "look", "paused", "waits", "silent", "ok")


@dataclass(frozen=True, slots=True)
class Look:
    """One look: a row of cells for each company by name, in the order in which they are shown."""

    at: str
    rows: Mapping[str, tuple[str, ...]]
    is_more: bool = False

    def changed(self, before: Look | None) -> list[tuple[str, int]]:
        """The cells that are not as they were; a company that is new is one change, in its first cell."""
        if before is None:
            return []
        found: list[tuple[str, int]] = []
        for name, cells in self.rows.items():
            old = before.rows.get(name)
            found += [(name, 0)] if old is None else [(name, i) for i in _COMPARED if cells[i] != old[i]]
        return found


def watch(world: World, company: str, seconds: float, form: str) -> int:
    """Look until Ctrl-C; at one company, or at all where none is named.

    Raises:
        UnknownName: when the company that is named is not there.
    """
    from engine.errors import StoreBusy

    is_drawn = form == "text" and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    before: Look | None = None
    try:
        while True:
            try:
                now = look(world, company)
            except StoreBusy as error:
                click.echo(f"{world.at()[11:19]} {error}", err=True)
            else:
                _show(now, before, form, is_drawn=is_drawn)
                before = now
            sys.stdout.flush()
            world.clock.sleep(seconds)
    except KeyboardInterrupt:
        return 0


def look(world: World, company: str) -> Look:
    """How they stand now."""
    from engine import standing

    at = world.at()
    with world.store.read(*((company,) if company else ())) as tx:
        found = [standing.one(tx, company, at)] if company else standing.page(tx, "", MOST + 1, at)
    shown = sorted(found[:MOST], key=lambda it: (_URGENCY.index(standing.health(it, at)), it.company))
    return Look(at, {it.company: _cells(it, world.clock, at) for it in shown}, len(found) > MOST)


def _show(now: Look, before: Look | None, form: str, *, is_drawn: bool) -> None:
    if form == "json":
        names = [name.replace(" ", "_") for name in HEADER[1:]]
        companies = [{"company": row[0], **dict(zip(names, row[1:], strict=True))} for row in now.rows.values()]
        common.echo_json({"at": now.at, "companies": companies, "more": now.is_more})
    elif is_drawn:
        click.echo(_HOME + drawn(now, before, shutil.get_terminal_size((100, 30)).lines) + _REST, nl=False, color=True)
    elif before is None:
        common.table(list(now.rows.values()), HEADER)
        if now.is_more:
            click.echo(f"and more than these {MOST}; name one with --company")
    else:
        for line in told(now, before):
            click.echo(line)


def told(now: Look, before: Look) -> list[str]:
    """What has changed, a line a company."""
    lines: dict[str, list[str]] = {}
    for name, i in now.changed(before):
        word = "is new" if i == 0 else f"{HEADER[i]} {before.rows[name][i]} -> {now.rows[name][i]}"
        lines.setdefault(name, []).append(word)
    gone = [f"{now.at[11:19]} {name}: is gone" for name in before.rows if name not in now.rows]
    return [*(f"{now.at[11:19]} {name}: {', '.join(words)}" for name, words in lines.items()), *gone]


def drawn(now: Look, before: Look | None, height: int) -> str:
    """A whole screen: what has changed is bold and has a star, so that it can be seen without colours as well."""
    changed = set(now.changed(before))
    rows = [
        [f"{cell}*" if (name, i) in changed else cell for i, cell in enumerate(cells)]
        for name, cells in now.rows.items()
    ]
    fitting = max(1, height - 4)
    widths = [max(len(row[i]) for row in [list(HEADER), *rows]) for i in range(len(HEADER))]
    lines = [f"{now.at[:10]} {now.at[11:19]} UTC, Ctrl-C to stop", "", _row(list(HEADER), widths, bold=())]
    for name, row in zip(list(now.rows)[:fitting], rows, strict=False):
        lines.append(_row(row, widths, bold=[i for i in range(len(row)) if (name, i) in changed]))
    hidden = max(0, len(rows) - fitting)
    if hidden or now.is_more:
        lines.append(f"and {f'more than {hidden}' if now.is_more else hidden} more; name one with --company")
    # To the end of each line nothing of the one before may stay.
    return "".join(f"{line}\x1b[K\n" for line in lines)


def _row(cells: Sequence[str], widths: Sequence[int], *, bold: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(f"{_BOLD}{cell}{_PLAIN}" if i in bold else cell for i, cell in enumerate(padded)).rstrip()


def _cells(it: Standing, clock: Clock, at: str) -> tuple[str, ...]:
    from engine.overview import age
    from engine.standing import TROUBLED, health

    counts = {state: _count(it.count(state)) for state in TROUBLED}
    seen = age(clock, it.session.seen_at) if it.session is not None else "never"
    since = age(clock, it.oldest_at) if it.oldest_at else ""
    return (
        common.clean(it.company), health(it, at), counts["deferred"], counts["unknown"], counts["failed"], counts["vanished"],
        _count(it.backlog), _count(it.alerts), seen, since,
    )  # fmt: skip


def _count(count: Count) -> str:
    return f"{count.number}+" if count.is_more else str(count.number)
