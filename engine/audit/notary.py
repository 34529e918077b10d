"""Writes checkpoints of the journals into a file beside the store, and into a copy elsewhere where there is one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from pathlib import Path

from engine.audit.checkpoints import Checkpoint, Ledger, read, whole_lines
from engine.audit.signing import new_pair
from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreError
from engine.log import logger
from engine.ondisk import sync_folder
from engine.store import companies, facts, journal, keys, work
from engine.store.base import HOUSE, Row, Store, Tx
from engine.store.sqlite import SqliteStore
from engine.world import World

FILE = "checkpoints.jsonl"
EVERY_S = 900.0
# Of several machines one writes. Longer than this it may not be silent while journals move.
SILENT = timedelta(hours=1)
# Which folder the checkpoints are written into, as the store knows it; the file tells the folder that it is the one.
_WRITER, _MARK = "checkpoints", "checkpoints.id"
_PLACE = keys.Place("", "", "signing key")
_ALERT = ("audit", "checkpoints")


class CheckpointsDiffer(FlowctlError):
    """The journals are not what the checkpoints have seen, or the checkpoints are not those that were written."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            hint="look with `flowctl audit verify`; after a restore that you made yourself, "
            "`flowctl audit checkpoint --accept REASON` goes on from here",
        )


@dataclass(slots=True)
class Notary:
    """Signs where the journals stand, at most once in a while, and never over what contradicts an earlier checkpoint."""

    world: World
    path: Path
    copy: Path | None = None
    _due: float = 0.0
    _read: tuple[int, int, Ledger] | None = field(default=None)

    def tick(self) -> None:
        """Write a checkpoint when it is time and a journal has moved; what is wrong becomes an alert.

        Raises:
            StoreError: when the store is not available.
        """
        now = self.world.clock.monotonic()
        if now < self._due:
            return
        self._due = now + EVERY_S
        try:
            self.write()
        except StoreError:
            raise
        except FlowctlError as error:
            self._alarm(str(error), error.hint or "")
        except OSError as error:
            where = error.filename or self.path
            self._alarm(f"a checkpoint cannot be written: {where}: {error.strerror}", "put the folder right")
        else:
            with self.world.store.read() as tx:
                told = tx.rows("alerts_open_as", {"kind": _ALERT[0], "subject": _ALERT[1]})
            for row in told:
                with self.world.store.write(row["company"]) as tx:
                    work.resolve_alert(tx, row["company"], *_ALERT, self.world.at())

    def write(self, *, accept: str = "", actor: str = "") -> int | None:
        """Append a checkpoint; its number, or None when no journal has moved.

        With `accept`, a person says why the journals may differ from what was seen before.

        Raises:
            CheckpointsDiffer: when a journal does not go on from the checkpoint before, or the file is not ours.
            OSError: when a file cannot be written.
        """
        with self.world.store.write() as tx:  # one process at a time, and every journal as it stands at one moment
            if accept:
                for company in companies.names(tx):
                    entry = journal.Entry("checkpoint_accepted", detail={"reason": accept})
                    journal.append(tx, company, self.world.at(), actor, [entry])
            key, ledger = self._key(tx), self._ledger()
            heads = {row["company"]: (row["seq"], row["hash"]) for row in tx.rows("journal_companies", {})}
            if not accept and self._is_elsewhere(tx, ledger):
                return None
            if not accept:
                _compare(tx, key, ledger, heads)
                known = {company: (point.seq, point.hash) for company, point in ledger.heads().items()}
                heads = {company: head for company, head in heads.items() if known.get(company) != head}
            if heads or accept:
                made = Checkpoint(ledger.count + 1, self.world.at(), heads, ledger.digest, key["public_key"], accept)
                self._append(made.line(self._private(tx, key)))
                tx.run("signing_key_wrote", {"written": made.number, "public_key": key["public_key"]})
                facts.remember(tx, HOUSE, self.world.at(), _WRITER, {"folder": self._folder(), "at": self.world.at()})
            self._copy()
        return ledger.count + 1 if heads or accept else None

    def _is_elsewhere(self, tx: Tx, ledger: Ledger) -> bool:
        """Whether another folder, on another machine, has the checkpoints, and this one never had any.

        Raises:
            CheckpointsDiffer: when none was written there for long.
        """
        said = facts.recall(tx, HOUSE, _WRITER)
        if said is None or ledger.count or said["folder"] == self._folder(make=False):
            return False
        if self.world.clock.now() - from_iso(said["at"]) > SILENT and _has_moved(tx, said["at"]):
            raise CheckpointsDiffer(f"no checkpoint was written since {said['at']}, and the journals have moved")
        return True

    def _folder(self, *, make: bool = True) -> str:
        """The folder's own name; empty when it has none and none is to be made."""
        path = self.path.parent / _MARK
        if not path.exists():
            if not make:
                return ""
            path.write_text(self.world.ids.base62(22), encoding="ascii")
            path.chmod(0o600)
        return path.read_text(encoding="ascii")

    def _alarm(self, message: str, hint: str) -> None:
        logger().error("no checkpoint", error=message, hint=hint)
        with self.world.store.read() as tx:
            names = companies.names(tx)
        for company in names:
            with self.world.store.write(company) as tx:
                work.raise_alert(tx, company, work.Alert(*_ALERT, message, hint), self.world.at())

    def _key(self, tx: Tx) -> Row:
        """The signing key of this store, made with its first checkpoint."""
        row = tx.one("signing_key", {})
        if row is not None:
            return row
        public, private = new_pair()
        sealed = keys.seal(tx, self.world.vault, _PLACE, private, self.world.at())
        values = {"public_key": public, "key_id": sealed.key_id, "sealed": sealed.data, "at": self.world.at()}
        tx.run("signing_key_insert", values)
        made = tx.one("signing_key", {})
        assert made is not None
        return made

    def _private(self, tx: Tx, key: Row) -> str:
        return keys.unseal(tx, self.world.vault, _PLACE, keys.Sealed(key["key_id"], bytes(key["sealed"])))

    def _ledger(self) -> Ledger:
        """What the file says; read again only when it is not as this process left it."""
        there = self.path.stat() if self.path.exists() else None
        size, changed = (there.st_size, there.st_mtime_ns) if there is not None else (0, 0)
        if self._read is None or self._read[:2] != (size, changed):
            self._read = (size, changed, read(self.path))
        return self._read[2]

    def _append(self, line: str) -> None:
        """Add the line; what a killed process left of one is taken away first."""
        whole = len(whole_lines(self.path))
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.truncate(whole)
            file.seek(whole)
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(self.path.parent)
        self._read = None

    def _copy(self) -> None:
        """Bring the copy up to date; only ever longer, so that what it holds is not lost to whoever cuts the file."""
        if self.copy is None:
            return
        self.copy.mkdir(parents=True, exist_ok=True)
        path, data = self.copy / FILE, whole_lines(self.path)
        have = whole_lines(path)
        if not data.startswith(have):
            raise CheckpointsDiffer(f"{path} holds checkpoints that {self.path} does not")
        if len(data) > len(have):
            with path.open("ab") as file:
                file.truncate(len(have))
                file.write(data[len(have) :])
                file.flush()
                os.fsync(file.fileno())


def elsewhere(store: Store, tx: Tx, path: Path) -> str:
    """When the newest checkpoint was written on another machine, and this folder never had any; else empty.

    A store in a file has its checkpoints beside it: where they are missing, somebody took them away. So has whoever emptied
    the file that there is.
    """
    if isinstance(store, SqliteStore) or path.exists() or (path.parent / _MARK).exists():
        return ""
    said = facts.recall(tx, HOUSE, _WRITER)
    return str(said["at"]) if said is not None else ""


def _has_moved(tx: Tx, at: str) -> bool:
    """Whether any journal has a line that is newer."""
    heads = tx.rows("journal_companies", {})
    lines = (tx.one("journal_line", {"company": row["company"], "seq": row["seq"]}) for row in heads)
    return any(line is not None and line["at"] > at for line in lines)


def _compare(tx: Tx, key: Row, ledger: Ledger, heads: Mapping[str, tuple[int, str]]) -> None:
    """Whether the file is the one that this store wrote, and each journal goes on from where it was seen last."""
    if ledger.problems:
        raise CheckpointsDiffer(f"the checkpoint file is not whole: {ledger.problems[0]}")
    if ledger.count and ledger.public_key != key["public_key"]:
        raise CheckpointsDiffer("the checkpoint file was signed by another store")
    if ledger.count < key["written"]:
        raise CheckpointsDiffer(f"the checkpoint file has {ledger.count} lines, and {key['written']} were written")
    for company, point in ledger.heads().items():
        if heads.get(company) == (point.seq, point.hash):
            continue
        row = tx.one("journal_line", {"company": company, "seq": point.seq})
        if row is None or row["hash"] != point.hash:
            raise CheckpointsDiffer(
                f"the journal of {company} is not the one that the checkpoint of {point.at} has seen at line {point.seq}"
            )
