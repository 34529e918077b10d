"""One mistake in a sound flow is one problem: at the very character, with its code, and with what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from engine.diagnostics import Diagnostic
from engine.flowlang.flowfile import parse_flow, read_flow
from engine.lints.entries import written_at
from engine.mapping import catalogue
from engine.mapping.syntax import parse
from engine.validate import check_loaded
from tests.validate.corpus import BAD, HERE, world

FULL = (HERE / "good" / "full.yaml").read_text(encoding="utf-8")
CARET = "‸"
FUNCTIONS = ", ".join(sorted((*catalogue.FUNCTIONS, "payee"))[:30]) + ", ..."


class Mistake(NamedTuple):
    """What is written instead of what; the caret stands before the character that the problem must name."""

    name: str
    right: str
    wrong: str
    code: str
    hint: str


MISTAKES = (
    Mistake("tab", "    key: id\n    about", "‸\tkey: id\n    about", "F002", "use spaces"),
    Mistake("list never closed", "list_id, exact_name]}", "list_id, exact_name‸}", "F002", "add ] before this }"),
    Mistake("key twice", "    key: id\n    phase", "    key: id\n    ‸key: id\n    phase", "F003", "remove or rename one of the two `key`"),
    Mistake("optional key", "phase: post", "‸phsae: post", "F010", "did you mean `phase`? known: about, adopt, after, check, fetch, key, map, mark_synced, phase, provide, select, trigger, when, write"),
    Mistake("needed key", "    key: id\n    phase", "    ‸kye: id\n    phase", "F010", "did you mean `key`? known: about, adopt, after, check, fetch, key, map, mark_synced, phase, provide, select, trigger, when, write"),
    Mistake("missing key", "ramp: {connector: ramp}", "‸ramp: {}", "F011", "The connector that fills this role; `flowctl connectors` lists them. Write it like this: connector: ramp"),
    Mistake("connector", "connector: ramp}", "connector: ‸rampp}", "F012", "did you mean `ramp`? known: broken, qbwc, ramp"),
    Mistake("wrong type", "after: [vendors]", "after: ‸vendors", "F013", "write it like this: after: [vendors]"),
    Mistake("quoted number", "version: 1", "version: '‸1'", "F013", "write it like this: version: 1"),
    Mistake("number for an expression", "key: id\n    phase", "key: ‸7\n    phase", "F013", 'write it like this: key: "`7`"'),
    Mistake("word for a boolean", "default: true", "default: ‸yes", "F035", "write true or false, without quotes"),
    Mistake("word of a list", "list_id, exact_name", "list_id, ‸exactname", "F014", "did you mean `exact_name`? known: exact_name, list_id, mapped, number"),
    Mistake("duration", "every: 1h", "every: ‸1 hour", "F016", "did you mean `1h`? write a number and s, m, h or d: 30m, 6h, 1d"),
    Mistake("connection", "write: {to: books", "write: {to: ‸boks", "F021", "did you mean `books`? known: books, ramp"),
    Mistake("stream", "from: ramp, stream: bills", "from: ramp, stream: ‸bill", "F023", "did you mean `bills`? known: bills, vendors"),
    Mistake("filter", "sync_ready: true", "‸sync_redy: true", "F024", "did you mean `sync_ready`? known: sync_ready"),
    Mistake("value of a filter", "sync_ready: true", "sync_ready: ‸on", "F025", "write true or false, without quotes"),
    Mistake("list", "books.Vendor", "books.‸Vendr", "F026", "did you mean `Vendor`? known: Account, Charge, Terms, Vendor"),
    Mistake("stream to come after", "after: [vendors]", "after: [‸vendor]", "F027", "did you mean `vendors`? known: vendors"),
    Mistake("circle", "  vendors:\n", "  vendors:\n    after: ‸[bills]\n", "F028", "take one of these names out of its `after`"),
    Mistake("event", "bills.approved", "‸bills.aproved", "F029", "did you mean `bills.approved`? known: bills.approved, bills.paid, vendors.updated"),
    Mistake("mark", "as: BILL_SYNC", "as: ‸BIL_SYNC", "F030", "did you mean `BILL_SYNC`? known: BILL_SYNC, QUIET_SYNC"),
    Mistake("request", "request: BillAdd", "request: ‸BilAdd", "F031", "did you mean `BillAdd`? known: BillAdd, BillMod, NotePost, NotePut, TxnVoid, VendorAdd, VendorMod"),
    Mistake("template", "template: bill_add.xml.j2", "template: ‸bil_add.xml.j2", "F033", "did you mean `bill_add.xml.j2`? known: bill_add.xml.j2, bill_mod.xml.j2, vendor_add.xml.j2"),
    Mistake("entry of a map", "      reference: limit", "      ‸refrence: limit", "F034", "did you mean `reference`? no template uses `refrence`"),
    Mistake("lookup to provide for", "provide: {lookup: vendor", "provide: {lookup: ‸vendr", "F036", "did you mean `vendor`? known: vendor"),
    Mistake("too long", '"limit(name, `41`)"', "‸name", "F060", "shorten it, for example with limit(..., `41`)"),
    Mistake("syntax in a plain text", "money(amount)\n      lines", "money(amount‸\n      lines", "E101", "add ) at the end"),
    Mistake("number without backticks", '"limit(name, `41`)"', '"limit(name, ‸41)"', "E101", "write numbers in backticks: `41`"),
    Mistake("no quotes around commas", "payee(@)", "‸not_null(id, status, id)", "F002", 'inside { }, put the whole expression in double quotes: "not_null(id, status, id)"'),
    Mistake("one equals sign", "status == 'OPEN'", "status ‸= 'OPEN'", "E101", "write == to compare"),
    Mistake("and", "currency == setting('home_currency')", "currency == 'USD' ‸and status == 'OPEN'", "E101", "write && for `and`"),
    Mistake("syntax in a folded text", "          memo: memo}", "          memo: ‸, }", "E101", "remove it: no value follows"),
    Mistake("function", "money(amount)\n      lines", "‸mony(amount)\n      lines", "E103", f"did you mean `money`? known: {FUNCTIONS}"),
    Mistake("function in a folded text", "          amount: money(amount),", "          amount: ‸monye(amount),", "E103", f"did you mean `money`? known: {FUNCTIONS}"),
    Mistake("arguments", "date(issued_at)\n      due", "‸date()\n      due", "E104", "call it as date(text)"),
    Mistake("setting", "setting('home_currency')", "setting(‸'home_curency')", "E105", "did you mean `home_currency`? known: create_vendors, days, home_currency, posts_as"),
    Mistake("lookup", "lookup('vendor', vendor.id", "lookup(‸'vender', vendor.id", "E106", "did you mean `vendor`? known: vendor"),
    Mistake("lookup in single quotes", "lookup('vendor', vendor.id, vendor.name)", "'lookup(‸''vender'', vendor.id)'", "E106", "did you mean `vendor`? known: vendor"),
    Mistake("name without quotes", "lookup('vendor', vendor.id", "lookup(‸vendor, vendor.id", "E108", "write 'vendor'"),
    Mistake("stream in an expression", "payee(@)", "\"posted(‸'vendor', id).ListID\"", "E107", "did you mean `vendors`? known: bills, vendors"),
    Mistake("define in itself", "payee: vendor.name", "payee: ‸payee(@)", "E109", "write out what it is to compute, without itself"),
    Mistake("field of the source", "amount: money(amount)\n", "amount: money(‸amuont)\n", "E111", "did you mean `amount`? known: amount, currency, id, invoice_number, issued_at, line_items, status, vendor"),
    Mistake("field of an object", "vendor.id, vendor.name", "vendor.id, vendor.‸nmae", "E111", "did you mean `name`? known: id, name"),
    Mistake("field that is deeper", 'map: {name: "limit(name', 'map: {name: "limit(‸vendor_name', "E111", "known: id, is_active, name"),
    Mistake("field in a folded text", "          memo: memo}", "          memo: ‸mmeo}", "E111", "did you mean `memo`? known: amount, memo"),
    Mistake("field of the record, in a line", "          memo: memo}", "          memo: ‸invoice_number}", "E111", "the source record has it: write root().invoice_number, or add it to what is read here"),
    Mistake("field in an object that holds it", "payee: vendor.name", "payee: ‸name", "E111", "it is in `vendor`: write vendor.name"),
    Mistake("field of a check", "sum_money(lines[].amount) ==", "sum_money(lines[].‸amont) ==", "E111", "did you mean `amount`? known: amount, memo"),
    Mistake("field after an escape", '"limit(name, `41`)"', '"limit(join(\'\\u0020\', [‸nmae || \'\']), `41`)"', "E111", "did you mean `name`? known: id, is_active, name"),
    Mistake("double quotes around a text", "status == 'OPEN'\", say", 'status == ‸\\"OPEN\\"", say', "E111", "double quotes name a field; write a text in single quotes: 'OPEN'"),
    Mistake("list walked that is none", "sum_money(lines[].amount) ==", "sum_money(‸amount[].x) ==", "E111", "remove the [ ] after it"),
    Mistake("text for money", "amount: money(amount)\n", "amount: money(‸invoice_number)\n", "E112", "give a field that holds money: amount"),
    Mistake("object for a text", "limit(invoice_number, `20`)", "limit(‸vendor, `20`)", "E112", "read one of its fields: id, name"),
    Mistake("value it never has", "status == 'OPEN'", "status == ‸'open'", "E113", "did you mean `OPEN`? it is one of: OPEN, PAID"),
    Mistake("amount that is text", "status == 'OPEN'", "‸amount == `5`", "E114", "wrap it in money(...)"),
)  # fmt: skip


def checked(text: str, folder: Path = HERE / "good") -> list[Diagnostic]:
    with world():
        return check_loaded(parse_flow(text.encode(), str(folder / "f.yaml")))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_a_mistake(mistake: Mistake) -> None:
    assert FULL.count(mistake.right) >= 1, mistake.right
    text = FULL.replace(mistake.right, mistake.wrong, 1)
    at = text.find(CARET)
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    found = [p for p in checked(text.replace(CARET, "")) if p.level == "error"]
    assert [(p.location.line, p.location.column, p.code, p.hint) for p in found] == [
        (line, column, mistake.code, mistake.hint)
    ]


BILL = (HERE / "good" / "templates" / "bill_add.xml.j2").read_text(encoding="utf-8")
DATE, NUMBER = "    {{ element('TxnDate', date) }}\n", "    {{ element('RefNumber', reference) }}\n"
IN_BILL = (
    "APAccountRef, DueDate, ExchangeRate, ExpenseLineAdd, ExternalGUID, IsTaxIncluded, ItemGroupLineAdd, ItemLineAdd, "
    "LinkToTxnID, Memo, RefNumber, SalesTaxCodeRef, TermsRef, TxnDate, VendorAddress, VendorRef"
)
ORDER = (
    "VendorRef, VendorAddress, APAccountRef, TxnDate, DueDate, RefNumber, TermsRef, Memo, IsTaxIncluded, "
    "SalesTaxCodeRef, ExchangeRate, ExternalGUID, LinkToTxnID, ExpenseLineAdd, ItemLineAdd, ItemGroupLineAdd"
)
# What is wrong in the template of a bill: the mistake, the message, the hint.
TEMPLATES = {
    "missing element": (
        ("    {{ ref('VendorRef', vendor) }}\n", ""),
        "F060: /BillAddRq/BillAdd/TxnDate: `BillAdd` needs `VendorRef` before `TxnDate`",
        "map a value for it, and keep the order of QBXML",
    ),
    "out of order": (
        (DATE + NUMBER, NUMBER + DATE),
        (
            "F060: /BillAddRq/BillAdd/TxnDate: `TxnDate` may not stand here; here it takes `TermsRef` or `Memo` or "
            "`IsTaxIncluded` or `SalesTaxCodeRef` or `ExchangeRate` or `ExternalGUID` or ..."
        ),
        f"QBXML fixes the order: {ORDER}",
    ),
    "unknown element": (
        ("TxnDate", "TxnDat"),
        (
            "F060: /BillAddRq/BillAdd/TxnDat: `TxnDat` is not known here; here it takes `VendorAddress` or `APAccountRef` "
            "or `TxnDate` or `DueDate` or `RefNumber` or `TermsRef` or ..."
        ),
        f"did you mean `TxnDate`? known: {IN_BILL}",
    ),
    "wrong value": (
        ("element('Amount', amount)", "element('Amount', reference)"),
        (
            "F060: bill_add.xml.j2: /BillAddRq/BillAdd/ExpenseLineAdd/Amount: `Amount` does not have the form of its type"
        ),
        "make an amount of it with money(...); an amount has two decimals or none and no grouping: 1050.00",
    ),
    "syntax": (
        ("date) }}", "date }}"),
        "F033: bill_add.xml.j2:4: unexpected '}', expected ')'",
        "correct the template there",
    ),
}
# Where it is not the name of the template: the entry that another value would mend.
PLACES = {"wrong value": (48, 18)}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_cannot_give_a_valid_document(name: str, tmp_path: Path) -> None:
    (right, wrong), message, hint = TEMPLATES[name]
    folder = tmp_path / "templates"
    folder.mkdir()
    for template in (HERE / "good" / "templates").iterdir():
        (folder / template.name).write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "bill_add.xml.j2").write_text(BILL.replace(right, wrong, 1), encoding="utf-8")
    found = checked(FULL, tmp_path)
    assert [(p.location.line, p.location.column, f"{p.code}: {p.message}", p.hint) for p in found] == [
        (*PLACES.get(name, (61, 21)), message, hint)
    ]


BLOCK = """\
flow: block
version: 1
connections: {ramp: {connector: ramp}, books: {connector: qbwc}}
streams:
  bills:
    trigger: {every: 1h}
    fetch: {from: ramp, stream: bills}
    key: id
    map:
      lines: |
        line_items[].{

          amount: ‸mony(amount)
        }
      plain: join_nonempty(' ',
        [currency, vendor.‸nmae])
      double: "join_nonempty(' ', [currency,
        \\u0069d, vendor.‸nmae])"
      single: 'join_nonempty('' '',

        [currency, vendor.‸nmae])'
    write: {to: books, request: NotePost}
"""


def test_places_in_texts_of_several_lines() -> None:
    pieces = BLOCK.split(CARET)
    before = ["".join(pieces[: n + 1]) for n in range(len(pieces) - 1)]
    wanted = [(text.count("\n") + 1, len(text) - text.rfind("\n")) for text in before]
    assert [(p.location.line, p.location.column) for p in checked("".join(pieces))] == wanted


SLIPS = (
    ("line_items[].{‸smu: money(amount)}", ["`NotePut` has no field `parts[].smu`: did you mean `sum`? known: sum"]),
    ("line_items[].{sum: money(amount), ‸text: memo}", ["`NotePut` has no field `parts[].text`: known: sum"]),
    (
        "line_items[].{sum: ‸memo}",
        ["`NotePut` takes `parts[].sum` as money, and this is text: make an amount of it with `money(...)`"],
    ),
    ("[{‸smu: money(amount)}]", ["`NotePut` has no field `parts[].smu`: did you mean `sum`? known: sum"]),
    (
        "‸line_items[].part(@)",
        ["`NotePut` has no field `parts[].smu`: did you mean `sum`? known: sum"],
    ),
    ("‸line_items[].amount", ["`NotePut` takes `parts[]` as object, and this is money: give an object: {a: b}"]),
)


@pytest.mark.parametrize(("expression", "problems"), SLIPS)
def test_fields_inside_the_objects_of_a_request(expression: str, problems: list[str]) -> None:
    flow = (
        "flow: notes\nversion: 1\nconnections: {ramp: {connector: ramp}, books: {connector: qbwc}}\n"
        "define: {part: '{smu: money(amount)}'}\nstreams:\n  notes:\n    trigger: {every: 1h}\n    fetch: {from: ramp, stream: bills}\n    key: id\n    map:\n"
        f"      title: currency\n      amount: money(amount)\n      parts: >-\n        {expression}\n"
        "    write: {to: books, request: NotePut}\n"
    )
    at = flow.index(CARET)
    found = [problem for problem in checked(flow.replace(CARET, "")) if problem.level == "error"]
    assert [f"{p.message}: {p.hint}" for p in found] == problems
    assert {(p.location.line, p.location.column) for p in found} == {(14, at - flow.rfind("\n", 0, at))}


def test_the_place_of_a_field_in_a_field() -> None:
    tree = parse("lines[].{a: b, c: items[].{d: e}}")
    found = written_at(tree, ["c", "d"])
    assert found is not None
    assert (found.start, found.value, written_at(tree, ["c", "x"]), written_at(tree, ["a", "d"])) == (
        27,
        "d",
        None,
        None,
    )


def test_a_file_that_ends_too_early_without_an_end_of_line() -> None:
    text = "flow: x\nstreams: {a: {key: id"
    (problem,) = checked(text)
    assert str(problem.location) == f"{HERE / 'good' / 'f.yaml'}:2:22"


def test_every_problem_of_the_bad_files_says_what_to_do() -> None:
    with world():
        found = [problem for path in BAD for problem in check_loaded(read_flow(path))]
    silent = sorted({f"{problem.code}: {problem.message}" for problem in found if not problem.hint})
    assert (len(BAD) >= 60, silent) == (True, [])
