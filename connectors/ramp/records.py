"""Makes records from Ramp's JSON: exactly the fields the spec describes, ids as text, money as text in major units.

Anything else that Ramp sends is dropped, so that stored payloads stay small and hold little about people. A described
field that is absent or of a wrong type is null, a list of a wrong type is empty; an amount that cannot be trusted is a
text that `money()` refuses, so that one damaged record fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from operator import itemgetter
from typing import Any

from connectors.ramp.amounts import from_number, from_object, header_amount
from connectors.ramp.outrecords import OUT_PRICING, price_lines
from connectors.ramp.settings import Settings
from connectors.ramp.spec import SPEC
from engine.spec import FieldSpec

_STRUCTURED = frozenset({"object", "list", "boolean"})
Record = dict[str, Any]
Reader = Callable[[Any], Any]
# Streams whose amounts are chosen among several, and the lines with them.
SELF_PRICED = frozenset({"transactions", "reimbursements"})
# Names that changed between the profiles: what we emit, and what else it may be called.
_ALSO_CALLED = {"quantity": "unit_quantity"}


def normaliser(stream: str, settings: Settings) -> Callable[[Record], Record]:
    """The function that makes a record of the stream from one row of Ramp's answer."""
    spec = SPEC.stream(stream)
    assert spec is not None
    project = _projector(stream)
    price = _PRICING.get(stream)
    guarded = settings.provider_name if spec.fields[-1].name == "foreign_provider" else None

    def normalise(row: Record) -> Record:
        record: Record = project(row)
        if price is not None:
            price(record, row, legacy=settings.profile == "2025-08")
        if guarded is not None:
            record["foreign_provider"] = _foreign_provider(record, guarded)
        return record

    return normalise


@cache
def _projector(stream: str) -> Reader:
    """The reader of a stream's rows; compiled once a process, since a source is opened many times."""
    spec = SPEC.stream(stream)
    assert spec is not None
    return _object_reader(spec.fields, priced=stream not in SELF_PRICED)


def _object_reader(fields: tuple[FieldSpec, ...], *, priced: bool) -> Reader:
    """A function from a JSON object to a record of these fields; compiled once, since it runs for every line."""
    blank: Record = dict.fromkeys(f.name for f in fields)
    width, pick = len(blank), _picker(tuple(blank))
    prices = tuple(f.name for f in fields if f.type == "money") if priced else ()
    rest = [f for f in fields if f.name not in prices and not (f.name == "currency" and "amount" in prices)]
    renamed = tuple((f.name, _ALSO_CALLED[f.name]) for f in rest if f.name in _ALSO_CALLED)
    lists = tuple((f.name, _list_reader(f, priced=priced)) for f in rest if f.type == "list")
    others = tuple((f.name, _reader(f, priced=priced)) for f in rest if f.type in ("object", "boolean"))
    texts = tuple(f.name for f in rest if f.type not in _STRUCTURED)
    pick_texts = _picker(texts)

    def read(value: Any) -> Record | None:
        if type(value) is not dict:
            return None
        record = blank | value  # all fields in one step, nulls for those that Ramp did not send
        if len(record) != width:  # Ramp sent more than the spec describes
            record = dict(zip(blank, pick(record), strict=False))
        for name, other in renamed:
            if record[name] is None:
                record[name] = value.get(other)
        for given in pick_texts(record):  # nearly always all is text or null; then nothing has to be stored again
            if type(given) is not str and given is not None:
                record.update({name: _text(record[name]) for name in texts})
                break
        for name, reader in others:
            if (given := record[name]) is not None:
                record[name] = reader(given)
        for name, reader in lists:
            record[name] = reader(given) if (given := record[name]) else []
        for name in prices:
            record[name], currency = from_object(record[name])
            if name == "amount":
                record["currency"] = currency
        return record

    return read


def _picker(names: tuple[str, ...]) -> Callable[[Record], tuple[Any, ...]]:
    """The values of some fields; the first one comes twice, because `itemgetter` of one name gives no tuple."""
    return itemgetter(*names, names[0])


def _list_reader(field: FieldSpec, *, priced: bool) -> Reader:
    item = _object_reader(field.fields, priced=priced) if field.fields else _text

    def read(value: Any) -> list[Any]:
        return [made for entry in value if (made := item(entry)) is not None] if type(value) is list else []

    return read


def _reader(field: FieldSpec, *, priced: bool) -> Reader:
    return _object_reader(field.fields, priced=priced) if field.type == "object" else _boolean


def _boolean(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _text(value: Any) -> str | None:
    """Text as it is; a number, which Ramp's own examples use for some texts, as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    return None


def _price_transaction(record: Record, row: Record, *, legacy: bool) -> None:
    """Choose the transaction's amount and express every split in the same currency."""
    settled = from_number(row.get("amount"), row.get("currency_code"))
    header = header_amount(from_object(row.get("entity_amount")), settled, legacy=legacy)
    record["amount"], record["currency"] = header
    merchant = row.get("merchant_amount")
    charged = from_object(merchant if merchant is not None else row.get("original_transaction_amount"))
    record["merchant_amount"], record["merchant_currency"] = charged
    price_lines(record, row, header)


_PRICING: Mapping[str, Callable[..., None]] = {"transactions": _price_transaction, **OUT_PRICING}


def _foreign_provider(record: Record, ours: str) -> str | None:
    """The first other integration that any coding of the record belongs to."""
    for coding in _codings(record):
        provider = coding["provider_name"]
        if provider and provider != ours and provider.strip().casefold() != ours.casefold():
            return str(provider)
    return None


def _codings(record: Record) -> Iterator[Record]:
    yield from record["accounting_field_selections"]
    for lines in ("line_items", "expense_line_items", "inventory_line_items"):
        for line in record.get(lines, ()):
            yield from line["accounting_field_selections"]
