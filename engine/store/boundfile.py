"""Which company file a company is bound to, or was bound to last, and what tells one from another."""

from __future__ import annotations

from engine.contract import Json
from engine.jsontext import own
from engine.store import facts
from engine.store.base import Row, Tx

_LAST = "last_file"
# Beside what is told of a file without a FileID: by what it is known, wherever it lies by now.
_AS = "known_as"


def key(value: Json) -> str:
    """What tells one company file from another: its FileID, else where it lies, or lay when it was bound."""
    known = value.get("file_id") or value.get(_AS) or value.get("path") or value.get("company_name") or ""
    return str(known).strip("{} ").casefold()


def kept(value: Json) -> dict[str, object]:
    """A company file that stays the same one when it gets another path or name."""
    return {**value, **({} if value.get("file_id") else {_AS: key(value)})}


def newest(tx: Tx, company: str, bound: Row | None = None) -> tuple[str, str]:
    """What tells the file that the company is bound to from others, and when it was bound, as UTC text.

    While it is bound to none, the file it was bound to last and no time; two empty texts when there never was one.
    `bound` is a row with `identity` and `bound_at`, read in the same transaction; both are null where there is none.
    """
    row = bound if bound is not None else tx.one("identity_get", {"company": company})
    if row is not None and row["identity"] is not None:
        return key(own(row["identity"])), str(row["bound_at"])
    return str((facts.recall(tx, company, _LAST) or {}).get("file", "")), ""


def released(tx: Tx, company: str) -> None:
    """Remember which file it was: until the next one is bound, what is prepared is prepared with its lists."""
    file, bound_at = newest(tx, company)
    facts.remember(tx, company, bound_at, _LAST, {"file": file})
