"""`flowctl key`: the keys that secrets are sealed with; which there are, a new data key, another master key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from engine.store.keys import Place
    from engine.upkeep.rekeying import Where
    from engine.vault import Vault


@click.group()
def command() -> None:
    """See and change the keys that secrets are sealed with, while flowctl serves.

    Data keys seal the secrets and are kept in the store, wrapped by the master key, which is not.

    Example: flowctl key rotate
    """


@command.command()
@common.home_option
@common.format_option
def status(home: Path, form: str) -> int:
    """Show the master key's id and place, the data keys, and how many secrets each seals.

    Example: flowctl key status
    """
    from engine.store import keys
    from engine.vault import place_of

    with office.opened(home) as world, world.store.read() as tx:
        used, rows = keys.in_use(tx), tx.rows("data_keys_all", {})
        master = keys.master_of(tx) or world.vault.key_id
        known = {row["key_id"] for row in rows}
        data = [
            {k: row[k] for k in ("key_id", "state", "made_at")} | {"secrets": used.get(row["key_id"], 0)}
            for row in rows
        ]
    direct = sum(count for key_id, count in used.items() if key_id in ("", master))
    lost = {key_id: count for key_id, count in used.items() if key_id not in known and key_id not in ("", master)}
    where = place_of(home).words
    if form == "json":
        found = {"master_key": master, "place": where, "data_keys": data, "sealed_with_master": direct, "lost": lost}
        common.echo_json(found)
        return 1 if lost else 0
    click.echo(f"master key {master}, from {where}")
    for row in data:
        secrets = office.counted(int(str(row["secrets"])), "secret")
        click.echo(f"data key {row['key_id']}, {row['state']}, made {row['made_at']}: {secrets}")
    if direct:
        click.echo(f"sealed with the master key itself: {office.counted(direct, 'secret')}")
        office.say("`flowctl key rotate` seals them with a data key")
    for key_id, count in lost.items():
        click.echo(f"sealed with the key {key_id}, which is not here: {office.counted(count, 'secret')}")
        office.say("put that key back, or connect again with `flowctl connect`")
    return 1 if lost else 0


@command.command()
@common.home_option
@common.format_option
def rotate(home: Path, form: str) -> int:
    """Seal every secret with a new data key, and drop the old one; `flowctl serve` may run meanwhile.

    Example: flowctl key rotate
    """
    from engine.upkeep import rekeying

    with office.opened(home) as world:
        done = rekeying.rotate(world, f"cli:{office.person()}")
    if form == "json":
        common.echo_json(
            {"key": done.key_id, "secrets": done.sealed, "retired": done.retired, "broken": _places(done.broken)}
        )
    else:
        gone = f"; gone: {', '.join(done.retired)}" if done.retired else ""
        click.echo(f"data key {done.key_id} seals {office.counted(done.sealed, 'secret')}{gone}")
    return _complain(done.broken)


@command.command("set-master")
@common.home_option
@click.option(
    "--to", type=click.Choice(["file", "keyring"]), help="Where the new key goes [default: where the old one is]."
)
@click.option(
    "--from", "source", metavar="PATH", help="Take the new key from a file, `-` for stdin [default: make one]."
)
@common.format_option
def set_master(home: Path, to: Where | None, source: str | None, form: str) -> int:
    """Wrap the data keys with another master key: a new one, or the one that is given.

    A server that runs meanwhile finds the new key in the file or the keyring. With the key itself in FLOWCTL_KEY nothing
    can be put there from outside: give the new key with --from, change the variable, and start the server again.

    Example: flowctl key set-master --to keyring
    """
    from engine.errors import UsageError
    from engine.upkeep import rekeying
    from engine.vault import KEY_VARIABLE, new_key, place_of

    if place_of(home).path is None and not source and not to:
        raise UsageError(
            f"the master key is in {KEY_VARIABLE}, which only you can change",
            hint="give the new key with --from PATH and then change the variable, or move it with --to file",
        )
    master = _given(source) if source else new_key()
    with office.opened(home) as world:
        done = rekeying.set_master(world, home, f"cli:{office.person()}", master, to or "")
    if form == "json":
        path = str(done.path) if done.path else None
        common.echo_json({"key": done.key_id, "path": path, "broken": _places(done.broken)})
    else:
        click.echo(f"master key {done.key_id}" + (f", from {done.path}" if done.path else ""))
    if place_of(home).path is None:
        what = f"take {KEY_VARIABLE} out of the environment" if done.path else f"set {KEY_VARIABLE} to the new key"
        office.say(f"{what}, and start `flowctl serve` again")
    return _complain(done.broken)


@command.command()
@common.home_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(home: Path, yes: bool) -> int:
    """Give up secrets whose master key is lost, so that they can be given anew with `flowctl connect`.

    Example: flowctl key forget
    """
    from engine.upkeep import rekeying

    with office.opened(home, check=False) as world:
        if not yes:
            common.confirm("Every secret that the key at hand does not open is given up. Go on?")
        gone = rekeying.forget(world, f"cli:{office.person()}")
    click.echo(f"given up: {', '.join(gone)}" if gone else "nothing to give up: the key at hand opens every data key")
    if gone:
        office.say(
            "give the secrets again with `flowctl connect`; see `flowctl audit checkpoint --accept` for checkpoints"
        )
    return 0


def _given(source: str) -> Vault:
    from engine.vault import parse_key

    data = office.read_bytes(source, limit=office.MAX_SECRET)
    return parse_key(data.decode("latin-1"), "the new key")


def _places(broken: Iterable[Place]) -> list[dict[str, str]]:
    return [{"company": p.company, "connection": p.connection, "field": p.field} for p in broken]


def _complain(broken: Sequence[Place]) -> int:
    for place in broken:
        office.say(f"{place.company}/{place.connection}: the secret `{place.field}` does not open; it stays as it is")
    if broken:
        office.say("put the key back that they were sealed with, or connect again with `flowctl connect`")
    return 1 if broken else 0
