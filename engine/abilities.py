"""What an open connection may be able to do beside reading and writing: ask for webhooks, show that its credentials work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from engine.dataclass import dataclass


class Subscribed(Protocol):
    """A webhook subscription as the vendor made it; the secret is shown only this once."""

    @property
    def id(self) -> str:
        """The vendor's id of it."""
        ...

    @property
    def status(self) -> str:
        """Where it stands, in the vendor's words."""
        ...

    @property
    def secret(self) -> str:
        """What its calls will be signed with."""
        ...


@runtime_checkable
class Subscribing(Protocol):
    """An open connection that can ask its vendor for webhooks."""

    def subscribe(self, url: str, events: Sequence[str] = ()) -> Subscribed | Sequence[Subscribed]:
        """Create a subscription for an https address, or one an event; without `events`, for all that it can use."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription as its vendor lists it: the address that it calls, its state in the vendor's words, whether it is used."""

    id: str
    address: str
    status: str
    is_live: bool


@runtime_checkable
class Standings(Protocol):
    """An open connection that can ask its vendor which subscriptions there are."""

    def standings(self) -> Sequence[Standing]:
        """The subscriptions, those of other addresses as well."""
        ...


@runtime_checkable
class Scoped(Protocol):
    """An open connection whose vendor grants scopes; a setting called `scopes` says which were asked for."""

    def granted(self) -> frozenset[str]:
        """The scopes that were granted, once a cheap call has shown that the vendor still takes the token."""
        ...


@runtime_checkable
class Tried(Protocol):
    """An open connection whose vendor grants no scopes, but can be asked something cheap."""

    def tried(self) -> str:
        """What a call has shown, now that the vendor took the credentials: a few words, as `2 policies can be read`."""
        ...


@dataclass(frozen=True, slots=True)
class Withheld:
    """What a source counts and does not show: for people what that is and what to do; both empty when it shows all."""

    message: str = ""
    hint: str = ""


@runtime_checkable
class Withholding(Protocol):
    """An open source whose lists say how many records there are, also of those that the user may not see."""

    def withheld(self, stream: str) -> Withheld | None:
        """What the newest complete read over this connection was not shown; None where that is not known."""
        ...


@runtime_checkable
class Means(Protocol):
    """A connector that says what the fields of its streams mean to most targets, for flows that are written for a person."""

    def meanings(self, stream: str) -> Mapping[str, str]:
        """Expressions by what they mean; what is not there is guessed from the names of fields.

        Of a record `vendor_id`, `vendor`, `amount`, `currency`, `date`, `due`, `reference`, `memo`, `country`, `email` and
        `lines`; of a line `line.account_id`, `line.account`, `line.amount` and `line.memo`. Besides `select`, a condition,
        and `first`, one that need not hold once it was posted; `with`, filters as YAML; `vendors`, the stream of those who
        are paid; and `define.NAME`, an expression that the others use.
        """
        ...
