"""The lists of targets: their names in the store, and those of a polled one, or of what stands for it, as a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine import registry
from engine.contract import Json, ListObject, MarkCall, Page
from engine.dataclass import dataclass
from engine.errors import Bug, NotYet
from engine.listspec import stream_spec
from engine.model import Flow, Lookup
from engine.spec import ConnectorSpec, ListSpec
from engine.store import lists
from engine.store.base import Store, Tx

_PAGE = 500


@dataclass(frozen=True, slots=True)
class CalledList:
    """A list of a target that is called: the connection that is asked for it, and what its connector says of it."""

    connection: str
    spec: ListSpec

    @property
    def kept(self) -> str:
        """The name under which the store keeps it: two connections of a company may have lists of one name."""
        return f"{self.connection}.{self.spec.name}"


def is_called(flow: Flow, connection: str) -> bool:
    """Whether flowctl calls what is behind a connection; False for one that is polled, or whose connector is not there."""
    named = flow.connection(connection)
    connector = registry.find(named.connector) if named else None
    return connector is not None and connector.spec.delivery == "push"


def kept_as(flow: Flow, lookup: Lookup) -> str:
    """The name under which the store keeps the list behind a lookup: `Vendor` of a polled target, else `ramp.vendors`."""
    if is_called(flow, lookup.connection):
        return CalledList(lookup.connection, ListSpec(lookup.list, "")).kept
    return lookup.list


def covers_days(flow: Flow, lookup: Lookup) -> int:
    """How many days back the list behind a lookup is whole; 0 when it is whole however old its objects are."""
    named = flow.connection(lookup.connection)
    connector = registry.find(named.connector) if named else None
    listed = connector.spec.list(lookup.list) if connector is not None else None
    return listed.covers_days if listed is not None else 0


@dataclass(frozen=True, slots=True)
class ListSource:
    """The cached lists of one company, read as streams. A list that was never read raises `NotYet`.

    `connection` is needed of a connector that is called and stands for a polled one.
    """

    store: Store
    company: str
    spec: ConnectorSpec
    connection: str = ""

    def read(
        self, stream: str, _filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        """All objects in the order of their ids; the checkpoint is the last id that was handed out."""
        names = self._names(stream)
        while True:
            with self.store.read(self.company) as tx:
                self._known(tx, stream)
                found = lists.after(tx, self.company, self._kept(stream), checkpoint or "", _PAGE)
            if not found:
                return
            checkpoint = found[-1].list_id
            yield Page([_record(names, item) for item in found], checkpoint)

    def get(self, stream: str, record_id: str) -> Json | None:
        """One object as the store has it, or None when the list no longer does."""
        with self.store.read(self.company) as tx:
            self._known(tx, stream)
            found = lists.by_id(tx, self.company, self._kept(stream), record_id)
        return None if found is None else _record(self._names(stream), found)

    def mark(self, call: MarkCall) -> None:
        """A list is told nothing.

        Raises:
            Bug: always; `validate` refuses such a flow.
        """
        raise Bug(f"{self.company}: a list of {self.spec.name} cannot be told of {call.kind}")

    def _kept(self, stream: str) -> str:
        """The name under which the store keeps a list."""
        return stream if self.spec.delivery == "pull" else CalledList(self.connection, ListSpec(stream, "")).kept

    def _known(self, tx: Tx, stream: str) -> None:
        if not lists.loaded(tx, self.company, self._kept(stream)):
            when = "in the next session" if self.spec.delivery == "pull" else "by the next run"
            raise NotYet(f"the {stream} list of {self.spec.title} was never read", hint=f"it is read {when}")

    def _names(self, stream: str) -> tuple[str, ...]:
        """What a record of a list has."""
        listed = self.spec.list(stream)
        return tuple(field.name for field in stream_spec(listed).fields) if listed is not None else ()


def _record(names: tuple[str, ...], item: ListObject) -> Json:
    own: dict[str, object] = {
        "list_id": item.list_id,
        "full_name": item.full_name,
        "active": item.active,
        "number": item.number or None,
        "edit_sequence": item.edit_sequence or None,
    }
    return {name: own[name] if name in own else item.data.get(name) for name in names}
