"""Changes keys while everything runs: a new data key for all secrets, or a new master key around the data keys."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.ondisk import sync_folder
from engine.store import companies, journal, keys
from engine.store.base import Tx
from engine.vault import KeyPlace, Vault, draft_of, in_keyring, place_of, text_of, write_key
from engine.world import World

Where = Literal["", "file", "keyring"]


class SameKey(UsageError):
    """The master key given is the one in use."""

    hint = "leave it out to have a new one made"


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done: the new data key, how many secrets it seals now, which did not open, and the keys that are gone."""

    key_id: str
    sealed: int
    broken: tuple[keys.Place, ...]
    retired: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MasterChange:
    """The new master key's id, and the file that leads to it; None when FLOWCTL_KEY itself has to be changed."""

    key_id: str
    path: Path | None
    broken: tuple[keys.Place, ...]


def rotate(world: World, actor: str) -> Rotation:
    """Seal everything with a new data key, page by page, beside whatever else runs; then drop the keys nobody uses.

    Killed at any moment it leaves a store in which everything opens; run again, it ends what it had begun.

    Raises:
        KeyWrong: when the master key at hand is not the store's.
    """
    with world.store.write() as tx:
        key_id = keys.begin(tx, world.vault, world.at())
        _tell(tx, world, actor, journal.Entry("key_rotation_begun", detail={"key": key_id}))
    broken = _reseal(world)
    with world.store.write() as tx:
        retired = keys.retire(tx)
        sealed = keys.in_use(tx).get(key_id, 0)
        detail = {"key": key_id, "retired": retired, "broken": len(broken)}
        _tell(tx, world, actor, journal.Entry("key_rotated", detail=detail))
    return Rotation(key_id, sealed, broken, tuple(retired))


def set_master(world: World, home: Path, actor: str, master: Vault, to: Where = "") -> MasterChange:
    """Wrap all data keys with another master key, and put it where the one before it was, or where `to` says.

    The new key is durable before the store needs it, and takes the old one's place after. A process that runs meanwhile
    finds it there, unless its key is in its environment.

    Raises:
        SameKey: when it is the master key in use.
        KeyUnusable: when the keyring does not take it.
        KeyWrong: when the master key at hand is not the store's.
    """
    if master.key_id == world.vault.key_id:
        raise SameKey
    place = place_of(home)
    if place.path is None and to:
        place = KeyPlace(home / "key")
    finish(world, place)
    with world.store.write() as tx:
        if keys.master_of(tx) is None:
            keys.begin(tx, world.vault, world.at())
    broken = _reseal(world)
    if place.path is not None:
        write_key(place.draft, in_keyring(master) if _in_keyring(place.path, to) else text_of(master))
        sync_folder(place.path.parent)
    with world.store.write() as tx:
        keys.rewrap(tx, world.vault, master)
        detail = {"key": master.key_id, "before": world.vault.key_id, "broken": len(broken)}
        _tell(tx, world, actor, journal.Entry("master_key_changed", detail=detail))
    if place.path is not None:
        place.draft.replace(place.path)
        sync_folder(place.path.parent)
    return MasterChange(master.key_id, place.path, broken)


def forget(world: World, actor: str) -> tuple[str, ...]:
    """The master key is lost: drop what it alone opens, so that secrets can be given anew; the ids of the keys."""
    with world.store.write() as tx:
        gone = keys.forget(tx, world.vault)
        if gone:
            _tell(tx, world, actor, journal.Entry("keys_forgotten", detail={"keys": gone}))
    return tuple(gone)


def finish(world: World, place: KeyPlace) -> None:
    """End a change of the master key that was killed: what the store is wrapped with decides which key stays."""
    if place.path is None or not place.draft.exists():
        return
    with world.store.read() as tx:
        wanted = keys.master_of(tx)
    draft = draft_of(place)
    if draft is not None and draft.key_id == wanted:
        place.draft.replace(place.path)
    else:
        place.draft.unlink()


def _reseal(world: World) -> tuple[keys.Place, ...]:
    """Seal everything that has another key with the active one, a page a transaction; what did not open stays as it is."""
    broken: list[keys.Place] = []
    for kind in keys.SEALED:
        cursor: keys.Cursor | None = keys.Cursor(kind)
        while cursor is not None:
            with world.store.write() as tx:
                cursor, refused = keys.reseal(tx, world.vault, cursor)
            broken += refused
    return tuple(broken)


def _tell(tx: Tx, world: World, actor: str, entry: journal.Entry) -> None:
    """One line in the journal of each company: the keys are everybody's."""
    for company in companies.names(tx):
        journal.append(tx, company, world.at(), actor, [entry])


def _in_keyring(path: Path, to: Where) -> bool:
    """Where the new key goes: as asked, else where the one before it is."""
    if to:
        return to == "keyring"
    return path.exists() and path.read_bytes().strip().startswith(b"keyring:")
