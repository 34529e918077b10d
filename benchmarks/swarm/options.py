"""What a swarm is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """So many companies, replicas and workers for so long; everything random is from the seed.

    A Web Connector comes every `poll_s` seconds, `threads` of them at once; a process is killed every `kill_every_s`
    seconds; people in the sources make `changes_a_minute`, and those stop `rest_share` of the time before the end.
    """

    companies: int = 1000
    minutes: float = 5.0
    servers: int = 3
    workers: int = 2
    seed: int = 1
    kill_every_s: float = 4.0
    poll_s: float = 60.0
    threads: int = 16
    changes_a_minute: float = 120.0
    records: int = 2
    # So long at most everything may take to come to rest once nobody is killed any more.
    rest_minutes: float = 30.0

    @property
    def seconds(self) -> float:
        """How long processes are killed."""
        return 60.0 * self.minutes


def code(number: int) -> str:
    """The name of a company in the store."""
    return f"c{number:05d}"


def user(number: int) -> str:
    """The name that its Web Connector signs in with."""
    return f"books-{number:05d}"
