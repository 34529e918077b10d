"""A journal entry has its memo on its lines, and is known again by them where QuickBooks shows no ExternalGUID."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from connectors.qbwc import probe, written
from engine.contract import Operation

GUID = "{6f1d2c3b-0000-4000-8000-000000000001}"


def line(tag: str, amount: str, memo: str) -> str:
    return f"<{tag}><AccountRef><FullName>A</FullName></AccountRef><Amount>{amount}</Amount><Memo>{memo}</Memo></{tag}>"


def operation(number: str = "42") -> Operation:
    body = (
        '<JournalEntryAddRq requestID="1"><JournalEntryAdd><TxnDate>2026-03-02</TxnDate>'
        f"{f'<RefNumber>{number}</RefNumber>' if number else ''}<ExternalGUID>{GUID}</ExternalGUID>"
        f"{line('JournalDebitLine', '7.00', 'Taxi')}{line('JournalDebitLine', '5.00', 'Taxi')}"
        f"{line('JournalCreditLine', '12.00', 'Ramp card t-1 Cab Co.')}</JournalEntryAdd></JournalEntryAddRq>"
    ).encode()
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return Operation("op1", "JournalEntryAdd", body, hashlib.sha256(body).hexdigest(), GUID, at)


def shown(amount: str, memo: str) -> Mapping[str, Any]:
    return {"AccountRef": {"FullName": "A"}, "Amount": amount, "Memo": memo}


def there(**other: Any) -> Mapping[str, Any]:
    """The entry as QuickBooks shows it, without its marker."""
    return {
        "TxnID": "77-1",
        "EditSequence": "1",
        "RefNumber": "42",
        "TxnDate": "2026-03-02",
        "JournalDebitLine": [shown("5.00", "Taxi"), shown("7.00", "Taxi")],
        "JournalCreditLine": shown("12.00", "Ramp card t-1 Cab Co."),
        **other,
    }


OTHERS = {"JournalCreditLine": shown("12.00", "Ramp card t-2 Cab Co.")}
JUDGED: list[tuple[str, Mapping[str, Any], str]] = [
    ("42", {}, "hit"),
    # What a person changed: the number, the day, an amount, or all of them.
    ("42", {"RefNumber": "HAND-1"}, "alike"),
    ("42", {"TxnDate": "2026-03-09"}, "alike"),
    ("42", {"RefNumber": "HAND-1", "TxnDate": "2026-03-09", "JournalDebitLine": shown("9.00", "Taxi")}, "alike"),
    ("42", OTHERS, "alike"),
    # Another entry, though it has a memo in common, and the same day and sum.
    ("42", {**OTHERS, "RefNumber": "43"}, "none"),
    # Without a number nothing tells two of them apart for certain.
    ("", {"RefNumber": ""}, "alike"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "other", "verdict"), JUDGED)
def test_an_entry_is_known_by_the_memos_of_its_lines(number: str, other: Mapping[str, Any], verdict: str) -> None:
    found = probe.judge(written.marks_of(operation(number)), [there(**other)])
    assert (found.kind, found.receipt.get("TxnID")) == (verdict, "77-1" if verdict == "hit" else None)


def test_a_changed_memo_of_a_line_is_told() -> None:
    changed = there(JournalCreditLine=shown("12.00", "checked by hand"))
    assert probe.differences(operation(), changed) == (
        "memo `checked by hand` there, `Ramp card t-1 Cab Co.` here",
    )  # fmt: skip
    assert probe.differences(operation(), there()) == ()
    # Shown without its lines it says nothing of them.
    bare = {name: value for name, value in there().items() if not name.startswith("Journal")}
    assert probe.differences(operation(), bare) == ()


def test_after_a_lost_answer_both_sides_of_an_entry_are_asked_for() -> None:
    requests, _ = probe.questions([operation()], "q", datetime(2026, 3, 3, tzinfo=UTC))
    asked = [etree.fromstring(request) for request in requests]
    assert [request.findtext("IncludeLineItems") for request in asked] == ["true", "true"]
    kept = [[each.text for each in request.iterfind("IncludeRetElement")] for request in asked]
    assert [names[-2:] for names in kept] == [["JournalDebitLine", "JournalCreditLine"]] * 2
