"""Marks posted reports as exported, and looks whether Expensify did it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from connectors.expensify.client import ExpensifyClient, Missing
from connectors.expensify.jobs import Selection
from connectors.expensify.spec import MARK
from engine.contract import MarkCall
from engine.errors import AuthRefused, NotShown, Rejected, RunError, Transient

# The website itself loses reports from bulk marks of more than fifty (FACTS.md, "Peers").
CHUNK = 50
REPORT_ID = re.compile(r"[0-9A-Za-z]{1,40}", re.ASCII)
_AGAIN_S = 15.0


def mark(client: ExpensifyClient, call: MarkCall, label: str, look: Callable[[], object]) -> None:
    """Mark every id, then return; or raise an error after every chunk was tried, one worth repeating first.

    Marking is a side effect of an export, which has no result to read: what counts is that another export, of the reports
    that are not marked, lists none of them. A report that Expensify has no more needs no mark. `look` asks for the policies,
    and raises an error when one of them is not there.

    Raises:
        Transient: when it is not known of some reports whether they are marked; mark again.
        NotShown: when some reports do not show as marked, and all others do.
        AuthRefused: when Expensify says that there is nothing, and a policy is not there either.
        Rejected: for another mark than ours, or an id that is none of Expensify's, or several of which it does not mark one.
    """
    if call.kind != MARK:
        raise Rejected(f"{client.where}: there is no mark `{call.kind}`", hint=f"known: {MARK}")
    ids = tuple(dict.fromkeys(report_id(client.where, item.id) for item in call.posted))
    errors: list[tuple[tuple[str, ...], RunError]] = []
    for chunk in _chunks(ids):
        try:
            _mark(client, chunk, label, look)
        except (Rejected, Transient) as error:
            errors.append((chunk, error))
    if errors:
        raise _outcome(errors)


def _outcome(errors: Sequence[tuple[tuple[str, ...], RunError]]) -> RunError:
    """What became of the whole call: `NotShown` says that all others are marked, so it names what any chunk has left."""
    unclear = [e for _, e in errors if isinstance(e, Transient) and not isinstance(e, NotShown)]
    hidden = [e for _, e in errors if isinstance(e, NotShown)]
    if unclear or not hidden:
        return unclear[0] if unclear else errors[0][1]
    # What was refused is marked again with what does not show, and is refused there by itself.
    left = [id_ for chunk, e in errors for id_ in (e.ids if isinstance(e, NotShown) else chunk)]
    return NotShown(str(hidden[0]), left, retry_after_s=_AGAIN_S)


def _mark(client: ExpensifyClient, ids: tuple[str, ...], label: str, look: Callable[[], object]) -> None:
    """One job that marks and one that confirms; in every state, for a report may have been reopened meanwhile."""
    try:
        client.order(Selection(report_ids=ids), CHUNK, mark=label)
    except Missing:
        _check(look)
        # Nobody says whether all of them are gone, or one that kept the others from their mark: each is told alone.
        if len(ids) > 1:
            raise
    found = client.export_or_none(Selection(report_ids=ids, unmarked=label), 2 * CHUNK)
    if found is None:
        _check(look)
    listed = [(report["reportID"], report.get("oldReportID")) for report in found or ()]
    if listed:
        hidden = [id_ for id_ in ids if any(id_ in names for names in listed)]
        # Where another report is listed than those that were asked for, nothing is sure of any of them.
        if not all(any(id_ in names for id_ in ids) for names in listed):
            hidden = list(ids)
        more = f" and {len(hidden) - 5} more" if len(hidden) > 5 else ""
        said = f"{client.where}: {MARK} was taken but does not show yet: {', '.join(hidden[:5])}{more}"
        raise NotShown(said, hidden, retry_after_s=_AGAIN_S)


def _check(look: Callable[[], object]) -> None:
    """That a report is gone is believed when the policies are there: who lost one is told the same of all its reports.

    Raises:
        AuthRefused: when they are not there; no report is to blame, and all is marked once they are.
    """
    try:
        look()
    except Rejected as error:
        raise AuthRefused(str(error), hint=error.hint) from error


def _chunks(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), CHUNK):
        yield tuple(ids[start : start + CHUNK])


def report_id(where: str, record_id: str) -> str:
    """An id that can stand in a list with commas.

    Raises:
        Rejected: when it cannot be one of Expensify's.
    """
    if not REPORT_ID.fullmatch(record_id):
        raise Rejected(f"{where}: an id that Expensify cannot have given", hint="ids of reports are letters and digits")
    return record_id
