"""`flowctl test` at the terminal: what CI may not do, JUnit, coverage, and recording a company's own source."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lxml import etree

from engine.cli.test import _painted
from tests.cli.cli_kit import Cli, Ran
from tests.cli.test_cli_preview import _calm, _kept, _lists
from tests.cli.test_cli_run import connected
from tests.cli.test_cli_story import FLOW
from tests.reference import ROOT

CASES = ROOT / "tests" / "flows"


@pytest.fixture(autouse=True)
def cases(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cases that a test may spoil, in the folder where they are looked for."""
    monkeypatch.delenv("CI", raising=False)
    folder = Path("tests/flows")
    for name in ("happy_path", "refund"):
        shutil.copytree(CASES / FLOW / name, folder / FLOW / name)
    return folder


def spoil(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


# --- what CI may not do -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["true", "1", "yes", "woodpecker"])
@pytest.mark.parametrize("arguments", [("--update",), (FLOW, "--record", "mine", "--live", "1")])
def test_nothing_is_written_in_ci(cli: Cli, cases: Path, value: str, arguments: tuple[str, ...]) -> None:
    spoil(cases / FLOW / "refund" / "expected" / "session.txt", "session 1: done", "session 1: gone")
    ran = cli("test", *arguments, env={"CI": value})
    option = "--update" if "--update" in arguments else "--record"
    said = (
        f"error: {option} is refused because CI is set\n  hint: run it on your own machine, and read the difference\n"
    )
    assert ran.text() == f"[2]\n--\n{said}"
    assert "session 1: gone" in (cases / FLOW / "refund" / "expected" / "session.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["", "0", "false", "False", " "])
def test_what_does_not_mean_ci(cli: Cli, value: str) -> None:
    ran = cli("test", "-k", "refund", "--update", env={"CI": value})
    assert ran.text() == f"[0]\nok {FLOW}/refund\n1 passed, 0 failed\n--\n"


# --- options that do not go together -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--live", "1"), "--live is for --record; give it with --record NAME"),
        (("--stream", "bills"), "--stream is for --record; give it with --record NAME"),
        (("--scrub-amounts",), "--scrub-amounts is for --record; give it with --record NAME"),
        (("--fail-under", "50"), "--fail-under is about coverage; give it with --coverage"),
        (("--record", "mine", "--live", "1"), "--record makes a case of one flow: name it"),
        ((FLOW, "--record", "mine"), "--record wants --live N: how many records of a stream it takes"),
        ((FLOW, "--record", "mine", "--live", "1", "--update"), "--update and --record exclude each other"),
        ((FLOW, "--record", "mine", "--live", "1", "-k", "x"), "-k and --record exclude each other"),
    ],
)
def test_options_that_do_not_go_together(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    ran = cli("test", *arguments)
    assert (ran.status, ran.out, ran.err.splitlines()[-1]) == (2, "", f"Error: {said}")


# --- differences ------------------------------------------------------------------------------------------------------


def test_a_difference_is_said_in_words(cli: Cli, cases: Path) -> None:
    spoil(cases / FLOW / "happy_path" / "expected" / "05-BillAddRq.xml", "1050.00", "1050.01")
    ran = cli("test", "--diff", "none")
    assert ran.text() == (
        f"[1]\nFAILED {FLOW}/happy_path: 1 problem\n"
        f"{FLOW}/happy_path/expected/05-BillAddRq.xml:\n"
        "  BillAddRq/BillAdd/ExpenseLineAdd/Amount: expected 1050.01, got 1050.00\n"
        f"ok {FLOW}/refund\n1 passed, 1 failed\n--\n"
    )


def test_without_a_diff_a_file_is_named_in_a_line(cli: Cli, cases: Path) -> None:
    spoil(cases / FLOW / "refund" / "expected" / "session.txt", "session 1: done", "session 1: gone")
    (cases / FLOW / "refund" / "expected" / "x.txt").write_text("x")
    (cases / FLOW / "refund" / "expected" / "outcome.txt").unlink()
    ran = cli("test", "-k", "refund", "--diff", "none")
    where = f"{FLOW}/refund/expected"
    assert sorted(ran.out.splitlines()[1:-1]) == [
        f"{where}/outcome.txt: came out, and no such file is expected",
        f"{where}/session.txt: differs from line 1 on",
        f"{where}/x.txt: is expected, and nothing came out",
    ]


def test_a_flow_is_named_by_its_file(cli: Cli) -> None:
    shutil.copy(ROOT / "flows" / f"{FLOW}.yaml", "mine.yaml")
    ran = cli("test", "mine.yaml", "-k", "refund")
    assert ran.text() == f"[0]\nok {FLOW}/refund\n1 passed, 0 failed\n--\n"
    assert cli("test", "flows/none.yaml").status == 2


@pytest.mark.parametrize(
    ("line", "painted"),
    [
        ("-a", "\x1b[31m-a\x1b[0m"),
        ("+a", "\x1b[32m+a\x1b[0m"),
        ("@@ -1 +1 @@", "\x1b[36m@@ -1 +1 @@\x1b[0m"),
        ("  BillAdd/Memo: missing, expected x", "\x1b[1m  BillAdd/Memo: missing, expected x\x1b[0m"),
        (" a", " a"),
        ("", ""),
    ],
)
def test_colours_of_a_terminal(line: str, painted: str) -> None:
    assert _painted(line) == painted


# --- JUnit ------------------------------------------------------------------------------------------------------------


def shape(path: Path) -> list[tuple[str, str, list[str]]]:
    """Each case with its suite and what stands in it."""
    root = etree.fromstring(path.read_bytes())
    return [
        (suite.get("name", ""), case.get("name", ""), [str(each.tag) for each in case])
        for suite in root
        for case in suite
    ]


def test_junit_tells_failures_errors_and_what_was_left_out(cli: Cli, cases: Path) -> None:
    shutil.copytree(cases / FLOW / "refund", cases / FLOW / "unplayable")
    spoil(cases / FLOW / "unplayable" / "case.yaml", "  - cycle", "  - cycles")
    spoil(cases / FLOW / "happy_path" / "expected" / "outcome.txt", "closed", "\x01closed")
    ran = cli("test", "-k", "not refund", "--junit", "out/junit.xml")
    assert ran.status == 1
    assert shape(Path("out/junit.xml")) == [
        (FLOW, "happy_path", ["failure"]),
        (FLOW, "refund", ["skipped"]),
        (FLOW, "unplayable", ["error"]),
    ]


def test_junit_where_it_cannot_be_written(cli: Cli) -> None:
    Path("file").write_text("", encoding="utf-8")
    ran = cli("test", "-k", "refund", "--junit", "file/junit.xml")
    assert ran.status == 2
    assert ran.err.startswith("error: file/junit.xml: ")


# --- coverage ---------------------------------------------------------------------------------------------------------


def test_coverage_as_text(cli: Cli) -> None:
    ran = cli.ok("test", "-k", "refund", "--coverage")
    lines = ran.out.splitlines()
    assert lines[:3] == [f"ok {FLOW}/refund", "1 passed, 0 failed", ""]
    assert lines[3].startswith(f"coverage of {FLOW}: ")
    assert lines[4].split() == [
        *("stream", "rules", "conditions", "branches", "lookups", "requests", "paths", "answers", "all")
    ]


def test_coverage_for_programs_and_too_little_of_it(cli: Cli) -> None:
    ran = cli("test", "-k", "refund", "--coverage", "--coverage-format", "json", "--fail-under", "99.5")
    (found,) = ran.json()["coverage"]
    assert ran.status == 1
    assert found["flow"] == FLOW
    assert found["touched"] + len(found["untouched"]) == found["all"]
    assert ran.err.splitlines() == [
        f"ok {FLOW}/refund",
        "1 passed, 0 failed",
        f"{FLOW}: {found['percent']} % is covered, and --fail-under asks for 99.5 %",
    ]
    first = found["untouched"][0]
    assert sorted(first) == ["column", "kind", "line", "path", "stream", "what"]
    whole = cli("test", "-k", "refund", "--coverage", "--format", "json", "--fail-under", "1")
    assert (whole.status, whole.json()["coverage"]) == (0, [found])


# --- recording --------------------------------------------------------------------------------------------------------


@pytest.mark.acceptance
def test_a_case_of_the_company_s_own_source(cli: Cli, cases: Path) -> None:
    with connected(cli), _lists(cli):
        fresh = _calm(_kept(cli))
        made = cli.ok("test", FLOW, "--record", "mine", "--live", "2", "--stream", "bills")
        assert _calm(_kept(cli)) == fresh
        again = cli("test", FLOW, "--record", "mine", "--live", "2", "--stream", "bills")
    said = (
        f"error: {cases / FLOW / 'mine'} is there already\n  hint: give --record another name, or remove the folder\n"
    )
    assert again.text() == f"[2]\n--\n{said}"
    lines = made.out.splitlines()
    assert lines[0] == f"recorded {cases / FLOW / 'mine'}: 2 of ramp vendors, 2 of ramp bills"
    assert lines[1].split() == ["rule", "values", "different", "fields"]
    assert (
        "read every file of the case before you commit it: rules know names of fields and shapes of values, and no more"
        in lines
    )
    played = cli.ok("test", FLOW, "-k", "mine")
    assert played.out == f"ok {FLOW}/mine\n1 passed, 0 failed\n"


@pytest.mark.acceptance
def test_what_was_recorded_for_programs(cli: Cli) -> None:
    with connected(cli), _lists(cli):
        ran = cli.ok("test", FLOW, "--record", "mine", "--live", "1", "--stream", "vendors", "--format", "json")
    found = ran.json()
    assert found["recorded"] == {"ramp vendors": 1}
    assert {"rule", "values", "different", "fields"} == set(found["scrubbed"][0])
    assert found["problems"] == []
    assert "given/ramp.recorded.json" in found["files"]


def refused(cli: Cli, *arguments: str) -> Ran:
    return cli("test", FLOW, "--record", "mine", "--live", "1", *arguments)


@pytest.mark.only_sqlite("a database is taken to be there")
def test_recording_without_a_store(cli: Cli) -> None:
    said = f"error: there is no store at {cli.home}/flowctl.db\n  hint: give --home, or start with `flowctl company add NAME`\n"
    assert refused(cli).text() == f"[2]\n--\n{said}"


def test_recording_without_a_company_or_a_stream(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    said = "error: there is no company `mian`\n  hint: did you mean `main`? known: main\n"
    assert refused(cli, "--company", "mian").text() == f"[2]\n--\n{said}"
    known = "bill_payments, bills, transactions, vendors"
    said = f"error: there is no stream `bill`\n  hint: did you mean `bills`? known: {known}\n"
    assert refused(cli, "--stream", "bill").text() == f"[2]\n--\n{said}"


@pytest.mark.parametrize("name", ["../mine", "/tmp/mine", "deep/mine", "", "Mine"])
def test_a_recording_goes_nowhere_else(cli: Cli, name: str) -> None:
    ran = cli("test", FLOW, "--record", name, "--live", "1")
    hint = "  hint: use lower case a-z, 0-9 and `_`\n"
    assert (ran.status, ran.err) == (2, f"error: `{name!r}` cannot be the name of a case\n{hint}")
