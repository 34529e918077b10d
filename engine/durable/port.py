"""What the rest of flowctl knows of whatever executes its work: a few calls, and nothing of who answers them.

An executor runs each task at least once. It may run one twice, or lose it with its own database: that a task has its effect
once is for our own store to see to, and so is that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Literal, Protocol, get_args

from engine.dataclass import dataclass
from engine.errors import FlowctlError

# `flow` reads, writes and tells for one flow of one company; `confirm` answers handshakes of a company's webhooks; `tidy`
# drops bodies of webhooks whose time is over, of all companies.
Kind = Literal["flow", "confirm", "tidy"]
KINDS: frozenset[str] = frozenset(get_args(Kind))


class ExecutorFailed(FlowctlError):
    """The durable engine does not answer."""


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work. Tasks of one company run one after another; nothing else is kept of a task than is written here.

    `number` and `at` say which turn it is, once it has one (`engine.store.turns`).
    """

    kind: Kind
    company: str
    flow: str = ""
    number: int = 0
    at: str = ""

    @property
    def work(self) -> str:
        """The name of the work within its company."""
        return f"{self.kind}:{self.flow}"

    @property
    def key(self) -> str:
        """A name that no other task ever has: an executor takes what it knows already for the same."""
        return f"{self.company}/{self.work}/{self.number}/{self.at}"


# The form in which a task is kept, by its number. It goes up whenever a task says more, or there is a new kind of it: then
# a process of another flowctl leaves it to those who know it.
_FORM = "flowctl-tasks-1"


def form_of(flows: Collection[str]) -> str:
    """The form of the tasks that a process takes which serves these flows: nobody is given what he does not know."""
    return f"{_FORM}-{sha256(chr(10).join(sorted(flows)).encode()).hexdigest()[:16]}"


Handle = Callable[[Task], None]


class Executor(Protocol):
    """Runs tasks. One that `keeps` them runs them later, in threads of its own; any other within `submit`."""

    keeps: bool

    def start(self, handle: Handle, name: str, form: str) -> None:
        """Begin to take work of this form and hand it to `handle`, under the name of this process.

        Raises:
            ExecutorFailed: when the engine cannot be started.
        """
        ...

    def submit(self, tasks: Sequence[Task]) -> None:
        """Have these done; those that it has already stay as they are.

        Raises:
            ExecutorFailed: when it does not answer.
        """
        ...

    def known(self, forms: Collection[str]) -> Mapping[str, str]:
        """The keys of all tasks that have not ended, each with the name of the process that runs it, empty for none.

        What waits in another form than these is left out.

        Raises:
            ExecutorFailed: when it does not answer.
        """
        ...

    def drop(self, keys: Collection[str]) -> None:
        """Forget tasks that have not ended, so that they keep no other of their company waiting."""
        ...

    def purge(self, forms: Collection[str]) -> int:
        """Forget some of the tasks that ended long ago, and what waits in another form than these; how many ended."""
        ...

    def stop(self, timeout_s: float) -> bool:
        """Take no new work, and wait so long for what is under way; whether all of it has ended.

        Others may still be given work through it, until it is closed.
        """
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
