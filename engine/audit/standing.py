"""Whether the journals go on from what the checkpoints have seen, looked at for so long and no longer."""

from __future__ import annotations

from pathlib import Path

from engine.audit.checkpoints import Ledger, whole_lines
from engine.audit.notary import elsewhere
from engine.dataclass import dataclass
from engine.store.base import Tx
from engine.world import World

# A year of checkpoints of a busy house is read in about this time.
MOST_S = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found: how many checkpoints were held against the journals, the newest, and the first thing that is wrong.

    `is_cut` says that the time was over before all of them were; `elsewhere`, when the newest was written on another
    machine, where they are.
    """

    checkpoints: int
    newest_at: str
    problem: str = ""
    is_cut: bool = False
    elsewhere: str = ""


def standing(world: World, path: Path, most_s: float = MOST_S) -> Standing:
    """Hold the checkpoint file against the journals: signatures, the order, and each line that was seen.

    The journals themselves are not walked; `flowctl audit verify` does both, however long it takes.

    Raises:
        OSError: when the file cannot be read.
    """
    until_s = world.clock.monotonic() + most_s
    ledger, is_cut = Ledger(), False
    for text in whole_lines(path).decode("utf-8", "surrogateescape").splitlines():
        is_cut = world.clock.monotonic() > until_s
        if is_cut or ledger.problems:
            break
        ledger.take(text)
    with world.store.read() as tx:
        written_at = elsewhere(world.store, tx, path)
        if written_at:
            return Standing(0, "", elsewhere=written_at)
        problem = ledger.problems[0] if ledger.problems else _stranger(tx, ledger, path, is_cut=is_cut)
        for company in sorted(ledger.points) if not problem else ():
            is_cut = is_cut or world.clock.monotonic() > until_s
            problem = "" if is_cut else _differs(tx, company, ledger)
            if problem:
                break
    return Standing(ledger.count, ledger.newest_at, problem, is_cut)


def _stranger(tx: Tx, ledger: Ledger, path: Path, *, is_cut: bool) -> str:
    """Whether another store has written the file, or a part of it is missing."""
    key = tx.one("signing_key", {})
    if ledger.count and (key is None or ledger.public_key != key["public_key"]):
        return "the checkpoints were signed by another store"
    if key is not None and ledger.count < key["written"] and not is_cut:
        return f"{path.name} has {ledger.count} lines, and {key['written']} were written"
    return ""


def _differs(tx: Tx, company: str, ledger: Ledger) -> str:
    """The first line of a journal that is not as a checkpoint has seen it."""
    for point in ledger.points[company]:
        row = tx.one("journal_line", {"company": company, "seq": point.seq})
        if row is None or row["hash"] != point.hash:
            what = f"the journal of {company}" if company else "the journal of the house"
            return f"{what} is not the one that the checkpoint of {point.at} has seen at line {point.seq}"
    return ""
