"""A loaded flow as frozen data: what the YAML says, with the place each expression was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from engine.dataclass import dataclass
from engine.diagnostics import Location

Scalar = str | int | bool | None
# The phase of a record that is compared and never written.
WATCH = "watch"
SettingType = Literal["text", "date", "boolean", "integer", "choice"]
MatchRule = Literal["mapped", "list_id", "number", "exact_name"]
Starts = Literal["at_once", "by_hand"]


@dataclass(frozen=True, slots=True)
class Expr:
    """A JMESPath expression and the place of its first character."""

    text: str
    location: Location


@dataclass(frozen=True, slots=True)
class Connection:
    """A role in the flow and the connector that fills it."""

    name: str
    connector: str
    location: Location


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that each company may set for this flow; a whole number may have bounds, which are values themselves."""

    name: str
    type: SettingType
    default: Scalar
    help: str
    options: tuple[str, ...]
    location: Location
    minimum: int | None = None
    maximum: int | None = None
    # The connection that tells it, and what it calls it; empty for what only a person can say.
    connection: str = ""
    told: str = ""

    def within(self, value: int) -> bool:
        """Whether a whole number is within the bounds."""
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    @property
    def bounds(self) -> str:
        """The bounds in words; empty without any."""
        if self.minimum is not None and self.maximum is not None:
            return f"from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"of {self.minimum} or more"
        return f"of {self.maximum} or less" if self.maximum is not None else ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A mapping from a source value to an object of a target's list, tried rule by rule."""

    name: str
    connection: str
    list: str
    match: tuple[MatchRule, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class Select:
    """A condition on the source record; a record that fails it is skipped, for the reason in `say`.

    With `first`, it is for the first write alone: a change of what is posted need not meet it. With `later`, it is for
    such a change alone.
    """

    only: Expr
    say: str
    first: bool = False
    later: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on the mapped record; a record that fails it is failed, for the reason in `say`."""

    expect: Expr
    say: str


@dataclass(frozen=True, slots=True)
class About:
    """What a person sees of a record before it is mapped, each computed from the source record."""

    amount: Expr | None = None
    currency: Expr | None = None
    party: Expr | None = None
    reference: Expr | None = None
    date: Expr | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """What a stream reads. With `sweep_s`, everything is read at least this often and only changes in between.

    `withdrawn` are the filters under which the source lists what was taken back; empty where it is not asked for that.
    """

    connection: str
    stream: str
    filters: Mapping[str, Scalar]
    location: Location
    sweep_s: int | None = None
    withdrawn: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def given(self) -> tuple[tuple[str, Mapping[str, Scalar]], ...]:
        """The filters with the key that they stand under."""
        return ("with", self.filters), ("withdrawn", self.withdrawn)

    @property
    def reads(self) -> str:
        """What it reads, whatever it leaves out of it."""
        return f"{self.connection}/{self.stream}"

    @property
    def identity(self) -> str:
        """Equal for two fetches that read the same thing, so that a run reads it once."""
        filters = "&".join(f"{k}={v}" for k, v in sorted(self.filters.items()))
        return f"{self.reads}?{filters}"


@dataclass(frozen=True, slots=True)
class Change:
    """How a posted record is changed in the target after its source has changed.

    `cannot` are names of the map that the request does not change, each with what a person is told when it differs.
    """

    request: str
    template: str | None
    location: Location
    cannot: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Undo:
    """When what was posted is undone in the target, and how: `when` is over the source record.

    With `gone`, it is undone as well once the source no longer has the record.
    """

    when: Expr
    request: str
    template: str | None
    location: Location
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of writing a record: the first variant whose `when` holds is taken."""

    when: Expr | None
    request: str
    template: str | None
    location: Location
    change: Change | None = None
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Where a stream writes, and how."""

    connection: str
    variants: tuple[Variant, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class Adopt:
    """When the target already has the object: the expression gives it, and nothing is written."""

    found: Expr


@dataclass(frozen=True, slots=True)
class Provide:
    """A written object answers later lookups: `key` of the source record now means the new object."""

    lookup: str
    key: Expr
    location: Location


@dataclass(frozen=True, slots=True)
class MarkSynced:
    """How the source is told; `failures` names the outcomes that are reported to it as failed.

    `details` are over the mapped record, by the names that the connector's mark has for them.
    """

    connection: str
    kind: str
    reference: Expr
    failures: tuple[Literal["failed", "deferred"], ...]
    location: Location
    details: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a read: an interval in seconds, webhook events, a visit so many seconds after the last read."""

    every_s: int | None = None
    webhooks: tuple[str, ...] = ()
    visit_s: int | None = None

    @property
    def starts(self) -> bool:
        """Whether anything does."""
        return bool(self.every_s or self.webhooks or self.visit_s)


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record and its way through the engine. One without `write` is only compared; its phase is `WATCH`."""

    name: str
    after: tuple[str, ...]
    when: Expr | None
    trigger: Trigger
    fetch: Fetch
    select: tuple[Select, ...]
    key: Expr
    phase: str
    about: About
    adopt: Adopt | None
    map: tuple[tuple[str, Expr], ...]
    check: tuple[Check, ...]
    write: Write | None
    provide: Provide | None
    mark_synced: MarkSynced | None
    location: Location

    @property
    def target(self) -> str:
        """The connection it writes to; empty when it only compares."""
        return self.write.connection if self.write else ""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The ways in which it writes; none when it only compares."""
        return self.write.variants if self.write else ()


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow file. One that starts `by_hand` runs only for companies that a person has switched it on for."""

    name: str
    version: int
    describe: str
    path: str
    connections: tuple[Connection, ...]
    settings: tuple[Setting, ...]
    lookups: tuple[Lookup, ...]
    define: tuple[tuple[str, Expr], ...]
    streams: tuple[Stream, ...]
    source: str = field(default="", repr=False)
    starts: Starts = "at_once"

    def connection(self, name: str) -> Connection | None:
        """The connection called `name`."""
        return next((c for c in self.connections if c.name == name), None)

    def stream(self, name: str) -> Stream | None:
        """The stream called `name`."""
        return next((s for s in self.streams if s.name == name), None)

    def lookup(self, name: str) -> Lookup | None:
        """The lookup called `name`."""
        return next((entry for entry in self.lookups if entry.name == name), None)
