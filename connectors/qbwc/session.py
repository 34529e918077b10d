"""The Web Connector's methods: each is one short transaction, so that any process can answer the next call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache

from connectors.qbwc import conduct, gate, portion, survey
from connectors.qbwc.auth import Doorkeeper, new_ticket, ticket_hash
from connectors.qbwc.context import Context
from connectors.qbwc.soap import Call
from connectors.qbwc.state import Flight, Options, State, changed, dump, load
from connectors.qbwc.status import com_error, com_text
from engine.clock import Clock, Ids, from_iso, iso
from engine.contract import Desk, Json, Login, Outbox
from engine.dataclass import dataclass
from engine.errors import FlowctlError, NotAtOnce, StaleLease, StoreBusy
from engine.qbxml.errors import UnreadableAnswer
from engine.qbxml.response import parse_response
from engine.shipped import version
from engine.telemetry.correlation import correlated, of_session

Result = str | int | tuple[str, ...]

_UNKNOWN_TICKET = "This session is over, or a newer one has replaced it. The next update starts a new one."
_REFUSED = -1
# At most so much is done, in per cent, while nobody has looked whether there is more.
_MORE = 99
# Between two calls of one session. A single request may keep QuickBooks busy for long, but not for hours.
TICKET_LIFE = timedelta(hours=2)
# The Web Connector asks for the next request right after it gave an answer; after more than this, something else happened.
_AT_ONCE = timedelta(seconds=30)
# The call before this one may have been answered by a machine whose clock is ahead of ours.
_SKEW_S = 60.0


class _Occupied(FlowctlError):
    """Another Web Connector is in the middle of a write for this company."""


@dataclass(frozen=True, slots=True)
class _Open:
    """An open session inside its transaction."""

    context: Context
    state: State


@dataclass(frozen=True, slots=True)
class Service:
    """Answers calls from the store alone; no other system is ever asked inside one."""

    outbox: Outbox
    clock: Clock
    ids: Ids
    doorkeeper: Doorkeeper

    def answer(self, call: Call, client: str, *, at_once: bool = False) -> Result:
        """Answer one call.

        Raises:
            NotAtOnce: when a password must be hashed, and it is to be answered `at_once`.
        """
        if call.method == "authenticate":
            ticket = new_ticket(self.ids)
            digest = ticket_hash(ticket)
            with correlated(of_session(digest)):
                return self._authenticate(call, client, (ticket, digest), at_once=at_once)
        methods: Mapping[str, Callable[[Call], Result]] = {
            "sendRequestXML": self._send,
            "receiveResponseXML": self._receive,
            "connectionError": self._connection_error,
            "closeConnection": self._close,
            "getLastError": self._last_error,
        }
        method = methods.get(call.method, _constant)
        if not call["ticket"]:
            return method(call)
        with correlated(of_session(ticket_hash(call["ticket"]))):
            return method(call)

    # --- opening ---

    def _authenticate(self, call: Call, client: str, made: tuple[str, str], *, at_once: bool) -> tuple[str, ...]:
        """Sign in; `made` are a new ticket and its digest."""
        user, (ticket, digest) = call["strUserName"], made
        try:
            login = self.outbox.login(user)
            # The password is hashed between two transactions: its 15 ms must not hold the store.
            answer = self.doorkeeper.check(login, client, user, call["strPassword"], at_once=at_once)
            if answer == "later":
                raise NotAtOnce
            if answer == "busy":
                return (ticket, "busy")
            if answer == "no" or login is None:
                self._refused(login, user)
                return (ticket, "nvu")
            options = Options.read(login.settings)
            state = State(client=client, user=user, seen_at=iso(self.clock.now()), options=options)
            with self.outbox.transaction(login.company) as desk:
                work = self._open(desk, login.company, digest, state)
        except (StoreBusy, StaleLease, _Occupied):
            return (ticket, "busy")
        if work:
            # Nothing after the second item: with a postpone value the Web Connector would not run this update at all.
            return (ticket, options.company_file)
        return (ticket, "none", "", str(options.min_interval_s)) if options.min_interval_s else (ticket, "none")

    def _refused(self, login: Login | None, user: str) -> None:
        """Leave a trace; for an unknown user too, so that the time an answer takes tells nobody who exists."""
        company = login.company if login else ""
        with suppress(StoreBusy, StaleLease), self.outbox.transaction(company) as desk:
            desk.sessions.refused(company, user)

    def _open(self, desk: Desk, company: str, ticket: str, state: State) -> bool:
        """Open the session when there is work; what earlier sessions left open is in doubt."""
        data = dump(state)
        if desk.sessions.passed(company, ticket, data):
            return False
        earlier = [load(other) for other in desk.sessions.open(company, ticket, data)]
        if any(self._is_writing(other, state) for other in earlier):
            raise _Occupied
        ctx = Context(desk, company, ticket, self.clock, self.ids)
        for other in earlier:
            if other.flight is not None and other.flight.kind == "write":
                conduct.slower(ctx, other)
            portion.given_up(ctx, other)
        sized = portion.begin(ctx, state)
        if sized is not state:
            desk.sessions.save(ticket, dump(sized))
        nothing = desk.operations.none(company)
        unsettled = None if nothing else desk.operations.unsettled(company)
        if unsettled is not None and unsettled.state == "sent":
            desk.operations.doubt(company, unsettled.id, "a new session began before the answer came")
        if unsettled is not None or desk.books.due(company) or desk.sessions.identity(company) is None:
            return True
        if not nothing and (desk.operations.backlog(company) or conduct.is_waiting(ctx)):
            return True
        if desk.holdings.check_due(company) or desk.reconciling.wanted(company) is not None:
            return True
        desk.sessions.in_vain(company, ticket)
        return False

    def _is_writing(self, other: State, mine: State) -> bool:
        """Whether another machine may still be in QuickBooks with a write; the same one has given up its session."""
        if other.flight is None or other.flight.kind != "write" or other.client == mine.client or not other.seen_at:
            return False
        age = (self.clock.now() - from_iso(other.seen_at)).total_seconds()
        return -_SKEW_S <= age < mine.options.request_timeout_s

    # --- the loop ---

    def _send(self, call: Call) -> str:
        with self._session(call["ticket"]) as session:
            if session is None:
                return ""
            ctx, state = session.context, session.state
            if state.flight is not None:
                reason = "the Web Connector asked for the next request instead of giving the answer"
                state = survey.anew(conduct.lost(ctx, portion.unanswered(ctx, state), reason))
            elif self._after_a_gap(state):
                state = survey.anew(state)
            state = self._meet(ctx, state, call)
            state, body = conduct.begin(ctx, state)
            self._keep(ctx, state)
            return body.decode("ascii")

    def _meet(self, ctx: Context, state: State, call: Call) -> State:
        """Look at the company file that the Web Connector names, and at what QuickBooks says of itself."""
        if state.ended:
            return state
        path = call["strCompanyFileName"].strip()
        if state.gate == "passed" and path and state.path and not gate.same_path(path, state.path):
            reason = f"The company file changed from `{state.path}` to `{path}`, so nothing more was written."
            return conduct.refuse(ctx, state, "company_changed", reason)
        state = changed(state, path=path or state.path, spoken=_version(call) or state.spoken)
        hello = call["strHCPResponse"]
        if not hello.strip():
            return state
        try:
            return conduct.enter(ctx, state, parse_response(hello))
        except UnreadableAnswer:
            # Then QuickBooks is asked by us.
            return state

    def _receive(self, call: Call) -> int:
        text, hresult, message = call["response"], call["hresult"].strip(), call["message"]
        digest = hashlib.sha256(f"{text}\0{hresult}\0{message}".encode("utf-8", "replace")).hexdigest()
        # A stranger's is not even read.
        is_known = self.outbox.company_of(ticket_hash(call["ticket"])) is not None
        answer = conduct.read(text) if is_known and not hresult else None
        with self._session(call["ticket"]) as session:
            if session is None:
                return _REFUSED
            ctx, state = session.context, session.state
            if state.flight is None:
                if digest == state.last_answer:
                    return state.last_percent
                self._keep(ctx, changed(state, error="An answer came that nothing was sent for. It was not used."))
                return _REFUSED
            # While QuickBooks was at work for long, a copy of our store may have been put back from before another machine
            # wrote.
            flight, is_late = state.flight, self._after_a_gap(state)
            state = (
                conduct.failed(ctx, state, hresult, message)
                if answer is None
                else conduct.take(ctx, state, text, answer)
            )
            if is_late:
                state = _late(state, flight)
            state = changed(state, last_answer=digest, last_percent=min(state.last_percent, _MORE))
            if state.ended or flight.kind != "write":
                return self._look_on(ctx, state)
            self._keep(ctx, state)
        # What became of a write is durable by now. To look for what comes next takes as long again, and others wait for the
        # store meanwhile; whoever is killed between the two is asked for the next request, and looks then.
        with self._session(call["ticket"]) as session:
            if session is None or session.state.flight is not None or session.state.last_answer != digest:
                return state.last_percent
            return self._look_on(session.context, session.state)

    def _look_on(self, ctx: Context, state: State) -> int:
        """How far the session is with what it looks at next."""
        state, outlook = conduct.settle_known(ctx, state)
        state = conduct.stopped(ctx, state, outlook)
        percent = _REFUSED if state.ended else max(0, conduct.progress(ctx, state, outlook))
        self._keep(ctx, changed(state, last_percent=percent))
        return percent

    # --- ending ---

    def _connection_error(self, call: Call) -> str:
        text = com_text(call["hresult"], call["message"])
        with self._session(call["ticket"]) as session:
            if session is not None:
                ctx = session.context
                state = conduct.lost(ctx, session.state, text)
                person = com_error(call["hresult"]).recourse == "person"
                ctx.desk.sessions.note(ctx.company, "connection_error", text, alert=person)
                self._keep(ctx, changed(state, ended=True, error=text))
        return "done"

    def _close(self, call: Call) -> str:
        with self._session(call["ticket"]) as session:
            if session is None:
                return "OK"
            ctx = session.context
            portion.given_up(ctx, session.state)
            state = conduct.lost(ctx, session.state, "the Web Connector closed the session before it gave the answer")
            ctx.desk.sessions.close(ctx.ticket_hash)
            return _summary(state)

    def _last_error(self, call: Call) -> str:
        with self._session(call["ticket"]) as session:
            if session is None:
                return _UNKNOWN_TICKET
            return session.state.error or conduct.DONE_TEXT

    # --- the store ---

    @contextmanager
    def _session(self, ticket: str) -> Iterator[_Open | None]:
        digest = ticket_hash(ticket)
        company = self.outbox.company_of(digest) if ticket else None
        if company is None:
            yield None
            return
        with self.outbox.transaction(company) as desk:
            found = desk.sessions.load(digest)
            state = load(found[1]) if found else State()
            if found is None or self._is_stale(state):
                yield None
                return
            yield _Open(Context(desk, found[0], digest, self.clock, self.ids), state)

    def _after_a_gap(self, state: State) -> bool:
        return not state.seen_at or abs(self.clock.now() - from_iso(state.seen_at)) > _AT_ONCE

    def _is_stale(self, state: State) -> bool:
        """A ticket that lay about may have been found by somebody; the next login looks after what it left in doubt."""
        return bool(state.seen_at) and self.clock.now() - from_iso(state.seen_at) > TICKET_LIFE

    def _keep(self, ctx: Context, state: State) -> None:
        data: Json = {**dump(state), "seen_at": iso(self.clock.now())}
        ctx.desk.sessions.save(ctx.ticket_hash, data)


def _late(state: State, flight: Flight) -> State:
    if flight.kind == "survey":
        return survey.late(state, flight)
    if flight.kind == "merge":
        return survey.merged_late(state)
    return survey.found_late(state) if flight.kind == "probe" else survey.anew(state)


def _constant(call: Call) -> str:
    """Methods that need no session. Interactive mode is never asked for, so its methods get harmless answers."""
    if call.method in {"serverVersion", "getServerVersion"}:
        return _server_version()
    # An empty answer to clientVersion means: go on, whatever version you are (Programmer's Guide p.66).
    return "Done" if call.method == "interactiveDone" else ""


@cache
def _server_version() -> str:
    return f"flowctl {version('')}".rstrip()


def _summary(state: State) -> str:
    """What the Web Connector shows when it is done; the words are those of the journal."""
    if not state.counts:
        return "OK"
    return "OK: " + ", ".join(f"{count} {name}" for name, count in sorted(state.counts.items()))


def _version(call: Call) -> str:
    major, minor = call["qbXMLMajorVers"].strip(), call["qbXMLMinorVers"].strip() or "0"
    return (
        f"{int(major)}.{int(minor)}"
        if major.isdecimal() and minor.isdecimal() and len(major + minor) < 6 and int(major)
        else ""
    )
