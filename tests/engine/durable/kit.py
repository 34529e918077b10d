"""An executor that keeps its tasks in a list until a test has them done, by whichever process it says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.durable.handing import Hands
from engine.durable.port import Handle, Task
from engine.holders import take_name
from engine.service import Service
from engine.world import World
from tests.engine.kit import FLOW, Bench


@dataclass
class Shared:
    """What a durable engine has in its database: tasks by key, and who runs them."""

    waiting: dict[str, Task] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)


@dataclass
class Held:
    """One process's executor on it."""

    shared: Shared = field(default_factory=Shared)
    keeps: bool = True
    handle: Handle | None = None
    name: str = ""
    form: str = ""
    purged: int = 0

    def start(self, handle: Handle, name: str, form: str) -> None:
        self.handle, self.name, self.form = handle, name, form

    def submit(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self.shared.waiting.setdefault(task.key, task)
            self.shared.forms.setdefault(task.key, self.form)

    def known(self, forms: Collection[str] = ()) -> Mapping[str, str]:
        held, of = self.shared.held, self.shared.forms
        return {key: held.get(key, "") for key in self.shared.waiting if key in held or not forms or of[key] in forms}

    def drop(self, keys: Collection[str]) -> None:
        for key in keys:
            self.shared.waiting.pop(key, None)
            self.shared.held.pop(key, None)

    def purge(self, forms: Collection[str]) -> int:
        self.drop([key for key in self.shared.waiting if self.shared.forms[key] not in forms])
        self.purged += 1
        return 0

    def stop(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        self.handle = None

    def do(self) -> list[Task]:
        """Do everything that waits; which tasks."""
        done = []
        for key, task in list(self.shared.waiting.items()):
            if key not in self.shared.held and self.shared.forms[key] == self.form:
                assert self.handle is not None
                self.shared.held[key] = self.name
                self.handle(task)
                self.drop([key])
                done.append(replace(task, at=""))
        return done


def service_of(bench: Bench, executor: Held) -> Service:
    return Service(bench.world, {FLOW: bench.program}, executor=executor)


def hands_of(world: World, executor: Held, flows: Collection[str] = (FLOW,)) -> Hands:
    """A process that has begun, serves these flows, and hands out work if no other does."""
    made = Hands(world, executor, lambda _tx, _company, _flow, _gone: None, frozenset(flows))
    made.start()
    executor.start(lambda _task: None, made.name, made.form)
    return made


def dies(hands: Hands) -> None:
    """The process of these hands is killed: its name says that it was one of a process that is gone."""
    import engine.holders

    engine.holders.drop_name(hands.name)


__all__ = ["Held", "Shared", "dies", "hands_of", "service_of", "take_name"]
