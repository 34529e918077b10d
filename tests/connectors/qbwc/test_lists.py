"""QuickBooks' lists as the connector reads them: which query asks for a list, and what its objects hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.qbwc.lists import ListPage, is_readable, read_page, request_page
from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import VirtualClock
from connectors.qbwc.simulator.processor import RequestProcessor
from connectors.qbwc.simulator.script import company_of, put
from connectors.qbwc.spec import LISTS
from engine.contract import ListObject
from engine.qbxml.check import check_request
from engine.qbxml.envelope import envelope
from engine.qbxml.response import parse_response


def pages(company: CompanyFile, name: str, size: int) -> list[ListPage]:
    """All pages of a list, read as a session does."""
    processor, iterator_id = RequestProcessor(company), ""
    found: list[ListPage] = []
    while not found or iterator_id:
        request = request_page(name, iterator_id, "q1", size)
        assert check_request(request[1 : request.index(b" ")].decode(), request) == []
        answer = parse_response(processor.process(envelope([request], version="13.0").decode()))
        response = answer.by_request_id("q1")
        assert response is not None
        found.append(read_page(name, response))
        iterator_id = found[-1].iterator_id
    return found


def test_every_list_of_the_spec_can_be_read() -> None:
    assert [entry.name for entry in LISTS if not is_readable(entry.name)] == []
    assert not is_readable("Colour")


def test_sales_tax_items_have_their_rate_as_a_fraction() -> None:
    company = company_of(1, VirtualClock(), {})
    assert pages(company, "SalesTaxItem", 2) == [ListPage()]
    for name, rate in (("City", "8.25"), ("County", ""), ("Exempt", "0.0")):
        put(company, {"list": "ItemSalesTax", "name": name, "rate": rate})
    county = company.named("ItemSalesTax", "County")
    assert county is not None
    company.put_list(replace(county, active=False))
    first, last = pages(company, "SalesTaxItem", 2)
    ids = [item.list_id for item in company.items("ItemSalesTax")]
    edits = [str(item.edit_sequence) for item in company.items("ItemSalesTax")]
    common = {"kind": "ItemSalesTax"}
    assert (*first.objects, *last.objects) == (
        ListObject(
            ids[0],
            "City",
            edit_sequence=edits[0],
            data={"Name": "City", "TaxRate": "8.25", **common, "rate": "0.0825"},
        ),
        ListObject(
            ids[1], "County", active=False, edit_sequence=edits[1], data={"Name": "County", **common, "rate": None}
        ),
        ListObject(
            ids[2], "Exempt", edit_sequence=edits[2], data={"Name": "Exempt", "TaxRate": "0.0", **common, "rate": "0"}
        ),
    )
    assert last.iterator_id == ""


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        (
            '<ItemSalesTaxQueryRs requestID="1" statusCode="3250" statusSeverity="Warn" statusMessage="off"/>',
            ListPage(),
        ),
        (
            '<ItemSalesTaxQueryRs requestID="1" statusCode="3260" statusSeverity="Error" statusMessage="not allowed"/>',
            ListPage(problem="3260: not allowed"),
        ),
        (
            '<ItemQueryRs requestID="1" statusCode="0" statusSeverity="Info" statusMessage="Status OK"/>',
            ListPage(problem="QuickBooks answered with ItemQueryRs"),
        ),
    ],
)
def test_answers_without_sales_tax_items(answer: str, page: ListPage) -> None:
    found = parse_response(f"<QBXML><QBXMLMsgsRs>{answer}</QBXMLMsgsRs></QBXML>".encode()).by_request_id("1")
    assert found is not None
    assert read_page("SalesTaxItem", found) == page
