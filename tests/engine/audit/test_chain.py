"""Any changed byte of the journal is found, and a journal that was cut, rewritten or replaced, by the checkpoints."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from engine.audit import chain, checkpoints
from engine.audit.checkpoints import read
from engine.audit.notary import CheckpointsDiffer
from engine.store import journal, work
from engine.testing import FakeClock
from tests import stores
from tests.engine.audit_kit import AT, Desk, desk, entry, flip_a_byte


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Desk]:
    """Two journals, and two checkpoints: at lines 3 and 5 of acme, and at line 2 of zeta."""
    found = desk(tmp_path)
    found.write("acme", 3)
    assert found.notary().write() == 1
    found.write("acme", 2)
    found.write("zeta", 2)
    assert found.notary().write() == 2
    yield found
    found.store.close()


# --- the chain


def test_any_single_changed_byte_is_found(tmp_path: Path) -> None:
    found, draw = desk(tmp_path), random.Random(7)
    for _ in range(4):
        found.write("acme", 100)
    found.write("acmf", 3)
    found.notary().write()
    found.forge()
    columns = set()
    for _ in range(250):
        seq, column, undo = flip_a_byte(found.store, draw, 400)
        wrong = found.verify()
        assert wrong, f"a changed byte in {column} of line {seq} was not found"
        assert any(text.startswith(f"acme {seq}: ") for text in wrong), (column, seq, wrong)
        columns.add(column)
        undo()
    assert len(columns) == 13
    assert found.verify() == []
    found.store.close()


@pytest.mark.only_sqlite("PostgreSQL keeps no text that is no UTF-8")
def test_a_line_that_cannot_be_read_is_named(made: Desk) -> None:
    made.forge("UPDATE journal SET detail = CAST(x'80' AS TEXT) WHERE company = 'acme' AND seq = 4")
    assert made.verify() == ["acme 4: the line cannot be read"]
    with made.store.read() as tx:
        assert journal.verify(tx, "acme", page=2) == journal.Broken("acme", 4, "the line cannot be read")


def test_a_journal_that_grows_while_it_is_walked_is_whole(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "PAGE", 2)

    def growing(company: str, seen: Mapping[int, tuple[str, str]], last: int | None) -> journal.Walk:
        made.write("acme", 4)
        return journal.Walk(company, seen, last)

    monkeypatch.setattr(chain, "Walk", growing)
    report = chain.verify(made.store, made.file, company="acme")
    assert report.journals == (chain.Verified("acme", 5, None),)


# --- the checkpoints


def test_a_checkpoint_names_the_heads_that_moved(made: Desk) -> None:
    lines = [json.loads(line) for line in made.file.read_text().splitlines()]
    assert [(line["number"], {c: h[0] for c, h in line["heads"].items()}) for line in lines] == [
        (1, {"acme": 3}),
        (2, {"acme": 5, "zeta": 2}),
    ]
    assert made.notary().write() is None
    assert made.verify() == []
    assert (made.copy / "checkpoints.jsonl").read_bytes() == made.file.read_bytes()
    assert made.file.stat().st_mode & 0o777 == 0o600
    with made.store.read() as tx:
        key = tx.one("signing_key", {})
    assert key is not None
    assert (key["public_key"], key["written"]) == (lines[0]["public_key"], 2)


CUT = (
    "DELETE FROM journal WHERE company = 'acme' AND seq > 4",
    "UPDATE journal_heads SET seq = 4, hash = (SELECT hash FROM journal WHERE company = 'acme' AND seq = 4) WHERE company = 'acme'",
)


def test_a_cut_tail_is_found_against_the_checkpoint_alone(made: Desk) -> None:
    made.forge(*CUT)
    with made.store.read() as tx:
        assert journal.verify(tx, "acme") is None
    at = read(made.file).newest_at
    assert made.verify() == [f"acme 5: the journal ends before line 5, which the checkpoint of {at} has seen"]
    with pytest.raises(CheckpointsDiffer) as caught:
        made.notary().write()
    assert str(caught.value) == f"the journal of acme is not the one that the checkpoint of {at} has seen at line 5"
    made.write("acme", 4)  # and written on
    assert made.verify() == [f"acme 5: the line is not the one that the checkpoint of {at} has seen"]


def test_a_journal_written_anew_with_its_hashes_is_found(made: Desk) -> None:
    made.forge("DELETE FROM journal WHERE company = 'acme'", "DELETE FROM journal_heads WHERE company = 'acme'")
    made.write("acme", 5, actor="forger")
    with made.store.read() as tx:
        assert journal.verify(tx, "acme") is None
    at = checkpoints.read(made.file).points["acme"][0].at
    assert made.verify() == [f"acme 3: the line is not the one that the checkpoint of {at} has seen"]


def test_a_journal_that_is_gone_with_its_company_is_found(made: Desk) -> None:
    made.forge(
        "DELETE FROM journal WHERE company = 'zeta'",
        "DELETE FROM journal_heads WHERE company = 'zeta'",
        "DELETE FROM companies WHERE company = 'zeta'",
    )
    at = read(made.file).newest_at
    assert made.verify() == [f"zeta 1: the journal ends before line 2, which the checkpoint of {at} has seen"]


def test_a_replaced_database_is_found(made: Desk, tmp_path: Path) -> None:
    other = desk(tmp_path)
    other.write("acme", 3)
    other.write("acme", 2)
    other.write("zeta", 2)
    key = read(made.file).public_key
    # Even one with the same lines at the same times, and so with the same hashes.
    assert other.verify() == [
        f"the checkpoints were signed by another store: {key}",
    ]
    with pytest.raises(CheckpointsDiffer) as caught:
        other.notary().write()
    assert str(caught.value) == "the checkpoint file was signed by another store"
    other.store.close()


def test_a_database_and_checkpoints_replaced_together_are_found_by_the_copy_or_the_key(
    made: Desk, tmp_path: Path
) -> None:
    key = read(made.file).public_key
    (tmp_path / "new").mkdir()
    other = desk(tmp_path / "new")
    other.write("acme", 5)
    other.notary().write()
    assert other.verify() == []
    theirs = read(other.file).public_key
    copy = made.copy / "checkpoints.jsonl"
    assert f"the checkpoints were signed by another store: {key}" in other.verify(copy)
    assert other.verify(public_key=key) == [f"the checkpoints were signed by another key than the one given: {theirs}"]
    assert made.verify(public_key=key) == []
    other.file.unlink()
    assert other.verify(public_key=key) == [
        f"the store signs with another key than the one given: {theirs}",
        f"{other.file} has 0 lines, and 1 were written",
    ]
    other.store.close()


def test_a_cut_checkpoint_file_is_found(made: Desk) -> None:
    first = made.file.read_text().splitlines(keepends=True)[0]
    made.file.write_text(first)
    assert made.verify() == [f"{made.file} has 1 lines, and 2 were written"]
    with pytest.raises(CheckpointsDiffer) as caught:
        made.notary().write()
    assert str(caught.value) == "the checkpoint file has 1 lines, and 2 were written"
    made.file.unlink()
    assert made.verify() == [f"{made.file} has 0 lines, and 2 were written"]
    assert made.verify(made.copy / "checkpoints.jsonl") == []


def test_any_changed_byte_of_the_checkpoint_file_is_found(made: Desk) -> None:
    whole, draw = made.file.read_bytes(), random.Random(3)
    for place in [0, len(whole) - 2, *(draw.randrange(len(whole) - 1) for _ in range(120))]:
        changed = bytearray(whole)
        changed[place] ^= 1 << draw.randrange(8)
        made.file.write_bytes(bytes(changed))
        assert made.verify() != [], place
    made.file.write_bytes(whole)
    assert made.verify() == []


def test_lines_that_are_swapped_or_left_out_are_found(made: Desk) -> None:
    first, second = made.file.read_text().splitlines(keepends=True)
    for text, number in ((second + first, 1), (second, 1), (first + first, 2), (first + second + second, 3)):
        made.file.write_text(text)
        assert f"line {number} does not follow from the line before it" in made.verify()


def test_a_line_that_was_being_written_when_its_process_was_killed_is_written_anew(made: Desk) -> None:
    whole = made.file.read_bytes()
    made.file.write_bytes(whole + b'{"accepted":"","at')
    assert made.verify() == []
    made.write("acme", 1)
    assert made.notary().write() == 3
    assert made.file.read_bytes().startswith(whole + b'{"accepted":"","at":"2026')
    assert (made.verify(), read(made.file).count) == ([], 3)


def test_a_process_killed_between_file_and_store_leaves_nothing_wrong(made: Desk) -> None:
    made.write("acme", 1)
    made.notary().write()
    stores.raw(made.store, "UPDATE signing_keys SET written = 2")
    assert made.verify() == []
    made.write("acme", 1)
    assert (made.notary().write(), made.verify()) == (4, [])


def test_a_restore_is_accepted_by_a_person_with_a_reason(made: Desk) -> None:
    made.forge(*CUT)
    assert made.notary().write(accept="restored Monday's backup", actor="cli:pat") == 3
    assert made.verify() == []
    report = chain.verify(made.store, made.file)
    assert report.accepted == ((AT, "restored Monday's backup"),)
    with made.store.read() as tx:
        last = list(journal.lines(tx, "acme"))[-1]
    assert (last["event"], last["actor"], last["detail"]) == (
        "checkpoint_accepted",
        "cli:pat",
        '{"reason":"restored Monday\'s backup"}',
    )
    made.forge("DELETE FROM journal WHERE company = 'zeta' AND seq > 1")
    assert len(made.verify()) == 1  # and what comes after counts again


def test_the_copy_is_never_cut(made: Desk) -> None:
    copy = made.copy / "checkpoints.jsonl"
    copy.write_bytes(copy.read_bytes() + b"more\n")
    made.write("acme", 1)
    with pytest.raises(CheckpointsDiffer) as caught:
        made.notary().write()
    assert str(caught.value) == f"{copy} holds checkpoints that {made.file} does not"
    assert copy.read_bytes().endswith(b"more\n")
    shutil.rmtree(made.copy)
    made.notary().write()
    assert copy.read_bytes() == made.file.read_bytes()


# --- beside the server


def test_the_server_signs_every_quarter_of_an_hour_when_something_moved(made: Desk) -> None:
    watch, clock = made.notary(), made.world.clock
    assert isinstance(clock, FakeClock)
    made.write("acme", 1)
    watch.tick()
    assert read(made.file).count == 3
    made.write("acme", 1)
    watch.tick()
    assert read(made.file).count == 3
    clock.advance("+15m")
    watch.tick()
    assert (read(made.file).count, made.verify()) == (4, [])
    clock.advance("+15m")
    watch.tick()
    assert read(made.file).count == 4


def test_what_is_wrong_is_an_alert_until_it_is_right(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, clock = made.notary(), made.world.clock
    assert isinstance(clock, FakeClock)

    def alerts() -> list[str]:
        with made.store.read() as tx:
            return [row["message"] for row in work.alerts(tx, "acme")]

    kept = made.file.read_bytes()
    made.file.unlink()
    watch.tick()
    assert alerts() == ["the checkpoint file has 0 lines, and 2 were written"]
    clock.advance("+15m")
    made.file.mkdir()
    watch.tick()
    assert alerts()[0].endswith("Is a directory")
    made.file.rmdir()
    made.file.write_bytes(kept)
    clock.advance("+15m")
    watch.tick()
    assert alerts() == []


def test_a_rotation_seals_the_signing_key_too(made: Desk) -> None:
    from engine.upkeep.rekeying import rotate

    assert rotate(made.world, "test").sealed == 1
    made.write("acme", 1)
    assert (made.notary().write(), made.verify()) == (3, [])


# --- export


def test_the_lines_are_handed_out_with_what_their_hash_is_made_of(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "PAGE", 2)
    lines = list(chain.export(made.store, "acme"))
    assert [(line["seq"], line["previous"]) for line in lines] == [
        (1, "0" * 64),
        *((number + 1, lines[number - 1]["hash"]) for number in range(1, 5)),
    ]
    assert tuple(lines[0]) == chain.COLUMNS
    some = list(chain.export(made.store, "acme", chain.Filter(events=("e1",))))
    assert some == [line for line in lines if line["event"] == "e1"]


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        (chain.Filter(), True),
        (chain.Filter(since="2026-03-02", until="2026-03-02"), True),
        (chain.Filter(since="2026-03-03"), False),
        (chain.Filter(until="2026-03-01"), False),
        (chain.Filter(until="2026-03-02T13"), False),
        (chain.Filter(events=("a", "e3")), True),
        (chain.Filter(events=("a",)), False),
        (chain.Filter(flow="flow", actor="test", record_id=3, source_id="b-3é"), True),
        (chain.Filter(flow="x"), False),
        (chain.Filter(actor="x"), False),
        (chain.Filter(record_id=4), False),
        (chain.Filter(source_id="b-4"), False),
    ],
)
def test_filters(given: chain.Filter, fits: bool) -> None:
    made = entry(3)
    line = {
        "at": AT, "event": made.event, "flow": made.flow, "actor": "test", "record_id": 3, "source_id": made.source_id,
    }  # fmt: skip
    assert given(line) is fits
