"""Which payments pay a bill: BILL says it of no bill, so that the payments are listed.

They are listed once, from the day on which the first bill that is asked for was created, since none of its payments is
older. After that each question lists what has changed since, so that the answer is never older than the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import UTC, datetime, timedelta

from connectors.bill.progress import moment
from connectors.bill.records import Record
from engine.dataclass import dataclass

_START = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Payers:
    """The payments of bills. `read_since` lists payments that changed at a moment or later, None for all of them."""

    read_since: Callable[[datetime | None], Iterator[Record]]
    overlap: timedelta
    _from: datetime | None = None
    _newest: datetime = _START
    _payments: dict[str, list[Record]] = field(default_factory=dict)

    def others(self, bill: Record, payment_id: str) -> list[Record]:
        """What payments other than this one name of a bill, in whatever state they are: their `billPayments`."""
        created = moment(bill["createdTime"]) or _START
        if self._from is None or created < self._from:
            self._from = created
            self._list(created)
        else:
            self._list(self._newest)
        named = (parts for other, parts in self._payments.items() if other != payment_id)
        return [part for parts in named for part in parts if part["billId"] == bill["id"]]

    def _list(self, since: datetime) -> None:
        start = since - self.overlap if since - _START > self.overlap else None
        for payment in self.read_since(start):
            self._newest = max(self._newest, moment(payment["updatedTime"]) or _START)
            self._payments[payment["id"]] = payment["billPayments"]
