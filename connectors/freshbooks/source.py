"""An open FreshBooks connection: reads streams, reads one record, and manages webhook callbacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from connectors.freshbooks.callbacks import Callback, confirm, resend, standings, subscribe
from connectors.freshbooks.client import FreshBooksClient, RawPage
from connectors.freshbooks.counting import Count
from connectors.freshbooks.documents import document
from connectors.freshbooks.filters import Filters, keeper
from connectors.freshbooks.progress import Progress, resume
from connectors.freshbooks.records import Record, normalise
from connectors.freshbooks.settings import Settings, digest
from connectors.freshbooks.spec import ACCOUNT_ID, DELETED, DELETED_APART, INCLUDES, PLACES, SPEC
from engine.abilities import Standing, Withheld
from engine.connections.authorizing import Allowed
from engine.contract import Binding, Handshake, Json, MarkCall, Page, Tools
from engine.diagnostics import suggestion
from engine.documents import Document
from engine.errors import AuthRefused, BadAnswer, Rejected
from engine.spec import StreamSpec
from engine.webhooks.handshakes import Confirmed

_MAY_SEE = "give the FreshBooks user a role that may see them, or connect as another user"


class FreshBooksConnection:
    """FreshBooks as a source. Close it when done."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self._client = FreshBooksClient(binding, settings, tools)
        self._settings = settings
        self._clock = tools.clock
        # By their id; None until they are needed.
        self._categories: dict[str, str | None] | None = None
        self._counts: dict[str, Count] = {}

    def read(self, stream: str, filters: Filters, checkpoint: str | None) -> Iterator[Page]:
        """All matching records, page by page.

        Only expenses can be asked for what has changed: their last page leaves a watermark, and a later read that is given
        it lists what has changed since, from the beginning of a day before. Of the others everything is listed, and their
        last page has no checkpoint. A record may come twice, when the list became shorter while it was read.

        Deleted bills and expenses come last, unless a filter leaves them out: FreshBooks gives them in a list of their own.
        """
        spec = self._known(stream)
        asked, keep = keeper(self._client.where, stream, filters)
        path, since = self._client.path(PLACES[stream][0]), spec.changes == "since"
        progress = resume(checkpoint, self._question(stream, asked, path), self._clock.now())
        lists = _lists(stream, filters)
        if lists == (True,) and not progress.deleted:
            progress = progress.then_deleted()
        while True:
            for raw in self._raw_pages(stream, path, progress):
                if progress.deleted and not all(row.get("vis_state") == DELETED for row in raw.rows):
                    # It does not know the question, and answers with all that was listed already.
                    progress = progress.after((), None, raw.total)
                    yield Page([], progress.checkpoint() if since else None)
                    return
                records = [self._record(spec, _identified(raw, row, spec.key)) for row in raw.rows]
                progress = progress.after(raw.rows if since else (), raw.next, raw.total)
                if raw.next is None and not progress.deleted and len(lists) > 1:
                    progress = progress.then_deleted()
                    yield Page([record for record in records if keep(record)], progress.checkpoint())
                    break
                following = since or raw.next is not None
                yield Page([record for record in records if keep(record)], progress.checkpoint() if following else None)
                if raw.next is None:
                    return

    def _raw_pages(self, stream: str, path: str, progress: Progress) -> Iterator[RawPage]:
        """The pages of one of FreshBooks' lists from where the read stands."""
        spec = self._known(stream)
        narrowed = progress.filters(self._settings.overlap)
        params = {**INCLUDES.get(stream, {}), **narrowed}
        if progress.deleted:
            params["search[vis_state]"] = str(DELETED)
        rows_seen = (progress.page or 1) > 1
        if not rows_seen and not progress.deleted:
            self._counts.pop(stream, None)
            if not narrowed:
                self._counts[stream] = Count()
        count = self._counts.get(stream) if not progress.deleted else None
        for raw in self._client.pages(path, PLACES[stream][1], params, progress.page or 1, progress.total):
            rows_seen = rows_seen or bool(raw.rows)
            if count is not None:
                count.add(raw, spec.key)
            if raw.next is None and raw.total and not rows_seen and not narrowed and not progress.deleted:
                # A user without the right is shown an empty list that counts what it hides (FACTS.md, URL families).
                raise AuthRefused(
                    f"{raw.where}: FreshBooks counts {raw.total:,} and shows none of them",
                    hint=_MAY_SEE,
                )
            yield raw

    def get(self, stream: str, record_id: str) -> Json | None:
        """One record as it is now, or None when FreshBooks does not have it; a deleted one says so in `vis_state`."""
        spec = self._known(stream)
        place, names, name = PLACES[stream]
        if stream == "accounts":  # there is no call for one of them
            pages = self._client.pages(self._client.path(place), names, {})
            found = (self._record(spec, row) for page in pages for row in page.rows)
            return next((record for record in found if record[spec.key] == record_id), None)
        answer = self._client.find(place, name, record_id, INCLUDES.get(stream))
        if answer is None:
            self._require_all_shown(stream, record_id)
            return None
        record = self._record(spec, answer[1])
        if record[spec.key] != record_id:
            raise BadAnswer(f"{answer[0]}: another object than was asked for")
        return record

    def withheld(self, stream: str) -> Withheld | None:
        """How many rows the newest complete list counted and did not show; None when this connection has read none."""
        count = self._counts.get(stream)
        if count is None or count.hidden is None:
            return None
        if not count.hidden:
            return Withheld()
        shown, counted = len(count.ids), count.hidden + len(count.ids)
        return Withheld(f"{count.where}: FreshBooks counts {counted:,} and shows {shown:,} of them", _MAY_SEE)

    def _require_all_shown(self, stream: str, record_id: str) -> None:
        """What FreshBooks does not have when it is asked for it may be hidden, where it hides others.

        Raises:
            Rejected: where it does.
        """
        told = self.withheld(stream)
        if told is not None and told.message:
            raise Rejected(
                f"{told.message}; whether {record_id} was deleted cannot be told",
                hint=f"{told.hint}; when it was deleted, take what was made of it out of the target by hand",
            )

    def document(self, stream: str, record_id: str) -> Document | None:
        """The document of a bill or an expense, read anew; None when it has none, or is not there.

        Raises:
            Rejected: for another stream, or a document that is too large.
        """
        self._known(stream)
        return document(self._client, stream, record_id)

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

    def standings(self) -> list[Standing]:
        """The webhook callbacks, and whether FreshBooks uses them."""
        return standings(self._client)

    def resend(self, callback_id: str) -> Callback:
        """Have FreshBooks post a callback's verifier once more."""
        return resend(self._client, callback_id)

    def close(self) -> None:
        """Close open connections."""
        self._client.close()

    def _record(self, spec: StreamSpec, row: Record) -> Record:
        """The record of a row, with what the row itself does not say: its account, and the name of its category."""
        record = normalise(spec.name, row)
        if ACCOUNT_ID in spec.fields:
            record[ACCOUNT_ID.name] = self._client.account()
        if spec.name == "expenses" and record["categoryid"] is not None:
            record["category"] = self._category_names().get(record["categoryid"])
        return record

    def _category_names(self) -> Mapping[str, str | None]:
        """The categories' names, read once while the connection is open: an expense has no more than an id."""
        if self._categories is None:
            place, name, _ = PLACES["categories"]
            rows = [row for page in self._client.pages(self._client.path(place), name, {}) for row in page.rows]
            found = [normalise("categories", row) for row in rows]
            self._categories = {str(each["id"]): each["category"] for each in found}
        return self._categories

    def _question(self, stream: str, asked: str, path: str) -> str:
        """Equal only for the same question to the same account: a checkpoint is never used for another one."""
        return f"{stream}:{digest(self._settings.base_url, path, asked, str(self._settings.page_size))[:12]}"

    def _known(self, stream: str) -> StreamSpec:
        spec = SPEC.stream(stream)
        if spec is None:
            raise Rejected(f"{self._client.where}: there is no stream `{stream}`", hint=suggestion(stream, PLACES))
        return spec


def _lists(stream: str, filters: Filters) -> tuple[bool, ...]:
    """Which of FreshBooks' lists are read, what is there (False) and what was deleted (True)."""
    state = filters.get("vis_state")
    if stream not in DELETED_APART or (state is not None and str(state) != str(DELETED)):
        return (False,)
    return (True,) if state is not None else (False, True)


def _identified(raw: RawPage, row: Record, key: str) -> Record:
    given = row.get(key)
    if isinstance(given, bool) or not isinstance(given, int | str) or given == "":
        raise BadAnswer(f"{raw.where}: a row without a `{key}`")
    return row
