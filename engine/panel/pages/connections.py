"""To what each role of a company's flows is connected; connect, try, replace a secret, disconnect."""

from __future__ import annotations

from collections.abc import Sequence

from engine import registry
from engine.alerting import channels
from engine.connections import accounts, agents, checking, connecting, disconnecting, links
from engine.connections.authorizing import Authorizes
from engine.connections.links import Link
from engine.contract import Agent, Binding, Connector, Served
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.health import Finding
from engine.model import Flow
from engine.panel import forms, settingsform
from engine.panel.web import ROOT, Answer, Ask, Page, PageMissing, Sent, Shown
from engine.store import companies

_PATH = "/c/{company}/connections"
_ONE = _PATH + "/{connection}"
CALLBACK = "/oauth/callback"
_LONGEST = 500


def flows_of(ask: Ask) -> list[Flow]:
    """The flows that this server runs."""
    return [program.flow for program in ask.programs.values()]


def here(ask: Ask) -> str:
    """The page of the connection that the address names."""
    return f"/c/{ask.where['company']}/connections/{ask.path['connection']}"


def link_of(ask: Ask) -> Link:
    """The connection of the address.

    Raises:
        PageMissing: when the company's flows have no such role, and nothing is connected under the name.
    """
    found = links.link(ask.world, str(ask.where["company"]), ask.path["connection"], flows_of(ask))
    if found is None:
        raise PageMissing("this company has no such connection, and no flow asks for one")
    return found


def binding_of(ask: Ask) -> Binding | None:
    """The connection of the address with its secrets; None when there is none."""
    company, connection = str(ask.where["company"]), ask.path["connection"]
    with ask.world.store.read(company) as tx:
        found = companies.binding(tx, ask.world.vault, company, connection)
    return found[1] if found is not None else None


# --- looking ---------------------------------------------------------------------------------------------------------


def _all(ask: Ask) -> Answer:
    found = links.links(ask.world, str(ask.where["company"]), flows_of(ask))
    made, open_ = [one for one in found if one.connector], [one for one in found if not one.connector]
    wanted = {name: _connector(name) for one in open_ for name in one.wanted}
    titles = {name: connector.spec.title if connector is not None else name for name, connector in wanted.items()}
    return Shown("connections.html", {"made": made, "open": open_, "titles": titles})


def _one(ask: Ask) -> Answer:
    it = link_of(ask)
    with ask.world.store.read(ask.code) as tx:
        row = tx.one("connection_get", {"company": ask.where["company"], "connection": it.name})
    settings = disconnecting.binding_of(row).settings if row is not None else {}
    connector = _connector(it.connector)
    fields = {field.name: field for field in connector.spec.settings} if connector is not None else {}
    shown = [(settingsform.label(n), v) for n, v in settings.items() if n in fields and not fields[n].secret]
    values = {
        "it": it,
        "settings": shown,
        "secrets": [(name, settingsform.label(name), fields[name].help) for name in it.secrets if name in fields],
        "choices": links.choices(it.wanted) if not it.connector else [],
        "may": ask.who.may("admin"),
        "may_try": ask.who.may("operator"),
        "plain": settingsform.plain_hint,
        "said": settingsform.plain_message,
    }
    return Shown("connection.html", values)


def _connector(name: str) -> Connector | None:
    return registry.find(name) if name else None


# --- trying ----------------------------------------------------------------------------------------------------------


def _test(ask: Ask) -> Answer:
    it = link_of(ask)
    if not it.connector:
        return Sent(here(ask), bad="Nothing is connected here yet.")
    found = checking.check(ask.world, str(ask.where["company"]), it.name)
    if found is None:
        return Sent(
            here(ask),
            bad=f"No answer came within {checking.WAIT_S:.0f} seconds. When it comes later, it is shown here.",
        )
    if found.is_good:
        return Sent(here(ask), good="The test found nothing wrong.")
    return Sent(here(ask), bad="It does not work. What was found stands below.")


# --- connecting ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a form is for: a role, the connector that is to have it, and what is kept of it now."""

    it: Link
    connector: Connector
    kept: Binding

    @property
    def is_new(self) -> bool:
        """Whether another connector, or none, has the role now."""
        return self.it.connector != self.connector.spec.name


def _wanted(ask: Ask, named: str) -> Wanted | None:
    """None when a person has to choose a connector first."""
    it = link_of(ask)
    able = links.choices(it.wanted or (it.connector,))
    name = named or it.connector or (able[0].spec.name if len(able) == 1 else "")
    found = next((one for one in able if one.spec.name == name), None)
    if found is None and name and name == it.connector:
        found = _connector(name)
    if found is None:
        return None
    kept = binding_of(ask) if it.connector == found.spec.name else None
    return Wanted(it, found, kept or Binding(str(ask.where["company"]), it.name))


def _form(ask: Ask) -> Answer:
    wanted = _wanted(ask, forms.clean(ask.query.get("connector", "")))
    if wanted is None:
        return Sent(here(ask))
    return _shown(ask, wanted, [])


def _shown(
    ask: Ask, wanted: Wanted, wrong: Sequence[str], findings: Sequence[Finding] = (), *, asks_account: bool = False
) -> Shown:
    form = ask.form if wrong or findings else None
    found = settingsform.entries(wanted.connector, wanted.kept, _guesses(ask, wanted), form)
    values = {
        "it": wanted.it,
        "connector": wanted.connector.spec,
        "is_new": wanted.is_new,
        "main": [entry for entry in found if entry.is_main],
        "more": [entry for entry in found if not entry.is_main],
        "wrong": wrong,
        "findings": findings,
        "asks_account": asks_account,
        "is_tried": _is_tried(wanted.connector),
        "comes_back_to": _guesses(ask, wanted).get("redirect_uri", ""),
        "is_allowed_there": isinstance(wanted.connector, Authorizes),
        "origin": ask.origin,
        "fixed": [entry for entry in found if entry.fixed and entry.required and not entry.value],
        "plain": settingsform.plain_hint,
        "said": settingsform.plain_message,
    }
    return Shown("connect.html", values, 422 if form is not None else 200)


def _guesses(ask: Ask, wanted: Wanted) -> dict[str, str]:
    """Addresses of this panel's own server, as people elsewhere know it, or else the browser."""
    origin = public_origin(ask)
    if not origin:
        return {}
    guesses = {}
    if isinstance(wanted.connector, Authorizes) and origin.startswith("https:"):
        # A vendor sends nobody back to plain http, so that is not suggested.
        guesses["redirect_uri"] = f"{origin}{ROOT}{CALLBACK}"
    if isinstance(wanted.connector, Served):
        guesses["app_url"] = f"{origin}/{wanted.connector.spec.name}"
    if isinstance(wanted.connector, Agent):
        guesses["user"] = f"flowctl-{ask.where['company']}"
    return guesses


def public_origin(ask: Ask) -> str:
    """Where the panel is found: as the house has noted it, else as the browser says; empty when neither is known."""
    with ask.world.store.read() as tx:
        return channels.base_url(tx).rstrip("/") or ask.origin


def callback_address(ask: Ask) -> str:
    """Where a vendor's page sends the person back to, as the browser knows this server."""
    return f"{ask.origin}{ROOT}{CALLBACK}"


def _is_tried(connector: Connector) -> bool:
    # One that is called by its agent has nobody to ask; a permission would be used up by a trial.
    return connector.spec.delivery != "pull" and not isinstance(connector, Authorizes)


def _save(ask: Ask) -> Answer:
    wanted = _wanted(ask, forms.clean(ask.form.get("connector", "")))
    if wanted is None:
        return Sent(here(ask), bad="This connector cannot be connected here.")
    try:
        return _kept(ask, wanted)
    except accounts.OtherAccount as error:
        return _shown(ask, wanted, [str(error)], asks_account=True)
    except FlowctlError as error:
        return _shown(ask, wanted, settingsform.words(error))


def _kept(ask: Ask, wanted: Wanted) -> Answer:
    """Keep the connection once it was tried.

    Raises:
        OtherAccount: when it would lead to another account, and nobody said that this is meant.
        FlowctlError: for what does not fit.
    """
    connector, kept, flows = wanted.connector, wanted.kept, flows_of(ask)
    if wanted.is_new:
        connecting.standing_for(flows, wanted.it.name, connector)
    settings, secrets = settingsform.read(connector, ask.form)
    fields = {field.name: field for field in connector.spec.settings}
    merged = connecting.merged(fields, kept.settings, settings)
    password = ""
    if isinstance(connector, Agent):
        made = connector.made_up(Binding(kept.company, kept.connection, merged, kept.secrets), ask.world.ids)
        settings, merged = {**settings, **made}, {**merged, **made}
        with ask.world.store.read(ask.code) as tx:
            logins = companies.logins(tx, kept.company)
        if str(merged.get("user", "")) not in logins:
            password = secrets["password"] = ask.world.ids.base62(agents.PASSWORD_LENGTH)
    now = Binding(kept.company, kept.connection, merged, {**kept.secrets, **secrets})
    if ask.form.get("other") != "yes":
        _same_account(ask, wanted, now)
    findings: Sequence[Finding] = ()
    if _is_tried(connector) and ask.form.get("untried") != "yes":
        findings = checking.try_in_time(ask.world, now, connector)
        if any(finding.level == "FAIL" for finding in findings):
            return _shown(ask, wanted, [], findings)
    with agents.plain_settings(connector):
        connecting.connect_as(ask.world, ask.hand, kept.connection, connector.spec.name, settings, secrets)
    if isinstance(connector, Agent):
        agents.forget_other_users(ask.world, kept.company, kept.connection)
    with ask.world.store.write(ask.code) as tx:
        if findings:
            checking.keep(tx, ask.world.at(), kept.company, kept.connection, findings)
        else:
            checking.forget(tx, kept.company, kept.connection)
    ask.poke()
    if password:
        shown = {"password": password, "user": str(merged.get("user", "")), "is_new": True, "made_at": ""}
        return Shown("agent_password.html", shown)
    return _done(ask, wanted)


def _done(ask: Ask, wanted: Wanted) -> Sent:
    title = wanted.connector.spec.title
    if isinstance(wanted.connector, Authorizes) and link_of(ask).needs_person:
        return Sent(here(ask), good=f"The settings are kept. Now allow it on a page of {title}: press Allow.")
    return Sent(here(ask), good=f"Connected with {title}." if wanted.is_new else "The settings are changed.")


def _same_account(ask: Ask, wanted: Wanted, now: Binding) -> None:
    before = wanted.kept if not wanted.is_new else None
    with ask.world.store.read(ask.code) as tx:
        if accounts.is_used(tx, now.company, flows_of(ask), now.connection):
            accounts.require_same(tx, now.company, wanted.connector.spec, before, now)


# --- secrets ---------------------------------------------------------------------------------------------------------


def _secret_form(ask: Ask) -> Answer:
    return _secret(ask, "")


def _secret(ask: Ask, error: str, *, asks_account: bool = False) -> Answer:
    it, connector, name = link_of(ask), _connector(link_of(ask).connector), ask.path["secret"]
    spec = next((f for f in connector.spec.settings if f.name == name and f.secret), None) if connector else None
    if spec is None or connector is None or name not in it.secrets or name.endswith("_previous"):
        return Sent(here(ask), bad="There is no such secret here.")
    has_overlap = any(field.name == f"{name}_previous" for field in connector.spec.settings)
    values = {"it": it, "name": name, "label": settingsform.label(name), "help": spec.help, "overlap": has_overlap}
    return Shown("secret.html", {**values, "error": error, "asks_account": asks_account}, 422 if error else 200)


def _replace(ask: Ask) -> Answer:
    shown = _secret(ask, "")
    if isinstance(shown, Sent):
        return shown
    it, name = link_of(ask), ask.path["secret"]
    try:
        secret = connecting.fit_secret(name, ask.form.get("secret", ""))
        connector, before = _connector(it.connector), binding_of(ask)
        if connector is not None and before is not None and ask.form.get("other") != "yes":
            now = Binding(before.company, before.connection, before.settings, {**before.secrets, name: secret})
            _same_account(ask, Wanted(it, connector, before), now)
        connecting.connect_as(ask.world, ask.hand, it.name, it.connector, {}, {name: secret})
    except accounts.OtherAccount as error:
        return _secret(ask, str(error), asks_account=True)
    except FlowctlError as error:
        return _secret(ask, str(error))
    with ask.world.store.write(ask.code) as tx:
        checking.forget(tx, str(ask.where["company"]), it.name)
    ask.poke()
    overlap = " The one before is still taken." if f"{name}_previous" in link_of(ask).secrets else ""
    return Sent(here(ask), good=f"The secret is replaced.{overlap} Press Test to see that it works.")


def _end(ask: Ask) -> Answer:
    try:
        with ask.world.store.write(ask.code) as tx:
            disconnecting.end_previous(tx, ask.hand, ask.path["connection"], ask.path["secret"])
    except FlowctlError as error:
        return Sent(here(ask), bad=str(error))
    return Sent(here(ask), good="The secret before is no longer taken.")


# --- disconnecting ---------------------------------------------------------------------------------------------------


def _ask_first(ask: Ask) -> Answer:
    it = link_of(ask)
    if not it.connector:
        return Sent(here(ask), bad="Nothing is connected here.")
    with ask.world.store.read(ask.code) as tx:
        scope = {"company": ask.where["company"], "connection": it.name}
        open_ = [row["state"] for row in tx.rows("operations_open_at", scope)]
    under_way = sum(state != "waiting" for state in open_)
    return Shown("disconnect.html", {"it": it, "waiting": len(open_) - under_way, "under_way": under_way})


def _disconnect(ask: Ask) -> Answer:
    it, reason = link_of(ask), forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    if not it.connector:
        return Sent(here(ask), bad="Nothing is connected here.")
    try:
        with ask.world.store.write(ask.code) as tx:
            disconnecting.disconnect(tx, ask.hand, it.name, reason)
            checking.forget(tx, str(ask.where["company"]), it.name)
    except FlowctlError as error:
        hint = settingsform.plain_hint(error.hint or "")
        return Sent(here(ask), bad=f"It stays connected: {error}." + (f" {hint}" if hint else ""))
    ask.poke()
    return Sent(f"/c/{ask.where['company']}/connections", good=f"{it.title} is disconnected; its secrets are gone.")


PAGES = (
    Page(_PATH, _all, tab="Connections"),
    Page(_ONE, _one),
    Page(_ONE + "/test", _test, "POST", role="operator"),
    Page(_ONE + "/settings", _form, role="admin"),
    Page(_ONE + "/settings", _save, "POST", role="admin"),
    Page(_ONE + "/secret/{secret}", _secret_form, role="admin"),
    Page(_ONE + "/secret/{secret}", _replace, "POST", role="admin"),
    Page(_ONE + "/secret/{secret}/end", _end, "POST", role="admin"),
    Page(_ONE + "/disconnect", _ask_first, role="admin"),
    Page(_ONE + "/disconnect", _disconnect, "POST", role="admin"),
)
