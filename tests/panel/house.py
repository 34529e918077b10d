"""A panel over shipped flows and real connectors, for what the small company of the kit does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from starlette.applications import Starlette

from engine.flowlang.flowfile import load_flow
from engine.panel.app import Panel
from engine.panel.pages import PAGES
from engine.program import FlowProgram, compile_flow
from engine.store import companies
from engine.testing import memory_world
from engine.world import World
from tests.panel.kit import Browser, add_user, signed_as
from tests.reference import ROOT


@cache
def program(name: str) -> FlowProgram:
    """A shipped flow; compiling it takes a while."""
    flow, problems = load_flow(Path(ROOT / "flows" / f"{name}.yaml"))
    assert flow is not None, problems
    return compile_flow(flow)


class House:
    """A company `acme` without connections, and a user of each role."""

    def __init__(self, world: World, *flows: str) -> None:
        self.world = world
        self.programs = {name: program(name) for name in flows}
        self.app = Starlette(routes=Panel(world, PAGES, lambda: None, self.programs).routes())
        for role in ("viewer", "operator", "admin"):
            add_user(world, role, role)
        with world.store.write() as tx:
            companies.add(tx, "acme", "Acme Inc.", world.at())

    def as_(self, role: str) -> Browser:
        """Somebody of a role, signed in."""
        return signed_as(Browser(self.app), self.world, role)


@contextmanager
def house(*flows: str, world: World | None = None) -> Iterator[House]:
    """A house; its store lives in memory unless a world is given."""
    made = world or memory_world()
    try:
        yield House(made, *flows)
    finally:
        made.store.close()
