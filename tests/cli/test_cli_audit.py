"""`flowctl audit`: the story of a journal that is verified, exported, checked by a stranger, and tampered with."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests import stores
from tests.cli.cli_kit import Cli
from tests.reference import ROOT


@pytest.fixture
def made(cli: Cli) -> Cli:
    """A company with three lines in its journal, and one checkpoint."""
    cli.ok("company", "add", "main")
    for _ in range(2):
        cli.ok("connect", "books", "--set", "app_url=http://localhost:8765/qbwc", "--no-ask")
    assert cli.ok("audit", "checkpoint", "--copy", "elsewhere").text() == "[0]\ncheckpoint 1 written\n--\n"
    return cli


def forge(cli: Cli, *statements: str) -> None:
    with closing(stores.opened(cli.home)) as store:
        stores.forge(store, *statements)


def test_a_whole_journal(made: Cli) -> None:
    found = made.ok("audit", "verify", "--format", "json").json()
    assert found == {
        "ok": True,
        "journals": [{"company": "main", "lines": 3, "broken": None}],
        "checkpoints": 1,
        "newest_checkpoint_at": found["newest_checkpoint_at"],
        "public_key": found["public_key"],
        "accepted": [],
        "problems": [],
    }
    text = made.ok(
        "audit", "verify", "--checkpoints", "elsewhere/checkpoints.jsonl", "--public-key", found["public_key"]
    )
    newest = f"the newest of {found['newest_checkpoint_at']}"
    assert text.text() == f"[0]\nok    main: 3 lines\n1 checkpoint, {newest}, signed by {found['public_key']}\n--\n"
    assert made.ok("audit", "checkpoint").out == "nothing has moved since the last checkpoint\n"


def test_tampering_ends_with_1_and_names_the_line(made: Cli) -> None:
    forge(made, "UPDATE journal SET actor = 'somebody' WHERE seq = 2")
    ran = made("audit", "verify")
    assert (ran.status, ran.out.splitlines()[0], ran.err) == (
        1,
        "FAIL  main: line 2: the line was changed",
        "keep this store and the checkpoints as evidence, and restore the newest backup that verifies\n",
    )


def test_a_cut_tail_and_a_restore_that_is_accepted(made: Cli) -> None:
    forge(
        made,
        "DELETE FROM journal WHERE seq = 3",
        "UPDATE journal_heads SET seq = 2, hash = (SELECT hash FROM journal WHERE seq = 2)",
    )
    at = made("audit", "verify", "--format", "json").json()["newest_checkpoint_at"]
    assert made("audit", "verify").out.splitlines()[0] == (
        f"FAIL  main: line 3: the journal ends before line 3, which the checkpoint of {at} has seen"
    )
    assert made("audit", "checkpoint").text() == (
        f"[1]\n--\nerror: the journal of main is not the one that the checkpoint of {at} has seen at line 3\n"
        "  hint: look with `flowctl audit verify`; after a restore that you made yourself, "
        "`flowctl audit checkpoint --accept REASON` goes on from here\n"
    )
    assert made("audit", "checkpoint", "--accept", " ").status == 2
    made.ok("audit", "checkpoint", "--accept", "restored Monday")
    lines = made.ok("audit", "verify").out.splitlines()
    assert lines[0] == "ok    main: 3 lines"
    assert re.fullmatch(r"warn  checkpoints: begun anew at \S+: restored Monday", lines[1])


def test_without_checkpoints_it_says_what_that_means(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert cli.ok("audit", "verify").text() == (
        "[0]\nok    main: 1 line\n--\n"
        "there are no checkpoints: a cut tail would not show; `flowctl audit checkpoint` writes one\n"
    )
    missing = cli("audit", "verify", "--checkpoints", "nowhere.jsonl")
    assert missing.err == "error: nowhere.jsonl: there is no such file\n  hint: check the path and its permissions\n"


def test_an_export_in_both_forms(made: Cli) -> None:
    lines = [json.loads(line) for line in made.ok("audit", "export").out.splitlines()]
    assert [(line["seq"], line["event"]) for line in lines] == [(1, "added"), (2, "connected"), (3, "connected")]
    done = made.ok("audit", "export", "--format", "csv", "--out", "journal.csv")
    assert done.text() == "[0]\n--\n3 lines of main\n"
    rows = list(csv.DictReader(io.StringIO(Path("journal.csv").read_text())))
    assert [{**row, "seq": int(row["seq"]), "record_id": None} for row in rows] == lines
    assert made.ok("audit", "export", "--event", "nothing").text() == "[0]\n--\n0 lines of main\n"
    assert made("audit", "export", "--out", "no/where.csv").err == (
        "error: no/where.csv: No such file or directory\n  hint: check the path and its permissions\n"
    )
    assert made("audit", "export", "--company", "nobody").status == 2


def test_a_stranger_verifies_the_export_with_the_script_of_the_documentation(made: Cli) -> None:
    """The script in the how-to needs Python alone for the chain."""
    page = (ROOT / "docs/howto/audit.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    made.ok("audit", "export", "--out", "journal.jsonl")

    def check() -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, "-I", "-c", script, "journal.jsonl"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ran.returncode, ran.stdout

    lines = Path("journal.jsonl").read_text().splitlines(keepends=True)
    last = json.loads(lines[-1])["hash"]
    assert check() == (0, f"3 lines, the last one is 3 with the hash {last}\n")
    Path("journal.jsonl").write_text("".join(lines).replace('"main", "seq": 2', '"mein", "seq": 2'))
    assert check() == (1, "")
    Path("journal.jsonl").write_text(lines[0] + lines[2])
    assert check()[0] == 1
