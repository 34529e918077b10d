"""Whether a flow runs for a company, and that no two flows of a company write the same records into the same place.

A flow runs for every company that has its connections, unless it says `starts: by_hand`, or a person has switched it off.
Two flows that read the same and write it to the same connection would post everything twice: the one that came first
keeps it until a person switches it off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from engine import keying
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import UsageError
from engine.follow import Hand
from engine.model import Flow
from engine.store import facts, journal, records, stops, work
from engine.store.base import Row, Tx
from engine.store.records import Move

# What a flow that is on writes, and what one that was switched off wrote.
_WRITES = "writes:"
_WROTE = "wrote:"
# Alerts about what rests while the flow is off.
_OF_WAITING = frozenset({"deferred", "backlog", "failures"})


class FlowOff(UsageError):
    """A flow that is switched off for the company."""

    def __init__(self, company: str, flow: str) -> None:
        super().__init__(
            f"{company}/{flow}: the flow is switched off for this company",
            hint=f"run `flowctl company flow {flow} on{of_company(company)}`",
        )


class FlowPaused(FlowOff):
    """A flow that a person has paused, or whose whole company is."""

    def __init__(self, company: str, flow: str, pause: Row) -> None:
        what, name = ("the flow", f" {flow}") if pause["flow"] else ("the company", "")
        UsageError.__init__(
            self,
            f"{company}/{flow}: {what} is paused since {pause['at'][:16].replace('T', ' ')} UTC by {pause['actor']}: "
            f"{pause['why']}",
            hint=f"`flowctl resume{name}{of_company(company)}` lets it go on",
        )


class RivalFlow(UsageError):
    """Two flows of a company would write the same records into the same place."""

    def __init__(self, company: str, mine: str, other: str, to: str, *, is_filtered: bool = False) -> None:
        theirs = other.partition("/")[0]
        self.other, self.to, self.is_filtered = theirs, to, is_filtered
        message = f"`{other}` writes the same records into `{to}` already; both would post everything twice"
        hint = (
            f"use one of the two: run `flowctl company flow {theirs} off{of_company(company)}` to go on with this one, or "
            "switch this one off"
        )
        if is_filtered:
            message = (
                f"`{other}` reads the same with another filter, and writes it into `{to}` already; what both read would be "
                "posted twice"
            )
            beside = f"flowctl company flow {mine.partition('/')[0]} on --beside {theirs}{of_company(company)}"
            hint += f"; when they never read the same record, run `{beside}`"
        super().__init__(f"{company}/{mine}: {message}", hint=hint)


class StillUnderWay(UsageError):
    """What another flow has begun must end before this one may take over."""

    def __init__(self, company: str, flow: str, other: str, count: int) -> None:
        self.other, self.count = other.partition("/")[0], count
        super().__init__(
            f"{company}/{flow}: {count} of the records of `{other}`, which writes the same, are in the target or on their "
            "way there, and the source was not told of it: this flow would post them a second time",
            hint="where the source is told, that ends by itself while `flowctl serve` runs; what has vanished from the target "
            "is decided with `flowctl reconcile`; "
            f"`flowctl status --flow {other.partition('/')[0]}{of_company(company)}` shows them",
        )


class LeftOutBefore(StillUnderWay):
    """What a person has left out of another flow cannot be told from the rest by this one, which has another `key`."""

    def __init__(self, company: str, flow: str, other: str, count: int) -> None:
        self.other, self.count = other.partition("/")[0], count
        many = "a record was" if count == 1 else f"{count} records were"
        UsageError.__init__(
            self,
            f"{company}/{flow}: {many} left out of `{other}` by a person, and this flow has another `key`: it cannot tell which "
            "that is, and would post it if the source still offers it",
            hint="give the stream the key that the other has; or, once the source offers none of it any more, run "
            f"`flowctl company flow {flow} on --beside {self.other}{of_company(company)}`; "
            f"`flowctl status --flow {self.other}{of_company(company)}` shows what was left out",
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a stream reads and where it writes it: equal for two streams that would post the same."""

    stream: str
    phase: str
    fetch: str
    to: str
    tells: bool

    def rivals(self, other: Claim) -> bool:
        """Whether both may write the same: what their filters leave out of it is not known here."""
        return (self.phase, self.reads, self.to) == (other.phase, other.reads, other.to)

    @property
    def reads(self) -> str:
        """What it reads, whatever it leaves out of it."""
        return self.fetch.partition("?")[0]


def is_on(tx: Tx, company: str, flow: Flow) -> bool:
    """Whether the flow runs for the company."""
    known = facts.recall(tx, company, f"flow:{flow.name}")
    return bool(known["on"]) if known is not None else flow.starts == "at_once"


def is_running(tx: Tx, company: str, flow: Flow) -> bool:
    """Whether the flow runs for the company and nobody has paused it."""
    return is_on(tx, company, flow) and stops.paused(tx, company, flow.name) is None


def switch(tx: Tx, hand: Hand, flow: Flow, *, on: bool, why: str = "", beside: str = "") -> bool:
    """Switch the flow on or off for the company; False when it was so before.

    Off, nothing is read or prepared any more; what was prepared is still written, and the source is told of it. What waits
    rests, and its alerts are over; on again, it is looked at anew. `beside` is a flow that reads the same with another
    filter, of which a person has said that the two never read the same record; or one of which records were left out that
    this one would not know by its key, and that the source does not offer any more.

    Raises:
        LeftOutBefore: when records were left out of one that was switched off, and nobody has said so.
        RivalFlow: when another flow that is on writes the same.
        StillUnderWay: when one that was switched off has not come to its end.
    """
    was = is_on(tx, hand.company, flow)
    if on:
        claim(tx, hand.company, flow, hand.at, beside=beside, actor=hand.actor)
        _nothing_under_way(tx, hand.company, flow, {beside})
        facts.forget(tx, hand.company, f"{_WROTE}{flow.name}")
    else:
        facts.forget(tx, hand.company, f"{_WRITES}{flow.name}")
        facts.remember(tx, hand.company, hand.at, f"{_WROTE}{flow.name}", _kept(flow))
    facts.remember(tx, hand.company, hand.at, f"flow:{flow.name}", {"on": on})
    work.resolve_alert(tx, hand.company, "rival", flow.name, hand.at)
    if was != on:
        detail = {"flow": flow.name, **({"why": why} if why else {})}
        journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("on" if on else "off", detail=detail)])
        _wake(tx, hand, flow.name) if on else _quiet(tx, hand, flow.name)
    return was != on


def _wake(tx: Tx, hand: Hand, flow: str) -> None:
    """What rested is looked at anew: what it waits for may be there, and if not somebody hears of it."""
    rows = tx.rows("records_parked", {"company": hand.company, "state": "deferred", "flow": flow, "stream": ""})
    moves = [Move(row, "pending", "woken", records.load_reasons(row), detail={"by": f"flow:{flow}"}) for row in rows]
    records.move(tx, hand.company, hand.at, hand.actor, moves)


def _quiet(tx: Tx, hand: Hand, flow: str) -> None:
    """Nobody need look at what waits for as long as the flow is off."""
    for alert in work.alerts(tx, hand.company):
        if alert["kind"] in _OF_WAITING and str(alert["subject"]).startswith(f"{flow}/"):
            work.resolve_alert(tx, hand.company, alert["kind"], alert["subject"], hand.at)


def claim(tx: Tx, company: str, flow: Flow, at: str, *, beside: str = "", actor: str = "flowctl") -> None:
    """Note what the flow writes for the company; `beside` as of `switch`.

    Two flows that read the same with other filters go on beside one another where they did so before.

    Raises:
        RivalFlow: when another flow has noted the same before.
        StillUnderWay: when one that was switched off has not come to its end, and this one begins.
    """
    noted = facts.recall(tx, company, f"{_WRITES}{flow.name}")
    old = [Claim(**one) for one in (noted or {}).get("streams", [])]
    said = {*(noted or {}).get("beside", []), beside} - {""}
    # What was said of records that were left out says nothing of what the two read from now on.
    of_left_out = noted is None and any(
        one.other == beside and not one.is_known for one in _left_out(tx, company, flow)
    )
    kept = _kept(flow, said - {beside} if of_left_out else said)
    for other, mine, theirs in _rivals(tx, company, flow, _WRITES):
        is_filtered = mine.fetch != theirs.fetch
        are_two = other in said or _is_beside(tx, company, other, flow.name)
        if not (is_filtered and (mine in old or are_two)):
            names = f"{flow.name}/{mine.stream}", f"{other}/{theirs.stream}"
            raise RivalFlow(company, *names, mine.to, is_filtered=is_filtered)
    _nothing_under_way(tx, company, flow, said, old)
    if noted is None:
        _take_over(tx, Hand(company, at, actor), flow, said)
    if facts.recall(tx, company, f"{_WRITES}{flow.name}") != kept:
        facts.remember(tx, company, at, f"{_WRITES}{flow.name}", kept)
        work.resolve_alert(tx, company, "rival", flow.name, at)


def noted(tx: Tx, company: str) -> set[str]:
    """The flows that wrote for the company at some time, also those whose files are gone."""
    prefixes = (_WRITES, _WROTE)
    return {
        str(row["name"]).removeprefix(prefix)
        for prefix in prefixes
        for row in tx.rows("facts_named", {"company": company, "prefix": prefix})
    }


def _is_beside(tx: Tx, company: str, flow: str, other: str) -> bool:
    """Whether it was said of a flow that it and another one never read the same record."""
    noted = facts.recall(tx, company, f"{_WRITES}{flow}")
    return noted is not None and other in noted.get("beside", [])


def require_on(tx: Tx, company: str, flow: Flow) -> None:
    """Refuse a flow that is off or paused.

    Raises:
        FlowOff: always, when it is; `FlowPaused` for one that is paused.
    """
    if not is_on(tx, company, flow):
        raise FlowOff(company, flow.name)
    pause = stops.paused(tx, company, flow.name)
    if pause is not None:
        raise FlowPaused(company, flow.name, pause)


def _rivals(tx: Tx, company: str, flow: Flow, prefix: str) -> Iterator[tuple[str, Claim, Claim]]:
    """Other flows, with their stream and ours, that write the same."""
    mine = list(_claims(flow))
    for row in tx.rows("facts_named", {"company": company, "prefix": prefix}):
        other = str(row["name"]).removeprefix(prefix)
        known = facts.recall(tx, company, row["name"]) if other != flow.name else None
        for theirs in (Claim(**one) for one in (known or {}).get("streams", [])):
            yield from ((other, one, theirs) for one in mine if one.rivals(theirs))


def _nothing_under_way(tx: Tx, company: str, flow: Flow, beside: Collection[str], old: Collection[Claim] = ()) -> None:
    """Refuse to take over from a flow whose records the source may still offer; what it writes already is taken over.

    A person has said of those `beside` it that they never read the same record.

    Raises:
        StillUnderWay: when there are any.
    """
    for other, mine, theirs in _rivals(tx, company, flow, _WROTE):
        if mine in old or (mine.fetch != theirs.fetch and other in beside):
            continue
        scope = {"company": company, "flow": other, "stream": theirs.stream, "phase": theirs.phase}
        row = tx.one("records_untold", {**scope, "tells": int(theirs.tells)})
        if row is not None and row["count"]:
            raise StillUnderWay(company, flow.name, f"{other}/{theirs.stream}", row["count"])


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """What a person has left out of a stream of another flow, by its source id; `is_known` where ours has the same ids."""

    other: str
    mine: Claim
    theirs: Claim
    rows: Mapping[str, Row]
    is_known: bool


def _left_out(tx: Tx, company: str, flow: Flow) -> Iterator[_LeftOut]:
    for other, mine, theirs in _rivals(tx, company, flow, _WROTE):
        scope = {"company": company, "flow": other, "stream": theirs.stream, "phase": theirs.phase}
        rows = {str(row["source_id"]): row for row in tx.rows("records_left_out", scope)}
        if rows:
            is_known = keying.is_alike(tx, company, (other, theirs.stream), (flow, mine.stream))
            yield _LeftOut(other, mine, theirs, rows, is_known)


def _take_over(tx: Tx, hand: Hand, flow: Flow, beside: Collection[str]) -> None:
    """What a person has left out of a flow that was switched off is left out of this one as well, which reads the same."""
    for one in _left_out(tx, hand.company, flow):
        if one.other in beside and (one.mine.fetch != one.theirs.fetch or not one.is_known):
            continue
        if not one.is_known:
            raise LeftOutBefore(hand.company, flow.name, f"{one.other}/{one.theirs.stream}", len(one.rows))
        place = records.Place(hand.company, flow.name, one.mine.stream, one.mine.phase)
        known = records.known(tx, place, list(one.rows))
        new = [_as_left_out(row) for source_id, row in one.rows.items() if source_id not in known]
        records.insert(tx, place, 0, hand.at, hand.actor, new)
        rest = [name for name, row in known.items() if row["state"] in ("pending", "deferred", "failed")]
        found = [(name, tx.one("record_get", {"id": known[name]["id"]})) for name in rest]
        moves = [Move(row, "skipped", "left_out", records.load_reasons(one.rows[name])) for name, row in found if row]
        records.move(tx, hand.company, hand.at, hand.actor, moves)


def _as_left_out(row: Row) -> records.NewRecord:
    names = ("source_id", "payload", "payload_sha256", "amount", "currency", "party", "reference", "dated_on")
    detail = {"left_out_of": f"{row['flow']}/{row['stream']}"}
    intake = records.Intake(*(row[name] for name in names))
    return records.NewRecord(intake, "skipped", records.load_reasons(row), detail=detail)


def _claims(flow: Flow) -> Iterator[Claim]:
    """What must not be written twice; a stream that adopts what is there, by its name, may have a rival."""
    for stream in flow.streams:
        if stream.target and stream.adopt is None:
            told = stream.mark_synced is not None
            yield Claim(stream.name, stream.phase, stream.fetch.identity, stream.target, told)


def _kept(flow: Flow, beside: Iterable[str] = ()) -> dict[str, Any]:
    named = {"beside": sorted(beside)} if beside else {}
    return {"streams": [asdict(one) for one in _claims(flow)], **named}
