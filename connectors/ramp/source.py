"""An open Ramp connection: reads streams and lists, writes, marks, and manages webhook subscriptions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from connectors._http import Call
from connectors.ramp.accounting import RampAccounting
from connectors.ramp.chart import ChartTarget
from connectors.ramp.client import API, RampClient
from connectors.ramp.filters import keeper, passes, query, sent
from connectors.ramp.ids import object_id
from connectors.ramp.listing import list_objects
from connectors.ramp.marks import mark
from connectors.ramp.outspec import PATHS
from connectors.ramp.records import Record, normaliser
from connectors.ramp.settings import Settings
from connectors.ramp.spec import EVENTS, EVENTS_2025, SPEC, STREAM_SCOPES
from connectors.ramp.subscriptions import confirm, standings
from connectors.ramp.target import way_of, ways
from engine.abilities import Standing
from engine.contract import Binding, Handshake, Json, ListObject, MarkCall, Operation, Page, Receipt, Tools
from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.errors import BadAnswer, Rejected
from engine.webhooks.handshakes import Confirmed

# Ramp refuses smaller pages (FACTS.md section 3).
_FEWEST = "2"


# In a checkpoint: the first page of a question.
_BEGIN = "first"


@dataclass(frozen=True, slots=True)
class _Pass:
    """One question of a read, its name in checkpoints, and the checkpoint of its last page."""

    name: str
    params: Mapping[str, str]
    then: str | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription as created; Ramp shows the secret only this once."""

    id: str
    status: str
    secret: str = field(repr=False)


class RampSource:
    """Ramp as a source and as a called target. Close it when done."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self._client = RampClient(binding, settings, tools)
        self._settings = settings
        self._chart = ChartTarget(self._client, settings)
        self._ways = ways(self._client, settings, self._chart, tools.documents)

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        """All matching records, page by page; the last page's checkpoint is None, since every read lists all."""
        scope = self._scope(stream)
        params = query(self._client.where, stream, filters, self._settings.entity_id)
        asked = [(_name(stream, one), one) for one in passes(stream, params)]
        saved, _, following = (checkpoint or "").partition(" ")
        first = next((number for number, (name, _) in enumerate(asked) if name == saved), 0)
        for number, (name, one) in enumerate(asked[first:], first + 1):
            start = following if name == saved and following.startswith(f"{_path(stream)}?") else None
            then = f"{asked[number][0]} {_BEGIN}" if number < len(asked) else None
            yield from self._pass(stream, scope, _Pass(name, one, then), start)

    def _pass(self, stream: str, scope: str, asked: _Pass, start: str | None) -> Iterator[Page]:
        """All pages of one question, from `start` on."""
        keep, normalise = keeper(stream, asked.params), normaliser(stream, self._settings)
        try:
            for page in self._client.pages(_path(stream), sent(stream, asked.params), scope, start):
                records = [record for row in page.rows if keep(record := normalise(row))]
                start = None  # whatever goes wrong from now on is not the checkpoint's fault
                yield Page(records, f"{asked.name} {page.next}" if page.next else asked.then)
        except Rejected:
            if start is None:
                raise
            # The record that the saved cursor points at is gone: begin again, nothing may be skipped.
            yield from self._pass(stream, scope, asked, None)

    def get(self, stream: str, record_id: str) -> Json | None:
        """One record as it is now, or None when Ramp no longer has it."""
        scope = self._scope(stream)
        row = self._client.find(f"{_path(stream)}/{object_id(self._client.where, record_id)}", scope)
        if row is None:
            return None
        record: Record = normaliser(stream, self._settings)(row)
        if record["id"] != record_id:
            raise BadAnswer(f"{self._client.where}: Ramp answered with another object than was asked for ({stream})")
        return record

    def mark(self, call: MarkCall) -> None:
        """Tell Ramp; returning means that every id is acknowledged. Safe to repeat with the same key."""
        mark(self._client, call, self._settings)

    def find(self, operation: Operation) -> Receipt | None:
        """What an earlier write of the operation made, or what is as it wants it."""
        return way_of(self._ways, self._client.where, operation).find(operation)

    def write(self, operation: Operation) -> Receipt:
        """Write once; raises `Ambiguous` when it is not known whether it was done."""
        return way_of(self._ways, self._client.where, operation).write(operation)

    def find_all(self, operations: Sequence[Operation]) -> Mapping[str, Receipt]:
        """Those of the chart operations that are there already; see `ChartTarget.find_all`."""
        return self._chart.find_all(operations)

    def write_all(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """Write chart operations, new ones in one call; see `ChartTarget.write_all`."""
        return self._chart.write_all(operations)

    def list_objects(self, name: str) -> Iterator[Sequence[ListObject]]:
        """All objects of a list of the spec, page by page."""
        return list_objects(self._client, self._settings, name)

    def granted(self) -> frozenset[str]:
        """The scopes Ramp granted; it drops silently what the app may not have.

        A kept token says nothing of today, so the first rows of one stream are read, or a new token is asked for when
        no stream may be read.
        """
        scopes = self._client.granted()
        stream = next((name for name, scope in STREAM_SCOPES.items() if scope in scopes), None)
        if stream is None:
            return self._client.granted(anew=True)
        next(self._client.pages(_path(stream), {"page_size": _FEWEST}, STREAM_SCOPES[stream]))
        return self._client.granted()

    def subscribe(self, url: str, events: Sequence[str] = ()) -> Subscription:
        """Create a webhook subscription; without `events`, for all that this connector knows and may read."""
        offered = EVENTS_2025 if self._settings.profile == "2025-08" else EVENTS
        wanted = list(events) or self._readable(offered)
        for event in wanted:
            if event not in offered:
                raise Rejected(f"{self._client.where}: there is no event `{event}`", hint=suggestion(event, offered))
        body = {"endpoint_url": url, "event_types": wanted}
        answer = self._client.send(Call("POST", f"{API}/webhooks", json=body, write=True))
        made = answer.json()
        if not isinstance(made, dict) or not all(isinstance(made.get(n), str) for n in ("id", "status", "secret")):
            raise BadAnswer(f"{answer.where}: no subscription with `id`, `status` and `secret`")
        return Subscription(made["id"], made["status"], made["secret"])

    def verify_subscription(self, subscription_id: str, challenge: str) -> None:
        """Send back the challenge that Ramp posted to our endpoint; Ramp then begins to send events."""
        path = f"{API}/webhooks/{object_id(self._client.where, subscription_id)}/verify"
        # Verifying twice does no harm, so a lost answer is simply tried again.
        answer = self._client.send(Call("POST", path, json={"challenge": challenge}))
        body = answer.json()
        if not isinstance(body, dict) or body.get("success") is not True:
            raise Rejected(f"{answer.where}: Ramp does not accept the challenge", hint="create the subscription again")

    def accounting(self) -> RampAccounting:
        """The seat of the accounting system in Ramp."""
        return RampAccounting(self._client, self._settings)

    def _readable(self, events: Sequence[str]) -> list[str]:
        """The events whose objects the app may read: Ramp refuses a subscription for any other (FACTS.md section 2)."""
        granted = self._client.granted()
        return [event for event in events if f"{event.partition('.')[0]}:read" in granted]

    def confirm_webhook(self, handshake: Handshake) -> Confirmed:
        """Send a challenge back to Ramp for the subscription that it is of; see `subscriptions.confirm`."""
        return confirm(self._client, handshake.challenge, self.verify_subscription)

    def standings(self) -> list[Standing]:
        """The webhook subscriptions, and whether Ramp calls them."""
        return standings(self._client)

    def close(self) -> None:
        """Close open connections."""
        self._client.close()

    def _scope(self, stream: str) -> str:
        if SPEC.stream(stream) is None:
            raise Rejected(
                f"{self._client.where}: there is no stream `{stream}`", hint=suggestion(stream, STREAM_SCOPES)
            )
        return STREAM_SCOPES[stream]


def _name(stream: str, params: Mapping[str, str]) -> str:
    """Equal only for the same question, so that a checkpoint is never used for another one."""
    question = "&".join(f"{k}={v}" for k, v in sorted(params.items()))
    return f"{stream}:{hashlib.sha256(question.encode()).hexdigest()[:12]}"


def _path(stream: str) -> str:
    return f"{API}/{PATHS.get(stream, stream)}"
