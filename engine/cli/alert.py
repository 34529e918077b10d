"""`flowctl alert`: channels that carry messages, rules that say of what, and what is open now."""

from __future__ import annotations

import os
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli import common, office
from engine.errors import UsageError
from engine.store.base import HOUSE

if TYPE_CHECKING:
    from engine.alerting.channels import Channel
    from engine.store.base import Row, Tx
    from engine.world import World

ADDRESS_VARIABLE = "FLOWCTL_ALERT_ADDRESS"
_SPAN = re.compile(r"([1-9]\d{0,3})([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
house_option = click.option("--house", is_flag=True, help="For the whole house, that is for all companies.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


class AddressMissing(UsageError):
    """No address was given, and there is no terminal to ask at."""

    hint = f"give --address-file PATH, or `-` for standard input, or set {ADDRESS_VARIABLE}"


class SpanUnfit(UsageError):
    """A span of time is written like 30m, 8h or 2d."""


def _scope(company: str, house: bool) -> str:
    return HOUSE if house else company


def _required(tx: Tx, scope: str) -> str:
    from engine.store import companies

    if scope:
        companies.require(tx, scope)
    return scope


@click.group()
def command() -> None:
    """Say who is told of what, how and when: by mail, Slack, Teams, a webhook, and more.

    `flowctl serve` looks every half minute and sends. Without it, `flowctl alert send` does so once.

    Example: flowctl alert add ops --company acme
    """


@command.command(short_help="Add a channel; its address is asked for, and sealed.")
@click.argument("name")
@common.home_option
@common.company_option
@house_option
@click.option(
    "--address-file", default="", metavar="PATH", help="Read the address from this file; `-` reads standard input."
)
@click.option(
    "--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting, as `flowctl alert change` takes it."
)
@click.option("--replace", is_flag=True, help="Give a channel that there is another address.")
@common.format_option
def add(  # noqa: PLR0913, PLR0917 - one parameter an option
    name: str,
    home: Path,
    company: str,
    house: bool,
    address_file: str,
    given: tuple[str, ...],
    replace: bool,
    form: str,
) -> int:
    """Add a channel. Its address holds secrets: it is never taken from the command line, sealed, and never shown again.

    An address is like mailtos://user:password@example.com?to=ana@example.com or slack://TokenA/TokenB/TokenC.

    Example: flowctl alert add ops --company acme --set digest=daily --set hour=8 --set quiet=20:00-07:00
    """
    from engine.alerting import addresses, channels

    wishes, scope = channels.wanted(office.pairs("--set", given)), _scope(company, house)
    address = addresses.check(_address(address_file))
    with office.opened(home, create=False) as world, world.store.write(scope) as tx:
        hand = office.hand(world, _required(tx, scope))
        if replace:
            channel = channels.replace_address(tx, hand, world.vault, name, address)
            if given:
                channel = channels.change(tx, hand, name, office.pairs("--set", given))
        else:
            channel = channels.add(tx, hand, world.vault, name, address, wishes)
    _show([channel], form)
    if form == "text":
        office.say(f"try it: `flowctl alert test {name}{_words(scope)}`")
    return 0


def _address(path: str) -> str:
    if path:
        try:
            return office.read_bytes(path, limit=8192).decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise office.FileUnusable(path, "is no UTF-8 text", "give the right file") from error
    if ADDRESS_VARIABLE in os.environ:
        return os.environ[ADDRESS_VARIABLE]
    if not sys.stdin.isatty():
        raise AddressMissing
    return str(click.prompt("Address", hide_input=True, err=True))


@command.command(short_help="Change what a channel wants to hear, and when.")
@click.argument("name")
@click.argument("settings", nargs=-1, required=True, metavar="NAME=VALUE...")
@common.home_option
@common.company_option
@house_option
def change(name: str, settings: tuple[str, ...], home: Path, company: str, house: bool) -> int:
    """Change a channel: rules, least (info, warning, urgent), digest (now, hourly, daily), hour, quiet, zone, solved.

    Example: flowctl alert change ops digest=daily hour=8 quiet=20:00-07:00 rules=deferred,failed
    """
    from engine.alerting import channels

    with office.opened(home) as world, world.store.write(_scope(company, house)) as tx:
        hand = office.hand(world, _required(tx, _scope(company, house)))
        channel = channels.change(tx, hand, name, office.pairs("NAME=VALUE", settings))
    _show([channel], "text")
    return 0


@command.command("list")
@common.home_option
@common.company_option
@house_option
@common.format_option
def list_(home: Path, company: str, house: bool, form: str) -> int:
    """List the channels; of an address the scheme and no secret.

    Example: flowctl alert list --company acme
    """
    from engine.alerting import channels

    with office.opened(home) as world, world.store.read(_scope(company, house)) as tx:
        found = channels.every(tx, _required(tx, _scope(company, house)))
    _show(found, form)
    return 0


@command.command()
@click.argument("name")
@common.home_option
@common.company_option
@house_option
@yes_option
def remove(name: str, home: Path, company: str, house: bool, yes: bool) -> int:
    """Remove a channel, and what it was still to be sent.

    Example: flowctl alert remove ops --yes
    """
    from engine.alerting import channels

    scope = _scope(company, house)
    with office.opened(home) as world:
        with world.store.read(scope) as tx:
            channels.require(tx, scope, name)
        if not yes:
            common.confirm(f"Remove the channel {name}?")
        with world.store.write(scope) as tx:
            channels.remove(tx, office.hand(world, scope), name)
    click.echo(f"{name}: removed")
    return 0


@command.command()
@click.argument("name")
@common.home_option
@common.company_option
@house_option
def test(name: str, home: Path, company: str, house: bool) -> int:
    """Send a test message to a channel now; ends with 1 when it is not taken.

    Example: flowctl alert test ops
    """
    from engine.alerting import channels
    from engine.alerting.postman import Postman

    with office.opened(home) as world:
        with world.store.read(_scope(company, house)) as tx:
            channel = channels.require(tx, _scope(company, house), name)
        error = Postman(world).try_out(channel)
    click.echo(f"{name}: {common.clean(error) if error else 'taken'}")
    return 1 if error else 0


@command.command(short_help="Mute a channel, or an open notice by its number.")
@click.argument("what", metavar="CHANNEL|NUMBER")
@common.home_option
@common.company_option
@house_option
@click.option(
    "--for", "span", default="", metavar="SPAN", help="How long, such as 30m, 8h or 2d; a notice else until it is over."
)
@click.option("--reason", required=True, help="Why; kept in the journal.")
def mute(what: str, home: Path, company: str, house: bool, span: str, reason: str) -> int:
    """Send nothing to a channel for a while, or tell nobody of an open notice for a while or until it is over.

    Example: flowctl alert mute 12 --for 2d --reason "the bank is closed"
    """
    from engine.alerting import channels, notices

    is_notice = office.is_number(what)
    if not is_notice and not span:
        raise click.UsageError("a channel is muted for a span: give --for, such as --for 8h")
    with office.opened(home) as world, world.store.write(_scope(company, house)) as tx:
        hand = office.hand(world, _required(tx, _scope(company, house)))
        until_at = _until(world, span)
        if is_notice:
            row = notices.mute(tx, hand, int(what), until_at, common.clean(reason))
            told = common.clean(row["title"])
        else:
            told = channels.mute(tx, hand, what, until_at, common.clean(reason)).name
    click.echo(f"{told}: muted until {until_at[:16].replace('T', ' ') + ' UTC' if until_at else 'it is over'}")
    return 0


@command.command(short_help="Let a channel, or a notice by its number, be heard again.")
@click.argument("what", metavar="CHANNEL|NUMBER")
@common.home_option
@common.company_option
@house_option
def unmute(what: str, home: Path, company: str, house: bool) -> int:
    """Let a channel, or an open notice by its number, be heard again.

    Example: flowctl alert unmute ops
    """
    from engine.alerting import channels, notices

    with office.opened(home) as world, world.store.write(_scope(company, house)) as tx:
        hand = office.hand(world, _required(tx, _scope(company, house)))
        if office.is_number(what):
            told = common.clean(notices.unmute(tx, hand, int(what))["title"])
        else:
            told = channels.mute(tx, hand, what, "", "").name
    click.echo(f"{told}: heard again")
    return 0


@command.command("open")
@common.home_option
@common.company_option
@house_option
@common.format_option
def open_(home: Path, company: str, house: bool, form: str) -> int:
    """List what people are told of now, with how many records and how much money.

    Example: flowctl alert open
    """
    from engine.alerting import notices

    with office.opened(home) as world, world.store.read(_scope(company, house)) as tx:
        rows = notices.opened(tx, _required(tx, _scope(company, house)))
        quiet = {row["id"]: notices.muted(tx, row, world.at()) for row in rows}
        found = [_notice(row, quiet[row["id"]]) for row in rows]
    if form == "json":
        common.echo_json(found)
        return 0
    cells = []
    for each in found:
        sums = " ".join(f"{amount} {currency}" for currency, amount in each["money"].items())
        counted = each["records"] or ""
        cells.append((each["id"], each["rule"], each["severity"], counted, sums, each["muted"] or "", each["title"]))
    common.table(cells, ["number", "rule", "severity", "records", "money", "muted until", "what"])
    return 0


def _notice(row: Row, muted: Any) -> dict[str, Any]:
    import json

    until = None if muted is None else muted.until_at or "it is over"
    names = ("id", "rule", "subject", "severity", "title", "detail", "hint", "records", "since_at")
    return {**{name: row[name] for name in names}, "money": json.loads(row["money"]), "muted": until}


@command.command()
@common.home_option
@common.company_option
@house_option
@common.format_option
def rules(home: Path, company: str, house: bool, form: str) -> int:
    """Show the rules as they hold for a company, or for the house; a star marks what was changed there.

    Example: flowctl alert rules --company acme
    """
    from engine.alerting import rules as known

    with office.opened(home) as world, world.store.read(_scope(company, house), HOUSE) as tx:
        found = known.of_scope(tx, _required(tx, _scope(company, house)))
    if form == "json":
        common.echo_json({name: {**each.as_json(), "changed": sorted(each.own)} for name, each in found.items()})
        return 0
    for name, each in found.items():
        click.echo(f"{name}: {each.rule.help}")
        shown = [f"{key}={_plain(value)}{'*' if key in each.own else ''}" for key, value in each.as_json().items()]
        click.echo(f"  {' '.join(shown)}")
    return 0


@command.command("set", short_help="Change a rule, for a company or for the house.")
@click.argument("rule")
@click.argument("settings", nargs=-1, metavar="NAME=VALUE...")
@common.home_option
@common.company_option
@house_option
@click.option("--default", "is_default", is_flag=True, help="Go back to what the house says, or to the default.")
def set_(rule: str, settings: tuple[str, ...], home: Path, company: str, house: bool, is_default: bool) -> int:
    """Change a rule: on (yes, no), severity (info, warning, urgent), solved (yes, no), remind_hours, and its own numbers.

    Example: flowctl alert set poll intervals=24 severity=urgent --house
    """
    from engine.alerting import rules as known

    if bool(settings) is is_default:
        raise click.UsageError("give NAME=VALUE, or --default")
    with office.opened(home) as world, world.store.write(_scope(company, house), HOUSE) as tx:
        scope = _required(tx, _scope(company, house))
        hand = office.hand(world, scope)
        if is_default:
            known.reset(tx, hand, rule)
        else:
            known.put(tx, hand, rule, office.pairs("NAME=VALUE", settings))
        found = known.effective(tx, scope)[rule]
    click.echo(f"{rule}: {' '.join(f'{name}={_plain(value)}' for name, value in found.as_json().items())}")
    return 0


@command.command(short_help="Say where the panel is found, and in which zone the house lives.")
@click.argument("settings", nargs=-1, metavar="NAME=VALUE...")
@common.home_option
def house(settings: tuple[str, ...], home: Path) -> int:
    """Show, or set, `base_url` (links in messages lead there) and `zone` (for the channels of the house).

    Example: flowctl alert house base_url=https://books.example.com zone=Europe/Berlin
    """
    from engine.alerting import channels

    with office.opened(home) as world, world.store.write(HOUSE) as tx:
        hand = office.hand(world, HOUSE)
        given = office.pairs("NAME=VALUE", settings)
        found = channels.put_house(tx, hand, given) if given else channels.house(tx)
    for name, value in found.items():
        click.echo(f"{name}: {value or '-'}")
    return 0


@command.command()
@click.argument("flows", nargs=-1)
@common.home_option
def send(flows: tuple[str, ...], home: Path) -> int:
    """Look once and send what is due, for those who run flows by cron instead of `flowctl serve`.

    Example: flowctl alert send
    """
    from engine.alerting.watchman import Watchman

    programs = common.programs(flows)
    with office.opened(home) as world:
        watchman = Watchman(world, programs, home)
        try:
            taken = watchman.tick()
        finally:
            watchman.close()
    click.echo(f"{office.counted(taken, 'message')} sent")
    return 0


def _until(world: World, span: str) -> str:
    from engine.clock import iso

    if not span:
        return ""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise SpanUnfit
    return iso(world.clock.now() + timedelta(**{_UNITS[found[2]]: int(found[1])}))


def _words(scope: str) -> str:
    from engine.diagnostics import of_company

    return of_company(scope) if scope else " --house"


def _plain(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _state(channel: Channel) -> str:
    if channel.failing_since:
        return f"failing since {channel.failing_since[:16].replace('T', ' ')}: {channel.last_error}"
    if channel.muted_until:
        return f"muted until {channel.muted_until[:16].replace('T', ' ')}"
    return f"sent at {channel.sent_at[:16].replace('T', ' ')}" if channel.sent_at else "nothing sent yet"


def _show(found: list[Channel], form: str) -> None:
    if form == "json":
        names = ("name", "hint", "muted_until", "failing_since", "last_error", "sent_at")
        shown = [
            {**{name: getattr(each, name) for name in names}, "settings": each.settings.as_json()} for each in found
        ]
        common.echo_json(shown)
        return
    cells = []
    for each in found:
        wishes = each.settings
        when = f"{wishes.digest} at {wishes.hour}:00" if wishes.digest == "daily" else wishes.digest
        quiet = f", quiet {wishes.quiet}" if wishes.quiet else ""
        cells.append((each.name, each.hint, " ".join(wishes.rules) or "all", wishes.least, when + quiet, _state(each)))
    common.table(cells, ["channel", "to", "rules", "least", "when", "state"])
