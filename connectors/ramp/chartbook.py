"""What Ramp's chart of accounts holds, asked for once a pass: whole lists, or single entries when only few are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from connectors._http import Call
from connectors.ramp.chartkinds import OPTION, Entry, Kind, entry_of
from connectors.ramp.client import API, RampClient, RawPage
from connectors.ramp.ids import object_id
from connectors.ramp.settings import Settings
from engine.dataclass import dataclass
from engine.errors import BadAnswer, Rejected

READ_SCOPE = "accounting:read"
WRITE_SCOPE = "accounting:write"
# So many entries are asked for one by one; of more, the whole list is read, which has 100 of them in a page.
FEW = 10
_TAX_FIELD = "Tax Code"


@dataclass(frozen=True, slots=True)
class Field:
    """A field that options belong to."""

    ramp_id: str
    active: bool
    input_type: str


class Chart:
    """Paths, parameters and bodies of one connection's chart, and its fields."""

    def __init__(self, client: RampClient, settings: Settings) -> None:
        self.client = client
        self.profile = settings.profile
        self._scoped_to = settings.accounting_connection_id
        self._fields: dict[str, Field] | None = None
        self._has_tax_field = False

    def path(self, kind_path: str, ramp_id: str = "") -> str:
        """Where a kind, or one entry of it, is."""
        return f"{API}/accounting/{kind_path}" + (f"/{ramp_id}" if ramp_id else "")

    def body(self, **values: Any) -> dict[str, Any]:
        """A request's body, with the inactive connection that it is meant for, if any."""
        scope = {"accounting_connection_id": self._scoped_to} if self._scoped_to else {}
        return {**values, **scope}

    def rows(self, kind_path: str, **params: str) -> Iterator[RawPage]:
        """All rows of a list, inactive ones included, since `is_active` is not set."""
        scope = {"accounting_connection_id": self._scoped_to} if self._scoped_to else {}
        for page in self.client.pages(self.path(kind_path), {**params, **scope}, READ_SCOPE, key="ramp_id"):
            yield RawPage([row for row in page.rows if self._ours(row)], page.next)

    def field(self, field_id: str) -> Field | None:
        """A field by our id of it."""
        if self._fields is None:
            found = (row for page in self.rows("fields") for row in page.rows if isinstance(row.get("id"), str))
            self._fields = {row["id"]: _field(row) for row in found}
        return self._fields.get(field_id)

    def made_field(self, field_id: str, name: str) -> Field:
        """The field, made or reactivated where needed; Ramp answers with the one that is there (FACTS.md section 5).

        Raises:
            Rejected: when it is no field that one chooses an option of.
        """
        known = self.field(field_id)
        if known is None or not known.active:
            body = self.body(id=field_id, name=name or field_id, input_type="SINGLE_CHOICE", is_splittable=True)
            # Asking twice does no harm, so a lost answer is simply tried again: it is no write in that sense.
            answer = self.client.send(Call("POST", self.path("fields"), json=body), WRITE_SCOPE)
            row = answer.json()
            if not isinstance(row, dict) or row.get("id") != field_id or not isinstance(row.get("ramp_id"), str):
                raise BadAnswer(f"{answer.where}: no field with our `id` and a `ramp_id`")
            known = _field(row)
            assert self._fields is not None
            self._fields[field_id] = known
        if known.input_type not in ("SINGLE_CHOICE", ""):
            raise Rejected(
                f"{self.client.where}: the field `{field_id[:60]}` of Ramp takes no options ({known.input_type[:30]})",
                hint="give the flow's field another id, or remove that field in Ramp",
            )
        return known

    def make_tax_field(self) -> None:
        """See to it that there is the one tax code field, which options of it need."""
        if self._has_tax_field:
            return
        scope = f"?accounting_connection_id={self._scoped_to}" if self._scoped_to else ""
        # ASSUMED: where there is no such field, Ramp answers 404.
        if self.client.find(f"{self.path('tax/code')}{scope}", READ_SCOPE) is None:
            body = self.body(name=_TAX_FIELD)
            self.client.send(Call("POST", self.path("tax/code"), json=body, write=True), WRITE_SCOPE)
        self._has_tax_field = True

    def _ours(self, row: Mapping[str, Any]) -> bool:
        """Ramp answers a parameter that it does not know with everything: what says to be another's is left out."""
        told = row.get("accounting_connection_id")
        return self._scoped_to is None or told is None or told == self._scoped_to


@dataclass(slots=True)
class Book:
    """What is known of one kind's entries; for options, of one field's."""

    chart: Chart
    kind: Kind
    field_id: str = ""
    # Whether a refused upload has had the list read anew; once a pass is enough.
    doubted: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)
    _by_ramp: dict[str, Entry] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)
    _whole: bool = False

    def look_up(self, ids: Iterable[str]) -> dict[str, Entry]:
        """Those of the entries that Ramp has, by our id; inactive and hidden ones too."""
        wanted = list(dict.fromkeys(ids))
        params = self._params() if wanted else None
        if params is None:
            return {}
        unknown = [one for one in wanted if not self._whole and one not in self.entries and one not in self._absent]
        if unknown and (len(unknown) > FEW or not self.kind.by_id):
            self.read()
        else:
            for one in unknown:
                self._ask(one, params)
        return {one: self.entries[one] for one in wanted if one in self.entries}

    def of(self, ramp_id: str) -> Entry | None:
        """An entry by Ramp's own id, as it is now."""
        known = self._by_ramp.get(ramp_id)
        if known is None and not self.kind.by_id:
            self.read()
            known = self._by_ramp.get(ramp_id)
        if known is not None or self._whole:
            return known
        path = self.chart.path(self.kind.path, object_id(self.chart.client.where, ramp_id))
        row = self.chart.client.find(path, READ_SCOPE)
        if row is None:
            return None
        if row.get("ramp_id") != ramp_id:
            raise BadAnswer(
                f"{self.chart.client.where}: Ramp answered with another {self.kind.title} than was asked for"
            )
        return self.learn(row)

    def read(self) -> None:
        """Read the whole list, unless that was done."""
        params = self._params()
        if self._whole or params is None:
            return
        for page in self.chart.rows(self.kind.path, **params):
            for row in page.rows:
                self.learn(row)
        self._whole, self._absent = True, set()

    def learn(self, row: Mapping[str, Any]) -> Entry | None:
        """Keep a row that Ramp has sent; of two with one id, the active one."""
        entry = entry_of(self.kind, row)
        if entry is not None:
            before = self.entries.get(entry.id)
            if before is None or before.ramp_id == entry.ramp_id or not before.active:
                self.entries[entry.id] = entry
            self._by_ramp[entry.ramp_id] = entry
            self._absent.discard(entry.id)
        return entry

    def forget(self) -> None:
        """Nothing is known any more: an answer was lost, or Ramp says that things are otherwise."""
        self.entries, self._by_ramp, self._absent, self._whole = {}, {}, set(), False

    def _params(self) -> dict[str, str] | None:
        """Parameters of the list; None when its field does not exist, so that there can be no entries."""
        if self.kind is not OPTION:
            return {}
        known = self.chart.field(self.field_id)
        return None if known is None else {"field_id": known.ramp_id}

    def _ask(self, one: str, params: Mapping[str, str]) -> None:
        """Ask for one entry; an answer that holds others shows that Ramp did not take the filter: read all."""
        for page in self.chart.rows(self.kind.path, **params, remote_id=one):
            for row in page.rows:
                self.learn(row)
            if page.next or any(row.get("id") != one for row in page.rows):
                self.read()
                return
        if one not in self.entries:
            self._absent.add(one)


def _field(row: Mapping[str, Any]) -> Field:
    return Field(row["ramp_id"], row.get("is_active") is not False, str(row.get("input_type") or ""))
