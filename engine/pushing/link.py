"""One pass over a connection to a called target: the right to send, what came of it, and when it is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta

from engine.clock import iso
from engine.dataclass import dataclass
from engine.errors import AuthRefused, FlowctlError, RateLimited, RunError, Transient
from engine.follow import Hand
from engine.holders import drop_name, take_name
from engine.limits import PATIENCE_S, PLACE_S
from engine.retry import later_s
from engine.store import facts, work
from engine.store.base import Tx
from engine.store.places import Place
from engine.world import TOKEN_WAIT_S, World, take_lease

ACTOR = "flowctl"
# One call to the vendor: a wait for its place, and then the call itself, which ends before the place does.
_CALL_S = PATIENCE_S + PLACE_S
# Signing in: a wait for the token's lock, a wait for the limit of sign-ins, and a call.
_SIGN_IN_S = TOKEN_WAIT_S + PATIENCE_S + _CALL_S
# A write at its slowest: signed in, refused, signed in anew, done; then the token's lock once more, to say it is in use.
WRITE_S = 2 * (_SIGN_IN_S + _CALL_S) + TOKEN_WAIT_S
# So much time may pass between taking the lease and beginning to write: the store may be slow to commit.
BEGIN_S = 60.0
# By so much the clocks of two machines may differ.
CLOCKS_S = 60.0
# Longer than any write may take, by any of the clocks; it is prolonged before every one. Who dies on this machine does not
# keep it.
LEASE_S = BEGIN_S + WRITE_S + CLOCKS_S
# So many passing faults in a row are the connection's, and not those of single records.
TOGETHER = 3
# Nothing is ever put off for longer: a later time was noted by a clock that was ahead.
LONGEST = timedelta(hours=2)
# Refused as often as this in a row, a person hears of being asked to slow down.
_OFTEN = 5


@dataclass(slots=True)
class Link:
    """One pass over the operations of one flow and connection. `left` is how many more calls that write it may make.

    `leads_to` is what the connection led to when it was opened; nothing is written once it leads to something else.
    """

    world: World
    flow: str
    company: str
    connection: str
    left: int
    eager: bool
    posted: int = 0
    errors: list[FlowctlError] = field(default_factory=list)
    states: dict[int, str] = field(default_factory=dict)
    settle_s: int = 60
    leads_to: Place | None = None
    stopped: bool = False
    _holder: str = ""
    _faults: int = 0

    # --- the right to send -------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Take the lease; False while another process is sending."""
        self._holder = take_name(self.world.ids)
        with self.world.store.write(self.company) as tx:
            return self.lease(tx) is not None

    def lease(self, tx: Tx) -> int | None:
        """Take or prolong the lease; its fencing number, or None while another process has it."""
        return take_lease(tx, self._lease_name, self._holder, self.world.clock.now(), LEASE_S)

    def end(self) -> None:
        """Give the lease back."""
        drop_name(self._holder)
        with self.world.store.write(self.company) as tx:
            work.release_lease(tx, self._lease_name, self._holder)

    # --- when it is left alone ---------------------------------------------------------------------------------------

    def waits(self, tx: Tx) -> bool:
        """Whether the connection is to be left alone for now."""
        kept = facts.recall(tx, self.company, self._fact)
        if kept is None or (self.eager and not kept["limited"]):
            return False
        now = self.world.clock.now()
        return iso(now) < str(kept["until"]) <= iso(now + LONGEST)

    def is_troubled(self, tx: Tx) -> bool:
        """Whether something kept the connection from working when it was used last."""
        return facts.recall(tx, self.company, self._fact) is not None

    def failures(self) -> int:
        """How often in a row the connection did not work until now."""
        with self.world.store.read(self.company) as tx:
            return int((facts.recall(tx, self.company, self._fact) or {}).get("failures", 0))

    def works(self, tx: Tx) -> None:
        """What kept the connection from working is over: a write was answered, or nothing is left to be written."""
        self._faults = 0
        if facts.recall(tx, self.company, self._fact) is not None:
            facts.forget(tx, self.company, self._fact)
        work.resolve_alert(tx, self.company, "connection", self._subject, self.world.at())

    def answers(self) -> None:
        """The target has answered a question: that is over which kept it from being asked, and nothing else."""
        with self.world.store.read(self.company) as tx:
            kept = facts.recall(tx, self.company, self._fact)
        if kept is not None and kept.get("asking"):
            with self.world.store.write(self.company) as tx:
                self.works(tx)

    def fault(self, error: RunError, *, asking: bool = False) -> None:
        """Count a fault that may be the connection's."""
        self._faults += 1
        if self._faults >= TOGETHER:
            self.leave_alone(error, asking=asking)
        else:
            self.errors.append(error)

    def leave_alone(self, error: FlowctlError, *, asking: bool = False, least_s: float = 0.0) -> None:
        """Send nothing over this connection for a while, longer each time; a person is told what keeps it from working.

        With `asking`, it was not even written: an answer to a question is then enough to see that this is over. `least_s` is
        how long that while is at least.
        """
        self.stopped = True
        if error not in self.errors:
            self.errors.append(error)
        limited = isinstance(error, RateLimited)
        with self.world.store.write(self.company) as tx:
            failures = int((facts.recall(tx, self.company, self._fact) or {}).get("failures", 0)) + 1
            wait_s = later_s(failures - 1, self.world.ids.fraction())
            asked_s = error.retry_after_s if isinstance(error, Transient) else None
            until = self.after(min(max(wait_s, asked_s or 0.0, least_s), LONGEST.total_seconds()))
            kept = {"until": until, "failures": failures, "limited": limited, "asking": asking}
            facts.remember(tx, self.company, self.world.at(), self._fact, kept)
            if limited and failures < _OFTEN:
                return
            hint = error.hint or (
                "check the credentials" if isinstance(error, AuthRefused) else "it is tried again by itself"
            )
            alert = work.Alert("connection", self._subject, f"{self.flow}/{self.connection}: {error}", hint)
            work.raise_alert(tx, self.company, alert, self.world.at())

    # --- small things ------------------------------------------------------------------------------------------------

    def hand(self) -> Hand:
        """Who acts, now."""
        return Hand(self.company, self.world.at(), ACTOR)

    def after(self, seconds: float) -> str:
        """The time so many seconds from now."""
        return iso(self.world.clock.now() + timedelta(seconds=seconds))

    def due(self) -> Mapping[str, object]:
        """What the store is asked with for operations that are due."""
        now = self.world.clock.now()
        return {**self.scope, "at": iso(now), "latest": iso(now + LONGEST), "eager": int(self.eager)}

    @property
    def scope(self) -> dict[str, object]:
        """The operations that this pass is for."""
        return {"company": self.company, "flow": self.flow, "connection": self.connection}

    @property
    def place(self) -> str:
        """The connection as messages name it."""
        return f"{self.company}/{self.connection}"

    @property
    def _lease_name(self) -> str:
        return f"push:{self.company}/{self.connection}"

    @property
    def _fact(self) -> str:
        return f"push:{self.connection}/{self.flow}"

    @property
    def _subject(self) -> str:
        return f"{self.flow}/{self.connection}/write"
