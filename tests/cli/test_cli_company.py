"""`flowctl company`: settings in their types, defaults marked, and the company file confirmed or released by a person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import told
from engine.evidence import Told
from engine.store import companies, facts, journal, work
from engine.store.records import Reason
from tests import stores
from tests.cli.cli_kit import Cli
from tests.cli.shelf import AT, FLOW, shelf, unmapped
from tests.reference import ROOT

IDENTITY = {"company_name": "Acme Books", "file_id": "{F}", "path": "C:\\acme.qbw", "country": "US"}


def test_add_and_list(cli: Cli) -> None:
    assert cli.ok("company", "add", "acme", "--title", "Acme \x1b[31mInc.").out == "acme: added\n"
    assert cli.ok("company", "add", "acme").out == "acme: there already, nothing was changed\n"
    assert cli.ok("company", "list").out == (
        "company  title           connections  company file\nacme     Acme ?[31mInc.  none         none\n"
    )
    listed = cli.ok("company", "list", "--format", "json").json()
    assert [(c["company"], c["connections"], c["company_file"]) for c in listed] == [("acme", [], None)]


def test_set_and_unset(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    ran = cli.ok("company", "set", FLOW, "create_vendors=No", "card_posts_as=journal_entry", "bank_account= Main ")
    assert ran.out == (
        f"{FLOW}: create_vendors = false\n{FLOW}: card_posts_as = journal_entry\n{FLOW}: bank_account =  Main \n"
    )
    shown = cli.ok("company", "show", FLOW, "--format", "json").json()["settings"]
    values = {s["name"]: (s["value"], s["default"]) for s in shown}
    assert values["create_vendors"] == (False, False)
    assert values["bank_account"] == (" Main ", False)
    assert values["ap_account"] == ("Accounts Payable", True)
    assert cli.ok("company", "unset", FLOW, "create_vendors").out == f"{FLOW}: create_vendors = true (default)\n"
    with shelf(cli) as desk:
        assert companies.settings(desk.tx, "main", FLOW) == {"card_posts_as": "journal_entry", "bank_account": " Main "}
        last = [(event, actor, json.loads(detail)) for event, actor, detail in desk.events()][-1]
    assert last == ("setting", "cli:pat", {"setting": "create_vendors", "value": None})


def test_what_the_company_file_says_of_itself_counts(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert "USD default, until books says Home" in " ".join(cli.ok("company", "show", FLOW).out.split())
    cli.ok("company", "set", FLOW, "home_currency=EUR")
    with shelf(cli) as desk:
        told.keep(desk.tx, "main", AT, {"home_currency": Told("CAD", is_sure=True)})
    shown = cli.ok("company", "show", FLOW, "--format", "json").json()["settings"]
    (found,) = (each for each in shown if each["name"] == "home_currency")
    assert (found["value"], found["told_by"], found["default"]) == ("CAD", "books", False)
    (line,) = (line for line in cli.ok("company", "show", FLOW).out.splitlines() if "home_currency" in line)
    assert line.split()[1:5] == ["home_currency", "CAD", "books", "says"]
    ran = cli("company", "set", FLOW, "home_currency=USD")
    assert (ran.status, "setting `home_currency`: `books` says that it is `CAD`, and that counts\n" in ran.err) == (
        2,
        True,
    )
    assert cli.ok("company", "unset", FLOW, "home_currency").out == f"{FLOW}: home_currency = CAD (books says)\n"


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("bank_acount=x", "there is no setting `bank_acount`\n  hint: did you mean `bank_account`? known: "),
        ("create_vendors=maybe", "setting `create_vendors`: `maybe` is neither true nor false\n"),
        ("card_posts_as=journal", "setting `card_posts_as`: `journal` is none of its values\n  hint: did you mean "),
        ("ap_account=", "setting `ap_account`: is empty, too long, or holds control characters\n"),
        ("ap_account=a\x07b", "setting `ap_account`: is empty, too long, or holds control characters\n"),
        ("ap_account", "set takes NAME=VALUE, and a name stands before the first `=`\n"),
    ],
)
def test_values_that_do_not_fit(cli: Cli, pair: str, message: str) -> None:
    cli.ok("company", "add", "main")
    ran = cli("company", "set", FLOW, "bank_account=Fine", pair)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message}")
    with shelf(cli) as desk:
        assert companies.settings(desk.tx, "main", FLOW) == {}


DATED = "freshbooks_to_ramp"


def test_a_date_is_written_in_one_way(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    for wrong in ("03/01/2026", "2026-3-1", "20260301", "2026-02-30", "soon", " "):
        ran = cli("company", "set", DATED, f"post_from={wrong}")
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == (
            f"error: setting `post_from`: `{wrong}` is not a date\n  hint: write year, month and day as 2026-03-01\n"
        )
    assert cli.ok("company", "set", DATED, "post_from=2026-03-01").out == f"{DATED}: post_from = 2026-03-01\n"
    # Its help says what an empty one means.
    assert cli.ok("company", "set", DATED, "post_from=").out == f"{DATED}: post_from = \n"


def test_changed_setting_wakes_what_depends_on_it(cli: Cli) -> None:
    with shelf(cli) as desk:
        desk.record("waits", "deferred", unmapped("account", "setting:ap_account", "Accounts Payable"))
        desk.record("off", "skipped", Reason("not_selected", "creating vendors is switched off"), stream="vendors")
        desk.record("inactive", "skipped", Reason("not_selected", "the vendor is not active in Ramp"), stream="vendors")
        desk.record("done", "closed")
    ran = cli.ok("company", "set", FLOW, "create_vendors=true")
    assert ran.err == "2 records will be looked at anew in the next run\n"
    with shelf(cli) as desk:
        assert desk.states() == {"waits": "pending", "off": "pending", "inactive": "skipped", "done": "closed"}


@pytest.fixture
def scoped(tmp_path: Path) -> str:
    """The flow, which asks how cards are posted for each currency."""
    path = tmp_path / "scoped.yaml"
    text = (ROOT / "flows" / f"{FLOW}.yaml").read_text(encoding="utf-8")
    assert "setting('card_posts_as')" in text
    path.write_text(text.replace("setting('card_posts_as')", "setting('card_posts_as', currency)"), encoding="utf-8")
    return str(path)


def test_set_and_unset_for_a_scope(cli: Cli, scoped: str) -> None:
    cli.ok("company", "add", "main")
    for value, *scope in (("credit_card", "--for", "USD"), ("journal_entry", "--for", "EUR"), ("journal_entry",)):
        ran = cli.ok("company", "set", scoped, f"card_posts_as={value}", *scope)
        shown = f"[{scope[1]}]" if scope else ""
        assert ran.out == f"{FLOW}: card_posts_as{shown} = {value}\n"
    listed = cli.ok("company", "show", FLOW, "--format", "json").json()["settings"]
    assert [(s["for"], s["value"], s["default"]) for s in listed if s["name"] == "card_posts_as"] == [
        ("", "journal_entry", False), ("EUR", "journal_entry", False), ("USD", "credit_card", False),
    ]  # fmt: skip
    lines = [line.split()[1:4] for line in cli.ok("company", "show", FLOW).out.splitlines() if "card_posts_as" in line]
    assert lines == [
        ["card_posts_as", "journal_entry", "set"],
        ["card_posts_as[EUR]", "journal_entry", "set"],
        ["card_posts_as[USD]", "credit_card", "set"],
    ]
    assert cli.ok("company", "unset", FLOW, "card_posts_as", "--for", "USD").out == (
        f"{FLOW}: card_posts_as[USD] = journal_entry\n"
    )
    cli.ok("company", "unset", FLOW, "card_posts_as")
    assert cli.ok("company", "unset", FLOW, "card_posts_as", "--for", "EUR").out == (
        f"{FLOW}: card_posts_as[EUR] = credit_card (default)\n"
    )
    with shelf(cli) as desk:
        assert companies.settings(desk.tx, "main", FLOW) == {}
        details = [json.loads(detail) for event, _, detail in desk.events() if event == "setting"]
    assert details == [
        {"setting": "card_posts_as[USD]", "value": "credit_card"},
        {"setting": "card_posts_as[EUR]", "value": "journal_entry"},
        {"setting": "card_posts_as", "value": "journal_entry"},
        {"setting": "card_posts_as[USD]", "value": None},
        {"setting": "card_posts_as", "value": None},
        {"setting": "card_posts_as[EUR]", "value": None},
    ]


@pytest.mark.parametrize(
    ("pair", "scope", "message"),
    [
        (
            "bank_account=x",
            "P1",
            "setting `bank_account`: the flow asks for it in general only\n  hint: leave --for away\n",
        ),
        ("card_posts_as=x", "P1", "setting `card_posts_as`: `x` is none of its values\n"),
        ("card_posts_as=credit_card", "a\x07b", "Invalid value for '--for': is too long or holds control characters\n"),
        (
            "card_posts_as=credit_card",
            "x" * 201,
            "Invalid value for '--for': is too long or holds control characters\n",
        ),
    ],
)
def test_scopes_that_do_not_fit(cli: Cli, scoped: str, pair: str, scope: str, message: str) -> None:
    cli.ok("company", "add", "main")
    ran = cli("company", "set", scoped, pair, "--for", scope)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    with shelf(cli) as desk:
        assert companies.settings(desk.tx, "main", FLOW) == {}


def test_a_changed_setting_for_a_scope_wakes_what_depends_on_it(cli: Cli, scoped: str) -> None:
    path = Path(scoped)
    text = path.read_text(encoding="utf-8").replace("setting('create_vendors')", "setting( 'create_vendors' , id)")
    path.write_text(text, encoding="utf-8")
    with shelf(cli) as desk:
        desk.record("off", "skipped", Reason("not_selected", "creating vendors is switched off"), stream="vendors")
    assert cli.ok("company", "set", scoped, "create_vendors=true", "--for", "off").err == (
        "1 record will be looked at anew in the next run\n"
    )


def test_confirm_and_release(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert cli.ok("company", "bind").out == "main: no company file is bound; the first contact binds it\n"
    assert cli("company", "bind", "--confirm").text() == (
        "[1]\n--\nerror: No company file waits to be confirmed.\n"
        "  hint: press Update Selected in the Web Connector, then confirm what it shows\n"
    )
    with shelf(cli) as desk:
        entry = journal.Entry("company_unconfirmed", detail={"message": "waits", **IDENTITY})
        journal.append(desk.tx, "main", AT, "web-connector", [entry])
    waits = cli.ok("company", "bind")
    assert waits.out.startswith("main: waits to be confirmed\n")
    assert waits.err == "run `flowctl company bind --confirm --company main` when it is the right one\n"
    confirmed = cli.ok("company", "bind", "--confirm", "--format", "json").json()
    assert confirmed == {"company": "main", "bound": IDENTITY, "unconfirmed": None, "refused": []}
    assert cli("company", "bind", "--confirm").status == 1

    assert cli("company", "bind", "--release").text() == (
        "[1]\n--\nRelease `Acme Books`? The next company file that calls is bound, and records go there. [y/N]: \n"
        "error: nobody answered, and nothing was done\n  hint: give --yes where nobody can answer\n"
    )
    cli.ok("company", "bind", "--release", "--yes", "--reason", "moved")
    assert cli.ok("company", "bind").out == "main: no company file is bound; the first contact binds it\n"
    with shelf(cli) as desk:
        events = [(event, actor) for event, actor, _ in desk.events()]
        assert events[-2:] == [("bound", "cli:pat"), ("released", "cli:pat")]
        assert journal.verify(desk.tx, "main") is None


def test_a_bound_file_that_is_not_the_right_one(cli: Cli) -> None:
    with shelf(cli) as desk:
        companies.bind(desk.tx, "main", IDENTITY, AT)
    assert cli("company", "bind", "--refuse").err.startswith("Release `Acme Books`?")
    assert cli.ok("company", "bind", "--refuse", "--yes").text() == (
        "[0]\nmain: turned away: Acme Books C:\\acme.qbw\n"
        "main: no company file is bound; the first contact binds it\n--\nreleased\n"
    )
    with shelf(cli) as desk:
        event, _, detail = desk.events()[-1]
        assert (event, json.loads(detail)) == ("released", {**IDENTITY, "refused": True})


def test_not_released_while_a_set_is_open(cli: Cli) -> None:
    with shelf(cli) as desk:
        companies.bind(desk.tx, "main", IDENTITY, AT)
        scope = {"id": "set-1", "company": "main", "body": b"x", "sha256": "x", "ticket_hash": "t", "at": AT}
        desk.tx.run("set_insert", scope)
    ran = cli("company", "bind", "--release", "--yes")
    assert ran.text() == (
        "[1]\n--\nerror: the message set set-1 is not settled, and only the bound company file can tell what became of it\n"
        "  hint: let the Web Connector run once more with that company file open, then release it; when that very file "
        "was moved or renamed, say so first: `flowctl company bind --confirm`\n"
    )
    with shelf(cli) as desk:
        assert companies.identity(desk.tx, "main") == IDENTITY


def test_a_moved_file_is_taken_once_a_person_says_so(cli: Cli) -> None:
    seen = {**IDENTITY, "path": "D:\\new\\acme.qbw"}
    with shelf(cli) as desk:
        companies.bind(desk.tx, "main", IDENTITY, AT)
        entry = journal.Entry("company_refused", detail={"message": "elsewhere", **seen})
        journal.append(desk.tx, "main", AT, "web-connector", [entry])
        work.raise_alert(desk.tx, "main", work.Alert("session", "company_refused", "elsewhere"), AT)
    shown = cli.ok("company", "bind")
    assert shown.out.endswith("main: turned away: `Acme Books` D:\\new\\acme.qbw\n")
    assert shown.err == (
        "run `flowctl company bind --confirm --company main` when it is the same file, moved or renamed\n"
    )
    assert cli("company", "bind", "--confirm").text() == (
        "[1]\n--\n`Acme Books` C:\\acme.qbw\nis now\n`Acme Books` D:\\new\\acme.qbw\n"
        "Is it the same company file, and no copy or backup of it? [y/N]: \n"
        "error: nobody answered, and nothing was done\n  hint: give --yes where nobody can answer\n"
    )
    taken = cli.ok("company", "bind", "--confirm", "--yes", "--format", "json")
    assert taken.json()["bound"] == {**IDENTITY, "path": "D:\\new\\acme.qbw"}
    assert taken.err == "taken as it is now; work goes on at the next visit of the Web Connector\n"
    with shelf(cli) as desk:
        assert desk.events()[-1][:2] == ("file_moved", "cli:pat")


def test_switch_flows(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert cli.ok("company", "flow", FLOW, "off").out == f"flow\n{FLOW}  off  not connected: books, ramp\n"
    ran = cli.ok("company", "flow", FLOW, "off", "--format", "json")
    assert (ran.json(), ran.err) == (
        [{"flow": FLOW, "on": False, "missing": ["books", "ramp"]}],
        f"main/{FLOW}: was off before\n",
    )
    ran = cli("run", FLOW)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"error: main/{FLOW}: the flow is switched off for this company\n  hint: run `flowctl company flow {FLOW} on`\n"
    )
    assert [line["on"] for line in cli.ok("company", "flow", FLOW, "on", "--format", "json").json()] == [True]
    assert cli.ok("company", "flow", FLOW, "on", "--beside", "ramp_accounting").out.startswith(f"flow\n{FLOW}  on")
    ran = cli("company", "flow", FLOW, "on", "--beside", "ramp_acounting")
    assert (ran.status, ran.err.splitlines()[0]) == (2, "error: there is no flow `ramp_acounting`")


def test_confirm_what_a_stream_knows_its_records_by(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    ran = cli("company", "flow", FLOW, "--confirm", "bills")
    assert (ran.status, ran.err) == (
        2,
        (
            f"error: main/{FLOW}/bills: knows its records by what it knew them by before\n"
            "  hint: there is nothing to confirm\n"
        ),
    )
    with shelf(cli) as desk:
        known = {"key": "number", "phase": "post", "read": "ramp/bills", "to": "books"}
        facts.remember(desk.tx, "main", AT, f"keys:{FLOW}", {"streams": {"bills": known}, "before": {}})
        desk.record("b-1", "pending")
    ran = cli.ok("company", "flow", FLOW, "--confirm", "bills")
    assert ran.err == f"main/{FLOW}/bills: is read again\n"
    for given in (["--confirm", "bills"], ["--beside", "other"], [FLOW, "--beside", "other"]):
        assert cli("company", "flow", *given).status == 2


def test_what_is_posted_is_told_before_it_looks_new(cli: Cli) -> None:
    with shelf(cli) as desk:
        known = {"key": "number", "phase": "post", "read": "ramp/bills", "to": "books"}
        facts.remember(desk.tx, "main", AT, f"keys:{FLOW}", {"streams": {"bills": known}, "before": {}})
        for source_id, amount in (("b-1", "100.00"), ("b-2", "100.00"), ("b-3", "20.50")):
            number = desk.record(source_id, "posted" if source_id != "b-3" else "closed", amount=amount)
            stores.by_hand(desk.tx, f"UPDATE records SET receipt = '{{}}' WHERE id = {number}")
        desk.record("b-4", "pending")
    asked = ("company", "flow", FLOW, "--confirm", "bills")
    ran = cli(*asked, stdin=b"n\n")
    assert ran.status == 1
    assert ran.err.startswith(
        f"main/{FLOW}/bills: 3 records over 220.50 USD are posted already; what the source still offers of it is posted again\n"
        "Does it offer nothing of it any more? [y/N]: "
    )
    assert "is read again" in cli.ok(*asked, stdin=b"y\n").err
    assert cli(*asked, "--yes").status == 2
