"""`flowctl company`: companies, their settings for each flow, and the company file each is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from engine.follow import Hand
    from engine.model import Flow
    from engine.store.base import Tx
    from engine.world import World

Value = str | int | bool


def _scope(_context: click.Context, _option: click.Parameter, text: str) -> str:
    if common.clean(text) != text or "\n" in text or len(text) > 200:
        raise click.BadParameter("is too long or holds control characters")
    return text


_for_option = click.option(
    "--for",
    "scope",
    default="",
    metavar="SCOPE",
    callback=_scope,
    help="Only for this: the id of a policy, for example.",
)


@click.group()
def command() -> None:
    """Add a company, see and change its settings, and decide which company file it writes to.

    Example: flowctl company set ramp_to_quickbooks card_account="Ramp Visa"
    """


@command.command("list")
@common.home_option
@common.format_option
def list_(home: Path, form: str) -> int:
    """List the companies with their connections.

    Example: flowctl company list
    """
    from engine.store import companies

    with office.opened(home) as world, world.store.read() as tx:
        found = [
            {
                "company": row["company"],
                "title": row["title"],
                "created_at": row["created_at"],
                "connections": [item["connection"] for item in companies.connections(tx, row["company"])],
                "company_file": (companies.identity(tx, row["company"]) or {}).get("company_name"),
            }
            for row in tx.rows("companies_all", {})
        ]
    if form == "json":
        common.echo_json(found)
    else:
        rows = [
            (f["company"], f["title"], ", ".join(f["connections"]) or "none", f["company_file"] or "none")
            for f in found
        ]
        common.table(rows, ["company", "title", "connections", "company file"])
    return 0


@command.command()
@click.argument("name")
@click.option("--title", help="What people call it [default: the name].")
@common.home_option
def add(name: str, title: str | None, home: Path) -> int:
    """Add a company; one that exists stays as it is.

    Example: flowctl company add acme --title "Acme Inc."
    """
    from engine.store import companies, journal

    office.company_name(name)
    with office.opened(home, create=True) as world, world.store.write(name) as tx:
        fresh = tx.one("company_get", {"company": name}) is None
        if fresh:
            companies.add(tx, name, title or name, world.at())
            hand = office.hand(world, name)
            entry = journal.Entry("added", detail={"title": title or name})
            journal.append(tx, name, hand.at, hand.actor, [entry])
    click.echo(f"{name}: added" if fresh else f"{name}: there already, nothing was changed")
    return 0


@command.command(short_help="Show the company's settings for a flow, or for all.")
@click.argument("flow", required=False)
@common.home_option
@common.company_option
@common.format_option
def show(flow: str | None, home: Path, company: str, form: str) -> int:
    """Show the company's settings for a flow, or for all; defaults are marked.

    Example: flowctl company show ramp_to_quickbooks
    """
    from engine import told
    from engine.store import companies

    chosen = [office.flow(flow)] if flow else office.flows()
    with office.opened(home) as world, world.store.read(company) as tx:
        row = companies.require(tx, company)
        given = {item.name: companies.settings(tx, company, item.name) for item in chosen}
        stands = {item.name: told.standings(tx, company, item) for item in chosen}
        bound = companies.identity(tx, company)
        connections = {item["connection"]: item["connector"] for item in companies.connections(tx, company)}
    found = [
        {
            "flow": item.name,
            "name": setting.name,
            "for": companies.setting_of(key)[1],
            "value": stands[item.name][setting.name].value if key == setting.name else given[item.name][key],
            "default": key not in given[item.name],
            "told_by": stands[item.name][setting.name].by if key == setting.name else "",
            "may_tell": setting.connection if setting.told and key == setting.name else "",
            "help": setting.help,
        }
        for item in chosen
        for setting in item.settings
        for key in _keys(setting.name, given[item.name])
    ]
    if form == "json":
        head = {"company": company, "title": row["title"], "connections": connections, "company_file": bound}
        common.echo_json({**head, "settings": found})
        return 0
    made = ", ".join(f"{name} ({connector})" for name, connector in connections.items())
    click.echo(f"{company}: {common.clean(row['title'])}; connections: {made or 'none'}")
    rows = [
        (
            f["flow"],
            companies.setting_key(str(f["name"]), str(f["for"])),
            _shown(f["value"]),
            _whose(f),
            f["help"],
        )
        for f in found
    ]
    common.table(rows, ["flow", "setting", "value", "", "help"])
    return 0


def _whose(found: Mapping[str, object]) -> str:
    """Whose word a value is, and who may still say otherwise."""
    if found["told_by"]:
        return f"{found['told_by']} says"
    if not found["default"]:
        return "set"
    return f"default, until {found['may_tell']} says" if found["may_tell"] else "default"


@command.command("set", short_help="Set a flow's settings for this company.")
@click.argument("flow")
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE...")
@_for_option
@common.home_option
@common.company_option
def set_(flow: str, values: tuple[str, ...], scope: str, home: Path, company: str) -> int:
    """Set a flow's settings for this company; records that waited are looked at anew.

    With --for the value is for that scope alone: a flow that asks for the setting of a policy, an entity or the like
    takes it there, and the general value everywhere else.

    Example: flowctl company set ramp_to_quickbooks bank_account=Checking card_posts_as=journal_entry
    """
    from engine.operator import flowsettings
    from engine.store import companies

    definition = office.flow(flow)
    given = {flowsettings.require(definition, name): text for name, text in office.pairs("set", values).items()}
    typed = {setting: flowsettings.typed(setting, text) for setting, text in given.items()}
    flowsettings.fit_scope(definition, [setting.name for setting in typed], scope)
    with office.opened(home) as world, world.store.write(company) as tx:
        companies.require(tx, company)
        hand = office.hand(world, company)
        wishes = [flowsettings.Wish(setting, value, scope) for setting, value in typed.items()]
        woken = sum(flowsettings.change(tx, hand, definition, wish) for wish in wishes)
    for setting, value in typed.items():
        click.echo(f"{definition.name}: {companies.setting_key(setting.name, scope)} = {_shown(value)}")
    _woken(woken)
    return 0


@command.command(short_help="Go back to the flow's defaults.")
@click.argument("flow")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_for_option
@common.home_option
@common.company_option
def unset(flow: str, names: tuple[str, ...], scope: str, home: Path, company: str) -> int:
    """Go back to the flow's defaults, or with --for to the general values.

    Example: flowctl company unset ramp_to_quickbooks bank_account
    """
    from engine import told
    from engine.operator import flowsettings
    from engine.store import companies

    definition = office.flow(flow)
    settings = [flowsettings.require(definition, name) for name in names]
    with office.opened(home) as world, world.store.write(company) as tx:
        companies.require(tx, company)
        hand = office.hand(world, company)
        wishes = [flowsettings.Wish(setting, None, scope) for setting in settings]
        woken = sum(flowsettings.change(tx, hand, definition, wish) for wish in wishes)
        stands = told.standings(tx, company, definition)
    for setting in settings:
        now = stands[setting.name]
        value = now.value
        note = f" ({now.by} says)" if now.by else " (default)" if now.own is None else ""
        click.echo(f"{definition.name}: {companies.setting_key(setting.name, scope)} = {_shown(value)}{note}")
    _woken(woken)
    return 0


class _Asked(TypedDict):
    yes: bool
    form: str


@command.command("flow")
@click.argument("flow", required=False)
@click.argument("state", required=False, type=click.Choice(["on", "off"]))
@click.option(
    "--confirm", metavar="STREAM", help="You looked: its source offers nothing that is posted already; read it again."
)
@click.option(
    "--beside",
    metavar="FLOW",
    help="With `on`: you looked, and the two never read the same record: each leaves out what the other reads, or the source "
    "offers nothing any more of what was left out of the other.",
)
@click.option("--yes", is_flag=True, help="With --confirm: do not ask.")
@common.home_option
@common.company_option
@common.format_option
def flow_(
    flow: str | None,
    state: str | None,
    confirm: str | None,
    beside: str | None,
    home: Path,
    company: str,
    **given: Unpack[_Asked],
) -> int:
    """Show which flows run for this company; switch one on or off.

    A flow that is off reads and prepares nothing; what it had prepared is still written, and its source told. Two flows
    that read the same and write it to the same place cannot both be on.

    A stream whose key, phase or name was changed in the flow file is not read before --confirm: whatever is posted already
    would look new.

    Example: flowctl company flow ramp_to_quickbooks off
    """
    from engine import flowswitch, keying
    from engine.errors import UnknownName
    from engine.store import companies

    if (confirm is not None or beside is not None) and flow is None:
        raise click.UsageError("--confirm and --beside speak of one flow: name it")
    if beside is not None and state != "on":
        raise click.UsageError("--beside goes with `on`")
    chosen = [office.flow(flow)] if flow else office.flows()
    with office.opened(home) as world:
        with world.store.read(company) as tx:
            companies.require(tx, company)
            known = (
                {item.name for item in office.flows()} | flowswitch.noted(tx, company) if beside is not None else set()
            )
        if beside is not None and beside not in known:
            raise UnknownName("flow", beside, tuple(sorted(known)))
        if confirm is not None and not given["yes"]:
            _ask_of_posted(world, company, chosen[0], confirm)
        if state is not None:
            with world.store.write(company) as tx:
                hand = office.hand(world, company)
                changed = flowswitch.switch(tx, hand, chosen[0], on=state == "on", beside=beside or "")
            if not changed:
                office.say(f"{company}/{chosen[0].name}: was {state} before")
        if confirm is not None:
            with world.store.write(company) as tx:
                keying.confirm(tx, office.hand(world, company), chosen[0], confirm)
            office.say(f"{company}/{chosen[0].name}/{confirm}: is read again")
        with world.store.read(company) as tx:
            made = {item["connection"] for item in companies.connections(tx, company)}
            states = {item.name: flowswitch.is_on(tx, company, item) for item in chosen}
            missing = {item.name: sorted({c.name for c in item.connections} - made) for item in chosen}
    if given["form"] == "json":
        common.echo_json([{"flow": name, "on": on, "missing": missing[name]} for name, on in states.items()])
        return 0
    rows = [
        (name, "on" if on else "off", f"not connected: {', '.join(missing[name])}" if missing[name] else "")
        for name, on in states.items()
    ]
    common.table(rows, ["flow", "", ""])
    return 0


def _ask_of_posted(world: World, company: str, flow: Flow, stream: str) -> None:
    """Ask before whatever of a stream is posted already looks new; a stream of which nothing is needs no asking."""
    from engine import keying

    with world.store.read(company) as tx:
        count, money = keying.posted(tx, company, flow, stream)
        asks = count and stream in keying.changed(tx, company, flow)
    if not asks:
        return
    sums = office.money(money)
    of_it = f"{office.counted(count, 'record')}{f' over {sums}' if sums else ''} {'is' if count == 1 else 'are'} posted already"
    office.say(f"{company}/{flow.name}/{stream}: {of_it}; what the source still offers of it is posted again")
    common.confirm("Does it offer nothing of it any more?")


@command.command(short_help="Show, confirm or release the company file.")
@common.home_option
@common.company_option
@click.option(
    "--confirm", is_flag=True, help="Bind the file that waits to be confirmed, or take a moved or renamed one."
)
@click.option("--refuse", is_flag=True, help="Say that the company file that waits, or is bound, is not the right one.")
@click.option("--release", is_flag=True, help="Forget the company file; the next contact binds the one that is open.")
@click.option("--ask-again", is_flag=True, help="Take back which files are not the right ones.")
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.format_option
def bind(  # noqa: PLR0913, PLR0917 - one parameter an option
    home: Path,
    company: str,
    confirm: bool,
    refuse: bool,
    release: bool,
    ask_again: bool,
    reason: str,
    yes: bool,
    form: str,
) -> int:
    """Show which company file this company writes to; confirm, refuse or release it.

    When the bound file was moved or renamed, --confirm takes its new path and name, also while something is in doubt.

    A file that is refused is turned away whenever it calls, until another one is bound, or --ask-again.

    Example: flowctl company bind --confirm
    """
    from engine.operator import companyfile
    from engine.store import companies

    words = {"confirm": confirm, "refuse": refuse, "release": release, "ask_again": ask_again}
    if sum(words.values()) > 1:
        raise click.UsageError("--confirm, --refuse, --release and --ask-again exclude each other")
    with office.opened(home) as world:
        with world.store.read(company) as tx:
            companies.require(tx, company)
            bound, moved = companies.identity(tx, company), companyfile.moved(tx, company)
        if confirm and bound is not None and moved is not None and not yes:
            click.echo(f"{_file(bound)}\nis now\n{_file(moved)}", err=True)
            common.confirm("Is it the same company file, and no copy or backup of it?")
        if (release or refuse) and bound is not None and not yes:
            name = common.clean(bound.get("company_name", ""))
            question = f"Release `{name}`? The next company file that calls is bound, and records go there."
            common.confirm(question)
        word = next((name for name, is_given in words.items() if is_given), "")
        if word:
            with world.store.write(company) as tx:
                said = _bind(tx, office.hand(world, company), word, reason, moved)
            if said:
                office.say(said)
        with world.store.read(company) as tx:
            bound, asked = companies.identity(tx, company), companyfile.unconfirmed(tx, company)
            refused, moved = companyfile.refused(tx, company), companyfile.moved(tx, company)
    if form == "json":
        common.echo_json({"company": company, "bound": bound, "unconfirmed": asked, "refused": refused})
        return 0
    for label, identity in (("bound", bound), ("waits to be confirmed", asked)):
        if identity is not None:
            click.echo(f"{company}: {label}")
            common.table([(name, value) for name, value in identity.items() if value], ["", ""])
    for file in refused:
        click.echo(
            f"{company}: turned away: {common.clean(file.get('company_name', ''))} {common.clean(file.get('path', ''))}"
        )
    if moved is not None:
        click.echo(f"{company}: turned away: {_file(moved)}")
        office.say(
            f"run `flowctl company bind --confirm --company {company}` when it is the same file, moved or renamed"
        )
    if bound is None and asked is None:
        click.echo(f"{company}: no company file is bound; the first contact binds it")
    elif asked is not None:
        office.say(f"run `flowctl company bind --confirm --company {company}` when it is the right one")
    return 0


def _file(identity: Mapping[str, object]) -> str:
    """A company file as it is told from others: its name and its path."""
    return common.clean(f"`{identity.get('company_name', '')}` {identity.get('path', '')}").strip()


def _bind(tx: Tx, hand: Hand, word: str, reason: str, moved: Mapping[str, object] | None) -> str:
    """Give a person's word about the company file; returns what came of it, where what is shown does not say so.

    `moved` is the bound file under another path or name, as the person has seen it.
    """
    from engine.operator import companyfile
    from engine.store import companies

    if word == "confirm" and moved is not None:
        companyfile.accept_moved(tx, hand, reason, mark=companyfile.mark_of(moved))
        return "taken as it is now; work goes on at the next visit of the Web Connector"
    if word == "confirm":
        companyfile.confirm(tx, hand)
        return ""
    if word == "ask_again":
        companyfile.ask_again(tx, hand)
        return "the next company file that comes is taken as if it were new"
    if word == "refuse" and companies.identity(tx, hand.company) is None:
        companyfile.refuse(tx, hand, reason)
        return "refused; it is turned away until another one is bound, or --ask-again"
    released = companyfile.release(tx, hand, reason, is_wrong=word == "refuse")
    return "released" if released else "no company file was bound; nothing was changed"


@command.command(short_help="Show or set the time zone that people read times in.")
@click.argument("zone", required=False)
@common.home_option
@common.company_option
def zone(zone: str | None, home: Path, company: str) -> int:
    """Show the time zone in which the panel shows times for this company, or set it; UTC when it was never set.

    Example: flowctl company zone America/New_York
    """
    from engine import companyzone
    from engine.store import companies

    with office.opened(home) as world:
        if zone is not None:
            with world.store.write(company) as tx:
                companies.require(tx, company)
                companyzone.put(tx, office.hand(world, company), zone)
        with world.store.read(company) as tx:
            row = companies.require(tx, company)
    click.echo(f"{company}: {row['time_zone']}")
    return 0


def _keys(name: str, given: Mapping[str, Value]) -> list[str]:
    """The keys of a setting: the general one, and one for each scope that has a value of its own."""
    from engine.store import companies

    return [name, *sorted(key for key in given if key != name and companies.setting_of(key)[0] == name)]


def _shown(value: Value | None) -> str:
    return str(value).lower() if isinstance(value, bool) else common.clean(value)


def _woken(number: int) -> None:
    if number:
        office.say(f"{office.counted(number, 'record')} will be looked at anew in the next run")
