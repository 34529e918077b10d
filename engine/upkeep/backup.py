"""Copies of the store that are whole, and putting one back.

A backup is a folder: the store as one SQLite file, the signed checkpoints, and `backup.json`, which says what it holds and
the digest of each file. The master key is never in it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import field
from hashlib import file_digest
from pathlib import Path

from engine.audit.notary import FILE as CHECKPOINTS
from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreDamaged, UsageError
from engine.ondisk import sync_file, sync_folder
from engine.store import whereabouts

STORE, MANIFEST = whereabouts.DATABASE, "backup.json"
FORMAT = 1
_PREFIX, _STAMP = "flowctl-", "%Y%m%dT%H%M%SZ"
# What belongs to the file of a store that is moved away: SQLite would take it for a part of the one that is put back.
_BESIDE = ("-journal", "-wal", "-shm")
# A writer waits for a copy to end where SQLite's write-ahead log cannot be used; so long do we wait for a writer.
_WAIT_S = 60.0


class BackupUnusable(UsageError):
    """It is no backup, or not whole."""

    def __init__(self, path: Path, reason: str, hint: str = "take another backup") -> None:
        super().__init__(f"{path}: {reason}", hint=hint)


class BackupFailed(FlowctlError):
    """A copy could not be made."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup: where it is, when it was made (UTC text), by which version, of which schema, and how much it holds."""

    path: Path
    made_at: str
    version: str
    schema: int
    companies: int
    records: int
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files.values())


def make(home: Path, to: Path, at: str, version: str) -> Backup:
    """Copy the store of a home into a new folder below `to`, and look whether the copy is whole.

    Others may write meanwhile: the copy is of one moment. The checkpoints are copied first, since the journals of the copy
    must go on from them.

    Raises:
        UsageError: when there is no store, or a backup of this second is there already.
        StoreDamaged: when the store or the copy is not whole.
        BackupFailed: when the store was busy for a minute.
        OSError: when files cannot be read or written.
    """
    whereabouts.on_file("copy", home)
    source = home / STORE
    if not source.is_file():
        raise UsageError(f"there is no store at {source}", hint="give --home")
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    final = to / f"{_PREFIX}{from_iso(at).strftime(_STAMP)}"
    if final.exists():
        raise BackupUnusable(final, "is there already", "wait a second")
    draft = to / f".{final.name}.{os.getpid()}"
    draft.mkdir(mode=0o700)
    try:
        if (home / CHECKPOINTS).is_file():
            _copy(home / CHECKPOINTS, draft / CHECKPOINTS)
        counts = _copied(source, draft / STORE)
        files = {path.name: _digest(path) for path in sorted(draft.iterdir())}
        made = Backup(final, at, version, *counts, files)
        _write(draft / MANIFEST, _told(made))
        sync_folder(draft)
        draft.rename(final)
        sync_folder(to)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return made


def read(path: Path, *, whole: bool = True) -> Backup:
    """What a backup says it is; with `whole`, every file is held against its digest.

    Raises:
        BackupUnusable: when it is none, or not whole.
    """
    try:
        told = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise BackupUnusable(
                path, f"a backup of format {told['format']}", "restore it with the flowctl that made it"
            )
        files = {str(name): (str(one["sha256"]), int(one["bytes"])) for name, one in told["files"].items()}
        found = Backup(
            path,
            iso(from_iso(told["made_at"])),
            str(told["flowctl"]),
            int(told["schema"]),
            int(told["companies"]),
            int(told["records"]),
            files,
        )
    except FileNotFoundError as error:
        raise BackupUnusable(
            path, f"no backup: it has no {MANIFEST}", "give a folder that `flowctl backup` made"
        ) from error
    except OSError as error:
        raise BackupUnusable(path, error.strerror or "cannot be read", "check the path and its permissions") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupUnusable(path / MANIFEST, "cannot be read") from error
    if STORE not in files or not files.keys() <= {STORE, CHECKPOINTS}:
        raise BackupUnusable(path / MANIFEST, "names other files than those of a backup")
    for name, told_of in files.items() if whole else ():
        try:
            there = _digest(path / name)
        except OSError as error:
            raise BackupUnusable(path / name, error.strerror or "cannot be read") from error
        if there != told_of:
            raise BackupUnusable(path / name, "is not the file that was written: it was changed or cut off")
    return found


def all_in(folder: Path) -> list[Backup]:
    """The backups of a folder, the oldest first; what is none is passed over."""
    found = []
    for path in sorted(folder.glob(f"{_PREFIX}*")) if folder.is_dir() else ():
        try:
            found.append(read(path, whole=False))
        except BackupUnusable:
            continue
    return sorted(found, key=lambda backup: backup.made_at)


def keep_newest(folder: Path, number: int) -> list[Path]:
    """Remove all but the newest backups of a folder; which were removed. What `flowctl backup` did not name stays.

    Raises:
        OSError: when one cannot be removed.
    """
    gone = [backup.path for backup in all_in(folder)[:-number]]
    for path in gone:
        # Without its manifest it is no backup any more, however the removal ends.
        (path / MANIFEST).unlink()
        shutil.rmtree(path)
    return gone


@contextmanager
def put_back(backup: Backup, home: Path, at: str, checkpoints: Path | None = None) -> Iterator[Path | None]:
    """Put the store of a backup into a home, and set aside what is there; the caller has the home for itself.

    The checkpoints of the home stay: they have seen more than the backup. Where it has none, those at `checkpoints` are
    taken, or else those of the backup.

    Gives the folder that holds what was there before, None when there was nothing. When the block fails, everything is
    as it was.

    Raises:
        OSError: when files cannot be read or written.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = home / f"before-restore-{from_iso(at).strftime(_STAMP)}"
    sources = {STORE: backup.path / STORE}
    if not (home / CHECKPOINTS).exists():
        elsewhere = checkpoints is not None and checkpoints.is_file()
        if checkpoints is not None and elsewhere:
            sources[CHECKPOINTS] = checkpoints
        elif CHECKPOINTS in backup.files:
            sources[CHECKPOINTS] = backup.path / CHECKPOINTS
    drafts = {name: home / f".{name}.restoring" for name in sources}
    moved: list[Path] = []
    try:
        for name, draft in drafts.items():
            _copy(sources[name], draft)
        try:
            _set_aside([home / (STORE + end) for end in ("", *_BESIDE)], aside, moved)
            for name, draft in drafts.items():
                draft.rename(home / name)
            sync_folder(home)
            yield aside if moved else None
        except BaseException:
            for name in (*sources, *(STORE + end for end in _BESIDE)):
                (home / name).unlink(missing_ok=True)
            for path in moved:
                path.rename(home / path.name)
            if moved:
                aside.rmdir()
            raise
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def _set_aside(old: Sequence[Path], aside: Path, moved: list[Path]) -> None:
    """Move the files that are there into a folder; `moved` tells which, also when this fails half-way."""
    for path in old:
        if path.exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside / path.name)
            moved.append(aside / path.name)
    if moved:
        sync_folder(aside)


def _copied(source: Path, target: Path) -> tuple[int, int, int]:
    """Copy a store's file as of one moment; the number of its schema, of its companies and of its records.

    The store is not opened as ours, which would bring it up to date: a backup is what one makes before that.
    """
    try:
        with (
            closing(sqlite3.connect(str(source), timeout=_WAIT_S)) as store,
            closing(sqlite3.connect(str(target), isolation_level=None)) as copy,
        ):
            store.backup(copy)
            # One file, whatever the journal of the original is.
            copy.execute("PRAGMA journal_mode = DELETE")
            problem = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise StoreDamaged(f"the copy is not whole: {problem}", hint="run `flowctl doctor --offline`")
            schema = copy.execute("PRAGMA user_version").fetchone()[0]
            if not schema:
                raise UsageError(f"{source} is no store of flowctl", hint="give --home")
            companies = copy.execute("SELECT COUNT(*) FROM companies").fetchone()[0]
            records = copy.execute("SELECT COUNT(*) FROM records").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise BackupFailed(f"the store could not be copied: {error}", hint="try again when less is going on") from error
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(f"the store file is damaged: {error}", hint="restore the newest backup") from error
    target.chmod(0o600)
    sync_file(target)
    return schema, companies, records


def _told(backup: Backup) -> str:
    files = {name: {"sha256": digest, "bytes": size} for name, (digest, size) in backup.files.items()}
    told = {
        "format": FORMAT,
        "made_at": backup.made_at,
        "flowctl": backup.version,
        "schema": backup.schema,
        "companies": backup.companies,
        "records": backup.records,
        "files": files,
    }
    return json.dumps(told, indent=1) + "\n"


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _copy(source: Path, target: Path) -> None:
    """Copy a file durably, readable for its owner alone."""
    shutil.copyfile(source, target)
    target.chmod(0o600)
    sync_file(target)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    sync_file(path)
