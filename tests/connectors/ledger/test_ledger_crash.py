"""A ledger file after a crash, a full disk, or a hand that was at it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.ledger import file as ledger_file
from connectors.ledger.errors import FileBusy, FileDamaged, FileNotThere, FileRefused, OutcomeUnknown
from tests.connectors.ledger import ledger_kit as kit

FORMS = ("jsonl", "csv")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", [0, 1])
def test_a_crash_at_every_byte_of_the_last_entry(tmp_path: Path, form: str, before: int) -> None:
    books = kit.ledger(tmp_path, form)
    for number in range(before):
        books.write(kit.bill(str(number)))
    path, last = books.settings.path, kit.bill("last")
    begins = path.stat().st_size if before else 0
    books.write(last)
    whole = path.read_bytes()
    torn = path.with_name(f"{path.name}.torn")
    for size in range(begins, len(whole)):
        path.write_bytes(whole[:size])
        torn.unlink(missing_ok=True)
        other = kit.ledger(tmp_path, form)
        is_whole = form == "jsonl" and size == len(whole) - 1
        assert (other.find(last) is not None) is is_whole, size
        other.write(last)
        assert path.read_bytes() == whole, size
        kept = torn.read_bytes() if torn.exists() else b""
        assert kept == (b"" if is_whole or size == begins else whole[begins:size] + b"\n"), size
        other.close()


@pytest.mark.parametrize("form", FORMS)
def test_zeros_of_a_disk_that_lost_its_power_are_cut_off(tmp_path: Path, form: str) -> None:
    books = kit.ledger(tmp_path, form)
    books.write(kit.bill("0"))
    path = books.settings.path
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(4096))
    assert books.find(kit.bill("0")) is not None
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("form", "text", "says"),
    [
        ("jsonl", b"shopping: eggs", "what stands there is not the beginning of an entry, at byte 0"),
        ("jsonl", b"shopping: eggs\n", "a line is no JSON, at byte 0"),
        ("jsonl", b'{"a": 1}\n', "a line is no entry, at byte 0"),
        ("jsonl", b'{"entry_id": "x"}\n', "an entry is not one of a ledger, at byte 0"),
        ("csv", b"shopping", "what stands there is not the beginning of an entry, at byte 0"),
        ("csv", b"shopping,eggs\r\n", "a row has 2 cells instead of 25, at byte 0"),
        ("csv", b'a"b"c,\r\n', "a row has 2 cells instead of 25, at byte 0"),
    ],
)
def test_another_file_is_left_alone(tmp_path: Path, form: str, text: bytes, says: str) -> None:
    books = kit.ledger(tmp_path, form)
    path = books.settings.path
    path.write_bytes(text)
    with pytest.raises(FileDamaged) as caught:
        books.write(kit.bill())
    assert str(caught.value) == f"{path}: {says}; nothing more is written to it"
    assert path.read_bytes() == text


def test_damage_in_the_middle_stops_it(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path)
    for number in range(3):
        books.write(kit.bill(str(number)))
    lines = books.settings.path.read_bytes().splitlines(keepends=True)
    books.settings.path.write_bytes(lines[0] + lines[1][:40] + b"\n" + lines[2])
    with pytest.raises(FileDamaged, match=f"a line is no JSON, at byte {len(lines[0])};"):
        kit.ledger(tmp_path).find(kit.bill("2"))


@pytest.mark.parametrize(
    "change",
    [
        {"total": [1, 2]}, {"total": "NaN"}, {"total": "Infinity"}, {"lines": 5}, {"lines": [5]}, {"lines": [{}]},
        {"lines": [{"amount": "Infinity"}]}, {"reverses": "x"}, {"reverses": None}, {"reverses": 9}, {"company": []},
    ],
)  # fmt: skip
def test_an_entry_that_somebody_edited_stops_it(tmp_path: Path, change: dict[str, object]) -> None:
    books = kit.ledger(tmp_path)
    first = books.write(kit.bill()).ids["id"]
    books.close()
    path = books.settings.path
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}) + "\n")
    with pytest.raises(FileDamaged) as caught:
        kit.ledger(tmp_path).write(kit.void(first))
    assert str(caught.value) == f"{path}: an entry is not one of a ledger, at byte 0; nothing more is written to it"


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_was_moved_away_is_followed_by_a_new_one(tmp_path: Path, form: str) -> None:
    books = kit.ledger(tmp_path, form)
    books.write(kit.bill("0"))
    books.settings.path.rename(tmp_path / "old")
    assert books.find(kit.bill("0")) is None
    books.write(kit.bill("1"))
    assert [entry["guid"] for entry in kit.entries(books)] == [kit.bill("1").guid]


def test_a_file_that_was_cut_shorter_is_read_anew(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path)
    books.write(kit.bill("0"))
    size = books.settings.path.stat().st_size
    books.write(kit.bill("1"))
    os.truncate(books.settings.path, size)
    assert (books.find(kit.bill("0")) is None, books.find(kit.bill("1")) is None) == (False, True)


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_leaves_nothing(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    books = kit.ledger(tmp_path, form)
    books.write(kit.bill("0"))
    before = books.settings.path.read_bytes()
    real = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) <= 50:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:50], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(FileNotThere, match=r"No space left on device; nothing was written$"):
        books.write(kit.bill("1"))
    assert books.settings.path.read_bytes() == before
    monkeypatch.undo()
    books.write(kit.bill("1"))
    assert len(kit.entries(books)) == 2


def test_a_disk_that_fails_leaves_the_outcome_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = kit.ledger(tmp_path)
    books.write(kit.bill("0"))

    def failing(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OutcomeUnknown, match=r"Input/output error while an entry was being written$"):
        books.write(kit.bill("1"))


def test_who_holds_the_file_for_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = kit.ledger(tmp_path)
    books.write(kit.bill("0"))
    monkeypatch.setattr(ledger_file, "LOCK_WAIT_S", 0.05)
    with books.settings.path.open("rb") as held:
        fcntl.flock(held.fileno(), fcntl.LOCK_EX)
        with pytest.raises(FileBusy, match=r"another process is writing to it$"):
            kit.ledger(tmp_path).find(kit.bill("0"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path)
    gone: Any = books.settings.path.parent / "gone" / "ledger.jsonl"
    books._ledger.path = gone
    assert books.find(kit.bill()) is None
    with pytest.raises(FileNotThere) as caught:
        books.write(kit.bill())
    assert str(caught.value) == f"{gone}: its folder does not exist; nothing was written"


def test_a_path_that_is_no_file(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path)
    books.settings.path.mkdir()
    with pytest.raises(FileRefused) as caught:
        books.find(kit.bill())
    assert str(caught.value) == f"{books.settings.path}: Is a directory"


def test_a_ledger_is_its_owners(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path)
    books.write(kit.bill())
    assert books.settings.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("form", FORMS)
def test_what_was_known_of_a_file_is_not_believed_of_another(tmp_path: Path, form: str) -> None:
    books = kit.ledger(tmp_path, form)
    for number in range(3):
        books.write(kit.bill(str(number)))
    path, whole = books.settings.path, books.settings.path.read_bytes()
    (tmp_path / "other").mkdir()
    other = kit.ledger(tmp_path / "other", form)
    for number in range(3, 7):
        other.write(kit.bill(str(number)))
    books.close()
    # Opened again, it is as it was left; written over in place, it is read anew.
    assert books.find(kit.bill("2")) is not None
    books.close()
    path.write_bytes(other.settings.path.read_bytes())
    assert [books.find(kit.bill(name)) is not None for name in ("2", "3", "6")] == [False, True, True]
    books.close()
    path.write_bytes(whole)
    assert [books.find(kit.bill(name)) is not None for name in ("2", "3", "6")] == [True, False, False]
