# ruff: noqa: RUF001  (characters that look alike are tested)
"""Text that QuickBooks can store, and the envelope around requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from engine.qbxml.envelope import clear_state, envelope, status_check
from engine.qbxml.errors import BadMessageSetId
from engine.qbxml.text import ILLEGAL, SafeText, escape, outside_windows_1252, safe_text, to_windows_1252_safe

CASES = {
    "plain": "plain",
    "Söhne & Œuvre €5 – “q” …": "Söhne & Œuvre €5 – “q” …",
    "e\u0301": "é",
    "Łódź": "Lódz",
    "Đặng Văn": "Dang Van",
    "中文 ok": "?? ok",
    "a\u2028b\u00a0c\u2009d": "a\nb\u00a0c d",
    "zero\u200bwidth\ufeff": "zerowidth",
    "x → y ≤ z ″": 'x -> y <= z "',
    "ﬁn ① ½ ㎏": "fin 1 ½ kg",
    "a\x00b\x0bc\x1f\x85d": "abcd",
    "\ud800lone": "lone",
    "😀": "?",
    "tab\tline\nreturn\r": "tab\tline\nreturn\r",
}


@pytest.mark.parametrize("text", sorted(CASES))
def test_text_becomes_the_nearest_that_quickbooks_stores(text: str) -> None:
    assert to_windows_1252_safe(text) == CASES[text]


def test_what_was_lost_is_told() -> None:
    assert safe_text("Łódź 中 Łé") == SafeText("Lódz ? Lé", ("Ł", "ź", "中"))
    assert safe_text("é") == SafeText("é")


def test_characters_outside_windows_1252_are_named_once() -> None:
    assert outside_windows_1252("aé€") == ()
    assert outside_windows_1252("中a中ł") == ("中", "ł")
    assert outside_windows_1252("plain") == ()


@given(st.text())
def test_safe_text_is_storable_and_settled(text: str) -> None:
    safe = to_windows_1252_safe(text)
    safe.encode("cp1252")
    assert not ILLEGAL.search(safe)
    assert to_windows_1252_safe(safe) == safe


@given(st.text(st.characters(codec="cp1252", exclude_categories=["Cc", "Cs"])))
def test_windows_1252_text_in_nfc_is_kept(text: str) -> None:
    # The no-break space and the soft hyphen stay; only control characters are taken out.
    assert to_windows_1252_safe(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escaped_text_survives_a_parser_as_ascii(text: str) -> None:
    legal = ILLEGAL.sub("", text)
    for document in (f"<a>{escape(legal)}</a>", f'<a b="{escape(legal)}"/>'):
        assert document.isascii()
        root = etree.fromstring(document)
        if root.get("b") is None:
            assert (root.text or "") == legal
        else:
            assert root.get("b") == legal.replace("\n", " ").replace("\t", " ")


def test_envelope_is_exact() -> None:
    assert envelope(
        [b'<TxnDelRq requestID="1"/>', b"<HostQueryRq/>"], new_id="b", old_id="a", on_error="continueOnError"
    ) == (
        b'<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?>'
        b'<QBXML><QBXMLMsgsRq newMessageSetID="b" oldMessageSetID="a" onError="continueOnError">'
        b'<TxnDelRq requestID="1"/><HostQueryRq/></QBXMLMsgsRq></QBXML>'
    )


def test_recovery_documents_hold_no_request() -> None:
    head = b'<?xml version="1.0" encoding="utf-8"?><?qbxml version="12.0"?><QBXML><QBXMLMsgsRq'
    tail = b' onError="stopOnError"></QBXMLMsgsRq></QBXML>'
    assert status_check("x", version="12.0") == head + b' newMessageSetID="x" oldMessageSetID="x"' + tail
    assert clear_state("x", version="12.0") == head + b' oldMessageSetID="x"' + tail


@pytest.mark.parametrize("bad", ["", "x" * 25, 'a"b', "a b", "é", "a<b", "a&b"])
def test_an_id_that_quickbooks_would_refuse_is_refused(bad: str) -> None:
    with pytest.raises(BadMessageSetId) as caught:
        envelope([], new_id=bad)
    assert str(caught.value) == f"newMessageSetID must be 1 to 24 printable ASCII characters, this one has {len(bad)}"


def test_a_24_character_id_is_taken() -> None:
    assert b'newMessageSetID="' + b"x" * 24 + b'"' in envelope([], new_id="x" * 24)


def test_a_version_is_two_numbers() -> None:
    with pytest.raises(ValueError, match="13"):
        envelope([], version='13"')
