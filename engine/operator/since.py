"""What has changed since a record was prepared: mappings that it used, and settings of its flow. Replay sends the old ones."""

from __future__ import annotations

import json

from engine.dataclass import dataclass
from engine.jsontext import plain
from engine.store import journal
from engine.store.base import Row, Tx

# So many of the newest mappings are looked through, and so many changes are told.
_LOOKED_AT, _TOLD = 500, 5
# No flow makes a key of more parts than this.
_MOST_PARTS = 8


@dataclass(frozen=True, slots=True)
class Changed:
    """A mapping, or without a `lookup` a setting, that is another one now; `means` is what it says now."""

    lookup: str
    what: str
    means: str
    actor: str
    at: str


def changed(tx: Tx, record: Row, operation: Row | None) -> tuple[Changed, ...]:
    """What a person has changed since the record's request was prepared, the newest first.

    A mapping counts when the source's data hold its key, or the key's end after a colon, and the request does not name what
    it means now.
    """
    if operation is None:
        return ()
    scope = {
        "company": record["company"],
        "flow": record["flow"],
        "since": operation["created_at"],
        "limit": _LOOKED_AT,
    }
    found = [
        Changed(row["lookup"], row["label"] or row["source_key"], row["full_name"], row["actor"], row["updated_at"])
        for row in tx.rows("mappings_since", scope)
        if _is_used(row, str(record["payload"])) and not _is_in(row, str(operation["mapped"]))
    ]
    found += _setting(tx, record, str(operation["created_at"]))
    return tuple(sorted(found, key=lambda each: each.at, reverse=True)[:_TOLD])


def stale(tx: Tx, record: Row, operation_id: str) -> str:
    """That a person has said something else since a request was prepared, so that it must not be sent as it is; else empty.

    What waits at that moment is taken back at once. This is for what was under way, and did certainly not run.
    """
    prepared = _prepared(tx, record, operation_id)
    if prepared is None:
        return ""
    mapped: str | None = None
    for event in ("mapped", "unmapped", "setting"):
        scope = {"company": record["company"], "flow": record["flow"], "event": event, "seq": prepared}
        for line in tx.rows("journal_since", scope):
            detail = json.loads(line["detail"])
            if event == "setting":
                return f"the setting `{detail.get('setting', '')}` was changed while it was under way"
            if not _is_asked(str(detail["key"]), str(record["payload"])):
                continue
            if mapped is None:
                # Whoever writes many in one call has read them without it.
                operation = tx.one("operation_get", {"id": operation_id})
                assert operation is not None
                mapped = str(operation["mapped"])
            means = detail.get("list_id")
            if not (means and plain(means) in mapped):
                return f"the mapping of `{detail['key']}` was changed while it was under way"
    return ""


def _prepared(tx: Tx, record: Row, operation: str) -> int | None:
    """The line of the journal that first names an operation: it was prepared then."""
    for line in journal.of_record(tx, record["id"]):
        if json.loads(line["detail"]).get("operation") == operation:
            return int(line["seq"])
    return None


def _is_used(row: Row, payload: str) -> bool:
    return _is_asked(str(row["source_key"]), payload)


def _is_asked(key: str, payload: str) -> bool:
    """Whether the record may have asked for this mapping; one that stands for a setting concerns every record."""
    if key.startswith("setting:"):
        return True
    parts = key.split(":")
    ends = (":".join(parts[number:]) for number in range(min(len(parts), _MOST_PARTS)))
    return any(plain(end) in payload for end in ends if end)


def _is_in(row: Row, mapped: str) -> bool:
    return bool(row["list_id"]) and plain(row["list_id"]) in mapped


def _setting(tx: Tx, record: Row, since: str) -> list[Changed]:
    """The newest setting of the flow that somebody has changed, when that was since."""
    line = tx.one("journal_newest", {"company": record["company"], "event": "setting"})
    if line is None or line["flow"] != record["flow"] or line["at"] <= since:
        return []
    detail = json.loads(line["detail"])
    value = detail.get("value")
    means = "as the flow has it" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return [Changed("", str(detail.get("setting", "")), means, line["actor"], line["at"])]
