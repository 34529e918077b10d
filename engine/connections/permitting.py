"""A person's permission on a vendor's page: what is remembered of the request, and what comes of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import timedelta

from engine.clock import iso
from engine.connections import accounts
from engine.connections.accounts import OtherAccount
from engine.connections.authorizing import REQUEST_S, Allowed, Authorized, state_hash
from engine.contract import Binding, Json
from engine.dataclass import dataclass
from engine.errors import Bug, FlowctlError
from engine.follow import Hand
from engine.model import Flow
from engine.store import companies, facts, journal
from engine.store.base import Tx
from engine.world import StoreTokens, World


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that waits for its answer: the state as its hash, empty when none is open.

    `session` is whose browser has asked, empty for a terminal; `is_other` says that another account is meant.
    """

    state: str = ""
    session: str = ""
    is_other: bool = False


def remember(world: World, binding: Binding, state: str, session: str = "", *, is_other: bool = False) -> None:
    """Keep what the answer must hold; an earlier request is over."""
    until = iso(world.clock.now() + timedelta(seconds=REQUEST_S))
    value = {"state": state_hash(state), "until": until, "session": session, "other": is_other}
    with world.store.write(binding.company) as tx:
        facts.remember(tx, binding.company, world.at(), _fact(binding.connection), value)


def take(world: World, company: str, connection: str, session: str = "") -> Asked:
    """The request that is open; it is good once, and one of another browser stays where it is."""
    with world.store.write(company) as tx:
        kept = facts.recall(tx, company, _fact(connection))
        if kept is None or str(kept.get("session") or "") != session:
            return Asked()
        facts.forget(tx, company, _fact(connection))
    if str(kept.get("until")) < world.at():
        return Asked()
    return Asked(str(kept["state"]), session, bool(kept.get("other")))


def exchange(world: World, hand: Hand, binding: Binding, code: str, again: str) -> Allowed:
    """Exchange the code, keep what it gave, and read the account with it; for a connection whose account is not known.

    Where one is known, what is kept before anybody has looked whose it is would be taken for that account's: see
    `exchange_same`.

    Raises:
        Unread: when only the reading failed; `again` is the command that its hint names.
        FlowctlError: when the exchange failed; nothing is kept.
    """
    tokens = _Held(StoreTokens(world, binding.company, binding.connection))
    opened = world.open(binding.company, binding.connection, tokens=tokens)
    with _closing(opened):
        _authorized(opened, binding).authorize(code)
        try:
            allowed: Allowed = opened.allowed()
        except FlowctlError as error:
            with world.store.write(hand.company) as tx:
                was = accounts.known(tx, hand.company, binding.connection)
                if was is not None and was.id:  # somebody else has allowed it meanwhile, perhaps for another account
                    raise
                _keep(tx, world, hand, binding, tokens)
            raise Unread(error, again) from error
    with world.store.write(hand.company) as tx:
        _keep(tx, world, hand, binding, tokens)
        accounts.told(tx, hand, binding.connection, allowed.account, allowed.name)
    return allowed


def _keep(tx: Tx, world: World, hand: Hand, binding: Binding, tokens: _Held, **detail: str) -> None:
    if tokens.given is not None:
        companies.put_token(tx, world.vault, hand.company, binding.connection, tokens.given, hand.at)
    _note(tx, hand, binding.connection, **detail)


class Unread(FlowctlError):
    """The permission is kept, and the account could not be read with it."""

    def __init__(self, error: FlowctlError, again: str) -> None:
        super().__init__(
            str(error), hint=error.hint or f"run `{again} --check` to try again; it need not be allowed once more"
        )


def exchange_same(world: World, hand: Hand, binding: Binding, code: str, flows: Sequence[Flow] | None) -> Allowed:
    """The same, but nothing is kept when the permission is for another account than the one that there are records of.

    With `flows` None, another account is meant.

    Raises:
        OtherAccount: when it is another one.
        FlowctlError: when the exchange, or reading the account, failed; nothing is kept.
    """
    tokens = _Held(StoreTokens(world, binding.company, binding.connection))
    opened = world.open(binding.company, binding.connection, tokens=tokens)
    with _closing(opened):
        _authorized(opened, binding).authorize(code)
        allowed: Allowed = opened.allowed()
    with world.store.write(hand.company) as tx:
        was = accounts.known(tx, hand.company, binding.connection)
        is_other = was is not None and was.id not in ("", allowed.account)
        if was is not None and is_other and flows is not None and _has_records(tx, binding, flows):
            raise OtherAccount(binding.connection, _named(was.id, was.name), _named(allowed.account, allowed.name))
        _keep(tx, world, hand, binding, tokens, account=allowed.account)
        accounts.told(tx, hand, binding.connection, allowed.account, allowed.name)
        tx.run("push_resume", {"company": hand.company, "connection": binding.connection})
    return allowed


@dataclass(slots=True)
class _Held:
    """Tokens that are not kept before somebody has looked at them."""

    store: StoreTokens
    given: Json | None = None

    def load(self) -> Json | None:
        """The token as it is now."""
        return self.given if self.given is not None else self.store.load()

    def save(self, token: Json) -> None:
        """Hold it."""
        self.given = token

    def lock(self) -> AbstractContextManager[None]:
        """Nobody else asks for one meanwhile."""
        return self.store.lock()


def _has_records(tx: Tx, binding: Binding, flows: Sequence[Flow]) -> bool:
    return accounts.has_records(tx, binding.company, flows, binding.connection)


def _authorized(opened: object, binding: Binding) -> Authorized:
    if not isinstance(opened, Authorized):
        raise Bug(f"{binding.company}/{binding.connection}: an open connection that takes no code")
    return opened


def _closing(opened: object) -> AbstractContextManager[object]:
    return closing(opened) if callable(getattr(opened, "close", None)) else nullcontext(opened)  # type: ignore[type-var] # it has `close`


def _named(account: str, name: str) -> str:
    return f"{account} ({name})" if name else account


def _note(tx: Tx, hand: Hand, connection: str, **detail: str) -> None:
    entry = journal.Entry("authorized", detail={"connection": connection, **detail})
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])


def _fact(connection: str) -> str:
    return f"authorizing:{connection}"
