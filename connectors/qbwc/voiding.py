"""Holds a void against what is in QuickBooks now, before it is sent: what a person has changed is never voided.

A void carries no EditSequence, so QuickBooks itself would not refuse one that is out of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from lxml import etree

from connectors.qbwc import merge, probe, written
from connectors.qbwc.merge import Later, Ready
from engine.contract import Json, Operation, OperationOutcome
from engine.evidence import VOIDED_THERE
from engine.qbxml.queries import TxnFilter, txn_query
from engine.qbxml.response import Response, text_at

PAID_THERE = "paid_there"
_VOID_MEMO = "VOID:"
# What else is voided cannot be paid or used.
_PAYABLE = frozenset({"Bill", "VendorCredit"})
_ORDERS = frozenset({"PurchaseOrder", "ItemReceipt"})


def queries(operation: Operation, prefix: str) -> tuple[bytes, ...]:
    """The request that shows the object as it is now, with its lines and what pays or uses it, named `prefix`."""
    which = TxnFilter(txn_ids=(operation.target_id,))
    return (txn_query(written.marks_of(operation).kind, which, request_id=prefix, lines=True, links=True),)


def decide(operation: Operation, response: Response | None) -> Ready | OperationOutcome | Later:
    """What becomes of a void, from the answer to its query; `operation` has its base, as the outbox gives it."""
    if response is None:
        return Later("QuickBooks left a query unanswered")
    data = next((each for each in response.objects if probe.id_of(each) == operation.target_id), None)
    if data is None:
        return merge.gone(operation) if response.code in merge.ABSENT else Later(f"{response.code}: {response.message}")
    if is_void(data):
        text = "it was voided in QuickBooks already; nothing was sent"
        return OperationOutcome(operation.id, "posted", probe.receipt(data), code=VOIDED_THERE, message=text)
    found = edits(operation, data)
    if found:
        return _edited(operation, found)
    paid = written.marks_of(operation).kind in _PAYABLE and _is_paid(data)
    return Ready(operation.body, clean=True) if paid is False else _paid(operation, known=paid is True)


def is_void(data: Json) -> bool:
    """Whether QuickBooks shows a transaction as void: no amount, and a memo that begins with VOID:, its own or a line's.

    ASSUMED: a journal entry, which has no memo of its own, gets it on its lines.
    """
    total = probe.total_there(data)
    if total is None or total:
        return False
    lines = (row for name in probe.ROWS for row in probe.rows_of(data.get(name)))
    return any(text_at(part, "Memo").strip().upper().startswith(_VOID_MEMO) for part in (data, *lines))


def edits(operation: Operation, data: Json) -> tuple[str, ...]:
    """In what the object of a void is no longer as we wrote it last; where that is not known, that it is not."""
    if not operation.base:
        return ("what was written is not known here",)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    request = str(etree.fromstring(operation.base, parser).tag).removesuffix("Rq")
    shown = data if probe.APPLIED in data else {**data, probe.APPLIED: []}
    return probe.differences(replace(operation, request=request, body=operation.base, whole=b""), shown)


def _is_paid(data: Json) -> bool | None:
    """Whether a bill was paid, or a credit used, in part or whole; None when QuickBooks does not tell.

    Newer versions say what is left of it. Of others, what it is linked with shows a part as well, while `IsPaid`, which a
    credit does not have, is about the whole.
    """
    whole = _money(text_at(data, "AmountDue") or text_at(data, "CreditAmount"))
    left = _money(text_at(data, "OpenAmount"))
    if whole is not None and left is not None:
        return whole != left
    if any(_pays(link) for link in probe.rows_of(data.get("LinkedTxn"))):
        return True
    # A bill of nothing counts as paid at once.
    return {"true": whole != 0, "false": False}.get(text_at(data, "IsPaid").strip().casefold())


def _pays(link: Json) -> bool:
    """Whether a link is a payment or a use; with its purchase orders a bill is linked by quantities."""
    by_amount = text_at(link, "LinkType") != "QUANTYPE" and text_at(link, "TxnType") not in _ORDERS
    return by_amount and _money(text_at(link, "Amount")) != 0


def _money(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text.strip() else None
    except InvalidOperation:
        return None


def _edited(operation: Operation, edits: Sequence[str]) -> OperationOutcome:
    return OperationOutcome(
        operation.id,
        "deferred",
        code=merge.EDITED_THERE,
        message=f"the source has voided it, and it was changed in QuickBooks since it was posted: {'; '.join(edits)}",
        hint="void it in QuickBooks by hand, or put back what was changed there, then run `flowctl retry ID`; "
        "when it is to stay as it is, run `flowctl reconcile --leave-out ID`",
    )


def _paid(operation: Operation, *, known: bool) -> OperationOutcome:
    told = "in QuickBooks it is paid or used in part or whole"
    untold = "QuickBooks does not tell whether it is paid or used there"
    first = (
        "void what pays or uses it; it" if known else "void it in QuickBooks by hand when nothing pays or uses it; it"
    )
    return OperationOutcome(
        operation.id,
        "deferred",
        code=PAID_THERE,
        message=f"the source has voided it, and {told if known else untold}",
        hint=f"{first} is tried again when flowctl has voided something, else run "
        "`flowctl retry ID`; when it is to stay as it is, run `flowctl reconcile --leave-out ID`",
        waits_for=("voided",),
    )
