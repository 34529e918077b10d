"""Tells Ramp what was posted and what was not, and looks whether Ramp took it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connectors._http import Call
from connectors.ramp.client import API, RampClient
from connectors.ramp.spec import MARK_SCOPE, STREAM_SCOPES
from engine.contract import MarkCall, Marked, MarkedFailed
from engine.errors import Ambiguous, Rejected, RunError, Transient

CHUNK = 500
MOST_TEXT = 500
_OBJECTS = {"BILL_SYNC": "bills", "BILL_PAYMENT_SYNC": "bills", "TRANSACTION_SYNC": "transactions"}
_DONE = {
    "BILL_SYNC": frozenset({"BILL_SYNCED", "BILL_AND_PAYMENT_SYNCED"}),
    "BILL_PAYMENT_SYNC": frozenset({"BILL_AND_PAYMENT_SYNCED"}),
    "TRANSACTION_SYNC": frozenset({"SYNCED"}),
}
_HINT = (
    "look at the record in Ramp: it must be approved, ready to sync and not archived, and a payment follows its bill; "
    "a direct accounting connection takes no marks from others"
)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Ids of one list that travel in one call, under a key that depends on nothing but the MarkCall."""

    kind: str
    key: str
    items: Sequence[Marked] | Sequence[MarkedFailed]

    def body(self) -> dict[str, Any]:
        """The request as Ramp documents it."""
        posted = [{"id": i.id, "reference_id": i.reference} for i in self.items if isinstance(i, Marked)]
        failed = [
            {"id": i.id, "error": {"message": _cut(i.message)}} for i in self.items if isinstance(i, MarkedFailed)
        ]
        lists = {"successful_syncs": posted, "failed_syncs": failed}
        return {"idempotency_key": self.key, "sync_type": self.kind, **{name: v for name, v in lists.items() if v}}


def mark(client: RampClient, call: MarkCall, *, confirm: bool) -> None:
    """Send every id, then return; or raise an error, after every batch has been tried, one worth repeating first.

    Raises:
        Transient: when Ramp does not show the new status yet; repeat with the same key.
        Rejected: when Ramp refuses a record for good and does not show it as synced either.

    """
    if call.kind not in _OBJECTS:
        raise Rejected(f"{client.where}: there is no mark `{call.kind}`", hint=f"known: {', '.join(sorted(_OBJECTS))}")
    if call.posted or call.failed:
        client.ready(MARK_SCOPE)
    errors: list[RunError] = []
    for batch in _batches(call):
        try:
            _send(client, batch, confirm=confirm)
        except (Rejected, Transient) as error:
            errors.append(error)
    if errors:
        raise next((e for e in errors if isinstance(e, Transient)), errors[0])


def _batches(call: MarkCall) -> Iterator[_Batch]:
    chunks: list[Sequence[Marked] | Sequence[MarkedFailed]] = [
        *(call.posted[i : i + CHUNK] for i in range(0, len(call.posted), CHUNK)),
        *(call.failed[i : i + CHUNK] for i in range(0, len(call.failed), CHUNK)),
    ]
    for number, chunk in enumerate(chunks):
        yield _Batch(call.kind, call.idempotency_key if len(chunks) == 1 else f"{call.idempotency_key}-{number}", chunk)


def _send(client: RampClient, batch: _Batch, *, confirm: bool) -> None:
    """Send one batch and settle its outcome by reading the records again: Ramp's 201 names a job, not a result."""
    outcome: RunError | None = None
    request = Call("POST", f"{API}/accounting/syncs", json=batch.body(), write=True)
    try:
        client.send(request, MARK_SCOPE)
    except (Ambiguous, Rejected) as error:
        outcome = error
    posted = isinstance(batch.items[0], Marked)
    if outcome is None and not (confirm and posted):  # a reported failure leaves no trace that could be read
        return
    open_ids, never = [], []
    for item in batch.items:
        standing = _standing(client, batch.kind, item.id, accepted=outcome is None)
        open_ids += [item.id] if standing != "shown" else []
        never += [item.id] if standing == "never" else []
    if not open_ids:
        return
    if never and outcome is None:
        raise Rejected(
            f"{client.where}: {batch.kind} was taken and cannot show: archived: {_listed(never)}", hint=_HINT
        )
    named = _listed(open_ids)
    if isinstance(outcome, Rejected):
        raise Rejected(
            f"{outcome}: {batch.kind} of {named}", code=outcome.code, hint=outcome.hint or _HINT
        ) from outcome
    if isinstance(outcome, Ambiguous):
        raise Transient(f"{outcome}; not shown as synced yet: {named}", retry_after_s=5.0) from outcome
    raise Transient(f"{client.where}: {batch.kind} was taken but does not show yet: {named}", retry_after_s=5.0)


def _standing(client: RampClient, kind: str, record_id: str, *, accepted: bool) -> Literal["shown", "open", "never"]:
    """Whether the object now says that it is synced. One that is gone needs no mark, when the call was accepted.

    One that was archived meanwhile is not ready any more: Ramp may take the call and leave the object as it is.
    """
    stream = _OBJECTS[kind]
    found = client.find(f"{API}/{stream}/{object_id(client.where, record_id)}", STREAM_SCOPES[stream])
    if found is None:
        return "shown" if accepted else "open"
    # Profiles before `sync_status` on transactions have only the time of the sync.
    if str(found.get("sync_status")) in _DONE[kind] or (kind == "TRANSACTION_SYNC" and bool(found.get("synced_at"))):
        return "shown"
    return "never" if found.get("archived_at") else "open"


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")


def object_id(where: str, record_id: str) -> str:
    """An id that is safe as part of a path.

    Raises:
        Rejected: when it is none.

    """
    if not record_id or len(record_id) > 64 or not record_id.isascii() or not record_id.replace("-", "").isalnum():
        raise Rejected(f"{where}: an id that Ramp cannot have given", hint="Ramp's ids are UUIDs")
    return record_id


def _cut(text: str) -> str:
    """A message for Ramp's screen: one line, without control characters, of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "The record could not be posted."
    return line if len(line) <= MOST_TEXT else f"{line[: MOST_TEXT - 3]}..."
