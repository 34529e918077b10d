"""The lists of targets that are called: asked for anew before records are prepared, and kept for lookups.

The vendor is called outside every transaction, and each page is kept in one of its own. What was read before stays usable
until the last page of the next reading came; a list that cannot be read keeps back only the records that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine import follow
from engine.clock import iso
from engine.contract import Listing, ListObject
from engine.dataclass import dataclass
from engine.errors import AuthRefused, BadAnswer, BeingRead, FlowctlError, RateLimited, RunError, StoreError, Transient
from engine.follow import Hand
from engine.listsource import CalledList
from engine.program import StreamProgram
from engine.reading import Reading, reading
from engine.retry import later_s
from engine.store import facts, lists, work
from engine.store.base import Tx
from engine.world import World

ACTOR = "flowctl"
# How many objects are kept in one transaction.
PAGE = 500
# A list that a record waits for is read again sooner: by a run of the schedule, and by one that a person starts.
SOON_S = 300
AT_ONCE_S = 60
# Nothing is ever put off for longer: a later time was noted by a clock that was ahead.
_LONGEST = timedelta(hours=2)

# Connection, fault, number of the attempt: waits, and gives the number of the next attempt, or raises the fault.
Wait = Callable[[str, RunError, int], int]


class ListUnread(FlowctlError):
    """A list of a called target could not be read."""

    def __init__(self, company: str, listed: CalledList, error: FlowctlError) -> None:
        where = f"{company}/{listed.connection}: "
        hint = "check the credentials" if isinstance(error, AuthRefused) else "it is tried again by itself"
        super().__init__(
            f"{where}the {listed.spec.name} list could not be read: {str(error).removeprefix(where)}",
            hint=error.hint or hint,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """A list as a dry run has read it; nothing of it was kept. `objects` is None when its target lists nothing."""

    listed: CalledList
    objects: tuple[ListObject, ...] | None


@dataclass(frozen=True, slots=True)
class Lists:
    """Reads the lists of one company for one flow.

    With `by_hand`, a person waits for it: what failed is tried again at once, and what records wait for is read sooner.
    """

    world: World
    company: str
    flow: str
    wait: Wait
    by_hand: bool = True

    def refresh(self, wanted: Sequence[CalledList], *, missing: bool = False) -> tuple[FlowctlError, ...]:
        """Read what is due of these lists, with `missing` only what cannot be used; returns what kept any from being read.

        Raises:
            StoreError: when the store fails; no list is to blame for that.
        """
        errors: list[FlowctlError] = []
        busy: set[str] = set()
        with ExitStack() as closing:
            opened: dict[str, Any] = {}
            for each in self._due(wanted, missing=missing):
                if each.connection in busy:
                    continue
                try:
                    self._read(each, closing, opened)
                except StoreError:
                    raise
                except BeingRead as error:
                    # Another process reads it: no trouble, as long as there is something to go on with.
                    errors += [] if self._loaded(each) else [error]
                except FlowctlError as error:
                    errors.append(self._failed(each, error))
                    # One that cannot answer right now would let each of its lists wait in vain.
                    busy |= {each.connection} if isinstance(error, Transient) else set()
        return tuple(errors)

    def is_wanted(self, wanted: Sequence[CalledList]) -> bool:
        """Whether any of these cannot be used and is to be read now."""
        return bool(self._due(wanted, missing=True))

    def look(self, wanted: Sequence[CalledList]) -> tuple[list[Look], tuple[FlowctlError, ...]]:
        """Read what is due without keeping anything, and what kept any from being read."""
        found: list[Look] = []
        errors: list[FlowctlError] = []
        with ExitStack() as closing:
            opened: dict[str, Any] = {}
            for each in self._due(wanted):
                try:
                    target = self._open(each, closing, opened)
                    pages = self._pages(each, target) if isinstance(target, Listing) else None
                    found.append(Look(each, None if pages is None else tuple(o for page in pages for o in page)))
                except StoreError:
                    raise
                except FlowctlError as error:
                    errors.append(ListUnread(self.company, each, error))
        return found, tuple(errors)

    def keep(self, tx: Tx, looks: Sequence[Look]) -> None:
        """Keep in this transaction what `look` has read."""
        for found in looks:
            if found.objects is None:
                self._nothing_to_read(tx, found.listed)
                continue
            lists.store_page(tx, self.company, found.listed.kept, found.objects, first=True)
            follow.list_read(tx, self._hand(), found.listed.kept)

    # --- one list ----------------------------------------------------------------------------------------------------

    def _read(self, each: CalledList, closing: ExitStack, opened: dict[str, Any]) -> None:
        """Read a list from its first page to its last."""
        # Lists belong to the company and not to a flow, and no flow has an empty name.
        with reading(self.world, self.company, "", f"{each.connection}/{each.spec.name}") as held:
            target = self._open(each, closing, opened)
            if not isinstance(target, Listing):
                with self.world.store.write(self.company) as tx:
                    self._nothing_to_read(tx, each)
                return
            # It begins before the first call: what is created from here on is no older than what that call brings.
            with self.world.store.write(self.company) as tx:
                held.hold(tx)
                if not self._is_due(tx, each):
                    return  # another process has read it meanwhile
                lists.store_page(tx, self.company, each.kept, (), first=True)
            for page in self._pages(each, target):
                self._keep_page(held, each, page)
            with self.world.store.write(self.company) as tx:
                held.hold(tx)
                follow.list_read(tx, self._hand(), each.kept)
                self._works(tx, each)

    def _keep_page(self, held: Reading, each: CalledList, page: Sequence[ListObject]) -> None:
        with self.world.store.write(self.company) as tx:
            held.hold(tx)
            lists.store_page(tx, self.company, each.kept, page, first=False)

    def _pages(self, each: CalledList, target: Listing) -> Iterator[Sequence[ListObject]]:
        """All objects, some hundred at a time; a passing fault lists them once more from the start."""
        attempt = 1
        while True:
            found = target.list_objects(each.spec.name)
            try:
                for page in found:
                    objects = [_sound(item) for item in page]
                    yield from (objects[start : start + PAGE] for start in range(0, len(objects), PAGE))
            except RunError as error:
                attempt = self.wait(each.connection, error, attempt)
            else:
                return

    def _open(self, each: CalledList, closing: ExitStack, opened: dict[str, Any]) -> object:
        if each.connection not in opened:
            target = opened[each.connection] = self.world.open(self.company, each.connection)
            close = getattr(target, "close", None)
            if callable(close):
                closing.callback(close)
        return opened[each.connection]

    def _nothing_to_read(self, tx: Tx, each: CalledList) -> None:
        """The target lists nothing: its lookups know what people mapped and what was created, and nothing vanishes."""
        lists.ensure(tx, self.company, each.kept)
        lists.finish(tx, self.company, each.kept, self.world.at())

    # --- when --------------------------------------------------------------------------------------------------------

    def _due(self, wanted: Sequence[CalledList], *, missing: bool = False) -> list[CalledList]:
        with self.world.store.read(self.company) as tx:
            return [
                each
                for each in wanted
                if self._is_due(tx, each) and (not missing or self._is_missing(tx, each)) and not self._waits(tx, each)
            ]

    def _is_missing(self, tx: Tx, each: CalledList) -> bool:
        """Whether it was never read, or was found to be out of date."""
        row = tx.one("list_get", {"company": self.company, "list": each.kept})
        return row is None or row["loaded_at"] is None or bool(row["due"])

    def _is_due(self, tx: Tx, each: CalledList) -> bool:
        row = tx.one("list_get", {"company": self.company, "list": each.kept})
        if row is None or row["due"] or row["loaded_at"] is None:
            return True
        age_s = each.spec.refresh_s
        if tx.one("waits_any", {"company": self.company, "wait_key": f"list:{each.kept}"}) is not None:
            age_s = min(age_s, AT_ONCE_S if self.by_hand else SOON_S)
        now = self.world.clock.now()
        # A time ahead of the clock is of a clock that was ahead.
        return not iso(now - timedelta(seconds=age_s)) <= row["loaded_at"] <= iso(now)

    def _waits(self, tx: Tx, each: CalledList) -> bool:
        """Whether it is to be left alone for now, since it could not be read."""
        kept = facts.recall(tx, self.company, _fact(each))
        if kept is None or (self.by_hand and not kept["limited"]):
            return False
        now = self.world.clock.now()
        return iso(now) < str(kept["until"]) <= iso(now + _LONGEST)

    def _loaded(self, each: CalledList) -> bool:
        with self.world.store.read(self.company) as tx:
            return lists.loaded(tx, self.company, each.kept)

    # --- faults ------------------------------------------------------------------------------------------------------

    def _failed(self, each: CalledList, error: FlowctlError) -> FlowctlError:
        """Leave the list alone for a while, longer each time, and tell a person."""
        told = ListUnread(self.company, each, error)
        with self.world.store.write(self.company) as tx:
            failures = int((facts.recall(tx, self.company, _fact(each)) or {}).get("failures", 0)) + 1
            asked_s = (error.retry_after_s or 0.0) if isinstance(error, Transient) else 0.0
            wait_s = min(max(later_s(failures - 1, self.world.ids.fraction()), asked_s), _LONGEST.total_seconds())
            until = iso(self.world.clock.now() + timedelta(seconds=wait_s))
            value = {"until": until, "failures": failures, "limited": isinstance(error, RateLimited)}
            facts.remember(tx, self.company, self.world.at(), _fact(each), value)
            subject, where = f"{self.flow}{_subject(each)}", f"{self.flow}/{each.connection}"
            alert = work.Alert("connection", subject, f"{where}: {told}", told.hint or "")
            work.raise_alert(tx, self.company, alert, self.world.at())
        return told

    def _works(self, tx: Tx, each: CalledList) -> None:
        """It was read: what kept it from that is over, whichever flow met it."""
        facts.forget(tx, self.company, _fact(each))
        for alert in work.alerts(tx, self.company):
            if alert["kind"] == "connection" and alert["subject"].endswith(_subject(each)):
                work.resolve_alert(tx, self.company, "connection", alert["subject"], self.world.at())

    def _hand(self) -> Hand:
        return Hand(self.company, self.world.at(), ACTOR)


def called_lists(streams: Sequence[StreamProgram]) -> tuple[CalledList, ...]:
    """The lists of called targets that any of the streams needs."""
    return tuple({each.kept: each for stream in streams for each in stream.called_lists}.values())


def _fact(each: CalledList) -> str:
    return f"list:{each.kept}"


def _subject(each: CalledList) -> str:
    """What an alert about the list is filed under, after the name of the flow."""
    return f"/{each.connection}/list/{each.spec.name}"


def _sound(item: ListObject) -> ListObject:
    """An object as the store can hold it: JSON can write half a character, a lone surrogate, which no database takes.

    Raises:
        BadAnswer: when it has no id, by which it could be known again.
    """
    if not item.list_id:
        raise BadAnswer("an object of the list has no id")
    texts = (item.list_id, item.full_name, item.number, item.edit_sequence, repr(item.data))
    if all(text.isascii() or _is_whole(text) for text in texts) and "\\ud" not in texts[-1]:
        return item
    return replace(
        item,
        list_id=_whole(item.list_id),
        full_name=_whole(item.full_name),
        number=_whole(item.number),
        edit_sequence=_whole(item.edit_sequence),
        data=_whole_data(item.data),
    )


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _whole_data(value: Any) -> Any:
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, Mapping):
        return {_whole_data(name): _whole_data(inner) for name, inner in value.items()}
    return [_whole_data(inner) for inner in value] if isinstance(value, list | tuple) else value
