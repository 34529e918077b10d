"""Carries what waits in the outbox to its channels: at least once, each channel apart from the others, patiently."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import datetime

from engine.alerting import addresses, channels, message
from engine.alerting.channels import Channel
from engine.alerting.message import Message
from engine.alerting.timing import due_at, wait_after
from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.log import logger
from engine.store import journal
from engine.store.base import HOUSE, Row
from engine.world import World

# A server that has not answered for so long counts as one that did not take it.
SEND_S = 45.0
# Messages of very many notices are cut anyway; the rest are told with the next one.
_MOST = 1000
# So many channels are sent to at once.
_AT_ONCE = 4
# No round is longer than the right to be the one that sends; the rest have their turn with the next one.
_A_ROUND = 16
_SLICE_S = 0.1
_SLOW = "no answer within {:.0f} seconds"

Send = Callable[[str, Message], None]


@dataclass(slots=True)
class _Sending:
    """A message that is under way: the thread ends some day, and may be given up before."""

    thread: threading.Thread
    error: list[str] = field(default_factory=list)
    is_done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Postman:
    """Sends what is due. A channel whose server hangs keeps its thread, and gets no other until that one has ended."""

    world: World
    send: Send = addresses.send
    send_s: float = SEND_S
    # Set when the process ends: nobody waits any more for an answer, and what was not noted is sent again.
    stopping: threading.Event = field(default_factory=threading.Event)
    _stuck: dict[int, threading.Thread] = field(default_factory=dict)

    def round(self) -> int:
        """Send everything that is due now; how many messages were taken."""
        with self.world.store.read() as tx:
            numbers = [row["channel_id"] for row in tx.rows("alert_channels_with_work", {})]
        due = [found for number in numbers if (found := self._due(number)) is not None]
        due, taken = due[:_A_ROUND], 0
        for start in range(0, len(due), _AT_ONCE):
            taken += self._carry(due[start : start + _AT_ONCE])
        return taken

    def try_out(self, channel: Channel) -> str:
        """Send a test message now; what went wrong, or empty text."""
        sending = self._begin(channel, message.tried(channel.name))
        error = self._end(channel, sending) or ""
        with self.world.store.write(channel.company) as tx:
            if channels.by_id(tx, channel.id) is not None:
                self._put(_hand(self.world, channel), channel, (), error)
        return error

    def _carry(self, due: Sequence[tuple[Channel, list[Row], Message]]) -> int:
        under_way = [(channel, rows, self._begin(channel, made)) for channel, rows, made in due]
        taken = 0
        for channel, rows, sending in under_way:
            error = self._end(channel, sending)
            if error is None:
                continue
            self._put(_hand(self.world, channel), channel, rows, error)
            if error:
                logger().warning("alert not sent", company=channel.company, connection=channel.name, error=error)
            taken += not error
        return taken

    def _due(self, number: int) -> tuple[Channel, list[Row], Message] | None:
        """What a channel is to be sent now, if anything."""
        now = self.world.clock.now()
        with self.world.store.read() as tx:
            channel = channels.by_id(tx, number)
            rows = tx.rows("alert_deliveries_waiting", {"channel_id": number, "limit": _MOST})
            base_url = channels.base_url(tx)
        if channel is None:
            with self.world.store.write(HOUSE) as tx:
                tx.run("alert_deliveries_drop", {"channel_id": number, "at": iso(now)})
            return None
        stuck = self._stuck.get(number)
        is_busy = stuck is not None and stuck.is_alive()
        if is_busy or channel.is_muted(iso(now)) or channel.next_try_at > iso(now):
            return None
        ready = ready_of(channel, rows, now)
        if not ready:
            return None
        made = message.compose([message.entry(row) for row in ready], base_url, channel.plan.zone)
        return channel, ready, made

    def _begin(self, channel: Channel, made: Message) -> _Sending:
        """Start a thread of the channel's own: whatever the server does, nobody else waits for it."""
        sending = _Sending(threading.Thread())

        def work() -> None:
            try:
                with self.world.store.read(channel.company) as tx:
                    address = channels.address_of(tx, self.world.vault, channel)
                self.send(address, made)
            except FlowctlError as error:
                sending.error.append(str(error))
            except Exception as error:  # noqa: BLE001 - the edge: no address may get into a log, and the channel is told as dead
                sending.error.append(f"it cannot be sent to ({type(error).__name__})")
            finally:
                sending.is_done.set()

        sending.thread = threading.Thread(target=work, name=f"flowctl-alert-{channel.id}", daemon=True)
        sending.thread.start()
        return sending

    def _end(self, channel: Channel, sending: _Sending) -> str | None:
        """Wait for the answer: what went wrong, or empty text; None when nobody waits any more."""
        for _ in range(max(1, round(self.send_s / _SLICE_S))):
            if sending.is_done.wait(_SLICE_S):
                return sending.error[0] if sending.error else ""
            if self.stopping.is_set():
                return None
        self._stuck[channel.id] = sending.thread
        return _SLOW.format(self.send_s)

    def _put(self, hand: Hand, channel: Channel, rows: Sequence[Row], error: str) -> None:
        """Make durable what became of a message."""
        with self.world.store.write(*{hand.company, *(row["company"] for row in rows)}) as tx:
            if error:
                next_at = iso(self.world.clock.now() + wait_after(channel.failures + 1))
                values = {"error": error[:300], "next_try_at": next_at, "at": hand.at}
                tx.run("alert_channel_failed", {"id": channel.id, **values})
                first = "alert_channel_failing" if not channel.failing_since else ""
            else:
                tx.many("alert_delivery_done", [("sent", hand.at, row["id"]) for row in rows])
                tx.run("alert_channel_sent", {"id": channel.id, "at": hand.at})
                first = "alert_channel_works" if channel.failing_since else ""
            if first:
                entry = journal.Entry(
                    first, detail={"channel": channel.name, **({"error": error[:300]} if error else {})}
                )
                journal.append(tx, hand.company, hand.at, hand.actor, [entry])


def _hand(world: World, channel: Channel) -> Hand:
    """The postman, acting for whoever has the channel."""
    return Hand(channel.company, world.at(), "alerts")


def ready_of(channel: Channel, rows: Sequence[Row], now: datetime) -> list[Row]:
    """What of it may be sent now: what is urgent by its own time, the rest by the channel's."""
    ready: list[Row] = []
    sent_at = channels.moment(channel.sent_at)
    for is_urgent in (True, False):
        some = [row for row in rows if (row["severity"] == "urgent" and row["event"] != "solved") is is_urgent]
        if some:
            oldest = from_iso(some[0]["made_at"])
            if due_at(channel.plan, oldest, now, sent_at, urgent=is_urgent) <= now:
                ready += some
    return ready
