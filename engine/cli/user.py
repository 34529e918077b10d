"""`flowctl user`: who may sign in to the panel, and as what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.store.base import HOUSE

if TYPE_CHECKING:
    from engine.follow import Hand
    from engine.store.users import Role
    from engine.world import World

_ROLES = click.Choice(["viewer", "operator", "admin"])


def _hand(world: World) -> Hand:
    return office.hand(world, HOUSE)


@click.group()
def command() -> None:
    """Add people who may use the panel; change their role, password or second factor; remove them.

    A viewer reads. An operator maps, tries again, leaves out and resolves as well. An admin does everything.

    Example: flowctl user add ana --role operator
    """


@command.command(short_help="Add a user; the password for the first sign-in is shown once.")
@click.argument("name")
@click.option("--role", type=_ROLES, default="viewer", show_default=True, help="What the user may do.")
@common.home_option
@common.format_option
def add(name: str, role: Role, home: Path, form: str) -> int:
    """Add a user. The password is shown once, and is good for the first sign-in: there the user chooses another.

    Example: flowctl user add ana --role operator
    """
    from engine.access import users
    from engine.store import users as kept

    users.user_name(name)
    password = users.one_time_password()
    hashed = users.hashed(password)
    with office.opened(home) as world, world.store.write(HOUSE) as tx:
        is_first = not kept.exist(tx)
        users.add(tx, _hand(world), name, role, hashed)
    _tell_once(form, name, {"role": role, "password": password})
    if form == "text":
        office.say("this password is shown only now; the user chooses another at the first sign-in")
    if is_first:
        office.say("the panel is there once `flowctl serve` is started anew")
    return 0


@command.command("list")
@common.home_option
@common.format_option
def list_(home: Path, form: str) -> int:
    """List the users with their roles.

    Example: flowctl user list
    """
    from engine.store import users

    with office.opened(home) as world, world.store.read(HOUSE) as tx:
        rows = users.every(tx)
    found = [
        {
            "user": row["user_name"],
            "role": row["role"],
            "second_factor": bool(row["has_totp"]),
            "password": "to be chosen" if row["is_once"] else "chosen",
            "created_at": row["created_at"],
            "signed_in_at": row["signed_in_at"],
        }
        for row in rows
    ]
    if form == "json":
        common.echo_json(found)
        return 0
    cells = [(f["user"], f["role"], "yes" if f["second_factor"] else "no", f["password"]) for f in found]
    common.table(cells, ["user", "role", "second factor", "password"])
    return 0


@command.command(short_help="Give a user another role.")
@click.argument("name")
@click.argument("role", type=_ROLES)
@common.home_option
def role(name: str, role: Role, home: Path) -> int:
    """Give a user another role; whoever is signed in under the name signs in anew.

    Example: flowctl user role ana admin
    """
    from engine.access import users

    with office.opened(home) as world, world.store.write(HOUSE) as tx:
        changed = users.set_role(tx, _hand(world), name, role)
    click.echo(f"{name}: {role}" + ("" if changed else ", as before"))
    return 0


@command.command(short_help="Make a new password for a user; it is shown once.")
@click.argument("name")
@common.home_option
@common.format_option
def password(name: str, home: Path, form: str) -> int:
    """Make a new password for a user who has lost it; it is shown once, and good for the next sign-in.

    Example: flowctl user password ana
    """
    from engine.access import users

    made = users.one_time_password()
    hashed = users.hashed(made)
    with office.opened(home) as world, world.store.write(HOUSE) as tx:
        users.set_password(tx, _hand(world), name, hashed, is_once=True)
    _tell_once(form, name, {"password": made})
    if form == "text":
        office.say("this password is shown only now; the user chooses another at the next sign-in")
    return 0


@command.command("sign-out", short_help="Sign a user out everywhere.")
@click.argument("name")
@common.home_option
def sign_out(name: str, home: Path) -> int:
    """Sign a user out everywhere; the password stays good.

    Example: flowctl user sign-out ana
    """
    from engine.access import users

    with office.opened(home) as world, world.store.write(HOUSE) as tx:
        users.sign_out(tx, _hand(world), name)
    click.echo(f"{name}: signed out everywhere")
    return 0


@command.command(short_help="Remove a user.")
@click.argument("name")
@common.home_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, home: Path, yes: bool) -> int:
    """Remove a user, who is signed out at once; what the user did stays in the journal.

    Example: flowctl user remove ana
    """
    from engine.access import users
    from engine.store import users as kept

    with office.opened(home) as world:
        with world.store.read(HOUSE) as tx:
            kept.require(tx, name)
        if not yes:
            common.confirm(f"Remove the user {name}?")
        with world.store.write(HOUSE) as tx:
            users.remove(tx, _hand(world), name)
    click.echo(f"{name}: removed")
    return 0


@command.command(short_help="Ask a user for a second factor, or no longer.")
@click.argument("name")
@click.option("--off", is_flag=True, help="Ask for the password alone.")
@common.home_option
@common.format_option
def totp(name: str, off: bool, home: Path, form: str) -> int:
    """Ask a user for the six digits of an authenticator app as well. Its secret is shown once; the user types it there.

    Example: flowctl user totp ana
    """
    from engine.access import users

    with office.opened(home) as world, world.store.write(HOUSE) as tx:
        if off:
            changed = users.drop_totp(tx, _hand(world), name)
        else:
            made = users.set_totp(tx, _hand(world), world.vault, name)
    if off:
        click.echo(f"{name}: the password alone" + ("" if changed else ", as before"))
        return 0
    _tell_once(form, name, {"secret": made.secret, "uri": made.uri})
    if form == "text":
        office.say("this secret is shown only now; type it in the authenticator app, or have it read the address")
    return 0


def _tell_once(form: str, user: str, told: dict[str, str]) -> None:
    """Print what is not kept in clear anywhere."""
    if form == "json":
        common.echo_json({"user": user, **told})
        return
    for name, text in told.items():
        click.echo(f"{name}: {text}")
