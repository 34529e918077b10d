"""`flowctl preview`: whole texts of records that come to every kind of end, and that looking changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from engine.cli import common
from engine.cli.preview import _marked, _painted
from engine.contract import ListObject
from engine.store import companies, lists
from tests import stores
from tests.cli.cli_kit import Cli, Ran
from tests.cli.shelf import AT, shelf
from tests.cli.test_cli_run import connected
from tests.cli.test_cli_story import FLOW
from tests.reference import ROOT

EXPECTED = Path(__file__).parent / "preview"

BILL: dict[str, Any] = {
    "id": "b-1",
    "invoice_number": "INV-7",
    "amount": "120.50",
    "currency": "USD",
    "vendor": {"id": "v-1", "name": "Acme Supply"},
    "issued_at": "2026-02-20T00:00:00+00:00",
    "sync_status": "NOT_SYNCED",
    "approval_status": "APPROVED",
    "memo": "Paper & pens",
    "accounting_field_selections": [],
    "line_items": [
        {
            "amount": "120.50",
            "memo": None,
            "accounting_field_selections": [
                {"external_id": "gl-1", "name": "Office Supplies", "category_info": {"type": "GL_ACCOUNT"}}
            ],
        }
    ],
}
VENDOR = {"id": "v-9", "name": "Zebra Paper", "is_active": True, "country": "DE"}


def _line(**changes: Any) -> list[dict[str, Any]]:
    return [{**BILL["line_items"][0], **changes}]


def _coded(name: str) -> list[dict[str, Any]]:
    return [{"external_id": "gl-9", "name": name, "category_info": {"type": "GL_ACCOUNT"}}]


CASES = {
    "posted": ("bills", BILL, 0),
    "deferred": ("bills", {**BILL, "line_items": _line(accounting_field_selections=_coded("Client Gifts"))}, 0),
    "skipped": ("bills", {**BILL, "approval_status": "PENDING", "sync_status": "BILL_SYNCED"}, 0),
    "failed_check": ("bills", {**BILL, "line_items": _line(amount="20.50")}, 1),
    "expression_error": ("bills", {**BILL, "amount": "12,5"}, 1),
    "unwritable": ("vendors", {**VENDOR, "name": " "}, 0),
    "refused_by_the_target": ("vendors", {**VENDOR, "name": "Smith"}, 0),
    "without_a_key": ("vendors", {"name": "Zebra Paper", "is_active": True}, 1),
}


def _same(ran: Ran, name: str) -> None:
    """The whole text is what the file holds."""
    text = ran.text().replace(f"{ROOT}/", "")
    assert text == (EXPECTED / f"{name}.txt").read_text(encoding="utf-8"), name


@pytest.mark.only_sqlite("a database is taken to be there")
@pytest.mark.parametrize("name", CASES)
def test_a_record_from_a_file(cli: Cli, name: str) -> None:
    stream, record, status = CASES[name]
    Path("record.json").write_text(json.dumps(record), encoding="utf-8")
    ran = cli("preview", FLOW, "--stream", stream, "--record", "record.json", env={"FLOWCTL_HOME": "home"})
    assert ran.status == status
    _same(ran, name)


def test_every_expected_text_is_of_a_case() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == {*CASES, "json_target", "for_programs", "compared"}


def test_a_target_that_takes_json_is_asked_first(cli: Cli) -> None:
    _same(cli("preview", "bill_to_quickbooks", "--stream", "quickbooks_vendors", "--sandbox"), "json_target")


@pytest.mark.only_sqlite("a database is taken to be there")
def test_for_programs(cli: Cli) -> None:
    given = json.dumps(VENDOR).encode()
    ran = cli.ok("preview", FLOW, "--stream", "vendors", "--record", "-", "--format", "json", stdin=given)
    shown = replace(ran, out=json.dumps(ran.json(), indent=2, ensure_ascii=False) + "\n", err="")
    _same(shown, "for_programs")


def test_a_stream_that_only_compares(cli: Cli) -> None:
    _same(cli("preview", "expensify_to_quickbooks", "--stream", "tags"), "compared")


def test_the_flow_of_the_guide_has_one_stream(cli: Cli) -> None:
    guide = (ROOT / "docs/howto/write-a-flow.md").read_text(encoding="utf-8")
    Path("flows").mkdir()
    Path("flows/card_refunds.yaml").write_text(guide.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    shown = cli.ok("preview", "card_refunds").out
    # The simulated business has no refund: then the first record is shown as it is.
    assert shown.endswith("\nanswer\n  it would be skipped\n    it is no refund\n")


@pytest.mark.parametrize("page", ["howto/write-a-flow.md", "tutorial/first-flow.md"])
def test_what_the_docs_show(cli: Cli, page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    Path("flows").mkdir()
    Path("flows/first.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    command, _, shown = text.partition("$ flowctl preview ")[2].partition("```")[0].partition("\n")
    out = "\n" + cli.ok("preview", *command.split()).out
    for piece in f"\n{shown}".split("\n...\n"):
        assert piece in out
        out = out.partition(piece)[2] if piece else out


@pytest.mark.only_sqlite("a database is taken to be there")
@pytest.mark.parametrize("form", ["text", "json"])
def test_half_a_character(cli: Cli, form: str) -> None:
    given = b'{"id": "v\\ud800", "name": "\\ud800", "is_active": true}'
    ran = cli("preview", FLOW, "--stream", "vendors", "--record", "-", "--format", form, stdin=given)
    assert ran.status == 1
    assert "a text in it holds half a character" in ran.out


def test_the_sandbox_is_what_is_shown_unless_something_else_is_asked_for(cli: Cli) -> None:
    shown = cli.ok("preview", FLOW, "--stream", "bill_payments")
    assert cli.ok("preview", FLOW, "--stream", "bill_payments", "--sandbox") == shown
    assert shown.err == ""
    assert shown.out.splitlines()[-3:-1] == [
        "    Ramp is told: BILL_PAYMENT_SYNC, with receipt.TxnID",
        "  the simulated vendor: posted",
    ]


# --- what cannot be shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b'{"id": }', "stdin:1:8: this is no JSON: Expecting value"),
        (b"\xff", "stdin: this is no JSON"),
        (b'{"id": NaN}', "stdin: this is no JSON"),
        (b"[" * 100_000, "stdin: nested too deeply"),
        (b'{"a": ' * 60 + b"{}" + b"}" * 60, "stdin: nested too deeply"),
        (b'[{"id": 1}]', "stdin: this is a list of records; take one of them, and no record"),
        (b"7", "stdin: this is a single value, and no record"),
        (b" " * (16 << 20) + b"{}", "stdin: larger than any record"),
    ],
)
def test_what_is_no_record(cli: Cli, given: bytes, said: str) -> None:
    ran = cli("preview", FLOW, "--stream", "bills", "--record", "-", stdin=given)
    hint = "  hint: give a file with one record as the source gives it: a JSON object\n"
    assert ran.text() == f"[2]\n--\nerror: {said}\n{hint}"


def test_a_file_that_is_not_there(cli: Cli) -> None:
    ran = cli("preview", FLOW, "--stream", "bills", "--record", "nowhere.json")
    said = "error: nowhere.json: No such file or directory\n  hint: check the path and its permissions\n"
    assert ran.text() == f"[2]\n--\n{said}"


def test_a_stream_that_is_not_there(cli: Cli) -> None:
    ran = cli("preview", FLOW, "--stream", "bill")
    known = "bill_payments, bills, transactions, vendors"
    assert ran.text() == f"[2]\n--\nerror: there is no stream `bill`\n  hint: did you mean `bills`? known: {known}\n"


def test_no_stream_at_all(cli: Cli) -> None:
    ran = cli("preview", FLOW)
    known = "vendors, bills, bill_payments, transactions"
    assert ran.err.splitlines()[-1] == f"Error: which stream? give --stream with one of: {known}"
    assert ran.status == 2


def test_one_place_to_take_records_from(cli: Cli) -> None:
    ran = cli("preview", FLOW, "--stream", "bills", "--sandbox", "--live", "1")
    assert (ran.status, ran.err.splitlines()[-1]) == (2, "Error: --record, --sandbox and --live exclude each other")


@pytest.mark.only_sqlite("a database is taken to be there")
def test_live_without_a_store(cli: Cli) -> None:
    ran = cli("preview", FLOW, "--stream", "bills", "--live", "1")
    said = f"error: there is no store at {cli.home}/flowctl.db\n"
    assert ran.text() == f"[2]\n--\n{said}  hint: give --home, or start with `flowctl company add NAME`\n"


def test_live_of_a_company_that_is_not_there(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    ran = cli("preview", FLOW, "--stream", "bills", "--live", "1", "--company", "mian")
    assert ran.text() == "[2]\n--\nerror: there is no company `mian`\n  hint: did you mean `main`? known: main\n"


# --- a company's own records, lists and mappings


def _kept(cli: Cli) -> list[str]:
    """Everything that the store holds."""
    with closing(stores.opened(cli.home)) as store:
        return stores.dump(store).splitlines()


def _calm(lines: list[str]) -> list[str]:
    """The store without access tokens: those may be refreshed, under a lease."""
    return [line for line in lines if "token" not in line]


@contextmanager
def _lists(cli: Cli) -> Iterator[None]:
    """The lists that the flow needs, as a session of the Web Connector leaves them."""
    with shelf(cli) as desk:
        desk.accounts("Accounts Payable", "Office Supplies")
        for name in ("Vendor", "Class", "Customer"):
            objects = [ListObject("V-1", "Acme Supply")] if name == "Vendor" else []
            lists.store_page(desk.tx, "main", name, objects, first=True)
            lists.finish(desk.tx, "main", name, AT)
    yield


@pytest.mark.acceptance
def test_live_reads_and_never_writes(cli: Cli) -> None:
    with connected(cli), _lists(cli):
        fresh = _calm(_kept(cli))
        # The first look asks for a token, which is kept.
        first = cli.ok("preview", FLOW, "--stream", "bills", "--live", "2", "--format", "json")
        before = _kept(cli)
        assert _calm(before) == fresh
        again = cli.ok("preview", FLOW, "--stream", "bills", "--live", "2", "--format", "json")
        assert (again.out, _kept(cli)) == (first.out, before)
        titles = [f"{FLOW}/bills {each['id']}: " for each in again.json()["records"]]
        text = cli.ok("preview", FLOW, "--stream", "bills", "--live", "2").out
        assert [line[: len(titles[0])] for line in text.splitlines() if line.startswith(FLOW)] == titles
        assert _kept(cli) == before
        shown = again.json()["records"]
        with shelf(cli) as desk:
            assert desk.states() == {}
            assert {event for event, _, _ in desk.events()} == {"connected"}
    assert len(shown) == 2
    assert {each["answer"]["tried"] is None for each in shown} == {True}
    assert {each["map"]["ap_account"]["value"]["list_id"] for each in shown} == {"80000001-1"}


def test_a_record_is_looked_at_with_the_mappings_and_settings_of_the_company(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    with _lists(cli):
        cli.ok("map", "set", FLOW, "account", "gl-1", "Office Supplies")
        with common.opened(cli.home) as world, world.store.write() as tx:
            companies.put_setting(tx, "main", FLOW, "billable_jobs", True)
    with shelf(cli) as desk:
        desk.record("b-1", "deferred", reference="INV-7")
    before = _kept(cli)
    given = json.dumps({**BILL, "currency": "\u001b[31mUSD"}).encode()
    ran = cli("preview", FLOW, "--stream", "bills", "--record", "-", stdin=given)
    assert (ran.status, ran.err, _kept(cli)) == (1, "", before)
    shown = [line.strip() for line in ran.out.splitlines()]
    assert (
        "lookup account `gl-1` `Office Supplies`: Office Supplies (80000002-1), by a person's mapping of `gl-1`"
        in shown
    )
    assert "setting billable_jobs: true, set for the company" in shown
    assert shown[-5:] == [
        "it would fail",
        "the bill's currency is not the vendor's currency in QuickBooks",
        "hint: correct the record in the source, or in the target",
        "Ramp is told that it is failed: BILL_SYNC",
        "the store has it already, deferred; this is what it would come to if it were new",
    ]
    assert "\x1b" not in ran.out


def test_lists_that_were_never_read(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    given = json.dumps(BILL).encode()
    ran = cli.ok("preview", FLOW, "--stream", "bills", "--record", "-", stdin=given)
    answer = ran.out[ran.out.index("\nanswer\n") :]
    reads = "      hint: the Web Connector's next session reads it\n"
    names = ("Vendor", "Account", "Class", "Customer")
    assert answer == "\nanswer\n  it waits\n" + "".join(f"    the list {n} was never read\n{reads}" for n in names)


def test_a_source_that_lists_nothing(cli: Cli) -> None:
    cli.ok("connect", "books", "--set", "app_url=http://localhost:8765/qbwc")
    where = ("preview", "bill_to_quickbooks", "--stream", "quickbooks_vendors", "--live", "1")
    unread = cli(*where)
    assert unread.text() == (
        "[1]\n--\nerror: the Vendor list of QuickBooks Desktop (Web Connector) was never read\n"
        "  hint: it is read in the next session\n"
    )
    with shelf(cli) as desk:
        lists.store_page(desk.tx, "main", "Vendor", [], first=True)
        lists.finish(desk.tx, "main", "Vendor", AT)
    assert cli(*where).text() == (
        "[2]\n--\nerror: main/books: Vendor lists no record\n"
        "  hint: look at the filters of `fetch`, or take a record from a file with --record\n"
    )


def test_a_simulated_source_that_lists_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.previewing.worlds.live", lambda *_: [])
    assert cli("preview", FLOW, "--stream", "bills").text() == (
        "[2]\n--\nerror: the simulated ramp bills lists no record\n"
        "  hint: give a record of your own with --record FILE\n"
    )


# --- colour


@pytest.mark.only_sqlite("a database is taken to be there")
def test_on_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    given = json.dumps(VENDOR).encode()
    where = ("preview", FLOW, "--stream", "vendors", "--record", "-")
    plain = cli.ok(*where, stdin=given).out
    monkeypatch.setattr("tests.cli.cli_kit._Text.isatty", lambda _: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = cli.ok(*where, stdin=given).out
    assert "  \x1b[32myes\x1b[0m  is_active\n" in coloured
    assert unstyle(coloured) == plain
    assert cli.ok(*where, stdin=given, env={"NO_COLOR": "1"}).out == plain


def test_only_the_preview_paints() -> None:
    forged = "\x1b[31mred\x1b[0m"
    line = f"  {_marked('yes', 'good')}  {forged}"
    assert _painted(f"  {_marked('yes', 'good')}  a") == "  \x1b[32myes\x1b[0m  a"
    assert _painted(line) == "  \x1b[32myes\x1b[0m  ?[31mred?[0m"
