"""An open BILL connection: reads streams, reads one record, creates vendors, and manages the webhook subscription."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from connectors.bill.client import BillClient
from connectors.bill.credits import tell
from connectors.bill.filters import Filters, keeper
from connectors.bill.names import Names
from connectors.bill.payers import Payers
from connectors.bill.progress import changed_since, resume
from connectors.bill.records import Record, normalise
from connectors.bill.settings import Settings
from connectors.bill.spec import PATHS, SPEC
from connectors.bill.subscriptions import Subscription, standings, subscribe
from connectors.bill.target import create_vendor, find_vendor
from engine.abilities import Standing
from engine.contract import Binding, Json, MarkCall, Operation, Page, Receipt, Tools
from engine.diagnostics import suggestion
from engine.errors import BadAnswer, Rejected

# By creation, which never changes: a record that is edited while a list is read keeps its place, so that none moves over
# the edge of a page unseen. By `updatedTime` it would move to the end, and every record behind it up by one.
_SORT = "createdTime:asc"

_Keep = Callable[[Record], bool]


class BillConnection:
    """BILL as a source, and as a target for vendors. Close it when done."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self._client = BillClient(binding, settings, tools)
        self._settings = settings
        self._clock = tools.clock
        self._names = Names(self._all, self._one)
        self._payers = Payers(self._payments, settings.overlap)

    def read(self, stream: str, filters: Filters, checkpoint: str | None) -> Iterator[Page]:
        """All matching records, page by page.

        Streams with `changes="since"` leave a watermark with their last page; given that, a later read lists what has
        changed since, with an overlap. The others list everything, and their last page has no checkpoint.
        """
        self._known(stream)
        asked, keep = keeper(self._client.where, stream, filters)
        return self._read(stream, self._question(stream, asked), keep, checkpoint)

    def _read(self, stream: str, question: str, keep: _Keep, checkpoint: str | None) -> Iterator[Page]:
        spec = SPEC.stream(stream)
        since = spec is not None and spec.changes == "since"
        progress = resume(checkpoint, question, self._clock.now())
        params = {"sort": _SORT, **progress.filters(self._settings.overlap)}
        start = progress.page
        try:
            for page in self._client.pages(PATHS[stream], params, start):
                start = None  # whatever goes wrong from now on is not the checkpoint's fault
                progress = progress.after(page.rows, page.next)
                records = self._records(stream, page.rows, keep)
                yield Page(records, progress.checkpoint() if since or page.next else None)
        except Rejected:
            if start is None:
                raise
            # BILL does not know the saved cursor any more: begin again where this read began, nothing may be skipped.
            yield from self._read(stream, question, keep, progress.restart())

    def get(self, stream: str, record_id: str) -> Json | None:
        """One record as it is now, or None when BILL does not have it; archived ones it has."""
        self._known(stream)
        reply = self._client.find(PATHS[stream], record_id)
        if reply is None:
            return None
        if reply.body["id"] != record_id:
            raise BadAnswer(f"{reply.where}: another object than was asked for")
        (record,) = self._records(stream, [reply.body], lambda _: True)
        return record

    def mark(self, call: MarkCall) -> None:
        """Refuse: BILL cannot be told what was posted."""
        raise Rejected(
            f"{self._client.where}: BILL takes no marks (`{call.kind[:40]}`)", hint="take `mark_synced` out of the flow"
        )

    def write(self, operation: Operation) -> Receipt:
        """Create a vendor; raises `Ambiguous` when it is not known whether it was created."""
        return create_vendor(self._client, operation)

    def find(self, operation: Operation) -> Receipt | None:
        """The vendor that the operation names, when it is there already."""
        return find_vendor(self._client, operation)

    def subscribe(self, url: str, events: Sequence[str] = ()) -> Subscription:
        """Create a webhook subscription; without `events`, for all that this connector knows how to use."""
        return subscribe(self._client, self._settings, url, events)

    def standings(self) -> list[Standing]:
        """The webhook subscriptions, and whether BILL calls them."""
        return standings(self._client)

    def tried(self) -> str:
        """Whose objects can be read: a new login, and a page of one vendor.

        Raises:
            AuthRefused: when BILL does not take the credentials, or their user may not read vendors.
        """
        self._client.sign_in_anew()
        next(self._client.pages(PATHS["vendors"], {"max": "1"}))
        return f"organization {self._settings.organization_id} can be read"

    def close(self) -> None:
        """Close open connections."""
        self._client.close()

    def _all(self, stream: str) -> Iterator[Record]:
        for page in self._client.pages(PATHS[stream], {"sort": _SORT}):
            yield from (normalise(stream, row) for row in page.rows)

    def _payments(self, since: datetime | None) -> Iterator[Record]:
        params = {"sort": _SORT, **({"filters": changed_since(since)} if since is not None else {})}
        for page in self._client.pages(PATHS["payments"], params):
            yield from (normalise("payments", row) for row in page.rows)

    def _one(self, stream: str, record_id: str) -> Record | None:
        """A record that another one names; None when BILL does not have it, or cannot have given such an id."""
        try:
            reply = self._client.find(PATHS[stream], record_id)
        except Rejected:
            return None
        return normalise(stream, reply.body) if reply is not None else None

    def _records(self, stream: str, rows: Sequence[Record], keep: _Keep) -> list[Record]:
        records = [record for row in rows if keep(record := normalise(stream, row))]
        for record in records:
            self._names.add_to(stream, record)
            if stream == "payments":
                tell(record, lambda bill_id: self._one("bills", bill_id), self._payers.others)
        return records

    def _question(self, stream: str, asked: str) -> str:
        """Equal only for the same question to the same organization: a checkpoint is never used for another one."""
        parts = (self._settings.base_url, self._settings.organization_id, asked)
        return f"{stream}:{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"

    def _known(self, stream: str) -> None:
        if stream not in PATHS:
            raise Rejected(f"{self._client.where}: there is no stream `{stream}`", hint=suggestion(stream, PATHS))
