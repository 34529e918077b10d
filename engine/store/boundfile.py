"""Which company file a company is bound to, or was bound to last, and what tells one from another."""

from __future__ import annotations

from engine.contract import Json
from engine.jsontext import own
from engine.store import facts
from engine.store.base import Row, Tx

_LAST = "last_file"
# Beside what is told of a file without a FileID: by what it is known, wherever it lies by now.
_AS = "known_as"
# Of those that were released after they were moved: where each lies, and by what it is known.
_MOVED = "moved_files"


def key(value: Json) -> str:
    """What tells one company file from another: its FileID, else where it lies, or lay when it was bound."""
    known = value.get("file_id") or value.get(_AS) or value.get("path") or value.get("company_name") or ""
    return str(known).strip("{} ").casefold()


def kept(value: Json) -> dict[str, object]:
    """A company file that stays the same one when it gets another path or name."""
    return {**value, **({} if value.get("file_id") else {_AS: key(value)})}


def come_again(tx: Tx, company: str, value: Json, at: str) -> Json:
    """A company file that is bound now, as UTC text `at`; without a FileID, as it was known when it was released.

    What lies by now where a moved one lay when it was bound first is another file.
    """
    if value.get("file_id"):
        return value
    moved, place = _moved(tx, company), key(value)
    if place in moved:
        return {**value, _AS: moved[place]}
    return {**value, _AS: f"{place} {at}"} if place in moved.values() else value


def _moved(tx: Tx, company: str) -> dict[str, str]:
    return dict((facts.recall(tx, company, _MOVED) or {}).get("files", {}))


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
    row = tx.one("identity_get", {"company": company})
    value: Json = own(row["identity"]) if row is not None else {}
    if value.get(_AS) and not value.get("file_id"):
        lies = key({name: known for name, known in value.items() if name != _AS})
        others = {place: known for place, known in _moved(tx, company).items() if known != file}
        facts.remember(tx, company, bound_at, _MOVED, {"files": {**others, lies: file}})
