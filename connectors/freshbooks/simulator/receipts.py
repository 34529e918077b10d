"""Receipts of expenses: made up, opened by a token that stands with the expense."""

from __future__ import annotations

import base64
import json

from connectors.freshbooks.simulator.records import Expense
from connectors.freshbooks.simulator.wire import ApiError, JsonObject
from connectors.freshbooks.simulator.world import World
from engine.contract import HttpReply

PLACE = "/uploads/attachments/"
_TYPES = (("application/pdf", "pdf"), ("image/png", "png"))


def attachment(world: World, expense: Expense) -> JsonObject:
    """How an expense names its receipt."""
    media_type, _ = _TYPES[expense.id % 2]
    return {
        "attachmentid": expense.id + 5000,
        "id": expense.id + 5000,
        "jwt": _token(world, expense),
        "media_type": media_type,
    }


def download(world: World, path: str) -> HttpReply:
    """GET a receipt. ASSUMED: the answer to a token that opens nothing."""
    token = path.removeprefix(PLACE)
    for expense in world.expenses.values():
        if expense.has_receipt and _token(world, expense) == token:
            media_type, ending = _TYPES[expense.id % 2]
            headers = {"content-type": media_type, "x-filename": f"receipt-{expense.id}.{ending}"}
            return HttpReply(200, headers, content(world, expense))
    raise ApiError(404, "404", "File not found.", family="auth")


def content(world: World, expense: Expense) -> bytes:
    """The file: the magic bytes of its kind, and a text that tells it from others."""
    start = b"%PDF-1.4\n" if expense.id % 2 == 0 else b"\x89PNG\r\n\x1a\n"
    text = f"receipt of expense {expense.id}: {expense.amount} {expense.currency}\n".encode()
    return (start + text).ljust(world.options.receipt_bytes, b" ")


def _token(world: World, expense: Expense) -> str:
    claims = json.dumps({"account": world.account_id, "key": f"receipt-{expense.id}"}).encode()
    parts = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256","typ":"JWT"}', claims)]
    return ".".join([*parts, world.names.fixed_text("receipt", str(expense.id), 43)])
