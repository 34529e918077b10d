"""A ledger file: what is appended, found, corrected and listed."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.ledger import CONNECTOR
from connectors.ledger.errors import NameTaken, NoSuchEntry, NotAnEntry
from engine.contract import Binding, Listing, ListObject, Receipt, Target
from engine.diagnostics import Diagnostic, Location
from tests.connectors.ledger import ledger_kit as kit

FORMS = ("jsonl", "csv")


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_bill_is_one_entry(tmp_path: Path, form: str) -> None:
    books, bill = kit.ledger(tmp_path, form), kit.bill()
    guid = bill.guid.strip("{}").lower()
    assert isinstance(books, Target)
    assert isinstance(books, Listing)
    assert books.find(bill) is None
    assert not books.settings.path.exists()
    assert books.write(bill) == Receipt({"id": guid, "TxnID": guid, "EditSequence": "1"})
    assert kit.entries(books) == [
        {
            "entry_id": guid,
            "of": "",
            "operation": "op-1-BillAdd-1",
            "guid": bill.guid,
            "sha256": bill.sha256,
            "company": "acme",
            "request": "BillAdd",
            "kind": "Bill",
            "posted_at": "2026-03-02T14:00:00.000000Z",
            "reverses": 0,
            "date": "2026-02-27",
            "reference": "INV-7",
            "party": "Acme Supply",
            "lines": [
                {
                    "account": "Travel:Meals", "amount": "20.10", "memo": "=1+1", "class": "",
                    "customer": "Smith:Kitchen", "refers_to": "",
                },
                {
                    "account": "Software", "amount": "99.90", "memo": "-", "class": "Engineering",
                    "customer": "", "refers_to": "",
                },
            ],
            "total": "120.00",
            "currency": "USD",
            "memo": 'Ramp bill 7, "paid"\nlater',
            "fields": {
                "VendorRef": {"ListID": "V-1"},
                "APAccountRef": {"ListID": "A-1"},
                "TxnDate": "2026-02-27",
                "DueDate": "2026-03-27",
                "RefNumber": "INV-7",
                "Memo": 'Ramp bill 7, "paid"\nlater',
                "ExternalGUID": bill.guid,
                "ExpenseLineAdd": [
                    {
                        "AccountRef": {"ListID": "A-3"}, "Amount": "20.10", "Memo": "=1+1",
                        "CustomerRef": {"ListID": "J-1"}, "BillableStatus": "NotBillable",
                    },
                    {
                        "AccountRef": {"ListID": "A-4"}, "Amount": "99.90", "Memo": "-", "ClassRef": {"ListID": "C-1"},
                    },
                ],
            },
        }
    ]  # fmt: skip


def test_it_is_written_once(tmp_path: Path, form: str) -> None:
    books, bill = kit.ledger(tmp_path, form), kit.bill()
    made = books.write(bill)
    data = books.settings.path.read_bytes()
    assert books.write(bill) == made
    # Another life of the store gives the operation another id; the marker is the same.
    again = replace(bill, id="op-of-another-life")
    other = kit.ledger(tmp_path, form)
    assert other.find(again) == made
    assert other.write(again) == made
    assert other.find(kit.bill("2")) is None
    assert books.settings.path.read_bytes() == data


def test_csv_cells_compute_nothing(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path, "csv")
    books.write(kit.bill())
    rows = books.settings.path.read_bytes().decode().split("\r\n")
    assert rows[0] == (
        "entry_id,line,lines,account,amount,memo,class,customer,refers_to,of,reverses,company,request,kind,posted_at,"
        "date,reference,party,total,currency,entry_memo,operation,guid,sha256,fields"
    )
    guid = kit.bill().guid.strip("{}").lower()
    assert rows[1].startswith(f"{guid},1,2,Travel:Meals,20.10,'=1+1,,Smith:Kitchen,,,0,acme,BillAdd,Bill,")
    assert rows[2].startswith(f"{guid},2,2,Software,99.90,'-,Engineering,,,,0,acme,BillAdd,Bill,")


def test_a_change_takes_back_and_puts_anew(tmp_path: Path, form: str) -> None:
    books = kit.ledger(tmp_path, form)
    first = books.write(kit.bill()).ids["TxnID"]
    lines = [{"account": {"list_id": "A-4"}, "amount": "100.01", "memo": "less"}]
    change = kit.bill_mod(first, lines=lines)
    assert books.find(change) is None
    assert books.write(change) == Receipt({"id": first, "TxnID": first, "EditSequence": "2"})
    assert books.find(change) == Receipt({"id": first, "TxnID": first, "EditSequence": "2"})
    _, changed = kit.entries(books)
    assert [changed[name] for name in ("entry_id", "of", "total", "reverses")] == [f"{first}-2", first, "-19.99", 2]
    assert [(line["account"], line["amount"]) for line in changed["lines"]] == [
        ("Travel:Meals", "-20.10"),
        ("Software", "-99.90"),
        ("Software", "100.01"),
    ]
    # The next change takes back what stands since, and nothing that was taken back before.
    books.write(kit.bill_mod(first, attempt=2))
    last = kit.entries(books)[2]
    assert [(line["account"], line["amount"]) for line in last["lines"]] == [
        ("Software", "-100.01"),
        ("Travel:Meals", "20.10"),
        ("Software", "99.90"),
    ]
    assert sum(Decimal(entry["total"]) for entry in kit.entries(books)) == Decimal("120.00")


def test_a_bill_with_hundreds_of_lines(tmp_path: Path, form: str) -> None:
    line = {"account": {"list_id": "A-3"}, "amount": "1.00", "memo": "m" * 200}
    bill = kit.bill(lines=[line] * 700)
    receipt = kit.ledger(tmp_path, form).write(bill)
    books = kit.ledger(tmp_path, form)
    assert books.find(bill) == receipt
    (found,) = kit.entries(books)
    assert (len(found["lines"]), found["total"], len(str(found["fields"])) > 131_072) == (700, "700.00", True)


def test_a_void_takes_back_all(tmp_path: Path, form: str) -> None:
    books = kit.ledger(tmp_path, form)
    first = books.write(kit.bill()).ids["TxnID"]
    voiding = kit.void(first)
    assert books.find(voiding) is None
    books.write(voiding)
    voided = kit.entries(books)[1]
    assert [voided[name] for name in ("request", "kind", "of", "party", "total", "reverses")] == [
        "TxnVoid", "Bill", first, "Acme Supply", "-120.00", 2,
    ]  # fmt: skip
    assert kit.ledger(tmp_path, form).find(replace(voiding, id="another")) == Receipt(
        {"id": first, "TxnID": first, "EditSequence": "2"}
    )
    with pytest.raises(NoSuchEntry, match=f"^BillMod: voided is the Bill `{first}`$"):
        books.write(kit.bill_mod(first))
    with pytest.raises(NoSuchEntry, match=f"^BillPaymentCheckAdd: the ledger has no entry `{first}`$"):
        books.write(kit.payment(first, "120.00"))
    # What was voided is not the record's any more: posted anew, it is an object of its own.
    anew = replace(kit.bill(), id="op-anew")
    assert books.find(anew) is None
    assert books.write(anew).ids["TxnID"] == f"{first}-3"
    assert books.find(anew) == Receipt({"id": f"{first}-3", "TxnID": f"{first}-3", "EditSequence": "1"})


def test_a_payment_needs_its_bill(tmp_path: Path, form: str) -> None:
    books = kit.ledger(tmp_path, form)
    with pytest.raises(NoSuchEntry, match=r"^BillPaymentCheckAdd: the ledger has no entry `B-1`$"):
        books.write(kit.payment("B-1", "1.00"))
    assert books.settings.path.read_bytes() == b""
    first = books.write(kit.bill()).ids["TxnID"]
    books.write(kit.payment(first, "120.00"))
    paid = kit.entries(books)[1]
    assert (paid["party"], paid["total"], paid["lines"]) == (
        "Acme Supply",
        "120.00",
        [
            {
                "account": "Accounts Payable", "amount": "120.00", "memo": "", "class": "", "customer": "",
                "refers_to": first,
            }
        ],
    )  # fmt: skip


def test_refunds_count_negative_and_journals_balance(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path)
    refund = {
        "card_account": {"list_id": "A-2"}, "date": "2026-03-01",
        "lines": [{"account": {"list_id": "A-4"}, "amount": "5.00"}],
    }  # fmt: skip
    books.write(kit.operation("CreditCardCreditAdd", "credit_card_credit_add", refund, "r1"))
    journal = (
        b'<JournalEntryAddRq requestID="j"><JournalEntryAdd><TxnDate>2026-03-01</TxnDate>'
        b"<JournalDebitLine><AccountRef><ListID>A-4</ListID></AccountRef><Amount>7.50</Amount></JournalDebitLine>"
        b"<JournalCreditLine><AccountRef><FullName>Checking</FullName></AccountRef><Amount>7.50</Amount>"
        b"<EntityRef><ListID>V-1</ListID></EntityRef></JournalCreditLine>"
        b"</JournalEntryAdd></JournalEntryAddRq>"
    )
    books.write(replace(kit.bill("j1"), request="JournalEntryAdd", body=journal))
    shown = [(e["total"], [(i["account"], i["amount"]) for i in e["lines"]], e["party"]) for e in kit.entries(books)]
    assert shown == [
        ("-5.00", [("Software", "-5.00")], ""),
        ("7.50", [("Software", "7.50"), ("Checking", "-7.50")], "Acme Supply"),
    ]


def test_vendors_are_added_to_the_list(tmp_path: Path, form: str) -> None:
    books = kit.ledger(tmp_path, form)
    added = kit.vendor("Zoë & Söhne")
    key = added.guid.strip("{}").lower()
    made = Receipt({"id": key, "ListID": key, "EditSequence": "1", "name": "Zoë & Söhne"})
    assert books.write(added) == made
    assert books.find(added) == made
    assert [item for page in books.list_objects("Vendor") for item in page] == [
        ListObject("V-1", "Acme Supply"),
        ListObject(key, "Zoë & Söhne", edit_sequence="1"),
    ]
    for name in ("acme supply", "ZOË & SÖHNE"):
        with pytest.raises(NameTaken, match=f"^VendorAdd: there is a vendor `{name}` already$"):
            books.write(kit.vendor(name, "v2"))
    # Another company's ledger may be the same file; its vendors are its own.
    other = kit.ledger(tmp_path, form, "bolt")
    assert [item for page in other.list_objects("Vendor") for item in page] == [ListObject("V-1", "Acme Supply")]
    other.write(kit.vendor("Zoë & Söhne", "v3"))
    renamed = {"name": "Zoe GmbH", "target_id": key, "edit_sequence": "1"}
    books.write(kit.operation("VendorMod", "vendor_mod", renamed, "v1"))
    assert [item for page in books.list_objects("Vendor") for item in page][1:] == [
        ListObject(key, "Zoe GmbH", edit_sequence="2")
    ]
    bill = books.write(kit.bill(vendor={"list_id": key}))
    assert kit.entries(books)[-1]["party"] == "Zoe GmbH"
    assert bill.ids.keys() == {"id", "TxnID", "EditSequence"}


def test_the_lists_of_the_chart(tmp_path: Path) -> None:
    books = kit.ledger(tmp_path)
    bank = {"account_type": "Bank", "AccountType": "Bank"}
    accounts = [item for page in books.list_objects("Account") for item in page]
    assert accounts[1] == ListObject("A-2", "Checking", number="10100", data=bank)
    assert [item for page in books.list_objects("Employee") for item in page] == [
        ListObject("E-1", "Jane Doe", active=False)
    ]
    names = {name: sum(len(page) for page in books.list_objects(name)) for name in ("Account", "Class", "Terms")}
    assert names == {"Account": 4, "Class": 1, "Terms": 1}
    assert kit.ledger(tmp_path).tried() == "0 entries in the file, 9 names in the chart"


def test_json_is_a_chart_as_well(tmp_path: Path) -> None:
    chart = tmp_path / "chart.json"
    chart.write_text('[{"kind": "Account", "name": "Software", "number": 678, "active": true}]')
    books = kit.ledger(tmp_path)
    books.settings = replace(books.settings, chart=chart)
    assert list(books.list_objects("Account")) == [[ListObject("Software", "Software", number="678")]]


def test_sales_tax_items_of_the_chart_have_a_rate_in_percent(tmp_path: Path) -> None:
    chart = tmp_path / "chart.csv"
    chart.write_text("kind,id,name,rate\nSalesTaxItem,T-1,City,8.25\nSalesTaxItem,T-2,Open,\nClass,C-1,East,1\n")
    books = kit.ledger(tmp_path)
    books.settings = replace(books.settings, chart=chart)
    assert list(books.list_objects("SalesTaxItem")) == [
        [ListObject("T-1", "City", data={"rate": "0.0825"}), ListObject("T-2", "Open")]
    ]
    assert list(books.list_objects("Class")) == [[ListObject("C-1", "East")]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\nx\n", "it has no column `kind`"),
        (
            "kind,name\nShop,x\n",
            "row 2: `Shop` is none of Account, Vendor, Class, Customer, Employee, Terms, SalesTaxItem",
        ),
        ("kind,name\nClass,\n", "row 2: it has no name"),
        ("kind,name,active\nClass,x,perhaps\n", "row 2: active is neither true nor false"),
        ("kind,name\nClass,x\nClass,x\n", "row 3: the id `x` of Class is there twice"),
        ('kind,name\n"Class,x\n', "it is no CSV"),
    ],
)
def test_a_chart_that_does_not_fit_is_named(tmp_path: Path, text: str, says: str) -> None:
    chart = tmp_path / "chart.csv"
    chart.write_text(text)
    with pytest.raises(Exception, match=r"chart\.csv") as caught:
        list(kit.ledger(tmp_path).list_objects("Class"))
    assert str(caught.value) == f"{chart}: {says}"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<BillAddRq", "BillAdd: its body is no XML document"),
        (b"<VendorAddRq/>", "BillAdd: its body is a document called `VendorAddRq`"),
        (b"<BillAddRq/>", "BillAdd: its body holds no `BillAdd`"),
        (
            b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><BillAddRq><BillAdd><Memo>&a;</Memo></BillAdd></BillAddRq>',
            "BillAdd: its body declares a document type",
        ),
        (
            b"<BillAddRq><BillAdd><ExpenseLineAdd><Amount>NaN</Amount></ExpenseLineAdd></BillAdd></BillAddRq>",
            "BillAdd: a line of it has no amount",
        ),
        (
            b"<BillAddRq><BillAdd><ItemLineAdd><Amount>1.00</Amount></ItemLineAdd></BillAdd></BillAddRq>",
            "BillAdd: it has lines of items, which a ledger cannot value",
        ),
    ],
)
def test_what_is_no_entry_is_refused(tmp_path: Path, body: bytes, says: str) -> None:
    books = kit.ledger(tmp_path)
    with pytest.raises(NotAnEntry) as caught:
        books.write(replace(kit.bill(), body=body))
    assert str(caught.value) == says
    assert not books.settings.path.exists() or books.settings.path.read_bytes() == b""


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "path: not given"),
        ({"path": "ledger.jsonl"}, "path: `ledger.jsonl` is no full path"),
        ({"path": "/"}, "path: `/` is a folder"),
        ({"path": "/dev/null"}, "path: `/dev/null` is no plain file"),
        ({"path": "/x", "format": "xml"}, "format: `xml` is none of its values"),
        ({"path": "/x", "chart": "chart.csv"}, "chart: `chart.csv` is no full path"),
        ({"path": "/x", "chart": "/chart.txt"}, "chart: `/chart.txt` is neither CSV nor JSON"),
        ({"path": "/x.csv", "chart": "/x.csv"}, "chart: it is the ledger itself"),
        ({"path": "/x", "currency": "usd"}, "currency: `usd` is no currency code"),
    ],
)
def test_settings_are_checked(settings: dict[str, str], says: str) -> None:
    found = CONNECTOR.check(Binding("acme", "books", settings))
    name, _, message = says.partition(": ")
    assert found == [Diagnostic(Location("acme/books"), "setting", name, message, found[0].hint)]


def _append(folder: str, form: str, first: int, count: int) -> None:
    books = kit.ledger(Path(folder), form)
    for number in range(first, first + count):
        # Both write the same records: each is there once in the end.
        books.write(replace(kit.bill(str(number)), id=f"op-{first}-{number}"))


def test_two_processes_append_to_one_file(tmp_path: Path, form: str) -> None:
    kit.ledger(tmp_path, form)
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=_append, args=(str(tmp_path), form, first, 40)) for first in (0, 20)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    found = kit.entries(kit.ledger(tmp_path, form))
    assert sorted(entry["guid"] for entry in found) == sorted(kit.bill(str(number)).guid for number in range(60))
