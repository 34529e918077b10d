"""Tells Ramp what was posted and what was not, and looks whether Ramp took it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from connectors._http import Call
from connectors.ramp.client import API, RampClient
from connectors.ramp.coding import code_vendors
from connectors.ramp.ids import object_id
from connectors.ramp.settings import CHUNK, Settings
from connectors.ramp.spec import MARK_SCOPE, SPEC, STREAM_SCOPES
from engine.contract import MarkCall, Marked, MarkedFailed
from engine.dataclass import dataclass
from engine.errors import Ambiguous, FlowctlError, NotShown, Rejected, RunError, Transient

MOST_TEXT = 500
_OBJECTS = {mark.name: mark.streams[0] for mark in SPEC.marks}
_DONE = {
    "BILL_SYNC": frozenset({"BILL_SYNCED", "BILL_AND_PAYMENT_SYNCED"}),
    "BILL_PAYMENT_SYNC": frozenset({"BILL_AND_PAYMENT_SYNCED"}),
}
_SYNCED = frozenset({"SYNCED"})
_HINT = (
    "look at the record in Ramp: it must be approved, ready to sync and not archived, a payment follows its bill, "
    "and a transaction may need an accounting vendor; a direct accounting connection takes no marks from others"
)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Ids of one list that travel in one call, under a key that depends on nothing but the MarkCall."""

    kind: str
    sync_type: str
    key: str
    request: str
    items: Sequence[Marked] | Sequence[MarkedFailed]

    def body(self) -> dict[str, Any]:
        """The request as Ramp documents it; `sync_request_id` only when a press of the sync button gave one."""
        posted = [{"id": i.id, "reference_id": i.reference} for i in self.items if isinstance(i, Marked)]
        failed = [
            {"id": i.id, "error": {"message": _cut(i.message)}} for i in self.items if isinstance(i, MarkedFailed)
        ]
        lists = {"successful_syncs": posted, "failed_syncs": failed}
        asked = {"sync_request_id": self.request} if self.request else {}
        named = {"idempotency_key": self.key, "sync_type": self.sync_type, **asked}
        return {**named, **{name: v for name, v in lists.items() if v}}


def mark(client: RampClient, call: MarkCall, settings: Settings) -> None:
    """Send every id, then return; or raise an error, after every batch has been tried, one worth repeating first.

    Raises:
        Transient: when it is not known whether Ramp took it; repeat with the same key.
        NotShown: when Ramp took it, and does not show the new status of some records.
        Rejected: when Ramp refuses a record for good and does not show it as synced either.

    """
    if call.kind not in _OBJECTS:
        raise Rejected(f"{client.where}: there is no mark `{call.kind}`", hint=f"known: {', '.join(sorted(_OBJECTS))}")
    if call.posted or call.failed:
        client.ready(MARK_SCOPE)
    if call.kind == "TRANSACTION_SYNC":
        try:
            code_vendors(client, call.posted, settings)
        except FlowctlError as error:
            error.unsent = True  # so far Ramp has heard of no record that it is posted
            raise
    errors: list[tuple[_Batch, RunError]] = []
    for batch in _batches(call, settings):
        try:
            _tell(client, batch, confirm=settings.confirm_marks)
        except (Rejected, Transient) as error:
            errors.append((batch, error))
    if errors:
        raise _outcome(errors)


def _outcome(errors: Sequence[tuple[_Batch, RunError]]) -> RunError:
    """What became of the whole call. As long as one batch may still be taken, all keep their keys."""
    unclear = [e for _, e in errors if isinstance(e, Transient) and not isinstance(e, NotShown)]
    hidden = [e for _, e in errors if isinstance(e, NotShown)]
    if unclear or not hidden:
        return unclear[0] if unclear else errors[0][1]
    # What was refused is not told either: it is told again with what does not show, and is refused there by itself.
    ids = [id_ for batch, e in errors for id_ in (e.ids if isinstance(e, NotShown) else [i.id for i in batch.items])]
    return NotShown(str(hidden[0]), ids, retry_after_s=hidden[0].retry_after_s, hint=_HINT)


def _batches(call: MarkCall, settings: Settings) -> Iterator[_Batch]:
    """The call in pieces that depend on nothing but the call and the size of a piece."""
    size = settings.sync_chunk
    chunks: list[Sequence[Marked] | Sequence[MarkedFailed]] = [
        *(call.posted[i : i + size] for i in range(0, len(call.posted), size)),
        *(call.failed[i : i + size] for i in range(0, len(call.failed), size)),
    ]
    # Ramp drops what it knows under a key: pieces of another size must not come under the old ones' keys.
    sized = "" if size == CHUNK else f"-{size}"
    sync_type = settings.cashback_sync_type if _OBJECTS[call.kind] == "cashbacks" else call.kind
    for number, chunk in enumerate(chunks):
        key = call.idempotency_key if len(chunks) == 1 else f"{call.idempotency_key}{sized}-{number}"
        yield _Batch(call.kind, sync_type, key, call.request, chunk)


def _tell(client: RampClient, batch: _Batch, *, confirm: bool) -> None:
    """Send a batch; what answers a press of the sync button too late is told like anything else."""
    try:
        _send(client, batch, confirm=confirm)
    except Rejected:
        if not batch.request:
            raise
        _send(client, replace(batch, request="", key=f"{batch.key}-late"), confirm=confirm)


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
    if never and outcome is None and len(open_ids) == len(batch.items):
        raise Rejected(
            f"{client.where}: {batch.kind} was taken and cannot show, archived or before its bill's: {_listed(never)}",
            hint=_HINT,
        )
    named = _listed(open_ids)
    if isinstance(outcome, Rejected):
        raise Rejected(
            f"{outcome}: {batch.kind} of {named}", code=outcome.code, hint=outcome.hint or _HINT
        ) from outcome
    if isinstance(outcome, Ambiguous):
        raise Transient(f"{outcome}; not shown as synced yet: {named}", retry_after_s=5.0) from outcome
    said = f"{client.where}: {batch.kind} was taken but does not show yet: {named}"
    raise NotShown(said, open_ids, retry_after_s=5.0, hint=_HINT)


def _standing(client: RampClient, kind: str, record_id: str, *, accepted: bool) -> Literal["shown", "open", "never"]:
    """Whether the object now says that it is synced. One that is gone needs no mark, when the call was accepted.

    One that was archived meanwhile is not ready any more: Ramp may take the call and leave the object as it is. So is the
    payment of a bill that Ramp does not know as synced; a bill is told, and shown, before its payment, unless it never is.
    """
    stream = _OBJECTS[kind]
    found = client.find(f"{API}/{stream}/{object_id(client.where, record_id)}", STREAM_SCOPES[stream])
    if found is None:
        return "shown" if accepted else "open"
    # Profiles before `sync_status` on transactions have only the time of the sync.
    if str(found.get("sync_status")) in _DONE.get(kind, _SYNCED) or (stream != "bills" and found.get("synced_at")):
        return "shown"
    is_early = kind == "BILL_PAYMENT_SYNC" and str(found.get("sync_status")) == "NOT_SYNCED"
    return "never" if found.get("archived_at") or is_early else "open"


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")


def _cut(text: str) -> str:
    """A message for Ramp's screen: one line, without control characters, of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "The record could not be posted."
    return line if len(line) <= MOST_TEXT else f"{line[: MOST_TEXT - 3]}..."
