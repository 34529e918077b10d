"""Creates, changes and links vendors in Ramp, and finds those that are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors._http import Answer, Call
from connectors.ramp.client import API, RampClient
from connectors.ramp.directory import PAGE, Directory
from connectors.ramp.operations import Asked, before, read, target
from connectors.ramp.requests import VENDOR_LINK
from connectors.ramp.settings import Settings
from connectors.ramp.spec import STREAM_SCOPES, VENDORS_WRITE
from engine.contract import Operation, Receipt
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import Ambiguous, Rejected

Row = dict[str, Any]
_VENDORS = f"{API}/vendors"
_READ = STREAM_SCOPES["vendors"]
_COUNTRY = re.compile(r"[A-Z]{2}")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_ADDRESS = ("address_line_1", "address_line_2", "city", "state", "postal_code", "country")
_NEEDED = ("address_line_1", "city", "postal_code")
_LINK = "accounting_vendor_remote_id"


@dataclass(frozen=True, slots=True)
class Payees:
    """Vendors over one open connection."""

    client: RampClient
    settings: Settings
    directory: Directory

    # --- VendorCreate -------------------------------------------------------------------------------------------------

    def find_new(self, operation: Operation) -> Receipt | None:
        """The vendor that has our id, else the only one of that name; None when there is neither.

        That two of the source have one name, and so would become one here, the engine notices and asks a person.

        Raises:
            Ambiguous: when several fit.
            Rejected: when the only one that fits is switched off: who did that does not want it used.
        """
        asked = read(self.client.where, operation)
        name, external = asked.must("name"), asked.text("external_vendor_id")
        found: list[Row] = []
        if external is not None and self.settings.profile == "2026-08":
            found = self._by_filter("external_vendor_id", external)
        if not found:
            found = [row for row in self._by_name(name) if _plain(row.get("name")) == _plain(name)]
        active = [row for row in found if row.get("is_active") is not False]
        if found and not active:
            raise Rejected(
                f"{asked.where}: Ramp has the vendor {found[0]['id']}, and it is not active",
                hint="activate it in Ramp, or make the vendor inactive in the source; then run `flowctl retry ID`",
                code="inactive",
            )
        if len(active) > 1:
            listed = ", ".join(str(row["id"]) for row in active[:3])
            raise Ambiguous(
                f"{asked.where}: Ramp has several vendors that fit: {listed}",
                hint="make inactive in Ramp those that are not used, or run `flowctl retry ID --there ID-THERE`",
            )
        return _receipt(active[0], name) if active else None

    def create(self, operation: Operation) -> Receipt:
        """Create the vendor once; Ramp is asked not to write to it.

        Raises:
            Rejected: without a country or an e-mail address, which Ramp wants of every vendor.
            Ambiguous: when the answer is lost or names no vendor.
        """
        self.client.ready(VENDORS_WRITE)
        asked = read(self.client.where, operation)
        name = asked.must("name")
        body: dict[str, Any] = {
            "name": name,
            "business_vendor_contacts": self._contact(asked),
            "request_payment_details": False,
            "request_tax_details": False,
            **self._place(asked, needed=True),
        }
        if (link := asked.text(_LINK)) is not None:
            body[_LINK] = link
        if self.settings.profile == "2026-08" and (external := asked.text("external_vendor_id")) is not None:
            body["external_vendor_id"] = external
        if (owner := self.directory.owner()) is not None:
            body["vendor_owner_id"] = owner
        answer = self.client.send(Call("POST", _VENDORS, json=body, write=True), VENDORS_WRITE)
        return _receipt(_row(answer), name)

    # --- VendorUpdate and VendorLink ----------------------------------------------------------------------------------

    def find_change(self, operation: Operation) -> Receipt | None:
        """The vendor when it is as it is wanted, or None when it must be changed.

        Raises:
            Rejected: when Ramp has no such vendor any more, or one that is to be linked is linked to another already.
        """
        row, body = self._change(operation)
        return None if body else Receipt({"id": str(row["id"])})

    def change(self, operation: Operation) -> Receipt:
        """Change what differs, and nothing else; once more does no harm."""
        row, body = self._change(operation)
        if body:
            path = f"{_VENDORS}/{row['id']}"
            _row(self.client.send(Call("PATCH", path, json=body, write=True), VENDORS_WRITE))
        return Receipt({"id": str(row["id"])})

    def _change(self, operation: Operation) -> tuple[Row, dict[str, Any]]:
        asked = read(self.client.where, operation)
        vendor_id = target(asked, operation, "vendor_id")
        row = self.client.one(_VENDORS, vendor_id, _READ)
        if row is None:
            raise Rejected(
                f"{asked.where}: Ramp has no vendor {vendor_id} any more",
                hint="map it to the vendor that took its place, if any; then run `flowctl reconcile --leave-out ID`",
                code="gone",
            )
        there, link = row.get(_LINK), asked.text(_LINK)
        if operation.request == VENDOR_LINK and isinstance(there, str) and there not in ("", link):
            # Whoever has linked it since it was read knows better which vendor it is.
            raise Rejected(
                f"{asked.where}: Ramp links the vendor {vendor_id} to {there[:60]} already, and nothing was changed",
                hint="if that is the wrong one, take the link away in Ramp and run `flowctl retry ID`",
                code="linked",
            )
        wanted: dict[str, Any] = {**self._place(asked, needed=False)}
        for name in ("description", _LINK):
            # What was written before and is wanted no more cannot be taken out: a PATCH takes no null for it.
            if (value := asked.text(name)) is not None:
                wanted[name] = value
        if wanted.get("state") is None and before(self.client.where, operation).text("state") is None:
            wanted.pop("state", None)
        return row, {name: value for name, value in wanted.items() if not _same(value, row.get(name))}

    # --- what both send -----------------------------------------------------------------------------------------------

    def _contact(self, asked: Asked) -> dict[str, str]:
        email = asked.text("email") or self.settings.vendor_email
        if email is None or not _EMAIL.fullmatch(email):
            what = "without an e-mail address" if email is None else "with an e-mail address that is none"
            raise Rejected(
                f"{asked.where}: {what}, and Ramp wants one of every vendor",
                hint=self._for_all("vendor_email", "ap@acme.example"),
                code="no_email",
            )
        contact = {"email": email}
        first, _, last = (asked.text("contact_name") or "").partition(" ")
        parts = {"first_name": first, "last_name": last.strip(), "phone": asked.text("phone") or ""}
        return contact | {name: value for name, value in parts.items() if value}

    def _for_all(self, setting: str, example: str) -> str:
        company, _, connection = self.client.where.partition("/")
        command = f"flowctl connect {connection}{of_company(company)} --set {setting}={example}"
        return f"give the vendor one in the source, or all that have none with `{command}`; then run `flowctl retry ID`"

    def _place(self, asked: Asked, *, needed: bool) -> dict[str, Any]:
        """Country, state and address; Ramp wants a state of vendors in the US only."""
        country = (asked.text("country") or (self.settings.vendor_country if needed else None) or "").upper()
        if needed and not country:
            raise Rejected(
                f"{asked.where}: without a country, and Ramp wants one of every vendor",
                hint=self._for_all("vendor_country", "US"),
                code="no_country",
            )
        if country and not _COUNTRY.fullmatch(country):
            raise Rejected(
                f"{asked.where}: `country` is no code of two letters",
                hint="map it to one, for example US",
                code="country",
            )
        place: dict[str, Any] = {"country": country} if country else {}
        if country == "US":
            state = asked.text("state")
            place |= {"state": state} if state is not None or not needed else {}
        address = asked.part("address")
        if address is not None:
            given = {name: value for name in _ADDRESS if (value := address.text(name)) is not None}
            if all(name in given for name in _NEEDED):
                place["address"] = given
        return place

    # --- looking ------------------------------------------------------------------------------------------------------

    def _by_name(self, name: str) -> list[Row]:
        params = {"name": name, "page_size": PAGE}
        return [row for page in self.client.pages(_VENDORS, params, _READ) for row in page.rows]

    def _by_filter(self, name: str, value: str) -> list[Row]:
        """What a filter finds; nothing when Ramp does not know it and answers with everything there is."""
        found: list[Row] = []
        for page in self.client.pages(_VENDORS, {name: value, "page_size": PAGE}, _READ):
            fitting = [row for row in page.rows if row.get(name) == value]
            found += fitting
            if len(fitting) < len(page.rows):
                break
        return found


def _row(answer: Answer) -> Row:
    body = answer.json()
    if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not body["id"]:
        raise Ambiguous(f"{answer.where}: no vendor with an `id` in the answer; it may or may not have been done")
    return body


def _receipt(row: Row, name: str) -> Receipt:
    given = row.get("name")
    return Receipt({"id": str(row["id"]), "name": given if isinstance(given, str) and given else name})


def _plain(name: object) -> str:
    """A name without regard to case and to the number of blanks."""
    return " ".join(name.split()).casefold() if isinstance(name, str) else ""


def _same(wanted: object, there: object) -> bool:
    """Whether Ramp has what is wanted; of an address, no more than the parts that are wanted."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(there.get(name) == value for name, value in wanted.items())
    return wanted == there
