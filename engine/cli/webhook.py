"""`flowctl webhook`: asks a vendor to call our server, shows what came, and takes one of it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli import common, office
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.abilities import Subscribed
    from engine.contract import Binding, Connector
    from engine.store.base import Row
    from engine.webhooks.deliveries import Health, Subscriptions
    from engine.world import World


class _Subscribing(click.Group):
    """A group in which the name of a connection alone means `subscribe`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant."""
        given = args if args and args[0] in self.commands else ["subscribe", *args]
        return super().resolve_command(ctx, given)


@click.group(cls=_Subscribing)
def command() -> None:
    """Have a vendor call this server when something changes, and see what came of its calls.

    `flowctl webhook CONNECTION` is short for `flowctl webhook subscribe CONNECTION`.

    Example: flowctl webhook list --company acme
    """


@command.command()
@click.argument("connection")
@click.option("--url", required=True, help="https address of this server, as the vendor reaches it, without a path.")
@common.home_option
@common.company_option
def subscribe(connection: str, url: str, home: Path, company: str) -> int:
    """Create a webhook subscription and keep its secret, which the vendor shows only once and nobody needs to see.

    The secret before it is accepted for seven more days, or until `flowctl webhook retire`. Where the vendor wants its
    address confirmed, `flowctl serve` must run: the vendor calls it, and it confirms by itself.

    Example: flowctl webhook subscribe bill --company acme --url https://sync.acme.example
    """
    from engine.abilities import Subscribing
    from engine.webhooks import confirming, deliveries
    from engine.webhooks.handshakes import ByEvent, Confirms

    if not url.startswith("https://") or url.rstrip("/").count("/") != 2:
        raise UsageError(f"--url: `{url[:80]}` is no https address of a server", hint="https://sync.acme.example")
    address = f"{url.rstrip('/')}/webhooks/{company}/{connection}"
    with office.opened(home) as world:
        connector, binding = world.bound(company, connection)
        with _opened(world, company, connection) as opened:
            if not isinstance(opened, Subscribing):
                raise UsageError(
                    f"{company}/{connection}: {connector.spec.title} takes no subscription from here",
                    hint="the connector's page in the documentation says how its webhooks are set up, if it has any",
                )
            confirms = isinstance(opened, Confirms)
            if confirms:  # its handshake may come before its answer does
                confirming.expect(world, company, connection)
            events = _events(world, company, connection) if isinstance(opened, ByEvent) else ()
            result = opened.subscribe(address, events)
        made = list(result) if isinstance(result, Sequence) else [result]
        _keep(world, connector, binding, made)
        with world.store.write(company) as tx:
            deliveries.remember(tx, company, connection, address, world.at())
    for one in made:
        office.say(
            f"{company}/{connection}: {connector.spec.title} calls {address} from now on: {one.id} ({one.status})"
        )
    if confirms:
        office.say(
            f"{connector.spec.title} asks a new address first whether it is ours; `flowctl serve` answers and confirms it"
        )
    return 0


@command.command()
@click.argument("connection")
@common.home_option
@common.company_option
def expect(connection: str, home: Path, company: str) -> int:
    """Believe handshakes for an hour: for a subscription that was made in the vendor's own settings.

    `flowctl serve` answers the vendor's handshake, and confirms it to the vendor. Any other time none is answered.

    Example: flowctl webhook expect ramp --company acme
    """
    from engine.webhooks import confirming

    with office.opened(home) as world:
        world.bound(company, connection)
        confirming.expect(world, company, connection)
    office.say(f"{company}/{connection}: handshakes at /webhooks/{company}/{connection} are believed for an hour")
    return 0


@command.command("list")
@click.argument("connection", required=False, default="")
@click.option("--again", "only", flag_value="again", default="", help="Only those that came more than once.")
@click.option("--idle", "only", flag_value="idle", help="Only those that no flow waited for.")
@click.option("--find", "text", default="", help="Only those of this event id, kind of event, or object's id.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Show at most so many.")
@common.home_option
@common.company_option
@common.format_option
def list_(connection: str, only: str, text: str, limit: int, home: Path, company: str, form: str) -> int:
    """List the webhooks that were taken, the newest first, and what each brought forward.

    Example: flowctl webhook list ramp --company acme
    """
    from engine.store import companies, hooks

    with office.opened(home) as world, world.store.read(company) as tx:
        companies.require(tx, company)
        rows = hooks.page(tx, company, hooks.Sought(connection, only, text), hooks.BEYOND, limit)
    if form == "json":
        common.echo_json([_plain(row) for row in rows])
    elif rows:
        header = ("number", "time", "connection", "event", "object", "times", "brought forward")
        common.table([_line(row) for row in rows], header)
    else:
        office.say("no webhook was taken" if not (connection or only or text) else "no webhook is like this")
    return 0


@command.command()
@click.argument("number", type=click.IntRange(1))
@common.home_option
@common.company_option
@common.format_option
def show(number: int, home: Path, company: str, form: str) -> int:
    """Show one webhook: its body as it came, what it brought forward, and the records that it speaks of.

    Example: flowctl webhook show 17 --company acme
    """
    from engine.store import hooks
    from engine.webhooks import deliveries

    with office.opened(home) as world, world.store.read(company) as tx:
        row = deliveries.found(tx, company, number)
        body, became = hooks.body(tx, world.vault, row), deliveries.became(tx, row)
    text = deliveries.shown(body) if body is not None else None
    effects = [
        {
            "stream": f"{one.flow}/{one.stream}",
            "read_since": one.is_read,
            "records": [{"id": r["id"], "source_id": r["source_id"], "state": r["state"]} for r in one.records],
        }
        for one in became
    ]
    if form == "json":
        common.echo_json({**_plain(row), "became": effects, "body": text})
        return 0
    for name, value in _plain(row).items():
        if name != "streams":
            click.echo(f"{name}: {common.clean(value)}")
    for one in became:
        click.echo(f"brought forward: {one.flow}/{one.stream}, {'read since' if one.is_read else 'not read yet'}")
        for record in one.records:
            click.echo(f"  record {record['id']} ({common.clean(record['source_id'])}): {record['state']}")
    if text is None:
        office.say("its body is kept for 30 days, and is gone")
    else:
        click.echo("body:")
        for line in text.splitlines():
            click.echo(f"  {common.clean(line)}")
    return 0


@command.command()
@click.argument("number", type=click.IntRange(1))
@click.option("--reason", default="", help="Why; it is kept in the journal.")
@common.home_option
@common.company_option
def replay(number: int, reason: str, home: Path, company: str) -> int:
    """Read what a webhook speaks of once more; nothing is posted twice by it.

    Example: flowctl webhook replay 17 --company acme --reason "the server was down"
    """
    from engine.webhooks import deliveries

    programs = common.programs(())
    with office.opened(home) as world, world.store.write(company) as tx:
        row = deliveries.found(tx, company, number)
        streams = deliveries.replay(tx, office.hand(world, company), programs, row, reason)
    office.say(f"{', '.join(streams)}: read at the server's next look, or with `flowctl run`")
    return 0


@command.command()
@click.argument("connection", required=False, default="")
@click.option("--ask", is_flag=True, help="Ask the vendor how its subscriptions stand.")
@common.home_option
@common.company_option
def health(connection: str, ask: bool, home: Path, company: str) -> int:
    """Show how the webhooks of each connection stand: what came last, what was refused, which secrets are accepted.

    Ends with status 1 when the vendor calls none of our addresses, as far as it was asked.

    Example: flowctl webhook health ramp --ask --company acme
    """
    from engine.store import companies
    from engine.webhooks import deliveries

    with office.opened(home) as world:
        with world.store.read(company) as tx:
            companies.require(tx, company)
            names = [one.connection for one in deliveries.health(world, tx, company)]
        wanted = [connection] if connection else names
        for name in wanted if ask else ():
            deliveries.ask(world, office.hand(world, company), name)
        with world.store.read(company) as tx:
            found = [one for one in deliveries.health(world, tx, company) if one.connection in wanted]
    if not found:
        raise UsageError(
            f"{company}: no connection takes webhooks", hint="`flowctl connect` connects Ramp, BILL or FreshBooks"
        )
    for one in found:
        for line in _standing(one):
            click.echo(line)
    return 1 if any(one.asked is not None and not _calls_us(one, one.asked) for one in found) else 0


@command.command()
@click.argument("connection")
@common.home_option
@common.company_option
def retire(connection: str, home: Path, company: str) -> int:
    """Accept only the newest webhook secret from now on; otherwise the one before it ends after seven days.

    Example: flowctl webhook retire ramp --company acme
    """
    from engine.webhooks import rotation

    with office.opened(home) as world, world.store.write(company) as tx:
        gone = rotation.retire(tx, office.hand(world, company), connection)
    office.say(f"{company}/{connection}: gone: {', '.join(gone)}")
    return 0


# What connectors call the secret of their webhooks.
_SECRETS = frozenset({"webhook_secret", "webhook_key"})


def _standing(one: Health) -> Iterator[str]:
    """How the webhooks of a connection stand, in lines."""
    yield f"{one.connection} ({one.title}): {one.address or f'https://YOUR-SERVER{one.path}'}"
    if one.newest is None:
        yield "  nothing came yet"
    else:
        yield f"  last: {common.clean(one.newest['type'])} at {one.newest['received_at']}, number {one.newest['id']}"
    if not one.has_secret:
        yield "  no secret is known: nothing is taken"
    for name, end in one.ends.items():
        yield f"  {name} is accepted until {end}"
    if one.waiting:
        yield f"  {office.counted(one.waiting, 'handshake')} to be confirmed"
    for counted in one.counted:
        yield f"  in the last 7 days {counted.times:,} {counted.words}; the last at {counted.last_at}"
    if one.asked is not None:
        yield f"  asked at {one.asked.at}:" + ("" if one.asked.found else " no subscription")
        for made in one.asked.found:
            yield f"    {common.clean(made.id)} {common.clean(made.status)}: {common.clean(made.address)}"


def _calls_us(one: Health, asked: Subscriptions) -> bool:
    return any(made.is_live and made.address.endswith(one.path) for made in asked.found)


def _plain(row: Row) -> dict[str, object]:
    from engine.store import hooks

    streams = ["/".join(pair) for pair in hooks.streams(row)]
    names = ("id", "connection", "type", "event_id", "object_id", "received_at", "times", "last_at", "size")
    return {name: row[name] for name in names} | {"streams": streams}


def _line(row: Row) -> tuple[object, ...]:
    found = _plain(row)
    names = ("id", "received_at", "connection", "type", "object_id", "times")
    streams = found["streams"]
    assert isinstance(streams, list)
    return (*(found[name] or "" for name in names), ", ".join(streams) or "nothing")


@contextmanager
def _opened(world: World, company: str, connection: str) -> Iterator[Any]:
    opened = world.open(company, connection)
    try:
        yield opened
    finally:
        close = getattr(opened, "close", None)
        if callable(close):
            close()


def _events(world: World, company: str, connection: str) -> tuple[str, ...]:
    """The events that the company's flows wait for; none when no flow of its connections does."""
    from engine.connections.binding import bound_flow
    from engine.store import companies

    with world.store.read(company) as tx:
        there = companies.connectors(tx, company)
    events = {
        event
        for flow in (bound_flow(one, there) for one in office.flows())
        if all(there.get(wanted.name) == wanted.connector for wanted in flow.connections)
        for stream in flow.streams
        if stream.fetch.connection == connection
        for event in stream.trigger.webhooks
    }
    return tuple(sorted(events))


def _keep(world: World, connector: Connector, binding: Binding, made: Sequence[Subscribed]) -> None:
    """Keep the secret of a subscription; one whose secret comes with the handshake has none yet."""
    from engine.connections.connecting import connect

    name = next((f.name for f in connector.spec.settings if f.secret and f.name in _SECRETS), None)
    given = next((one.secret for one in made if one.secret), "")
    if name is None or not given:
        return
    secrets = {name: given}
    before = binding.secrets.get(name)
    if before and before != given:
        secrets[f"{name}_previous"] = before
    connect(world, binding.company, binding.connection, connector.spec.name, {}, secrets)
