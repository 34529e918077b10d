"""Cases recorded of a company's own source: nothing private is in them, and they play as the records did."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine import told
from engine.cli import common
from engine.evidence import Told
from engine.golden import record as recording
from engine.golden.case import CaseWrong, load_case
from engine.golden.compare import check
from engine.golden.record import CaseThere, NameUnfit, NothingRecorded, Recorded, Wish, WouldLeak
from engine.golden.stage import COMPANY, Stage, staged
from engine.program import FlowProgram
from tests.reference import ROOT

# Personal data that the simulated vendors are given, and that must be found nowhere in what is recorded.
CANARIES = (
    *("Zanzibar Quokka", "Quokka", "zanzibar.quokka@canary.example", "canary.example", "+1 415 555 0142"),
    *("77 Canary Wharf", "Canaryville", "94999", "CANARY-4711", "Paid to Zanzibar personally", "E-4242"),
)
CASE = "case: A live vendor.\nclock: 2026-03-02T14:00:00Z\nseed: 1\nsteps: [{steps}]\n"
RAMP = {
    "vendors": {"z": {"name": "Zanzibar Quokka", "email": "zanzibar.quokka@canary.example"}},
    "bills": {
        "one": {
            "vendor": "z",
            "invoice": "CANARY-4711",
            "issued": "2026-02-20",
            "due": "2026-03-22",
            "memo": "Paid to Zanzibar personally, zanzibar.quokka@canary.example",
            "lines": [
                {"amount": "120.50", "account": "Office Supplies", "memo": "Paid to Zanzibar personally"},
                {"amount": "9.50", "account": "Rent"},
            ],
        }
    },
}
FRESHBOOKS = {
    "vendors": {
        "z": {
            "name": "Zanzibar Quokka",
            "email": "zanzibar.quokka@canary.example",
            "phone": "+1 415 555 0142",
            "street": "77 Canary Wharf",
            "city": "Canaryville",
            "postal_code": "94999",
            "number": "E-4242",
            "contact": "Zanzibar Quokka",
            "country": "United States",
            "province": "CA",
        }
    },
    "bills": {
        "one": {
            "vendor": "z",
            "number": "CANARY-4711",
            "issued": "2026-02-20",
            "terms": 30,
            "lines": [{"amount": "120.50", "category": "Office Supplies", "memo": "Paid to Zanzibar personally"}],
        }
    },
}
BILL = {
    "vendors": {
        "z": {"name": "Zanzibar Quokka", "company": "Zanzibar Quokka", "email": "zanzibar.quokka@canary.example"}
    },
    "bills": {
        "one": {
            "vendor": "z",
            "invoice": "CANARY-4711",
            "issued": "2026-02-20",
            "due": "2026-03-22",
            "lines": [{"amount": "120.50", "account": "Office Supplies", "memo": "Paid to Zanzibar personally"}],
        }
    },
}
EXPENSIFY = {
    "employees": {"z": {"name": "Zanzibar Quokka", "email": "zanzibar.quokka@canary.example", "user": "E-4242"}},
    "reports": {
        "trip": {
            "name": "Quokka in Canaryville",
            "created": "2026-02-20",
            "submitted": "2026-02-23",
            "approved": "2026-02-25",
            "employee": "z",
            "expenses": [
                {"amount": "80.00", "category": "Office Supplies", "on": "2026-02-19", "merchant": "Quokka"},
                {"amount": "20.50", "category": "Travel:Meals", "on": "2026-02-19"},
            ],
        }
    },
}
RAMP_BOOKS = {"profile": "2026-08", "accounts": {"6020": {"name": "Office Supplies", "code": "6020"}}}
LIVE: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "ramp": ("ramp_to_quickbooks", "bills", {"ramp": RAMP}),
    "freshbooks": ("freshbooks_to_ramp", "bills", {"freshbooks": FRESHBOOKS, "ramp": RAMP_BOOKS}),
    "bill": ("bill_to_quickbooks", "bills", {"bill": BILL}),
    "expensify": ("expensify_to_quickbooks", "reports", {"expensify": EXPENSIFY}),
}


def program_of(flow: str) -> FlowProgram:
    return common.program(str(ROOT / "flows" / f"{flow}.yaml"))


@contextmanager
def live(place: Path, program: FlowProgram, given: Mapping[str, Any]) -> Iterator[Stage]:
    """A company whose vendors hold what is given; its lists are read, and no source was told of anything."""
    (place / "given").mkdir(parents=True)
    steps = "run, session" if any(each.connector == "qbwc" for each in program.flow.connections) else "run"
    (place / "case.yaml").write_text(CASE.format(steps=steps), encoding="utf-8")
    for name, value in given.items():
        (place / "given" / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    with staged(load_case(place, program.flow), program) as stage:
        yield stage


def bytes_of(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def outcome(made: Recorded) -> list[str]:
    """The records in `outcome.txt`, without reasons."""
    text = (made.folder / "expected" / "outcome.txt").read_text(encoding="utf-8")
    return [
        line.strip() for line in text.partition("alerts:")[0].splitlines() if line.startswith("  ") and line[2] != " "
    ]


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.parametrize("vendor", LIVE)
def test_what_is_recorded_holds_no_secret_and_nobody_s_data_and_plays_offline(vendor: str, tmp_path: Path) -> None:
    flow, stream, given = LIVE[vendor]
    program = program_of(flow)
    with live(tmp_path / "live", program, given) as stage:
        stage.play()
        before = stage.world.store
        made = recording.record(stage.world, program, Wish(COMPANY, stream, 5), tmp_path / "cases" / flow / "mine")
        secrets = recording._secrets(stage.world)
        assert stage.world.store is before
    content = bytes_of(made.folder)
    found = [canary for canary in (*CANARIES, *secrets) if canary.encode() in content]
    assert found == []
    assert len(secrets) >= 2
    assert made.verdict.problems == ()
    # The source is not there any more: what was recorded is all there is.
    assert check(made.folder, program).problems == ()
    states = {line.rpartition(": ")[2] for line in outcome(made) if line.startswith(stream)}
    assert states == {"closed"}
    assert made.counts[f"{vendor} {stream}"] == 1


def test_amounts_are_kept_and_ids_fit_each_other(tmp_path: Path) -> None:
    program = program_of("ramp_to_quickbooks")
    with live(tmp_path / "live", program, {"ramp": RAMP}) as stage:
        stage.play()
        made = recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "c" / "f" / "mine")
    reads = json.loads((made.folder / "given" / "ramp.recorded.json").read_text(encoding="utf-8"))["reads"]
    vendors, bills = reads
    assert (vendors["stream"], bills["stream"], bills["filters"]) == ("vendors", "bills", {"sync_ready": True})
    (bill,) = bills["records"]
    assert bill["vendor"]["id"] == vendors["records"][0]["id"]
    assert bill["vendor"]["name"] == vendors["records"][0]["name"] == "Vendor 1"
    assert [line["amount"] for line in bill["line_items"]] == ["120.50", "9.50"]
    assert bill["amount"] == "130.00"
    assert bill["invoice_number"] != "CANARY-4711"
    assert len(bill["invoice_number"]) == len("CANARY-4711")
    assert outcome(made)[:2] == [
        # The company's QuickBooks had the vendor by then, so that the case's has it as well.
        "vendors Vendor 1: skipped",
        f"bills {bill['invoice_number']} | Vendor 1 | 2026-02-20 | 130.00 USD: closed",
    ]


def test_what_the_company_file_says_of_itself_comes_along(tmp_path: Path) -> None:
    program = program_of("ramp_to_quickbooks")
    for said, expected in (("CAD", ['settings: {"home_currency": "CAD"}']), ("USD", [])):
        with live(tmp_path / f"live {said}", program, {"ramp": RAMP}) as stage:
            stage.play()
            with stage.world.store.write() as tx:
                told.keep(tx, COMPANY, stage.world.at(), {"home_currency": Told(said, is_sure=True)})
            made = recording.record(
                stage.world, program, Wish(COMPANY, "vendors", 1), tmp_path / "c" / "f" / said.lower()
            )
        lines = (made.folder / "case.yaml").read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line.startswith("settings:")] == expected


def test_mappings_and_settings_of_the_company_come_along(tmp_path: Path) -> None:
    program = program_of("ramp_to_quickbooks")
    coded = {"amount": "9.50", "account": {"id": "ramp-gifts", "name": "Gifts to Quokka"}}
    given = {**RAMP, "bills": {"one": {**RAMP["bills"]["one"], "lines": [coded]}}}  # type: ignore[index]
    with live(tmp_path / "live", program, {"ramp": given}) as stage:
        stage.play()
        stage._map({"lookup": "account", "key": "ramp-gifts", "to": "Advertising"})
        stage._set({"ap_account": "Accounts Payable", "home_currency": "USD", "billable_jobs": True})
        with stage.world.store.write() as tx:
            # The company file's guess: what the company has set comes first.
            told.keep(tx, COMPANY, stage.world.at(), {"home_currency": Told("CAD", is_sure=False)})
        made = recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "c" / "f" / "mine")
    reads = json.loads((made.folder / "given" / "ramp.recorded.json").read_text(encoding="utf-8"))["reads"]
    key = reads[1]["records"][0]["line_items"][0]["accounting_field_selections"][0]["external_id"]
    books = json.loads((made.folder / "given" / "books.json").read_text(encoding="utf-8"))
    name = next(each["name"] for each in books["accounts"] if each["name"] != "Accounts Payable")
    vendor = reads[0]["records"][0]["id"]
    assert (made.folder / "case.yaml").read_text(encoding="utf-8").splitlines()[3:] == [
        'settings: {"ap_account": "Accounts Payable", "billable_jobs": true, "home_currency": "USD"}',
        "mappings:",
        # The flow has made this one when it posted the vendor.
        f'  - {{"lookup": "vendor", "key": "{vendor}", "to": "Vendor 1"}}',
        f'  - {{"lookup": "account", "key": "{key}", "to": "{name}"}}',
        "steps:",
        "  - cycle",
        "  - cycle",
    ]
    assert key != "ramp-gifts"
    assert outcome(made)[1].endswith(": closed")
    content = bytes_of(made.folder)
    assert [word for word in (*CANARIES, "ramp-gifts", "Gifts to", "Advertising") if word.encode() in content] == []


def test_amounts_are_scrubbed_so_that_sums_still_agree(tmp_path: Path) -> None:
    program = program_of("ramp_to_quickbooks")
    with live(tmp_path / "live", program, {"ramp": RAMP}) as stage:
        stage.play()
        wish = Wish(COMPANY, "bills", 1, factor=7)
        made = recording.record(stage.world, program, wish, tmp_path / "c" / "f" / "mine")
    reads = json.loads((made.folder / "given" / "ramp.recorded.json").read_text(encoding="utf-8"))["reads"]
    (bill,) = reads[1]["records"]
    assert [line["amount"] for line in bill["line_items"]] == ["843.50", "66.50"]
    assert bill["amount"] == "910.00"
    assert b"130.00" not in bytes_of(made.folder)


def test_a_secret_of_the_vault_in_a_memo_is_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of("ramp_to_quickbooks")
    with live(tmp_path / "live", program, {"ramp": RAMP}) as stage:
        stage.play()
        secret = next(iter(set(recording._secrets(stage.world)) - {base64.b64encode(stage.world.vault.key).decode()}))
        record = {"id": "b-1", "memo": f"use {secret} for it", "amount": "1.00"}
        monkeypatch.setattr("engine.previewing.worlds.live", lambda *_: [record])
        made = recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "c" / "f" / "mine")
    assert secret.encode() not in bytes_of(made.folder)
    reads = json.loads((made.folder / "given" / "ramp.recorded.json").read_text(encoding="utf-8"))["reads"]
    assert reads[-1]["records"][0]["memo"] == "scrubbed-secret-1"


@pytest.mark.parametrize("coded", [False, True])
def test_a_secret_that_would_still_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coded: bool
) -> None:
    program = program_of("ramp_to_quickbooks")
    with live(tmp_path / "live", program, {"ramp": RAMP}) as stage:
        stage.play()
        known = recording._secrets(stage.world)
        secret = next(text for text, where in known.items() if where.endswith("case/ramp"))
        shown = base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=") if coded else secret
        # A rule that was forgotten: every value is let through.
        monkeypatch.setattr("engine.golden.scrub.Scrubber.record", lambda _self, data, *_: dict(data))
        monkeypatch.setattr("engine.previewing.worlds.live", lambda *_: [{"id": "b-1", "x": shown}])
        with pytest.raises(WouldLeak) as caught:
            recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "c" / "f" / "mine")
    assert str(caught.value) == f"{known[secret]} would stand in given/ramp.recorded.json; nothing was written"
    assert secret not in f"{caught.value}{caught.value.hint}"
    assert not (tmp_path / "c").exists()


def test_a_person_s_data_that_a_rule_knew_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of("ramp_to_quickbooks")
    record = {"id": "b-1", "email": "zanzibar@canary.example", "code": "A", "quokka_zanzibar": True}
    with live(tmp_path / "live", program, {"ramp": RAMP}) as stage:
        stage.play()
        monkeypatch.setattr("engine.previewing.worlds.live", lambda *_: [record])
        monkeypatch.setattr(
            recording, "_case", lambda *_: CASE.format(steps="cycle").replace("A live", "zanzibar@canary.example")
        )
        with pytest.raises(WouldLeak) as caught:
            recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "c" / "f" / "mine")
    said = "a value that was taken for an e-mail address would stand in case.yaml; nothing was written"
    assert str(caught.value) == said


def test_nothing_to_record(tmp_path: Path) -> None:
    program = program_of("ramp_to_quickbooks")
    with live(tmp_path / "live", program, {"ramp": {}}) as stage, pytest.raises(NothingRecorded) as caught:
        recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "c" / "f" / "mine")
    assert str(caught.value) == "case: the sources of ramp_to_quickbooks list no record"


def test_a_case_is_never_written_over(tmp_path: Path) -> None:
    program = program_of("ramp_to_quickbooks")
    with live(tmp_path / "live", program, {"ramp": RAMP}) as stage:
        with pytest.raises(CaseThere):
            recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "live")
        with pytest.raises(NameUnfit):
            recording.record(stage.world, program, Wish(COMPANY, "bills", 1), tmp_path / "Live one")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"reads": 1}',
        '{"reads": [{"stream": "bills"}]}',
        '{"reads": [{"stream": 1, "filters": {}, "records": []}]}',
    ],
)
def test_a_recording_of_another_shape(tmp_path: Path, text: str) -> None:
    program = program_of("ramp_to_quickbooks")
    (tmp_path / "given").mkdir()
    (tmp_path / "case.yaml").write_text(CASE.format(steps="cycle"), encoding="utf-8")
    (tmp_path / "given" / "ramp.recorded.json").write_text(text, encoding="utf-8")
    with pytest.raises(CaseWrong) as caught:
        load_case(tmp_path, program.flow)
    where = tmp_path / "given" / "ramp.recorded.json"
    assert str(caught.value) == f'{where}: must be {{"reads": [{{"stream", "filters", "records"}}]}}'


def test_a_recorded_stream_that_nothing_reads_fails(tmp_path: Path) -> None:
    program = program_of("ramp_to_quickbooks")
    folder = tmp_path / "f" / "unread"
    (folder / "given").mkdir(parents=True)
    (folder / "case.yaml").write_text(CASE.format(steps="cycle"), encoding="utf-8")
    reads = {"reads": [{"stream": "bills", "filters": {"sync_ready": False}, "records": []}]}
    (folder / "given" / "ramp.recorded.json").write_text(json.dumps(reads), encoding="utf-8")
    assert check(folder, program, update=True).problems == ("ramp: the recorded bills were never read",)
