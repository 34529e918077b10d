"""A preview as frozen data: what a record came to at each step of its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from engine.dataclass import dataclass
from engine.model import Expr
from engine.previewing.listening import Heard
from engine.store.records import Reason

# `posted` says that it would be written; `agrees`, that a stream that only compares has nothing to report; `not_ready`,
# that a list of the target was never read; `unreadable`, that the record has no key.
State = Literal["posted", "deferred", "failed", "skipped", "adopted", "agrees", "not_ready", "unreadable"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that went wrong, and what to do."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Computed:
    """One expression: its value, the fields that it read with their values, what it asked, and what kept it from a value.

    Where `error` is set there is no value.
    """

    expr: Expr
    value: Any
    reads: tuple[tuple[str, Any], ...] = ()
    heard: tuple[Heard, ...] = ()
    missing: tuple[Reason, ...] = ()
    error: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of `select` or `check`; `holds` is None when it could not be told, and `decides` when it ends the way."""

    computed: Computed
    say: str
    holds: bool | None
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One way of writing; the first whose condition holds is `chosen`."""

    when: Computed | None
    request: str
    template: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document, where its value came from, and what is wrong with it."""

    text: str
    depth: int
    origins: tuple[str, ...] = ()
    problems: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """What would be written. `problems` are those that belong to no line; `unused` are mapped names that it does not hold."""

    request: str
    kind: Literal["qbxml", "json"]
    lines: tuple[Line, ...] = ()
    problems: tuple[Trouble, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """What the simulated vendor made of it: the calls of `find`, then the state the record reached and why."""

    state: str
    said: tuple[Trouble, ...] = ()
    receipt: Mapping[str, str] = field(default_factory=dict)
    find: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether the record is in the target."""
        return self.state in ("posted", "closed")


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of the record: its state, why, what follows, and what a simulated vendor said.

    `known` is the state in which the store has the record already; the answer is that of a new one.
    """

    state: State
    reasons: tuple[Reason, ...] = ()
    follows: tuple[str, ...] = ()
    tried: Tried | None = None
    known: str = ""

    @property
    def fails(self) -> bool:
        """Whether the record would end as failed, or never begin."""
        return self.state in ("failed", "unreadable") or (self.tried is not None and self.tried.state == "failed")


@dataclass(frozen=True, slots=True)
class Preview:
    """One record's way through a stream; `about` is what people see of it, and `off` why the stream does not run."""

    flow: str
    stream: str
    source_id: str
    about: Mapping[str, str]
    source: str
    data: Mapping[str, Any]
    select: tuple[Condition, ...]
    adopt: Computed | None
    fields: tuple[tuple[str, Computed], ...]
    check: tuple[Condition, ...]
    ways: tuple[Way, ...]
    document: Document | None
    answer: Answer
    off: str = ""
    no_document: str = ""
