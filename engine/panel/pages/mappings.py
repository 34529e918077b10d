"""The mapping tables of a company: what each value of the source means in the books, who said so, and as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode

from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.listsource import kept_as
from engine.model import Flow, Lookup
from engine.operator import mapfile, suggesting, targets, tomap, worklist
from engine.operator.tomap import Where
from engine.panel import flows, forms
from engine.panel.web import ROOT, Answer, Ask, Given, Page, PageMissing, Sent, Shown
from engine.store import lists, missing
from engine.store.base import Row, Tx

PATH = "/c/{company}/mappings"
TABLE = PATH + "/{flow}/{lookup}"
_SIZE = 50
_LONGEST, _LONGEST_KEY = 200, 2000
# So many names a browser completes without JavaScript; a longer list is searched.
_COMPLETED = 400
_GONE = "That row is not in the table any more."


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table at a glance; `entry` is None where no flow that is served has it any more."""

    flow: str
    lookup: str
    entry: Lookup | None
    rows: int = 0
    changed_at: str = ""
    missed: int = 0


def _tables(ask: Ask) -> Answer:
    company = str(ask.where["company"])
    with ask.world.store.read(ask.code) as tx:
        where = flows.where(ask, tx)
        counts = missing.mapping_counts(tx, company)
        missed: dict[tuple[str, str], int] = {}
        for it in missing.groups(tx, company):
            missed[it.flow, it.lookup] = missed.get((it.flow, it.lookup), 0) + 1
        entries = {(flow.name, each.name): each for flow in where.flows.values() for each in flow.lookups}
        used = {flow.name for flow in flows.used(tx, company, where.flows)}
    shown = [place for place in entries if place[0] in used or place in counts or place in missed]
    tables = [
        Table(
            *place,
            entries.get(place),
            counts[place]["count"] if place in counts else 0,
            counts[place]["updated_at"] if place in counts else "",
            missed.get(place, 0),
        )
        for place in dict.fromkeys([*shown, *counts])
    ]
    return Shown("mappings.html", {"tables": tables})


def _table(ask: Ask) -> Answer:
    text = forms.clean(ask.query.get("text", ""))[:_LONGEST]
    after = ask.query.get("after", "")[:_LONGEST_KEY]
    flow, lookup = ask.path["flow"], ask.path["lookup"]
    with ask.world.store.read(ask.code) as tx:
        where, entry = _place(ask, tx)
        place = (where.company, flow, lookup)
        found = missing.mappings_page(tx, place, text, after, _SIZE + 1)
        is_read = entry is not None and lists.loaded(tx, where.company, kept_as(where.flows[flow], entry))
        rows = [(row, _trouble(tx, where, row, entry if is_read else None)) for row in found[:_SIZE]]
    following = ""
    if len(found) > _SIZE:
        following = f"{ROOT}{to_table(ask)}?{urlencode({'text': text, 'after': found[_SIZE - 1]['source_key']})}"
    values = {"rows": rows, "text": text, "after": after, "following": following, "entry": entry, "is_read": is_read}
    return Shown("mapping_table.html", {**values, "flow": flow, "lookup": lookup})


def _trouble(tx: Tx, where: Where, row: Row, entry: Lookup | None) -> str:
    """What is wrong with a row: its object has left the list, or is switched off there."""
    if entry is None:
        return ""
    flow = where.flows[row["flow"]]
    if not row["list_id"] and targets.is_matched(flow, entry):
        return ""
    kept = kept_as(flow, entry)
    if row["list_id"]:
        found = lists.by_id(tx, where.company, kept, row["list_id"])
    else:
        found = lists.named(tx, where.company, kept, row["full_name"])
    return "not there any more" if found is None else "" if found.active else "inactive"


def _row(ask: Ask) -> Answer:
    key = ask.query.get("key", "")[:_LONGEST_KEY]
    with ask.world.store.read(ask.code) as tx:
        row = _kept(tx, ask, key) if key else None
        if key and row is None:
            return Sent(to_table(ask), bad=_GONE)
        typed = {"key": key, "label": row["label"] if row else "", "target": row["full_name"] if row else ""}
        return _form(ask, tx, typed, row)


def _form(ask: Ask, tx: Tx, typed: Mapping[str, str], row: Row | None, error: FlowctlError | None = None) -> Shown:
    where, (flow, entry) = flows.where(ask, tx), entry_of(ask, tx)
    known = suggesting.known(ask.world.store, tx, where.company, flow, entry)
    names = [item for item in known.search("", _COMPLETED + 1) if item.active]
    matched = targets.is_matched(flow, entry)
    values = {
        "typed": typed,
        "row": row,
        "entry": entry,
        "known": known,
        "is_matched": matched,
        "names": names if len(names) <= _COMPLETED and not matched else [],
        "error": str(error) if error else "",
        "hint": error.hint or "" if error else "",
        "flow": flow.name,
    }
    return Shown("mapping_row.html", values, 422 if error else 200)


def _save(ask: Ask) -> Answer:
    changed = "old" in ask.form or "old_coded" in ask.form
    # The key of a row that is there stands as it does in the source, whatever is in it.
    key = (
        forms.exact(ask.form, "old")[:_LONGEST_KEY] if changed else forms.clean(ask.form.get("key", ""))[:_LONGEST_KEY]
    )
    label, target = (forms.clean(ask.form.get(name, ""))[:_LONGEST_KEY] for name in ("label", "target"))
    typed = {"key": key, "label": label, "target": target}
    with ask.world.store.read(ask.code) as tx:
        flow, entry = entry_of(ask, tx)
        row = _kept(tx, ask, key) if changed else None
        if changed and row is None:
            return Sent(to_table(ask), bad=_GONE)
        if not (key and target):
            return _form(ask, tx, typed, row, Incomplete())
        if not changed and (there := _kept(tx, ask, key)) is not None:
            return _form(ask, tx, typed, row, RowThere(there))
    try:
        with ask.world.store.write(ask.code) as tx:
            _still(tx, ask, key, is_new=not changed)
            saved = tomap.put(tx, ask.hand, flow, entry, (key, target, label))
    except FlowctlError as error:
        with ask.world.store.read(ask.code) as tx:
            return _form(ask, tx, typed, _kept(tx, ask, key) if changed else None, error)
    ask.poke()
    checked = "" if saved.verified else " The name could not be checked: that list was never read."
    return Sent(to_table(ask), good=f"{label or key} means {saved.full_name}; {went_on(saved.woken)}.{checked}")


def _still(tx: Tx, ask: Ask, key: str, *, is_new: bool) -> None:
    """Whether the row is as the page has shown it: nobody's word is taken back by somebody who has not seen it.

    Raises:
        RowThere, RowGone, RowChanged: when it is not.
    """
    row = _kept(tx, ask, key)
    if is_new:
        if row is not None:
            raise RowThere(row)
        return
    if row is None:
        raise RowGone
    if forms.exact(ask.form, "was") and not _is_as_shown(ask, row):
        raise RowChanged(row)


def _is_as_shown(ask: Ask, row: Row) -> bool:
    """Whether a row means what it meant when the page with the button was made; one name may stand for two ids in time."""
    return (forms.exact(ask.form, "was"), forms.exact(ask.form, "was_id")) == (row["full_name"], row["list_id"])


def _ask_removal(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        entry_of(ask, tx)
        row = _kept(tx, ask, ask.query.get("key", ""))
    return Sent(to_table(ask), bad=_GONE) if row is None else _removal(ask, row)


def _removal(ask: Ask, row: Row, error: FlowctlError | None = None) -> Shown:
    told = {"error": str(error) if error else "", "hint": error.hint or "" if error else ""}
    values = {"row": row, "flow": ask.path["flow"], "lookup": ask.path["lookup"], **told}
    return Shown("mapping_remove.html", values, 422 if error else 200)


def _remove(ask: Ask) -> Answer:
    key = forms.exact(ask.form, "key")
    with ask.world.store.write(ask.code) as tx:
        flow, entry = entry_of(ask, tx)
        row = _kept(tx, ask, key)
        if row is not None and not _is_as_shown(ask, row):
            return _removal(ask, row, NotAsShown(row))
        gone = row is None or not worklist.drop_mapping(tx, ask.hand, flow, entry.name, key)
    if gone or row is None:
        return Sent(to_table(ask), bad=_GONE)
    ask.poke()
    return Sent(
        to_table(ask), good=f"{row['label'] or key} is no longer mapped. What was posted with it stays as it is."
    )


def _export(ask: Ask) -> Answer:
    flow, lookup = ask.path["flow"], ask.path["lookup"]
    company = str(ask.where["company"])
    with ask.world.store.read(ask.code) as tx:
        _place(ask, tx)
        rows = list(_exported(tx, company, flow, lookup, with_missing="missing" in ask.query))
    # With the mark, spreadsheets read it as UTF-8.
    body = mapfile.write(rows).encode("utf-8-sig", "replace")
    return Given(body, "text/csv; charset=utf-8", f"{company}_{flow}_{lookup}.csv")


def _exported(tx: Tx, company: str, flow: str, lookup: str, *, with_missing: bool) -> Iterator[Mapping[str, str]]:
    """The rows of a table; and one to be filled in for each value that records wait for."""
    for row in lists.mappings(tx, company, flow, lookup):
        names = ("lookup", "label", "full_name", "list_id")
        yield {**{name: str(row[name]) for name in names}, "key": row["source_key"]}
    for it in missing.groups(tx, company) if with_missing else ():
        if (it.flow, it.lookup) == (flow, lookup):
            yield {"lookup": lookup, "key": it.key, "label": it.label}


class Incomplete(FlowctlError):
    """Say both: which value of the source, and what it means."""


class RowThere(FlowctlError):
    """The table has the key already."""

    hint = "change that row instead"

    def __init__(self, row: Row) -> None:
        super().__init__(f"`{row['source_key']}` is in the table already, and means `{row['full_name']}`")


class RowGone(FlowctlError):
    """Somebody has removed the row meanwhile."""

    hint = "go back to the table, and add it anew if it is needed"


class RowChanged(FlowctlError):
    """Somebody has changed the row meanwhile."""

    hint = "nothing was changed; save again if what you typed is right all the same"

    def __init__(self, row: Row) -> None:
        super().__init__(f"`{row['source_key']}` means `{row['full_name']}` by now, says {row['actor']}")


class NotAsShown(FlowctlError):
    """Somebody has changed the row since the page was made that asks whether to remove it."""

    hint = "nothing was removed; look at the row as it is now, and remove it if that is right all the same"

    def __init__(self, row: Row) -> None:
        super().__init__(f"`{row['source_key']}` means `{row['full_name']}` by now, says {row['actor']}")


def went_on(woken: int) -> str:
    """How many records wait no longer."""
    if not woken:
        return "no record waited for it"
    return "one waiting record goes on" if woken == 1 else f"{woken:,} waiting records go on"


def entry_of(ask: Ask, tx: Tx) -> tuple[Flow, Lookup]:
    """The flow and the lookup of the address.

    Raises:
        PageMissing: when no flow that is served has it.
    """
    where, entry = _place(ask, tx)
    if entry is None:
        raise PageMissing("this server does not run that flow, or its file has no such lookup any more")
    return where.flows[ask.path["flow"]], entry


def _place(ask: Ask, tx: Tx) -> tuple[Where, Lookup | None]:
    """The lookup of the address; None of one of which only rows are there.

    Raises:
        PageMissing: when there is neither.
    """
    where = flows.where(ask, tx)
    flow = where.flows.get(ask.path["flow"])
    entry = flow.lookup(ask.path["lookup"]) if flow is not None else None
    place = (ask.path["flow"], ask.path["lookup"])
    if entry is None and place not in missing.mapping_counts(tx, where.company):
        raise PageMissing("there is no such mapping table")
    return where, entry


def _kept(tx: Tx, ask: Ask, key: str) -> Row | None:
    scope = {"flow": ask.path["flow"], "lookup": ask.path["lookup"], "source_key": key}
    return tx.one("mapping_get", {"company": ask.where["company"], **scope})


def to_table(ask: Ask) -> str:
    """The address of the table, below the panel's own."""
    return f"/c/{ask.where['company']}/mappings/{quote(ask.path['flow'], safe='')}/{quote(ask.path['lookup'], safe='')}"


PAGES = (
    Page(PATH, _tables, tab="Mappings"),
    Page(TABLE, _table),
    Page(TABLE + "/row", _row, role="operator"),
    Page(TABLE + "/row", _save, "POST", role="operator"),
    Page(TABLE + "/remove", _ask_removal, role="operator"),
    Page(TABLE + "/remove", _remove, "POST", role="operator"),
    Page(TABLE + "/export", _export),
)
