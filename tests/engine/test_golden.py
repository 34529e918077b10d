"""The harness of golden cases: what it compares, what it refuses, what it prints."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli import common
from engine.cli.test import command
from engine.errors import UsageError
from engine.golden.case import CaseWrong, find_folders, load_case
from engine.golden.compare import UpdateRefused, check, chooser
from engine.program import FlowProgram
from tests.reference import ROOT

FLOW = "ramp_to_quickbooks"
HAPPY = ROOT / "tests" / "flows" / FLOW / "happy_path"
REFUSED = ROOT / "tests" / "flows" / FLOW / "refused_by_quickbooks"


@pytest.fixture(scope="module")
def program() -> FlowProgram:
    return common.program(str(ROOT / "flows" / f"{FLOW}.yaml"))


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the happy path that a test may spoil."""
    monkeypatch.delenv("CI", raising=False)
    return Path(shutil.copytree(HAPPY, tmp_path / "cases" / FLOW / "happy_path"))


def run(cases: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--cases", str(cases), *arguments], standalone_mode=False)


def spoil(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


# --- comparing --------------------------------------------------------------------------------------------------------


def test_a_case_as_it_is_passes(case: Path, program: FlowProgram) -> None:
    assert check(case, program).problems == ()


def test_a_wrong_amount_shows_in_words_and_as_a_unified_diff(case: Path, program: FlowProgram) -> None:
    spoil(case / "expected" / "05-BillAddRq.xml", "<Amount>1050.00</Amount>", "<Amount>1050.01</Amount>")
    (problem,) = check(case, program).problems
    lines = problem.splitlines()
    assert lines[:4] == [
        f"{FLOW}/happy_path/expected/05-BillAddRq.xml:",
        "  BillAddRq/BillAdd/ExpenseLineAdd/Amount: expected 1050.01, got 1050.00",
        f"--- {FLOW}/happy_path/expected/05-BillAddRq.xml",
        f"+++ {FLOW}/happy_path/expected/05-BillAddRq.xml as it came out",
    ]
    assert [line for line in lines[4:] if line.startswith(("-", "+"))] == [
        "-          <Amount>1050.01</Amount>",
        "+          <Amount>1050.00</Amount>",
    ]


def test_a_missing_and_a_surplus_file_both_fail(case: Path, program: FlowProgram) -> None:
    (case / "expected" / "outcome.txt").unlink()
    (case / "expected" / "09-BillAddRq.xml").write_text("<QBXML/>\n", encoding="utf-8")
    surplus, missing = check(case, program).problems
    assert surplus.splitlines() == [
        f"--- {FLOW}/happy_path/expected/09-BillAddRq.xml",
        "+++ nothing came out",
        "@@ -1 +0,0 @@",
        "-<QBXML/>",
    ]
    assert missing.splitlines()[:2] == [
        "--- no such file is expected",
        f"+++ {FLOW}/happy_path/expected/outcome.txt as it came out",
    ]


def test_a_given_file_that_nothing_reads_fails(case: Path, program: FlowProgram) -> None:
    (case / "given" / "rmap.json").write_text("{}", encoding="utf-8")
    (problem,) = check(case, program).problems
    assert problem.splitlines() == [
        f"{case / 'given' / 'rmap.json'}: is never read",
        "  hint: it is read when it is one of: ramp.json, books.json, or an answer such as 02-BillAddRs.xml",
    ]


def test_what_is_wrong_in_a_given_file_is_said_with_its_place(case: Path, program: FlowProgram) -> None:
    given = case / "given" / "ramp.json"
    given.write_text('{\n  "vendrs": {}\n}\n', encoding="utf-8")
    (problem,) = check(case, program).problems
    assert problem.splitlines()[0] == f"{given}:2:3: there is no part of ramp `vendrs`"
    bought = {"merchant": "Cafe", "amount": "5.00", "on": "2026-02-27", "account": "Ofice Supplies"}
    given.write_text(json.dumps({"transactions": {"tea": bought}}), encoding="utf-8")
    (problem,) = check(case, program).problems
    said, hint = problem.splitlines()
    assert said.startswith(f"{given}:1:")
    assert said.endswith(": among the accounts there is no `Ofice Supplies`")
    assert hint.startswith("  hint: did you mean `Office Supplies`? known: ")


def test_a_scripted_answer_that_is_never_asked_for_fails(case: Path, program: FlowProgram) -> None:
    shutil.copy(REFUSED / "given" / "01-BillAddRs.xml", case / "given" / "07-BillAddRs.xml")
    assert check(case, program).problems == ("books: 07-BillAddRs was planned and never happened",)


def test_a_fault_that_never_happens_fails(case: Path, program: FlowProgram) -> None:
    spoil(case / "case.yaml", "  - cycle\n", "  - cycle\n  - fault: {name: answer_lost, at: CheckAddRq}\n")
    assert check(case, program).problems == ("books: fault answer_lost was planned and never happened",)


def test_the_same_case_gives_the_same_files_every_time(case: Path, program: FlowProgram) -> None:
    shutil.rmtree(case / "expected")
    written = check(case, program, update=True).updated
    assert written == (
        "01-VendorQueryRq.xml",
        "02-VendorAddRq.xml",
        "03-BillQueryRq.xml",
        "04-CreditCardChargeQueryRq.xml",
        "05-BillAddRq.xml",
        "journal.jsonl",
        "marks.json",
        "outcome.txt",
        "session.txt",
    )
    for name in written:
        assert (case / "expected" / name).read_bytes() == (HAPPY / "expected" / name).read_bytes()


def test_update_removes_what_no_longer_comes_out(case: Path, program: FlowProgram) -> None:
    (case / "expected" / "09-BillAddRq.xml").write_text("<QBXML/>\n", encoding="utf-8")
    assert check(case, program, update=True).updated == ("09-BillAddRq.xml",)
    assert check(case, program).ok


def test_update_is_refused_in_ci(case: Path, program: FlowProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    spoil(case / "expected" / "session.txt", "session 1: done", "session 1: gone")
    with pytest.raises(UpdateRefused, match="--update is refused because CI is set"):
        check(case, program, update=True)
    assert "session 1: gone" in (case / "expected" / "session.txt").read_text(encoding="utf-8")


# --- aiming -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a case whose bills go out as one, two and four; the fifth of them is refused."""
    monkeypatch.delenv("CI", raising=False)
    cases = ROOT / "tests" / "flows" / FLOW
    return Path(shutil.copytree(cases / "several_in_one_set", tmp_path / "cases" / FLOW / "several"))


def bills_of(case: Path) -> dict[str, str]:
    """The state of each bill, from how everything ended."""
    outcome = (case / "expected" / "outcome.txt").read_text(encoding="utf-8")
    found = re.findall(r"^  bills (\S+) .*: (\w+)$", outcome, re.MULTILINE)
    return dict(found)


def test_an_answer_is_to_one_request_and_quickbooks_answers_the_others_of_the_set(
    several: Path, program: FlowProgram
) -> None:
    given = several / "given"
    (given / "05-BillAddRs.xml").rename(given / "06-BillAddRs.xml")
    assert check(several, program, update=True).problems == ()
    others = {f"A-{number}": "closed" for number in (180, 181, 182, 183, 184, 186)}
    assert bills_of(several) == {**others, "A-185": "failed"}


def test_answers_to_a_whole_set_leave_nothing_for_quickbooks(several: Path, program: FlowProgram) -> None:
    refusal = (several / "given" / "05-BillAddRs.xml").read_text(encoding="utf-8")
    (several / "given" / "02-BillAddRs.xml").write_text(refusal, encoding="utf-8")
    (several / "given" / "03-BillAddRs.xml").write_text(refusal, encoding="utf-8")
    assert check(several, program, update=True).problems == ()
    assert [name for name, state in bills_of(several).items() if state == "failed"] == ["A-181", "A-182", "A-184"]


@pytest.mark.parametrize(("number", "sent"), [(1, ["A-180"]), (2, ["A-181", "A-182"])])
def test_a_fault_strikes_the_set_that_it_is_aimed_at(
    several: Path, program: FlowProgram, number: int, sent: list[str]
) -> None:
    (several / "given" / "05-BillAddRs.xml").unlink()
    fault = f"  - fault: {{name: answer_lost, at: BillAddRq, number: {number}}}\n  - cycle\n"
    spoil(several / "case.yaml", "  - cycle\n  - cycle\n", fault)
    assert check(several, program, update=True).problems == ()
    assert [name for name, state in bills_of(several).items() if state == "sent"] == sent


def test_a_look_keeps_how_everything_stands_then(case: Path, program: FlowProgram) -> None:
    spoil(case / "case.yaml", "  - cycle", "  - look\n  - cycle\n  - look")
    assert check(case, program, update=True).updated == ("look-1.txt", "look-2.txt")
    looks = [(case / "expected" / f"look-{number}.txt").read_text(encoding="utf-8") for number in (1, 2)]
    assert looks[0].splitlines()[:2] == ["records:", "  none"]
    assert looks[1] == (case / "expected" / "outcome.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "request_"),
    [
        ("card_posts_as: journal_entry, 'card_posts_as[USD]': credit_card", "CreditCardChargeAddRq"),
        ("'card_posts_as[USD]': journal_entry", "JournalEntryAddRq"),
        ("'card_posts_as[EUR]': journal_entry", "CreditCardChargeAddRq"),
    ],
)
def test_a_case_may_set_for_a_scope(case: Path, tmp_path: Path, given: str, request_: str) -> None:
    flow = tmp_path / f"{FLOW}.yaml"
    text = (ROOT / "flows" / f"{FLOW}.yaml").read_text(encoding="utf-8")
    flow.write_text(text.replace("setting('card_posts_as')", "setting('card_posts_as', currency)"), encoding="utf-8")
    spoil(case / "case.yaml", "seed: 1\n", f"seed: 1\nsettings: {{{given}}}\n")
    assert check(case, common.program(str(flow)), update=True).problems == ()
    sent = "".join(path.read_text(encoding="utf-8") for path in (case / "expected").glob("*Rq.xml"))
    assert [name for name in ("CreditCardChargeAddRq", "JournalEntryAddRq") if f"<{name} " in sent] == [request_]


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "message", "hint"),
    [
        (
            "  - cycle",
            "  - deliver: books2",
            "5:14: there is no connection `books2`",
            "did you mean `books`? known: books, ramp",
        ),
        (
            "  - cycle",
            "  - deliver: {from: ramp, how: twice}",
            "5:32: there is no way `twice`",
            "known: again, due, forged, reversed",
        ),
        ("seed: 1", "seed: one", "3:7: `seed` must be a whole number", None),
        (
            "seed: 1",
            "seeds: 1",
            "3:1: there is no key `seeds`",
            "did you mean `seed`? known: case, clock, mappings, seed, settings, steps",
        ),
        (
            "clock: 2026-03-02T14:00:00Z",
            "clock: noon",
            "2:8: `noon` is no time",
            "write it like 2026-03-02T14:00:00Z",
        ),
        (
            "  - cycle",
            "  - cycles",
            "5:5: there is no step `cycles`",
            "did you mean `cycle`? known: cycle, look, run, session, tell",
        ),
        (
            "  - cycle",
            "  - rmap: {export: [valves]}",
            "5:5: there is no step `rmap`",
            "did you mean `map`? known: books, clock, decide, deliver, fault, map, ramp, retry, set",
        ),
        (
            "  - cycle",
            "  - map: {lookup: vendors, key: a, to: b}",
            "5:10: there is no lookup `vendors`",
            "did you mean `vendor`? known: account, class, customer, vendor",
        ),
        (
            "  - cycle",
            "  - set: {create_vendor: false}",
            "5:11: there is no setting `create_vendor`",
            "did you mean `create_vendors`? known: ap_account, bank_account, billable_jobs, card_account, card_posts_as, create_vendors, home_currency, unstated_approval",
        ),
        (
            "  - cycle",
            "  - set: {'create_vendor[P1]': false}",
            "5:12: there is no setting `create_vendor`",
            "did you mean `create_vendors`? known: ap_account, bank_account, billable_jobs, card_account, card_posts_as, create_vendors, home_currency, unstated_approval",
        ),
        (
            "  - cycle",
            "  - retry: {record: GP-2201}",
            "5:12: `retry` must say what was found",
            "write `there: ID` or `not_there: true`",
        ),
        (
            "  - cycle",
            "  - decide: {post_agian: all}",
            "5:14: there is no decision `post_agian`",
            "did you mean `post_again`? known: leave_out, post_again",
        ),
        ("steps:\n  - cycle", "steps: []", "1:1: `steps` must be a list with something in it", None),
    ],
)
def test_what_is_wrong_in_a_case_is_said_with_its_place(
    case: Path, program: FlowProgram, before: str, after: str, message: str, hint: str | None
) -> None:
    spoil(case / "case.yaml", before, after)
    with pytest.raises(CaseWrong) as caught:
        load_case(case, program.flow)
    assert str(caught.value) == f"{case / 'case.yaml'}:{message}"
    assert caught.value.hint == hint


def test_webhooks_arrive_as_they_come_again_and_forged(case: Path, program: FlowProgram) -> None:
    given = json.loads((case / "given" / "ramp.json").read_text(encoding="utf-8"))
    (case / "given" / "ramp.json").write_text(json.dumps({**given, "webhooks": True}), encoding="utf-8")
    bought = '{merchant: Cafe, amount: "5.00", on: "2026-02-27", account: "Travel:Meals"}'
    steps = [
        f"ramp: {{add: {{transactions: {{tea: {bought}}}}}}}",
        *("deliver: {from: ramp, how: reversed}", "deliver: {from: ramp, how: again}"),
        *("deliver: {from: ramp, how: forged}", "deliver: ramp", "deliver: books"),
    ]
    spoil(case / "case.yaml", "  - cycle", "\n".join(f"  - {step}" for step in steps[:-1]))
    assert check(case, program, update=True).problems == ()
    kinds = ("transactions.ready_to_sync", "transactions.cleared")
    assert (case / "expected" / "session.txt").read_text(encoding="utf-8").splitlines() == [
        *(f"webhook {kind}: 200" for kind in kinds * 2),
        f"webhook {kinds[1]}: 401",
    ]
    spoil(case / "case.yaml", "  - deliver: ramp", "  - deliver: books")
    (problem,) = check(case, program).problems
    assert problem == f"{case / 'case.yaml'}:9:5: the simulator of `books` sends no webhooks"


def test_a_step_that_cannot_be_taken_is_named(case: Path, program: FlowProgram) -> None:
    spoil(case / "case.yaml", "  - cycle", "  - ramp: {pay_bill: {bill: pumps, on: 2026-03-01}}")
    assert check(case, program).problems == (
        f"{case / 'case.yaml'}:5:12: there is no bill `pumps`\n  hint: known: valves",
    )


@pytest.mark.parametrize(
    ("step", "message", "hint"),
    [
        ("retry: GP-2201", "no failed or deferred record is called `GP-2201`", "give its reference or its source id"),
        (
            "retry: {record: GP-2201, not_there: true}",
            "no unknown record is called `GP-2201`",
            "give its reference or its source id",
        ),
        (
            "decide: {leave_out: [GP-2201]}",
            "no vanished record is called `GP-2201`",
            "give its reference or its source id",
        ),
    ],
)
def test_a_decision_about_a_record_that_waits_for_none(
    case: Path, program: FlowProgram, step: str, message: str, hint: str
) -> None:
    spoil(case / "case.yaml", "  - cycle", f"  - cycle\n  - {step}")
    assert check(case, program).problems == (f"{case / 'case.yaml'}:6:5: {message}\n  hint: {hint}",)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("restore: friday", "there is no backup `friday`\n  hint: known: monday"),
        (
            "enter_bill: {vendor: Nobody, amount: '1.00', account: Rent}",
            (
                'the bill cannot be entered: There is an invalid reference to QuickBooks Vendor "Nobody" in the Bill.  '
                "QuickBooks error message: Invalid argument.  The specified record does not exist in the list.\n"
                "  hint: correct the case"
            ),
        ),
        (
            "enter_bill: {vendors: Nobody}",
            (
                "there is no part of a bill `vendors`\n"
                "  hint: did you mean `vendor`? known: account, amount, date, memo, number, vendor"
            ),
        ),
        (
            "fault: {name: answer_lost, number: 2, on: BillAddRq}",
            "there is no part of a fault `on`\n  hint: known: at, name, number",
        ),
    ],
)
def test_what_cannot_happen_in_the_books(case: Path, program: FlowProgram, action: str, message: str) -> None:
    spoil(case / "case.yaml", "  - cycle", f"  - books: {{backup: monday}}\n  - books: {{{action}}}")
    (problem,) = check(case, program).problems
    assert problem.partition(": ")[2] == message


def test_an_unknown_part_of_given_is_named(case: Path, program: FlowProgram) -> None:
    spoil(case / "given" / "ramp.json", '"invoice"', '"invoce"')
    (problem,) = check(case, program).problems
    where = case / "given" / "ramp.json"
    assert problem.splitlines()[0] == f"{where}:6:7: there is no part of bills.valves `invoce`"


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_a_line_a_case_and_a_summary(case: Path) -> None:
    result = run(case.parent.parent)
    assert (result.return_value, result.output) == (0, f"ok {FLOW}/happy_path\n1 passed, 0 failed\n")


def test_the_command_ends_with_1_and_the_diff_when_a_case_fails(case: Path) -> None:
    spoil(case / "expected" / "session.txt", "session 1: done", "session 1: gone")
    result = run(case.parent.parent, FLOW)
    lines = result.output.splitlines()
    assert result.return_value == 1
    assert lines[0] == f"FAILED {FLOW}/happy_path: 1 problem"
    assert lines[1:3] == [
        f"--- {FLOW}/happy_path/expected/session.txt",
        f"+++ {FLOW}/happy_path/expected/session.txt as it came out",
    ]
    assert lines[-1] == "0 passed, 1 failed"


def test_the_command_updates(case: Path) -> None:
    spoil(case / "expected" / "session.txt", "session 1: done", "session 1: gone")
    result = run(case.parent.parent, "--update")
    assert result.output == f"ok {FLOW}/happy_path: wrote session.txt\n1 passed, 0 failed\n"
    assert (case / "expected" / "session.txt").read_bytes() == (HAPPY / "expected" / "session.txt").read_bytes()


def test_the_command_speaks_json(case: Path) -> None:
    result = run(case.parent.parent, "--format", "json")
    shown = {"case": f"{FLOW}/happy_path", "ok": True, "problems": [], "updated": []}
    assert json.loads(result.output) == {"passed": 1, "failed": 0, "cases": [shown]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ramp_to_quickboks",), "there are no cases of `ramp_to_quickboks` in {cases}"),
        (("-k", "nothing_like_it"), "no case in {cases} fits"),
        (("-k", "refund and"), "-k refund and: not understood"),
    ],
)
def test_the_command_does_not_start_without_a_case(case: Path, arguments: tuple[str, ...], message: str) -> None:
    cases = case.parent.parent
    result = run(cases, *arguments)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == message.format(cases=cases)


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("refund", {"refund"}),
        ("paid", {"paid_bill", "partially_paid_bill"}),
        ("paid and not partially", {"paid_bill"}),
        ("not paid", {"refund"}),
        ("refund or partially", {"refund", "partially_paid_bill"}),
        ("PAID_BILL", {"paid_bill", "partially_paid_bill"}),
    ],
)
def test_cases_are_chosen_by_parts_of_their_names(expression: str, chosen: set[str]) -> None:
    names = {"refund", "paid_bill", "partially_paid_bill"}
    assert {name for name in names if chooser(expression)(f"{FLOW}/{name}")} == chosen


def test_folders_without_a_case_file_are_no_cases(case: Path) -> None:
    (case.parent / "notes").mkdir()
    assert list(find_folders(case.parent.parent)) == [case]
