"""What is said of a file in the editor is what `flowctl validate` says of the same text, and what can be done about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import report
from engine.lsp.actions import Action, Replacement, actions, mend_all
from engine.lsp.outline import Symbol, outline
from engine.lsp.positions import Span
from engine.lsp.project import is_flow, parsed, problems, renew_templates, understood
from engine.validate import Report, environment, validate
from tests.lsp.kit import FULL, PATH, edited, path_beside
from tests.validate.corpus import BAD

pytestmark = pytest.mark.usefixtures("connectors")

EVERYWHERE = Span(0, 0, 999, 0)
QBW = edited("connector: qbwc", "connector: qbw")


# --- problems ---------------------------------------------------------------------------------------------------------


def _printed(path: Path, found: Report) -> str:
    return report.text(found).replace(f"{path.parent.as_posix()}/", "")


READABLE = [path for path in BAD if path.stem != "F001-not-utf-8"]


@pytest.mark.parametrize("path", READABLE, ids=[path.stem for path in READABLE])
def test_the_same_as_validate(path: Path, tmp_path: Path) -> None:
    """For every file of the corpus, alone in a folder, and not even saved there."""
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    target = tmp_path / path.name
    found = problems(text, str(target), {})
    target.write_bytes(path.read_bytes())
    assert [str(problem) for problem in found] == [str(problem) for problem in validate([target]).problems]


def _twice(name: str, text: str, others: dict[str, str]) -> list[str]:
    return [str(problem).replace(str(PATH.parent), "") for problem in problems(text, path_beside(name), others)]


def test_a_name_that_another_file_of_the_folder_has() -> None:
    said = "/zz.yaml:2:7: error[F008]: flow: the flow `full` is also in full.yaml\n  hint: give each flow a name of its own"
    assert _twice("zz.yaml", FULL, {}) == [said]


def test_the_first_of_two_files_is_not_told() -> None:
    assert _twice("aa.yaml", FULL, {}) == []


def test_what_is_open_counts_and_not_what_is_on_the_disk() -> None:
    assert _twice("zz.yaml", FULL, {str(PATH): edited("flow: full", "flow: another")}) == []
    other = FULL.replace("flow: full", "flow: another")
    said = "/zz.yaml:2:7: error[F008]: flow: the flow `another` is also in full.yaml\n  hint: give each flow a name of its own"
    assert _twice("zz.yaml", other, {str(PATH): other}) == [said]


def test_a_folder_that_is_not_there_has_no_other_files() -> None:
    assert problems("flow: x\n", "untitled:1", {})[0].code == "F011"


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("flow: x\n", "a/b.yaml", True),
        ("# yaml-language-server: $schema=../schemas/flow.schema.json\n", "a/b.yaml", True),
        ("", "a/flows/b.yaml", True),
        ("", "a/b.yaml", False),
        ("services:\n  flow: x\n", "a/compose.yaml", False),
        ("case: the flow: x\n", "a/case.yaml", False),
    ],
)
def test_what_is_meant_as_a_flow(text: str, path: str, expected: bool) -> None:
    assert is_flow(text, path) is expected


def test_templates_are_read_again_once_they_change(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    template = folder / "mine.xml.j2"
    template.write_text("{{ name }}", encoding="utf-8")
    flow = tmp_path / "flow.yaml"
    text = edited("vendor_add.xml.j2", "mine.xml.j2")
    known: dict[Path, object] = {}

    def missing() -> list[str]:
        renew_templates(tmp_path, known)
        return [
            problem.message
            for problem in problems(text, str(flow), {})
            if "mine" in str(problem) or problem.code == "F034"
        ]

    renew_templates(tmp_path, known)
    before = missing()
    template.write_text("{{ name }}{{ title }}", encoding="utf-8")
    os.utime(template, ns=(1, 1))
    told = f"{template}:1:14: the template uses `title`, and `map` does not give it"
    assert told not in before
    assert told in missing()


def test_of_a_line_that_is_being_written_the_sound_part_is_known() -> None:
    text = edited("fetch: {from: ramp, stream: vendors, sweep: 1d}", "fetch: {from: ramp, stream:")
    line = text[: text.index("stream:\n")].count("\n")
    env = understood(text, str(PATH), line, text.split("\n")[line], None)
    assert env is not None
    assert env.text(("streams", "vendors", "fetch", "from")) == "ramp"


# --- what can be done -------------------------------------------------------------------------------------------------


def test_what_can_only_be_meant_one_way_is_offered() -> None:
    found = problems(QBW, str(PATH), {})
    offered = list(actions(QBW, found, Span(7, 22, 7, 22)))
    assert offered == [Action("Write `qbwc`", found[0], Replacement(Span(7, 21, 7, 24), "qbwc"), certain=True)]
    assert found[0].code == "F012"


def test_nothing_is_offered_elsewhere() -> None:
    assert list(actions(QBW, problems(QBW, str(PATH), {}), Span(1, 0, 2, 0))) == []


def test_nothing_is_offered_where_another_text_stands_by_now() -> None:
    text = edited("connector: qbwc", "connector: ledger")
    assert list(actions(text, problems(QBW, str(PATH), {}), EVERYWHERE)) == []


def test_the_name_that_a_hint_asks_about_is_offered_as_a_question() -> None:
    text = edited("status == 'OPEN'", "status == 'OPENED'")
    found = [problem for problem in problems(text, str(PATH), {}) if problem.code == "E113"]
    assert [problem.edit for problem in found] == [None]
    line = text[: text.index("'OPENED'")].count("\n")
    at = text.split("\n")[line].index("'OPENED'")
    expected = Action(
        "Did you mean `OPEN`?", found[0], Replacement(Span(line, at, line, at + 8), "'OPEN'"), certain=False
    )
    assert list(actions(text, found, EVERYWHERE)) == [expected]


def test_all_is_mended_at_once_as_validate_does() -> None:
    text = QBW.replace("provide: {", "provid: {").replace("\nflow: full", "\nflow: full # ü😀")
    mended = mend_all(text, str(PATH))
    assert mended is not None
    lines = text.split("\n")
    at = mended.span
    after = "\n".join([*lines[: at.line], mended.new, *lines[at.end_line + 1 :]])
    assert after == FULL.replace("\nflow: full", "\nflow: full # ü😀")
    assert (at.line, at.start, at.end) == (7, 0, len(lines[at.end_line]))


def test_a_sound_file_needs_no_mending() -> None:
    assert mend_all(FULL, str(PATH)) is None


# --- the outline ------------------------------------------------------------------------------------------------------


def test_the_outline_has_every_name_with_all_that_belongs_to_it() -> None:
    text = "flow: x\nversion: 1\nlookups: {v: {target: a.B, match: [mapped]}}\n\ndefine:\n  # why\n  gl: a\n\n  cc: >-\n    b\n\nstreams: {}\n"
    gl = Symbol("gl", "define", "define", Span(6, 2, 6, 7), Span(6, 2, 6, 4))
    cc = Symbol("cc", "define", "define", Span(8, 2, 9, 5), Span(8, 2, 8, 4))
    vendor = Symbol("v", "lookup a.B", "lookups", Span(2, 10, 2, 44), Span(2, 10, 2, 11))
    assert list(outline(text, "f")) == [
        Symbol("lookups", "", "lookups", Span(2, 0, 2, 44), Span(2, 0, 2, 7), (vendor,)),
        Symbol("define", "", "define", Span(4, 0, 9, 5), Span(4, 0, 4, 6), (gl, cc)),
        Symbol("streams", "", "streams", Span(11, 0, 11, 11), Span(11, 0, 11, 7)),
    ]


def test_the_outline_of_a_flow() -> None:
    shown = {section.name: [(part.name, part.detail) for part in section.parts] for section in outline(FULL, str(PATH))}
    assert shown == {
        "connections": [("ramp", "connection ramp"), ("books", "connection qbwc")],
        "settings": [
            ("create_vendors", "setting boolean"),
            ("home_currency", "setting text"),
            ("days", "setting integer"),
            ("posts_as", "setting choice"),
        ],
        "lookups": [("vendor", "lookup books.Vendor")],
        "define": [("payee", "define")],
        "streams": [("vendors", "stream ramp.vendors"), ("bills", "stream ramp.bills")],
    }


def test_what_is_no_yaml_has_no_outline() -> None:
    assert list(outline("flow: [", "f")) == []


def test_what_was_read_is_what_validate_reads() -> None:
    assert environment(parsed(FULL, str(PATH))) is not None
