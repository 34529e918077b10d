"""Keys change while everything runs, a kill at any moment leaves every secret open, and a wrong key says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from engine import ondisk, vault
from engine.cli import common
from engine.store import companies, journal, keys
from engine.store.base import Row, Tx
from engine.store.sqlite import SqliteStore, SqliteTx
from engine.upkeep import rekeying
from engine.upkeep.rekeying import SameKey, rotate, set_master
from engine.vault import KEY_VARIABLE, KeyUnusable, KeyWrong, SealBroken, Vault, load_key, new_key, text_of
from engine.world import World
from tests.engine.store.rows import AT

COMPANIES = ("acme", "zeta")
FIELDS = tuple(f"f{number}" for number in range(6))


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setattr(keys.reseal, "__defaults__", (4,))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store with twelve secrets under one data key."""
    with opened(tmp_path) as world, world.store.write() as tx:
        fill(tx, world)
    return tmp_path


@contextmanager
def opened(home: Path) -> Iterator[World]:
    with common.opened(home) as world:
        yield world


def fill(tx: Tx, world: World) -> None:
    for company in COMPANIES:
        companies.add(tx, company, company, AT)
        companies.put_connection(tx, company, "shop", "shop", {}, AT)
        for field in FIELDS:
            companies.put_secret(tx, world.vault, company, "shop", field, f"{company} {field}", AT)


def secrets(world: World) -> dict[str, str]:
    found = {}
    with world.store.read() as tx:
        for company in COMPANIES:
            bound = companies.binding(tx, world.vault, company, "shop")
            assert bound is not None
            found.update({f"{company} {name}": secret for name, secret in bound[1].secrets.items()})
    return found


ALL = {f"{company} {field}": f"{company} {field}" for company in COMPANIES for field in FIELDS}


def used(world: World) -> dict[str, int]:
    with world.store.read() as tx:
        return keys.in_use(tx)


def states(world: World) -> list[tuple[str, str]]:
    with world.store.read() as tx:
        return [(row["key_id"], row["state"]) for row in tx.rows("data_keys_all", {})]


def seal_directly(tx: Tx, master: Vault, company: str, field: str, secret: str) -> None:
    """As a flowctl without data keys did."""
    scope = {"company": company, "connection": "shop", "field": field}
    sealed = master.seal(company, "shop", field, secret)
    tx.run("credential_put", {**scope, "key_id": master.key_id, "sealed": sealed, "at": AT})


# --- the envelope


def test_secrets_are_sealed_with_a_data_key_that_the_master_key_wraps(home: Path) -> None:
    with opened(home) as world:
        [(key_id, state)] = states(world)
        assert (state, used(world)) == ("active", {key_id: 12})
        assert key_id != world.vault.key_id
        with world.store.read() as tx:
            row = tx.one("data_key_active", {})
        assert row is not None
        data = world.vault.unwrap(key_id, bytes(row["wrapped"]))
        assert data is not None
        assert (row["master_id"], data.key_id, data.key in bytes(row["wrapped"])) == (
            world.vault.key_id,
            key_id,
            False,
        )
        assert secrets(world) == ALL


def test_a_changed_or_swapped_data_key_does_not_unwrap() -> None:
    master, one, two = new_key(), new_key(), new_key()
    wrapped = master.wrap(one)
    assert master.unwrap(one.key_id, wrapped) == one
    assert master.unwrap(two.key_id, wrapped) is None
    assert two.unwrap(one.key_id, wrapped) is None
    for place in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        assert master.unwrap(one.key_id, bytes(changed)) is None


def test_a_sealed_value_opens_for_its_company_connection_field_and_key_alone(home: Path) -> None:
    with opened(home) as world, world.store.write() as tx:
        row = tx.one("credential_get", {"company": "acme", "connection": "shop", "field": "f1"})
        assert row is not None
        sealed = keys.Sealed(row["key_id"], bytes(row["sealed"]))
        assert keys.unseal(tx, world.vault, keys.Place("acme", "shop", "f1"), sealed) == "acme f1"
        for place in (
            keys.Place("zeta", "shop", "f1"),
            keys.Place("acme", "s", "f1"),
            keys.Place("acme", "shop", "f2"),
        ):
            with pytest.raises(SealBroken):
                keys.unseal(tx, world.vault, place, sealed)
        other = keys.begin(tx, world.vault, AT)
        for key_id in (other, "", world.vault.key_id, "unknown"):
            with pytest.raises(SealBroken):
                keys.unseal(tx, world.vault, keys.Place("acme", "shop", "f1"), keys.Sealed(key_id, sealed.data))


def test_what_was_sealed_with_the_master_key_itself_opens_and_moves(home: Path) -> None:
    with opened(home) as world:
        with world.store.write() as tx:
            seal_directly(tx, world.vault, "acme", "f0", "old")
        assert secrets(world) == {**ALL, "acme f0": "old"}
        assert used(world)[world.vault.key_id] == 1
        with world.store.write() as tx:  # given anew
            companies.put_secret(tx, world.vault, "acme", "shop", "f0", "acme f0", AT)
        assert world.vault.key_id not in used(world)
        with world.store.write() as tx:
            seal_directly(tx, world.vault, "acme", "f0", "old")
        rotate(world, "test")
        assert secrets(world) == {**ALL, "acme f0": "old"}
        assert list(used(world).values()) == [12]


# --- a new data key


def test_a_rotation_seals_everything_anew_and_drops_the_old_key(home: Path) -> None:
    with opened(home) as world:
        [(old, _)] = states(world)
        with world.store.read() as tx:
            before = {(r["company"], r["field"]): (bytes(r["sealed"]), r["updated_at"]) for r in sealed_rows(tx)}
        done = rotate(world, "cli:pat")
        assert done == rekeying.Rotation(done.key_id, 12, (), (old,))
        assert (states(world), used(world)) == ([(done.key_id, "active")], {done.key_id: 12})
        assert secrets(world) == ALL
        with world.store.read() as tx:
            for row in sealed_rows(tx):
                assert bytes(row["sealed"]) != before[(row["company"], row["field"])][0]
                assert row["updated_at"] == before[(row["company"], row["field"])][1]
            for company in COMPANIES:
                lines = [(line["event"], line["actor"], line["detail"]) for line in journal.lines(tx, company)]
                assert lines == [
                    ("key_rotation_begun", "cli:pat", f'{{"key":"{done.key_id}"}}'),
                    ("key_rotated", "cli:pat", f'{{"key":"{done.key_id}","retired":["{old}"],"broken":0}}'),
                ]


def sealed_rows(tx: Tx) -> list[Row]:
    return [
        row for company in COMPANIES for row in tx.rows("credentials_of", {"company": company, "connection": "shop"})
    ]


def test_what_does_not_open_stays_and_keeps_its_key(home: Path) -> None:
    with opened(home) as world:
        [(old, _)] = states(world)
        with world.store.write() as tx:
            tx.run(
                "credential_put",
                {"company": "acme", "connection": "shop", "field": "f3", "key_id": old, "sealed": b"x", "at": AT},
            )
        done = rotate(world, "test")
        assert (done.sealed, done.broken, done.retired) == (11, (keys.Place("acme", "shop", "f3"),), ())
        assert states(world) == [(old, "old"), (done.key_id, "active")]


class Killed(BaseException):
    """What ends a process."""


class Mortal:
    """A store whose process is killed before its n-th write begins, or before it commits."""

    def __init__(self, store: SqliteStore, lives: int) -> None:
        self.inner, self.lives = store, lives

    def read(self, *of: str) -> AbstractContextManager[SqliteTx]:
        return self.inner.read(*of)

    @contextmanager
    def write(self, *of: str) -> Iterator[SqliteTx]:
        self.live()
        with self.inner.write(*of) as tx:
            yield tx
            self.live()

    def live(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise Killed

    def close(self) -> None:
        self.inner.close()


def test_a_rotation_killed_at_any_moment_leaves_every_secret_open_and_is_ended_by_the_next(home: Path) -> None:
    for lives in range(99):
        with opened(home) as world:
            assert isinstance(world.store, SqliteStore)
            killed = False
            try:
                rotate(replace(world, store=Mortal(world.store, lives)), "test")
            except Killed:
                killed = True
            assert secrets(world) == ALL
        with opened(home) as world:
            assert secrets(world) == ALL
            rotate(world, "test")
            assert (secrets(world), len(states(world))) == (ALL, 1)
        if not killed:
            return
    raise AssertionError("it never ended")


def test_another_process_reads_and_seals_between_any_two_pages(home: Path) -> None:
    with opened(home) as world, opened(home) as other:
        written: list[str] = []
        with world.store.write() as tx:
            keys.begin(tx, world.vault, AT)
        cursor: keys.Cursor | None = keys.Cursor("credentials")
        while cursor is not None:
            assert secrets(other) == {**ALL, **{name: f"new {name}" for name in written}}
            name = sorted(ALL.keys() - set(written))[-1 if len(written) % 2 else 0]
            company, field = name.split()
            with other.store.write() as tx:
                companies.put_secret(tx, other.vault, company, "shop", field, f"new {name}", AT)
            written.append(name)
            with world.store.write() as tx:
                cursor, broken = keys.reseal(tx, world.vault, cursor, 4)
                assert broken == []
        with world.store.write() as tx:
            assert len(keys.retire(tx)) == 1
        assert secrets(other) == secrets(world) == {**ALL, **{name: f"new {name}" for name in written}}
        assert (len(written), len(states(world))) == (3, 1)


# --- another master key


def test_another_master_key_takes_the_place_of_the_one_before(home: Path) -> None:
    before = (home / "key").read_bytes()
    master = new_key()
    with opened(home) as world, opened(home) as server:
        with world.store.write() as tx:
            seal_directly(tx, world.vault, "acme", "f0", "acme f0")
        done = set_master(world, home, "cli:pat", master)
        assert done == rekeying.MasterChange(master.key_id, home / "key", ())
        # A process that has the old one goes on: it finds the new one in the file.
        assert secrets(server) == ALL
        rotate(server, "test")
        assert secrets(world) == ALL
    assert (home / "key").read_text("ascii").strip() == text_of(master)
    assert (home / "key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in home.glob("key*")) == ["key"]
    with opened(home) as world:
        assert (world.vault, secrets(world)) == (master, ALL)
    (home / "key").write_bytes(before)
    with pytest.raises(KeyWrong) as caught, opened(home):
        pass
    old = load_key(home)
    assert (
        str(caught.value)
        == f"this store is sealed with the master key {master.key_id}, and the key at hand is {old.key_id}"
    )


def test_the_same_master_key_again_is_refused(home: Path) -> None:
    with opened(home) as world, pytest.raises(SameKey) as caught:
        set_master(world, home, "test", Vault(world.vault.key))
    assert (str(caught.value), caught.value.hint) == (
        "The master key given is the one in use.",
        "leave it out to have a new one made",
    )


def test_a_change_of_the_master_key_killed_at_any_moment_leaves_every_secret_open(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each write to the store, after it, and before and after each file."""
    write_key, sync = vault.write_key, ondisk.sync_folder
    for lives in range(99):
        with opened(home) as world:
            assert isinstance(world.store, SqliteStore)
            store = Mortal(world.store, lives)

            def written(path: Path, text: str, store: Mortal = store) -> None:
                store.live()
                write_key(path, text)
                store.live()

            def synced(folder: Path, store: Mortal = store) -> None:
                store.live()
                sync(folder)

            monkeypatch.setattr(rekeying, "write_key", written)
            monkeypatch.setattr(rekeying, "sync_folder", synced)
            killed, master = False, new_key()
            try:
                set_master(replace(world, store=store), home, "test", master)
            except Killed:
                killed = True
            assert secrets(world) == ALL
        with opened(home) as world:
            assert secrets(world) == ALL
            if not killed:
                assert world.vault == master
                return
            place = vault.place_of(home)
            rekeying.finish(world, place)
            assert not place.draft.exists()
        with opened(home) as world:
            assert secrets(world) == ALL
    raise AssertionError("it never ended")


def test_a_half_written_next_key_is_thrown_away(home: Path) -> None:
    place = vault.place_of(home)
    place.draft.write_bytes(b"half")
    place.draft.chmod(0o600)
    with opened(home) as world:
        rekeying.finish(world, place)
        assert secrets(world) == ALL
    assert not place.draft.exists()


def test_with_the_key_in_the_environment_the_person_changes_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, text_of(load_key(home)))
    (home / "key").unlink()
    master = new_key()
    with opened(home) as world:
        done = set_master(world, home, "test", master)
    assert done == rekeying.MasterChange(master.key_id, None, ())
    assert not (home / "key").exists()
    with pytest.raises(KeyWrong), opened(home):
        pass
    monkeypatch.setenv(KEY_VARIABLE, text_of(master))
    with opened(home) as world:
        assert secrets(world) == ALL
        moved = set_master(world, home, "test", new_key(), "file")
    monkeypatch.delenv(KEY_VARIABLE)
    with opened(home) as world:
        assert (world.vault.key_id, secrets(world)) == (moved.key_id, ALL)


def test_a_file_elsewhere_by_the_variable(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "run" / "flowctl"
    path.parent.mkdir()
    monkeypatch.setenv(KEY_VARIABLE, f"file:{path}")
    with pytest.raises(KeyUnusable) as caught, opened(home):
        pass
    assert (str(caught.value), caught.value.hint) == (
        f"there is no key at {path}",
        "FLOWCTL_KEY names this file: put it there",
    )
    (home / "key").rename(path)
    with opened(home) as world:
        done = set_master(world, home, "test", new_key())
        assert (done.path, secrets(world)) == (path, ALL)
    with opened(home) as world:
        assert (world.vault.key_id, secrets(world)) == (done.key_id, ALL)


# --- the keyring


class Ring(ModuleType):
    """A keyring of the operating system, as the package `keyring` offers one."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, name: str) -> str | None:
        self._look()
        return self.entries.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self._look()
        self.entries[(service, name)] = password

    def _look(self) -> None:
        if self.locked:
            raise RingError("locked by password hunter2")


class RingError(Exception):
    pass


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    made, errors = Ring(), ModuleType("keyring.errors")
    errors.KeyringError = RingError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", made)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return made


def test_the_key_moves_into_the_keyring_and_on_there(home: Path, ring: Ring) -> None:
    with opened(home) as world:
        done = set_master(world, home, "test", new_key(), "keyring")
    assert (home / "key").read_text() == f"keyring:{done.key_id}\n"
    with opened(home) as world:
        assert (world.vault.key_id, secrets(world)) == (done.key_id, ALL)
        again = set_master(world, home, "test", new_key())
    assert (home / "key").read_text() == f"keyring:{again.key_id}\n"
    assert set(ring.entries) == {("flowctl", done.key_id), ("flowctl", again.key_id)}
    with opened(home) as world:
        back = set_master(world, home, "test", new_key(), "file")
    assert load_key(home).key_id == back.key_id
    assert "keyring" not in (home / "key").read_text()


def test_a_keyring_that_does_not_help_says_so(home: Path, ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    hint = "unlock the keyring of the user that flowctl runs as, or keep the key in a file"
    ring.locked = True
    with opened(home) as world, pytest.raises(KeyUnusable) as caught:
        set_master(world, home, "test", new_key(), "keyring")
    assert (str(caught.value), caught.value.hint) == ("the keyring does not take the key: RingError", hint)
    monkeypatch.setenv(KEY_VARIABLE, "keyring:mine")
    with pytest.raises(KeyUnusable) as caught:
        load_key(home)
    assert (str(caught.value), caught.value.hint) == ("the keyring does not open: RingError", hint)
    ring.locked = False
    with pytest.raises(KeyUnusable) as caught:
        load_key(home)
    assert str(caught.value) == "the keyring has no entry `mine` of the service `flowctl`, which FLOWCTL_KEY names"
    ring.entries[("flowctl", "mine")] = "c2hvcnQ="
    with pytest.raises(KeyUnusable) as caught:
        load_key(home)
    assert str(caught.value) == "the keyring's entry `mine` does not hold 32 bytes"


def test_without_the_package_the_keyring_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setenv(KEY_VARIABLE, "keyring:mine")
    with pytest.raises(KeyUnusable) as caught:
        load_key(home)
    assert (str(caught.value), caught.value.hint) == (
        "FLOWCTL_KEY wants the keyring of the operating system, and the package `keyring` is not installed",
        "install it: pip install 'flowctl[keyring]'; or keep the key in a file",
    )
