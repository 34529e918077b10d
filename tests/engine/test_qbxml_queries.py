"""Query requests: exact bytes, and valid by the schema of their request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from engine.qbxml.check import check_request
from engine.qbxml.errors import BadQuery
from engine.qbxml.lint import lint
from engine.qbxml.notation import load
from engine.qbxml.queries import (
    ITERABLE_LISTS,
    LINKED_KINDS,
    LIST_FIELDS,
    TXN_KINDS,
    TxnFilter,
    company_queries,
    list_query,
    txn_query,
)

EXACT = {
    "names": (
        list_query("Vendor", request_id="7", names=("Söhne & Co", "B"), only=("ListID",)),
        (
            b'<VendorQueryRq requestID="7"><FullName>S&#246;hne &amp; Co</FullName><FullName>B</FullName>'
            b"<IncludeRetElement>ListID</IncludeRetElement></VendorQueryRq>"
        ),
    ),
    "by list id": (
        list_query("Vendor", request_id="7", list_ids=("8-1", "8-2"), only=("Name",)),
        (
            b'<VendorQueryRq requestID="7"><ListID>8-1</ListID><ListID>8-2</ListID>'
            b"<IncludeRetElement>Name</IncludeRetElement></VendorQueryRq>"
        ),
    ),
    "changed names": (
        list_query(
            "Vendor",
            request_id="7",
            iterator="Start",
            max_returned=5,
            modified=(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
            only=(),
        ),
        (
            b'<VendorQueryRq requestID="7" iterator="Start"><MaxReturned>5</MaxReturned><ActiveStatus>All</ActiveStatus>'
            b"<FromModifiedDate>2026-01-01T00:00:00</FromModifiedDate><ToModifiedDate>2026-01-02T03:04:05</ToModifiedDate>"
            b"</VendorQueryRq>"
        ),
    ),
    "sales tax items": (
        list_query("ItemSalesTax", request_id="1", iterator="Start", max_returned=2),
        (
            b'<ItemSalesTaxQueryRq requestID="1" iterator="Start"><MaxReturned>2</MaxReturned><ActiveStatus>All</ActiveStatus>'
            b"<IncludeRetElement>ListID</IncludeRetElement><IncludeRetElement>EditSequence</IncludeRetElement>"
            b"<IncludeRetElement>Name</IncludeRetElement><IncludeRetElement>FullName</IncludeRetElement>"
            b"<IncludeRetElement>IsActive</IncludeRetElement><IncludeRetElement>ItemDesc</IncludeRetElement>"
            b"<IncludeRetElement>TaxRate</IncludeRetElement></ItemSalesTaxQueryRq>"
        ),
    ),
    "first page": (
        list_query("Customer", request_id="1", iterator="Start", max_returned=100, only=()),
        b'<CustomerQueryRq requestID="1" iterator="Start"><MaxReturned>100</MaxReturned><ActiveStatus>All</ActiveStatus></CustomerQueryRq>',
    ),
    "next page": (
        list_query("Vendor", request_id="2", iterator="Continue", iterator_id="{ab}", max_returned=5, only=("Name",)),
        (
            b'<VendorQueryRq requestID="2" iterator="Continue" iteratorID="{ab}"><MaxReturned>5</MaxReturned>'
            b"<ActiveStatus>All</ActiveStatus><IncludeRetElement>Name</IncludeRetElement></VendorQueryRq>"
        ),
    ),
    "by id": (
        txn_query("Bill", TxnFilter(txn_ids=("1-2", "1-3")), request_id="9", lines=True),
        b'<BillQueryRq requestID="9"><TxnID>1-2</TxnID><TxnID>1-3</TxnID><IncludeLineItems>true</IncludeLineItems></BillQueryRq>',
    ),
    "by number": (
        txn_query("Check", TxnFilter(ref_numbers=("A<1",)), request_id="9", only=("TxnID",)),
        (
            b'<CheckQueryRq requestID="9"><RefNumber>A&lt;1</RefNumber><IncludeLineItems>false</IncludeLineItems>'
            b"<IncludeRetElement>TxnID</IncludeRetElement></CheckQueryRq>"
        ),
    ),
    "by date": (
        txn_query(
            "CreditCardCharge",
            TxnFilter(dates=(date(2026, 1, 1), date(2026, 1, 31)), entity="8-1", max_returned=50),
            request_id="9",
            iterator="Start",
        ),
        (
            b'<CreditCardChargeQueryRq requestID="9" iterator="Start"><MaxReturned>50</MaxReturned><TxnDateRangeFilter>'
            b"<FromTxnDate>2026-01-01</FromTxnDate><ToTxnDate>2026-01-31</ToTxnDate></TxnDateRangeFilter>"
            b"<EntityFilter><ListID>8-1</ListID></EntityFilter><IncludeLineItems>false</IncludeLineItems></CreditCardChargeQueryRq>"
        ),
    ),
    "by change": (
        txn_query(
            "Transfer",
            TxnFilter(modified=(datetime(2026, 1, 1, 8, 30, 0, 5), datetime(2026, 1, 2))),  # noqa: DTZ001  # a local time is meant
            request_id="9",
        ),
        (
            b'<TransferQueryRq requestID="9"><ModifiedDateRangeFilter><FromModifiedDate>2026-01-01T08:30:00</FromModifiedDate>'
            b"<ToModifiedDate>2026-01-02T00:00:00</ToModifiedDate></ModifiedDateRangeFilter></TransferQueryRq>"
        ),
    ),
}


@pytest.mark.parametrize("case", sorted(EXACT))
def test_a_query_is_exact_and_valid(case: str) -> None:
    made, expected = EXACT[case]
    assert made == expected
    assert check_request(made[1 : made.index(b" ")].decode(), made) == []
    assert lint(made) == []


@pytest.mark.parametrize("kind", sorted(LIST_FIELDS))
def test_every_list_can_be_asked_for(kind: str) -> None:
    paged = kind in ITERABLE_LISTS
    made = list_query(kind, request_id="1", iterator="Start" if paged else None, max_returned=10)
    assert check_request(f"{kind}Query", made) == []


@pytest.mark.parametrize("kind", sorted(TXN_KINDS))
def test_every_transaction_can_be_asked_for(kind: str) -> None:
    made = txn_query(
        kind, TxnFilter(dates=(date(2026, 1, 1), date(2026, 1, 2)), max_returned=1), request_id="1", iterator="Start"
    )
    assert check_request(f"{kind}Query", made) == []


@pytest.mark.parametrize("kind", sorted(TXN_KINDS))
def test_links_are_asked_for_where_the_schema_has_them(kind: str) -> None:
    made = txn_query(kind, TxnFilter(txn_ids=("1-2",)), request_id="1", lines=True, links=True)
    assert check_request(f"{kind}Query", made) == []
    asked = made.replace(b"</IncludeLineItems>", b"</IncludeLineItems><IncludeLinkedTxns>true</IncludeLinkedTxns>")
    assert (kind in LINKED_KINDS) == (b"<IncludeLinkedTxns>true</IncludeLinkedTxns>" in made)
    assert kind in LINKED_KINDS or kind == "Transfer" or check_request(f"{kind}Query", asked) != []


def test_lists_with_iterators_are_those_of_the_schema() -> None:
    paged = {
        name.removesuffix("QueryRq")
        for name, message in load().requests.items()
        if any(attribute.name == "iterator" for attribute in message.body.attributes)
    }
    assert paged == ITERABLE_LISTS | TXN_KINDS


def test_the_queries_of_the_web_connector_are_valid() -> None:
    for made, name in zip(
        company_queries("{7B2C1E0A-1111-4222-8333-444455556666}"), ("Host", "Company", "Preferences"), strict=True
    ):
        assert check_request(f"{name}Query", made) == []


def test_impossible_queries_say_why() -> None:
    cases: list[tuple[Callable[[], bytes], str]] = [
        (
            lambda: list_query("Invoice", request_id="1"),
            f"InvoiceQueryRq: no such list; known: {', '.join(sorted(LIST_FIELDS))}",
        ),
        (lambda: list_query("Account", request_id="1", iterator="Start"), "AccountQueryRq: this list has no iterator"),
        (
            lambda: list_query("Vendor", request_id="1", names=("a",), max_returned=1),
            "VendorQueryRq: names cannot be paged",
        ),
        (
            lambda: list_query("Vendor", request_id="1", iterator="Continue", max_returned=1),
            "VendorQueryRq: an iterator needs max_returned, and an iterator_id in every call but the first",
        ),
        (
            lambda: txn_query("Invoice", TxnFilter(), request_id="1"),
            f"InvoiceQueryRq: no such transaction; known: {', '.join(sorted(TXN_KINDS))}",
        ),
        (
            lambda: txn_query("Transfer", TxnFilter(ref_numbers=("1",)), request_id="1"),
            "TransferQueryRq: this transaction has no RefNumber",
        ),
        (
            lambda: txn_query("Transfer", TxnFilter(entity="1"), request_id="1"),
            "TransferQueryRq: this transaction has no entity",
        ),
    ]
    for ask, message in cases:
        with pytest.raises(BadQuery) as caught:
            ask()
        assert str(caught.value) == message
