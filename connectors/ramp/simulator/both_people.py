"""What people do in a campaign to the chart, the vendors and the accounting seat of a Ramp business that we write to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from connectors.ramp.simulator import syncs
from connectors.ramp.simulator.connections import switch_provider
from connectors.ramp.simulator.records import Account, Connection, ConnectionKind
from connectors.ramp.simulator.shelf import Entry, Shelf
from connectors.ramp.simulator.world import World
from engine.dataclass import dataclass

# Each with its usual rate between two runs.
DEEDS: Mapping[str, float] = {
    "person_makes_entry": 0.15, "person_makes_same": 0.15, "person_takes_out": 0.15, "person_renames": 0.1,
    "name_refused": 0.1, "name_allowed": 0.3, "seat_lost": 0.07, "seat_taken": 0.07, "seat_back": 0.6,
    "sync_pressed": 0.25, "person_links": 0.1,
}  # fmt: skip
_KINDS = ("accounts", "vendors", "field-options")
_OURS = "flowctl"


@dataclass(slots=True)
class Office:
    """Who works there, what they made, and what nobody but they may change."""

    world: World
    chance: random.Random
    # What the books have, and Ramp may have before we put it there: by kind.
    known: Mapping[str, Sequence[Account]]
    # Entries of theirs whose ids the books do not have, as they last were; and links of vendors that they made.
    foreign: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    # Every entry that a person made or changed.
    touched: set[str] = field(default_factory=set)

    @property
    def has_seat(self) -> bool:
        """Whether the accounting connection is ours."""
        active = self.world.connection()
        return active is not None and active.provider == _OURS

    def act(self, name: str) -> str:
        """Do one of `DEEDS`; returns what it was done to, empty when there was nothing."""
        return _DOINGS[name](self)

    def calm(self) -> None:
        """The seat is ours, and every name may be used."""
        _seat_back(self)
        self.world.options = replace(self.world.options, refused_names=())

    def shelves(self, kind: str) -> Iterator[Shelf]:
        """The shelves of a kind that our connection has."""
        ours = {one.id for one in self.world.connections.values() if one.provider == _OURS}
        for (connection_id, name, _), shelf in self.world.chart.all.items():
            if name == kind and connection_id in ours:
                yield shelf

    def keeps(self, object_id: str) -> bool:
        """Whether there is such an entry, also one that is out of use, or such a vendor."""
        kept = any(object_id in shelf.places for kind in _KINDS for shelf in self.shelves(kind))
        return kept or object_id in self.world.vendors

    def shows(self, object_id: str) -> str | None:
        """The name of an entry that no person has changed, empty when nobody can code to it; None for all else."""
        places = [shelf for kind in _KINDS for shelf in self.shelves(kind) if object_id in shelf.places]
        entry = places[0].get(object_id) if places and object_id not in self.touched else None
        if entry is None:
            return None
        return entry.name if entry.is_active and entry.visibility == "VISIBLE" else ""

    def codes(self, object_id: str) -> bool:
        """Whether a transaction is coded to an entry: Ramp wants its vendor in use when the transaction is told."""
        found = (shelf.get(object_id) for kind in _KINDS for shelf in self.shelves(kind))
        ids = {entry.external_id for entry in found if entry is not None}
        rows = self.world.transactions.values()
        coded = (
            each for row in rows for each in (*row.selections, *(one for line in row.lines for one in line.selections))
        )
        return any(each.account.external_id in ids for each in coded)

    def doubled(self) -> list[str]:
        """Entries of the chart whose id of the books is there more than once."""
        found = []
        for kind in (*_KINDS, "fields"):
            for shelf in self.shelves(kind):
                times = Counter(entry.external_id for entry in shelf.rows)
                found += [f"Ramp has {kind} {one} {count} times" for one, count in times.items() if count > 1]
        return found

    def spoiled(self) -> list[str]:
        """What is not as people left it."""
        found = []
        for key, (kind, entry) in self.foreign.items():
            now = next((shelf.get(key) for shelf in self.shelves(kind) if key in shelf.places), None)
            if now != entry:
                found.append(f"{kind} {entry.external_id} was made by a person, and is {now}")
        for vendor_id, remote in self.links.items():
            vendor = self.world.vendors.get(vendor_id)
            if vendor is not None and (vendor.accounting is None or vendor.accounting.external_id != remote):
                found.append(f"a person linked the vendor {vendor.name} to {remote}, and now it is {vendor.accounting}")
        return found

    def entry(self) -> tuple[str, Shelf, Entry] | None:
        """Some entry, with its kind and shelf."""
        found = [(kind, shelf, entry) for kind in _KINDS for shelf in self.shelves(kind) for entry in shelf.rows]
        return self.chance.choice(found) if found else None

    def put(self, kind: str, shelf: Shelf, entry: Entry) -> str:
        """A person's entry or change; what is not of the books is remembered as it is now."""
        shelf.put(entry)
        self.touched.add(entry.id)
        if entry.external_id.startswith("hand-"):
            self.foreign[entry.id] = (kind, entry)
        return f"{kind} {entry.external_id}"


# --- deeds ------------------------------------------------------------------------------------------------------------


def _shelf(office: Office) -> tuple[str, Shelf, str] | None:
    """A shelf that a person may add to, with the external id of its field; None while the seat is not ours."""
    active = office.world.connection()
    if active is None or not office.has_seat:
        return None
    fields = office.world.chart.of(active.id, "fields").rows
    places = [("accounts", "", ""), ("vendors", "", "")]
    places += [("field-options", item.id, item.external_id) for item in fields]
    kind, field_id, named = office.chance.choice(places)
    return kind, office.world.chart.of(active.id, kind, field_id), named


def _made(office: Office, account: Account) -> Entry:
    now = office.world.now
    more = {"classification": "EXPENSE"}
    return Entry(office.world.names.uuid("entry"), account.external_id, account.name, now, now, account.code, more=more)


def _makes_entry(office: Office) -> str:
    """One that the books do not have; it may have the name of one that they do."""
    place = _shelf(office)
    if place is None:
        return ""
    kind, shelf, named = place
    names = [item.name for item in office.known.get(named or kind, ())]
    name = office.chance.choice([*names, "Client Gifts"])
    return office.put(kind, shelf, _made(office, Account(f"hand-{len(office.foreign)}", name)))


def _makes_same(office: Office) -> str:
    """One under the id that it has in the books, before or after we put it there."""
    place = _shelf(office)
    if place is None:
        return ""
    kind, shelf, named = place
    free = [item for item in office.known.get(named or kind, ()) if item.external_id not in shelf.ids]
    if not free:
        return ""
    chosen = office.chance.choice(free)
    name = office.chance.choice((chosen.name, f"{chosen.name} (old)"))
    made = _made(office, Account(chosen.external_id, name, chosen.code))
    return office.put(kind, shelf, replace(made, is_active=office.chance.random() < 0.7))


def _takes_out(office: Office) -> str:
    """An account or vendor is deactivated, an option hidden; or the other way round."""
    found = office.entry()
    if found is None:
        return ""
    kind, shelf, entry = found
    if kind == "field-options":
        seen = "VISIBLE" if entry.visibility == "HIDDEN" else "HIDDEN"
        return office.put(kind, shelf, replace(entry, visibility=seen))
    return office.put(kind, shelf, replace(entry, is_active=not entry.is_active))


def _renames(office: Office) -> str:
    found = office.entry()
    if found is None:
        return ""
    kind, shelf, entry = found
    return office.put(kind, shelf, replace(entry, name=f"{entry.name} *"))


def _name_refused(office: Office) -> str:
    names = [item.name for items in office.known.values() for item in items]
    if not names:
        return ""
    chosen = office.chance.choice(names)
    office.world.options = replace(office.world.options, refused_names=(chosen,))
    return chosen


def _name_allowed(office: Office) -> str:
    had = office.world.options.refused_names
    office.world.options = replace(office.world.options, refused_names=())
    return ", ".join(had)


def _seat_lost(office: Office) -> str:
    """Somebody disconnects us."""
    active = office.world.connection()
    if active is None or not office.has_seat:
        return ""
    office.world.connections[active.id] = replace(active, is_active=False)
    return "nobody"


def _seat_taken(office: Office) -> str:
    """Another program, or Ramp's own integration, has the seat."""
    lost, world = _seat_lost(office), office.world
    if not lost:
        return ""
    kinds: Sequence[ConnectionKind] = ("API", "DIRECT", "CSV") if world.profile == "2026-08" else ("API",)
    kind = office.chance.choice(kinds)
    made = Connection(
        world.names.uuid("connection"), "Other Books", kind, is_active=True, created_at=world.now, linked_at=world.now
    )
    world.connections[made.id] = made
    return kind


def _seat_back(office: Office) -> str:
    """A person gives the seat to us again."""
    if office.has_seat:
        return ""
    ours = next(one for one in office.world.connections.values() if one.provider == _OURS)
    switch_provider(office.world, ours.id)
    return ours.id


def _sync_pressed(office: Office) -> str:
    if office.world.profile == "2025-08" or not office.has_seat:
        return ""
    table: syncs.ButtonKind = office.chance.choice(("transactions", "reimbursements"))
    return f"{table} {syncs.click_sync(office.world, table)}"


def _links(office: Office) -> str:
    """A person says which vendor of the books a vendor stands for: perhaps another one than we would have said."""
    vendors, known = list(office.world.vendors.values()), office.known.get("vendors", ())
    if not vendors or not known:
        return ""
    vendor, account = office.chance.choice(vendors), office.chance.choice(known)
    office.world.vendors[vendor.id] = replace(vendor, accounting=account)
    office.links[vendor.id] = account.external_id
    if office.world.profile == "2026-08":
        office.world.emit("vendors.updated", vendor.id)
    return f"{vendor.name} to {account.name}"


_DOINGS: Mapping[str, Callable[[Office], str]] = {
    "person_makes_entry": _makes_entry,
    "person_makes_same": _makes_same,
    "person_takes_out": _takes_out,
    "person_renames": _renames,
    "name_refused": _name_refused,
    "name_allowed": _name_allowed,
    "seat_lost": _seat_lost,
    "seat_taken": _seat_taken,
    "seat_back": _seat_back,
    "sync_pressed": _sync_pressed,
    "person_links": _links,
}
