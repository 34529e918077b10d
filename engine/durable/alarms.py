"""What a person is told of work that its process left behind, and of work that no process knows."""

from __future__ import annotations

from collections.abc import Sequence

from engine.clock import from_iso
from engine.store import turns, work
from engine.store.base import HOUSE
from engine.store.turns import Turn
from engine.telemetry import meter, meters
from engine.world import World

# What the alerts are filed under. The first is over after so long without another.
STRANDED, UNKNOWN = ("stranded", "processes"), ("stranded", "unknown")
STRANDED_S = 3600.0
# Work that nobody who runs knows is left alone; a person is told after so long, and after so long it is given up.
UNKNOWN_S, FORGOTTEN_S = 600.0, 86_400.0


def stranded(world: World, count: int) -> None:
    """Tell a person that a process left work behind; in time, that it was long ago."""
    if count:
        meter.add(meters.STRANDED, amount=count)
    with world.store.read() as tx:
        row = tx.one("alert_open", {"company": "", "kind": STRANDED[0], "subject": STRANDED[1]})
    is_old = row is not None and _age_s(world, row["last_at"]) > STRANDED_S
    if not count and not is_old:
        return
    with world.store.write(HOUSE) as tx:
        if count:
            message = f"a process ended and left {count} pieces of work behind; they were taken up again"
            hint = "the log of that process says why it ended; nothing is lost, and nothing is done twice"
            work.raise_alert(tx, "", work.Alert("stranded", STRANDED[1], message, hint), world.at())
        else:
            work.resolve_alert(tx, "", *STRANDED, world.at())


def unknown(world: World, waiting: Sequence[Turn]) -> None:
    """Work that no living process takes, and that this one does not know: in time a person is told, at last it ends.

    Nothing is lost with a turn: whoever knows the flow finds its work again by what is in the store.
    """
    late = [turn for turn in waiting if _age_s(world, turn.at) > UNKNOWN_S]
    for turn in late:
        if _age_s(world, turn.at) > FORGOTTEN_S:
            with world.store.write(turn.company) as tx:
                turns.end(tx, turn)
    with world.store.read() as tx:
        row = tx.one("alert_open", {"company": "", "kind": UNKNOWN[0], "subject": UNKNOWN[1]})
    if not late and row is None:
        return
    with world.store.write(HOUSE) as tx:
        if not late:
            work.resolve_alert(tx, "", *UNKNOWN, world.at())
            return
        names = ", ".join(sorted({turn.work for turn in late}))
        message = f"work waits that no running process knows: {names}"
        hint = "run `flowctl serve` with these flows, in the version that began them; for a flow that was removed do nothing"
        work.raise_alert(tx, "", work.Alert("stranded", UNKNOWN[1], message, hint), world.at())


def _age_s(world: World, at: str) -> float:
    return (world.clock.now() - from_iso(at)).total_seconds()
