"""A backup is whole or not there; what is put back is put back whole, and wakes in an earlier time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine import health
from engine.access import users as access
from engine.audit.notary import FILE, Notary
from engine.contract import Login
from engine.errors import StoreDamaged, StoreTooNew, UsageError
from engine.evidence import PUT_BACK
from engine.follow import Hand
from engine.operator import onhold, pausing
from engine.store import companies, facts, journal, occupied, records, stops, work
from engine.store.base import Row, Tx
from engine.store.occupied import StoreInUse
from engine.store.sqlite import SqliteStore
from engine.upkeep import backup, restoring
from engine.upkeep.backup import BackupUnusable
from engine.upkeep.before import Outlook, outlook
from engine.upkeep.restoring import Signed, restore
from engine.vault import KeyUnusable, KeyWrong, load_key, new_key, text_of, write_key
from engine.world import World

AT, LATER = "2026-03-01T02:00:00.000000Z", "2026-03-02T09:30:00.000000Z"
ACTOR = "cli:pat"


@contextmanager
def opened(home: Path) -> Iterator[World]:
    store = SqliteStore(home / "flowctl.db")
    try:
        yield World(store, load_key(home))
    finally:
        store.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two companies, a token, a lease, a schedule, a signed checkpoint."""
    place = tmp_path / "home"
    with opened(place) as world:
        with world.store.write() as tx:
            for name in ("acme", "beta"):
                companies.add(tx, name, name.title(), AT)
            companies.put_connection(tx, "acme", "books_online", "freshbooks", {}, AT)
            companies.put_token(tx, world.vault, "acme", "books_online", {"refresh_token": "first"}, AT)
            work.sooner(tx, "acme", "freshbooks_to_ramp", "bills", "2026-04-01T00:00:00.000000Z")
            journal.append(tx, "acme", AT, ACTOR, [journal.Entry("made", detail={})])
        Notary(world, place / FILE).write()
    return place


def one_value(path: Path, sql: str) -> object:
    with closing(sqlite3.connect(path)) as store:
        return store.execute(sql).fetchone()[0]


def test_a_backup_says_what_it_holds(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1.2.3")
    assert made.path == tmp_path / "to" / "flowctl-20260301T020000Z"
    assert sorted(path.name for path in made.path.iterdir()) == ["backup.json", "checkpoints.jsonl", "flowctl.db"]
    assert {oct(path.stat().st_mode & 0o777) for path in made.path.iterdir()} == {"0o600"}
    told = json.loads((made.path / "backup.json").read_text())
    assert {key: value for key, value in told.items() if key != "files"} == {
        "format": 1,
        "made_at": AT,
        "flowctl": "1.2.3",
        "schema": one_value(home / "flowctl.db", "PRAGMA user_version"),
        "companies": 2,
        "records": 0,
    }
    assert backup.read(made.path) == made
    assert [path.name for path in (tmp_path / "to").iterdir()] == [made.path.name]


def test_the_key_is_not_in_it(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1.2.3")
    key = (home / "key").read_bytes().strip()
    assert [path.name for path in made.path.iterdir() if key in path.read_bytes()] == []


def test_a_backup_is_of_one_moment_while_others_write(home: Path, tmp_path: Path) -> None:
    with opened(home) as world:
        with world.store.write() as tx:
            companies.add(tx, "gamma", "Gamma", AT)
            # Not committed yet: it is not in the copy. A writer that has not begun to commit does not stop a reader.
            made = backup.make(home, tmp_path / "to", AT, "1")
        assert made.companies == 2
        assert backup.make(home, tmp_path / "to", LATER, "1").companies == 3


def test_a_second_backup_of_the_same_second_is_refused(home: Path, tmp_path: Path) -> None:
    backup.make(home, tmp_path, AT, "1")
    with pytest.raises(BackupUnusable, match="is there already"):
        backup.make(home, tmp_path, AT, "1")


def test_a_damaged_store_gives_no_backup(home: Path, tmp_path: Path) -> None:
    data = bytearray((home / "flowctl.db").read_bytes())
    data[8192 : 8192 * 6] = b"\xff" * (8192 * 5)
    (home / "flowctl.db").write_bytes(data)
    with pytest.raises(StoreDamaged):
        backup.make(home, tmp_path / "to", AT, "1")
    assert list((tmp_path / "to").iterdir()) == []


def test_there_must_be_a_store(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        backup.make(tmp_path, tmp_path / "to", AT, "1")
    with closing(sqlite3.connect(tmp_path / "flowctl.db")) as other:
        other.execute("CREATE TABLE companies (a)")
    with pytest.raises(UsageError, match="is no store of flowctl"):
        backup.make(tmp_path, tmp_path / "to", AT, "1")


def test_the_oldest_go(home: Path, tmp_path: Path) -> None:
    (tmp_path / "to" / "flowctl-notes").mkdir(parents=True)
    made = [backup.make(home, tmp_path / "to", f"2026-03-0{day}T02:00:00.000000Z", "1").path for day in (1, 2, 3)]
    assert backup.keep_newest(tmp_path / "to", 2) == made[:1]
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == [*(p.name for p in made[1:]), "flowctl-notes"]
    assert backup.keep_newest(tmp_path / "to", 2) == []


@pytest.mark.parametrize("name", ["flowctl.db", "checkpoints.jsonl"])
def test_a_changed_file_is_noticed(home: Path, tmp_path: Path, name: str) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    path = made.path / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupUnusable) as told:
        backup.read(made.path)
    assert str(told.value) == f"{path}: is not the file that was written: it was changed or cut off"


def test_a_folder_that_is_no_backup(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    told = json.loads((made.path / "backup.json").read_text())
    wrong = {
        "{": "cannot be read",
        "[]": "cannot be read",
        json.dumps({**told, "format": 2}): "a backup of format 2",
        json.dumps({**told, "made_at": "yesterday"}): "cannot be read",
        json.dumps({**told, "files": {}}): "names other files than those of a backup",
        json.dumps({**told, "files": {**told["files"], "../key": told["files"]["flowctl.db"]}}): (
            "names other files than those of a backup"
        ),
    }
    for text, problem in wrong.items():
        (made.path / "backup.json").write_text(text)
        with pytest.raises(BackupUnusable, match=problem):
            backup.read(made.path)
    with pytest.raises(BackupUnusable, match=r"no backup: it has no backup\.json"):
        backup.read(tmp_path)


def later(home: Path) -> None:
    """What happened after the backup: a company more, a token that was exchanged, a checkpoint."""
    with opened(home) as world:
        with world.store.write() as tx:
            companies.add(tx, "gamma", "Gamma", LATER)
            companies.put_token(tx, world.vault, "acme", "books_online", {"refresh_token": "second"}, LATER)
            work.take_lease(tx, "worker", "somebody", world.clock.now(), 3600)
            journal.append(tx, "acme", LATER, ACTOR, [journal.Entry("more", detail={})])
        Notary(world, home / FILE).write()


def test_a_store_is_put_back(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    later(home)
    done = restore(home, made, LATER, ACTOR)
    aside = home / "before-restore-20260302T093000Z"
    assert done.aside == aside
    # The vendor has exchanged the token since: the newer one is what it knows.
    assert (done.connections, done.note) == ((Signed("acme", "books_online", is_newest=True),), "")
    with opened(home) as world, world.store.read() as tx:
        assert companies.names(tx) == ("acme", "beta")
        assert companies.token(tx, world.vault, "acme", "books_online") == {"refresh_token": "second"}
        assert [line["event"] for line in journal.lines(tx, "acme")] == ["made", "restored", "checkpoint_accepted"]
        assert journal.verify(tx, "acme") is None
        assert work.take_lease(tx, "worker", "me", world.clock.now(), 1) is not None
        (row,) = tx.rows("schedule_of", {"company": "acme", "flow": "freshbooks_to_ramp"})
        assert row["next_at"] == LATER
    # The checkpoints that have seen more stay, and go on.
    assert len((home / FILE).read_text().splitlines()) == 3
    with opened(home) as world:
        assert Notary(world, home / FILE).write() is None
    with closing(sqlite3.connect(aside / "flowctl.db")) as before:
        assert before.execute("SELECT COUNT(*) FROM companies").fetchone()[0] == 3


def bill_of(tx: Tx, source_id: str) -> Row:
    """A record that waits; added unless it is there."""
    place = records.Place("acme", "ramp_to_quickbooks", "bills", "main")
    scope = {
        "company": "acme",
        "flow": place.flow,
        "stream": place.stream,
        "source_id": source_id,
        "phase": place.phase,
    }
    if tx.one("record_find", scope) is None:
        read = records.Intake(source_id, "{}", "0" * 64)
        records.insert(tx, place, 1, AT, ACTOR, [records.NewRecord(read, "pending")])
    row = tx.one("record_find", scope)
    assert row is not None
    return row


def test_what_an_agent_fetches_rests_for_a_while(home: Path, tmp_path: Path) -> None:
    with opened(home) as world, world.store.write() as tx:
        companies.put_login(tx, Login("beta", "books", "hash", {}), AT)
    done = restore(home, backup.make(home, tmp_path / "to", AT, "1"), LATER, ACTOR)
    assert done.rest == 1
    with opened(home) as world, world.store.read() as tx:
        told = {name: facts.recall(tx, name, PUT_BACK) for name in ("acme", "beta")}
        found = [[each.message for each in health.company_of(world, name, offline=True)] for name in told]
    assert told == {"acme": None, "beta": {"at": LATER, "made_at": AT}}
    words = f"the store was put back at {LATER[:10]} {LATER[11:16]} UTC, and nothing was written since"
    assert [words in messages for messages in found] == [False, True]


def test_of_two_copies_the_older_one_counts_until_everything_was_looked_through(home: Path) -> None:
    def told() -> object:
        with opened(home) as world, world.store.read() as tx:
            return facts.recall(tx, "acme", PUT_BACK)

    def wake(made_at: str, at: str) -> None:
        with opened(home) as world, world.store.write() as tx:
            restoring.wake(tx, made_at, at, ACTOR)

    with opened(home) as world, world.store.write() as tx:
        companies.put_login(tx, Login("acme", "books", "hash", {}), AT)
    wake("2026-01-02T00:00:00Z", AT)
    wake("2026-02-01T00:00:00.000000Z", LATER)
    assert told() == {"at": LATER, "made_at": "2026-01-02T00:00:00Z"}
    wake("2026-01-01T00:00:00Z", LATER)
    assert told() == {"at": LATER, "made_at": "2026-01-01T00:00:00Z"}
    with opened(home) as world, world.store.write() as tx:
        facts.remember(tx, "acme", LATER, PUT_BACK, {})
    wake("2026-02-01T00:00:00Z", LATER)
    assert told() == {"at": LATER, "made_at": "2026-02-01T00:00:00Z"}


def test_what_people_have_stopped_since_stays_stopped(home: Path, tmp_path: Path) -> None:
    """The books are being closed, or a bill is wrong: a store of the morning knows neither, and would post."""
    ana = Hand("acme", LATER, "panel:ana")
    with opened(home) as world, world.store.write() as tx:
        bill_of(tx, "b-1")
        pausing.pause(tx, Hand("acme", AT, "panel:ana"), "ramp_to_quickbooks", "not yet")
    made = backup.make(home, tmp_path / "to", AT, "1")
    later(home)
    with opened(home) as world, world.store.write() as tx:
        pausing.resume(tx, ana, "ramp_to_quickbooks")
        for company in ("acme", "gamma"):
            pausing.pause(tx, Hand(company, LATER, "panel:ana"), "", "the books are being closed")
        onhold.hold(tx, ana, [bill_of(tx, "b-1"), bill_of(tx, "b-2")], "wrong vendor")
    assert restore(home, made, LATER, ACTOR).stopped == 2
    with opened(home) as world, world.store.read() as tx:
        assert [(one["flow"], one["actor"], one["why"]) for one in stops.pauses(tx, "acme")] == [
            ("", "panel:ana", "the books are being closed"),
            ("ramp_to_quickbooks", "panel:ana", "not yet"),
        ]
        row = tx.one("company_get", {"company": "acme"})
        assert row is not None
        assert row["paused"] == 1
        assert [(one["source_id"], one["why"]) for one in stops.holds(tx, "acme", 9)] == [("b-1", "wrong vendor")]
        told = [(line["event"], json.loads(line["detail"])) for line in journal.lines(tx, "acme")][-3:-1]
        assert told == [
            ("paused", {"what": "company", "why": "the books are being closed", "by": "panel:ana"}),
            ("on_hold", {"why": "wrong vendor", "by": "panel:ana"}),
        ]
        assert journal.verify(tx, "acme") is None


def test_an_empty_home_is_filled(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    later(home)
    copy = tmp_path / "copy" / FILE
    copy.parent.mkdir()
    copy.write_bytes((home / FILE).read_bytes())
    for number, checkpoints in enumerate((None, copy)):
        new = tmp_path / f"new-{number}"
        new.mkdir()
        write_key(new / "key", (home / "key").read_text())
        done = restore(new, made, LATER, ACTOR, checkpoints)
        assert done.aside is None
        assert done.connections == (Signed("acme", "books_online", is_newest=False),)
        # With the copy kept elsewhere nothing that was seen is forgotten.
        assert len((new / FILE).read_text().splitlines()) == 2 + number


def test_a_token_of_another_account_is_not_taken_over(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    later(home)
    with opened(home) as world, world.store.write() as tx:
        companies.put_connection(tx, "acme", "books_online", "freshbooks", {"account_id": "other"}, LATER)
    restore(home, made, LATER, ACTOR)
    with opened(home) as world, world.store.read() as tx:
        assert companies.token(tx, world.vault, "acme", "books_online") == {"refresh_token": "first"}


def test_a_damaged_store_is_replaced(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    (home / "flowctl.db").write_bytes(b"not a store at all" * 1000)
    (home / "flowctl.db-journal").write_bytes(b"belongs to the broken one")
    done = restore(home, made, LATER, ACTOR)
    assert done.note == "the store before the restore could not be read"
    with opened(home) as world, world.store.read() as tx:
        assert companies.names(tx) == ("acme", "beta")
    # A journal that belonged to the broken file would be played into the good one.
    assert b"belongs" not in b"".join(path.read_bytes() for path in home.glob("flowctl.db*"))


def files_of(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_the_wrong_key_changes_nothing(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    key = (home / "key").read_text()
    (home / "key").unlink()
    before = files_of(home)
    with pytest.raises(KeyUnusable):
        restore(home, made, LATER, ACTOR)
    assert files_of(home) == before
    write_key(home / "key", text_of(new_key()))
    with pytest.raises(KeyWrong):
        restore(home, made, LATER, ACTOR)
    (home / "key").unlink()
    (home / "flowctl.lock").unlink()
    assert files_of(home) == before
    assert key not in str(before)


def test_a_newer_backup_changes_nothing(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    with closing(sqlite3.connect(made.path / "flowctl.db")) as store:
        store.execute("PRAGMA user_version = 9999")
    before = files_of(home)
    with pytest.raises(StoreTooNew):
        restore(home, made, LATER, ACTOR)
    (home / "flowctl.lock").unlink()
    assert files_of(home) == before


def test_nobody_works_with_a_store_that_is_exchanged(home: Path, tmp_path: Path) -> None:
    made = backup.make(home, tmp_path / "to", AT, "1")
    with occupied.shared(home), occupied.shared(home), pytest.raises(StoreInUse):
        restore(home, made, LATER, ACTOR)
    with occupied.alone(home), pytest.raises(StoreInUse) as told, occupied.shared(home):
        pass
    assert str(told.value) == f"{home}: another flowctl works with this store"
    restore(home, made, LATER, ACTOR)


# --- who may sign in -------------------------------------------------------------------------------------------------

HOUSE_AT = Hand(access.HOUSE, AT, ACTOR)


def people(home: Path) -> dict[str, tuple[str, str, str]]:
    """Users: the role, the password's hash, and the secret of the second factor."""
    with opened(home) as world, world.store.read() as tx:
        return {
            row["user_name"]: (
                row["role"],
                row["password_hash"],
                access.opened_totp(tx, world.vault, row) if row["totp_sealed"] else "",
            )
            for row in tx.rows("users_whole", {})
        }


@pytest.fixture
def peopled(home: Path, tmp_path: Path) -> backup.Backup:
    """A backup with three users; since then one was removed, one lost rights and got a second factor, and one came."""
    with opened(home) as world, world.store.write() as tx:
        for name in ("ana", "bob", "cyd"):
            access.add(tx, HOUSE_AT, name, "admin", f"hash of {name}")
    made = backup.make(home, tmp_path / "to", AT, "1")
    now = Hand(access.HOUSE, LATER, "panel:ana")
    with opened(home) as world, world.store.write() as tx:
        access.remove(tx, now, "bob")
        access.set_role(tx, now, "cyd", "viewer")
        access.set_password(tx, now, "cyd", "new hash", is_once=False)
        access.set_totp(tx, now, world.vault, "cyd", b"0" * 20)
        access.add(tx, now, "dan", "operator", "hash of dan")
    return made


def test_who_may_sign_in_stays_as_it_was_before_the_restore(home: Path, peopled: backup.Backup) -> None:
    before = people(home)
    assert before["cyd"] == ("viewer", "new hash", "GAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQ")
    assert outlook(home / "flowctl.db", peopled.path / "flowctl.db") == Outlook((), stays=True)
    assert restore(home, peopled, LATER, ACTOR).users == 3
    assert people(home) == before
    with opened(home) as world, world.store.read() as tx:
        told = [(line["event"], json.loads(line["detail"])) for line in journal.lines(tx, access.HOUSE)][3:]
        why = "so it was in the store before the restore"
        assert told == [
            ("user_removed", {"user": "bob", "why": why}),
            ("user_role", {"user": "cyd", "role": "viewer", "before": "admin", "why": why}),
            ("user_password", {"user": "cyd", "once": False, "why": why}),
            ("user_totp", {"user": "cyd", "on": True, "why": why}),
            ("user_added", {"user": "dan", "role": "operator", "why": why}),
            ("user_password", {"user": "dan", "once": True, "why": why}),
        ]
        assert journal.verify(tx, access.HOUSE) is None


def test_when_everybody_was_removed_nobody_comes_back(home: Path, peopled: backup.Backup) -> None:
    with opened(home) as world, world.store.write() as tx:
        for name in ("ana", "cyd", "dan"):
            access.remove(tx, Hand(access.HOUSE, LATER, ACTOR), name)
    assert restore(home, peopled, LATER, ACTOR).users == 3
    assert people(home) == {}


ALL = (("ana", "admin"), ("bob", "admin"), ("cyd", "admin"))


def test_who_comes_back_is_said_before(home: Path, peopled: backup.Backup, tmp_path: Path) -> None:
    """A store that is not there, that was made since, or that is damaged says nothing of who was removed."""
    copy = peopled.path / "flowctl.db"
    assert outlook(tmp_path / "none" / "flowctl.db", copy) == Outlook(ALL)
    new = tmp_path / "new"
    with opened(new) as world, world.store.write() as tx:
        access.add(tx, HOUSE_AT, "eve", "admin", "hash of eve")
    assert outlook(new / "flowctl.db", copy) == Outlook(ALL)
    damage(home / "flowctl.db")
    assert outlook(home / "flowctl.db", copy) == Outlook(ALL, is_unread=True)
    done = restore(home, peopled, LATER, ACTOR)
    assert (done.stopped, done.users) == (None, None)
    assert sorted(people(home)) == ["ana", "bob", "cyd"]


def test_second_factors_of_another_key_leave_the_users_of_the_backup(home: Path, peopled: backup.Backup) -> None:
    with closing(sqlite3.connect(home / "flowctl.db")) as store, store:
        store.execute("UPDATE users SET totp_sealed = zeroblob(64) WHERE user_name = 'cyd'")
    assert restore(home, peopled, LATER, ACTOR).users is None
    assert sorted(people(home)) == ["ana", "bob", "cyd"]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
