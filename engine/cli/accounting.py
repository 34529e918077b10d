"""What commands do with the seat of the accounting system at a vendor: open it, show it, take it where it is free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.accounting import AccountingLink, Seat
    from engine.world import World

_STANDS = {
    "ours": "`{0}` is ours and active",
    "inactive": "`{0}` is ours and not in use",
    "upgradable": "`{0}` is active, fed with CSV files",
    "direct": "`{0}` is active, the vendor's own integration",
    "foreign": "`{0}` is active and not ours",
    "none": "nobody is connected",
}
_DID = {
    "opened": "opened",
    "reactivated": "reactivated",
    "upgraded": "upgraded to an API connection",
    "kept": "kept as it is",
}


class NoSeat(UsageError):
    """A connection whose vendor has no accounting connection."""

    def __init__(self, company: str, connection: str, title: str) -> None:
        super().__init__(
            f"{company}/{connection}: {title} has no accounting connection",
            hint="`--accounting` and `flowctl migrate` are for vendors that let one system post; nothing is missing here",
        )


@contextmanager
def linked(world: World, company: str, connection: str) -> Iterator[AccountingLink]:
    """The seat of a connection, open until the block ends.

    Raises:
        NoSeat: when its vendor has none.
    """
    from engine.accounting import Accounted

    connector, _ = world.bound(company, connection)
    opened = world.open(company, connection)
    try:
        if not isinstance(opened, Accounted):
            raise NoSeat(company, connection, connector.spec.title)
        yield opened.accounting()
    finally:
        close = getattr(opened, "close", None)
        if callable(close):
            close()


def stands(seat: Seat) -> str:
    """Who holds the seat, in words."""
    return _STANDS[seat.standing].format(common.clean(seat.holder) or "(no name)")


def take(world: World, company: str, connection: str, form: str, *, upgrade: bool) -> int:
    """Take the seat where it is free or ours, set the switches that the settings want, and say what was done.

    Raises:
        Rejected: when another holds it; nothing was changed then.
    """
    with linked(world, company, connection) as link:
        before = link.seat()
        if form == "text":
            click.echo(f"{company}/{connection}: accounting connection: {stands(before)}")
        seat, did = link.open(upgrade=upgrade)
        flags = link.wanted_flags(seat)
        if flags:
            seat = link.set_flags(seat, flags)
    if form == "json":
        told = {"company": company, "connection": connection, "found": before.standing, "did": did}
        common.echo_json({**told, "id": seat.id, "name": seat.holder, "set": dict(flags), "settings": dict(seat.flags)})
        return 0
    click.echo(f"{company}/{connection}: {_DID[did]}: `{common.clean(seat.holder)}` ({common.clean(seat.id)})")
    for name, value in flags.items():
        click.echo(f"  set {name}: {_word(value)}")
    for name, value in _rest(seat.flags, flags).items():
        click.echo(f"  {name}: {_word(value)}")
    if did != "kept":
        office.say(f"next: flowctl doctor{'' if company == common.DEFAULT_COMPANY else f' --company {company}'}")
    return 0


def _rest(shown: Mapping[str, bool], changed: Mapping[str, bool]) -> dict[str, bool]:
    return {name: value for name, value in shown.items() if name not in changed}


def _word(value: bool) -> str:
    return "on" if value else "off"
