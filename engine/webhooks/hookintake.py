"""Takes webhooks: verified first, then made durable together, and only then answered.

Nothing that is not signed is kept, so whoever finds an address can neither fill the store nor wait on its disk. However many
calls wait, they share one commit; the answer to each of them comes after it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from engine import asked, flowswitch
from engine.contract import Binding, Event, Handshake, HttpReply, Webhooks
from engine.dataclass import dataclass
from engine.errors import Bug, FlowctlError, ForgedWebhook, NotConnected, SettingMissing, StoreError, UnknownName
from engine.log import described, logger
from engine.program import FlowProgram
from engine.store import companies, hooks, work
from engine.store.base import Tx
from engine.store.hooks import Endpoint, Kept
from engine.telemetry import meter, meters
from engine.telemetry.correlation import correlated
from engine.vault import KeyWrong, SealBroken
from engine.webhooks import confirming, rotation
from engine.world import World

JSON = {"content-type": "application/json"}
# Vendors wait ten seconds for an answer, and send again what was not taken.
RETRY_AFTER_S = 5
# What is known of a connection is believed for so long; a call that is refused has it read anew.
BELIEVED_S = 1.0
# What had no effect is counted in memory, and written at most this often.
FLUSH_S = 5.0
_LOG_EVERY_S = 10.0
_MOST_COUNTED = 10_000
_LONGEST = 300


def reply(status: int, body: Mapping[str, object], **headers: str) -> HttpReply:
    """An answer in JSON."""
    return HttpReply(
        status, JSON | {k.replace("_", "-"): v for k, v in headers.items()}, json.dumps(dict(body)).encode()
    )


ACCEPTED = reply(200, {"status": "accepted"})
# The same for a forged call and for an address that is none: nobody learns which companies there are.
REFUSED = reply(401, {"error": "the signature does not match"})
NO_EVENT = reply(400, {"error": "this is not an event"})
NOT_SET_UP = reply(503, {"error": "this endpoint is not set up"}, retry_after=str(RETRY_AFTER_S))
UNAVAILABLE = reply(503, {"error": "not available, send it again"}, retry_after=str(RETRY_AFTER_S))


@dataclass(frozen=True, slots=True)
class Call:
    """A webhook as it came; header names are lower case."""

    endpoint: Endpoint
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Bound:
    """A connection that takes webhooks, its secrets as they were at some time."""

    hooks: Webhooks
    binding: Binding
    read_at: float


@dataclass(slots=True)
class Intake:
    """Takes calls of any company. `poke` wakes the worker. One thread uses it at a time; another may `count` meanwhile."""

    world: World
    programs: Mapping[str, FlowProgram]
    poke: Callable[[], None] = lambda: None
    _bound: dict[Endpoint, _Bound] = field(default_factory=dict)
    _again: dict[tuple[Endpoint, str], int] = field(default_factory=dict)
    _tallies: dict[tuple[Endpoint, str], int] = field(default_factory=dict)
    _logged: dict[tuple[Endpoint | None, str], float] = field(default_factory=dict)
    _flushed_at: float = field(default_factory=time.monotonic)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def take(self, calls: Sequence[Call]) -> list[HttpReply]:
        """Answer each; what is answered with 200 is durable.

        4xx is for what the sender did wrong and must not repeat; 503 is for our own troubles, so that it is sent again.
        """
        with correlated(f"webhook-{self.world.ids.base62(12)}"):
            return self._take(calls, time.monotonic())

    def knows(self, endpoint: Endpoint) -> bool:
        """Whether a connection of this address was met lately."""
        return endpoint in self._bound

    def _take(self, calls: Sequence[Call], began: float) -> list[HttpReply]:
        try:
            read = self._read(calls, began)
        except (StoreError, SealBroken, KeyWrong) as error:
            self._log(None, "not available", error)
            return [UNAVAILABLE] * len(calls)
        events = [(call, found) for call, found in zip(calls, read, strict=True) if isinstance(found, Event)]
        answers = iter(self._kept(events))
        replies = [next(answers) if isinstance(found, Event) else found for found in read]
        if began - self._flushed_at > FLUSH_S or len(self._again) > _MOST_COUNTED:
            self.flush()
        return replies

    @property
    def has_counts(self) -> bool:
        """Whether something was counted that is not written yet."""
        return bool(self._again or self._tallies)

    def count(self, endpoint: Endpoint, kind: str) -> None:
        """Count a call without effect; of an address that is none nothing is remembered."""
        if endpoint in self._bound:
            with self._counting:
                self._tallies[endpoint, kind] = self._tallies.get((endpoint, kind), 0) + 1

    def flush(self) -> None:
        """Write what was counted; counts that the store does not take now are written with the next ones."""
        self._flushed_at = time.monotonic()
        if not self.has_counts:
            return
        with self._counting:
            again, self._again = self._again, {}
            tallies, self._tallies = self._tallies, {}
        at = self.world.at()
        try:
            with self.world.store.write(*{endpoint.company for endpoint, _ in (*again, *tallies)}) as tx:
                for (endpoint, event_id), times in again.items():
                    hooks.again(tx, endpoint, event_id, times, at)
                for (endpoint, kind), times in tallies.items():
                    hooks.tally(tx, endpoint, kind, times, at)
        except StoreError as error:
            self._log(None, "not counted", error)
            if len(again) <= _MOST_COUNTED:
                with self._counting:
                    _add(self._again, again)
                    _add(self._tallies, tallies)

    def _read(self, calls: Sequence[Call], began: float) -> list[Event | HttpReply]:
        """What each call is: an event that is to be kept, or the answer to it."""
        with self.world.store.read(*{call.endpoint.company for call in calls}) as tx:
            found = [self._verified(tx, call, began) for call in calls]
        return [
            self._shaken(call, item) if isinstance(item, Handshake) else item
            for call, item in zip(calls, found, strict=True)
        ]

    def _verified(self, tx: Tx, call: Call, began: float) -> Event | Handshake | HttpReply:
        try:
            bound = self._bound.get(call.endpoint)
            if bound is not None and began - bound.read_at <= BELIEVED_S:
                try:
                    return _sound(bound.hooks.verify(bound.binding, call.headers, call.body))
                except (ForgedWebhook, SettingMissing):
                    if bound.read_at >= began:
                        raise
            # Its secret may have been given this moment: nobody is refused for one that was remembered.
            bound = self._bind(tx, call.endpoint)
            if bound is None:
                return REFUSED
            return _sound(bound.hooks.verify(bound.binding, call.headers, call.body))
        except Exception as error:  # noqa: BLE001 - a connector's fault must not reach the calls beside this one
            return self._refused(call.endpoint, error)

    def _bind(self, tx: Tx, endpoint: Endpoint) -> _Bound | None:
        """Read what is known of a connection; None for one that takes no webhooks."""
        self._bound.pop(endpoint, None)
        connector, binding = self.world.bound(endpoint.company, endpoint.connection)
        if not isinstance(connector, Webhooks):
            return None
        binding = rotation.accepted(tx, binding, self.world.clock.now())
        made = self._bound[endpoint] = _Bound(connector, binding, time.monotonic())
        return made

    def _refused(self, endpoint: Endpoint, error: Exception) -> HttpReply:
        """The answer to a call that is not taken."""
        if isinstance(error, UnknownName | NotConnected):
            return REFUSED
        answer, kind = _answer_to(error)
        self._log(endpoint, kind, error)
        self.count(endpoint, kind)
        return answer

    def _shaken(self, call: Call, handshake: Handshake) -> HttpReply:
        """The answer to a handshake; one that is to be confirmed is kept first."""
        company, connection = call.endpoint.company, call.endpoint.connection
        try:
            if handshake.confirm:
                kept = confirming.keep(self.world, company, connection, handshake)
                if kept == "unexpected":
                    self._log(call.endpoint, kept, ForgedWebhook("a handshake that nobody waits for"))
                    self.count(call.endpoint, "unexpected")
                    return REFUSED
                if kept == "kept":
                    self.poke()
        except Exception as error:  # noqa: BLE001 - as above
            return self._refused(call.endpoint, error)
        return reply(200, handshake.reply)

    def _kept(self, events: Sequence[tuple[Call, Event]]) -> Iterator[HttpReply]:
        """Make events durable; the answers, once they are."""
        if not events:
            return
        try:
            self._keep(events)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is 503
            if len(events) > 1 and not isinstance(error, StoreError):
                for one in events:  # what is wrong with one of them must not keep the others out
                    yield from self._kept([one])
                return
            self._log(events[0][0].endpoint, "not kept", error)
            yield from [UNAVAILABLE] * len(events)
            return
        yield from [ACCEPTED] * len(events)

    def _keep(self, events: Sequence[tuple[Call, Event]]) -> None:
        given: dict[Endpoint, dict[str, tuple[Event, bytes]]] = {}
        came: dict[tuple[Endpoint, str], int] = {}
        for call, event in events:
            endpoint = call.endpoint
            came[endpoint, event.id] = came.get((endpoint, event.id), 0) + 1
            given.setdefault(endpoint, {}).setdefault(event.id, (event, call.body))
        fresh: set[tuple[Endpoint, str]] = set()
        with self.world.store.write(*{endpoint.company for endpoint in given}) as tx:
            for endpoint, by_id in given.items():
                known = hooks.known(tx, endpoint, by_id)
                new = [one for name, one in by_id.items() if name not in known]
                if new:
                    self._take_effect(tx, endpoint, new)
                    fresh |= {(endpoint, event.id) for event, _ in new}
        for key, times in came.items():
            more = times - 1 if key in fresh else times
            if key in fresh:
                meter.add(meters.EVENTS, key[0].connection, "new")
            if more:
                meter.add(meters.EVENTS, key[0].connection, "again", amount=more)
                with self._counting:
                    _add(self._again, {key: more})
                    _add(self._tallies, {(key[0], "again"): more})
        if fresh:
            self.poke()

    def _take_effect(self, tx: Tx, endpoint: Endpoint, new: Sequence[tuple[Event, bytes]]) -> None:
        """Keep events that are new, and bring forward what they speak of."""
        at, programs = self.world.at(), runnable(tx, endpoint.company, self.programs)
        streams = {kind: streams_for(programs, endpoint.connection, kind) for kind in {event.type for event, _ in new}}
        hooks.keep(tx, self.world.vault, endpoint, [Kept(event, body, streams[event.type]) for event, body in new], at)
        for event, _ in new:
            for program in programs if event.request else ():
                asked.hear(tx, endpoint.company, program, endpoint.connection, event, at)
        for name in sorted({name for names in streams.values() for name in names}):
            flow, _, stream = name.partition("/")
            work.sooner(tx, endpoint.company, flow, stream, at)

    def _log(self, endpoint: Endpoint | None, kind: str, error: Exception) -> None:
        """A line, at most every ten seconds of one kind: a flood of calls must not fill the disk by way of the log."""
        now = time.monotonic()
        if now - self._logged.get((endpoint, kind), float("-inf")) < _LOG_EVERY_S:
            return
        self._logged[endpoint, kind] = now
        log = logger()
        if endpoint is not None:
            log = log.bind(company=endpoint.company, connection=endpoint.connection)
        text = str(error) if isinstance(error, FlowctlError) else described(error)
        if isinstance(error, ForgedWebhook) or kind == "no event":
            log.warning("webhook refused", error=text)
        else:
            log.error("webhook not kept", error=text)


def _add(counts: dict[tuple[Endpoint, str], int], more: Mapping[tuple[Endpoint, str], int]) -> None:
    for key, times in more.items():
        counts[key] = counts.get(key, 0) + times


def runnable(tx: Tx, company: str, programs: Mapping[str, FlowProgram]) -> tuple[FlowProgram, ...]:
    """The flows that are on for a company which has every connection of theirs; the others are not run for it."""
    there = companies.connectors(tx, company).keys()
    return tuple(
        one
        for one in programs.values()
        if there >= {made.name for made in one.flow.connections} and flowswitch.is_on(tx, company, one.flow)
    )


def streams_for(programs: Iterable[FlowProgram], connection: str, kind: str) -> tuple[str, ...]:
    """The streams that an event of a connection brings forward, as FLOW/STREAM."""
    return tuple(
        f"{program.flow.name}/{stream.name}"
        for program in programs
        for stream in program.flow.streams
        if kind in stream.trigger.webhooks and stream.fetch.connection == connection
    )


def _answer_to(error: Exception) -> tuple[HttpReply, str]:
    """The answer to a call that is not taken, and what it is counted as."""
    if isinstance(error, ForgedWebhook):
        return REFUSED, "forged"
    if isinstance(error, SettingMissing):
        return NOT_SET_UP, "not set up"
    if isinstance(error, StoreError | SealBroken | KeyWrong | Bug) or not isinstance(error, FlowctlError):
        return UNAVAILABLE, "not available"
    return NO_EVENT, "no event"


def _sound(found: Event | Handshake) -> Event | Handshake:
    """What was verified, its names fit to be kept and shown.

    Raises:
        NotAnEvent: when they are not.
    """
    if isinstance(found, Event):
        for text in (found.id, found.type, found.object_id or "", found.request):
            if len(text) > _LONGEST or not text.isprintable():
                raise NotAnEvent("an event with a name that is too long, or cannot be shown")
        if not found.id:
            raise NotAnEvent("an event without an id")
    return found


class NotAnEvent(FlowctlError):
    """Signed, and no event."""
