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
    # A source that lists nothing at all may be another one, or a new one: what is posted is not undone for that.
    if asks_for_gone(stream) and asking.counts["read"]:
        found = _ask(asking, stream, _posted(asking, stream), intake.recheck_posted, once=True)
        bad = bad or found
    if bad is not None:
        raise bad


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
