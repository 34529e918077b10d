"""`validate` with its formats and `--fix`, and `explain`, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli import validate as validating
from engine.flowlang import mend
from tests.cli.cli_kit import Cli
from tests.validate.corpus import world

FLOW = """\
flow: mine
version: 1
connections: {ramp: {connector: ramp}, books: {connector: qbwc}}
streams:
  bills:
    trigger: {evry: 1h}   # hourly
    fetch: {from: ramp, stream: bills}
    key: id
    map: {amount: mony(amount), id: idd}
    write: {to: books, request: NotePost}
"""
EVERY = """\
mine.yaml:6:15: error[F010]: streams.bills.trigger: `evry` is not a key of a trigger
  hint: did you mean `every`? known: every, visit, webhook
  6 |     trigger: {evry: 1h}   # hourly
    |               ^
"""
FUNCTIONS = (
    "abs, abs_money, add_days, amount_is_negative, avg, candidates, ceil, contains, date, ends_with, find, floor, "
    "group_by, join, join_nonempty, keys, last, length, limit, linked, lookup, lookup_if, lower, map, match, max, "
    "max_by, merge, min, min_by, ..."
)
MONEY = f"""\
mine.yaml:9:19: error[E103]: streams.bills.map.amount: there is no function `mony`
  hint: did you mean `money`? known: {FUNCTIONS}
  9 |     map: {{amount: mony(amount), id: idd}}
    |                   ^
"""
FIELD = """\
mine.yaml:9:{column}: error[E111]: streams.bills.map.id: there is no field `idd` here
  hint: did you mean `id`? known: amount, currency, id, invoice_number, issued_at, line_items, status, vendor
  9 |     map: {{amount: {function}(amount), id: idd}}
    | {caret:>{column}}
"""
WRONG, LEFT = FIELD.format(function="mony", column=37, caret="^"), FIELD.format(function="money", column=38, caret="^")
DIFF = """\
--- mine.yaml
+++ mine.yaml
@@ -3,8 +3,8 @@
 connections: {ramp: {connector: ramp}, books: {connector: qbwc}}
 streams:
   bills:
-    trigger: {evry: 1h}   # hourly
+    trigger: {every: 1h}   # hourly
     fetch: {from: ramp, stream: bills}
     key: id
-    map: {amount: mony(amount), id: idd}
+    map: {amount: money(amount), id: idd}
     write: {to: books, request: NotePost}
"""
ONE = "1 flow file: {errors}, 0 warnings\n"


@pytest.fixture
def mine(cli: Cli) -> Path:
    path = Path("mine.yaml")
    path.write_text(FLOW, encoding="utf-8")
    return path


def test_fix_with_diff_writes_nothing(cli: Cli, mine: Path) -> None:
    with world():
        ran = cli("validate", "--fix", "--diff", str(mine))
    expected = f"[1]\n{DIFF}{EVERY}{MONEY}{WRONG}--\n2 problems can be mended in 1 file\n"
    assert ran.text() == expected + ONE.format(errors="3 errors")
    assert mine.read_text(encoding="utf-8") == FLOW


def test_fix_writes_shows_and_reports_what_is_left(cli: Cli, mine: Path) -> None:
    with world():
        ran = cli("validate", "--fix", str(mine))
        again = cli("validate", "--fix", "./mine.yaml")
    assert ran.text() == f"[1]\n{DIFF}{LEFT}--\n2 problems mended in 1 file\n{ONE.format(errors='1 error')}"
    assert mine.read_text(encoding="utf-8") == FLOW.replace("evry", "every").replace("mony", "money")
    assert (again.status, again.out, again.err.splitlines()[0]) == (1, LEFT, "0 problems mended in 0 files")


def test_what_a_program_reads_has_no_diff_in_it(cli: Cli, mine: Path) -> None:
    with world():
        ran = cli("validate", "--fix", "--diff", "--format", "json", str(mine))
    assert [problem["fix"] for problem in ran.json()["problems"]] == [
        {"line": 6, "column": 15, "old": "evry", "new": "every"},
        {"line": 9, "column": 19, "old": "mony", "new": "money"},
        None,
    ]
    assert ran.err.startswith(DIFF)


def test_sarif(cli: Cli, mine: Path) -> None:
    with world():
        ran = cli("validate", "--format", "sarif", str(mine))
    assert ran.status == 1
    regions = [r["locations"][0]["physicalLocation"]["region"] for r in ran.json()["runs"][0]["results"]]
    assert [(r["startLine"], r["startColumn"], r["endColumn"]) for r in regions] == [
        (6, 15, 19),
        (9, 19, 23),
        (9, 37, 40),
    ]


def test_diff_alone_and_shipped_flows(cli: Cli) -> None:
    assert cli("validate", "--diff").text() == (
        "[2]\n--\nUsage: flowctl validate [OPTIONS] [PATHS]...\nTry 'flowctl validate --help' for help.\n\n"
        "Error: --diff shows what --fix would do: give both\n"
    )
    ran = cli("validate", "--fix", "ramp_to_quickbooks")
    assert ran.text() == "[0]\n--\n0 problems mended in 0 files\n1 flow file: 0 errors, 0 warnings\n"


def test_a_shipped_flow_is_never_written(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Path(validating.__file__).resolve().parents[2] / "flows" / "f.yaml"
    monkeypatch.setattr(mend, "mend", lambda _: [mend.Mended(str(shipped), "a", "b", 1)])
    ran = cli("validate", "--fix", "ramp_to_quickbooks")
    assert ran.text() == (
        "[2]\n--\nerror: the shipped flows are not mended\n  hint: give the paths of the files to mend\n"
    )


EXPLAINED = """\
E103 (error): A function that does not exist is called.
To do: Write a function that the hint lists.

Fails at streams.bills.map.amount:
    moeny(amount)

Passes:
    money(amount)
"""
FILES = """\
F008 (error): Two files define flows of the same name.
To do: Give each flow a name of its own: settings, mappings and what was posted are kept under it.

Fails:
    # one.yaml
    flow: bills
    # two.yaml
    flow: bills

Passes:
    # one.yaml
    flow: bills
    # two.yaml
    flow: payments
"""


def test_explain(cli: Cli) -> None:
    assert cli("explain", "e103").text() == f"[0]\n{EXPLAINED}--\n"
    assert cli("explain", "E103", "f008", "e103").text() == f"[0]\n{EXPLAINED}\n{FILES}--\n"


def test_explain_a_word_of_a_run(cli: Cli) -> None:
    assert cli("explain", "unmapped").text() == (
        "[0]\n"
        "unmapped (reason of a record that is deferred): a name is not in the target's list\n"
        "To do: `flowctl map set`, or add it in the target\n"
        "See docs/reference/run-time-errors.md.\n"
        "--\n"
    )
    assert cli("explain", "--format", "json", "ambiguous").json() == [
        {
            "word": "ambiguous",
            "reason": {
                "states": ["deferred"],
                "meaning": "several objects fit",
                "to_do": "`flowctl map set` with one of the ids in the text, or `none`",
            },
            "alert": {
                "meaning": "the source lists two different records under one key",
                "to_do": "correct `key` in the flow",
            },
        }
    ]
    assert cli("explain", "unmaped").err.splitlines()[0] == "error: there is no word `unmaped`"


def test_explain_lists_all(cli: Cli) -> None:
    lines = cli("explain").out.splitlines()
    assert lines[0] == "E101  error    The text is not a JMESPath expression"
    assert "F052  warning  A defined expression that no other expression calls" in lines
    assert len(lines) == len(cli("explain", "--format", "json").json()) > 50


def test_explain_as_json(cli: Cli) -> None:
    assert json.loads(cli("explain", "--format", "json", "E103").out) == [
        {
            "code": "E103",
            "level": "error",
            "title": "a function that does not exist is called",
            "meaning": "A function that does not exist is called.",
            "to_do": "Write a function that the hint lists.",
            "at": "streams.bills.map.amount",
            "fails": "moeny(amount)",
            "passes": "money(amount)",
        }
    ]


def test_explain_an_unknown_code(cli: Cli) -> None:
    ran = cli("explain", "f24")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.splitlines()[0] == "error: there is no code `F24`"
    assert ran.err.splitlines()[1].startswith("  hint: did you mean `F024`? known: E101, E102, ")
