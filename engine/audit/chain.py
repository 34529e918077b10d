"""Verifies every journal against itself and against the checkpoints, and hands its lines out with their hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.audit.checkpoints import Ledger, read
from engine.audit.notary import elsewhere
from engine.dataclass import dataclass
from engine.errors import StoreDamaged
from engine.store.base import Store, Tx
from engine.store.journal import GENESIS, Broken, Walk

PAGE = 5000
COLUMNS = (
    "company", "seq", "at", "event", "flow", "stream", "record_id", "source_id", "state_from", "state_to", "actor", "detail",
    "hash", "previous",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verified:
    """One journal: how many lines were walked, and the first that is wrong."""

    company: str
    lines: int
    broken: Broken | None


@dataclass(frozen=True, slots=True)
class Report:
    """All journals, and what the checkpoints say: their number, the newest, whose they are, what is wrong with them.

    `elsewhere` says when the newest was written on another machine: then none was held against the journals here.
    """

    journals: tuple[Verified, ...]
    checkpoints: int
    newest_at: str
    public_key: str
    accepted: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    elsewhere: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and all(item.broken is None for item in self.journals)


def verify(store: Store, path: Path, *, company: str = "", public_key: str = "") -> Report:
    """Walk each journal, or one, page by page, and hold it against the checkpoint file.

    With `public_key`, a person says whose the checkpoints must be; else the store itself does.

    Raises:
        OSError: when the checkpoint file cannot be read.
    """
    ledger = read(path)
    with store.read() as tx:
        key = tx.one("signing_key", {})
        names, unread = _companies(tx)
        written_at = elsewhere(store, tx, path)
    problems = [*ledger.problems, *unread]
    own = str(key["public_key"]) if key is not None else ""
    wanted = public_key or own
    if ledger.count and ledger.public_key != wanted:
        whose = "another key than the one given" if public_key else "another store"
        problems.append(f"the checkpoints were signed by {whose}: {ledger.public_key}")
    elif public_key and own != public_key:
        problems.append(f"the store signs with another key than the one given: {own or 'none'}")
    if written_at:
        problems.append(
            f"none in this folder: another machine writes them, the newest at {written_at}; run this there, or give "
            "the copy with --checkpoints"
        )
    elif key is not None and ledger.count < key["written"] and not ledger.problems:
        problems.append(f"{path} has {ledger.count} lines, and {key['written']} were written")
    all_names = sorted(names | ledger.points.keys())
    journals = [_one(store, name, ledger) for name in all_names if company in ("", name)]
    return Report(
        tuple(journals),
        ledger.count,
        ledger.newest_at,
        ledger.public_key or own,
        tuple(ledger.accepted),
        tuple(problems),
        written_at,
    )


def _companies(tx: Tx) -> tuple[set[str], list[str]]:
    """Whoever has a journal or should have one, and what hides them."""
    names: set[str] = set()
    problems = []
    for statement in ("companies_all", "journal_companies", "journal_strangers"):
        try:
            names |= {str(row["company"]) for row in tx.rows(statement, {})}
        except StoreDamaged:
            problems.append("the name of a company cannot be read")
    return names, problems


def _one(store: Store, company: str, ledger: Ledger) -> Verified:
    """One journal, in many short transactions: a writer waits for none of them."""
    with store.read(company) as tx:
        head = tx.one("journal_head", {"company": company})
    seen = {point.seq: (point.hash, point.at) for point in ledger.points.get(company, ())}
    walk = Walk(company, seen, head["seq"] if head is not None else None)
    while True:
        with store.read(company) as tx:
            count, broken = walk.page(tx, PAGE)
        if broken is not None or count < PAGE:
            return Verified(company, walk.seq, broken or walk.end(head))


def export(
    store: Store, company: str, wanted: Callable[[Mapping[str, object]], bool] = lambda _: True
) -> Iterator[Mapping[str, object]]:
    """The lines of a journal that are wanted, in order, each with the hash of the line before it as `previous`.

    Nothing is left out of what is hashed: `hash` is the SHA-256, in hexadecimal digits, of `previous` followed by the
    compact JSON list of the other fields, `company` to `detail`, in UTF-8.
    """
    after, previous = 0, GENESIS
    while True:
        with store.read(company) as tx:
            rows = tx.rows("journal_from", {"company": company, "after": after, "limit": PAGE})
        for row in rows:
            line = {**dict(row), "previous": previous}
            previous = row["hash"]
            if wanted(line):
                yield {name: line[name] for name in COLUMNS}
        if len(rows) < PAGE:
            return
        after = rows[-1]["seq"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are wanted: those that fit everything that is given. Times are texts, as far as they are given."""

    since: str = ""
    until: str = ""
    events: Sequence[str] = ()
    flow: str = ""
    actor: str = ""
    record_id: int | None = None
    source_id: str = ""

    def __call__(self, line: Mapping[str, object]) -> bool:
        """Whether a line is wanted."""
        at = str(line["at"])
        return (
            at >= self.since
            and at[: len(self.until)] <= self.until
            and (not self.events or line["event"] in self.events)
            and self.flow in ("", line["flow"])
            and self.actor in ("", line["actor"])
            and self.record_id in (None, line["record_id"])
            and self.source_id in ("", line["source_id"])
        )
