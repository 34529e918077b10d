"""Three sides of a modify: what only the source changed is sent, what a person changed in QuickBooks stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.qbwc.merge import Later, Ready, decide, has_run, queries
from connectors.qbwc.simulator import CompanyFile, RequestProcessor, seed_company, user_deletes
from engine.contract import Operation, OperationOutcome
from engine.errors import Bug
from engine.qbxml import freeze_request
from engine.qbxml.response import Response, parse_response
from engine.render import Templates

PROLOG = '<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?>'
GUID = "{7B2C1E0A-1111-4222-8333-444455556666}"
TEMPLATES = Templates()
Action = Literal["add", "mod"]


def named(name: str) -> dict[str, Any]:
    return {"list_id": None, "full_name": name}


def line(account: str = "Travel", amount: str = "100.00", **more: Any) -> dict[str, Any]:
    bare = {"account": named(account), "amount": Decimal(amount), "memo": "", "class": None, "customer": None}
    return {**bare, "billable": False, **more}


def bill(**changes: Any) -> dict[str, Any]:
    return {
        "vendor": named("Acme Supply"),
        "ap_account": named("Accounts Payable"),
        "date": "2026-02-20",
        "due": "2026-03-22",
        "reference": "A-1",
        "memo": "Ramp bill 1",
        "lines": [line()],
        **changes,
    }


def vendor(**changes: Any) -> dict[str, Any]:
    return {"name": "Fresh Ltd", "company": "Fresh Ltd", "country": "US", **changes}


@dataclass
class Books:
    """A company file that we wrote one object into, and the hand that writes and edits there."""

    kind: str
    company: CompanyFile
    base: bytes
    target_id: str
    edit_sequence: str

    @classmethod
    def holding(cls, kind: str, values: dict[str, Any]) -> Books:
        company = seed_company(seed=1)
        books = cls(kind, company, b"", "", "")
        books.base = books.frozen("add", values)
        (data,) = books.ask(books.base.decode()).objects
        books.target_id = data["TxnID" if kind == "Bill" else "ListID"]
        books.edit_sequence = data["EditSequence"]
        return books

    def ask(self, request: str) -> Response:
        document = f'{PROLOG}<QBXML><QBXMLMsgsRq onError="stopOnError">{request}</QBXMLMsgsRq></QBXML>'
        (response,) = parse_response(RequestProcessor(self.company).process(document)).responses
        return response

    def frozen(self, action: Action, values: dict[str, Any], name: str = "op") -> bytes:
        engine = {"request_id": name, "guid": GUID, "target_id": self.target_id, "edit_sequence": self.edit_sequence}
        rendered = TEMPLATES.get(f"{self.kind.lower()}_{action}.xml.j2").render({**values, **engine})
        return freeze_request(f"{self.kind}{action.title()}", rendered)

    def modify(self, values: dict[str, Any]) -> Operation:
        body = self.frozen("mod", values)
        at = datetime(2026, 3, 2, tzinfo=UTC)
        digest = sha256(body).hexdigest()
        return Operation(
            "op", f"{self.kind}Mod", body, digest, GUID, at, target_id=self.target_id, base=self.base, whole=body
        )

    def there(self, operation: Operation) -> Response:
        (query,) = queries(operation, "m.0")
        return self.ask(query.decode())

    def merged(self, values: dict[str, Any]) -> Ready | OperationOutcome | Later:
        operation = self.modify(values)
        return decide(operation, self.there(operation))

    def sent(self, values: dict[str, Any]) -> str:
        """What is sent, without the head that every modify has; it is run as well, and must be taken."""
        made = self.merged(values)
        assert isinstance(made, Ready), made
        response = self.ask(made.body.decode())
        assert response.code == 0, response.message
        (inner,) = etree.fromstring(made.body)
        assert [inner[0].text, inner[1].tag] == [self.target_id, "EditSequence"]
        return "".join(etree.tostring(child, encoding="unicode") for child in list(inner)[2:])

    def edits(self, inside: str) -> None:
        """A person's edit: another modify, for the version that is there."""
        data = self.shown()
        key = "TxnID" if self.kind == "Bill" else "ListID"
        head = f"<{key}>{self.target_id}</{key}><EditSequence>{data['EditSequence']}</EditSequence>"
        response = self.ask(f"<{self.kind}ModRq><{self.kind}Mod>{head}{inside}</{self.kind}Mod></{self.kind}ModRq>")
        assert response.code == 0, response.message

    def shown(self) -> dict[str, Any]:
        (data,) = self.there(self.modify(bill() if self.kind == "Bill" else vendor())).objects
        return dict(data)


def account(name: str) -> str:
    return f"<AccountRef><FullName>{name}</FullName></AccountRef>"


def lines_of(books: Books) -> list[tuple[str, str, str]]:
    return [
        (each["AccountRef"]["FullName"], each["Amount"], each.get("Memo", ""))
        for each in books.shown()["ExpenseLineRet"]
    ]


# --- what is asked


def test_a_bill_is_asked_for_with_its_lines() -> None:
    books = Books.holding("Bill", bill())
    (query,) = queries(books.modify(bill()), "m.7")
    assert (
        query
        == (
            f'<BillQueryRq requestID="m.7"><TxnID>{books.target_id}</TxnID>'
            "<IncludeLineItems>true</IncludeLineItems></BillQueryRq>"
        ).encode()
    )


def test_a_vendor_is_asked_for_by_its_id() -> None:
    books = Books.holding("Vendor", vendor())
    (query,) = queries(books.modify(vendor()), "m.7")
    assert query == f'<VendorQueryRq requestID="m.7"><ListID>{books.target_id}</ListID></VendorQueryRq>'.encode()


@pytest.mark.parametrize("request_name", ["BillAdd", "ClassMod"])
def test_only_modifies_that_can_be_read_again_are_merged(request_name: str) -> None:
    operation = replace(Books.holding("Bill", bill()).modify(bill()), request=request_name)
    with pytest.raises(Bug):
        queries(operation, "m")


# --- nobody has touched it there

PENS = (
    f"<ExpenseLineMod><TxnLineID>-1</TxnLineID>{account('Office Supplies')}<Amount>5.00</Amount><Memo>pens</Memo>"
    "</ExpenseLineMod>"
)


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"date": "2026-02-21"}, "<TxnDate>2026-02-21</TxnDate>"),
        ({"memo": "Ramp bill 1 b"}, "<Memo>Ramp bill 1 b</Memo>"),
        ({"memo": None}, "<Memo/>"),
        ({"reference": "", "due": "2026-04-01"}, "<DueDate>2026-04-01</DueDate><RefNumber/>"),
        ({"vendor": named("ACME supply")}, None),
        ({"lines": [line(amount="100.0")]}, None),
        (
            {"lines": [line(amount="90.00")]},
            f"<ExpenseLineMod><TxnLineID>1</TxnLineID>{account('Travel')}<Amount>90.00</Amount></ExpenseLineMod>",
        ),
        (
            {"lines": [line(), line("Office Supplies", "5.00", memo="pens")]},
            f"<ExpenseLineMod><TxnLineID>1</TxnLineID>{account('Travel')}<Amount>100.00</Amount></ExpenseLineMod>{PENS}",
        ),
    ],
)
def test_only_what_changed_is_sent(changes: dict[str, Any], sent: str | None) -> None:
    books = Books.holding("Bill", bill())
    if sent is None:
        nothing(books, bill(**changes))
        return
    first = books.shown()["ExpenseLineRet"][0]["TxnLineID"]
    assert books.sent(bill(**changes)) == sent.replace("<TxnLineID>1</TxnLineID>", f"<TxnLineID>{first}</TxnLineID>")
    nothing(books, bill(**changes))


def nothing(books: Books, values: dict[str, Any]) -> None:
    """QuickBooks says so already."""
    made = books.merged(values)
    assert isinstance(made, OperationOutcome)
    assert (made.outcome, made.code) == ("posted", "nothing_sent")
    assert made.message == "QuickBooks says the same already; nothing was sent"
    data = books.shown()
    key = "TxnID" if books.kind == "Bill" else "ListID"
    assert made.receipt[key] == books.target_id
    # The version of what a person has edited does not say that it is as we wrote it.
    assert made.receipt["EditSequence"] in (data["EditSequence"], "")


def test_the_version_that_is_there_is_the_one_that_is_changed() -> None:
    books = Books.holding("Bill", bill())
    books.edits("<RefNumber>typed</RefNumber>")
    made = books.merged(bill(memo="new"))
    assert isinstance(made, Ready)
    assert made.body.count(b"<EditSequence>" + books.shown()["EditSequence"].encode()) == 1
    assert books.edit_sequence != books.shown()["EditSequence"]
    assert b'requestID="op"' in made.body


def test_lines_that_are_gone_in_the_source_go() -> None:
    books = Books.holding("Bill", bill(lines=[line(amount="1.00"), line(amount="2.00", memo="b"), line(amount="3.00")]))
    books.sent(bill(lines=[line(amount="2.00", memo="b"), line(amount="3.00")]))
    assert lines_of(books) == [("Travel", "2.00", "b"), ("Travel", "3.00", "")]


def test_a_memo_that_a_line_loses_is_emptied() -> None:
    books = Books.holding("Bill", bill(lines=[line(memo="old")]))
    assert "<Memo/>" in books.sent(bill(lines=[line(memo="")]))
    assert lines_of(books) == [("Travel", "100.00", "")]


def test_a_line_that_loses_its_customer_is_written_anew() -> None:
    books = Books.holding("Bill", bill(lines=[line(customer=named("Smith:Kitchen")), line(amount="2.00")]))
    assert books.shown()["ExpenseLineRet"][0]["BillableStatus"] == "NotBillable"
    sent = books.sent(bill(lines=[line(), line(amount="2.00")]))
    assert sent.count("<TxnLineID>-1</TxnLineID>") == 1
    assert [each.get("CustomerRef") for each in books.shown()["ExpenseLineRet"]] == [None, None]
    assert lines_of(books) == [("Travel", "100.00", ""), ("Travel", "2.00", "")]


def test_a_bill_without_lines_is_cleared() -> None:
    books = Books.holding("Bill", bill())
    made = books.merged(bill(lines=[]))
    assert isinstance(made, Ready)
    assert made.body.endswith(b"<ClearExpenseLines>true</ClearExpenseLines></BillMod></BillModRq>")


# --- a person has edited it there


def test_an_edit_of_another_field_stays() -> None:
    books = Books.holding("Bill", bill())
    books.edits("<Memo>call them first</Memo>")
    assert books.sent(bill(date="2026-02-22")) == "<TxnDate>2026-02-22</TxnDate>"
    assert (books.shown()["Memo"], books.shown()["TxnDate"]) == ("call them first", "2026-02-22")


def test_edited_lines_stay_when_only_the_head_changes() -> None:
    books = Books.holding("Bill", bill())
    books.edits(
        f"<ExpenseLineMod><TxnLineID>-1</TxnLineID>{account('Office Supplies')}<Amount>100.00</Amount></ExpenseLineMod>"
    )
    assert books.sent(bill(memo="new")) == "<Memo>new</Memo>"
    assert lines_of(books) == [("Office Supplies", "100.00", "")]


def test_the_same_change_on_both_sides_is_done() -> None:
    books = Books.holding("Bill", bill())
    books.edits("<Memo>both</Memo>")
    nothing(books, bill(memo="both"))


def test_both_changed_the_same_field() -> None:
    books = Books.holding("Bill", bill())
    line_ = (
        f"<ExpenseLineMod><TxnLineID>-1</TxnLineID>{account('Office Supplies')}<Amount>100.00</Amount></ExpenseLineMod>"
    )
    books.edits(f"<DueDate>2026-05-01</DueDate><Memo>theirs</Memo>{line_}")
    made = books.merged(
        bill(memo="ours " * 40, due=None, reference="A-2", lines=[line(amount="7.00"), line(amount="8.00")])
    )
    assert made == OperationOutcome(
        "op",
        "deferred",
        code="edited_there",
        message="it was changed in QuickBooks and in the source: "
        f"memo: we wrote `Ramp bill 1`, QuickBooks has `theirs`, the source says `{('ours ' * 40)[:77]}...`; "
        "due date: we wrote `2026-03-22`, QuickBooks has `2026-05-01`, the source says nothing; "
        "lines: we wrote `Travel 100.00`, QuickBooks has `Office Supplies 100.00`, "
        "the source says `Travel 7.00, Travel 8.00`",
        hint="correct one of the two so that both say the same, then run `flowctl retry ID`; "
        "when QuickBooks is right as it is, run `flowctl reconcile --leave-out ID`",
    )


def test_a_field_that_we_never_wrote_is_a_persons() -> None:
    books = Books.holding("Bill", bill(memo=None))
    books.edits("<Memo>theirs</Memo>")
    assert books.sent(bill(memo=None, reference="A-2")) == "<RefNumber>A-2</RefNumber>"
    made = books.merged(bill(memo="ours", reference="A-2"))
    assert isinstance(made, OperationOutcome)
    assert made.code == "edited_there"
    assert "memo: we wrote nothing, QuickBooks has `theirs`, the source says `ours`" in made.message


def test_what_quickbooks_filled_in_is_no_edit() -> None:
    books = Books.holding("Bill", bill(due=None))
    assert books.shown()["DueDate"]
    assert books.sent(bill(due="2026-06-01")) == "<DueDate>2026-06-01</DueDate>"


def test_a_status_that_quickbooks_gives_a_line_is_no_edit() -> None:
    books = Books.holding("Bill", bill())
    books.base = books.base.replace(b"<BillableStatus>NotBillable</BillableStatus>", b"")
    books.edits("<Memo>x</Memo>")
    assert "<Amount>5.00</Amount>" in books.sent(bill(lines=[line(amount="5.00")]))


def test_an_address_is_given_whole() -> None:
    books = Books.holding("Vendor", vendor())
    books.edits("<VendorAddress><City>Bern</City></VendorAddress><Phone>1</Phone>")
    assert books.sent(vendor(country="CH")) == "<VendorAddress><City>Bern</City><Country>CH</Country></VendorAddress>"
    assert (books.shown()["VendorAddress"], books.shown()["Phone"]) == ({"City": "Bern", "Country": "CH"}, "1")
    books.base = books.frozen("mod", vendor(country="CH"))
    assert books.sent(vendor(country="")) == "<VendorAddress><City>Bern</City><Country/></VendorAddress>"


def test_a_vendor_that_was_renamed_on_both_sides() -> None:
    books = Books.holding("Vendor", vendor())
    assert books.sent(vendor(company="Fresh Limited")) == "<CompanyName>Fresh Limited</CompanyName>"
    books.edits("<Name>Fresh of Bern</Name>")
    made = books.merged(vendor(name="Fresher Ltd"))
    assert isinstance(made, OperationOutcome)
    assert made.message.endswith(
        "name: we wrote `Fresh Ltd`, QuickBooks has `Fresh of Bern`, the source says `Fresher Ltd`"
    )


def test_text_that_quickbooks_could_not_store_is_no_edit() -> None:
    books = Books.holding("Bill", bill(memo="caf\u00e9 plain"))
    books.base = books.base.replace(b"plain", b"&#20013;")
    books.edits("<Memo>caf\u00e9 ?</Memo>")
    assert books.sent(bill(memo="tea")) == "<Memo>tea</Memo>"


def test_what_was_written_by_id_is_known_by_name() -> None:
    books = Books.holding("Bill", bill())
    shown = books.shown()
    by_id = bill(vendor={"list_id": shown["VendorRef"]["ListID"], "full_name": ""}, memo="new")
    assert books.sent(by_id) == "<Memo>new</Memo>"
    other = books.company.named("Vendor", "Office Depot") or next(
        item for item in books.company.items("Vendor") if item.list_id != shown["VendorRef"]["ListID"]
    )
    moved = bill(vendor={"list_id": other.list_id, "full_name": ""}, memo="new")
    assert books.sent(moved) == f"<VendorRef><ListID>{other.list_id}</ListID></VendorRef>"


def test_a_reference_that_the_source_drops_is_for_a_person() -> None:
    books = Books.holding("Bill", bill())
    operation = books.modify(bill())
    without = etree.fromstring(operation.body)
    without[0].remove(without[0].find("APAccountRef"))  # type: ignore[arg-type]  # it is there
    bare = replace(operation, body=etree.tostring(without), whole=b"")
    made = decide(bare, books.there(operation))
    assert isinstance(made, OperationOutcome)
    assert (made.outcome, made.code) == ("deferred", "not_emptied")
    assert made.message == "QuickBooks takes no request that empties the accounts payable account"


# --- what came before


def test_the_base_is_the_last_modify_as_a_whole() -> None:
    books = Books.holding("Bill", bill())
    assert books.sent(bill(date="2026-02-21")) == "<TxnDate>2026-02-21</TxnDate>"
    books.base = books.frozen("mod", bill(date="2026-02-21"))
    books.edits("<Memo>theirs</Memo>")
    assert books.sent(bill(date="2026-02-22")) == "<TxnDate>2026-02-22</TxnDate>"
    assert books.shown()["Memo"] == "theirs"


def test_a_reduced_body_is_merged_again_from_the_whole() -> None:
    books = Books.holding("Bill", bill())
    operation = books.modify(bill(date="2026-02-21"))
    made = decide(operation, books.there(operation))
    assert isinstance(made, Ready)
    again = decide(replace(operation, body=made.body), books.there(operation))
    assert again == made


def test_without_a_base_nothing_is_overwritten() -> None:
    books = Books.holding("Bill", bill())
    books.base = b""
    nothing(books, bill())
    books.edits("<Memo>theirs</Memo>")
    made = books.merged(bill())
    assert isinstance(made, OperationOutcome)
    assert made.code == "edited_there"


# --- whether one in doubt has run


def in_doubt(books: Books, values: dict[str, Any], *, runs: bool = True) -> Operation:
    """A modify that was sent, whose answer nobody has seen."""
    operation = books.modify(values)
    made = decide(operation, books.there(operation))
    assert isinstance(made, Ready)
    if runs:
        assert books.ask(made.body.decode()).code == 0
    return replace(operation, body=made.body)


def test_one_that_ran_is_known_by_what_nobody_has_changed_since() -> None:
    books = Books.holding("Bill", bill(lines=[line(amount="557.46"), line("Office Supplies", "218.79")]))
    operation = in_doubt(books, bill(memo="Ramp bill 1 changed", lines=[line(amount="409.05")]))
    books.edits("<Memo>checked by hand</Memo>")
    there = books.there(operation)
    assert isinstance(made := decide(operation, there), OperationOutcome)
    assert made.code == "edited_there"
    assert has_run(operation, there) == {
        "TxnID": books.target_id,
        "RefNumber": "A-1",
        "TxnNumber": "1",
        "ExternalGUID": GUID,
        "EditSequence": "",
    }


def test_one_that_ran_is_known_by_a_part_of_a_line() -> None:
    books = Books.holding("Bill", bill())
    operation = in_doubt(books, bill(lines=[line(amount="120.00")]))
    (shown,) = books.shown()["ExpenseLineRet"]
    head = f"<ExpenseLineMod><TxnLineID>{shown['TxnLineID']}</TxnLineID>"
    books.edits(f"{head}{account('Office Supplies')}</ExpenseLineMod>")
    assert lines_of(books) == [("Office Supplies", "120.00", "")]
    assert has_run(operation, books.there(operation)) is not None


def test_one_that_did_not_run_is_not_known_by_what_a_person_has_made_the_same() -> None:
    books = Books.holding("Bill", bill())
    operation = in_doubt(books, bill(memo="new", date="2026-02-21"), runs=False)
    assert has_run(operation, books.there(operation)) is None
    books.edits("<TxnDate>2026-02-21</TxnDate>")
    assert has_run(operation, books.there(operation)) is None
    assert isinstance(decide(operation, books.there(operation)), Ready)


def test_an_edit_of_what_was_to_be_changed_says_nothing() -> None:
    books = Books.holding("Bill", bill())
    operation = in_doubt(books, bill(memo="new"), runs=False)
    books.edits("<Memo>theirs</Memo>")
    assert has_run(operation, books.there(operation)) is None
    assert has_run(replace(operation, base=b""), books.there(operation)) is None
    user_deletes(books.company, books.target_id)
    assert has_run(operation, books.there(operation)) is None
    assert has_run(operation, None) is None


def test_gone_there() -> None:
    books = Books.holding("Bill", bill())
    operation = books.modify(bill(memo="new"))
    user_deletes(books.company, books.target_id)
    response = books.there(operation)
    assert response.code == 500
    made = decide(operation, response)
    assert isinstance(made, OperationOutcome)
    assert (made.outcome, made.code) == ("deferred", "gone_there")
    assert made.message == "what is to be changed is no longer in QuickBooks"


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (None, "QuickBooks left a query unanswered"),
        (Response("BillQueryRs", "m.0", 1010, "Error", "System not available"), "1010: System not available"),
        (Response("BillQueryRs", "m.0", 0, "Info", "Status OK"), "0: Status OK"),
    ],
)
def test_quickbooks_does_not_say(response: Response | None, message: str) -> None:
    operation = Books.holding("Bill", bill()).modify(bill())
    assert decide(operation, response) == Later(message)


def test_what_cannot_be_written_is_said() -> None:
    books = Books.holding("Vendor", vendor())
    operation = books.modify(vendor(company="Fresh"))
    too_long = operation.body.replace(b"Fresh</CompanyName>", b"x" * 42 + b"</CompanyName>")
    made = decide(replace(operation, whole=too_long), books.there(operation))
    assert isinstance(made, OperationOutcome)
    assert (made.outcome, made.code) == ("failed", "invalid")
    assert "`CompanyName` has 42 characters" in made.message


# --- whatever people do


TEXT = st.sampled_from(["", "a", "b", "caf\u00e9"])
DATE = st.sampled_from(["2026-02-20", "2026-02-21", "2026-02-22"])
LINE = st.builds(
    lambda name, amount, memo: line(name, amount, memo=memo),
    st.sampled_from(["Travel", "Office Supplies"]),
    st.sampled_from(["1.00", "2.50"]),
    TEXT,
)
BILL = st.builds(
    lambda date, reference, memo, lines: bill(date=date, reference=reference, memo=memo, lines=lines),
    DATE,
    TEXT,
    TEXT,
    st.lists(LINE, min_size=1, max_size=3),
)


def seen(books: Books) -> dict[str, Any]:
    data = books.shown()
    texts = {name: data.get(name, "") for name in ("TxnDate", "RefNumber", "Memo")}
    return {**texts, "lines": lines_of(books)}


def meant(values: dict[str, Any]) -> dict[str, Any]:
    lines = [(each["account"]["full_name"], f"{each['amount']:.2f}", each["memo"]) for each in values["lines"]]
    return {"TxnDate": values["date"], "RefNumber": values["reference"], "Memo": values["memo"], "lines": lines}


@given(BILL, BILL, BILL)
@settings(max_examples=120, deadline=None)
def test_every_edit_survives_unless_both_changed_the_same(
    wrote: dict[str, Any], edited: dict[str, Any], wanted: dict[str, Any]
) -> None:
    books = Books.holding("Bill", wrote)
    ours, theirs, new = meant(wrote), meant(edited), meant(wanted)
    inside = etree.fromstring(books.frozen("mod", edited))[0]
    for child in (*list(inside)[:2], *inside.findall("VendorRef"), *inside.findall("APAccountRef")):
        inside.remove(child)
    # A text that the edit leaves empty is emptied: a modify has no other way to say so.
    for name, after in (("RefNumber", "DueDate"), ("Memo", "RefNumber")):
        if inside.find(name) is None:
            etree.SubElement(inside, name)
            found = inside.find(after)
            assert found is not None
            found.addnext(inside[-1])
    books.edits("".join(etree.tostring(child, encoding="unicode") for child in inside))
    assert seen(books) == theirs
    clash = {name for name in ours if len({str(ours[name]), str(theirs[name]), str(new[name])}) == 3}
    # An edit takes back nothing where it made what the source makes too.
    clash = {name for name in clash if theirs[name] not in (ours[name], new[name])}
    made = books.merged(wanted)
    if clash:
        assert isinstance(made, OperationOutcome)
        assert made.code == "edited_there"
        assert seen(books) == theirs
        return
    if isinstance(made, Ready):
        assert books.ask(made.body.decode()).code == 0
    expected = {name: theirs[name] if ours[name] == new[name] else new[name] for name in ours}
    assert seen(books) == expected
    nothing(books, wanted)
