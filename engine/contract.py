"""What a connector must satisfy, and what the engine hands it: Protocols and frozen data, no base class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from engine.clock import Clock, Ids
from engine.connections.authorizing import Owner
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic
from engine.documents import Documents
from engine.evidence import Holdings, Reconciling, Told, Unsent
from engine.spec import ConnectorSpec

if TYPE_CHECKING:  # httpx takes 0.1 s to import and `validate` must not pay for it
    import httpx

Json = Mapping[str, Any]
Outcome = Literal["posted", "deferred", "failed", "retry", "held"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One connection of one company: its settings and its secrets. The secrets never show in a repr."""

    company: str
    connection: str
    settings: Mapping[str, str | int | bool] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class Tokens(Protocol):
    """Where a connection keeps its access token: durable, encrypted, shared by all processes."""

    def load(self) -> Json | None:
        """The token as last saved."""
        ...

    def save(self, token: Json) -> None:
        """Make a new token durable; called before the token is first used."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Hold while asking for a new token, so that only one process does."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` in any `window_s` seconds."""

    requests: int
    window_s: float


class Limits(Protocol):
    """What all processes on one store may do together on one credential or organisation of a vendor."""

    def call(self, name: str, rates: Sequence[Rate], at_once: int = 0) -> AbstractContextManager[None]:
        """Wait until one more call is within every rate and fewer than `at_once` are under way (0: any), and count it.

        The name must hold no secret. A place among those under way is given back at the end, and by itself when the
        process that holds it dies.

        Raises:
            RateLimited: when the wait would be longer than a minute, with the seconds to wait.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a connector may use of the world. With `transport` set, no socket is opened.

    `documents` fetches from other connections what a write names; `owner` is whose account must answer, None for any.
    """

    clock: Clock
    ids: Ids
    tokens: Tokens
    limits: Limits
    transport: httpx.BaseTransport | None = None
    documents: Documents | None = None
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records in source order, and where a read goes on after them.

    The checkpoint of the last page of a stream with `changes == "since"` is a watermark: a later read that is given it
    lists what has changed since. It is never later than the moment when the read began, so that a change made while it
    ran is listed next time. A connector tells its two kinds of checkpoints apart; the engine looks into neither.
    """

    records: Sequence[Json]
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """A record that was posted, with the target's id; `details` are names and texts beside it (`MarkSpec.fields`)."""

    id: str
    reference: str
    details: tuple[tuple[str, str], ...] = ()

    def detail(self, name: str) -> str:
        """One of the details; empty when the flow gave none."""
        return dict(self.details).get(name, "")


@dataclass(frozen=True, slots=True)
class MarkedFailed:
    """A record that could not be posted, with a text its owner can act on."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class MarkCall:
    """One call that tells the source; the key is derived from the content and made durable before the call is sent.

    `request` names what a person of the source asked for, when the call answers that (`Event.request`).
    """

    kind: str
    idempotency_key: str
    posted: tuple[Marked, ...] = ()
    failed: tuple[MarkedFailed, ...] = ()
    request: str = ""


@runtime_checkable
class Source(Protocol):
    """An open connection to read from.

    Every method raises only errors of `engine.errors.RunError`. It never retries, sleeps, logs a payload, or touches the
    database: the engine does.
    """

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        """All matching records, page by page.

        `checkpoint` resumes where an earlier page ended, or asks for changes only when it is a watermark.
        """
        ...

    def get(self, stream: str, record_id: str) -> Json | None:
        """One record as it is now, or None when the source no longer has it."""
        ...

    def mark(self, call: MarkCall) -> None:
        """Tell the source; returning means that it acknowledged every id. Safe to repeat with the same key.

        An error that is marked `unsent` says that the source has heard nothing of it; `NotShown` names what it took in vain.
        """
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One intended write: frozen bytes under a name that never changes.

    `sent_before` says that an earlier message set has carried it: a retry travels under a new message-set id, because
    QuickBooks answers a known id with the answer it has kept. A modify has the `target_id` of what it changes, `base`,
    the bytes that wrote it last, and `whole`, all that it is to write, where `body` was reduced to what must be sent.
    """

    id: str
    request: str
    body: bytes
    sha256: str
    guid: str
    created_at: datetime
    sent_before: bool = False
    target_id: str = ""
    base: bytes = b""
    whole: bytes = b""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the target said of a write: its ids, as plain text (`TxnID` or `ListID`, `EditSequence`; `id` when called)."""

    ids: Mapping[str, str]


@runtime_checkable
class Target(Protocol):
    """An open connection to write to, for connectors that are called (`delivery == "push"`).

    Both methods raise only errors of `engine.errors.RunError`, and neither retries or sleeps. `find` is asked before
    every write, the first one included; a receipt has the object's id under `id`, and its name, if any, under `name`.

    An operation with a `target_id` changes or undoes that object; the body of an undoing is `{}`. Writing one twice must do
    no harm, for that is what becomes of a lost answer.
    """

    def write(self, operation: Operation) -> Receipt:
        """Write once, the operation's body as it is.

        Raises:
            Ambiguous: when the outcome is not known. Whatever else is raised says that nothing was written; a
                `BadAnswer` is taken for an unknown outcome all the same.
            Rejected: when this can never be written; its text is shown to people.
        """
        ...

    def find(self, operation: Operation) -> Receipt | None:
        """Look for an earlier write of the same operation, by its immutable marker, or by what is unique there.

        Of one with a `target_id`: a receipt when the object is already as the operation would make it, None when it is not.

        Raises:
            Rejected: when this can never be written.
            Ambiguous: when several fit, so that a person has to say which it is.
        """
        ...


@runtime_checkable
class BatchTarget(Protocol):
    """A called target some of whose requests carry several operations in one call, all or nothing (`RequestSpec.batch`).

    What `Target` says of `find` and `write` holds here for all operations of a call.
    """

    def find_all(self, operations: Sequence[Operation]) -> Mapping[str, Receipt]:
        """Those of the operations that are there already, by operation id: one look for all of them.

        They may be tens of thousands, of one request and more than one call; none has a `target_id`.
        """
        ...

    def write_all(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """Write all in one call; a receipt each, in order.

        Raises:
            Ambiguous: when the outcome is not known, of any of them.
            Rejected: when nothing was written because of one of them at least; the engine finds out which, by halves.
        """
        ...


@runtime_checkable
class Listing(Protocol):
    """An open connection to a called target whose lists the engine keeps for lookups."""

    def list_objects(self, name: str) -> Iterator[Sequence[ListObject]]:
        """All objects of a list of the spec, page by page, inactive ones included."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """A verified webhook: a hint that something changed. The source is read again before anything is done.

    `request` is not empty when a person of the source asks to have records posted now and waits for the answer: every
    mark that answers it names it (`MarkCall.request`), and must come within `answer_s` seconds of the event.
    """

    id: str
    type: str
    object_id: str | None
    request: str = ""
    answer_s: int = 0


@dataclass(frozen=True, slots=True)
class Handshake:
    """A verification request; answer with `reply` as JSON.

    With `confirm`, the vendor sends nothing before it was called back as well (`engine.webhooks.handshakes.Confirms`).
    `subject` is the vendor's id of what is verified, where the request says it.
    """

    challenge: str = field(repr=False)
    reply: Json = field(repr=False)
    subject: str = ""
    confirm: bool = False


class Connector(Protocol):
    """A plugin, found by the entry point group `flowctl.connectors`. Cheap to import: heavy modules load in `open`."""

    spec: ConnectorSpec

    def check(self, binding: Binding) -> list[Diagnostic]:
        """Problems of the settings that show without a network."""
        ...

    def open(self, binding: Binding, tools: Tools) -> Any:
        """A `Source`, a `Target`, or both; for `delivery == "pull"` connectors, None."""
        ...


@runtime_checkable
class Webhooks(Protocol):
    """A connector whose vendor calls us."""

    def verify(self, binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
        """Check the signature over the raw bytes in constant time.

        Header names are lower case. Raises ForgedWebhook, or SettingMissing when there is no secret.
        """
        ...


# --- connectors that are polled (`delivery == "pull"`): the QuickBooks Web Connector --------------------------------


@dataclass(frozen=True, slots=True)
class Login:
    """A Web Connector user: one per company, with the settings of its connection."""

    company: str
    user: str
    password_hash: str = field(repr=False)
    settings: Mapping[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageSet:
    """Requests that travel together under one message-set id; `body` is the whole frozen document as sent.

    State `sent` means that no answer has come yet; `in_doubt`, that none will come by itself. `sent_at` is when it was
    last handed out, None before it is frozen.
    """

    id: str
    body: bytes
    sha256: str
    operations: tuple[Operation, ...]
    state: Literal["sent", "in_doubt", "settled"] = "sent"
    ticket_hash: str = ""
    attempts: int = 1
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OperationOutcome:
    """What became of one operation. `waits_for` names what would wake a deferred record, for example `list:Vendor`.

    `retry` puts the operation back, to be sent again as the same bytes after `retry_after_s`; it is allowed only when it
    is certain that the target did not run it. `held` stops the record for a person.
    """

    operation_id: str
    outcome: Outcome
    receipt: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    hint: str = ""
    waits_for: tuple[str, ...] = ()
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ListObject:
    """One object of a target's list. `data` holds further fields such as `AccountType` or `CurrencyRef`."""

    list_id: str
    full_name: str
    active: bool = True
    number: str = ""
    edit_sequence: str = ""
    data: Json = field(default_factory=dict)


class Sessions(Protocol):
    """Web Connector sessions, kept in the store so that any process can answer the next call."""

    def passed(self, company: str, ticket_hash: str, state: Json) -> bool:
        """Note a session that had nothing to do, where one look shows that there is nothing; else it is to be opened."""
        ...

    def open(self, company: str, ticket_hash: str, state: Json) -> tuple[Json, ...]:
        """Open a session and close any other of the company; returns the states of those that were still open."""
        ...

    def load(self, ticket_hash: str) -> tuple[str, Json] | None:
        """The company and state of an open session."""
        ...

    def save(self, ticket_hash: str, state: Json) -> None:
        """Keep the state for the next call."""
        ...

    def close(self, ticket_hash: str) -> None:
        """End the session; its ticket is refused from now on."""
        ...

    def in_vain(self, company: str, ticket_hash: str) -> None:
        """End the session that was opened in this transaction: there is nothing to do."""
        ...

    def identity(self, company: str) -> Json | None:
        """The company file this company is bound to: what `bind` was given."""
        ...

    def bind(self, company: str, identity: Json) -> None:
        """Bind the company to a company file, for ever."""
        ...

    def recall(self, company: str, name: str) -> Json | None:
        """What was remembered under a name from one session to the next."""
        ...

    def remember(self, company: str, name: str, value: Json) -> None:
        """Remember a small thing from one session to the next: how fast QuickBooks answers."""
        ...

    def note(self, company: str, event: str, message: str, detail: Json | None = None, *, alert: bool = False) -> None:
        """Write one journal line about the session; with `alert`, a person is told."""
        ...

    def over(self, company: str, event: str) -> None:
        """What earlier notes of this event told a person of is over."""
        ...

    def refused(self, company: str, user: str) -> None:
        """Count a refused sign-in in one alert, which the next good one ends; `company` is empty for an unknown user."""
        ...


class Operations(Protocol):
    """The outbox as a polled connector sees it."""

    def none(self, company: str) -> bool:
        """Whether nothing is under way, waits to be sent, or waits to be prepared: what most visits find, told at once."""
        ...

    def backlog(self, company: str) -> int:
        """How many operations wait to be sent, those prepared by `refill` included; of many, how many at most."""
        ...

    def refill(self, company: str) -> int:
        """Prepare waiting records from the store alone, a bounded number at a time; returns how many became operations."""
        ...

    def next(
        self, company: str, limit: int, *, without: Sequence[str] = (), later: Sequence[str] = ()
    ) -> tuple[Operation, ...]:
        """The operations to send next, in order; none while a set is unsettled.

        Those whose request is one of `without`, and those whose id is one of `later`, stay where they are.
        """
        ...

    def unsettled(self, company: str) -> MessageSet | None:
        """The one set whose outcome is not committed."""
        ...

    def freeze(self, company: str, message_set: MessageSet) -> None:
        """Make a new set durable before it is sent: its records become `sent`."""
        ...

    def resend(self, company: str, set_id: str, ticket_hash: str) -> None:
        """Count one more sending of the same bytes; the set is `sent` again."""
        ...

    def doubt(self, company: str, set_id: str, reason: str) -> None:
        """No answer will come: the set is `in_doubt`, its records `unknown`."""
        ...

    def settle(self, company: str, set_id: str, outcomes: Sequence[OperationOutcome], answer: bytes) -> None:
        """Commit the outcome of every operation of the set, the raw answer, and all follow-up work."""
        ...

    def uncleared(self, company: str) -> str | None:
        """The newest settled set whose saved answer QuickBooks still keeps; sent as `oldMessageSetID` of the next set."""
        ...


class Books(Protocol):
    """The cached lists of a target."""

    def due(self, company: str) -> tuple[str, ...]:
        """Names of the lists that must be read now."""
        ...

    def store_page(self, company: str, name: str, objects: Sequence[ListObject], *, first: bool, last: bool) -> None:
        """Keep one page of a list; after the last page, objects that did not appear are gone and waiting records wake."""
        ...

    def get(self, company: str, name: str, full_name: str) -> ListObject | None:
        """One object by its full name, compared without regard to case."""
        ...

    def expire(self, company: str, names: Sequence[str]) -> None:
        """Make lists due: they were found to be out of date."""
        ...

    def opened(self, company: str) -> None:
        """The target's closing date was moved back or taken away: records that wait for their period wake."""
        ...

    def told(self, company: str, said: Mapping[str, Told]) -> None:
        """What the target says of itself, by the names in the connector's `tells`: settings go by it."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """The views a polled connector works through inside one transaction."""

    sessions: Sessions
    operations: Operations
    books: Books
    unsent: Unsent
    holdings: Holdings
    reconciling: Reconciling


class Outbox(Protocol):
    """What a polled connector is handed: one short transaction for each call it answers."""

    def login(self, user: str) -> Login | None:
        """The login of a user name, with the company that has it."""
        ...

    def company_of(self, ticket_hash: str) -> str | None:
        """The company of an open session: which never is another one's."""
        ...

    def transaction(self, company: str | None = None) -> AbstractContextManager[Desk]:
        """Commit when the block ends, roll back when it raises. It touches what is of the company, or of any without one.

        Empty text is what belongs to no company, such as a sign-in under a name that nobody has.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer to be sent as it is; `error` is what went wrong inside, for the server's log and never for the caller."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request as it came in; header names are lower case.

    With `at_once`, others wait for this answer: a handler that must compute for long raises `NotAtOnce` before it has
    changed anything, and is then asked again without it.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    client: str = ""
    at_once: bool = False


Handler = Callable[[HttpCall], HttpReply]


@runtime_checkable
class Served(Protocol):
    """A connector that answers calls: it offers synchronous handlers, and the server mounts them."""

    def handler(self, outbox: Outbox, clock: Clock, ids: Ids) -> Handler:
        """The handler for every path below this connector's mount point."""
        ...


@dataclass(frozen=True, slots=True)
class AgentFile:
    """The file that sets up a polled connector's agent at the customer's, and what to do there. It holds no secret."""

    name: str
    content: bytes
    steps: tuple[str, ...] = ()


@runtime_checkable
class Agent(Protocol):
    """A connector whose agent is installed at the customer's; it signs in with the settings `user` and `password`."""

    def agent_file(self, binding: Binding) -> AgentFile:
        """The file to install; raises SettingMissing or another UsageError when the settings do not make one."""
        ...

    def made_up(self, binding: Binding, ids: Ids) -> Mapping[str, str | int | bool]:
        """Settings that were not given and that the connector makes up once, to be kept from then on."""
        ...
