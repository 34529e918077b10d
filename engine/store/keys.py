"""The data keys of the store: which one seals now, which one opens what, and how everything moves from one to the next.

Everything is decided inside the transaction that reads or writes the sealed value, so that processes need not tell each
other of a rotation: the next transaction of each seals with the key that is active then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.dataclass import dataclass
from engine.store.base import Row, Tx
from engine.vault import KeyWrong, SealBroken, Vault, new_key

# Kinds of sealed values: each is a table that has the statements NAME_sealed, NAME_reseal, NAME_by_key and NAME_forget.
# Whoever seals anything else adds its table here, else a rotation would leave it behind.
SEALED = ("credentials", "handshakes", "signing_keys", "users", "alert_channels", "webhook_bodies")
PAGE = 100


@dataclass(frozen=True, slots=True)
class Place:
    """What a sealed value is bound to; it opens nowhere else."""

    company: str
    connection: str
    field: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value that is sealed, and the id of the key it is sealed with."""

    key_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a walk over the sealed values of one kind stands: after this one."""

    kind: str
    company: str = ""
    connection: str = ""
    ref: str = ""


def seal(tx: Tx, vault: Vault, place: Place, secret: str, at: str) -> Sealed:
    """Seal with the active data key; the first secret of a store makes one.

    Raises:
        KeyWrong: when the master key at hand is not the store's.
    """
    row = tx.one("data_key_active", {})
    data = _unwrap(vault, row) if row is not None else _made(tx, vault, at)
    return Sealed(data.key_id, data.seal(place.company, place.connection, place.field, secret))


def unseal(tx: Tx, vault: Vault, place: Place, sealed: Sealed) -> str:
    """Open a value; what an older flowctl has sealed with the master key itself has no data key.

    Raises:
        SealBroken: for another master key, another place, or changed bytes.
    """
    return unseal_all(tx, vault, [(place, sealed)])[0]


def unseal_all(tx: Tx, vault: Vault, values: Iterable[tuple[Place, Sealed]]) -> list[str]:
    """Open several values; a data key is looked up once for all of them.

    Raises:
        SealBroken: for the first that does not open.
    """
    keys: dict[str, Vault] = {}
    found = []
    for place, sealed in values:
        if sealed.key_id not in keys:
            try:
                keys[sealed.key_id] = _key_of(tx, vault, sealed.key_id)
            except KeyWrong as error:
                raise SealBroken(place.company, place.connection, place.field) from error
        found.append(keys[sealed.key_id].open(place.company, place.connection, place.field, sealed.data))
    return found


def check(tx: Tx, vault: Vault) -> None:
    """Whether the master key at hand opens this store.

    Raises:
        KeyWrong: when it does not.
    """
    for row in tx.rows("data_keys_all", {}):
        _unwrap(vault, row)


def begin(tx: Tx, vault: Vault, at: str) -> str:
    """Make a new data key, with which everything is sealed from now on; its id."""
    check(tx, vault)
    tx.run("data_keys_demote", {})
    return _made(tx, vault, at).key_id


def reseal(tx: Tx, vault: Vault, cursor: Cursor, limit: int = PAGE) -> tuple[Cursor | None, list[Place]]:
    """Seal the next values of a kind with the active key; where to go on, and those that did not open."""
    active = tx.one("data_key_active", {})
    if active is None:
        return None, []
    data, broken = _unwrap(vault, active), []
    scope = {"company": cursor.company, "connection": cursor.connection, "ref": cursor.ref}
    rows = tx.rows(f"{cursor.kind}_sealed", {**scope, "key_id": data.key_id, "limit": limit})
    for row in rows:
        place = Place(row["company"], row["connection"], row["field"])
        try:
            secret = unseal(tx, vault, place, Sealed(row["key_id"], bytes(row["sealed"])))
        except SealBroken:
            broken.append(place)
            continue
        sealed = data.seal(place.company, place.connection, place.field, secret)
        values = {"company": place.company, "connection": place.connection, "ref": row["ref"]}
        tx.run(f"{cursor.kind}_reseal", {**values, "key_id": data.key_id, "sealed": sealed})
    if len(rows) < limit:
        return None, broken
    last = rows[-1]
    return Cursor(cursor.kind, last["company"], last["connection"], last["ref"]), broken


def retire(tx: Tx) -> list[str]:
    """Drop the old data keys with which nothing is sealed any more; their ids."""
    used = in_use(tx)
    gone = [
        row["key_id"] for row in tx.rows("data_keys_all", {}) if row["state"] == "old" and row["key_id"] not in used
    ]
    for key_id in gone:
        tx.run("data_key_drop", {"key_id": key_id})
    return gone


def in_use(tx: Tx) -> dict[str, int]:
    """How many values are sealed with each key; an empty id is the master key itself."""
    found: dict[str, int] = {}
    for kind in SEALED:
        for row in tx.rows(f"{kind}_by_key", {}):
            found[row["key_id"]] = found.get(row["key_id"], 0) + row["count"]
    return found


def rewrap(tx: Tx, vault: Vault, master: Vault) -> int:
    """Wrap every data key with another master key; how many there were.

    Raises:
        KeyWrong: when the master key at hand does not open one of them.
    """
    rows = tx.rows("data_keys_all", {})
    for row in rows:
        wrapped = master.wrap(_unwrap(vault, row))
        tx.run("data_key_rewrap", {"key_id": row["key_id"], "master_id": master.key_id, "wrapped": wrapped})
    return len(rows)


def forget(tx: Tx, vault: Vault) -> list[str]:
    """Drop the keys that the master key at hand does not open, and what they sealed; their ids."""
    known = {"", vault.key_id}
    for row in tx.rows("data_keys_all", {}):
        try:
            known.add(_unwrap(vault, row).key_id)
        except KeyWrong:
            tx.run("data_key_forget", {"key_id": row["key_id"]})
    gone = sorted(in_use(tx).keys() - known)
    for key_id in gone:
        for kind in SEALED:
            tx.run(f"{kind}_forget", {"key_id": key_id})
    return gone


def master_of(tx: Tx) -> str | None:
    """The id of the master key that the data keys are wrapped with; None before there is one."""
    rows: Sequence[Row] = tx.rows("data_keys_all", {})
    return str(rows[0]["master_id"]) if rows else None


def _made(tx: Tx, vault: Vault, at: str) -> Vault:
    """A new active data key, under the master key of the others: this process may have been started with one before it."""
    wanted, data = master_of(tx), new_key()
    master = vault.known_as(wanted) if wanted is not None else vault
    if master is None:
        raise KeyWrong(str(wanted), vault.key_id)
    values = {"key_id": data.key_id, "master_id": master.key_id, "wrapped": master.wrap(data), "at": at}
    if tx.run("data_key_insert", values) != 1:
        # Another company's first secret made one at the same moment.
        row = tx.one("data_key_active", {})
        assert row is not None
        return _unwrap(vault, row)
    return data


def _key_of(tx: Tx, vault: Vault, key_id: str) -> Vault:
    row = tx.one("data_key_get", {"key_id": key_id}) if key_id not in ("", vault.key_id) else None
    return _unwrap(vault, row) if row is not None else vault.known_as(key_id) or vault


def _unwrap(vault: Vault, row: Row) -> Vault:
    """The data key; the master key is read again where it was when the store has another by now."""
    wrapped, key_id = bytes(row["wrapped"]), row["key_id"]
    master = vault.known_as(row["master_id"])
    data = master.unwrap(key_id, wrapped) if master is not None else None
    if data is None:
        raise KeyWrong(row["master_id"], vault.key_id)
    return data
