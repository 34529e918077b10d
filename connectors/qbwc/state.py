"""What a session remembers between two calls: small frozen data that goes to the store as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from connectors.qbwc.spec import OWNER_ID
from engine.contract import Json

Gate = Literal["new", "asked", "passed", "refused"]
FlightKind = Literal["identify", "status", "probe", "list", "write"]
Stage = Literal["status", "probe", "resend"]


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

    @classmethod
    def read(cls, settings: Mapping[str, str | int | bool]) -> Options:
        """Take what is set; an empty text means the default."""
        known = {name: settings[name] for name in cls.__slots__ if settings.get(name) not in {None, ""}}
        return cls(**cast("Any", known))


@dataclass(frozen=True, slots=True)
class Flight:
    """A request that was handed out and not answered yet. Requests of our own are named `<prefix>.<n>`."""

    kind: FlightKind
    prefix: str
    set_id: str = ""
    list: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How far it is known what became of the unsettled set.

    `whole` means that no answer to the set exists, `frozen` that its bytes must never be sent again (9001). `decided`
    holds outcomes of operations that are sure, `ask` the ids of those to look up, `taken` those of them whose name was
    taken.
    """

    set_id: str
    stage: Stage = "status"
    whole: bool = True
    frozen: bool = False
    decided: tuple[Mapping[str, Any], ...] = ()
    ask: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Paging:
    """The list that is being read, and the iterator that QuickBooks keeps for it in this session only."""

    list: str
    iterator_id: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """One session. `flight` is there exactly while an answer is due, so it is also the step order."""

    client: str = ""
    user: str = ""
    seen_at: str = ""
    options: Options = field(default_factory=Options)
    gate: Gate = "new"
    path: str = ""
    spoken: str = ""
    version: str = ""
    turn: int = 0
    flight: Flight | None = None
    recovery: Recovery | None = None
    paging: Paging | None = None
    lists_done: tuple[str, ...] = ()
    single: bool = False
    last_answer: str = ""
    last_percent: int = 0
    error: str = ""
    ended: bool = False
    troubles: int = 0
    done: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


def dump(state: State) -> Json:
    """The state as JSON."""
    values = _plain(state)
    for name in ("options", "flight", "recovery", "paging"):
        values[name] = _plain(values[name]) if values[name] is not None else None
    return values


def _plain(part: State | Options | Flight | Recovery | Paging) -> dict[str, Any]:
    """The fields as they are: `asdict` copies what is frozen anyway, which takes ten times as long."""
    return {name: getattr(part, name) for name in part.__slots__}


_Part = TypeVar("_Part", Options, Flight, Recovery, Paging)


def load(data: Json) -> State:
    """The state that `dump` wrote; fields that a newer or older process knows alone are passed over."""
    values = _known(State, data)
    for name, kind in (("flight", Flight), ("recovery", Recovery), ("paging", Paging)):
        values[name] = _part(kind, values.get(name))
    values["options"] = _part(Options, values.get("options")) or Options()
    return State(**values)


def _part(kind: type[_Part], data: Any) -> _Part | None:
    return kind(**_known(kind, data)) if data else None


def _known(kind: type, data: Json) -> dict[str, Any]:
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]  # every caller passes a dataclass
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in names}
