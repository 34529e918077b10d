"""What the word under the pointer means, and where it is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.lsp.definition import Target, definition, template_file
from engine.lsp.meaning import meaning
from engine.lsp.positions import Span
from engine.mapping.catalogue import FUNCTIONS
from tests.lsp.kit import FULL, PATH, cursor, edited
from tests.reference import ROOT

pytestmark = pytest.mark.usefixtures("connectors")

RAMP = "**ramp** (connection: ramp)\n\n**ramp**: Ramp\n\nBills and vendors."
BOOKS = "**books** (connection: qbwc)\n\n**qbwc**: QuickBooks\n\nPosts."
PAYEE = "**payee**(value), from `define`\n\n```text\nvendor.name\n```"
VENDOR = "**vendor** (lookup: books.Vendor)"


def told(right: str, pointed: str) -> str | None:
    text, line, column = cursor(edited(right, pointed))
    found = meaning(text, str(PATH), line, column)
    return None if found is None else found.about


def function(name: str) -> str:
    spec = FUNCTIONS[name]
    about = spec.help if spec.help.endswith(".") else f"{spec.help}."
    return f"```text\n{spec.signature}\n```\n\n{about[0].upper()}{about[1:]}\n\nExample: `{spec.example}` gives `10.50`"


@pytest.mark.parametrize(
    ("right", "pointed", "expected"),
    [
        # keys
        (
            "provide: {",
            "pro‸vide: {",
            (
                "**provide** (mapping)\n\nA later lookup that the written object answers.\n\n"
                "```yaml\nprovide: {lookup: vendor, key: id}\n```"
            ),
        ),
        (
            "{lookup: vendor,",
            "{‸lookup: vendor,",
            "**lookup** (name, needed)\n\nThe lookup that learns the new object.\n\n```yaml\nlookup: vendor\n```",
        ),
        ("  ramp: {", "  ra‸mp: {", RAMP),
        (
            "  home_currency: {",
            "  home_‸currency: {",
            "**home_currency** (setting: text)\n\nHome currency.\n\nDefault: `USD`",
        ),
        ("  payee: vendor", "  pay‸ee: vendor", PAYEE),
        ("  vendors:\n", "  vendors‸:\n", "**vendors** (stream: ramp.vendors)"),
        ("sync_ready: true", "sync‸_ready: true", "**sync_ready** (boolean)\n\nOnly what waits."),
        ('map: {name: "', 'map: {na‸me: "', "**name**\n\nUsed by the template `vendor_add.xml.j2`."),
        # values
        ("connector: qbwc", "connector: qb‸wc", "**qbwc**: QuickBooks\n\nPosts."),
        ("in: ramp", "in: ‸ramp", RAMP),
        (
            "stream: vendors",
            "stream: vendors‸",
            "**vendors** (stream)\n\nVendors.\n\nFields: `id`, `name`, `is_active`",
        ),
        (
            "books.Vendor",
            "books.Ven‸dor",
            "**Vendor** (list)\n\nVendors.\n\nFields: `list_id`, `full_name`, `currency`",
        ),
        (
            "request: VendorAdd",
            "request: Vendor‸Add",
            "**VendorAdd** (request, a template renders it)\n\nAdd a vendor.",
        ),
        ("template: vendor_add", "template: vendor‸_add", "**vendor_add.xml.j2** (template)\n\nUses `name`"),
        ("as: BILL_SYNC", "as: BILL‸_SYNC", "**BILL_SYNC** (mark)\n\nA bill was posted."),
        ("after: [vendors]", "after: [ven‸dors]", "**vendors** (stream: ramp.vendors)"),
        ("lookup: vendor,", "lookup: ven‸dor,", VENDOR),
        ("status: OPEN", "status: OP‸EN", "**status** (text)\n\nOnly this status.\n\nOne of `OPEN`, `PAID`"),
        (
            "type: boolean",
            "type: bool‸ean",
            (
                "**type** (text or date or boolean or integer or choice, needed)\n\nWhat kind of value it takes.\n\n"
                "```yaml\ntype: boolean\n```"
            ),
        ),
        # expressions
        ("amount: money(amount), currency", "amount: mo‸ney(amount), currency", function("money")),
        (
            "amount: money(amount), currency",
            "amount: money(am‸ount), currency",
            "**amount** (money, may be null)\n\nTotal.",
        ),
        (
            "vendor.id, vendor.name",
            "ven‸dor.id, vendor.name",
            "**vendor** (object, may be null)\n\nWho is owed.\n\nFields: `id`, `name`",
        ),
        ("vendor.id, vendor.name", "vendor.id, vendor.na‸me", "**name** (text, may be null)\n\nIts name."),
        ("lookup('vendor', vendor", "lookup('ven‸dor', vendor", VENDOR),
        ("payee(@)", "pay‸ee(@)", PAYEE),
        (
            "setting('days')",
            "setting('da‸ys')",
            "**days** (setting: integer)\n\nDays until a bill is due.\n\nDefault: `30`",
        ),
        ("          memo: memo}", "          memo: me‸mo}", "**memo** (text, may be null)\n\nMemo."),
        (
            "sum_money(lines[].amount) ==",
            "sum_money(li‸nes[].amount) ==",
            "**lines** (list of object, may be null)\n\nFields: `amount`, `memo`",
        ),
        ("is_active", "is_act‸ive", "**is_active** (boolean, may be null)\n\nFalse when switched off."),
        # of which nothing is to be said
        ("flow: full", "flow: fu‸ll", None),
        ("payee(@)", "nobo‸dy(@)", None),
        ("limit: 100", "li‸mit: 100", "**limit** (integer)\n\nHow many."),
        ("status: OPEN", "sta‸tus: OPEN", "**status** (text)\n\nOnly this status.\n\nOne of `OPEN`, `PAID`"),
        ("reference: receipt.TxnID", "reference: receipt.Txn‸ID", "**TxnID** (id)\n\nWhat the target said."),
        ("          amount: money(amount),\n", "          am‸ount: money(amount),\n", None),
        ("# Every key", "# Ev‸ery key", None),
        ("\n\nsettings:", "\n‸\nsettings:", None),
    ],
)
def test_meanings(right: str, pointed: str, expected: str | None) -> None:
    assert told(right, pointed) == expected


def test_a_list_of_another_connection_is_told_by_the_connection() -> None:
    assert told("books.Vendor", "books.Nob‸ody") == BOOKS


def test_the_word_is_marked() -> None:
    text, line, column = cursor(edited("payee(@)", "pay‸ee(@)"))
    found = meaning(text, str(PATH), line, column)
    assert found is not None
    start = text.split("\n")[line].index("payee(@)")
    assert (found.span, found.declared) == (Span(line, start, line, start + 5), ("define", "payee"))


# --- where it is declared ---------------------------------------------------------------------------------------------


def declared(right: str, pointed: str) -> tuple[str, str] | None:
    """The file that is gone to, and the line from the place on."""
    text, line, column = cursor(edited(right, pointed))
    found = definition(text, str(PATH), line, column)
    if found is None:
        return None
    at = found.span
    own = found.path == str(PATH)
    return Path(found.path).name, text.split("\n")[at.line][at.start : at.end] if own else f"{at.line}:{at.start}"


@pytest.mark.parametrize(
    ("right", "pointed", "expected"),
    [
        ("template: vendor_add", "template: vendor‸_add", ("vendor_add.xml.j2", "0:0")),
        ("in: ramp", "in: ‸ramp", ("full.yaml", "ramp")),
        ("books.Vendor", "boo‸ks.Vendor", ("full.yaml", "books")),
        ("after: [vendors]", "after: [ven‸dors]", ("full.yaml", "vendors")),
        ("lookup: vendor,", "lookup: ven‸dor,", ("full.yaml", "vendor")),
        ("lookup('vendor', vendor", "lookup('ven‸dor', vendor", ("full.yaml", "vendor")),
        ("setting('days')", "setting('da‸ys')", ("full.yaml", "days")),
        ("payee(@)", "pay‸ee(@)", ("full.yaml", "payee")),
        ("sum_money(lines[].amount) ==", "sum_money(li‸nes[].amount) ==", ("full.yaml", "lines")),
        ("template: vendor_add", "template: nobody‸_add", None),
        ("amount: money(amount), currency", "amount: mo‸ney(amount), currency", None),
        ("connector: qbwc", "connector: qb‸wc", None),
        ("flow: full", "flow: fu‸ll", None),
    ],
)
def test_definitions(right: str, pointed: str, expected: tuple[str, str] | None) -> None:
    assert declared(right, pointed) == expected


def test_the_place_is_that_of_the_declaration() -> None:
    text, line, column = cursor(edited("in: ramp", "in: ‸ramp"))
    assert definition(text, str(PATH), line, column) == Target(str(PATH), Span(6, 2, 6, 6))
    assert FULL.split("\n")[6] == "  ramp: {connector: ramp}"


def test_a_template_beside_the_flow_goes_before_a_shipped_one(tmp_path: Path) -> None:
    shipped = ROOT / "qbxml_templates" / "bill_add.xml.j2"
    assert template_file("bill_add.xml.j2", tmp_path) == shipped
    own = tmp_path / "templates" / "bill_add.xml.j2"
    own.parent.mkdir()
    own.write_text("<BillAddRq/>", encoding="utf-8")
    assert template_file("bill_add.xml.j2", tmp_path) == own
