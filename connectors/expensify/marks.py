"""Marks posted reports as exported, and looks whether Expensify did it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from connectors.expensify.client import ExpensifyClient, Missing
from connectors.expensify.jobs import Selection
from connectors.expensify.spec import MARK
from engine.contract import MarkCall
from engine.errors import NotShown, Rejected, RunError, Transient

# The website itself loses reports from bulk marks of more than fifty (FACTS.md, "Peers").
CHUNK = 50
REPORT_ID = re.compile(r"[0-9A-Za-z]{1,40}", re.ASCII)
_AGAIN_S = 15.0


def mark(client: ExpensifyClient, call: MarkCall, label: str) -> None:
    """Mark every id, then return; or raise an error after every chunk was tried, one worth repeating first.

    Marking is a side effect of an export, which has no result to read: what counts is that another export, of the reports
    that are not marked, lists none of them. A report that Expensify has no more needs no mark.

    Raises:
        Transient: when a report does not show as marked yet; mark again.
        Rejected: for another mark than ours, or an id that is none of Expensify's.
    """
    if call.kind != MARK:
        raise Rejected(f"{client.where}: there is no mark `{call.kind}`", hint=f"known: {MARK}")
    ids = tuple(dict.fromkeys(report_id(client.where, item.id) for item in call.posted))
    errors: list[RunError] = []
    for chunk in _chunks(ids):
        try:
            _mark(client, chunk, label)
        except (Rejected, Transient) as error:
            errors.append(error)
    if errors:
        raise next((e for e in errors if isinstance(e, Transient)), errors[0])


def _mark(client: ExpensifyClient, ids: tuple[str, ...], label: str) -> None:
    """One job that marks and one that confirms; in every state, for a report may have been reopened meanwhile."""
    with suppress(Missing):  # Expensify has none of them any more; the other job says so as well
        client.order(Selection(report_ids=ids), CHUNK, mark=label)
    found = client.export_or_none(Selection(report_ids=ids, unmarked=label), 2 * CHUNK)
    listed = {report["reportID"] for report in found or ()}
    if listed:
        named = ", ".join(name if REPORT_ID.fullmatch(name) else "an odd id" for name in sorted(listed)[:5])
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        said = f"{client.where}: {MARK} was taken but does not show yet: {named}{more}"
        if set(ids) <= listed:
            raise Transient(said, retry_after_s=_AGAIN_S)
        raise NotShown(said, listed, retry_after_s=_AGAIN_S)


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
