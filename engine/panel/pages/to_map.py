"""The worklist: what the target has under another name, or not at all; one click says what is meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from engine.diagnostics import of_company
from engine.errors import FlowctlError
from engine.matching import NO_MATCH
from engine.operator import tomap
from engine.operator.tomap import Gap, Wanted
from engine.panel import flows, forms
from engine.panel.web import ROOT, Answer, Ask, Page, Sent, Shown

_PATH = "/c/{company}/to-map"
_SIZE, _FOUND, _RECORDS, _LISTED = 50, 50, 25, 10
_LONGEST, _LONGEST_KEY = 200, 2000
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_FILTERS = ("place", "text", "page")


def _worklist(ask: Ask) -> Answer:
    typed = _typed(ask.query)
    flow, _, lookup = typed["place"].partition("/")
    number = int(typed["page"] or 1)
    with ask.world.store.read(ask.code) as tx:
        where = flows.where(ask, tx)
        found = tomap.page(tx, where, Wanted(flow, lookup, typed["text"]), ((number - 1) * _SIZE, _SIZE))
    values = {
        "found": found,
        "typed": typed,
        "unread": _unread(found.gaps),
        "kept": urlencode({name: text for name, text in typed.items() if text}),
        "earlier": _address(ask, {**typed, "page": str(number - 1)}) if number > 1 else "",
        "later": _address(ask, {**typed, "page": str(number + 1)}) if found.total > number * _SIZE else "",
        "first": (number - 1) * _SIZE + 1,
    }
    return Shown("to_map.html", {**values, "command": _command(ask)})


def _choose(ask: Ask) -> Answer:
    wanted = _wanted(ask.query)
    text = forms.clean(ask.query.get("text", ""))[:_LONGEST]
    behind = ask.query.get("behind", "")
    after = int(behind) if _NUMBER.fullmatch(behind) else 0
    with ask.world.store.read(ask.code) as tx:
        gap = tomap.one(tx, flows.where(ask, tx), wanted, (after, _RECORDS + 1))
    if gap is None:
        return Sent(_to(ask), bad="Nothing waits for that any more.")
    values = {
        "gap": gap,
        "text": text,
        "after": after,
        "objects": gap.known.search(text, _FOUND) if text or gap.is_matched else [],
        "rows": gap.rows[:_RECORDS],
        "following": gap.rows[_RECORDS - 1]["id"] if len(gap.rows) > _RECORDS else None,
        "asked": urlencode(dict(zip(("flow", "lookup", "key"), wanted, strict=True))),
        "command": _command(ask),
        "most": _FOUND,
    }
    return Shown("to_map_choose.html", values)


def _map(ask: Ask) -> Answer:
    wanted = _wanted(ask.form)
    target = forms.clean(ask.form.get("target", ""))[:_LONGEST_KEY]
    back = _typed(forms.query(ask.form.get("kept", "")[:_LONGEST_KEY]))
    here = f"{_to(ask)}/choose?{urlencode(dict(zip(('flow', 'lookup', 'key'), wanted, strict=True)))}"
    if not target:
        return Sent(here, bad="Say what is meant: choose one, or type its full name.")
    try:
        with ask.world.store.read(ask.code) as tx:
            where = flows.where(ask, tx)
        with ask.world.store.write(ask.code) as tx:
            saved = tomap.fill(tx, ask.hand, where, wanted, target)
    except (tomap.AlreadyMapped, tomap.NothingWaits) as error:
        return Sent(_to(ask, back), bad=f"{error}. {error.hint}")
    except FlowctlError as error:
        return Sent(here, bad=f"{error}. {error.hint}" if error.hint else str(error))
    ask.poke()
    label = forms.clean(ask.form.get("label", ""))[:_LONGEST] or wanted[2]
    checked = "" if saved.verified else " The name could not be checked: that list was never read."
    meant = "is none of them" if saved.full_name == NO_MATCH else f"means {saved.full_name}"
    return Sent(_to(ask, back), good=f"{label} {meant}; {_go_on(saved.woken)}.{checked}")


def _ask_to_leave_out(ask: Ask) -> Answer:
    return _leaving(ask, _wanted(ask.query))


def _leaving(ask: Ask, wanted: tuple[str, str, str], error: FlowctlError | None = None, reason: str = "") -> Answer:
    with ask.world.store.read(ask.code) as tx:
        gap = tomap.one(tx, flows.where(ask, tx), wanted, (0, _LISTED))
        seen = tomap.mark_of(tx, str(ask.where["company"]), gap.it) if gap is not None else ""
    if gap is None:
        return Sent(_to(ask), bad="Nothing waits for that any more.")
    told = {"error": str(error) if error else "", "hint": error.hint or "" if error else "", "reason": reason}
    return Shown(
        "to_map_leave_out.html", {"gap": gap, "most": tomap.MOST_LEFT_OUT, "seen": seen, **told}, 422 if error else 200
    )


def _leave_out(ask: Ask) -> Answer:
    wanted, count = _wanted(ask.form), ask.form.get("count", "")
    reason = forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    agreed = int(count) if _NUMBER.fullmatch(count) else 0
    try:
        with ask.world.store.write(ask.code) as tx:
            number = tomap.leave_out(tx, ask.hand, wanted, (agreed, ask.form.get("seen", "")), reason)
    except tomap.NothingWaits as error:
        return Sent(_to(ask), bad=str(error))
    except FlowctlError as error:
        return _leaving(ask, wanted, error, reason)
    ask.poke()
    return Sent(_to(ask), good=f"{'One record is' if number == 1 else f'{number:,} records are'} left out.")


def _go_on(woken: int) -> str:
    if not woken:
        return "no record waited for it alone"
    return "one waiting record goes on" if woken == 1 else f"{woken:,} waiting records go on"


def _typed(given: Mapping[str, str]) -> dict[str, str]:
    """The filters as they were typed; a page that is none is the first."""
    typed = {name: forms.clean(given.get(name, ""))[:_LONGEST] for name in _FILTERS}
    number = typed["page"]
    typed["page"] = number if re.fullmatch(r"[1-9][0-9]{0,5}", number, re.ASCII) and number != "1" else ""
    return typed


def _wanted(given: Mapping[str, str]) -> tuple[str, str, str]:
    """Flow, lookup and key; the key as it is, for it stands so in the source."""
    return (
        given.get("flow", "")[:_LONGEST],
        given.get("lookup", "")[:_LONGEST],
        forms.exact(given, "key")[:_LONGEST_KEY],
    )


def _unread(gaps: tuple[Gap, ...]) -> list[str]:
    """The lists that were never read."""
    return sorted({gap.entry.list for gap in gaps if gap.entry is not None and not gap.known.is_read})


def _command(ask: Ask) -> str:
    return f"flowctl deferred{of_company(str(ask.where['company']))}"


def _to(ask: Ask, typed: Mapping[str, str] | None = None) -> str:
    kept = urlencode({name: text for name, text in (typed or {}).items() if text})
    return f"/c/{ask.where['company']}/to-map{f'?{kept}' if kept else ''}"


def _address(ask: Ask, typed: Mapping[str, str]) -> str:
    return ROOT + _to(ask, {**typed, "page": "" if typed["page"] == "1" else typed["page"]})


PAGES = (
    Page(_PATH, _worklist, tab="To map"),
    Page(_PATH, _map, "POST", role="operator"),
    Page(_PATH + "/choose", _choose),
    Page(_PATH + "/leave-out", _ask_to_leave_out, role="operator"),
    Page(_PATH + "/leave-out", _leave_out, "POST", role="operator"),
)
