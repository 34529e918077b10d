"""Whether the streams of a flow still know their records by what they knew them by before.

A record is known by its stream, its phase and its key, and its object in the target carries a marker that is made of these.
Where a flow file says otherwise than before, every record looks new and would be posted once more. So what each stream goes
by is remembered for a company, and a stream that goes by something else is not read before a person has confirmed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import FlowctlError, UnknownName, UsageError
from engine.follow import Hand
from engine.model import Flow
from engine.operator.worklist import sums
from engine.store import facts, journal, work
from engine.store.base import Tx

_FACT = "keys:"
_SAID = {
    "key": "its `key` was {} and is {} now",
    "phase": "its `phase` was {} and is {} now",
    "read": "it read {} and reads {} now",
}


@dataclass(frozen=True, slots=True)
class Way:
    """What the records of a stream are known by: the text of its key, its phase, what it reads, and where it writes."""

    key: str
    phase: str
    read: str
    to: str

    def is_beside(self, other: Way) -> bool:
        """Whether both read the same thing and write it to the same place."""
        return (self.phase, self.read, self.to) == (other.phase, other.read, other.to)


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a flow: the streams that it has, and those that it had."""

    streams: Mapping[str, Way]
    before: Mapping[str, Way]


class Rekeyed(FlowctlError):
    """A stream would know its records by something else than before."""

    def __init__(self, company: str, flow: str, stream: str, what: str) -> None:
        self.what = what
        super().__init__(
            f"{company}/{flow}/{stream}: {what}: whatever is posted already would look new, and be posted a second time; "
            "nothing of this stream is read",
            hint="put the flow file back as it was; or, once the source offers nothing that is posted already, "
            f"run `flowctl company flow {flow} --confirm {stream}{of_company(company)}`",
        )


def changed(tx: Tx, company: str, flow: Flow) -> dict[str, Rekeyed]:
    """The streams of a flow that know their records by something else than before, and what that is."""
    known = _known(tx, company, flow)
    if known is None:
        return {}
    found = ((name, _differs(tx, company, flow, known, name, way)) for name, way in _ways(flow))
    return {name: Rekeyed(company, flow.name, name, what) for name, what in found if what}


def look(tx: Tx, company: str, flow: Flow, at: str) -> dict[str, Rekeyed]:
    """Remember what the streams go by, but for those that are `changed`; a person is told of these."""
    found, known = changed(tx, company, flow), _known(tx, company, flow) or Known({}, {})
    now = dict(_ways(flow))
    streams = {name: known.streams[name] if name in found and name in known.streams else way
               for name, way in now.items() if name not in found or name in known.streams}  # fmt: skip
    left = {name: way for name, way in known.streams.items() if name not in now}
    _keep(tx, company, flow, at, Known(streams, {**known.before, **left}))
    for name, error in found.items():
        alert = work.Alert("rekeyed", f"{flow.name}/{name}", str(error), error.hint or "")
        work.raise_alert(tx, company, alert, at)
    work.resolve_alerts(tx, company, [("rekeyed", f"{flow.name}/{name}") for name in now if name not in found], at)
    return found


def posted(tx: Tx, company: str, flow: Flow, stream: str) -> tuple[int, Mapping[str, Decimal]]:
    """What would be there twice if the source still offered it: how many records, and their money by currency.

    They are those of the stream, and of others of the flow that read the same and write it to the same place.
    """
    known, way = _known(tx, company, flow) or Known({}, {}), dict(_ways(flow)).get(stream)
    others = {**known.before, **known.streams}
    names = {stream, *(name for name, theirs in others.items() if way is not None and way.is_beside(theirs))}
    rows = [
        row
        for name in sorted(names)
        for row in tx.rows("stream_posted", {"company": company, "flow": flow.name, "stream": name})
    ]
    money = sums(
        (row["currency"] or "", Decimal(row["amount"]) * row["count"]) for row in rows if row["amount"] is not None
    )
    return sum(int(row["count"]) for row in rows), money


def confirm(tx: Tx, hand: Hand, flow: Flow, stream: str) -> None:
    """A person says that nothing of a stream would be posted twice: from now on it goes by what the flow file says.

    Raises:
        UnknownName: when the flow has no such stream.
        UsageError: when it goes by what it went by before.
    """
    names = [one.name for one in flow.streams]
    if stream not in names:
        raise UnknownName("stream", stream, tuple(names))
    error = changed(tx, hand.company, flow).get(stream)
    known, now = _known(tx, hand.company, flow), dict(_ways(flow))
    if error is None or known is None:
        raise UsageError(
            f"{hand.company}/{flow.name}/{stream}: knows its records by what it knew them by before",
            hint="there is nothing to confirm",
        )
    was = known.streams.get(stream) or known.before.get(stream)
    _keep(tx, hand.company, flow, hand.at, Known({**known.streams, stream: now[stream]}, known.before))
    detail = {"was": asdict(was) if was else {}, "now": asdict(now[stream])}
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("rekeyed", flow.name, stream, detail=detail)])
    work.resolve_alert(tx, hand.company, "rekeyed", f"{flow.name}/{stream}", hand.at)


def is_alike(tx: Tx, company: str, other: tuple[str, str], mine: tuple[Flow, str]) -> bool:
    """Whether a stream of another flow knew its records by the key that one of this flow has; where that is noted."""
    found = facts.recall(tx, company, f"{_FACT}{other[0]}") or {}
    theirs = (found.get("streams", {}) | found.get("before", {})).get(other[1])
    return theirs is None or bool(theirs["key"] == dict(_ways(mine[0]))[mine[1]].key)


def _differs(tx: Tx, company: str, flow: Flow, known: Known, name: str, way: Way) -> str:
    """What a stream goes by that it did not go by before; empty when nothing of it can be posted twice for that."""
    was = known.streams.get(name)
    if was == way:
        return ""
    was = was or known.before.get(name)
    if was is not None and _has_records(tx, company, flow, name):
        before, now = asdict(was), asdict(way)
        told = [
            text.format(f"`{before[part]}`", f"`{now[part]}`")
            for part, text in _SAID.items()
            if before[part] != now[part]
        ]
        if told:
            return "; ".join(told)
    if name in known.streams:
        return ""
    for other, theirs in {**known.before, **known.streams}.items():
        if other != name and way.is_beside(theirs) and _has_records(tx, company, flow, other):
            return f"`{other}` has records of the same, read from `{theirs.read}` and written to `{theirs.to}`"
    return ""


def _has_records(tx: Tx, company: str, flow: Flow, stream: str) -> bool:
    return tx.one("stream_has_records", {"company": company, "flow": flow.name, "stream": stream}) is not None


def _ways(flow: Flow) -> Iterator[tuple[str, Way]]:
    """Of each stream that writes what must not be there twice; one that adopts what is there finds it by its name."""
    for one in flow.streams:
        if one.target and one.adopt is None:
            yield one.name, Way(" ".join(one.key.text.split()), one.phase, one.fetch.reads, one.target)


def _known(tx: Tx, company: str, flow: Flow) -> Known | None:
    found = facts.recall(tx, company, f"{_FACT}{flow.name}")
    if found is None:
        return None
    streams, before = ({name: Way(**way) for name, way in found[part].items()} for part in ("streams", "before"))
    return Known(streams, before)


def _keep(tx: Tx, company: str, flow: Flow, at: str, known: Known) -> None:
    if _known(tx, company, flow) == known:
        return
    parts = {"streams": known.streams, "before": known.before}
    kept: dict[str, Any] = {part: {name: asdict(way) for name, way in ways.items()} for part, ways in parts.items()}
    facts.remember(tx, company, at, f"{_FACT}{flow.name}", kept)
