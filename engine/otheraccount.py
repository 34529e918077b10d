"""Records that were read from another account than the one that is connected now: what that one lists is not said of them.

Two accounts may give out the same ids. After a connection was pointed at another account, a record of the same id that looks
otherwise is most likely another record. It is not taken in, the record of the account before stays as it is, and a person
is told, who says what it is. One that looks just the same is the same record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.batch import Batch
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import BeingRead
from engine.jsontext import plain
from engine.program import StreamProgram
from engine.store import places, work
from engine.store.base import Row, Tx
from engine.store.places import Led, Place
from engine.store.records import Intake
from engine.titles import called

KIND = "account"


class PointedElsewhere(BeingRead):
    """A connection leads to another account since it was opened: what it has brought is not kept."""

    def __init__(self, company: str, connection: str) -> None:
        super().__init__(f"{company}/{connection}: it leads to another account since this read began; this read ends")


@dataclass(frozen=True, slots=True)
class Strangers:
    """Of some records, the numbers of those that were read from another account; `is_moved` says that there was another."""

    ids: frozenset[int] = frozenset()
    is_moved: bool = False


def strangers(tx: Tx, company: str, connection: str, ids: Iterable[int]) -> Strangers:
    """Which of these records were read last from another account than the one that the connection leads to now."""
    led, asked = places.led(tx, company, connection), sorted(ids)
    if not led.before:
        return Strangers()
    return Strangers(_apart(tx, led, asked), is_moved=True)


def _apart(tx: Tx, led: Led, ids: Sequence[int]) -> frozenset[int]:
    rows = tx.rows("records_read_at", {"ids": plain(list(ids))}) if ids else []
    return frozenset(row["id"] for row in rows if led.elsewhere(row["read_at"]))


def require_same(tx: Tx, company: str, connection: str, opened: Place) -> None:
    """Refuse what came over a connection that was pointed elsewhere since it was opened.

    Raises:
        PointedElsewhere: when it was.
    """
    if not places.current(tx, company, connection, pushed=True).is_still(opened):
        raise PointedElsewhere(company, connection)


def hold(batch: Batch, stream: StreamProgram, row: Row, intake: Intake) -> None:
    """Tell a person of a record that the account which is connected now has under the id of another account's record."""
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    company, connection = batch.hand.company, stream.stream.fetch.connection
    where = f"{full['flow']}/{full['stream']}/{full['source_id']}"
    message = (
        f"{where}: `{connection}` leads to another account now, which has {_named(intake)} under the id of "
        f"{called(full)} of the account before; it was not taken in, and {called(full)} stays {full['state']} as it is"
    )
    hint = (
        "two accounts may give out the same ids: connect the one before again, or enter the new one in the target by hand; "
        "only when both are one and the same record, changed since, "
        f"run `flowctl release {full['id']} --same{of_company(company)}`"
    )
    work.raise_alert(batch.tx, company, work.Alert("account", subject_of(full), message, hint), batch.hand.at)


def _named(intake: Intake) -> str:
    told = [text for text in (intake.reference, intake.party, intake.amount, intake.currency) if text]
    return f"`{' '.join(told)}`" if told else "another record"


def settled(tx: Tx, company: str, at: str, subjects: Iterable[str]) -> None:
    """These records were read from the account that is connected now: nobody need look at them any more."""
    work.resolve_alerts(tx, company, [(KIND, subject) for subject in subjects], at)


def subject_of(row: Row) -> str:
    """What an alert about a record is filed under."""
    return f"{row['flow']}/{row['stream']}/{row['source_id']}"
