"""What a check looks at when a schedule is over, and what it counts."""

from __future__ import annotations

from dataclasses import field
from typing import Generic, TypeVar

from engine.campaign.witness import Witness
from engine.dataclass import dataclass
from engine.rigs import SourceRig, TargetRig
from engine.store import work
from engine.store.base import Row, Tx

DONE = frozenset({"posted", "closed", "vanished"})
TargetT = TypeVar("TargetT", bound=TargetRig)
TargetT_co = TypeVar("TargetT_co", bound=TargetRig, covariant=True)


@dataclass(slots=True)
class Verdict:
    """Counts that must all be zero, but for `posted`, `changed`, `parked` and `unclaimed`.

    `unclaimed`: objects that a life of ours wrote which a restored copy of our store does not know, and that nothing
    would write again: the source says that they are posted, or does not want them any more, or a person is asked.
    And what such a life archived in a called target for a source that wants it again by now.
    """

    lost: int = 0
    duplicated: int = 0
    wrong_file: int = 0
    cents_off: int = 0
    stuck: int = 0
    posted: int = 0
    parked: int = 0
    changed: int = 0
    unclaimed: int = 0
    texts: list[str] = field(default_factory=list)

    def says(self, text: str) -> None:
        """One finding."""
        self.texts.append(text)


@dataclass(slots=True)
class Scene(Generic[TargetT_co]):
    """Everything a check looks at, after the last fault-free cycle."""

    tx: Tx
    company: str
    books: TargetT_co
    source: SourceRig
    witness: Witness
    rows: list[Row] = field(default_factory=list)
    # Of the open alerts.
    subjects: frozenset[str] = frozenset()
    alerts: frozenset[tuple[str, str]] = frozenset()
    # Of the streams that write to the source.
    back: frozenset[str] = frozenset()

    @property
    def was_restored(self) -> bool:
        """Whether an older copy of our own store was put back."""
        return self.witness.machine.restores > 0

    def known(self, object_id: str) -> Row | None:
        """The operation that made an object, if our store knows it."""
        return self.tx.one("operation_get", {"id": self.witness.maker.get(object_id, "")})


def scene_of(tx: Tx, company: str, books: TargetT, source: SourceRig, witness: Witness) -> Scene[TargetT]:
    """A scene with its records and open alerts, read once."""
    scene = Scene(tx, company, books, source, witness)
    listed = tx.rows("records_listing", {"company": company, "state": "", "flow": "", "limit": 100_000})
    scene.rows = list(listed)
    scene.alerts = frozenset((alert["kind"], alert["subject"]) for alert in work.alerts(tx, company))
    scene.subjects = frozenset(subject for _, subject in scene.alerts)
    machine = witness.machine
    streams = machine.program.flow.streams
    scene.back = frozenset(s.name for s in streams if s.write and s.target == machine.source_connection)
    return scene


def name_of(row: Row) -> str:
    """A record as people read its name."""
    return f"{row['flow']}/{row['stream']}/{row['source_id']}"


def is_change(row: Row) -> bool:
    """Whether a record is the change of another one."""
    return "+" in row["phase"]
