"""Codes card transactions in Ramp, and adds a memo and a receipt where a transaction has none."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from connectors._http import Call
from connectors.ramp.billbody import selected
from connectors.ramp.client import API, RampClient
from connectors.ramp.directory import PAGE
from connectors.ramp.operations import Asked, Selection, read, target
from connectors.ramp.spec import ACCOUNTING_READ, CODING_SCOPE, MEMOS_WRITE, RECEIPTS_WRITE, STREAM_SCOPES
from engine.contract import Operation, Receipt
from engine.dataclass import dataclass
from engine.documents import Document, Documents
from engine.errors import Ambiguous, Rejected

Row = dict[str, Any]
# Ramp's guide and its own OpenAPI file of 2026 name the list of selections differently (FACTS.md section 5). The first
# that leads to a coding which shows is right; a field that is not known is refused, or ignored, and both are noticed.
CODING_KEYS = ("accounting_field_selections", "accounting_coding_selections")
# ASSUMED: the names inside a selection. Sources agree that it holds Ramp's own ids, and show no example.
FIELD_KEY = "field_id"
OPTION_KEY = "field_option_id"
_UNKNOWN_FIELD = "DEVELOPER_7001"
_TRANSACTIONS = f"{API}/transactions"
_READ = STREAM_SCOPES["transactions"]
_MEMO = 255
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,80}")
_FILE_NAME = re.compile(r"[^A-Za-z0-9._ -]")
# Where the options of a field are listed, and the part of an option that names its field.
_LISTS = (("accounts", "gl_account_category_info"), ("vendors", "vendor_category_info"))


@dataclass(frozen=True, slots=True)
class Codings:
    """Card transactions over one open connection."""

    client: RampClient
    documents: Documents | None = None
    # Ramp's own ids of what was looked up while this connection is open.
    _known: dict[Selection, tuple[str, str]] = field(default_factory=dict)

    def find(self, operation: Operation) -> Receipt | None:
        """The transaction when nothing is left to be done, else None.

        Raises:
            Rejected: when something is left, and the transaction cannot be changed any more.
        """
        _, row, left = self._transaction(operation)
        return None if left else Receipt({"id": str(row["id"])})

    def write(self, operation: Operation) -> Receipt:
        """Do what is left, part by part; each part is looked at first, so that all may be repeated.

        Raises:
            Ambiguous: when an answer is lost.
            Rejected: when Ramp refuses a part; those before it are done.
        """
        asked, row, left = self._transaction(operation)
        if "coding" in left:
            self.code(asked.where, row, asked.coding())
        if "memo" in left:
            memo = {"memo": asked.must("memo", _MEMO)}
            self.client.send(Call("POST", f"{API}/memos/{row['id']}", json=memo, write=True), MEMOS_WRITE)
        if "receipt" in left:
            self._attach(asked, row, operation)
        return Receipt({"id": str(row["id"])})

    def code(self, where: str, row: Row, coding: Sequence[Selection]) -> None:
        """Code a transaction, and see that the coding shows.

        Raises:
            Rejected: when Ramp does not know an option, or takes the coding and does not show it.
        """
        for item in coding:
            if item not in self._known:
                self._known[item] = self._resolve(where, item)
        chosen = [{FIELD_KEY: self._known[item][0], OPTION_KEY: self._known[item][1]} for item in coding]
        refused: Rejected | None = None
        for key in CODING_KEYS:
            body = {"object_type": "TRANSACTION", "object_id": row["id"], key: chosen}
            try:
                self.client.send(Call("POST", f"{API}/accounting/codings", json=body, write=True), CODING_SCOPE)
            except Rejected as error:
                if error.code != _UNKNOWN_FIELD:
                    raise
                refused = error
                continue
            if self._shows(str(row["id"]), coding):
                return
        if refused is not None:
            raise refused
        raise Rejected(
            f"{where}: Ramp took the coding of the transaction {row['id']} and does not show it",
            hint="code it in Ramp by hand, then run `flowctl retry ID`",
            code="not_shown",
        )

    def _shows(self, transaction_id: str, coding: Sequence[Selection]) -> bool:
        """Whether the coding is there. It may be written once more without harm, when it cannot be read now."""
        found = self.client.one(_TRANSACTIONS, transaction_id, _READ)
        return found is not None and _is_coded(found, coding)

    def _transaction(self, operation: Operation) -> tuple[Asked, Row, list[str]]:
        """What is asked for, the transaction, and what of it is left to be done."""
        asked = read(self.client.where, operation)
        transaction_id = target(asked, operation, "transaction_id")
        row = self.client.one(_TRANSACTIONS, transaction_id, _READ)
        if row is None or row.get("state") in ("DECLINED", "ERROR"):
            why = "has no such transaction any more" if row is None else "shows it as declined"
            raise Rejected(
                f"{asked.where}: {transaction_id}: Ramp {why}",
                hint="map the record to another transaction, or to none; then run `flowctl retry ID`",
                code="gone",
            )
        left = _left(asked, row)
        is_synced = row.get("sync_status") == "SYNCED" or bool(row.get("synced_at"))
        if is_synced and "coding" not in left:
            left = []  # it is in the books as it is to be; a memo and a receipt are too late
        if left and is_synced:
            raise Rejected(
                f"{asked.where}: {transaction_id}: it is in the books already; not done: {', '.join(left)}",
                hint="correct it in the books where that is wanted; or map the record to another transaction, or to none",
                code="synced",
            )
        if "coding" in left and len(_lines(row)) > 1:
            # What is written for the whole of a split transaction does not reach its splits (seen live by others).
            raise Rejected(
                f"{asked.where}: {transaction_id}: it is split in {len(_lines(row))}, and only a person can code the splits",
                hint="code it in Ramp by hand, then run `flowctl retry ID`",
                code="split",
            )
        return asked, row, left

    def _resolve(self, where: str, item: Selection) -> tuple[str, str]:
        """Ramp's own ids of a field and of its option.

        Raises:
            Rejected: when Ramp does not have the option, or has it switched off.
        """
        for name, info in _LISTS:
            for row in self._rows(f"/accounting/{name}", {"remote_id": item.option_id}):
                category = row.get(info)
                named = category if isinstance(category, Mapping) else {}
                if row.get("id") == item.option_id and named.get("id") == item.field_id:
                    return self._active(where, item, named.get("ramp_id"), row)
        for found in self._rows("/accounting/fields", {"remote_id": item.field_id}):
            if found.get("id") == item.field_id:
                params = {"field_id": found["ramp_id"], "remote_id": item.option_id}
                for row in self._rows("/accounting/field-options", params):
                    if row.get("id") == item.option_id:
                        return self._active(where, item, found["ramp_id"], row)
        raise Rejected(
            f"{where}: Ramp has no option `{item.option_id[:60]}` of the field `{item.field_id[:60]}`",
            hint="map it to one that Ramp has; or upload it, then run `flowctl retry ID`",
            code="no_option",
        )

    def _active(self, where: str, item: Selection, field_id: object, row: Row) -> tuple[str, str]:
        option_id = row.get("ramp_id")
        if row.get("is_active") is False or not isinstance(field_id, str) or not isinstance(option_id, str):
            raise Rejected(
                f"{where}: the option `{item.option_id[:60]}` of the field `{item.field_id[:60]}` is not active in Ramp",
                hint="map it to another, or reactivate it; then run `flowctl retry ID`",
                code="inactive_option",
            )
        return field_id, option_id

    def _rows(self, path: str, params: Mapping[str, str]) -> Iterable[Row]:
        """Rows by Ramp's id: where it ignores a filter, some come that have no id of an accounting system."""
        for page in self.client.pages(f"{API}{path}", {**params, "page_size": PAGE}, ACCOUNTING_READ, key="ramp_id"):
            yield from page.rows

    def _attach(self, asked: Asked, row: Row, operation: Operation) -> None:
        """Upload the receipt; the key makes Ramp take the same one only once."""
        receipt = asked.part("receipt")
        assert receipt is not None  # it is left to be done
        found = self._file(receipt)
        if found is None:
            return  # it was taken away in the meantime
        content, media_type = found.content, _media_type(receipt, found)
        holder = row.get("card_holder")
        user_id = receipt.text("user_id") or (holder.get("user_id") if isinstance(holder, Mapping) else None)
        if not isinstance(user_id, str):
            raise Rejected(f"{asked.where}: nobody to whom the receipt belongs", hint="map `user_id` of the receipt")
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"flowctl:receipt:{operation.id}"))
        parts = {"idempotency_key": key, "transaction_id": str(row["id"]), "user_id": user_id}
        name = _FILE_NAME.sub("_", found.name)[:80] or "receipt"
        boundary, body = multipart(parts, (name, media_type, content))
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = self.client.send(
            Call("POST", f"{API}/receipts", headers=headers, content=body, write=True), RECEIPTS_WRITE
        )
        made = answer.json()
        if not isinstance(made, dict) or not isinstance(made.get("id"), str):
            raise Ambiguous(f"{answer.where}: no receipt with an `id` in the answer; it may or may not have been done")

    def _file(self, receipt: Asked) -> Document | None:
        """The file that the operation names, read from the connection that has it; None when there is none any more."""
        named = receipt.must("connection"), receipt.must("stream"), receipt.must("id")
        if self.documents is None:
            raise Rejected(f"{receipt.where}: no other connection is within reach", hint="leave `receipt` out")
        return self.documents.fetch(*named)


def multipart(parts: Mapping[str, str], file: tuple[str, str, bytes]) -> tuple[str, bytes]:
    """A boundary, and the body: the parts as form data and the file as an attachment, the way Ramp asks for it.

    The same content gives the same bytes.
    """
    name, media_type, content = file
    boundary = hashlib.sha256(repr(sorted(parts.items())).encode() + content).hexdigest()[:40]
    lines: list[bytes] = []
    for key, value in parts.items():
        lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode())
    head = f'--{boundary}\r\nContent-Disposition: attachment; name="receipt"; filename="{name}"\r\n'
    lines += [
        head.encode(),
        f"Content-Type: {media_type}\r\n\r\n".encode(),
        content,
        f"\r\n--{boundary}--\r\n".encode(),
    ]
    return boundary, b"".join(lines)


def _left(asked: Asked, row: Row) -> list[str]:
    """What is left to be done: a coding that differs, a memo and a receipt where there is none.

    What a card holder wrote or attached stays: it is nearer to the purchase than what we know of it.
    """
    left = []
    coding = asked.coding()
    if coding and not _is_coded(row, coding):
        left.append("coding")
    if asked.text("memo", _MEMO) is not None and not row.get("memo"):
        left.append("memo")
    if asked.part("receipt") is not None and not row.get("receipts"):
        left.append("receipt")
    return left


def _is_coded(row: Row, coding: Sequence[Selection]) -> bool:
    """Whether every split has the coding, itself or by the transaction's own."""
    whole = _pairs(row)
    wanted = {(item.field_id, item.option_id) for item in coding}
    lines = _lines(row)
    return all(wanted <= whole | _pairs(line) for line in lines) if lines else wanted <= whole


def _pairs(row: Mapping[str, Any]) -> set[tuple[str, str]]:
    found = set()
    for item in selected(row):
        info = item.get("category_info")
        if isinstance(info, Mapping):
            found.add((str(info.get("external_id")), str(item.get("external_id"))))
    return found


def _lines(row: Row) -> list[Mapping[str, Any]]:
    value = row.get("line_items")
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _media_type(receipt: Asked, found: Document) -> str:
    media_type = found.media_type.lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise Rejected(
            f"{receipt.where}: the file's media type is none", hint="attach it in Ramp by hand, or leave it out"
        )
    return media_type
