"""One setting of a flow for the company: what it is for, its value before and after, and what a change comes to."""

from __future__ import annotations

from engine import flowview, told
from engine.dataclass import dataclass
from engine.errors import FlowctlError, UnknownName
from engine.model import Flow, Setting
from engine.operator import flowsettings, suggesting
from engine.panel import forms
from engine.panel.flows import bound
from engine.panel.settingsform import label, words
from engine.panel.web import Answer, Ask, Page, PageMissing, Sent, Shown
from engine.store import companies
from engine.store.base import Tx

_PATH = "/c/{company}/flows/{flow}/settings/{setting}"
_LONGEST, _LONGEST_SCOPE, _MOST_NAMES = 1001, 201, 500


@dataclass(frozen=True, slots=True)
class _Place:
    """A setting of a flow, in general or for a scope alone."""

    flow: Flow
    setting: Setting
    scope: str = ""


def _page(ask: Ask) -> Answer:
    return _form(ask, _place(ask, ask.query.get("for", "")))


def _form(ask: Ask, place: _Place, typed: str | None = None, error: FlowctlError | None = None) -> Answer:
    company, flow, setting = str(ask.where["company"]), place.flow, place.setting
    with ask.world.store.read(ask.code) as tx:
        now = flowsettings.current(tx, company, flow, setting, place.scope)
        by_target = _by_target(tx, company, place)
        beside = _beside(tx, company, place)
        given = companies.settings(tx, company, flow.name)
        lookup = flowsettings.named_list(flow, setting.name)
        known = suggesting.known(ask.world.store, tx, company, flow, lookup) if lookup else None
        mapped = flowsettings.overruled(tx, company, flow, setting.name)
    scoped = [(scope, value) for key, value in sorted(given.items()) for scope in [_scope(key, setting)] if scope]
    values = {
        **_shared(beside, place, now),
        **by_target,
        "typed": flowsettings.text_of(beside if now is None else now) if typed is None else typed,
        "scopes": [(scope, _said(setting, value)) for scope, value in scoped],
        "takes_scope": flowsettings.takes_scope(flow, setting.name),
        "names": [(o.full_name, known.kind_of(o)) for o in known.search("", _MOST_NAMES) if o.active] if known else [],
        "list": lookup.list if lookup and known and known.is_read else "",
        "mapped": mapped,
        "lookup": lookup.name if lookup else "",
        "errors": words(error) if error else [],
    }
    return Shown("flow_setting.html", values, 422 if error else 200)


def _do(ask: Ask) -> Answer:
    text = forms.clean(ask.form.get("value", ""))[:_LONGEST]
    place = _place(ask, ask.form.get("for", ""))
    is_back = ask.form.get("do") == "back"
    try:
        flowsettings.fit_scope(place.flow, [place.setting.name], place.scope)
        value = None if is_back else flowsettings.typed(place.setting, text)
        with ask.world.store.read(ask.code) as tx:
            flowsettings.fit_told(tx, str(ask.where["company"]), place.setting, value, place.scope)
    except FlowctlError as error:
        # What it is for cannot be right where the form for that alone would not be shown.
        fits = flowsettings.takes_scope(place.flow, place.setting.name)
        return _form(ask, place if fits else _Place(place.flow, place.setting), text, error)
    with ask.world.store.read(ask.code) as tx:
        now = flowsettings.current(tx, str(ask.where["company"]), place.flow, place.setting, place.scope)
        if value == now and type(value) is type(now):
            return Sent(_to(ask), bad=f"{label(place.setting.name)} is set so already: nothing was changed.")
        if ask.form.get("sure") != "yes":
            return Shown("flow_setting_confirm.html", _before_and_after(tx, ask, place, value, now))
    why = forms.clean(ask.form.get("why", ""))[:500]
    wish = flowsettings.Wish(place.setting, value, place.scope, ask.form.get("seen", ""), why)
    try:
        with ask.world.store.write(ask.code) as tx:
            woken = flowsettings.change(tx, ask.hand, place.flow, wish)
    except FlowctlError as error:
        return Sent(_to(ask), bad=" ".join(words(error)))
    ask.poke()
    count = f"{woken:,} records are" if woken != 1 else "One record is"
    goes_on = f" {count} looked at anew." if woken else ""
    return Sent(_to(ask), good=f"{label(place.setting.name)} is changed.{goes_on}")


def _before_and_after(
    tx: Tx, ask: Ask, place: _Place, value: flowsettings.Value | None, now: flowsettings.Value | None
) -> dict[str, object]:
    company = str(ask.where["company"])
    beside = _beside(tx, company, place)
    text = flowsettings.text_of(value)
    lookup = flowsettings.named_list(place.flow, place.setting.name)
    return {
        **_shared(beside, place, now),
        "after": _said(place.setting, beside if value is None else value),
        "value": text,
        "is_back": value is None,
        "effect": flowsettings.effect(tx, company, place.flow),
        "list": lookup.list if lookup else "",
        "is_listed": flowsettings.is_listed(tx, company, place.flow, place.setting.name, text),
        "mapped": flowsettings.overruled(tx, company, place.flow, place.setting.name),
        "lookup": lookup.name if lookup else "",
    }


def _beside(tx: Tx, company: str, place: _Place) -> flowsettings.Value | None:
    """What stands where the company gives no value here: in general, what the target says or the flow has."""
    own = companies.settings(tx, company, place.flow.name) if place.scope else {}
    return told.standing(place.setting, own, told.said(tx, company)).value


def _shared(beside: flowsettings.Value | None, place: _Place, now: flowsettings.Value | None) -> dict[str, object]:
    setting, is_set = place.setting, now is not None
    return {
        "flow": place.flow,
        "setting": setting,
        "label": label(setting.name),
        "scope": place.scope,
        "before": _said(setting, now if is_set else beside),
        "is_set": is_set,
        "default": _said(setting, beside),
        "seen": flowsettings.text_of(now),
    }


def _by_target(tx: Tx, company: str, place: _Place) -> dict[str, object]:
    """What stands in the place of a value where it is the target's word that counts."""
    stands = told.standings(tx, company, place.flow)[place.setting.name]
    if not stands.by or place.scope:
        return {"told_by": ""}
    is_sure = told.sure(tx, company, place.setting) is not None
    own = "" if stands.own is None else _said(place.setting, stands.own)
    return {
        "told_by": flowview.named(place.flow, stands.by),
        "is_sure": is_sure,
        "own": own,
        "before": _said(place.setting, stands.value),
    }


def _said(setting: Setting, value: object) -> str:
    """A value as people read it."""
    if setting.type == "boolean" and isinstance(value, bool):
        return "yes" if value else "no"
    return flowsettings.text_of(value) or "nothing"


def _scope(key: str, setting: Setting) -> str:
    name, scope = companies.setting_of(key)
    return scope if name == setting.name else ""


def _place(ask: Ask, scope: str) -> _Place:
    program = ask.programs.get(ask.path["flow"])
    if program is None:
        raise PageMissing("this server runs no flow of that name")
    with ask.world.store.read(ask.code) as tx:
        flow = bound(ask, tx, program)
    try:
        return _Place(flow, flowsettings.require(flow, ask.path["setting"]), forms.clean(scope)[:_LONGEST_SCOPE])
    except UnknownName as error:
        raise PageMissing(str(error)) from error


def _to(ask: Ask) -> str:
    return f"/c/{ask.where['company']}/flows/{ask.path['flow']}#settings"


PAGES = (
    Page(_PATH, _page, role="admin"),
    Page(_PATH, _do, "POST", role="admin"),
)
