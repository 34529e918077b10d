"""The chart file: accounts, vendors, classes, customers, employees, terms and taxes that a ledger knows, from CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from connectors.ledger.errors import ChartUnusable, FileNotThere, FileRefused
from connectors.ledger.spec import KINDS
from engine.contract import ListObject
from engine.money import percent_as_fraction

COLUMNS = ("kind", "id", "name", "number", "type", "active")
MAX_BYTES = 64 * 1024 * 1024
_ACTIVE = {"": True, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Lists = Mapping[str, Mapping[str, ListObject]]


def read(path: Path) -> Lists:
    """The objects of each list by their id; an object without one has its name for it.

    Raises:
        ChartUnusable: naming the row that does not fit.
        FileNotThere, FileRefused: when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise FileNotThere(path, "there is no such file") from error
    except OSError as error:
        raise FileRefused(path, error.strerror or "it cannot be read") from error
    if len(data) > MAX_BYTES:
        raise ChartUnusable(path, f"it is larger than {MAX_BYTES >> 20} MiB")
    found: dict[str, dict[str, ListObject]] = {kind: {} for kind in KINDS}
    for number, row in _json(path, data) if path.suffix.lower() == ".json" else _csv(path, data):
        kind, item = _object(path, number, row)
        if item.list_id in found[kind]:
            raise ChartUnusable(path, f"row {number}: the id `{item.list_id}` of {kind} is there twice")
        found[kind][item.list_id] = item
    return found


def _csv(path: Path, data: bytes) -> Iterator[tuple[int, Mapping[str, object]]]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        missing = [name for name in ("kind", "name") if name not in (reader.fieldnames or ())]
        if missing:
            raise ChartUnusable(path, f"it has no column `{missing[0]}`")
        for row in reader:
            yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise ChartUnusable(path, "it is no UTF-8 text") from error
    except csv.Error as error:
        raise ChartUnusable(path, "it is no CSV") from error


def _json(path: Path, data: bytes) -> Iterator[tuple[int, Mapping[str, object]]]:
    try:
        rows = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ChartUnusable(path, "it is no JSON") from error
    if not isinstance(rows, list):
        raise ChartUnusable(path, "it is no list of objects")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ChartUnusable(path, f"row {number}: it is no object")
        yield number, row


def _object(path: Path, number: int, row: Mapping[str, object]) -> tuple[str, ListObject]:
    texts = {name: _text(path, number, name, row.get(name)) for name in COLUMNS}
    kind, name = texts["kind"], texts["name"]
    if kind not in KINDS:
        raise ChartUnusable(path, f"row {number}: `{kind}` is none of {', '.join(KINDS)}")
    if not name:
        raise ChartUnusable(path, f"row {number}: it has no name")
    if texts["active"].lower() not in _ACTIVE:
        raise ChartUnusable(path, f"row {number}: active is neither true nor false")
    type_ = texts["type"]
    data = {"account_type": type_, "AccountType": type_} if kind == "Account" and type_ else {}
    if kind == "SalesTaxItem" and (rate := percent_as_fraction(_text(path, number, "rate", row.get("rate")))):
        data = {"rate": rate}
    active = _ACTIVE[texts["active"].lower()]
    return kind, ListObject(texts["id"] or name, name, active, texts["number"], data=data)


def _text(path: Path, number: int, name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is not None and not isinstance(value, str | int):
        raise ChartUnusable(path, f"row {number}: {name} is no text")
    return "" if value is None else str(value).strip()
