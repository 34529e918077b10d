"""Lookup tables and the cached lists of a target that they point into."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.jsontext import own
from engine.store.base import LONGEST_ID, Row, Tx, is_too_long, take_number

Revision = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """One row of a lookup table: this source value means that object."""

    flow: str
    lookup: str
    source_key: str
    full_name: str
    list_id: str = ""
    label: str = ""
    origin: str = "person"


class NameTooLong(UsageError):
    """No row of a lookup table holds so long a key or name."""

    def __init__(self, lookup: str, name: str) -> None:
        super().__init__(
            f"{lookup}: `{name[:40]}...` has more than {LONGEST_ID:,} bytes, and nothing so long is looked up",
            hint="give the id of the value in the source, and the name as it is in the target",
        )


def put_mapping(tx: Tx, company: str, row: Mapping, actor: str, at: str) -> None:
    """Add or replace a row; what a person said is not overwritten by what a run found.

    Raises:
        NameTooLong: a person gave a key or a name that nothing can be looked up by.
    """
    scope = {"company": company, "flow": row.flow, "lookup": row.lookup, "source_key": row.source_key}
    too_long = next(filter(is_too_long, (row.source_key, row.full_name, row.list_id)), None)
    if too_long is not None and row.origin == "person":
        raise NameTooLong(row.lookup, too_long)
    if too_long is not None:  # nothing that is so long is looked up
        return
    if row.origin != "person":
        kept = tx.one("mapping_get", scope)
        if kept is not None and kept["origin"] == "person":
            return
    take_number(tx, f"mappings:{company}")
    tx.run(
        "mapping_put",
        {
            **scope,
            "label": row.label,
            "list_id": row.list_id,
            "full_name": row.full_name,
            "origin": row.origin,
            "actor": actor,
            "at": at,
        },
    )


def drop_mapping(tx: Tx, company: str, flow: str, lookup: str, source_key: str) -> bool:
    """Remove a row; False when there was none."""
    scope = {"company": company, "flow": flow, "lookup": lookup, "source_key": source_key}
    take_number(tx, f"mappings:{company}")
    return tx.run("mapping_delete", scope) == 1


def mappings(tx: Tx, company: str, flow: str, lookup: str = "") -> list[Row]:
    """The rows of one lookup table of a flow, or of all."""
    return tx.rows("mappings_of", {"company": company, "flow": flow, "lookup": lookup})


def is_mapped(tx: Tx, company: str, flow: str, lookup: str, list_id: str) -> bool:
    """Whether a row of a lookup table means this object."""
    scope = {"company": company, "flow": flow, "lookup": lookup, "list_id": list_id}
    return tx.one("mapping_exists_to", scope) is not None


def unresolved(tx: Tx, company: str, flow: str, lookup: str) -> frozenset[str]:
    """What rows name whose object was not known when they were made, folded: full names, perhaps a ListID."""
    rows = tx.rows("mappings_unresolved", {"company": company, "flow": flow, "lookup": lookup})
    return frozenset(row["full_name"].casefold() for row in rows)


def ensure(tx: Tx, company: str, name: str) -> None:
    """Know the list; it is due until it was read."""
    tx.run("list_create", {"company": company, "list": name})


def due(tx: Tx, company: str, stale_before: str, wanted: Collection[str] = ()) -> tuple[str, ...]:
    """Lists to read: never read, expired, or read before `stale_before`; those `wanted` are known from now on."""
    rows = tx.rows("lists_of", {"company": company})
    known = {row["list"] for row in rows}
    unknown = [name for name in wanted if name not in known]
    for name in unknown:
        ensure(tx, company, name)
    if unknown:
        rows = tx.rows("lists_of", {"company": company})
    return tuple(
        row["list"] for row in rows if row["due"] or row["loaded_at"] is None or row["loaded_at"] < stale_before
    )


def know(tx: Tx, company: str, names: Collection[str]) -> None:
    """Know these lists; each is due until it was read."""
    known = {row["list"] for row in tx.rows("lists_of", {"company": company})} if names else frozenset()
    for name in names:
        if name not in known:
            ensure(tx, company, name)


def loaded(tx: Tx, company: str, name: str) -> bool:
    """Whether the list was ever read completely."""
    row = tx.one("list_get", {"company": company, "list": name})
    return row is not None and row["loaded_at"] is not None


def standing(tx: Tx, company: str) -> tuple[Revision, frozenset[str]]:
    """What changes whenever any list or mapping of the company does, and the lists that were ever read completely."""
    rows = tx.rows("lists_standing", {"company": company, "mappings": f"mappings:{company}"})
    revision = sorted((row["list"], row["revision"]) for row in rows)
    return tuple(revision), frozenset(row["list"] for row in rows if row["loaded_at"] is not None)


def expire(tx: Tx, company: str, name: str) -> None:
    """Make a list due."""
    tx.run("list_expire", {"company": company, "list": name})


def store_page(tx: Tx, company: str, name: str, objects: Sequence[ListObject], *, first: bool) -> None:
    """Keep a page of a list that is being read."""
    scope = {"company": company, "list": name}
    statement = "list_begin" if first else "list_get"
    row = tx.one(statement, scope)
    if row is None:
        ensure(tx, company, name)
        row = tx.one(statement, scope)
    assert row is not None
    _put(tx, company, name, objects, row["loading"])


def finish(tx: Tx, company: str, name: str, at: str) -> int:
    """The last page came: drop what did not appear; returns how many objects were dropped."""
    row = tx.one("list_get", {"company": company, "list": name})
    assert row is not None
    gone = tx.run("list_objects_gone", {"company": company, "list": name, "loading": row["loading"]})
    tx.run("list_done", {"company": company, "list": name, "at": at, "changed": 1})
    return gone


def add(tx: Tx, company: str, name: str, item: ListObject) -> None:
    """Know an object that was just created, until the list is next read."""
    ensure(tx, company, name)
    row = tx.one("list_get", {"company": company, "list": name})
    assert row is not None
    _put(tx, company, name, [item], row["loading"])
    tx.run("list_touch", {"company": company, "list": name})


def objects(tx: Tx, company: str, name: str) -> list[ListObject]:
    """All objects of a list."""
    return [_object(row) for row in tx.rows("list_objects_of", {"company": company, "list": name})]


def names(tx: Tx, company: str, name: str) -> list[ListObject]:
    """All objects of a list in the order of their names, with id, name, number and whether they are active alone."""
    rows = tx.rows("list_names_of", {"company": company, "list": name})
    return [ListObject(row["list_id"], row["full_name"], bool(row["active"]), row["number"]) for row in rows]


def after(tx: Tx, company: str, name: str, list_id: str, limit: int) -> list[ListObject]:
    """The objects whose ids come after this one, in the order of their ids."""
    scope = {"company": company, "list": name, "after": list_id, "limit": limit}
    return [_object(row) for row in tx.rows("list_objects_after", scope)]


def named(tx: Tx, company: str, name: str, full_name: str) -> ListObject | None:
    """The object of that name, an active one before an inactive one; None when several are active."""
    rows = tx.rows("list_object_named", {"company": company, "list": name, "folded": full_name.casefold()})
    return _object(rows[0]) if rows and not (len(rows) > 1 and rows[1]["active"]) else None


def namesakes(tx: Tx, company: str, name: str, full_name: str) -> list[ListObject]:
    """The active objects of that name, in the order of their ids: a target that is called may have several."""
    rows = tx.rows("list_object_named", {"company": company, "list": name, "folded": full_name.casefold()})
    return [_object(row) for row in rows if row["active"]]


def by_id(tx: Tx, company: str, name: str, list_id: str) -> ListObject | None:
    """The object of that ListID."""
    row = tx.one("list_object_get", {"company": company, "list": name, "list_id": list_id})
    return _object(row) if row else None


def numbered(tx: Tx, company: str, name: str, number: str) -> ListObject | None:
    """The one active object of that number; None when there is none, or more than one."""
    rows = tx.rows("list_object_numbered", {"company": company, "list": name, "number": number})
    return _object(rows[0]) if len(rows) == 1 else None


def _put(tx: Tx, company: str, name: str, items: Sequence[ListObject], loading: int) -> None:
    tx.many(
        "list_object_put",
        [
            (
                company, name, item.list_id, item.full_name, _sought(item.full_name.casefold()), _sought(item.number),
                int(item.active),
                item.edit_sequence, json.dumps(dict(item.data)), loading,
            )
            for item in items
        ],
    )  # fmt: skip


def _sought(name: str) -> str:
    """By what an object is looked up: by nothing where that is too long."""
    return "" if is_too_long(name) else name


def _object(row: Row) -> ListObject:
    return ListObject(
        row["list_id"],
        row["full_name"],
        bool(row["active"]),
        row["number"],
        row["edit_sequence"],
        own(row["data"]),
    )
