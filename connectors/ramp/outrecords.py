"""The amounts of what else comes out of Ramp: reimbursements in both profiles, and vendor credits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.ramp.amounts import Amount, from_number, from_object, header_amount, line_amount

Record = dict[str, Any]


def price_lines(record: Record, row: Record, header: Amount) -> None:
    """Express every split in the header's currency: Ramp's own line amount may be in the merchant's."""
    raw = [line for line in row["line_items"] if isinstance(line, dict)] if record["line_items"] else []
    for line, given in zip(record["line_items"], raw, strict=True):
        amount = from_object(given.get("amount"))
        line["original_amount"], line["original_currency"] = amount
        choices = ((from_object(given.get("converted_amount")), "converted"), (amount, "given"))
        line["amount"], line["currency"], line["amount_source"] = line_amount(choices, header, alone=len(raw) == 1)


def _price_reimbursement(record: Record, row: Record, *, legacy: bool) -> None:
    """What the payor pays: a plain number in 2025, `entity_amount` since 2026 (delta of the field list of 2026)."""
    paid = from_number(row.get("amount"), row.get("currency"))
    header = header_amount(from_object(row.get("entity_amount")), paid, legacy=legacy)
    record["amount"], record["currency"] = header
    record["payee_amount"], record["payee_currency"] = from_object(row.get("payee_amount"))
    spent = row.get("merchant_amount")
    original = from_object(spent if spent is not None else row.get("original_reimbursement_amount"))
    record["original_amount"], record["original_currency"] = original
    price_lines(record, row, header)


def _price_vendor_credit(record: Record, row: Record, **_: bool) -> None:
    """ASSUMED: amounts are objects in minor units, as on bills; no example of a credit is published."""
    record["currency"] = from_object(row.get("total_amount"))[1]


OUT_PRICING: Mapping[str, Callable[..., None]] = {
    "reimbursements": _price_reimbursement,
    "vendor_credits": _price_vendor_credit,
}
