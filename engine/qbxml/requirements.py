"""What a request needs and how much each of its elements holds: for checks before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from engine.dataclass import dataclass
from engine.qbxml.errors import UnknownRequest
from engine.qbxml.notation import Element, Notation, Particle, Value, load

_ID_LIMIT = 36
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Requirement:
    """One element of a request.

    `required` says that its parent cannot do without it, `choice` that it shares its place with others and one of them
    is needed; `limit` is the greatest number of characters; `values` are the allowed ones of an enumeration; `absent`
    marks what the schema allows and no QuickBooks Desktop takes.
    """

    path: str
    kind: str
    required: bool
    repeats: bool
    choice: tuple[str, ...] = ()
    limit: int | None = None
    values: tuple[str, ...] = ()
    since: str = ""
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Requirements:
    """Every element of a request by its path (`BillAdd/ExpenseLineAdd/Amount`), in the order QBXML wants."""

    request: str
    since: str
    elements: Mapping[str, Requirement]

    def needed(self) -> tuple[str, ...]:
        """Paths that must be in every such request: required, below required ones only."""
        return tuple(
            path
            for path, element in self.elements.items()
            if element.required and all(self.elements[above].required for above in _above(path))
        )

    def limit(self, path: str) -> int | None:
        """The greatest number of characters at a path, or None."""
        element = self.elements.get(path)
        return element.limit if element else None


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


@lru_cache(maxsize=128)
def requirements(request: str) -> Requirements:
    """The elements of a request called `BillAdd` or `BillAddRq`.

    Raises:
        UnknownRequest: our schema does not hold it.
    """
    notation = load()
    message = notation.requests.get(request if request.endswith("Rq") else f"{request}Rq")
    if message is None:
        raise UnknownRequest(request, [name.removesuffix("Rq") for name in notation.requests])
    found: dict[str, Requirement] = {}
    _collect(notation, message.body.items, "", found)
    return Requirements(message.name, message.since, found)


def is_in(request: str, version: str) -> bool:
    """Whether a version of QBXML, as in `12.0`, has a request: yes where our schema does not hold it, or no version is known."""
    message = load().requests.get(f"{request}Rq")
    return message is None or not version or not newer(message.since, version)


def newer(since: str, version: str) -> bool:
    """Whether something came later than a version."""
    return bool(since) and _numbers(since) > _numbers(version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _collect(notation: Notation, items: tuple[Particle, ...], prefix: str, found: dict[str, Requirement]) -> None:
    for item, required, repeats, choice in _flat(items, _Place(True, False, ())):
        path = prefix + item.name
        limit, kind = _limit(item)
        values = notation.enums.get(item.type, ()) if isinstance(item.type, str) else ()
        found[path] = Requirement(
            path=path,
            kind=kind,
            required=required and item.low > 0 and not choice,
            repeats=repeats or item.high != 1,
            choice=choice if required and item.low > 0 else (),
            limit=limit,
            values=values,
            since=item.since,
            absent=item.mark == "absent",
        )
        body = notation.body(item)
        if body is not None and path.count("/") < _DEEPEST:
            _collect(notation, body.items, f"{path}/", found)


class _Place(NamedTuple):
    """What the groups around an element say: must one stand there, more than once, and which others share the place."""

    required: bool
    repeats: bool
    choice: tuple[str, ...]


def _flat(items: tuple[Particle, ...], place: _Place) -> Iterator[tuple[Element, bool, bool, tuple[str, ...]]]:
    for item in items:
        if isinstance(item, Element):
            yield item, *place
            continue
        names = (
            tuple(part.name for part in item.items if isinstance(part, Element))
            if item.kind == "either"
            else place.choice
        )
        yield from _flat(item.items, _Place(place.required and item.low > 0, place.repeats or item.high != 1, names))


def _limit(element: Element) -> tuple[int | None, str]:
    if not isinstance(element.type, Value):
        return None, element.type if isinstance(element.type, str) else "group"
    return (
        _ID_LIMIT if element.type.word == "id" else None if element.type.word == "ref" else element.type.limit
    ), element.type.word
