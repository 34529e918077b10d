"""What each process that does work serves: the content of its flow files, and its flowctl. Two of them make different records.

A process shows it in the store with its sign of life. Nothing is refused because of it: whoever upgrades machine by machine
has two versions for a while, and what was prepared is sent as it was prepared. When it lasts, a person is told.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.jsontext import plain
from engine.model import Flow
from engine.program import FlowProgram
from engine.shipped import version
from engine.store import turns
from engine.store.base import Tx
from engine.world import World

_DIGITS = 12
# So many processes are named; of more, how many there are.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Process:
    """A living process that does work: its machine and number, since when, its flowctl, and the digest of each flow's files."""

    host: str
    number: str
    since_at: str
    version: str
    flows: Mapping[str, str]

    @property
    def words(self) -> str:
        """What a person knows it by."""
        return f"{self.host} (process {self.number})"


@dataclass(frozen=True, slots=True)
class Mixed:
    """Something of which there is more than one at work: a flow, or flowctl itself, whose name is empty then.

    `groups` are the versions, each with the processes that have it; `since_at` is when the youngest of them was started.
    """

    flow: str
    groups: Mapping[str, Sequence[Process]]
    since_at: str

    @property
    def says(self) -> str:
        """What there is two of, said of the flow or of the processes."""
        count = len(self.groups)
        return f"is served from {count} different files" if self.flow else f"are of {count} versions of flowctl"

    @property
    def title(self) -> str:
        """The same in one sentence."""
        return f"{f'the flow {self.flow}' if self.flow else 'the processes on this store'} {self.says}"

    @property
    def detail(self) -> str:
        """Who has which."""
        return "; ".join(f"{name} at {_names(group)}" for name, group in sorted(self.groups.items()))

    @property
    def hint(self) -> str:
        """What to do."""
        if not self.flow:
            return "install the same version on every machine and start `flowctl serve` anew there"
        return (
            "bring the same file, and the same templates beside it, to every machine and start `flowctl serve` anew there; "
            f"until then `flowctl pause {self.flow}` keeps either from preparing more"
        )


def digest(flow: Flow) -> str:
    """What tells the content of a flow's own files from any other: the flow file, and the templates beside it."""
    found = sha256(flow.source.encode())
    folder = Path(flow.path).parent / "templates"
    for path in sorted(folder.iterdir()) if flow.path and folder.is_dir() else ():
        with suppress(OSError):  # a folder, or what cannot be read, is no template of the flow
            found.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return found.hexdigest()[:_DIGITS]


def served(programs: Mapping[str, FlowProgram]) -> str:
    """What a process says of itself, as it is kept."""
    return plain({"flowctl": version(), "flows": {name: digest(each.flow) for name, each in programs.items()}})


def processes(world: World, tx: Tx) -> list[Process]:
    """The living processes that do work; one of an older flowctl, which does not say what it serves, is left out."""
    now = world.clock.now()
    return [
        _process(row["name"], row["started_at"], json.loads(row["serves"]))
        for row in turns.executors(tx)
        if row["serves"] and not turns.is_dead(row, now)
    ]


def mixed(found: Iterable[Process]) -> Iterator[Mixed]:
    """Each flow that two of the processes serve from different files, and flowctl when they are of different versions."""
    ordered = sorted(found, key=lambda each: (each.host, each.number))
    versions: dict[str, list[Process]] = defaultdict(list)
    flows: dict[str, dict[str, list[Process]]] = defaultdict(lambda: defaultdict(list))
    for each in ordered:
        versions[each.version].append(each)
        for flow, sign in each.flows.items():
            flows[flow][sign].append(each)
    for name, groups in [("", versions), *sorted(flows.items())]:
        if len(groups) > 1:
            yield Mixed(name, groups, max(each.since_at for group in groups.values() for each in group))


def outdated(found: Iterable[Process], flow: Flow) -> list[Process]:
    """The processes that serve this flow from another content than its files have now."""
    sign = digest(flow)
    return [each for each in found if each.flows.get(flow.name, sign) != sign]


def lasts_s(world: World, what: Mixed) -> float:
    """For how long all that is mixed has been at work."""
    return (world.clock.now() - from_iso(what.since_at)).total_seconds()


def _process(name: str, since_at: str, said: Mapping[str, object]) -> Process:
    host, number, *_ = [*name.split(":"), ""]
    flows = said.get("flows")
    return Process(host, number, since_at, str(said.get("flowctl", "")), flows if isinstance(flows, dict) else {})


def _names(group: Sequence[Process]) -> str:
    named = ", ".join(each.words for each in group[:_MOST_NAMED])
    left = len(group) - _MOST_NAMED
    return f"{named} and {left} more" if left > 0 else named
