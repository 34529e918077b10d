"""Records that a complete listing of the source did not show: each is read by itself, and what the source says is taken in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from engine import intake, otheraccount
from engine.batch import Batch
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import BadAnswer, Rejected, RunError
from engine.program import StreamProgram
from engine.store import work
from engine.store.base import Row, Store, Tx
from engine.undo import asks_for_gone

# So many posted records are asked for in one read; others have their turn later.
POSTED = 200
_PAGE = 100
_Take = Callable[[Batch, StreamProgram, Row, Json | None], None]


@dataclass(frozen=True, slots=True)
class Asking:
    """How one run asks for records of one stream: `get` reads one, `batch` opens the work on it in a transaction.

    `scope` names company, flow, stream and run.
    """

    store: Store
    scope: Mapping[str, object]
    get: Callable[[str], Json | None]
    batch: Callable[[Tx], Batch]
    counts: Counter[str]

    @property
    def company(self) -> str:
        """Whose records they are."""
        return str(self.scope["company"])


def recheck(asking: Asking, stream: StreamProgram) -> None:
    """Read one by one what was not in the complete listing: what is still open here, and what is posted where that matters.

    Raises:
        RunError: what a single record could not be read for, once all others were.
    """
    after = 0
    bad: RunError | None = None
    while rows := _rows(asking, "records_unseen", {"after": after, "limit": _PAGE}):
        found = _ask(asking, stream, _of_here(asking, stream, rows), intake.recheck)
        bad, after = bad or found, rows[-1]["id"]
    if asks_for_gone(stream):
        found = _recheck_posted(asking, stream)
        bad = bad or found
    if bad is not None:
        raise bad


def _recheck_posted(asking: Asking, stream: StreamProgram) -> RunError | None:
    """Ask for what is posted and was not listed.

    A source that lists nothing at all may be another one, or a new one: what it does not know is not undone then, and a
    person is told. What it says of a record by itself is taken in all the same.
    """
    missing: list[str] = []

    def take_alone(batch: Batch, stream: StreamProgram, row: Row, data: Json | None) -> None:
        if data is not None:
            intake.recheck_posted(batch, stream, row, data)
            return
        batch.tx.many("records_seen", [(batch.run, row["id"])])
        missing.append(row["source_id"])

    rows = _posted(asking, stream)
    take = intake.recheck_posted if asking.counts["read"] else take_alone
    bad = _ask(asking, stream, rows, take, once=True)
    where = f"{asking.scope['flow']}/{asking.scope['stream']}"
    with asking.store.write(asking.company) as tx:
        hand = asking.batch(tx).hand
        if missing:
            work.raise_alert(tx, asking.company, _none_listed(where, missing), hand.at)
        else:
            work.resolve_alert(tx, asking.company, "drifted", where, hand.at)
    return bad


def _none_listed(where: str, missing: Sequence[str]) -> work.Alert:
    count = "a record that is posted" if len(missing) == 1 else f"{len(missing)} records that are posted"
    return work.Alert(
        "drifted",
        where,
        f"{where}: the source lists nothing at all, and does not know {count}, as {missing[0][:64]}: nothing is undone",
        "when another account is connected, connect the right one; when they were deleted, take them out of the target by hand",
    )


def _rows(asking: Asking, statement: str, more: Mapping[str, object]) -> list[Row]:
    with asking.store.read(asking.company) as tx:
        return tx.rows(statement, {**asking.scope, **more})


def _posted(asking: Asking, stream: StreamProgram) -> list[Row]:
    """The posted records whose turn it is, those first that were not read for long."""
    found: list[Row] = []
    behind = {"after_run": -1, "after": 0}
    while len(found) < POSTED and (
        rows := _rows(asking, "records_posted_unseen", {**behind, "limit": POSTED - len(found)})
    ):
        found += _of_here(asking, stream, rows)
        behind = {"after_run": rows[-1]["seen_run"], "after": rows[-1]["id"]}
    return found


def _of_here(asking: Asking, stream: StreamProgram, rows: Sequence[Row]) -> list[Row]:
    """Those that were read from the account that is connected now: another one is not asked, it does not know them."""
    connection = stream.stream.fetch.connection
    with asking.store.read(asking.company) as tx:
        strange = otheraccount.strangers(tx, asking.company, connection, [row["id"] for row in rows]).ids
    return [row for row in rows if row["id"] not in strange]


def _ask(
    asking: Asking, stream: StreamProgram, rows: Sequence[Row], take: _Take, *, once: bool = False
) -> RunError | None:
    """Read these and take them in; the first error of a single one, which keeps no other from it.

    With `once`, one that cannot be read has had its turn.
    """
    bad: RunError | None = None
    for row in rows:
        try:
            data = asking.get(row["source_id"])
        except (Rejected, BadAnswer) as error:
            bad = bad or error
            if once:
                with asking.store.write(asking.company) as tx:
                    tx.many("records_seen", [(asking.scope["run"], row["id"])])
            continue
        with asking.store.write(asking.company) as tx:
            batch = asking.batch(tx)
            take(batch, stream, row, data)
            asking.counts.update(batch.counts)
    return bad
