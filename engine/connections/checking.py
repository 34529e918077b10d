"""Tries a connection for somebody who waits at a page: the real call, for so long and no longer; the result is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.connections.connecting import connect
from engine.contract import Binding, Connector
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.health import Finding, connection_of
from engine.log import described, logger
from engine.store import facts
from engine.store.base import Tx
from engine.store.sqlite import SqliteStore
from engine.world import World

WAIT_S = 20.0
# Calls that nobody waits for any more go on in their threads; so many and no more.
_MOST = 8
_places = threading.BoundedSemaphore(_MOST)


class ChecksBusy(FlowctlError):
    """Too many connections are being tried at this moment."""

    hint = "try again in a minute"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of the newest try, at `at`; `good_at` is when one found nothing wrong, empty when none did."""

    at: str
    findings: tuple[Finding, ...]
    good_at: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing failed."""
        return not any(finding.level == "FAIL" for finding in self.findings)


def check(world: World, company: str, connection: str, wait_s: float = WAIT_S) -> Checked | None:
    """Try a connection that is kept, as `flowctl connect --check` does; None when no answer came in time.

    An answer that comes later is kept all the same.

    Raises:
        ChecksBusy: when too many are under way.
    """
    found: list[Checked] = []

    def work() -> None:
        findings = list(connection_of(world, company, connection))
        with world.store.write(company) as tx:
            if tx.one("connection_get", {"company": company, "connection": connection}) is not None:
                found.append(keep(tx, world.at(), company, connection, findings))

    _within(work, wait_s)
    return found[0] if found else None


def try_out(world: World, binding: Binding, connector: Connector) -> list[Finding]:
    """Try settings and secrets that are not kept yet, in a store that is thrown away.

    Raises:
        UsageError: when the settings do not fit.
    """
    store = SqliteStore(None)
    try:
        trial = replace(world, store=store)
        connect(trial, binding.company, binding.connection, connector.spec.name, binding.settings, binding.secrets)
        return list(connection_of(trial, binding.company, binding.connection))
    finally:
        store.close()


def try_in_time(world: World, binding: Binding, connector: Connector, wait_s: float = WAIT_S) -> Sequence[Finding]:
    """The same for somebody who waits at a page: no answer in time is a finding as well.

    Raises:
        UsageError: when the settings do not fit.
        ChecksBusy: when too many are under way.
    """
    found: list[Sequence[Finding]] = []
    _within(lambda: found.append(try_out(world, binding, connector)), wait_s)
    subject, message = f"{binding.company}/{binding.connection}", f"no answer came within {wait_s:.0f} seconds"
    return (
        found[0] if found else [Finding("FAIL", subject, message, "try again, or look at the address and the network")]
    )


def newest(tx: Tx, company: str, connection: str) -> Checked | None:
    """What came of the newest try; None when it was never tried here."""
    kept = facts.recall(tx, company, _fact(connection))
    if kept is None:
        return None
    findings = tuple(Finding(level, subject, message, hint) for level, subject, message, hint in kept["findings"])
    return Checked(str(kept["at"]), findings, str(kept["good_at"]))


def forget(tx: Tx, company: str, connection: str) -> None:
    """What was tried was something else."""
    facts.forget(tx, company, _fact(connection))


def keep(tx: Tx, at: str, company: str, connection: str, findings: Sequence[Finding]) -> Checked:
    """Keep what came of a try."""
    before, made = newest(tx, company, connection), Checked(at, tuple(findings))
    # What the call itself has shown comes last: settings that are complete alone show nothing.
    worked = made.is_good and bool(findings) and findings[-1].level == "ok"
    good_at = at if worked else before.good_at if before is not None else ""
    listed = [[f.level, f.subject, f.message, f.hint] for f in findings]
    facts.remember(tx, company, at, _fact(connection), {"at": at, "findings": listed, "good_at": good_at})
    return replace(made, good_at=good_at)


def _within(work: Callable[[], None], wait_s: float) -> None:
    """Run in a thread of its own, and wait for it no longer than this.

    Raises:
        ChecksBusy: when too many are under way.
        Exception: what the work raised in time.
    """
    if not _places.acquire(blocking=False):
        raise ChecksBusy
    raised: list[Exception] = []
    waiting = threading.Event()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            raised.append(error)
            if waiting.is_set():
                logger().error("a try of a connection failed after nobody waited for it", error=described(error))
        finally:
            _places.release()

    thread = threading.Thread(target=run, name="flowctl-check", daemon=True)
    thread.start()
    thread.join(wait_s)
    if raised:
        raise raised[0]
    waiting.set()


def _fact(connection: str) -> str:
    return f"checked:{connection}"
