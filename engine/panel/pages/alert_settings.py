"""Who is told of what, how and when: channels, rules, quiet hours; for a company, and for the house."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.alerting import addresses, channels, rules
from engine.alerting.channels import Channel, Wishes
from engine.alerting.postman import Postman
from engine.alerting.rules import HOUSE, RULES, SEVERITIES, Settings
from engine.alerting.timing import DIGESTS
from engine.errors import FlowctlError
from engine.panel import forms
from engine.panel.pages.alerts import base_of, hand_of, scope_of, until_of, wrong
from engine.panel.web import Answer, Ask, Page, Sent, Shown
from engine.store.base import Tx

# A person waits for the answer to a test.
_TEST_S = 20.0
_WISHES = ("least", "digest", "hour", "quiet", "zone", "solved")


def _settings(ask: Ask) -> Answer:
    scope = scope_of(ask)
    with ask.world.store.read(scope, HOUSE) as tx:
        found = channels.every(tx, scope)
        values = {
            "channels": [(each, each.is_muted(ask.world.at())) for each in found],
            "settings": rules.of_scope(tx, scope),
            "house": channels.house(tx) if scope == HOUSE else None,
            "house_channels": channels.every(tx, HOUSE) if scope != HOUSE else [],
        }
    base = base_of(ask)
    return Shown(
        "alert_settings.html",
        {**values, "base": base, "is_house": scope == HOUSE, "fresh": Wishes(), "severities": SEVERITIES, "digests": DIGESTS,
         "rules": RULES, "is_admin": ask.who.may("admin"), "now_at": ask.world.at()},
    )  # fmt: skip


def _done(ask: Ask, do: Callable[[Tx], str]) -> Answer:
    """Do it in one transaction, and go back to the settings with what was done or what was wrong."""
    to = base_of(ask) + "/settings"
    try:
        with ask.world.store.write(scope_of(ask), HOUSE) as tx:
            said = do(tx)
    except FlowctlError as error:
        return Sent(to, bad=wrong(error))
    return Sent(to, good=said)


def _name(ask: Ask) -> str:
    return forms.clean(ask.path["channel"])[:60]


def _wishes(ask: Ask) -> dict[str, str]:
    """The settings of a channel as the form gives them; all rules ticked are the same as none."""
    ticked = [name for name in RULES if ask.form.get(f"r_{name}")]
    given = {name: forms.clean(ask.form[name]) for name in _WISHES if name in ask.form}
    return {**given, "rules": " ".join(ticked) if len(ticked) < len(RULES) else ""}


def _add(ask: Ask) -> Answer:
    def do(tx: Tx) -> str:
        made = channels.add(tx, hand_of(ask), ask.world.vault, name, address, wishes)
        return f"The channel {made.name} is there. Send it a test."

    name = forms.clean(ask.form.get("name", ""))
    try:
        wishes = channels.wanted(_wishes(ask))
        address = addresses.check(ask.form.get("address", ""))
    except FlowctlError as error:
        return Sent(base_of(ask) + "/settings", bad=wrong(error))
    return _done(ask, do)


def _change(ask: Ask) -> Answer:
    def do(tx: Tx) -> str:
        if address is not None:
            channels.replace_address(tx, hand_of(ask), ask.world.vault, _name(ask), address)
        channels.change(tx, hand_of(ask), _name(ask), _wishes(ask))
        return f"The channel {_name(ask)} is changed."

    given = ask.form.get("address", "").strip()
    try:
        address = addresses.check(given) if given else None
    except FlowctlError as error:
        return Sent(base_of(ask) + "/settings", bad=wrong(error))
    return _done(ask, do)


def _remove(ask: Ask) -> Answer:
    def do(tx: Tx) -> str:
        channels.remove(tx, hand_of(ask), _name(ask))
        return f"The channel {_name(ask)} is removed."

    if ask.form.get("sure") != "yes":
        return Sent(base_of(ask) + "/settings", bad="Nothing was changed: tick that you are sure.")
    return _done(ask, do)


def _try_out(ask: Ask) -> Answer:
    to = base_of(ask) + "/settings"
    try:
        with ask.world.store.read(scope_of(ask)) as tx:
            channel: Channel = channels.require(tx, scope_of(ask), _name(ask))
        error = Postman(ask.world, send_s=_TEST_S).try_out(channel)
    except FlowctlError as failed:
        error = wrong(failed)
    if error:
        return Sent(to, bad=f"The test did not arrive: {error}.")
    return Sent(to, good=f"The test was taken. Look whether it arrived at {channel.name}.")


def _mute(ask: Ask, *, is_on: bool) -> Answer:
    def do(tx: Tx) -> str:
        channels.mute(tx, hand_of(ask), _name(ask), until if is_on and until else "", why)
        return f"Nothing is sent to {_name(ask)} for now." if is_on else f"The channel {_name(ask)} is heard again."

    why = forms.clean(ask.form.get("why", ""))[:500]
    until = until_of(ask, ask.form.get("hours", ""))
    if is_on and (not until or not why):
        return Sent(base_of(ask) + "/settings", bad="Say for how long, and why.")
    return _done(ask, do)


def _rule(ask: Ask) -> Answer:
    def do(tx: Tx) -> str:
        rule = rules.find(name)
        if ask.form.get("default"):
            rules.reset(tx, hand_of(ask), name)
            return f"{rule.title}: as it is by default."
        before = rules.effective(tx, scope_of(ask))[name]
        given = {key: forms.clean(text) for key, text in ask.form.items() if key in before.as_json()}
        changed = {key: text for key, text in given.items() if text != _plain(before, key)}
        if not changed:
            return f"{rule.title}: nothing was changed."
        rules.put(tx, hand_of(ask), name, changed)
        return f"{rule.title}: changed."

    name = forms.clean(ask.form.get("rule", ""))
    return _done(ask, do)


def _plain(settings: Settings, name: str) -> str:
    value = settings.as_json()[name]
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _pages(base: str) -> tuple[Page, ...]:
    here = f"{base}/alerts/settings"
    return (
        Page(here, _settings, role="operator"),
        Page(f"{here}/rule", _rule, "POST", role="admin"),
        Page(f"{here}/channel", _add, "POST", role="admin"),
        Page(f"{here}/channel/{{channel}}", _change, "POST", role="admin"),
        Page(f"{here}/channel/{{channel}}/remove", _remove, "POST", role="admin"),
        Page(f"{here}/channel/{{channel}}/test", _try_out, "POST", role="operator"),
        Page(f"{here}/channel/{{channel}}/mute", partial(_mute, is_on=True), "POST", role="operator"),
        Page(f"{here}/channel/{{channel}}/unmute", partial(_mute, is_on=False), "POST", role="operator"),
    )


PAGES = (*_pages(""), *_pages("/c/{company}"))
