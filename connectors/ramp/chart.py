"""Writes Ramp's chart of accounts: new entries in batches, changes one by one, and nothing that is there already.

Ramp takes up to 500 new entries in one call, all of them or none, and refuses a call that holds an id it knows. So what
Ramp has is read first, once for the life of an open connection, and only new entries are uploaded; one that is there and
differs, or was taken out of use, is patched (FACTS.md section 5). Everything here can be repeated without harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from connectors._http import Call
from connectors.ramp.chartbook import WRITE_SCOPE, Book, Chart
from connectors.ramp.chartkinds import (
    ACCOUNT,
    OPTION,
    TAX_OPTION,
    TAX_RATE,
    VENDOR,
    Entry,
    Kind,
    Wanted,
    changes,
    is_gone,
    item,
    uncoded,
    wanted_of,
)
from connectors.ramp.chartspec import CHART_BATCH
from connectors.ramp.client import Missing, RampClient, missing_or
from connectors.ramp.ids import object_id
from connectors.ramp.settings import Settings
from engine.contract import ListObject, Operation, Receipt
from engine.errors import Ambiguous, BadAnswer, Rejected


class ChartTarget:
    """The chart of accounts as a target (`engine.contract.Target` and `BatchTarget`), for the requests of `chartspec`."""

    def __init__(self, client: RampClient, settings: Settings) -> None:
        self._client = client
        self._chart = Chart(client, settings)
        self._books: dict[tuple[str, str], Book] = {}

    # --- one operation ---

    def find(self, operation: Operation) -> Receipt | None:
        """The entry, when Ramp has it as it is wanted; of one that is to go, a receipt when it is gone."""
        return self.find_all([operation]).get(operation.id)

    def write(self, operation: Operation) -> Receipt:
        """Upload, change or remove one entry.

        Raises:
            Ambiguous: when the outcome is not known.
            Rejected: when Ramp refuses it.
        """
        return self.write_all([operation])[0]

    # --- several ---

    def find_all(self, operations: Sequence[Operation]) -> Mapping[str, Receipt]:
        """Those that Ramp has as they are wanted, or has no more; it asks for each entry at most once in a pass."""
        found: dict[str, Receipt] = {}
        for book, group in self._grouped(operations, sound=True):
            known = book.look_up(wanted.id for wanted in group if wanted.verb == "put")
            for wanted in group:
                entry = known.get(wanted.id) if wanted.verb == "put" else book.of(wanted.ramp_id)
                if is_gone(entry) if wanted.verb == "remove" else self._is_as_wanted(entry, wanted):
                    found[wanted.operation.id] = _receipt(wanted, entry)
        return found

    def write_all(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """Upload what is new in one call, and change the rest one by one; a receipt each, in order.

        Raises:
            Ambiguous: when an answer was lost; what was done shows in `find_all`.
            Rejected: when Ramp refuses one. What was changed before it stays so, and is not changed again.
        """
        self._client.ready(WRITE_SCOPE)
        made: dict[str, Receipt] = {}
        for book, group in self._grouped(operations):
            try:
                self._write(book, group)
                uploads = [wanted.id for wanted in group if wanted.verb == "put"]
                known = book.look_up(uploads)
            except (Ambiguous, BadAnswer):
                book.forget()
                raise
            if lost := next((one for one in uploads if one not in known), None):
                raise Ambiguous(
                    f"{self._client.where}: Ramp took the {book.kind.title} `{lost[:60]}` and does not show it"
                )
            for wanted in group:
                made[wanted.operation.id] = _receipt(wanted, known.get(wanted.id))
        return [made[operation.id] for operation in operations]

    # --- lists ---

    def entries(self, kind: Kind, field_id: str = "") -> Mapping[str, Entry]:
        """All entries of a kind by our id; for options, those of one field."""
        book = self._book(kind, field_id)
        book.read()
        return book.entries

    def list_accounting_vendors(self) -> Iterator[Sequence[ListObject]]:
        """The list `accounting_vendors`, page by page, inactive ones included."""
        book = self._book(VENDOR)
        for page in self._chart.rows(VENDOR.path):
            known = [entry for row in page.rows if (entry := book.learn(row)) is not None]
            yield [ListObject(e.id, e.name, e.active, e.code, data={"ramp_id": e.ramp_id}) for e in known]

    # --- how ---

    def _is_as_wanted(self, entry: Entry | None, wanted: Wanted) -> bool:
        if entry is None:
            return False
        try:
            return not changes(entry, wanted, self._account(wanted))
        except Rejected:  # its account is missing, so it cannot be as it is wanted
            return False

    def _grouped(self, operations: Sequence[Operation], *, sound: bool = False) -> list[tuple[Book, list[Wanted]]]:
        """The operations by the list that they are about; with `sound`, without those that cannot be written.

        What is wrong with them is said when they are to be written, and not when they are looked for.
        """
        groups: dict[tuple[str, str], list[Wanted]] = {}
        for operation in operations:
            with suppress(Rejected) if sound else nullcontext():
                wanted = self._wanted(operation)
                groups.setdefault((wanted.kind.path, wanted.field_id), []).append(wanted)
        return [(self._book(group[0].kind, field_id), group) for (_, field_id), group in groups.items()]

    def _wanted(self, operation: Operation) -> Wanted:
        wanted = wanted_of(self._client.where, operation)
        if wanted.kind.since_2026 and self._chart.profile == "2025-08":
            raise Rejected(
                f"{self._client.where}: {operation.request}: Ramp's API of 2025-08 has no taxes",
                hint="set api_profile=2026-08, or take the stream out of the flow",
            )
        return wanted

    def _book(self, kind: Kind, field_id: str = "") -> Book:
        return self._books.setdefault((kind.path, field_id), Book(self._chart, kind, field_id))

    def _write(self, book: Book, group: Sequence[Wanted]) -> None:
        """Bring a group of one list about. What is known of the list is as Ramp has it afterwards."""
        ids = [wanted.id for wanted in group if wanted.verb == "put"]
        if len(set(ids)) < len(ids):
            twice = next(one for one in ids if ids.count(one) > 1)
            raise Rejected(
                f"{self._client.where}: `{twice[:60]}` is there twice in one call for {book.kind.title}s",
                hint="two records of the flow have one id: correct `map` in the flow",
            )
        known = book.look_up(ids)
        fresh = [wanted for wanted in group if wanted.verb == "put" and wanted.id not in known]
        if fresh:
            known |= self._upload(book, fresh)
        for wanted in group:
            entry = known.get(wanted.id) if wanted.verb == "put" else book.of(wanted.ramp_id)
            if wanted.verb == "remove":
                self._remove(book, entry)
            elif entry is not None:
                self._patch(book, entry, changes(entry, wanted, self._account(wanted)))
            elif wanted.verb == "change":
                raise Rejected(
                    f"{self._client.where}: Ramp has no {wanted.kind.title} `{wanted.id[:60]}` that could be changed",
                    hint="somebody removed it there: run `flowctl reconcile`, or put it into Ramp again",
                )

    def _upload(self, book: Book, fresh: Sequence[Wanted]) -> dict[str, Entry]:
        """Upload new entries; returns those that may have to be changed still.

        These are the ones that were there after all, because somebody else made them meanwhile, and those whose upload
        takes no codes.
        """
        fixed: dict[str, Any] = {}
        if book.kind is OPTION:
            field = self._chart.made_field(book.field_id, str(fresh[0].body.get("field_name") or ""))
            fixed["field_id"] = field.ramp_id
        if book.kind is TAX_OPTION:
            self._chart.make_tax_field()
        left: dict[str, Entry] = {}
        for first in range(0, len(fresh), CHART_BATCH):
            batch = fresh[first : first + CHART_BATCH]
            try:
                self._post(book, batch, fixed)
            except Rejected:
                there = self._there_after_all(book, [wanted.id for wanted in batch])
                if not there:
                    raise
                left |= there
                if rest := [wanted for wanted in batch if wanted.id not in there]:
                    self._post(book, rest, fixed)
        if uncoded(book.kind, self._chart.profile):
            left |= {w.id: book.entries[w.id] for w in fresh if w.code and w.id in book.entries}
        return left

    def _post(self, book: Book, batch: Sequence[Wanted], fixed: Mapping[str, Any]) -> None:
        items = [item(wanted, self._chart.profile, self._account(wanted)) for wanted in batch]
        body = self._chart.body(**fixed, **{book.kind.items: items})
        answer = self._client.send(
            Call("POST", self._chart.path(book.kind.path), json=body, write=True), WRITE_SCOPE
        ).json()
        rows = answer.get(book.kind.items) if isinstance(answer, dict) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("ramp_id"), str):
                book.learn(row)
        if any(wanted.id not in book.entries for wanted in batch):
            # It was taken, all or nothing, and Ramp does not say under which ids: they are read when they are needed.
            book.forget()

    def _there_after_all(self, book: Book, ids: Sequence[str]) -> dict[str, Entry]:
        """Look once more, after a refusal, whether what was taken for new is there; once in a pass."""
        if book.doubted:
            return {}
        book.doubted = True
        book.forget()
        return book.look_up(ids)

    def _patch(self, book: Book, entry: Entry, change: Mapping[str, Any]) -> None:
        if not change:
            return
        path = self._chart.path(book.kind.path, object_id(self._client.where, entry.ramp_id))
        body = self._chart.body(**change)
        answer = self._client.send(Call("PATCH", path, json=body, write=True), WRITE_SCOPE)
        row = answer.json()
        if isinstance(row, dict) and row.get("ramp_id") == entry.ramp_id and book.learn(row) is not None:
            return
        book.forget()

    def _remove(self, book: Book, entry: Entry | None) -> None:
        """Hide an option, which leaves what is coded to it as it is; take any other entry out of use."""
        if entry is None or is_gone(entry):
            return
        if book.kind is OPTION:
            self._patch(book, entry, {"visibility": "HIDDEN"})
            return
        path = self._chart.path(book.kind.path, object_id(self._client.where, entry.ramp_id))
        # Since 2026 Ramp wants a body here, though it may be empty; before, it describes none.
        body = None if self._chart.profile == "2025-08" else self._chart.body()
        with suppress(Missing):  # somebody else was faster
            self._client.send(Call("DELETE", path, json=body, write=True), WRITE_SCOPE, missing_or)
        book.learn({**entry.row, "is_active": False})

    def _account(self, wanted: Wanted) -> str | None:
        """Ramp's id of the GL account that a tax rate is posted to.

        Raises:
            Rejected: when Ramp does not have the account.
        """
        account = wanted.body.get("account_id") if wanted.kind is TAX_RATE else None
        if not account:
            return None
        found = self._book(ACCOUNT).look_up([str(account)]).get(str(account))
        if found is None:
            raise Rejected(
                f"{self._client.where}: Ramp has no GL account `{str(account)[:60]}` for the tax rate `{wanted.id[:60]}`",
                hint="let the stream of tax rates come `after` that of accounts",
            )
        return found.ramp_id


def list_accounting_vendors(client: RampClient, settings: Settings) -> Iterator[Sequence[ListObject]]:
    """The list `accounting_vendors` of a connection."""
    return ChartTarget(client, settings).list_accounting_vendors()


def _receipt(wanted: Wanted, entry: Entry | None) -> Receipt:
    """Ramp's id under `id`, since ours is unique only within one list of the accounting system; ours beside it."""
    ramp_id = wanted.ramp_id if entry is None else entry.ramp_id
    ours = wanted.id if entry is None else entry.id
    return Receipt({"id": ramp_id, "external_id": ours} if ours else {"id": ramp_id})
