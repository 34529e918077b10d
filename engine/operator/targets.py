"""What a person means when naming an object of a target's list: its full name, its id, or nothing that could be meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.listsource import is_called, kept_as
from engine.lookups import named_ids
from engine.mapping import named_in
from engine.matching import NO_MATCH
from engine.model import Expr, Flow, Lookup, Stream
from engine.store import lists
from engine.store.base import Tx


class NoSuchTarget(UsageError):
    """The target has no such object."""

    def __init__(self, flow: Flow, lookup: Lookup, name: str, near: Sequence[str]) -> None:
        listed = " or ".join(f"`{other}`" for other in near)
        hint = "give the full name as it stands there, or its ListID"
        if is_called(flow, lookup.connection):
            hint = (
                "give the full name as it stands there, or its id; what was added there just now is known after a run"
            )
        super().__init__(
            f"`{name}` is not in the {lookup.list} list of {lookup.connection}",
            hint=f"did you mean {listed}?" if near else hint,
        )


class NoSuchMatch(UsageError):
    """The list has no object of this id to match a record with."""

    def __init__(self, lookup: Lookup, name: str) -> None:
        super().__init__(
            f"`{name}` is not in the {lookup.list} list of {lookup.connection}",
            hint=f"give the id that stands in brackets behind the candidate, or `{NO_MATCH}` when it is none of them",
        )


class SeveralTargets(UsageError):
    """The target has several objects of one name."""

    def __init__(self, lookup: Lookup, name: str, found: Sequence[ListObject]) -> None:
        super().__init__(
            f"{len(found)} objects of the {lookup.list} list of {lookup.connection} are called `{name}`",
            hint=f"give the id of the one that is meant: {named_ids(found)}",
        )


class TargetInactive(UsageError):
    """The target's object is switched off there."""

    def __init__(self, lookup: Lookup, name: str) -> None:
        super().__init__(
            f"`{name}` is inactive in the {lookup.list} list of {lookup.connection}",
            hint="make it active there, or map to another one",
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What a mapping points at; `verified` is false when the list was never read."""

    full_name: str
    list_id: str
    verified: bool


def find_target(tx: Tx, company: str, flow: Flow, lookup: Lookup, name: str, *, hints: bool = True) -> Target:
    """The object that a person means by its full name or its id in the list, the ListID.

    Without `hints`, an error does not say what was perhaps meant, which takes a walk through the list.

    Where records are matched with the objects of the list, several have one name: there it is the id alone, or `none`.

    Raises:
        NoSuchTarget, TargetInactive: when the list was read and does not have it as an active object.
        SeveralTargets: when it has several active ones of that name.
    """
    matched = is_matched(flow, lookup)
    if matched and name.casefold() == NO_MATCH:
        return Target(NO_MATCH, "", verified=True)
    kept = kept_as(flow, lookup)
    if not lists.loaded(tx, company, kept):
        # What is matched can only be meant by its id, which no other record may have from now on.
        return Target(name, name if matched else "", verified=False)
    found = None if matched else lists.named(tx, company, kept, name)
    found = found or lists.by_id(tx, company, kept, name)
    if found is None and matched:
        raise NoSuchMatch(lookup, name)
    if found is None and (several := lists.namesakes(tx, company, kept, name)):
        raise SeveralTargets(lookup, name, several)
    if found is None:
        raise NoSuchTarget(flow, lookup, name, _near(name, lists.names(tx, company, kept)) if hints else ())
    if not found.active:
        raise TargetInactive(lookup, found.full_name)
    return Target(found.full_name, found.list_id, verified=True)


def is_matched(flow: Flow, lookup: Lookup) -> bool:
    """Whether records of the flow are matched with the objects of this lookup's list."""
    define = dict(flow.define)
    return any(lookup.name in named_in(expr, define, "match") for s in flow.streams for expr in _written_with(s))


def _written_with(stream: Stream) -> Iterator[Expr]:
    """The expressions of a stream that may match its records."""
    yield from (item.only for item in stream.select)
    yield from (expr for _, expr in stream.map)
    yield from (variant.when for variant in stream.variants if variant.when)


def _near(name: str, objects: Sequence[ListObject]) -> list[str]:
    """Names that were perhaps meant: by their last part first, then those that look alike."""
    from rapidfuzz import fuzz, process

    folded = {item.full_name.casefold(): item.full_name for item in objects if item.active}
    wanted = name.casefold()
    ends = [full for key, full in folded.items() if key.rpartition(":")[2] == wanted]
    numbers = [item.full_name for item in objects if item.active and item.number and item.number == name]
    found = process.extract(wanted, list(folded), scorer=fuzz.ratio, limit=3, score_cutoff=65, processor=None)
    alike = [folded[key] for key, _, _ in found]
    return list(dict.fromkeys([*ends, *numbers, *alike]))[:3]
