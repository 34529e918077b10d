"""What a running engine stands on: the store, the vault, time, chance, and open connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import field
from typing import TYPE_CHECKING, Any

from engine import registry
from engine.clock import Clock, Ids, SystemClock, SystemIds, iso
from engine.connections.authorizing import Owner
from engine.contract import Binding, Connector, Json, Limits, Source, Target, Tokens, Tools
from engine.dataclass import dataclass
from engine.documents import MOST, Document, HasDocuments
from engine.errors import Bug, NotConnected, Rejected, SettingMissing, StoreBusy, UnknownName
from engine.holders import drop_name, ended, take_name
from engine.limits import PATIENCE_S, PLACE_S, StoreLimits
from engine.listsource import ListSource
from engine.store import companies, places, work
from engine.store.base import Store, Tx
from engine.vault import Vault

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

# How long the right to ask for a token is waited for.
TOKEN_WAIT_S = 120.0
# How long it is held by who does not give it back: longer than the longest exchange, of two calls, each with a wait for its
# place, and by the clock of another machine. A second process that asks meanwhile would spend a token that is good once.
TOKEN_LEASE_S = 2 * (PATIENCE_S + PLACE_S) + 60.0
# What is noted about a token, and is no other token: when it was last about to be exchanged.
_NOTED = "asked_at"


@dataclass(frozen=True, slots=True)
class World:
    """Handed to everything that runs. `transports` replaces the network of a connection, for tests and demos.

    `sources` are read in the place of what was connected: a golden case's recorded records.
    """

    store: Store
    vault: Vault
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)
    transports: Mapping[str, httpx.BaseTransport] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

    def at(self) -> str:
        """The time now as the store keeps it."""
        return iso(self.clock.now())

    def bound(self, company: str, connection: str) -> tuple[Connector, Binding]:
        """The connector and settings of a connection.

        Raises:
            NotConnected: when the company never connected it.
            SettingMissing: when a setting or secret that it needs is not given.
            UnknownName: when its connector is not installed.
        """
        with self.store.read(company) as tx:
            found = companies.binding(tx, self.vault, company, connection)
        if found is None:
            raise NotConnected(company, connection)
        name, binding = found
        connector = registry.find(name)
        if connector is None:
            raise UnknownName("connector", name, tuple(registry.names()))
        missing = tuple(
            spec.name
            for spec in connector.spec.settings
            if spec.required and spec.name not in binding.settings and spec.name not in binding.secrets
        )
        if missing:
            raise SettingMissing(company, connection, missing)
        return connector, binding

    def open(self, company: str, connection: str, limits: Limits | None = None, tokens: Tokens | None = None) -> Any:
        """Open a connection; its calls are counted, and its tokens kept, in the store, or by what is handed in."""
        connector, binding = self.bound(company, connection)
        return self._opened(connector, binding, limits, tokens)

    def source(self, company: str, connection: str, limits: Limits | None = None) -> Source:
        """Open a connection to read from; of one that offers lists alone, those that the store has of it."""
        if connection in self.sources:
            return self.sources[connection]
        connector, binding = self.bound(company, connection)
        if connector.spec.delivery == "pull" or (connector.spec.stands_for and not connector.spec.streams):
            return ListSource(self.store, company, connector.spec, connection)
        opened = self._opened(connector, binding, limits)
        if not isinstance(opened, Source):
            raise Bug(f"{company}/{connection}: this connector cannot be read from")
        return opened

    def target(self, company: str, connection: str) -> Target:
        """Open a connection to write to."""
        opened = self.open(company, connection)
        if not isinstance(opened, Target):
            raise Bug(f"{company}/{connection}: this connector cannot be written to")
        return opened

    def _opened(
        self, connector: Connector, binding: Binding, limits: Limits | None = None, tokens: Tokens | None = None
    ) -> Any:
        # Tokens that are handed in are those of a permission of which nobody has looked yet whose account it is for.
        owner: Owner | None = StoreOwner(self, binding.company, binding.connection) if tokens is None else None
        tokens = tokens or StoreTokens(self, binding.company, binding.connection)
        limits = limits or StoreLimits(self.store, self.clock, self.ids)
        transport, documents = self.transports.get(binding.connection), CompanyDocuments(self, binding.company)
        return connector.open(binding, Tools(self.clock, self.ids, tokens, limits, transport, documents, owner))


@dataclass(frozen=True, slots=True)
class CompanyDocuments:
    """The documents of one company's connections; no other company's are within reach."""

    world: World
    company: str

    def fetch(self, connection: str, stream: str, record_id: str) -> Document | None:
        """The document of a record, read anew from its source.

        Raises:
            Rejected: when the connection hands out no documents, or the document is too large.
        """
        where = f"{self.company}/{connection}"
        opened = self.world.open(self.company, connection)
        with closing(opened) if callable(getattr(opened, "close", None)) else nullcontext():
            if not isinstance(opened, HasDocuments):
                raise Rejected(f"{where}: this connector hands out no documents", hint="name another connection")
            found = opened.document(stream, record_id)
        if found is not None and len(found.content) > MOST:
            raise Rejected(f"{where}: a document of more than {MOST:,} bytes", hint="attach it by hand")
        return found


@dataclass(frozen=True, slots=True)
class StoreOwner:
    """Whose account a connection leads to, as the store has it."""

    world: World
    company: str
    connection: str

    def known(self) -> str:
        """The vendor's id of the account; empty where none is noted."""
        with self.world.store.read(self.company) as tx:
            return places.account(tx, self.company, self.connection)

    def note(self, account: str) -> str:
        """Note the account that answers where none is noted yet; returns the one that is noted then."""
        with self.world.store.write(self.company) as tx:
            return places.note_account(tx, self.company, self.world.at(), self.connection, account)


@dataclass(slots=True)
class StoreTokens:
    """Access tokens of one connection, sealed in the store; one process at a time asks for a new one."""

    world: World
    company: str
    connection: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # What was kept when the lease was taken, or was saved by its holder since; nothing while nobody here holds it.
    _seen: tuple[Json | None, ...] = ()

    def load(self) -> Json | None:
        """The token as last saved."""
        with self.world.store.read(self.company) as tx:
            return companies.token(tx, self.world.vault, self.company, self.connection)

    def save(self, token: Json) -> None:
        """Make a new token durable.

        Raises:
            StoreBusy: when the token is another one than when the lease was taken: somebody stood still for so long that
                another process asked for one, or a person has given another permission meanwhile. The newer one stays.
                That another process was about to ask is no newer token: what this one was given may be the only good one.
        """
        with self.world.store.write(self.company) as tx:
            now = companies.token(tx, self.world.vault, self.company, self.connection) if self._seen else None
            if self._seen and _bare(now) != _bare(self._seen[0]):
                raise StoreBusy(f"{self.company}/{self.connection}: another process has saved a newer token")
            companies.put_token(tx, self.world.vault, self.company, self.connection, token, self.world.at())
        if self._seen:
            self._seen = (token,)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the connection's lease while asking.

        Raises:
            StoreBusy: when another process holds it for two minutes.
        """
        name = f"token:{self.company}/{self.connection}"
        with self._lock:
            holder = take_name(self.world.ids)
            try:
                give_up = self.world.clock.monotonic() + TOKEN_WAIT_S
                while not self._taken(name, holder):
                    if self.world.clock.monotonic() > give_up:
                        raise StoreBusy(f"{self.company}/{self.connection}: another process is asking for a token")
                    self.world.clock.sleep(0.05)
                yield
            finally:
                self._seen = ()
                drop_name(holder)
                with self.world.store.write(self.company) as tx:
                    work.release_lease(tx, name, holder)

    def _taken(self, name: str, holder: str) -> bool:
        with self.world.store.write(self.company) as tx:
            if take_lease(tx, name, holder, self.world.clock.now(), TOKEN_LEASE_S) is None:
                return False
            self._seen = (companies.token(tx, self.world.vault, self.company, self.connection),)
            return True


def _bare(token: Json | None) -> Json | None:
    """A token without what is only noted about it."""
    return {name: value for name, value in token.items() if name != _NOTED} if token is not None else None


def take_lease(tx: Tx, name: str, holder: str, now: datetime, seconds: float) -> int | None:
    """Take a lease, also from a process that has died over it; its fencing number, or None while another holds it."""
    fence = work.take_lease(tx, name, holder, now, seconds)
    if fence is not None:
        return fence
    other = work.lease_holder(tx, name)
    if other is None or not ended(other):
        return None
    # Whoever held it can give it back no more: waiting for the end of the lease would help nobody.
    work.release_lease(tx, name, other)
    return work.take_lease(tx, name, holder, now, seconds)
