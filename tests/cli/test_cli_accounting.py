"""`flowctl connect --accounting`, `flowctl migrate` and what `flowctl doctor` says of the accounting connection."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.ledger import CONNECTOR as LEDGER
from connectors.ramp.simulator import Money, Options, RampSimulator, app
from connectors.ramp.simulator.connections import switch_provider
from connectors.ramp.simulator.records import Profile
from connectors.ramp.simulator.shelf import Entry
from engine.clock import SystemClock
from engine.registry import registered
from engine.serving import running
from engine.store import companies
from tests.cli.cli_kit import Cli, Ran
from tests.cli.shelf import shelf

SECRETS = {"FLOWCTL_SECRET_RAMP_CLIENT_ID": "ramp_id_sandbox", "FLOWCTL_SECRET_RAMP_CLIENT_SECRET": "sandbox-secret"}
SCOPES = "accounting:read accounting:write bills:read transactions:read"
FLOW = """
flow: charting
version: 1
connections:
  ramp: {connector: ramp}
  books: {connector: qbwc}
streams:
  accounts:
    trigger: {every: 6h}
    fetch: {from: books, stream: Account}
    key: list_id
    map: {id: list_id, name: full_name, classification: "'EXPENSE'"}
    write: {to: ramp, request: AccountUpload}
  bills:
    trigger: {every: 1h}
    fetch: {from: ramp, stream: bills}
    key: id
    map: {vendor: vendor.name}
    write: {to: books, request: BillAdd, template: bill_add.xml.j2}
"""


@contextmanager
def ramp(cli: Cli, profile: Profile = "2026-08", *, name: str = "Flowctl", **options: Any) -> Iterator[RampSimulator]:
    """A simulated Ramp, and the connection to it."""
    simulator = RampSimulator(7, SystemClock(), profile=profile, options=Options(**options))
    with running(app(simulator)) as url:
        given = {"base_url": url, "api_profile": profile, "scopes": SCOPES, "provider_name": name}
        settings = [text for key, value in given.items() for text in ("--set", f"{key}={value}")]
        cli.ok("connect", "ramp", *settings, env=SECRETS)
        yield simulator


def setting(cli: Cli, name: str) -> object:
    with shelf(cli) as desk:
        found = companies.binding(desk.tx, desk.world.vault, "main", "ramp")
    assert found is not None
    return found[1].settings.get(name)


def only(simulator: RampSimulator) -> str:
    (found,) = simulator.world.connections
    return found


def take(cli: Cli, *more: str) -> str:
    return cli("connect", "ramp", "--accounting", *more).text()


OFF = "".join(
    f"  {name}: off\n"
    for name in (
        "entity_selection_enabled",
        "reimbursement_sync_button_enabled",
        "transaction_accounting_vendor_creation_on_sync_enabled",
        "transaction_sync_button_enabled",
        "vendor_credits_enabled",
    )
)


def test_it_is_opened_where_there_is_none_and_kept_afterwards(cli: Cli) -> None:
    with ramp(cli, provider=None) as simulator:
        text = take(cli)
        one = only(simulator)
        assert text == (
            "[0]\nmain/ramp: accounting connection: nobody is connected\n"
            f"main/ramp: opened: `Flowctl` ({one})\n{OFF}--\nnext: flowctl doctor\n"
        )
        assert take(cli) == (
            "[0]\nmain/ramp: accounting connection: `Flowctl` is ours and active\n"
            f"main/ramp: kept as it is: `Flowctl` ({one})\n{OFF}--\n"
        )
        assert list(simulator.world.connections) == [one]


def test_one_of_2025_has_no_switches(cli: Cli) -> None:
    with ramp(cli, "2025-08", provider=None) as simulator:
        assert take(cli) == (
            "[0]\nmain/ramp: accounting connection: nobody is connected\n"
            f"main/ramp: opened: `Flowctl` ({only(simulator)})\n--\nnext: flowctl doctor\n"
        )
        ran = cli("connect", "ramp", "--set", "vendor_credits_enabled=true")
        assert ran.text() == (
            "[2]\n--\nerror: the settings do not fit:\n  vendor_credits_enabled: is not in the API profile 2025-08 "
            "(set api_profile=2026-08 once Ramp offers it to the account)\n  hint: give settings again with "
            "--set NAME=VALUE\n"
        )


def test_switches_are_set_once(cli: Cli) -> None:
    with ramp(cli, provider="flowctl") as simulator:
        flags = ("--set", "vendor_credits_enabled=true", "--set", "entity_selection_enabled=false")
        rest = OFF.replace("  vendor_credits_enabled: off\n", "")
        assert take(cli, *flags) == (
            "[0]\nmain/ramp: connected with Ramp\nmain/ramp: accounting connection: `flowctl` is ours and active\n"
            f"main/ramp: kept as it is: `flowctl` ({only(simulator)})\n  set vendor_credits_enabled: on\n{rest}--\n"
        )
        active = simulator.world.connection()
        assert active is not None
        assert dict(active.settings or ()) == {"vendor_credits_enabled": True}
        assert "set " not in take(cli)


def test_ours_is_taken_into_use_again(cli: Cli) -> None:
    with ramp(cli, provider="Flowctl") as simulator:
        one = only(simulator)
        from dataclasses import replace

        simulator.world.connections[one] = replace(simulator.world.connections[one], is_active=False, settings=None)
        assert take(cli) == (
            "[0]\nmain/ramp: accounting connection: `Flowctl` is ours and not in use\n"
            f"main/ramp: reactivated: `Flowctl` ({one})\n{OFF}--\nnext: flowctl doctor\n"
        )
        assert list(simulator.world.connections) == [one]


def test_a_csv_connection_is_upgraded_only_when_told(cli: Cli) -> None:
    with ramp(cli, provider="Universal CSV", connection="CSV") as simulator:
        held = "main/ramp: accounting connection: `Universal CSV` is active, fed with CSV files\n"
        assert take(cli) == (
            f"[1]\n{held}--\nerror: main/ramp: `Universal CSV` holds Ramp's accounting connection\n"
            "  hint: it is fed with CSV files, and becomes ours when it is upgraded: give --yes\n"
        )
        assert simulator.world.connections[only(simulator)].kind == "CSV"
        assert take(cli, "--yes") == (
            f"[0]\n{held}main/ramp: upgraded to an API connection: `Flowctl` ({only(simulator)})\n{OFF}--\n"
            "next: flowctl doctor\n"
        )


def test_a_foreign_one_is_never_touched(cli: Cli) -> None:
    with ramp(cli, provider="Other Sync") as simulator:
        before = dict(simulator.world.connections)
        assert take(cli, "--yes") == (
            "[1]\nmain/ramp: accounting connection: `Other Sync` is active and not ours\n--\n"
            "error: main/ramp: `Other Sync` holds Ramp's accounting connection\n"
            "  hint: its ids are not ours, so nothing is posted or marked; if it is ours after all, give its name with "
            "--set provider_name=NAME, else disconnect it in Ramp (Accounting, Settings), or use `flowctl migrate ramp`\n"
        )
        assert simulator.world.connections == before


def test_a_direct_one_is_explained(cli: Cli) -> None:
    with ramp(cli, provider="Flowctl", connection="DIRECT"):
        assert take(cli) == (
            "[1]\nmain/ramp: accounting connection: `Flowctl` is active, the vendor's own integration\n--\n"
            "error: main/ramp: `Flowctl` holds Ramp's accounting connection\n"
            "  hint: while Ramp's own integration is connected, the chart of accounts is read-only and nothing can be "
            "marked synced from here; `flowctl migrate ramp` moves to our connection\n"
        )


def test_json_and_what_cannot_be_asked(cli: Cli) -> None:
    with ramp(cli, provider=None) as simulator:
        ran = cli.ok("connect", "ramp", "--accounting", "--format", "json")
        assert ran.json() == {
            "company": "main",
            "connection": "ramp",
            "found": "none",
            "did": "opened",
            "id": only(simulator),
            "name": "Flowctl",
            "set": {},
            "settings": dict.fromkeys(
                (line.strip().removesuffix(": off") for line in OFF.splitlines()),
                False,
            ),
        }
        cli.ok("connect", "books", "--set", "app_url=https://sync.example.com/qbwc")
        assert cli("connect", "ramp", "--set", "provider_name=", "--accounting").text() == (
            "[1]\nmain/ramp: connected with Ramp\nmain/ramp: accounting connection: `Flowctl` is active and not ours\n--\n"
            "error: main/ramp: the setting `provider_name` is not given\n"
            "  hint: say what our connection is to be called in Ramp: --set provider_name=NAME\n"
        )
        assert cli("connect", "books", "--accounting").text() == (
            "[2]\n--\nerror: main/books: QuickBooks Desktop (Web Connector) has no accounting connection\n"
            "  hint: `--accounting` and `flowctl migrate` are for vendors that let one system post; nothing is missing here\n"
        )


# --- migrate ----------------------------------------------------------------------------------------------------------

UNCOUNTED = "".join(
    f"  {kind}: could not be counted: scopes that were not granted: {kind}:read\n"
    for kind in ("reimbursements", "transfers", "cashbacks")
)
CALM = UNCOUNTED + "  nothing that could be counted waits to be synced\n"
HELD = "main/ramp: `QuickBooks` is active, the vendor's own integration\n"
READY = "main/ramp: our connection is filled and ready; the customer can switch\n"
HAND_OVER = """what the customer does now:
  1. sync once more what is ready to sync: what stays ready on the old connection does not survive the switch
  2. note rules and automations of the old connection: they must be made again afterwards
  3. in Ramp, open Accounting, Settings, Danger Zone, Switch Providers, and choose `Flowctl`
  4. map the fields of the old connection to those of the new one, and confirm
  5. never use Ramp's own Export button from then on: it marks objects synced without telling us
--
then: flowctl migrate ramp
"""
NEXT = (
    "--\nnext: write the chart of accounts to it with `flowctl run FLOW` (of the shipped flows, ramp_accounting)\n"
    "then: flowctl migrate ramp --ready\n"
)


@contextmanager
def direct(cli: Cli) -> Iterator[RampSimulator]:
    """A business whose chart is kept by Ramp's own integration: two accounts, and a field with one option."""
    with ramp(cli, provider="QuickBooks", connection="DIRECT") as simulator:
        old, now = only(simulator), simulator.world.now
        shelves = simulator.world.chart
        for number in (1, 2):
            more = {"classification": "EXPENSE"}
            entry = Entry(f"00000000-0000-4000-8000-00000000000{number}", f"Q-{number}", "Rent", now, now, more=more)
            shelves.of(old, "accounts").put(entry)
        field = Entry("00000000-0000-4000-8000-000000000009", "Class", "Class", now, now)
        shelves.of(old, "fields").put(field)
        shelves.of(old, "field-options", field.id).put(
            Entry("00000000-0000-4000-8000-000000000008", "C-1", "West", now, now)
        )
        yield simulator


def prepared(simulator: RampSimulator) -> str:
    (found,) = (one.id for one in simulator.world.connections.values() if not one.is_active)
    return found


def migrate(cli: Cli, *more: str) -> Ran:
    return cli("migrate", "ramp", *more)


def preload(simulator: RampSimulator, *names: str) -> None:
    """What the flow's chart stream would have written to the inactive connection."""
    now = simulator.world.now
    for number, name in enumerate(names, 1):
        entry = Entry(f"00000000-0000-4000-8000-0000000001{number:02}", f"A-{number}", name, now, now)
        simulator.world.chart.of(prepared(simulator), "accounts").put(entry)


def posted(cli: Cli, *source_ids: str, state: Any = "posted") -> None:
    from engine.store import outbox

    with shelf(cli) as desk:
        for one in source_ids:
            number = desk.record(one, state, stream="accounts", amount=None)
            new = outbox.NewOperation(f"op-{one}", "ramp", number, "AccountUpload", b"{}", "{G}", "{}", "{}")
            outbox.add(desk.tx, "main", "2026-11-20T09:00:00.000000Z", [new])
            row: dict[str, Any] = {
                "id": number,
                "operation_id": f"op-{one}",
                "from": state,
                "to": state,
                "reasons": "[]",
            }
            row |= {"mapped_sha256": None, "receipt": None, "attempts": 0, "at": "2026-11-20T09:00:00.000000Z"}
            desk.tx.run("record_move", row)


def test_a_move_from_beginning_to_end(cli: Cli, tmp_path: Path) -> None:
    with direct(cli) as simulator:
        assert migrate(cli).text() == (f"[1]\n{HELD}{CALM}main/ramp: nothing was changed; give --yes to go on\n--\n")
        assert len(simulator.world.connections) == 1
        begun = migrate(cli, "--backup", "chart.json", "--yes").text()
        new = prepared(simulator)
        assert begun == (
            f"[0]\n{HELD}{CALM}  backup: chart.json: 1 connections, 2 accounts, 1 fields, 1 options, 0 vendors\n"
            f"main/ramp: made an inactive connection `Flowctl` ({new})\n{NEXT}"
        )
        assert setting(cli, "accounting_connection_id") == new
        kept = tmp_path / "chart.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        chart = json.loads(kept.read_text())
        assert [row["id"] for row in chart["accounts"]] == ["Q-1", "Q-2"]
        assert [row["id"] for rows in chart["options"].values() for row in rows] == ["C-1"]
        # Again: it looks where things stand.
        assert migrate(cli, "--yes").text() == (
            f"[0]\n{HELD}{CALM}main/ramp: the inactive connection `Flowctl` is there ({new})\n{NEXT}"
        )
        preload(simulator, "Rent", "Paper")
        posted(cli, "A-1")
        counts = "  OptionUpload: 0 written, 0 there\n  AccountingVendorUpload: 0 written, 0 there\n"
        assert migrate(cli, "--ready").text() == (
            f"[1]\n{HELD}{CALM}  AccountUpload: 1 written, 2 there: they differ\n{counts}"
            "main/ramp: the chart is not complete, so nothing was changed\n--\n"
            "next: flowctl status says what waits or failed; run the flow, then this again\n"
        )
        posted(cli, "A-2")
        assert migrate(cli, "--ready").text() == (
            f"[0]\n{HELD}{CALM}  AccountUpload: 2 written, 2 there\n{counts}{READY}{HAND_OVER}"
        )
        assert simulator.world.connections[new].is_ready
        assert migrate(cli).text() == f"[0]\n{HELD}{READY}{HAND_OVER}"
        switch_provider(simulator.world, new)
        assert migrate(cli).text() == (
            "[0]\nmain/ramp: `Flowctl` is ours and active\n"
            "  the move is done: the chart is written to the active connection from now on\n--\n"
            "next: flowctl connect ramp --accounting\n"
        )
        assert setting(cli, "accounting_connection_id") == ""
        assert migrate(cli).text() == "[0]\nmain/ramp: `Flowctl` is ours and active\n  there is nothing to move\n--\n"


def test_what_waits_to_be_synced_stops_it(cli: Cli) -> None:
    with direct(cli) as simulator:
        simulator.add_transaction(Money(1000))
        waits = f"  transactions: 1 ready to sync\n{UNCOUNTED}"
        assert migrate(cli).text() == (
            f"[1]\n{HELD}{waits}  do: sync them with the connection that is active, for they do not survive the switch; "
            "then run this again\n--\n"
        )
        ran = migrate(cli, "--yes", "--backup", "chart.json")
        assert ran.text().startswith(
            f"[0]\n{HELD}{waits}  1 object would not survive the switch; going on (--yes)\n  backup: chart.json: "
        )


def test_a_backup_holds_whatever_a_name_holds(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = {"accounts": [{"id": "Q-1", "name": "Zürich \ud800"}]}
    with direct(cli):
        monkeypatch.setattr("connectors.ramp.migration.RampMigration.backup", lambda _self: chart)
        assert migrate(cli, "--yes", "--backup", "chart.json").status == 0
    assert json.loads((tmp_path / "chart.json").read_text())["accounts"] == chart["accounts"]


def test_half_a_backup_is_none(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with direct(cli) as simulator:
        with monkeypatch.context() as patched:
            patched.setattr("engine.cli.migrate.os.fsync", full)
            ran = migrate(cli, "--yes", "--backup", "chart.json")
        assert (ran.status, ran.err.splitlines()[0]) == (2, "error: chart.json: No space left on device")
        assert not (tmp_path / "chart.json").exists()
        assert len(simulator.world.connections) == 1


def test_a_backup_is_never_written_over(cli: Cli, tmp_path: Path) -> None:
    with direct(cli) as simulator:
        (tmp_path / "chart.json").write_text("the only copy")
        assert migrate(cli, "--yes", "--backup", "chart.json").text() == (
            f"[2]\n{HELD}{CALM}--\nerror: chart.json: is there already, and is not written over\n"
            "  hint: give another --backup FILE\n"
        )
        assert (tmp_path / "chart.json").read_text() == "the only copy"
        assert len(simulator.world.connections) == 1


def test_ready_needs_what_comes_before(cli: Cli) -> None:
    with direct(cli):
        assert migrate(cli, "--ready").text() == (
            f"[2]\n{HELD}--\nerror: main/ramp: nothing is prepared yet\n  hint: run `flowctl migrate ramp` first\n"
        )


def test_records_that_wait_stop_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "ramp_to_quickbooks.yaml").write_text(FLOW.replace("charting", "ramp_to_quickbooks"))
    with direct(cli) as simulator:
        migrate(cli, "--yes", "--backup", "chart.json")
        preload(simulator, "Rent")
        posted(cli, "A-1")
        posted(cli, "A-2", state="failed")
        assert migrate(cli, "--ready").text() == (
            f"[1]\n{HELD}{CALM}  AccountUpload: 1 written, 1 there\n  OptionUpload: 0 written, 0 there\n"
            "  AccountingVendorUpload: 0 written, 0 there\n  ramp_to_quickbooks/accounts: 1 record not written yet\n"
            "main/ramp: the chart is not complete, so nothing was changed\n--\n"
            "next: flowctl status says what waits or failed; run the flow, then this again\n"
        )


def test_another_move_under_way_and_nothing_to_move_from(cli: Cli) -> None:
    with direct(cli) as simulator:
        from dataclasses import replace

        old = simulator.world.connections[only(simulator)]
        other = replace(old, id="00000000-0000-4000-8000-000000000077", provider="Other", kind="API", is_active=False)
        simulator.world.connections[other.id] = replace(other, is_ready=True)
        assert migrate(cli).text() == (
            "[1]\n--\nerror: main/ramp: another move is under way in Ramp, to `Other`\n"
            "  hint: let the customer finish it, or ask Ramp's support to end it\n"
        )
        simulator.world.connections.clear()
        assert migrate(cli).text() == (
            "[1]\n--\nerror: main/ramp: nothing to move from: no accounting connection is active\n"
            "  hint: run `flowctl connect ramp --accounting`\n"
        )


def test_the_incumbent_that_answers_is_seen(cli: Cli) -> None:
    with ramp(cli, provider="Other Sync") as simulator:
        ran = migrate(cli, "--yes", "--backup", "chart.json")
        assert ran.status == 1
        assert "Ramp answers with the connection of `Other Sync`, which holds the seat; nothing was changed" in ran.err
        assert len(simulator.world.connections) == 1
        assert setting(cli, "accounting_connection_id") is None


def test_2025_has_no_moves(cli: Cli) -> None:
    with ramp(cli, "2025-08", provider="QuickBooks", connection="DIRECT"):
        assert migrate(cli).text() == (
            "[1]\n--\nerror: main/ramp: the API profile 2025-08 has no way to move to another accounting connection\n"
            "  hint: set api_profile=2026-08 once Ramp offers it to the account\n"
        )


# --- doctor -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def charting(cli: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "charting.yaml").write_text(FLOW)
    cli.ok("connect", "books", "--set", "app_url=https://sync.example.com/qbwc")
    return cli


def said(cli: Cli) -> list[str]:
    """What the doctor says of the accounting connection."""
    lines = cli("doctor", "--company", "main").out.splitlines()
    start = next(n for n, line in enumerate(lines) if "main/charting: all connections are made" in line)
    found = [n for n, line in enumerate(lines) if n > start and "main/ramp: " in line]
    return [line for n, line in enumerate(lines) if n in found or (n - 1 in found and line.startswith("      do"))]


def test_the_doctor_says_who_holds_the_seat(charting: Cli) -> None:
    with ramp(charting, provider="flowctl"):
        held = "ok    main/ramp: the accounting connection `flowctl` is ours and active"
        assert said(charting) == [held]
        charting.ok("connect", "ramp", "--set", "vendor_credits_enabled=true")
        assert said(charting) == [
            held,
            "warn  main/ramp: switches that are not as the settings want them: vendor_credits_enabled",
            "      do: run `flowctl connect ramp --accounting`",
        ]
        charting.ok("connect", "ramp", "--accounting")
        assert said(charting) == [held]


def test_the_doctor_says_so_with_a_ledger_in_the_place_of_quickbooks(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "charting.yaml").write_text(FLOW)
    with registered({"ledger": LEDGER}), ramp(cli, provider="Other Sync"):
        cli.ok("connect", "books", "--connector", "ledger", "--set", f"path={tmp_path / 'ledger.jsonl'}")
        (line, *_) = said(cli)
        assert line == "FAIL  main/ramp: the accounting connection is held by `Other Sync`"


def test_the_doctor_says_what_to_do_without_it(charting: Cli) -> None:
    with ramp(charting, provider=None) as simulator:
        assert said(charting) == [
            "FAIL  main/ramp: the accounting connection is not open",
            "      do: run `flowctl connect ramp --accounting`",
        ]
        charting.ok("connect", "ramp", "--accounting")
        charting.ok("connect", "ramp", "--set", f"accounting_connection_id={only(simulator)}")
        assert said(charting)[:2] == [
            "FAIL  main/ramp: the accounting connection is ours, and the chart still goes to an inactive one",
            "      do: run `flowctl migrate ramp`, which ends the move",
        ]


def test_the_doctor_knows_of_a_move(charting: Cli) -> None:
    with direct(charting):
        charting.ok("migrate", "ramp", "--yes", "--backup", "chart.json")
        assert said(charting) == [
            "warn  main/ramp: a move away from `QuickBooks` is under way",
            "      do: `flowctl migrate ramp` says what comes next",
        ]


def test_both_directions_of_reimbursements_wait(cli: Cli) -> None:
    from connectors.ramp.simulator.outbuild import add_reimbursement

    with direct(cli) as simulator:
        cli.ok("connect", "ramp", "--set", f"scopes={SCOPES} reimbursements:read transfers:read cashbacks:read")
        add_reimbursement(simulator.world, Money(1000))
        add_reimbursement(simulator.world, Money(1000), direction="USER_TO_BUSINESS")
        assert migrate(cli).text() == (
            f"[1]\n{HELD}  reimbursements: 2 ready to sync\n  do: sync them with the connection that is active, for they "
            "do not survive the switch; then run this again\n--\n"
        )
