"""An open FreshBooks connection: reads streams, reads one record, and manages webhook callbacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.freshbooks.callbacks import Callback, confirm, resend, subscribe
from connectors.freshbooks.client import FreshBooksClient, RawPage
from connectors.freshbooks.filters import Filters, keeper
from connectors.freshbooks.progress import resume
from connectors.freshbooks.records import Record, normalise
from connectors.freshbooks.settings import Settings, digest
from connectors.freshbooks.spec import PLACES, SPEC
from engine.authorizing import Allowed
from engine.contract import Binding, Handshake, Json, MarkCall, Page, Tools
from engine.diagnostics import suggestion
from engine.errors import AuthRefused, BadAnswer, Rejected
from engine.handshakes import Confirmed
from engine.spec import StreamSpec


class FreshBooksConnection:
    """FreshBooks as a source. Close it when done."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self._client = FreshBooksClient(binding, settings, tools)
        self._settings = settings
        self._clock = tools.clock

    def read(self, stream: str, filters: Filters, checkpoint: str | None) -> Iterator[Page]:
        """All matching records, page by page.

        Only expenses can be asked for what has changed: their last page leaves a watermark, and a later read that is given
        it lists what has changed since, from the beginning of a day before. Of the others everything is listed, and their
        last page has no checkpoint. A record may come twice, when the list became shorter while it was read.
        """
        spec = self._known(stream)
        asked, keep = keeper(self._client.where, stream, filters)
        place, name, _ = PLACES[stream]
        path = self._client.path(place)
        since = spec.changes == "since"
        progress = resume(checkpoint, self._question(stream, asked, path), self._clock.now())
        params = progress.filters(self._settings.overlap)
        begins, rows_seen = progress.page or 1, bool(progress.page)
        for raw in self._client.pages(path, name, params, begins, progress.total):
            records = [normalise(stream, _identified(raw, row, spec.key)) for row in raw.rows]
            rows_seen = rows_seen or bool(records)
            if raw.next is None and raw.total and not rows_seen and not params:
                # A user without the right is shown an empty list that counts what it hides (FACTS.md, URL families).
                raise AuthRefused(
                    f"{raw.where}: FreshBooks counts {raw.total:,} and shows none of them",
                    hint="give the FreshBooks user a role that may see them, or connect as another user",
                )
            progress = progress.after(raw.rows if since else (), raw.next, raw.total)
            kept = [record for record in records if keep(record)]
            yield Page(kept, progress.checkpoint() if since or raw.next else None)

    def get(self, stream: str, record_id: str) -> Json | None:
        """One record as it is now, or None when FreshBooks does not have it; a deleted one says so in `vis_state`."""
        spec = self._known(stream)
        place, names, name = PLACES[stream]
        if stream == "accounts":  # there is no call for one of them
            pages = self._client.pages(self._client.path(place), names, {})
            found = (normalise(stream, row) for page in pages for row in page.rows)
            return next((record for record in found if record[spec.key] == record_id), None)
        answer = self._client.find(place, name, record_id)
        if answer is None:
            return None
        record = normalise(stream, answer[1])
        if record[spec.key] != record_id:
            raise BadAnswer(f"{answer[0]}: another object than was asked for")
        return record

    def mark(self, call: MarkCall) -> None:
        """Refuse: FreshBooks cannot be told what was posted."""
        raise Rejected(
            f"{self._client.where}: FreshBooks takes no marks (`{call.kind[:40]}`)",
            hint="take `mark_synced` out of the flow",
        )

    def tried(self) -> str:
        """What a call has shown: whose account it is, and how many bills and expenses FreshBooks counts there."""
        counted = {}
        for stream in ("bills", "expenses"):
            place, name, _ = PLACES[stream]
            counted[stream] = self._client.page(self._client.path(place), name, 1, {"per_page": "1"}).total
        return f"account {self._client.account()}: {counted['bills']:,} bills, {counted['expenses']:,} expenses"

    def authorize(self, code: str) -> None:
        """Exchange the code of FreshBooks' page; the tokens it gives are durable when this returns."""
        self._client.tokens.authorize(code)

    def allowed(self) -> Allowed:
        """Whose account it is, and the scopes that FreshBooks granted."""
        account, name = self._client.business()
        return Allowed(account, name, self._client.tokens.scopes())

    @property
    def subscribes_by_event(self) -> bool:
        """A callback is for one event, or for all of one kind of object."""
        return True

    def subscribe(self, url: str, events: Sequence[str] = ()) -> tuple[Callback, ...]:
        """Register a webhook callback for every event, where there is none yet; FreshBooks then sends each its verifier."""
        return subscribe(self._client, url, events)

    def confirm(self, callback_id: str, verifier: str) -> Callback:
        """Send a verifier back that FreshBooks posted; only then it is known to be FreshBooks' own, and may be kept."""
        return confirm(self._client, callback_id, verifier)

    def confirm_webhook(self, handshake: Handshake) -> Confirmed:
        """Confirm what FreshBooks posted to a new callback; its verifier then joins those that webhooks are checked with.

        Raises:
            Rejected: when FreshBooks does not take the verifier for its own.
        """
        made = confirm(self._client, handshake.subject, handshake.challenge)
        return Confirmed(made.id, "webhook_verifiers", handshake.challenge)

    def resend(self, callback_id: str) -> Callback:
        """Have FreshBooks post a callback's verifier once more."""
        return resend(self._client, callback_id)

    def close(self) -> None:
        """Close open connections."""
        self._client.close()

    def _question(self, stream: str, asked: str, path: str) -> str:
        """Equal only for the same question to the same account: a checkpoint is never used for another one."""
        return f"{stream}:{digest(self._settings.base_url, path, asked, str(self._settings.page_size))[:12]}"

    def _known(self, stream: str) -> StreamSpec:
        spec = SPEC.stream(stream)
        if spec is None:
            raise Rejected(f"{self._client.where}: there is no stream `{stream}`", hint=suggestion(stream, PLACES))
        return spec


def _identified(raw: RawPage, row: Record, key: str) -> Record:
    given = row.get(key)
    if isinstance(given, bool) or not isinstance(given, int | str) or given == "":
        raise BadAnswer(f"{raw.where}: a row without a `{key}`")
    return row
