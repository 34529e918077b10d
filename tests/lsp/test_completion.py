"""What is offered at a place of a flow: everything that fits there, and nothing else."""

from __future__ import annotations

import pytest

from engine.flowlang.language import FLOW, STREAM
from engine.lsp.completion import Item, complete
from engine.lsp.locate import locate
from engine.lsp.positions import Span
from engine.lsp.project import parsed
from engine.mapping.catalogue import FUNCTIONS
from engine.validate import environment
from tests.lsp.kit import FULL, PATH, cursor, edited

pytestmark = pytest.mark.usefixtures("connectors")

CALLS = ("payee", *FUNCTIONS)
BILL = ("id", "status", "invoice_number", "amount", "currency", "issued_at", "vendor", "line_items")
MAPPED = ("vendor", "date", "due", "reference", "amount", "lines")
PROVIDE = "    provide: {lookup: vendor, key: id}\n"
EXPECT = '"sum_money(lines[].amount) == amount"'
DATE = "date: date(issued_at)\n"


def offered(text: str) -> list[Item]:
    plain, line, column = cursor(text)
    return complete(plain, str(PATH), line, column)


def labels(text: str) -> tuple[str, ...]:
    return tuple(item.label for item in offered(text))


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        # keys
        (PROVIDE, "    ‸\n", ("after", "when", "phase", "check", "provide", "mark_synced")),
        (PROVIDE, "    mar‸\n", ("after", "when", "phase", "check", "provide", "mark_synced")),
        (
            PROVIDE,
            "    pro‸vide: {lookup: vendor, key: id}\n",
            ("after", "when", "phase", "check", "provide", "mark_synced"),
        ),
        (PROVIDE, "    provide: {lookup: vendor, ‸}\n", ("key",)),
        (PROVIDE, "    provide: {‸\n", ("lookup", "key")),
        (PROVIDE, "    provide:\n      ‸\n", ("lookup", "key")),
        ("request: VendorAdd, template: vendor_add.xml.j2", "‸", ("request", "template", "change", "undo", "one_of")),
        ("request: VendorAdd, ", "request: VendorAdd, ‸ ", ("change", "undo")),
        ("sync_ready: true, status: OPEN", "‸", ("sync_ready", "status", "limit")),
        (", limit: 100}", "}, withdrawn: {‸}", ("sync_ready", "status", "limit")),
        (", limit: 100}", "}, withdrawn: {status: ‸}", ("OPEN", "PAID")),
        ('{name: "limit(name, `41`)"}', "{‸}", ("name",)),
        ("      due: add_days(date(issued_at), setting('days'))\n", "      ‸\n", ()),
        ("lookups:\n", "lookups:\n  ‸\n", ()),
        ("flow: full\n", "flow: full\n‸\n", ("starts",)),
        # values
        ("connector: ramp", "connector: ‸", ("qbwc", "ramp")),
        ("connector: ramp", "connector: ra‸mp", ("qbwc", "ramp")),
        ("from: ramp, stream: vendors", "from: ‸", ("ramp", "books")),
        ("stream: vendors", "stream: ‸", ("bills", "vendors")),
        ("stream: vendors, sweep: 1d}", "stream: ‸", ("bills", "vendors")),
        ("[vendors.updated]", "[‸]", ("bills.approved", "bills.paid", "vendors.updated")),
        ("[bills.approved]", "[bills.approved, ‸]", ("bills.paid", "vendors.updated")),
        ("status: OPEN", "status: ‸", ("OPEN", "PAID")),
        ("sync_ready: true", "sync_ready: ‸", ("true", "false")),
        ("limit: 100", "limit: ‸", ()),
        ("target: books.Vendor", "target: books.‸", ("books.Vendor", "books.Account", "books.Terms", "books.Charge")),
        ("[mapped, list_id, exact_name]", "[mapped, ‸]", ("list_id", "number", "exact_name")),
        ("after: [vendors]", "after: [‸]", ("vendors",)),
        ("to: books, request", "to: ‸, request", ("ramp", "books")),
        ("request: VendorAdd", "request: ‸", ("BillAdd", "VendorAdd", "NotePost", "NotePut")),
        ("request: BillMod", "request: ‸", ("BillMod", "VendorMod")),
        (PROVIDE, f"      undo: {{request: ‸\n{PROVIDE}", ("TxnVoid",)),
        ("template: bill_mod.xml.j2", "template: ‸", ("bill_add.xml.j2", "bill_mod.xml.j2", "vendor_add.xml.j2")),
        ("lookup: vendor", "lookup: ‸", ("vendor",)),
        ("in: ramp", "in: ‸", ("ramp", "books")),
        ("as: BILL_SYNC", "as: ‸", ("BILL_SYNC", "QUIET_SYNC")),
        ("[failed, deferred]", "[failed, ‸]", ("deferred",)),
        ("write:\n      to: books\n      one_of", "write:\n      to: ‸\n      one_of", ("ramp", "books")),
        (
            "to: books, request: VendorAdd, template: vendor_add.xml.j2",
            "to: books, request: NotePut}\n    map: {‸",
            ("title", "amount", "due", "paid", "parts"),
        ),
        (
            "template: bill_mod.xml.j2}",
            "template: bill_mod.xml.j2, cannot: {‸}}",
            ("vendor", "date", "due", "reference", "amount", "lines"),
        ),
        ("as: BILL_SYNC, reference", "as: BILL_SYNC, with: {‸}, reference", ()),
        ("as: BILL_SYNC, reference", "as: NOBODY, with: {‸}, reference", ()),
        ("from: ramp, stream: vendors", "from: nobody, stream: ‸", ()),
        ("limit: 100", "nobody: ‸", ()),
        ("type: integer, default: 30", "type: integer, default: ‸", ()),
        ("type: choice", "type: ‸", ("text", "date", "boolean", "integer", "choice")),
        ("default: bill", "default: ‸", ("bill", "note")),
        ("default: true", "default: ‸", ("true", "false")),
        ("visit: 5m", "visit: ‸", ("5m", "30m", "1h", "6h", "1d")),
        ("version: 1", "version: ‸", ("1",)),
        (PROVIDE, f"      undo: {{gone: ‸\n{PROVIDE}", ("true", "false")),
        (PROVIDE, f"    nonsense: {{gone: ‸\n{PROVIDE}", ()),
        ("describe: Bills and their vendors.", "describe: ‸", ()),
        # expressions
        (DATE, "date: ‸\n", (*BILL, *CALLS)),
        (DATE, "date: date(iss‸\n", (*BILL, *CALLS)),
        (DATE, "date: vendor.‸\n", ("id", "name")),
        (DATE, "date: vendor.na‸me\n", ("id", "name")),
        (DATE, 'date: "vendor.‸\n', ("id", "name")),
        (DATE, "date: line_items[0].‸\n", ("amount", "memo", *CALLS)),
        (DATE, "date: lookup('vendor', id).‸\n", ("list_id", "full_name", "currency", *CALLS)),
        (DATE, "date: payee(‸\n", (*BILL, *CALLS)),
        (DATE, "date: lookup('‸\n", ("vendor",)),
        (DATE, "date: posted('‸\n", ("vendors", "bills")),
        (DATE, "date: limit('‸\n", ()),
        (DATE, "date: \"status == 'O‸\n", ("OPEN", "PAID")),
        ("          memo: memo}", "          memo: m‸", ("amount", "memo", *CALLS)),
        ("          memo: memo}", "          mem‸", ()),
        ("setting('create_vendors')", "setting('‸')", ("create_vendors", "home_currency", "days", "posts_as")),
        (EXPECT, '"‸', (*MAPPED, *CALLS)),
        (EXPECT, '"vendor.‸', ("list_id", "full_name", "currency")),
        (EXPECT, '"sum_money(lines[].‸"', ("amount", "memo", *CALLS)),
        ("reference: receipt.TxnID", "reference: rec‸", ("receipt", *CALLS)),
        ("when: setting('create_vendors')", "when: ‸", CALLS),
        ("select: is_active", "select: ‸", ("id", "name", "is_active", *CALLS)),
        ("payee: vendor.name", "payee: vendor.‸", ("id", "name")),
        ("payee: vendor.name", 'payee: "‸"', (*BILL, *FUNCTIONS)),
        # nothing
        ("# Every key", "# ‸ Every key", ()),
    ],
)
def test_what_is_offered(right: str, wrong: str, expected: tuple[str, ...]) -> None:
    assert labels(edited(right, wrong)) == expected


def test_an_empty_file_is_offered_every_key_of_a_flow() -> None:
    assert labels("‸") == tuple(key.name for key in FLOW.keys)
    assert labels("fl‸") == tuple(key.name for key in FLOW.keys)


def test_a_key_says_what_it_means_and_replaces_the_word_that_is_written() -> None:
    item = next(item for item in offered(edited(PROVIDE, "    mark‸\n")) if item.label == "mark_synced")
    about = (
        "**mark_synced** (mapping)\n\nHow the source is told.\n\n"
        "```yaml\nmark_synced: {in: ramp, as: BILL_SYNC, reference: receipt.TxnID}\n```"
    )
    assert item == Item("mark_synced", "key", "mark_synced:", Span(31, 4, 31, 8), "mapping", about)


def test_a_key_that_has_its_colon_gets_no_other() -> None:
    item = next(item for item in offered(edited(PROVIDE, "    prov‸: {}\n")) if item.label == "provide")
    assert item.insert == "provide"


def test_a_value_right_after_a_colon_gets_a_space() -> None:
    assert [item.insert for item in offered(edited("connector: ramp", "connector:‸"))] == [" qbwc", " ramp"]
    assert [item.insert for item in offered(edited("connector: ramp", "connector: ‸"))] == ["qbwc", "ramp"]


def test_a_needed_key_comes_first() -> None:
    items = offered(edited("streams:\n", "streams:\n  more:\n    ‸\n"))
    assert [item.label for item in items if item.rank == 0] == ["fetch", "key", "map"]
    assert len(items) == len(STREAM.keys)


def test_a_field_says_its_type() -> None:
    item = offered(edited(DATE, "date: sta‸\n"))[1]
    about = "**status** (text, may be null)\n\nOpen or paid.\n\nOne of `OPEN`, `PAID`"
    assert item == Item("status", "field", "status", Span(45, 12, 45, 15), "text, may be null", about, 0)


def test_a_function_shows_how_it_is_called() -> None:
    item = next(item for item in offered(edited(DATE, "date: li‸\n")) if item.label == "limit")
    spec = FUNCTIONS["limit"]
    about = (
        f"```text\nlimit(text, n)\n```\n\n{spec.help[0].upper()}{spec.help[1:]}.\n\n"
        f'Example: `{spec.example}` gives `"{spec.gives}"`'
    )
    assert item == Item("limit", "function", "limit(", Span(45, 12, 45, 14), "limit(text, n) -> text", about, 3)


def test_a_define_shows_its_expression() -> None:
    item = next(item for item in offered(edited(DATE, "date: pay‸(\n")) if item.label == "payee")
    about = "**payee**(value), from `define`\n\n```text\nvendor.name\n```"
    assert item == Item("payee", "define", "payee", Span(45, 12, 45, 15), "define", about, 2)


def test_what_is_known_when_the_file_cannot_be_read_is_what_was_known_last() -> None:
    last = environment(parsed(FULL, str(PATH)))
    broken, line, column = cursor(edited(DATE, "date: lookup('‸\n").replace("flow: full", "flow: [full"))
    assert [item.label for item in complete(broken, str(PATH), line, column, last)] == ["vendor"]
    assert complete(broken, str(PATH), line, column, None) == []


@pytest.mark.parametrize("cut", range(0, len(FULL), 97))
def test_a_file_that_ends_anywhere_is_never_too_much(cut: int) -> None:
    """Half a file with a quote and a bracket open after it: something or nothing is offered, and nothing fails."""
    for tail in ("", "'", "{", "\n  "):
        text = FULL[:cut] + tail
        line, column = text.count("\n"), len(text) - text.rfind("\n") - 1
        place = locate(text, line, column)
        assert place is not None or complete(text, str(PATH), line, column) == []
        assert isinstance(complete(text, str(PATH), line, column), list)
