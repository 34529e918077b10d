"""Coverage of a flow by its cases: exactly what is touched, and where what is not stands in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli import common
from engine.golden.compare import check
from engine.golden.coverage import Coverage, statuses
from engine.golden.covertext import lines as lines_of
from engine.program import compile_flow
from tests.reference import ROOT

FLOW = """flow: small
version: 1
describe: Bills of Ramp become bills in QuickBooks.
connections:
  ramp: {connector: ramp}
  books: {connector: qbwc}
settings:
  loud: {type: boolean, default: false, help: Shout}
lookups:
  vendor: {target: books.Vendor, match: [mapped, exact_name]}
  account: {target: books.Account, match: [exact_name]}
define:
  gl: accounting_field_selections[0].name
streams:
  bills:
    trigger: {every: 1h}
    fetch: {from: ramp, stream: bills, with: {sync_ready: true}}
    key: id
    select:
      - {only: "approval_status == 'APPROVED'", say: it is not approved}
    map:
      vendor: lookup('vendor', vendor.id, vendor.name)
      ap_account: find('account', 'ap', 'Accounts Payable')
      date: date(accounting_date || issued_at)
      due: date(due_at)
      reference: limit(invoice_number, `20`)
      memo: >-
        limit((setting('loud') && upper(memo))
        || memo
        || 'no memo', `4095`)
      lines: >-
        line_items[].{account: lookup('account', gl(@), gl(@)), amount: money(amount), memo: limit(memo, `4095`),
        class: `null`, customer: `null`, billable: `null`}
    check:
      - {expect: "length(lines) > `0`", say: it has no lines}
    write: {to: books, request: BillAdd, template: bill_add.xml.j2}
"""
BILL = {"vendor": "acme", "invoice": "A-1", "issued": "2026-02-20", "due": "2026-03-01"}
LINE = {"amount": "1.00", "account": "Rent"}


def case(folder: Path, bills: dict[str, object], steps: str = "cycle") -> Path:
    (folder / "given").mkdir(parents=True)
    (folder / "case.yaml").write_text(
        f"case: A case.\nclock: 2026-03-02T14:00:00Z\nseed: 1\nsteps: [{steps}]\n", encoding="utf-8"
    )
    given = {"vendors": {"acme": {"name": "Acme Supply"}, "odd": {"name": "Odd One"}}, "bills": bills}
    (folder / "given" / "ramp.json").write_text(json.dumps(given), encoding="utf-8")
    return folder


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(tmp_path)
    path = Path("small.yaml")
    path.write_text(FLOW, encoding="utf-8")
    return path


def coverage_of(flow: Path, *folders: Path) -> Coverage:
    coverage = Coverage(common.program(str(flow)).flow)
    for folder in folders:
        assert check(folder, coverage.program, update=True, seen=coverage.see).problems == ()
    return coverage


def test_nothing_is_touched_without_a_case(flow: Path) -> None:
    coverage = coverage_of(flow)
    assert coverage.percent == 0.0
    assert not any(coverage.points.values())


def test_what_one_case_touches_and_where_the_rest_stands(flow: Path) -> None:
    one = case(Path("cases/small/one"), {"b": {**BILL, "memo": "Paper", "lines": [LINE]}})
    coverage = coverage_of(flow, one)
    *lines, never = lines_of(coverage)
    assert lines == [
        "coverage of small: 46.2 %",
        "stream      rules  conditions  branches  lookups  requests  paths  answers    all",
        "(the flow)    1/1           -         -      2/7         -      -      1/7   4/15",
        "bills         7/7         2/4       3/7        -       1/1    1/5        -  14/24",
        "all           8/8         2/4       3/7      2/7       1/1    1/5      1/7  18/39",
        "no case touches these 21:",
        "small.yaml:5:3: `ramp` fails (5xx)",
        "small.yaml:5:3: `ramp` gives no answer",
        "small.yaml:5:3: `ramp` has no such object (404)",
        "small.yaml:5:3: `ramp` is asked too often (429)",
        "small.yaml:5:3: `ramp` refuses a call (other 4xx)",
        "small.yaml:5:3: `ramp` refuses the credentials (401, 403)",
        "small.yaml:10:3: `vendor` is ambiguous: several have the name",
        "small.yaml:10:3: `vendor` is found by mapped",
        "small.yaml:10:3: `vendor` is missing",
        "small.yaml:11:3: `account` is ambiguous: several have the name",
        "small.yaml:11:3: `account` is missing",
        "small.yaml:15:3: bills: a record waits: something is missing",
        "small.yaml:15:3: bills: an answer of the target is lost",
        "small.yaml:15:3: bills: the target refuses a record",
        "small.yaml:15:3: bills: what was posted is gone from the target",
        "small.yaml:20:17: bills: it is not approved: leaves a record out",
        "small.yaml:24:37: bills: `issued_at` is taken for want of the value before it",
        "small.yaml:28:16: bills: `setting('loud') && upper(memo)` is taken",
        "small.yaml:28:35: bills: `upper(memo)` is reached",
        "small.yaml:30:12: bills: `'no memo'` is taken for want of the value before it",
        "small.yaml:35:19: bills: it has no lines: fails a record",
        "answers of books that cases met, 1 of 34 that it may give (not counted above):",
        "  met: 0",
    ]
    assert never.startswith("  never: 1 to 549; ")


def test_two_cases_touch_more_than_one(flow: Path) -> None:
    one = case(Path("cases/small/one"), {"b": {**BILL, "memo": "Paper", "lines": [LINE]}})
    two = case(Path("cases/small/two"), {"b": {**BILL, "vendor": "odd", "lines": [LINE]}})
    both, single = coverage_of(flow, one, two), coverage_of(flow, one)
    assert {point for point, hit in single.points.items() if hit} < {p for p, hit in both.points.items() if hit}
    assert sorted(p.what for p, hit in both.points.items() if hit and not single.points[p]) == [
        "`'no memo'` is taken for want of the value before it",
        "`vendor` is missing",
        "a record waits: something is missing",
    ]


def test_the_same_files_come_out_with_and_without_coverage() -> None:
    folder = ROOT / "tests" / "flows" / "ramp_to_quickbooks" / "refund"
    coverage = Coverage(common.program(str(ROOT / "flows" / "ramp_to_quickbooks.yaml")).flow)
    assert check(folder, coverage.program, seen=coverage.see).problems == ()
    touched = {point.what for point, hit in coverage.points.items() if hit}
    assert "CreditCardCreditAdd is made" in touched
    assert "CreditCardChargeAdd is made" not in touched


def test_a_normal_program_holds_no_trace_of_a_watch(flow: Path) -> None:
    program = compile_flow(common.program(str(flow)).flow)
    names = program.streams[0].map.__code__.co_names  # type: ignore[attr-defined]  # a function that was made
    watched = coverage_of(flow).program.streams[0].map.__code__.co_names  # type: ignore[attr-defined]
    assert {"hit", "told", "heard"} & set(names) == set()
    assert {"hit", "told", "heard"} <= set(watched)


def test_answers_of_the_target_are_listed_beside_it() -> None:
    folder = ROOT / "tests" / "flows" / "ramp_to_quickbooks" / "refused_by_quickbooks"
    coverage = Coverage(common.program(str(ROOT / "flows" / "ramp_to_quickbooks.yaml")).flow)
    check(folder, coverage.program, seen=coverage.see)
    assert [each.code for each in statuses(coverage) if each.met] == ["0", "3210"]
    lines = list(lines_of(coverage))
    assert lines[-3:-1] == [
        "answers of books that cases met, 2 of 34 that it may give (not counted above):",
        "  met: 0; 3210",
    ]
