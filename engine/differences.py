"""What differs between two values of JSON, field by field, for a person who has to make two sides agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from engine.dataclass import dataclass
from engine.jsontext import plain

SHOWN = 8
_MOST_TEXT = 60
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, as `lines[0].amount`, and what it was and is, each short enough to be read."""

    field: str
    was: str
    now: str

    def __str__(self) -> str:
        """As `total: 80.00 -> 95.00`."""
        return f"{self.field}: {self.was} -> {self.now}"


def differences(was: Any, now: Any, field: str = "") -> Iterator[Difference]:
    """Every field that differs. Items of lists are paired so that one that is new leaves the others as they are.

    An object of the target's lists differs by its id, and is shown by its name.
    """
    if was == now or _is_same_object(was, now):
        return
    if isinstance(was, Mapping) and isinstance(now, Mapping) and not (_is_object(was) or _is_object(now)):
        for name in dict.fromkeys((*was, *now)):
            yield from differences(was.get(name), now.get(name), f"{field}.{name}" if field else str(name))
    elif isinstance(was, list) and isinstance(now, list):
        yield from _in_lists(was, now, field)
    else:
        yield Difference(field, shown(was), shown(now))


def told(found: Sequence[Difference]) -> str:
    """The first differences in one line, and how many there are besides; empty when there are none."""
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(str(each) for each in found[:SHOWN]) + more


def shown(value: Any) -> str:
    """A value in a few words."""
    if value is None or value in ("", [], {}):
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        if _is_object(value):
            return _cut(str(value.get("full_name") or value["list_id"]))
        return _cut(", ".join(f"{name} {shown(item)}" for name, item in value.items() if shown(item) != _NOTHING))
    if isinstance(value, list):
        return _cut(", ".join(shown(item) for item in value))
    return _cut(str(value))


def _in_lists(was: Sequence[Any], now: Sequence[Any], field: str) -> Iterator[Difference]:
    pairing = SequenceMatcher(None, [plain(item) for item in was], [plain(item) for item in now], autojunk=False)
    for kind, start, end, begin, stop in pairing.get_opcodes():
        if kind == "equal":
            continue
        both = min(end - start, stop - begin)
        for number in range(both):
            yield from differences(was[start + number], now[begin + number], f"{field}[{begin + number}]")
        for number in range(start + both, end):
            yield Difference(f"{field}[{number}]", shown(was[number]), _NOTHING)
        for number in range(begin + both, stop):
            yield Difference(f"{field}[{number}]", _NOTHING, shown(now[number]))


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("list_id"), str)


def _is_same_object(was: Any, now: Any) -> bool:
    return _is_object(was) and _is_object(now) and was["list_id"] == now["list_id"]


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"
