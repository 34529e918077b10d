"""Mending writes what can only be meant, in place, and leaves every other character as it was."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest import mock

import pytest

from engine.diagnostics import clearly_meant
from engine.flowlang.flowfile import parse_flow
from engine.flowlang.mend import Mended, mend, mend_one
from engine.validate import check_loaded
from tests.validate.corpus import BAD, GOOD, HERE, world
from tests.validate.test_mistakes import CARET, FULL, MISTAKES, Mistake

FOLDER = HERE / "good"
# What a person has to decide: the mistake has no one way out, or the way is the writer's own.
FOR_A_PERSON = {
    "tab", "list never closed", "key twice", "missing key", "circle", "too long", "syntax in a plain text",
    "number without backticks", "one equals sign", "and", "syntax in a folded text", "arguments",
    "name without quotes", "define in itself", "field of the source", "field of an object", "field that is deeper",
    "field in a folded text", "field of the record, in a line", "field in an object that holds it",
    "field of a check", "field after an escape", "double quotes around a text", "list walked that is none",
    "text for money", "object for a text", "value it never has", "amount that is text",
    "entry of a map",  # the note of the flow takes the whole map
}  # fmt: skip


def mended(text: str) -> Mended:
    with world():
        return mend_one(parse_flow(text.encode(), str(FOLDER / "f.yaml")))


@pytest.mark.parametrize("mistake", [m for m in MISTAKES if m.name not in FOR_A_PERSON], ids=lambda m: m.name)
def test_a_mechanical_mistake_is_mended(mistake: Mistake) -> None:
    result = mended(FULL.replace(mistake.right, mistake.wrong.replace(CARET, ""), 1))
    assert result.count == 1
    with world():
        left = check_loaded(parse_flow(result.after.encode(), str(FOLDER / "f.yaml")))
    assert [str(problem) for problem in left if problem.level == "error"] == []


@pytest.mark.parametrize("mistake", [m for m in MISTAKES if m.name in FOR_A_PERSON], ids=lambda m: m.name)
def test_what_is_not_certain_is_left(mistake: Mistake) -> None:
    text = FULL.replace(mistake.right, mistake.wrong.replace(CARET, ""), 1)
    assert mended(text) == Mended(str(FOLDER / "f.yaml"), text, text, 0)


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_a_sound_flow_is_not_touched(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert mended(text).after == text


@pytest.mark.parametrize("path", [p for p in BAD if not p.name.startswith("F001")], ids=lambda p: p.stem)
def test_mending_never_makes_it_worse(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    with world():
        before = parse_flow(text.encode(), str(path))
        result = mend_one(before)
        after = parse_flow(result.after.encode(), str(path))
        again = mend_one(after)
        fixable = [problem for problem in check_loaded(before) if problem.level == "error" and problem.edit]
    assert again.count == 0
    assert (result.count > 0) == bool(fixable)
    assert len(result.after.split("\n")) == len(text.split("\n"))


WRONG = """\
# My flow  \r
flow: mine
verison: '1'   # the language
connections:
  ramp: {conector: rampp}
  books:   {connector: "qbcw"}  # kept
lookups: {vendor: {target: "books.Vendr", match: maped}}
streams:
  bills:
    triger: {every: 6 hours, webhook: bills.aproved}
    fetch: {from: ramp, stream: 'bils', with: {sync_redy: yes}}
    key: id
    map:
      vendor: >-
        lokup('vender',
              vendor.id)
      memo: 'join_nonempty('' '', [linked(''vendr'', id), to_sting(amount)])'
    write: {to: boks, request: NotPost}
"""
RIGHT = """\
# My flow  \r
flow: mine
version: 1   # the language
connections:
  ramp: {connector: ramp}
  books:   {connector: "qbwc"}  # kept
lookups: {vendor: {target: "books.Vendor", match: [mapped]}}
streams:
  bills:
    trigger: {every: 6h, webhook: [bills.approved]}
    fetch: {from: ramp, stream: 'bills', with: {sync_ready: true}}
    key: id
    map:
      vendor: >-
        lookup('vendor',
              vendor.id)
      memo: 'join_nonempty('' '', [linked(''vendor'', id), to_string(amount)])'
    write: {to: books, request: NotePost}
"""


def test_many_at_once_with_comments_quotes_and_ends_of_lines_kept() -> None:
    result = mended(WRONG)
    assert (result.after, result.count) == (RIGHT, 21)


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("fetsh", ["fetch", "select"], "fetch"),
        ("BILLADD", ["BillAdd", "BillMod"], "BillAdd"),
        ("lenght", ["length", "last"], "length"),
        ("bilss", ["bill", "bills"], "bills"),
        ("bil", ["bill", "bile"], ""),
        ("line1", ["line2"], ""),
        ("line", ["line2"], ""),
        ("az", ["as"], ""),
        ("amount", ["account"], ""),
        ("mark_sync", ["mark_synced"], "mark_synced"),
        ("receive", ["deceived"], ""),
        ("", ["a"], ""),
        ("anything", [], ""),
    ],
)
def test_only_one_name_may_be_meant(given: str, known: list[str], meant: str) -> None:
    assert clearly_meant(given, known) == meant


def test_two_keys_for_one_place_are_left_to_a_person() -> None:
    text = FULL.replace("phase: post", "phsae: post\n    phaze: first")
    assert mended(text).count == 0


def test_what_could_be_read_stays_readable() -> None:
    """A map entry that is mended to a name which is there, from two sides at once, would be there twice."""
    text = FULL.replace("sync_ready: true, ", "sync_redy: true, sync_raedy: false, ")
    assert mended(text).count == 0


def test_a_key_that_is_there_already_is_not_written_twice() -> None:
    assert mended(FULL.replace("phase: post", "phase: post\n    phsae: first")).count == 0


def test_files_are_mended_and_the_change_shown(tmp_path: Path) -> None:
    text = FULL.replace("phase: post", "phsae: post")
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (tmp_path / "g.yaml").write_text(FULL, encoding="utf-8")
    (tmp_path / "templates").symlink_to(FOLDER / "templates")
    with world():
        (one,) = mend([tmp_path])
    assert one.diff() == (
        f"--- {path}\n+++ {path}\n@@ -36,7 +36,7 @@\n"
        "     trigger: {every: 1h, webhook: [bills.approved]}\r\n"
        "     fetch: {from: ramp, stream: bills, with: {sync_ready: true, status: OPEN, limit: 100}}\r\n"
        "     key: id\r\n"
        "-    phsae: post\r\n"
        "+    phase: post\r\n"
        "     about: {amount: money(amount), currency: currency, party: payee(@), reference: invoice_number, "
        "date: date(issued_at)}\r\n"
        "     select:\r\n"
        "       - {only: \"status == 'OPEN'\", say: the bill is paid}\r\n"
    )
    assert b"phsae" in path.read_bytes()
    path.chmod(0o640)
    one.save()
    assert path.read_bytes() == b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_disk_that_is_full_leaves_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("before", encoding="utf-8")
    (tmp_path / "link.yaml").symlink_to(path)
    one = Mended(str(tmp_path / "link.yaml"), "before", "after", 1)
    full = mock.patch.object(shutil, "copymode", side_effect=OSError(28, "No space left on device"))
    with full, pytest.raises(OSError, match="No space left"):
        one.save()
    assert (path.read_text(encoding="utf-8"), sorted(tmp_path.iterdir())) == ("before", [path, tmp_path / "link.yaml"])
    one.save()
    assert (path.read_text(encoding="utf-8"), (tmp_path / "link.yaml").is_symlink()) == ("after", True)


def test_a_last_line_without_an_end_is_shown_as_such() -> None:
    assert Mended("f", "a: 1", "b: 1", 1).diff() == (
        "--- f\n+++ f\n@@ -1 +1 @@\n-a: 1\n\\ No newline at end of file\n+b: 1\n\\ No newline at end of file\n"
    )
