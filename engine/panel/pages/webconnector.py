"""Setting up the Web Connector: its file, its password, whether it has called, and the company file it works on."""

from __future__ import annotations

from collections.abc import Mapping

from engine.connections import agents
from engine.connections.agents import NoAgent, WhichOne, agent_of
from engine.contract import Agent, Binding
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.operator import companyfile
from engine.overview import SessionLine, session_of
from engine.panel import forms, settingsform
from engine.panel.web import Answer, Ask, Given, Page, PageMissing, Sent, Shown
from engine.store import companies, work
from engine.store.base import HOUSE, Tx
from engine.store.work import SIGN_IN

_PATH = "/c/{company}/connections/web-connector"
_LONGEST = 500
# How often, and how many times, the page looks again while somebody waits for the first call.
_AGAIN_S, _TIMES = 10, 60


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that keeps the Web Connector out, and what to do."""

    what: str
    hint: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person can say of a company file. `tells` says before what will come of it."""

    name: str
    button: str
    tells: str
    done: str


DECISIONS = (
    Decision(
        "confirm",
        "Confirm this file",
        "The company is bound to it: from the next visit on, everything is posted into this file and no other.",
        "The company file is confirmed. Work goes on at the next visit of the Web Connector.",
    ),
    Decision(
        "refuse",
        "This is not the right file",
        "Nothing is written into it. It is turned away whenever it calls, until the right one is bound, or you take this "
        "back.",
        "The company file is refused; nothing is written into it.",
    ),
    Decision(
        "wrong",
        "This is not the right file",
        "It is released, and turned away whenever it calls, until another one is bound. What was posted into it stays "
        "there: look for it in that file, and delete it there by hand.",
        "The company file is refused; nothing more is written into it. The next other one that calls is bound.",
    ),
    Decision(
        "moved",
        "It is the same file",
        "It was moved or renamed: work goes on in it, and what was sent and not answered is looked for there. Do not say so "
        "of a copy, or of an older backup: what was posted since it was made is not in it.",
        "The company file is taken as it is now. Work goes on at the next visit of the Web Connector.",
    ),
    Decision(
        "ask-again",
        "Ask about it again",
        "The files that you called wrong are taken as new ones when they call: asked about, or bound where the settings do "
        "not ask.",
        "The next company file that calls is taken as a new one.",
    ),
    Decision(
        "release",
        "Release this file",
        "It is forgotten, and the next company file that calls is bound in its place. What was posted into this one stays "
        "there, and is not posted into the next.",
        "The company file is released. The next one that calls is bound.",
    ),
)


def _here(ask: Ask) -> str:
    return f"/c/{ask.where['company']}/connections/web-connector"


def _agent(ask: Ask) -> tuple[Agent, Binding]:
    """The connection that the company's Web Connector serves; of several, which all have one user, the first.

    Raises:
        FlowctlError: when there is none, or it lacks something.
    """
    company = str(ask.where["company"])
    try:
        return agent_of(ask.world, company)
    except WhichOne as error:
        return agent_of(ask.world, company, error.names[0])


def _page(ask: Ask) -> Answer:
    company = str(ask.where["company"])
    try:
        agent, binding = _agent(ask)
    except NoAgent:
        return Shown("web_connector.html", {"binding": None, "problem": "", "may": ask.who.may("admin")})
    except FlowctlError as error:
        return Shown("web_connector.html", {"binding": None, "problem": str(error), "may": ask.who.may("admin")})
    problem = ""
    steps: tuple[str, ...] = ()
    try:
        steps = agent.agent_file(binding).steps
    except FlowctlError as error:
        problem = "\n".join(line.partition(": ")[2] or line for line in str(error).splitlines())
    user = str(binding.settings.get("user", ""))
    with ask.world.store.read(company, HOUSE) as tx:
        session = session_of(tx, company)
        values: dict[str, object] = {
            "visit": session,
            "has_password": user in companies.logins(tx, company),
            "told": _told(tx, ask, user, session),
            "bound": companies.identity(tx, company),
            # What the last visit met before the file was confirmed says nothing of the next one.
            "is_before": session is not None and session.seen_at < companies.bound_at(tx, company),
            "asked": companyfile.unconfirmed(tx, company),
            "refused": companyfile.refused(tx, company),
            "away": companyfile.turned_away(tx, company),
            "is_moved": companyfile.moved(tx, company) is not None,
            "in_question": companyfile.in_question(tx, company),
        }
    left = _left(ask.query.get("watch", "")) if session is None else 0
    headers = {"refresh": f"{_AGAIN_S}; url=?watch={left - 1}"} if left > 0 else {}
    more = {"binding": binding, "user": user, "problem": problem, "steps": steps, "watching": left > 0, "times": _TIMES}
    roles = {"may": ask.who.may("admin"), "may_load": ask.who.may("operator")}
    return Shown("web_connector.html", {**values, **more, **roles}, headers=headers)


def _left(text: str) -> int:
    return min(int(text), _TIMES) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def _told(tx: Tx, ask: Ask, user: str, session: SessionLine | None) -> list[Told]:
    """What keeps it out, the reason first: a wrong password, a wrong user, another company file."""
    company, now = str(ask.where["company"]), ask.world.clock.now()
    found = []
    refused = work.refusals(tx, company, now)
    if refused is not None:
        often = "once" if refused.times == 1 else f"{refused.times} times"
        hint = "type the password again in the Web Connector; when it is lost, make a new one here"
        found.append(Told(f"It was refused {often} as `{refused.user}`: the password is wrong", hint, refused.last_at))
    strange = work.refusals(tx, "", now)
    if strange is not None and (session is None or session.seen_at < strange.last_at):
        hint = f"the user name of this company is `{user}`: install the file anew, which has the right one"
        what = f"Somebody was refused as `{strange.user}`, which is no company's user name"
        found.append(Told(what, hint, strange.last_at))
    return found + [
        Told(row["message"], settingsform.plain_hint(row["hint"] or ""), row["last_at"])
        for row in work.alerts(tx, company)
        if row["kind"] == "session" and row["subject"] != SIGN_IN
    ]


def _file(ask: Ask) -> Answer:
    try:
        agent, binding = _agent(ask)
        made = agent.agent_file(binding)
    except FlowctlError as error:
        return Sent(_here(ask), bad=f"There is no file to give: {error}.")
    return Given(made.content, "application/x-qwc", made.name)


# --- the password ----------------------------------------------------------------------------------------------------


def _password_form(ask: Ask) -> Answer:
    try:
        _, binding = _agent(ask)
    except FlowctlError as error:
        return Sent(_here(ask), bad=str(error))
    return Shown("agent_password.html", {**_about(ask, binding), "password": "", "is_new": False})


def _new_password(ask: Ask) -> Answer:
    """Make a password and show it, here and only here. A form that is sent once more makes none."""
    try:
        _, binding = _agent(ask)
        about = _about(ask, binding)
        if ask.form.get("made_at", "") != about["made_at"]:
            return Sent(
                _here(ask), bad="A password was made already, and is not shown again. Make another one if it is lost."
            )
        password = agents.new_password(ask.world, ask.hand, binding.connection)
    except FlowctlError as error:
        return Sent(_here(ask), bad=f"{error}.")
    return Shown("agent_password.html", {**about, "password": password, "is_new": False})


def _about(ask: Ask, binding: Binding) -> Mapping[str, object]:
    """The user, and when its password was made, empty when it has none."""
    user = str(binding.settings.get("user", ""))
    with ask.world.store.read(ask.code) as tx:
        row = tx.one("login_get", {"user_name": user})
    return {"user": user, "made_at": row["updated_at"] if row is not None else ""}


# --- the company file ------------------------------------------------------------------------------------------------


def _decision(ask: Ask) -> Decision:
    found = next((one for one in DECISIONS if one.name == ask.path["decision"]), None)
    if found is None:
        raise PageMissing
    return found


def _ask_first(ask: Ask) -> Answer:
    decision = _decision(ask)
    with ask.world.store.read(ask.code) as tx:
        about = _about_file(tx, str(ask.where["company"]), decision)
    if about is None:
        return Sent(_here(ask), bad="There is no company file to decide about.")
    return Shown("company_file.html", {"decision": decision, "about": about, "seen": companyfile.mark_of(about)})


def _about_file(tx: Tx, company: str, decision: Decision) -> Mapping[str, object] | None:
    """The file that a decision is about."""
    if decision.name in ("release", "wrong"):
        return companies.identity(tx, company)
    if decision.name == "ask-again":
        files = companyfile.refused(tx, company)
        return files[-1] if files else None
    if decision.name == "moved":
        return companyfile.moved(tx, company)
    return companyfile.unconfirmed(tx, company) if decision.name == "confirm" else companyfile.in_question(tx, company)


def _decide(ask: Ask) -> Answer:
    decision, reason = _decision(ask), forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    try:
        with ask.world.store.write(ask.code) as tx:
            # Another file may have called since: what is bound decides into which books money goes.
            is_bound = decision.name in ("release", "wrong")
            if decision.name not in ("ask-again", "moved"):
                companyfile.require_same(tx, str(ask.where["company"]), ask.form.get("seen", ""), bound=is_bound)
            if decision.name == "ask-again":
                companyfile.ask_again(tx, ask.hand)
            elif decision.name == "confirm":
                companyfile.confirm(tx, ask.hand)
            elif decision.name == "moved":
                companyfile.accept_moved(tx, ask.hand, reason, mark=ask.form.get("seen", "") or "none")
            elif decision.name == "refuse":
                companyfile.refuse(tx, ask.hand, reason)
            elif companyfile.release(tx, ask.hand, reason, is_wrong=decision.name == "wrong") is None:
                return Sent(_here(ask), bad="No company file was bound; nothing was changed.")
    except FlowctlError as error:
        hint = settingsform.plain_hint(error.hint or "")
        return Sent(_here(ask), bad=f"{error}." + (f" {hint[:1].upper()}{hint[1:]}." if hint else ""))
    ask.poke()
    return Sent(_here(ask), good=decision.done)


PAGES = (
    Page(_PATH, _page),
    Page(_PATH + "/file", _file, role="operator"),
    Page(_PATH + "/password", _password_form, role="admin"),
    Page(_PATH + "/password", _new_password, "POST", role="admin", hashes=True),
    Page(_PATH + "/company-file/{decision}", _ask_first, role="admin"),
    Page(_PATH + "/company-file/{decision}", _decide, "POST", role="admin"),
)
