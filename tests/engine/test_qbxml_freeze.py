"""The short ways of freezing a request come to what the long ways come to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from engine.qbxml import check, freeze_request
from engine.qbxml.errors import InvalidRequest, UnreadableRequest
from engine.qbxml.lint import harmless, lint

PARTS = {
    "VendorRef": ["<ListID>8-1</ListID>", "<FullName>Acme</FullName>", "<FullName> Acme</FullName>", "<FullName>A > </FullName>", ""],
    "TxnDate": ["2026-01-02", "2026-01-02Z", "2026-01-02+02:00", "", " 2026-01-02", "-2026-01-02", "12026-01-02"],
    "DueDate": ["2026-01-02", "2026-01-02-05:00", "2026-01-02 "],
    "RefNumber": ["1", "", " ", "a b", "a ", "&lt;", "&#65;", "<![CDATA[x]]>", "it's", '"', "TxnLine", "&gt; Date&gt;"],
    "Memo": ["x", "\n", "a\r\nb", "&amp;", "\u00e9", "e\u0301", "\u20ac", "\u4e2d", "<!-- c -->", "<?p i?>x", "-1.00", "&#13;"],
}  # fmt: skip
LINES = st.sampled_from(["10.00", "-10.00", "0.00", "", "-10.01", " 1.00", "1"])


@st.composite
def bills(draw: st.DrawFn) -> str:
    head = ""
    for tag, values in PARTS.items():
        if tag == "VendorRef" or draw(st.booleans()):
            space = draw(st.sampled_from(["", "", "", "\n ", " "]))
            head += f"<{tag}>{draw(st.sampled_from(values))}</{tag}{draw(st.sampled_from(['', '', ' ']))}>{space}"
    lines = "".join(
        f"<ExpenseLineAdd><AccountRef><ListID>1</ListID></AccountRef><Amount>{amount}</Amount></ExpenseLineAdd>"
        for amount in draw(st.lists(LINES, max_size=3))
    )
    request_id = draw(st.sampled_from(['"r1"', "'r1'", '"a&#9;b"', '">"']))
    return f"<BillAddRq requestID={request_id}><BillAdd>{head}{lines}</BillAdd></BillAddRq>"


@settings(max_examples=1000, deadline=None)
@given(bills())
def test_what_is_seen_to_be_harmless_breaks_no_rule(source: str) -> None:
    root = etree.fromstring(source.encode(), check._local.parser)
    check._make_storable(root)
    frozen = etree.tostring(root)
    if check.schema("BillAdd").validate(root) and harmless(root, frozen):
        assert lint(root) == []


@settings(max_examples=1000, deadline=None)
@given(bills())
def test_frozen_bytes_are_those_of_the_tree(source: str) -> None:
    root = etree.fromstring(source.encode(), check._local.parser)
    check._make_storable(root)
    try:
        frozen = freeze_request("BillAdd", source)
    except InvalidRequest:
        assert not check.schema("BillAdd").validate(root) or lint(root)
    else:
        assert frozen == etree.tostring(root)
        assert frozen.isascii()


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        ("<Amount>1.00</Amount>", True),
        ("<Amount>-1.00</Amount>", False),
        ("<Amount>1.00</Amount><Memo>a - b</Memo>", True),
        ("<Amount>1.00</Amount><Memo>b </Memo>", False),
        ("<Amount/>", False),
    ],
)
def test_an_ordinary_bill_needs_no_walk(lines: str, seen: bool) -> None:
    source = (
        '<BillAddRq requestID="1"><BillAdd><VendorRef><ListID>8-1</ListID></VendorRef><TxnDate>2026-01-02</TxnDate>'
        f"<ExpenseLineAdd><AccountRef><ListID>1</ListID></AccountRef>{lines}</ExpenseLineAdd></BillAdd></BillAddRq>"
    )
    assert harmless(etree.fromstring(source), source.encode()) is seen


def test_a_document_type_is_refused_and_an_exclamation_mark_is_not() -> None:
    body = "<BillAdd><VendorRef><ListID>1</ListID></VendorRef><Memo>!</Memo><ExpenseLineAdd/></BillAdd>"
    assert freeze_request("BillAdd", f"<BillAddRq>{body}</BillAddRq>") == f"<BillAddRq>{body}</BillAddRq>".encode()
    with pytest.raises(UnreadableRequest):
        freeze_request("BillAdd", f"<!DOCTYPE BillAddRq><BillAddRq>{body}</BillAddRq>")
