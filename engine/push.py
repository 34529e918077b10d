"""Writes to targets that are called, and none before it was looked for there.

Such a target keeps no answers and may know no idempotency key. So before every write, the first one included, it is
asked whether the object is there: what a lost answer, an earlier life of this store, or a person made is taken over. An
operation is `sent` in the store before the call is made; one that is found `sent` is in doubt, and is written again only
when the target, asked some time after the last write, does not have it. Changes and undoings go the same way.

Operations go one at a time, or many in a call where the request and the target say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from engine.contract import BatchTarget, Target
from engine.dataclass import dataclass
from engine.errors import Bug, FlowctlError, StaleLease, StoreError
from engine.jsontext import plain
from engine.model import Flow
from engine.program import FlowProgram
from engine.pushing.link import Link
from engine.pushing.many import push_many
from engine.pushing.one import push_one
from engine.pushing.steps import of_this_place
from engine.seatcheck import require_seat
from engine.spec import ConnectorSpec, RequestSpec
from engine.store import outbox, places
from engine.store.base import Row, Tx
from engine.world import World


@dataclass(frozen=True, slots=True)
class PushReport:
    """What one pass over the called targets of a flow came to; `more` says that it ended at its limit.

    `calls` is how much of the limit it used. `states` are the records that were tried, by id: a refused one is `failed`,
    one that may be there or not `unknown`. `unprepared` are those that failed before there was anything to write.
    """

    posted: int = 0
    errors: tuple[FlowctlError, ...] = ()
    more: bool = False
    states: Mapping[int, str] = field(default_factory=dict)
    calls: int = 0
    unprepared: int = 0

    def left(self, state: str) -> int:
        """How many records were left in a state."""
        return list(self.states.values()).count(state)


def push(world: World, program: FlowProgram, company: str, *, limit: int = 1_000_000, eager: bool = True) -> PushReport:
    """Write what is prepared for the targets that the flow calls; `limit` operations of each connection at most.

    Operations that travel together count as one, and so does the look for them before. With `eager`, what is in doubt is
    asked for at once and a connection that failed is tried again; else each when its time has come. A connection at which
    another process is sending is left to that one.
    """
    posted, errors, more, calls = 0, [], False, 0
    states: dict[int, str] = {}
    for connection in program.called:
        link = Link(world, program.flow.name, company, connection, limit, eager)
        _pass(link, program.flow)
        posted += link.posted
        errors += link.errors
        more = more or link.left <= 0
        calls = max(calls, limit - link.left)
        states |= link.states
    return PushReport(posted, tuple(errors), more, states, calls)


def has_work(world: World, tx: Tx, program: FlowProgram, company: str) -> bool:
    """Whether there is anything to write, or a trouble that is over, at a target that the flow calls; not `eager`."""
    links = (Link(world, program.flow.name, company, connection, 1, False) for connection in program.called)
    return any(any(_look(link, tx)) for link in links)


def _look(link: Link, tx: Tx) -> tuple[bool, bool]:
    """Whether anything is due now, and whether that is over which kept the connection from working."""
    if link.waits(tx):
        return False, False
    is_due = _next(link, tx, "sent", 0) is not None or _next(link, tx, "waiting", 0) is not None
    return is_due, not is_due and link.is_troubled(tx) and tx.one("push_any", link.scope) is None


def _pass(link: Link, flow: Flow) -> None:
    """Send what is due. What goes wrong is kept in the link's `errors`."""
    with link.world.store.read(link.company) as tx:
        is_due, is_over = _look(link, tx)
    if is_over:
        # Nobody waits for the connection any more; whether it works is seen at the next write.
        with link.world.store.write(link.company) as tx:
            link.works(tx)
    if not is_due:
        return
    try:
        if link.begin():
            _send_all(link, flow)
    except StaleLease as error:
        link.errors.append(error)
    except (StoreError, Bug):
        raise
    except FlowctlError as error:
        # Whatever keeps this connection from being opened or used, the sources are told all the same.
        link.leave_alone(error, asking=True)
    finally:
        link.end()


def _send_all(link: Link, flow: Flow) -> None:
    with link.world.store.read(link.company) as tx:
        # First, so that credentials that are given meanwhile are never taken for those of this place.
        link.leads_to = places.current(tx, link.company, link.connection, pushed=True)
    connector, binding = link.world.bound(link.company, link.connection)
    given = binding.settings.get("settle_s")
    link.settle_s = given if isinstance(given, int) else connector.spec.settle_s
    target = link.world.target(link.company, link.connection)
    try:
        require_seat(link.world, link.company, link.connection, target, flow, writes=True)
        _send(link, connector.spec, target)
    finally:
        close = getattr(target, "close", None)
        if callable(close):
            close()


def _send(link: Link, spec: ConnectorSpec, target: Target) -> None:
    looked: list[str] = []
    # What is in doubt comes first: it may be there already, and others may wait for it.
    for state in ("sent", "waiting"):
        after = 0
        while not link.stopped and link.left > 0:
            with link.world.store.read(link.company) as tx:
                row = _next(link, tx, state, after, looked)
            if row is None:
                break
            request = None if row["target_id"] else _together(spec, target, row["request"])
            if request is not None and isinstance(target, BatchTarget):
                push_many(link, target, request)
                looked.append(request.name)
                continue
            after = row["seq"]
            if not of_this_place(link, [row]):
                continue
            link.left -= 1
            push_one(link, target, row)


def _together(spec: ConnectorSpec, target: Target, name: str) -> RequestSpec | None:
    """The request, when several operations of it travel in one call."""
    request = spec.request(name)
    return request if request is not None and request.batch > 1 and isinstance(target, BatchTarget) else None


def _next(link: Link, tx: Tx, state: str, after: int, without: list[str] | None = None) -> Row | None:
    """The next operation in a state that is due; first writes of the requests `without` stay. A change has its base."""
    row = tx.one("push_next", {**link.due(), "state": state, "after": after, "without": plain(without or [])})
    return row if row is None or not row["target_id"] else {**dict(row), "base": outbox.base_of(tx, row)}
