"""`flowctl map`: rows are checked against the target's list, waiting records go on, CSV is whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.operator import mapfile
from engine.store import lists, work
from tests.cli.cli_kit import Cli
from tests.cli.shelf import AT, FLOW, shelf, unmapped

MAPPED = f"{FLOW}: account `k-1` means `Meals`; "


def prepared(cli: Cli) -> None:
    with shelf(cli) as desk:
        desk.accounts("Meals", "Travel", "Office:Software", "Old", inactive=("Old",))
        desk.record("b-1", "deferred", unmapped("account", "k-1", "Client Gifts"))
        desk.record("b-2", "deferred", unmapped("account", "k-1", "Client Gifts"))
        desk.record("b-3", "deferred", unmapped("account", "k-9", "Other"))
        alert = work.Alert("deferred", f"{FLOW}/account/k-1", "missing", "map it")
        work.raise_alert(desk.tx, "main", alert, AT)


def test_set_wakes_what_waits(cli: Cli) -> None:
    prepared(cli)
    ran = cli.ok("map", "set", FLOW, "account", "k-1", "MEALS", "--label", "Client Gifts")
    assert ran.text() == f"[0]\n{MAPPED}2 waiting records go on\n--\n"
    with shelf(cli) as desk:
        assert desk.states() == {"b-1": "pending", "b-2": "pending", "b-3": "deferred"}
        assert work.alerts(desk.tx, "main") == []
        mapped = [(actor, json.loads(detail)) for event, actor, detail in desk.events() if event == "mapped"]
    detail = {"lookup": "account", "key": "k-1", "full_name": "Meals", "list_id": "80000001-1"}
    assert mapped == [("cli:pat", detail)]
    assert cli.ok("map", "show", FLOW).out == (
        "lookup   key  label         means  origin  by\naccount  k-1  Client Gifts  Meals  person  cli:pat\n"
    )


@pytest.mark.parametrize(
    ("key", "doubt"),
    [
        ("k--1", "did you mean the key `k-1`?"),
        ("client gifts", "did you mean the key `k-1`?"),
        ("zzz", "records wait for `k-1`, `k-9`"),
    ],
)
def test_a_key_that_nobody_has_is_doubted(cli: Cli, key: str, doubt: str) -> None:
    prepared(cli)
    ran = cli.ok("map", "set", FLOW, "account", key, "Meals")
    assert ran.err == f"warning: no record waits for account `{key}`; {doubt}\n"
    assert cli.ok("map", "set", FLOW, "account", key, "Travel").err == ""


def test_label_of_the_waiting_record_is_kept(cli: Cli) -> None:
    prepared(cli)
    cli.ok("map", "set", FLOW, "account", "k-1", "Meals")
    cli.ok("map", "set", FLOW, "account", "k-1", "Travel")
    assert cli.ok("map", "show", FLOW).out == (
        "lookup   key  label         means   origin  by\naccount  k-1  Client Gifts  Travel  person  cli:pat\n"
    )


@pytest.mark.parametrize(
    ("key", "target", "message"),
    [
        ("", "Meals", "KEY is empty"),
        ("k-1", " ", "TARGET is empty"),
        ("k\x1b", "Meals", "KEY holds control characters"),
        ("k-1", "M\x07", "TARGET holds control characters"),
    ],
)
def test_words_that_are_no_words(cli: Cli, key: str, target: str, message: str) -> None:
    ran = cli("map", "set", FLOW, "account", key, target)
    assert (ran.status, ran.err.splitlines()[-1]) == (2, f"Error: {message}")


def test_what_was_prepared_with_the_old_value_is_prepared_anew(cli: Cli) -> None:
    anew = "2 records that were prepared with the old value are prepared anew"

    def again() -> None:
        """As a run would leave them: prepared with `k-1`, and waiting to be sent."""
        with shelf(cli) as desk:
            for name in ("1", "2"):
                rows = desk.tx.rows("records_by_source_id", {"company": "main", "source_id": f"p-{name}"})
                number = rows[0]["id"] if rows else desk.record(f"p-{name}", "pending", payload='{"account": "k-1"}')
                moved = {"from": "pending", "to": "intended", "reasons": "[]", "mapped_sha256": None, "attempts": 0}
                desk.tx.run("record_move", {**moved, "id": number, "operation_id": None, "receipt": None, "at": AT})
                desk.operation(number, f"{name}{next(numbers)}", "waiting")

    numbers = iter(range(9))
    prepared(cli)
    again()
    ran = cli.ok("map", "set", FLOW, "account", "k-1", "Meals")
    assert ran.out == f"{MAPPED}2 waiting records go on; {anew}\n"
    again()
    assert cli.ok("map", "unset", FLOW, "account", "k-1").out == f"{FLOW}: account `k-1` is no longer mapped; {anew}\n"
    again()
    done = cli.ok("map", "import", FLOW, "account", "-", stdin=b"key,full_name\nk-1,Travel\n")
    assert done.err == f"{FLOW}: 1 new, 0 changed, 0 same, 0 empty; {anew}\n"


def test_label_is_a_key_too_and_closes_the_alert_of_the_id(cli: Cli) -> None:
    prepared(cli)
    ran = cli.ok("map", "set", FLOW, "account", "Client Gifts", "80000002-1")
    assert ran.out == f"{FLOW}: account `Client Gifts` means `Travel`; 2 waiting records go on\n"
    with shelf(cli) as desk:
        assert work.alerts(desk.tx, "main") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("acount", "k", "Meals"), "there is no lookup `acount`\n  hint: did you mean `account`? known: "),
        (("account", "k", "Meels"), "`Meels` is not in the Account list of books\n  hint: did you mean `Meals`?\n"),
        (
            ("account", "k", "software"),
            "`software` is not in the Account list of books\n  hint: did you mean `Office:S",
        ),
        (("account", "k", "zzzz"), "`zzzz` is not in the Account list of books\n  hint: give the full name as it "),
        (("account", "k", "old"), "`Old` is inactive in the Account list of books\n  hint: make it active there, or "),
    ],
)
def test_target_that_is_not_there(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    prepared(cli)
    ran = cli("map", "set", FLOW, *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message}")
    with shelf(cli) as desk:
        assert desk.states()["b-1"] == "deferred"


def test_list_that_was_never_read(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    ran = cli.ok("map", "set", FLOW, "account", "k-1", "Meals")
    assert ran.text() == (
        f"[0]\n{MAPPED}0 waiting records go on\n--\n"
        "warning: the Account list was never read, so the name was not checked\n"
    )


def test_unset(cli: Cli) -> None:
    prepared(cli)
    cli.ok("map", "set", FLOW, "account", "k-1", "Meals")
    assert cli.ok("map", "unset", FLOW, "account", "k-1").out == f"{FLOW}: account `k-1` is no longer mapped\n"
    assert cli("map", "unset", FLOW, "account", "k-1").text() == (
        "[1]\n--\nerror: nothing is mapped for account `k-1`\n  hint: see `flowctl map show FLOW account`\n"
    )


def test_a_worklist_of_nothing_read_says_so(cli: Cli) -> None:
    with shelf(cli):
        pass
    assert cli.ok("map", "export", FLOW, "--missing", "--out", "-").text() == (
        "[0]\nlookup,key,label,full_name,list_id\r\n--\n"
        f"{FLOW}: nothing was read yet, so nothing waits for a mapping: run `flowctl run {FLOW}` first\n"
    )


def test_worklist_goes_out_filled_in_and_back(cli: Cli) -> None:
    prepared(cli)
    out = cli.ok("map", "export", FLOW, "--missing", "--out", "gaps.csv")
    assert out.err == "gaps.csv: 2 rows\n"
    text = Path("gaps.csv").read_bytes().decode("utf-8-sig")
    assert text == ("lookup,key,label,full_name,list_id\r\naccount,k-1,Client Gifts,,\r\naccount,k-9,Other,,\r\n")
    Path("gaps.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("Gifts,,", "Gifts,Travel,").replace(",", ";").encode())
    look = cli.ok("map", "import", FLOW, "gaps.csv", "--dry-run")
    assert look.text() == (
        "[0]\nline         lookup   key  before  after\n"
        "2     new    account  k-1          Travel\n"
        "3     empty  account  k-9\n--\n"
        f"{FLOW}: 1 new, 0 changed, 0 same, 1 empty; dry run: nothing was kept\n"
    )
    with shelf(cli) as desk:
        assert set(desk.states().values()) == {"deferred"}
    done = cli.ok("map", "import", FLOW, "gaps.csv", "--format", "json")
    assert done.err == f"{FLOW}: 1 new, 0 changed, 0 same, 1 empty; 2 waiting records go on\n"
    assert done.json()[0] == {
        "line": 2,
        "action": "new",
        "lookup": "account",
        "key": "k-1",
        "before": None,
        "after": "Travel",
    }
    again = cli.ok("map", "import", FLOW, "gaps.csv")
    assert again.err == f"{FLOW}: 0 new, 0 changed, 1 same, 1 empty; 0 waiting records go on\n"


def test_every_wrong_line_is_named_and_nothing_is_kept(cli: Cli) -> None:
    prepared(cli)
    lines = (
        'key,full_name,list_id,label\nk-1,Meals\n"k-2",Mealz\n"two\nlines",Travel\n,Meals\nk-1,Travel\n'
        "k-3,Meals,80000002-1\nk-4,a,b,c,d\n"
    )
    ran = cli("map", "import", FLOW, "account", "-", stdin=lines.encode())
    assert ran.text() == (
        "[1]\n--\nerror: nothing was imported\n"
        "stdin:3:1: error[M006]: `Mealz` is not in the Account list of books\n  hint: did you mean `Meals`?\n"
        "stdin:6:1: error[M003]: names no key\n  hint: fill in the column `key`\n"
        "stdin:7:1: error[M004]: `account` `k-1` is on line 2 already\n  hint: keep one of the two lines\n"
        "stdin:8:1: error[M007]: the ListID `80000002-1` belongs to `Travel`, not to `Meals`\n"
        "  hint: leave one of the two empty\n"
        "stdin:9:1: error[M002]: has 5 cells under 4 columns\n  hint: quote commas\n"
        "  hint: correct these lines; the file is imported whole or not at all\n"
    )
    assert cli.ok("map", "show", FLOW, "--format", "json").json() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "stdin: the file is empty\n"),
        (b"key,full_name\n\x00", "stdin: this is no text\n"),
        (b"\xff\xfek", "stdin: this is no text\n"),
        (b"\x81\x8d", "stdin: this is no text\n"),
        (b'key,full_name\n"a,b\n', "stdin: this is no CSV: "),
        (b"key\n1\n", "nothing was imported\nstdin:1:1: error[M001]: no column says what a key means\n"),
        (b"full_name\n1\n", "nothing was imported\nstdin:1:1: error[M001]: no column is called `key`\n"),
        (
            b"key,full_name\n1,x\n",
            "nothing was imported\nstdin:1:1: error[M001]: no column is called `lookup`, and none",
        ),
        (b"key,key,full_name,lookup\n", "nothing was imported\nstdin:1:1: error[M001]: a column is named twice\n"),
        (
            b"lookup,key,full_name\nx,1,y\n",
            "nothing was imported\nstdin:2:1: error[M005]: the flow has no lookup `x`\n",
        ),
    ],
)
def test_files_that_are_no_table(cli: Cli, content: bytes, message: str) -> None:
    cli.ok("company", "add", "main")
    ran = cli("map", "import", FLOW, "-", stdin=content)
    assert ran.status in (1, 2)
    assert ran.err.startswith(f"error: {message}")


ODD = "lookup;key;full_name\r\naccount;Caf\u00e9;Meals\r\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ODD.encode("utf-8-sig"), ""),
        (ODD.replace(";", "\t").encode("utf-16"), ""),
        (("sep=;\r\n" + ODD).encode(), ""),
        (("sep=|\n" + ODD.replace(";", "|")).encode(), ""),
        (
            ODD.encode("cp1252"),
            "warning: the file is not UTF-8 and was taken for Windows-1252: look at letters with accents\n",
        ),
    ],
)
def test_what_spreadsheets_write_is_read(cli: Cli, content: bytes, said: str) -> None:
    prepared(cli)
    ran = cli.ok("map", "import", FLOW, "-", stdin=content)
    assert ran.err == f"{FLOW}: 1 new, 0 changed, 0 same, 0 empty; 0 waiting records go on\n{said}"
    assert [row["source_key"] for row in cli.ok("map", "show", FLOW, "--format", "json").json()] == ["Caf\u00e9"]


def test_lines_keep_their_numbers_behind_a_line_about_the_separator(cli: Cli) -> None:
    prepared(cli)
    ran = cli("map", "import", FLOW, "-", stdin=b"sep=;\nlookup;key;full_name\naccount;k;Mealz\n")
    assert ran.err.splitlines()[1] == "stdin:3:1: error[M006]: `Mealz` is not in the Account list of books"


def test_rows_that_the_file_does_not_have_are_removed_when_asked(cli: Cli) -> None:
    prepared(cli)
    for key, target in (("k-1", "Meals"), ("k-2", "Travel"), ("k-3", "Travel")):
        cli.ok("map", "set", FLOW, "account", key, target)
    with shelf(cli) as desk:
        learned = lists.Mapping(FLOW, "account", "k-7", "Travel", "80000002-1", "", "adopted")
        lists.put_mapping(desk.tx, "main", learned, "run", AT)
    file = b"key,full_name\nk-1,Travel\nk-2,Travel\n"
    assert "gone" not in cli.ok("map", "import", FLOW, "account", "-", stdin=file).err
    ran = cli.ok("map", "import", FLOW, "account", "-", "--remove-missing", stdin=file)
    assert ran.text() == (
        "[0]\nline        lookup   key  before  after\n      gone  account  k-3  Travel\n--\n"
        f"{FLOW}: 0 new, 0 changed, 2 same, 0 empty, 1 gone; 0 waiting records go on\n"
    )
    rows = cli.ok("map", "show", FLOW, "--format", "json").json()
    assert [(row["source_key"], row["origin"]) for row in rows] == [
        ("k-1", "person"),
        ("k-2", "person"),
        ("k-7", "adopted"),
    ]
    ran = cli("map", "import", FLOW, "-", "--remove-missing", stdin=file)
    assert (ran.status, ran.err.splitlines()[-1]) == (
        2,
        "Error: --remove-missing needs a LOOKUP: say of which table FILE is the whole",
    )


CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"), max_size=8)


@given(st.lists(st.tuples(CELLS.filter(bool), CELLS, CELLS.map(str.strip)), max_size=4, unique_by=lambda row: row[0]))
def test_table_comes_back_as_it_was_and_no_cell_computes(rows: list[tuple[str, str, str]]) -> None:
    table = [{"lookup": "v", "key": key, "label": label, "full_name": name} for key, label, name in rows]
    text = mapfile.write(table)
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell[:1] and cell[0] in "=+-@\t\r\n" for cell in row)
    lines, problems = mapfile.read(text.encode(), "x", "")
    assert not problems
    assert [(line.key, line.label, line.full_name) for line in lines] == rows
