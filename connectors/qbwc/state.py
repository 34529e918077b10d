"""What a session remembers between two calls: small frozen data that goes to the store as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from operator import attrgetter
from typing import Any, Literal, TypeVar, cast

from connectors.qbwc.spec import OWNER_ID
from engine.contract import Json
from engine.dataclass import dataclass

Gate = Literal["new", "asked", "passed", "refused"]
FlightKind = Literal["identify", "status", "probe", "list", "survey", "merge", "write", "pause", "figures"]
Stage = Literal["status", "probe", "resend"]
Check = Literal["open", "done"]


@dataclass(frozen=True, slots=True)
class Options:
    """The company's settings that a session needs, copied at login."""

    owner_id: str = OWNER_ID
    file_id: str = ""
    company_file: str = ""
    confirm_company: bool = False
    qbxml_version: str = "13.0"
    page_size: int = 500
    request_timeout_s: int = 60
    min_interval_s: int = 0
    batch: int = 0

    @classmethod
    def read(cls, settings: Mapping[str, str | int | bool]) -> Options:
        """Take what is set; an empty text means the default."""
        known = {name: settings[name] for name in cls.__slots__ if settings.get(name) not in {None, ""}}
        return cls(**cast("Any", known))


@dataclass(frozen=True, slots=True)
class Flight:
    """A request that was handed out at `at` and not answered yet. Requests of our own are named `<prefix>.<n>`.

    `asks` says what each of them is about: a kind to scan, `{"scan": "Bill"}`, ids to look at, `{"check": "Bill",
    "ids": [...]}`, or an operation to merge, `{"merge": id}`. `weight` is what a set of writes was taken to weigh.
    """

    kind: FlightKind
    prefix: str
    set_id: str = ""
    list: str = ""
    at: str = ""
    weight: int = 0
    asks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Recovery:
    """How far it is known what became of the unsettled set.

    `whole` means that no answer to the set exists, `frozen` that its bytes must never be sent again (9001). `decided`
    holds outcomes of operations that are sure, `ask` the ids of those to look up, `taken` those of them whose name was
    taken, `silent` those of which an answer says nothing. `absent` holds outcomes of some that are asked for, for when
    they are not there. `refused` is what QuickBooks said of a document that it could not read.
    """

    set_id: str
    stage: Stage = "status"
    whole: bool = True
    frozen: bool = False
    decided: tuple[Mapping[str, Any], ...] = ()
    ask: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    absent: tuple[Mapping[str, Any], ...] = ()
    refused: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Paging:
    """The list that is being read, and the iterator that QuickBooks keeps for it in this session only."""

    list: str
    iterator_id: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """How far this session has looked at what is in QuickBooks before it writes.

    `scanned` are the kinds that were looked through, `failed` those that could not be and are not written in this
    session. `iterators` and `begun` belong to scans under way: QuickBooks' iterator and when the first page was asked.
    Each kind is asked for in a document of its own after QuickBooks could not read one (`alone`). `since` is the moment
    from which an object counts as looked at, empty before the first look; `brief` when a look at the newest will do,
    `cut` while part of a page of them has not been asked for, and `answered` once QuickBooks has answered for some.
    `unchecked` are the kinds for which it could not. `closer` are ids that must be asked for, with their kinds,
    `looked` those of them that were asked for and told, and `unshown` those that it could not show. `apart` are those
    that are asked for one by one, since one of several could not be shown. `late` counts answers that took so long that
    what was looked through before them was looked through again.
    """

    scanned: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    iterators: Mapping[str, str] = field(default_factory=dict)
    begun: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False
    check: Check = "open"
    since: str = ""
    brief: bool = False
    cut: bool = False
    answered: bool = False
    unchecked: tuple[str, ...] = ()
    closer: Mapping[str, str] = field(default_factory=dict)
    looked: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    late: int = 0


@dataclass(frozen=True, slots=True)
class Merging:
    """Modifies in this session: `merged` may be sent, `later` wait for the next, `stale` were out of date once.

    Of those that are merged, `clean` change an object that nobody else has touched. Each is asked for alone after
    QuickBooks could not read a question about several (`alone`). `turn` is the last in which one was looked at.
    """

    merged: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()
    alone: bool = False
    later: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Figuring:
    """The span that is being told, kind by kind: those told, the iterator of the next, and what went wrong."""

    span: int
    told: tuple[str, ...] = ()
    iterator_id: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """One session. `flight` is there exactly while an answer is due, so it is also the step order.

    `pace` is how much a message set may weigh, 0 before the first write. `judged` are the next operations that were
    held against what was seen in QuickBooks and are not there. `sole_user`: nobody else can have the file open now.
    """

    client: str = ""
    user: str = ""
    seen_at: str = ""
    options: Options = field(default_factory=Options)
    gate: Gate = "new"
    path: str = ""
    spoken: str = ""
    version: str = ""
    sole_user: bool = False
    turn: int = 0
    flight: Flight | None = None
    recovery: Recovery | None = None
    paging: Paging | None = None
    lists_done: tuple[str, ...] = ()
    # One for all sessions: it is frozen, and to see that it is as it began takes no look into it.
    survey: Survey = Survey()
    merging: Merging = Merging()
    figuring: Figuring | None = None
    pace: int = 0
    judged: tuple[str, ...] = ()
    single: bool = False
    last_answer: str = ""
    last_percent: int = 0
    error: str = ""
    ended: bool = False
    troubles: int = 0
    done: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


_Part = Options | Flight | Recovery | Paging | Survey | Merging | Figuring
_PARTS: Mapping[str, type[_Part]] = {
    "options": Options,
    "flight": Flight,
    "recovery": Recovery,
    "paging": Paging,
    "survey": Survey,
    "merging": Merging,
    "figuring": Figuring,
}
_Kind = TypeVar("_Kind", bound=State | _Part)
_KINDS: tuple[type[State | _Part], ...] = (State, *_PARTS.values())
_NAMES: Mapping[type, frozenset[str]] = {kind: frozenset(kind.__slots__) for kind in _KINDS}
# The fields of each that are tuples, which JSON has as lists.
_SEVERAL: Mapping[type, frozenset[str]] = {
    kind: frozenset(item.name for item in fields(kind) if str(item.type).startswith("tuple[")) for kind in _KINDS
}
_VALUES: Mapping[type, Callable[[object], tuple[Any, ...]]] = {kind: attrgetter(*kind.__slots__) for kind in _KINDS}
# What each field begins with; one that must be given, with what it never is.
_BEGINS: Mapping[type, tuple[Any, ...]] = {
    kind: tuple(
        item.default_factory() if item.default_factory is not MISSING else item.default for item in fields(kind)
    )
    for kind in _KINDS
}


def changed(part: _Kind, **values: Any) -> _Kind:
    """The session, or a part of it, with other values; `dataclasses.replace` looks at each field, three times as slowly."""
    kind = type(part)
    return kind(**(dict(zip(kind.__slots__, _VALUES[kind](part), strict=True)) | values))


def dump(state: State) -> Json:
    """The state as JSON, without what is as it begins: most of it is most of the time."""
    values = _begun(state)
    for name in _PARTS.keys() & values.keys():
        values[name] = _begun(values[name])
    return values


def _begun(part: State | _Part) -> dict[str, Any]:
    kind = type(part)
    given = zip(kind.__slots__, _VALUES[kind](part), _BEGINS[kind], strict=True)
    return {name: value for name, value, first in given if value is not first and value != first}


def load(data: Json) -> State:
    """The state that `dump` wrote; fields that a newer or older process knows alone are passed over."""
    values = _known(State, data)
    for name in _PARTS.keys() & values.keys():
        given = values.pop(name)
        if given:
            values[name] = _PARTS[name](**_known(_PARTS[name], given))
    return State(**values)


def _known(kind: type[State | _Part], data: Json) -> dict[str, Any]:
    names, several = _NAMES[kind], _SEVERAL[kind]
    return {
        name: tuple(value) if name in several and isinstance(value, list) else value
        for name, value in data.items()
        if name in names
    }
