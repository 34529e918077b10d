"""Looks up who and what a new vendor or bill belongs to: the entity, the owner, the contact. Asked once a connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from connectors.ramp.client import API, RampClient
from connectors.ramp.ids import object_id
from connectors.ramp.settings import Settings
from connectors.ramp.spec import STREAM_SCOPES
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import Rejected

Row = dict[str, Any]
PAGE = "100"


@dataclass(slots=True)
class Directory:
    """What has been looked up while a connection is open."""

    client: RampClient
    settings: Settings
    _entity: str | None = None
    _owner: str | None = None
    _contacts: dict[str, str] = field(default_factory=dict)

    def entity(self) -> str:
        """The entity of the settings, else the main one.

        Raises:
            Rejected: when Ramp shows no main entity, or several.
        """
        if self.settings.entity_id is not None:
            return self.settings.entity_id
        if self._entity is None:
            rows = self._rows("/entities", {"is_primary": "true"}, STREAM_SCOPES["entities"])
            found = [str(row["id"]) for row in rows if row.get("is_primary") is True]
            if len(found) != 1:
                raise Rejected(
                    f"{self.client.where}: Ramp shows {len(found) or 'no'} main entities",
                    hint="give the setting `entity_id`",
                )
            self._entity = found[0]
        return self._entity

    def owner(self) -> str | None:
        """Ramp's id of the user who owns new vendors; None when there is no such setting, and none is needed.

        Raises:
            Rejected: when nobody is named and profile 2025-08 needs an owner, or when Ramp has no such user.
        """
        named = self.settings.vendor_owner
        if named is None and self.settings.profile == "2025-08":
            raise Rejected(
                f"{self.client.where}: profile 2025-08 needs an owner of a new vendor", hint=self._name_owner
            )
        if named is None or "@" not in named:
            return named
        if self._owner is None:
            rows = self._rows("/users", {"email": named}, STREAM_SCOPES["users"])
            found = [str(row["id"]) for row in rows if str(row.get("email")).casefold() == named.casefold()]
            if len(found) != 1:
                raise Rejected(
                    f"{self.client.where}: Ramp has no user with the e-mail address of `vendor_owner`",
                    hint=self._name_owner,
                )
            self._owner = found[0]
        return self._owner

    @property
    def _name_owner(self) -> str:
        company, _, connection = self.client.where.partition("/")
        command = f"flowctl connect {connection}{of_company(company)} --set vendor_owner=ap@acme.example"
        return f"name an active Ramp user by id or e-mail address with `{command}`; then run `flowctl retry ID`"

    def contact(self, vendor_id: str) -> str:
        """Ramp's id of the vendor's default contact, else of its first.

        Raises:
            Rejected: when the vendor has none.
        """
        if vendor_id not in self._contacts:
            path = f"/vendors/{object_id(self.client.where, vendor_id)}/contacts"
            rows = list(self._rows(path, {}, STREAM_SCOPES["vendors"]))
            rows.sort(key=lambda row: row.get("is_default") is not True)
            if not rows:
                raise Rejected(
                    f"{self.client.where}: the vendor {vendor_id} has no contact in Ramp, and a bill needs one",
                    hint="add a contact with an e-mail address to the vendor in Ramp, then run `flowctl retry ID`",
                )
            self._contacts[vendor_id] = str(rows[0]["id"])
        return self._contacts[vendor_id]

    def _rows(self, path: str, params: Mapping[str, str], scope: str) -> Iterator[Row]:
        for page in self.client.pages(f"{API}{path}", {**params, "page_size": PAGE}, scope):
            yield from page.rows
