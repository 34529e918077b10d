"""Turns what a flow says of a bill into Ramp's own bodies, and holds a bill of Ramp's against it. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from connectors.ramp.amounts import from_object
from connectors.ramp.operations import Asked, Selection, major, selections
from connectors.ramp.requests import MANUAL_METHODS
from connectors.ramp.settings import Profile, Settings
from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.errors import Rejected
from engine.money import EXACT, exponent

Row = Mapping[str, Any]
# CREATE_BILL.md: 20 in the file of 2025-08, "up to 84 characters" since January 2026.
NUMBER_LENGTH: Mapping[Profile, int] = {"2025-08": 20, "2026-08": 84}
_MEMO = 1000
_VENDOR_MEMO = 400


@dataclass(frozen=True, slots=True)
class Line:
    """One line, in minor units of the bill's currency."""

    minor: int
    memo: str | None
    coding: tuple[Selection, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bill as the flow wants it. Dates are YYYY-MM-DD."""

    vendor_id: str
    entity_id: str | None
    number: str
    currency: str
    issued_on: str
    due_on: str
    posted_on: str | None
    memo: str | None
    vendor_memo: str | None
    lines: tuple[Line, ...]
    coding: tuple[Selection, ...]

    @property
    def minor(self) -> int:
        """The amount: Ramp knows no total but the sum of the lines."""
        return sum(line.minor for line in self.lines)


def wanted(asked: Asked, profile: Profile) -> Wanted:
    """The bill that an operation asks for.

    Raises:
        Rejected: when it lacks what Ramp needs, or has what Ramp refuses.
    """
    currency = asked.currency("invoice_currency")
    lines = tuple(
        Line(line.minor("amount", currency), line.text("memo"), line.coding()) for line in asked.parts("line_items")
    )
    if not lines:
        raise Rejected(f"{asked.where}: without lines", hint="map `line_items`; Ramp adds them up to the amount")
    return Wanted(
        vendor_id=asked.must("vendor_id"),
        entity_id=asked.text("entity_id"),
        number=asked.must("invoice_number", NUMBER_LENGTH[profile]),
        currency=currency,
        issued_on=asked.day("issued_at") or asked.must("issued_at"),
        due_on=asked.day("due_at") or asked.must("due_at"),
        posted_on=asked.day("posting_date"),
        memo=asked.text("memo", _MEMO),
        vendor_memo=asked.text("vendor_memo", _VENDOR_MEMO) if profile == "2026-08" else None,
        lines=lines,
        coding=asked.coding(),
    )


def is_draft(asked: Asked, settings: Settings) -> bool:
    """Whether the bill is to be a draft.

    Raises:
        Rejected: when it is to be one, and the profile has none.
    """
    given = asked.body.get("draft")
    paid = asked.body.get("paid") is not None
    drafted = given if isinstance(given, bool) else settings.unpaid_bills == "draft" and not paid
    if drafted and settings.profile == "2025-08":
        raise Rejected(
            f"{asked.where}: profile 2025-08 cannot make drafts",
            hint="leave `draft` out, or set `api_profile` to 2026-08 when the account has it",
        )
    return drafted


def payment(asked: Asked, settings: Settings) -> dict[str, Any]:
    """The part of the body that says how the bill is paid.

    Raises:
        Rejected: for a way that Ramp does not have.
    """
    paid = asked.part("paid")
    if paid is not None:
        method = (paid.text("method") or "OTHER").upper()
        if method not in MANUAL_METHODS:
            raise Rejected(
                f"{paid.where}: `{method[:40]}` is no way of Ramp's to have paid",
                hint=suggestion(method, MANUAL_METHODS),
            )
        details = {"manual_payment_method": method, "payment_date": paid.day("on") or paid.must("on")}
        return {"payment_method": "PAID_MANUALLY", "payment_details": details}
    method = (asked.text("payment_method") or "").upper()
    if method:
        return {"payment_method": method}
    if settings.unpaid_bills == "vendor_default":
        return {"use_default_payment_method": True}
    # Since 2026 the same is the default of a field that may be left out, and no longer one of its values.
    return {"payment_method": "UNSPECIFIED"} if settings.profile == "2025-08" else {}


def create_body(bill: Wanted, remote_id: str) -> dict[str, Any]:
    """What both profiles take for a new bill, without entity, contact and payment."""
    body: dict[str, Any] = {
        "vendor_id": bill.vendor_id,
        "invoice_number": bill.number,
        "invoice_currency": bill.currency,
        "issued_at": bill.issued_on,
        "due_at": bill.due_on,
        "remote_id": remote_id,
        "line_items": lines_body(bill),
    }
    texts = {"memo": bill.memo, "vendor_memo": bill.vendor_memo, "posting_date": bill.posted_on}
    body |= {name: value for name, value in texts.items() if value is not None}
    if bill.coding:
        body["accounting_field_selections"] = selections(bill.coding)
    return body


def lines_body(bill: Wanted) -> list[dict[str, Any]]:
    """The lines; amounts are texts, so that no reader of JSON can round them."""
    made = []
    for line in bill.lines:
        entry: dict[str, Any] = {"amount": major(line.minor, bill.currency)}
        if line.memo is not None:
            entry["memo"] = line.memo
        entry["accounting_field_selections"] = selections(line.coding)
        made.append(entry)
    return made


def changes(bill: Wanted, was: Asked, row: Row, profile: Profile) -> dict[str, Any]:
    """What a PATCH must say so that Ramp's bill is what is wanted; empty when it is so already.

    `was` is what wrote it last: a memo that it had and that is wanted no more is taken out. Only fields that a PATCH
    takes are among them: one that it does not know refuses the whole call (CREATE_BILL.md).
    """
    plain = {
        "vendor_id": (bill.vendor_id, _at(row, "vendor", "id")),
        "invoice_number": (bill.number, row.get("invoice_number")),
        "issued_at": (bill.issued_on, _day(row, "issued_at")),
        "due_at": (bill.due_on, _day(row, "due_at")),
    }
    if bill.entity_id is not None:
        plain["entity_id"] = (bill.entity_id, row.get("entity_id"))
    body: dict[str, Any] = {name: value for name, (value, there) in plain.items() if value != there}
    texts = {"memo": (bill.memo, row.get("memo")), "posting_date": (bill.posted_on, _day(row, "posting_date"))}
    if profile == "2026-08":
        texts["vendor_memo"] = (bill.vendor_memo, row.get("vendor_memo"))
    for name, (value, there) in texts.items():
        if (value is not None or was.text(name) is not None) and value != (there or None):
            body[name] = value
    ours = _fields(bill, was)
    if not _alike(bill, row, ours):
        body["line_items"] = lines_body(bill)
        if _list(row, "inventory_line_items"):
            body["inventory_line_items"] = []
    if _pairs(bill.coding) != _coded(row, ours["bill"]):
        body["accounting_field_selections"] = selections(bill.coding)
    return body


def shown(row: Row) -> tuple[int, str] | None:
    """Amount in minor units and currency of a bill as Ramp shows it; None when that cannot be read.

    A draft may show none; then its lines are added up.
    """
    amount = _minor(row.get("amount"))
    if amount is not None:
        return amount
    lines = [_minor(line.get("amount")) for line in _list(row, "line_items")]
    if not lines or any(line is None for line in lines):
        return None
    found = [line for line in lines if line is not None]
    return sum(minor for minor, _ in found), found[0][1]


def _alike(bill: Wanted, row: Row, ours: Mapping[str, frozenset[str]]) -> bool:
    """Whether the lines are those that are wanted, in whatever order Ramp lists them."""
    want = sorted((line.minor, line.memo or "", sorted(_pairs(line.coding))) for line in bill.lines)
    have = []
    for line in _list(row, "line_items"):
        amount = _minor(line.get("amount"))
        if amount is None or amount[1] != bill.currency:
            return False
        have.append((amount[0], str(line.get("memo") or ""), sorted(_coded(line, ours["line"]))))
    return want == sorted(have) and not _list(row, "inventory_line_items")


def _fields(bill: Wanted, was: Asked) -> dict[str, frozenset[str]]:
    """The fields that are ours to code; what Ramp or a person coded beside them stays."""
    lines = {item.field_id for line in bill.lines for item in line.coding}
    whole = {item.field_id for item in bill.coding}
    for line in was.parts("line_items"):
        lines |= {item.field_id for item in line.coding()}
    whole |= {item.field_id for item in was.coding()}
    return {"line": frozenset(lines), "bill": frozenset(whole)}


def _pairs(coding: Iterable[Selection]) -> frozenset[tuple[str, str]]:
    return frozenset((item.field_id, item.option_id) for item in coding)


def _coded(row: Row, fields: frozenset[str]) -> frozenset[tuple[str, str]]:
    found = ((_at(item, "category_info", "external_id"), item.get("external_id")) for item in selected(row))
    return frozenset((str(name), str(option)) for name, option in found if str(name) in fields)


def selected(row: Row) -> list[Row]:
    """The selections of a bill, a transaction, or one of their lines."""
    return _list(row, "accounting_field_selections")


def _minor(value: Any) -> tuple[int, str] | None:
    """An amount of Ramp's in minor units of ISO 4217, read as bills are read elsewhere: its own rate counts, if any."""
    text, currency = from_object(value)
    if text is None or currency is None:
        return None
    try:
        scaled = EXACT.scaleb(Decimal(text), exponent(currency))
    except ArithmeticError:  # a text in place of an amount that cannot be trusted
        return None
    return (int(scaled), currency) if scaled == scaled.to_integral_value() else None


def _list(row: Row, name: str) -> list[Row]:
    value = row.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _at(row: Row, first: str, second: str) -> object:
    inner = row.get(first)
    return inner.get(second) if isinstance(inner, Mapping) else None


def _day(row: Row, name: str) -> str | None:
    """Ramp shows dates as midnight; the date part is meant, in whatever zone (FACTS.md section 3)."""
    value = row.get(name)
    return value[:10] if isinstance(value, str) and value else None
