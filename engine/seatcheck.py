"""A flow that writes a vendor's chart of accounts needs the accounting seat there, before it reads, writes or tells."""

from __future__ import annotations

from engine.accounting import MIGRATION_SETTING, Accounted, Seat
from engine.errors import RunError
from engine.model import Flow
from engine.world import World


class SeatTaken(RunError):
    """The accounting seat at the vendor is not ours: what is there is another program's, which posts it as well."""

    def __init__(self, where: str, seat: Seat, advice: str) -> None:
        super().__init__(f"{where}: the accounting connection is {held_by(seat)}", hint=advice)


def require_seat(world: World, company: str, connection: str, opened: object, flow: Flow, *, writes: bool) -> bool:
    """Refuse a connection whose accounting seat is not ours, where the flow writes the chart of accounts there.

    False where the flow needs no seat, or there is none.

    Whoever holds the seat posts what is ready, and gives the ids of the chart their meaning: posting it as well would
    book everything twice. While a move is under way, what is written (`writes`) goes to our own, inactive connection.

    Raises:
        SeatTaken: when another holds it, or nobody.
    """
    if not isinstance(opened, Accounted):
        return False
    link = opened.accounting()
    if not link.requests & {v.request for s in flow.streams if s.target == connection for v in s.variants}:
        return False
    _, binding = world.bound(company, connection)
    if writes and binding.settings.get(MIGRATION_SETTING):
        return False
    seat = link.seat()
    if seat.standing != "ours":
        raise SeatTaken(f"{company}/{connection}", seat, link.advice(seat))
    return True


def held_by(seat: Seat) -> str:
    """Who has a seat that is not ours."""
    return f"held by `{seat.holder}`" if seat.standing in ("direct", "foreign", "upgradable") else "not open"
