"""Enters, changes and archives bills in Ramp, and finds those that an earlier call entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date, timedelta
from typing import Any

from connectors._http import Answer, Call
from connectors.ramp import billbody
from connectors.ramp.client import API, RampClient
from connectors.ramp.directory import PAGE, Directory
from connectors.ramp.ids import object_id
from connectors.ramp.operations import Asked, before, major, read, target
from connectors.ramp.settings import Settings
from connectors.ramp.spec import BILLS_WRITE, STREAM_SCOPES
from engine.contract import Operation, Receipt
from engine.dataclass import dataclass
from engine.errors import Ambiguous, NotAsSent, Rejected

Row = dict[str, Any]
_BILLS = f"{API}/bills"
_DRAFTS = f"{API}/bills/drafts"
_READ = STREAM_SCOPES["bills"]
# A person may correct the date of a bill; so far around it is looked for another one of the same number.
_WINDOW = timedelta(days=31)
_HUNDREDFOLD = frozenset({10, 100, 1000, 10000})


class AmountsDiffer(NotAsSent):
    """Ramp shows another amount than it was sent, so nothing more is written until a person has looked.

    Requests are in major units and answers in minor ones, and that is proven by documents only (CREATE_BILL.md, "Units
    trap"). Should it ever be wrong, every bill would be a hundredfold. So this is the connection's fault and not the
    record's: the engine tells a person and writes nothing more over this connection. The bill is there: its operation stays
    in doubt, also when its source is deleted, and each look finds it under its remote id and stops again, until a person has
    corrected or archived it. It is never entered a second time.
    """


@dataclass(frozen=True, slots=True)
class _Standing:
    """What an id stands for now: a bill, or a draft that no one has completed."""

    row: Row
    is_draft: bool

    @property
    def path(self) -> str:
        """Where it is read and changed."""
        return f"{_DRAFTS if self.is_draft else _BILLS}/{self.row['id']}"


@dataclass(slots=True)
class _Register:
    """All bills of Ramp that have a remote id, by that; read once for an open connection, and so once a pass.

    For what is in doubt it is read anew: that may have been entered since.
    """

    rows: dict[bool, dict[str, list[Row]]] = field(default_factory=dict)

    def named(self, client: RampClient, remote_id: str, *, archived: bool, anew: bool) -> list[Row]:
        """The bills with a remote id as they are now, whatever their vendor and date."""
        if anew or archived not in self.rows:
            found: dict[str, list[Row]] = {}
            params = {"is_archived": "true"} if archived else {}
            for page in client.pages(_BILLS, {**params, "page_size": PAGE}, _READ):
                for row in page.rows:
                    if row.get("remote_id") and bool(row.get("archived_at")) == archived:
                        found.setdefault(str(row["remote_id"]), []).append(row)
            self.rows[archived] = found
        known = self.rows[archived].get(remote_id, [])
        now = [client.find(f"{_BILLS}/{object_id(client.where, str(row['id']))}", _READ) for row in known]
        return [row for row in now if row is not None and bool(row.get("archived_at")) == archived]


@dataclass(frozen=True, slots=True)
class Billing:
    """Bills over one open connection."""

    client: RampClient
    settings: Settings
    directory: Directory
    register: _Register = field(default_factory=_Register)

    # --- BillCreate ---------------------------------------------------------------------------------------------------

    def find_new(self, operation: Operation) -> Receipt | None:
        """The bill that has the operation's remote id, or None.

        Raises:
            Ambiguous: when several have it.
            Rejected: when it is archived, has another amount, or is open and was paid elsewhere; or when the vendor has a
                bill of this number that is not ours.
            AmountsDiffer: when its amount is that of the operation, in the wrong unit.
        """
        asked = read(self.client.where, operation)
        bill, remote_id = billbody.wanted(asked, self.settings.profile), asked.must("remote_id")
        # Where bills cannot be asked for by number either, one list answers both questions.
        near = self._near(bill, {}) if self.settings.profile == "2025-08" else None
        rows = self._ours(remote_id, {}, near or [], anew=operation.sent_before)
        if len(rows) > 1:
            raise Ambiguous(
                f"{asked.where}: Ramp has several bills with the remote id {remote_id}: {_named(rows)}",
                hint="archive in Ramp all but one of them",
            )
        if rows:
            self._check_found(asked, bill, rows[0])
            return Receipt({"id": str(rows[0]["id"])})
        if archived := self._ours(remote_id, {"is_archived": "true"}, [], anew=operation.sent_before):
            raise Rejected(
                f"{asked.where}: Ramp has the bill, and it is archived there: {_named(archived)}",
                hint="leave it out, or enter it in Ramp by hand and run `flowctl retry ID --there ID-THERE`",
                code="archived",
            )
        return self._of_same_number(asked, bill, remote_id, near)

    def create(self, operation: Operation) -> Receipt:
        """Enter the bill once.

        Raises:
            Ambiguous: when the answer is lost or names no bill: it may be there.
            AmountsDiffer: when Ramp's answer shows another amount.
        """
        self.client.ready(BILLS_WRITE)
        asked = read(self.client.where, operation)
        bill, settings = billbody.wanted(asked, self.settings.profile), self.settings
        is_draft = billbody.is_draft(asked, settings)
        body = billbody.create_body(bill, asked.must("remote_id"))
        body |= billbody.payment(asked, settings)
        body["entity_id"] = bill.entity_id or self.directory.entity()
        if settings.profile == "2025-08":
            body["vendor_contact_id"] = self.directory.contact(bill.vendor_id)
        else:
            body["use_default_vendor_contact"] = True
        answer = self.client.send(Call("POST", _DRAFTS if is_draft else _BILLS, json=body, write=True), BILLS_WRITE)
        row = _row(answer)
        self._check_amount(asked, bill, row)
        return Receipt({"id": str(row["id"])})

    # --- BillUpdate ---------------------------------------------------------------------------------------------------

    def find_change(self, operation: Operation) -> Receipt | None:
        """The bill when it is as it is wanted, or None when it must be changed.

        Raises:
            Rejected: when it is gone, or must be changed and cannot be.
        """
        standing, body = self._change(operation)
        return None if body else Receipt({"id": str(standing.row["id"])})

    def change(self, operation: Operation) -> Receipt:
        """Change what differs, and nothing else; once more does no harm."""
        standing, body = self._change(operation)
        if body:
            asked = read(self.client.where, operation)
            row = _row(self.client.send(Call("PATCH", standing.path, json=body, write=True), BILLS_WRITE))
            self._check_amount(asked, billbody.wanted(asked, self.settings.profile), row)
        return Receipt({"id": str(standing.row["id"])})

    def _change(self, operation: Operation) -> tuple[_Standing, dict[str, Any]]:
        asked = read(self.client.where, operation)
        bill, bill_id = billbody.wanted(asked, self.settings.profile), target(asked, operation, "id")
        standing = self._standing(bill_id)
        if standing is None or standing.row.get("archived_at"):
            raise Rejected(
                f"{asked.where}: Ramp has no bill {bill_id} any more, or it is archived",
                hint="when it is to be in Ramp, enter it there by hand; then run `flowctl reconcile --leave-out ID`",
                code="archived",
            )
        row = standing.row
        body = billbody.changes(bill, before(self.client.where, operation), row, self.settings.profile)
        there = billbody.shown(row)
        if there is not None and there[1] != bill.currency:
            raise Rejected(
                f"{asked.where}: the bill {bill_id} is in {there[1]}, and its currency cannot be changed to "
                f"{bill.currency}",
                hint="archive it in Ramp, and enter it there anew; then run `flowctl reconcile --leave-out ID`",
                code="currency",
            )
        if body and (why := _fixed(row)):
            raise Rejected(
                f"{asked.where}: the bill {bill_id} {why}, and cannot be changed: {', '.join(sorted(body))}",
                hint="change it in Ramp by hand where that is wanted, then run `flowctl retry ID`",
                code="not_changeable",
            )
        if "vendor_id" in body:
            body["vendor_contact_id"] = self.directory.contact(bill.vendor_id)
        return standing, body

    # --- BillArchive --------------------------------------------------------------------------------------------------

    def find_archived(self, operation: Operation) -> Receipt | None:
        """The bill when it is archived or gone, or None when it must be archived.

        Raises:
            Rejected: when it must be archived and cannot be.
        """
        asked = read(self.client.where, operation)
        bill_id = target(asked, operation, "id")
        standing = self._standing(bill_id)
        if standing is None or standing.row.get("archived_at"):
            return Receipt({"id": bill_id})
        if standing.is_draft:
            raise Rejected(
                f"{asked.where}: {bill_id} is a draft, which only a person can delete",
                hint="delete the draft in Ramp, then run `flowctl retry ID`",
                code="draft",
            )
        if standing.row.get("status") == "PAID":
            raise Rejected(
                f"{asked.where}: the bill {bill_id} is paid, and Ramp archives no paid bill",
                hint="in Ramp, take back its payment or enter a vendor credit; then run `flowctl retry ID`",
                code="paid",
            )
        return None

    def archive(self, operation: Operation) -> Receipt:
        """Archive the bill; Ramp refuses bills of a batch payment."""
        if (done := self.find_archived(operation)) is not None:
            return done
        asked = read(self.client.where, operation)
        bill_id = target(asked, operation, "id")
        try:
            call = Call("DELETE", f"{_BILLS}/{object_id(self.client.where, bill_id)}", write=True)
            self.client.send(call, BILLS_WRITE)
        except Rejected as error:
            # A person may have been quicker, or have paid it meanwhile.
            if (done := self.find_archived(operation)) is not None:
                return done
            raise Rejected(
                f"{error}: the bill {bill_id} is not archived",
                code=error.code,
                hint="in Ramp, take it out of its batch payment, or archive it by hand; then run `flowctl retry ID`",
            ) from error
        return Receipt({"id": bill_id})

    # --- looking ------------------------------------------------------------------------------------------------------

    def _ours(self, remote_id: str, params: Mapping[str, str], near: list[Row], *, anew: bool) -> list[Row]:
        """The bills with our remote id: by the filter that there is since 2026, else among all bills.

        What was entered for another vendor or on another day, before its source was corrected, is ours as well.
        """
        if self.settings.profile == "2026-08":
            found = self._by_filter({**params, "remote_id": remote_id}, remote_id)
            if found is not None:
                return found
        fresh = [row for row in near if row.get("remote_id") == remote_id]
        return fresh or self.register.named(self.client, remote_id, archived=bool(params), anew=anew)

    def _by_filter(self, params: Mapping[str, str], remote_id: str) -> list[Row] | None:
        """What the filter finds; None when Ramp does not know it: it then answers with everything there is."""
        found: list[Row] = []
        for page in self.client.pages(_BILLS, {**params, "page_size": PAGE}, _READ):
            if any(row.get("remote_id") != remote_id for row in page.rows):
                return None
            found += page.rows
        return found

    def _near(self, bill: billbody.Wanted, params: Mapping[str, str], path: str = _BILLS) -> list[Row]:
        """The vendor's bills of about the same date."""
        day = date.fromisoformat(bill.issued_on)
        # A source may say any day that there is, the first one of the calendar too.
        first, last = max(day, date.min + _WINDOW) - _WINDOW, min(day, date.max - _WINDOW) + _WINDOW
        window = {
            "from_issued_date": f"{first.isoformat()}T00:00:00+00:00",
            "to_issued_date": f"{last.isoformat()}T00:00:00+00:00",
        }
        asked = {**params, **window, "vendor_id": bill.vendor_id, "page_size": PAGE}
        return [row for page in self.client.pages(path, asked, _READ) for row in page.rows if _is_from(row, bill)]

    def _of_same_number(
        self, asked: Asked, bill: billbody.Wanted, remote_id: str, near: list[Row] | None
    ) -> Receipt | None:
        """None when the vendor has no bill of this number; the draft that an earlier call made, which has no remote id.

        Raises:
            Rejected: when the vendor has a bill of this number that is not ours.
        """
        rows = near
        if rows is None:
            params = {"vendor_id": bill.vendor_id, "invoice_number": bill.number, "page_size": PAGE}
            rows = [r for page in self.client.pages(_BILLS, params, _READ) for r in page.rows if _is_from(r, bill)]
        same = [row for row in rows if _has_number(row, bill.number) and row.get("remote_id") != remote_id]
        if not same and billbody.is_draft(asked, self.settings):
            drafts = [row for row in self._near(bill, {}, _DRAFTS) if _has_number(row, bill.number)]
            if len(drafts) == 1 and billbody.shown(drafts[0]) == (bill.minor, bill.currency):
                return Receipt({"id": str(drafts[0]["id"])})
            same = drafts
        if not same:
            return None
        kind = "this bill, or another of its number" if len(same) == 1 else "several bills of this number"
        raise Rejected(
            f"{asked.where}: Ramp has {kind} already, of the vendor {bill.vendor_id}: {_named(same)}",
            hint="when it is the same, run `flowctl retry ID --there ID-THERE`; else correct one of the two numbers",
            code="number_taken",
        )

    def _standing(self, bill_id: str) -> _Standing | None:
        """What the id of a bill, or of what was once a draft, stands for now."""
        row = self.client.one(_BILLS, bill_id, _READ)
        if row is not None or self.settings.profile == "2025-08":
            return None if row is None else _Standing(row, is_draft=False)
        row = self.client.one(_DRAFTS, bill_id, _READ)
        completed: list[Row] = []
        for page in self.client.pages(_BILLS, {"draft_bill_id": bill_id, "page_size": PAGE}, _READ):
            completed += [bill for bill in page.rows if bill.get("draft_bill_id") == bill_id]
            if len(completed) < len(page.rows):
                break  # the filter is not known, and this is everything there is
        if completed:
            return _Standing(completed[0], is_draft=False)
        return None if row is None else _Standing(row, is_draft=True)

    # --- amounts ------------------------------------------------------------------------------------------------------

    def _check_found(self, asked: Asked, bill: billbody.Wanted, row: Row) -> None:
        """A bill that is there already must have the amount that is wanted, and not be open when it was paid elsewhere."""
        shown = billbody.shown(row)
        if shown == (bill.minor, bill.currency):
            if asked.body.get("paid") is not None and row.get("status") == "OPEN" and row.get("payment") is None:
                raise Rejected(
                    f"{asked.where}: Ramp has the bill {_named([row])}, and it is not paid there",
                    hint="mark it as paid in Ramp, so that it is not paid twice; then run `flowctl retry ID`",
                    code="unpaid",
                )
            return
        text = f"{asked.where}: {_contrast(bill, row)}"
        if shown is not None and shown[1] == bill.currency and _is_other_unit(bill.minor, shown[0]):
            raise AmountsDiffer(text, hint=_LOOK)
        raise Rejected(
            text,
            hint="correct the bill in Ramp, or the record in its source; then run `flowctl retry ID`",
            code="amount",
        )

    def _check_amount(self, asked: Asked, bill: billbody.Wanted, row: Row) -> None:
        """What Ramp has just taken must have the amount that it was sent."""
        if billbody.shown(row) != (bill.minor, bill.currency):
            raise AmountsDiffer(f"{asked.where}: {_contrast(bill, row)}", hint=_LOOK)


_LOOK = (
    "look at the bill in Ramp: nothing more is written over this connection until its amount is right, or it is archived; "
    "when Ramp reads amounts in another unit than it documents, report it"
)


def _row(answer: Answer) -> Row:
    body = answer.json()
    if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not body["id"]:
        raise Ambiguous(f"{answer.where}: no bill with an `id` in the answer; it may or may not have been done")
    return body


def _fixed(row: Row) -> str | None:
    """Why a bill cannot be changed any more."""
    if row.get("status") == "PAID":
        return "is paid"
    return "is in the books already" if row.get("sync_status") in ("BILL_SYNCED", "BILL_AND_PAYMENT_SYNCED") else None


def _is_from(row: Row, bill: billbody.Wanted) -> bool:
    vendor = row.get("vendor")
    return isinstance(vendor, dict) and vendor.get("id") == bill.vendor_id


def _has_number(row: Row, number: str) -> bool:
    given = row.get("invoice_number")
    return isinstance(given, str) and given.strip().casefold() == number.casefold()


def _named(rows: list[Row]) -> str:
    return ", ".join(str(row["id"])[:64] for row in rows[:3])


def _contrast(bill: billbody.Wanted, row: Row) -> str:
    shown = billbody.shown(row)
    there = "no amount" if shown is None else f"{major(*shown)} {shown[1][:3]}"
    return (
        f"Ramp shows {there} for the bill {str(row['id'])[:64]}, and {major(bill.minor, bill.currency)} {bill.currency} "
        "was sent"
    )


def _is_other_unit(one: int, other: int) -> bool:
    low, high = sorted((one, other))
    return low > 0 and high % low == 0 and high // low in _HUNDREDFOLD
