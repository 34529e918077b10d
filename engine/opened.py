"""The sources of one run: each is opened when it is first asked for, and gives its sockets back at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import field

from engine.contract import Source
from engine.dataclass import dataclass
from engine.model import Flow
from engine.seatcheck import SeatTaken, require_seat
from engine.store import places
from engine.store.places import Place
from engine.world import World


@dataclass(slots=True)
class Sources:
    """The sources that a flow reads for a company. `seated` is called with a connection whose accounting seat is ours."""

    world: World
    company: str
    flow: Flow
    seated: Callable[[str], None]
    closing: ExitStack = field(default_factory=ExitStack)
    opened: dict[str, Source] = field(default_factory=dict)
    led: dict[str, Place] = field(default_factory=dict)
    refused: dict[str, SeatTaken] = field(default_factory=dict)

    def __call__(self, connection: str) -> Source:
        """The source of a connection.

        Raises:
            FlowctlError: when it is not connected, or its accounting seat is not ours.
        """
        if connection in self.refused:
            raise self.refused[connection]
        if connection not in self.opened:
            with self.world.store.read(self.company) as tx:
                self.led[connection] = places.current(tx, self.company, connection, pushed=True)
            found = self.world.source(self.company, connection)
            close = getattr(found, "close", None)
            if callable(close):
                self.closing.callback(close)
            try:
                if require_seat(self.world, self.company, connection, found, self.flow, writes=False):
                    self.seated(connection)
            except SeatTaken as error:
                self.refused[connection] = error
                raise
            self.opened[connection] = found
        return self.opened[connection]


@contextmanager
def sources(world: World, company: str, flow: Flow, seated: Callable[[str], None]) -> Iterator[Sources]:
    """The sources of one run, which are open until it ends."""
    made = Sources(world, company, flow, seated)
    with made.closing:
        yield made
