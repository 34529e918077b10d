"""Checkpoints where several machines work on one store: one writes them, and the others notice when it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.audit import chain, notary
from engine.audit.notary import CheckpointsDiffer
from engine.audit.standing import standing
from engine.testing import FakeClock
from tests.engine.audit_kit import Desk, desk


def two(tmp_path: Path) -> tuple[Desk, Desk]:
    """Two machines on one store, each with a folder of its own; the first has written."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first = desk(tmp_path / "first")
    first.write("acme", 3)
    assert first.notary().write() == 1
    return first, replace(first, folder=tmp_path / "second")


def later(desk: Desk, seconds: float) -> None:
    assert isinstance(desk.world.clock, FakeClock)
    desk.world.clock.sleep(seconds)


def test_the_other_machine_leaves_it_at_that(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    first.write("beta", 2)
    assert second.notary().write() is None
    assert list(second.folder.iterdir()) == []
    assert first.notary().write() == 2
    assert first.verify() == []


def test_it_says_when_the_first_is_silent_while_journals_move(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    later(first, 3601)
    assert second.notary().write() is None
    first.write("beta", 1)
    with pytest.raises(CheckpointsDiffer) as said:
        second.notary().write()
    assert str(said.value).startswith("no checkpoint was written since 20")
    first.notary().write()
    assert second.notary().write() is None


def test_it_goes_on_with_a_copy_of_the_file_or_begins_anew_by_a_persons_word(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    second.file.write_bytes(first.file.read_bytes())
    first.write("beta", 1)
    assert second.notary().write() == 2
    third = replace(first, folder=tmp_path / "third")
    third.folder.mkdir()
    assert third.notary().write() is None
    assert third.notary().write(accept="the others are gone", actor="cli:pat") == 1
    third.write("gamma", 1)
    assert third.notary().write() == 2


def test_a_file_that_was_taken_away_is_still_noticed(tmp_path: Path) -> None:
    first, _ = two(tmp_path)
    first.file.unlink()
    first.write("beta", 1)
    with pytest.raises(CheckpointsDiffer) as said:
        first.notary().write()
    assert str(said.value) == "the checkpoint file has 0 lines, and 1 were written"


class _OtherStore:
    """Stands for the store of a file, so that the one at hand counts as one that machines share."""


def test_looking_on_the_other_machine_names_no_damage_but_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two(tmp_path)
    monkeypatch.setattr(notary, "SqliteStore", _OtherStore)
    there = standing(second.world, second.file)
    assert (there.checkpoints, there.problem) == (0, "")
    assert there.elsewhere == first.world.at()
    report = chain.verify(second.world.store, second.file)
    assert not report.ok
    (said,) = report.problems
    assert said.startswith(f"none in this folder: another machine writes them, the newest at {first.world.at()}; run")
    assert report.elsewhere == first.world.at()
    assert standing(first.world, first.file).elsewhere == ""
    second.file.write_bytes(b"")  # somebody has emptied it: that is not a file of another machine
    assert chain.verify(second.world.store, second.file).problems == (f"{second.file} has 0 lines, and 1 were written",)
    assert standing(second.world, second.file).problem == "checkpoints.jsonl has 0 lines, and 1 were written"
    first.file.unlink()
    assert standing(first.world, first.file).problem == "checkpoints.jsonl has 0 lines, and 1 were written"
    assert chain.verify(first.world.store, first.file).problems == (f"{first.file} has 0 lines, and 1 were written",)


def test_beside_a_store_in_a_file_a_missing_file_is_damage_even_without_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two(tmp_path)
    monkeypatch.setattr(notary, "SqliteStore", type(first.world.store))
    assert standing(second.world, second.file).problem == "checkpoints.jsonl has 0 lines, and 1 were written"
