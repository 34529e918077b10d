"""Handshakes of webhooks that the vendor wants confirmed: what a connector offers, and what comes of it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from engine.dataclass import dataclass

if TYPE_CHECKING:
    from engine.contract import Handshake


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A subscription that the vendor took for verified.

    `secret`, where the handshake brought one, is kept in the connection's secret `joins`, which holds several of them
    with a blank between two.
    """

    id: str
    joins: str = ""
    secret: str = field(default="", repr=False)


@runtime_checkable
class Confirms(Protocol):
    """An open connection whose vendor must be called before it sends events to a new address."""

    def confirm_webhook(self, handshake: Handshake) -> Confirmed:
        """Tell the vendor what it posted to us; safe to repeat.

        Raises:
            Rejected: when the vendor does not know it: somebody else posted it, and nothing of it is kept.
            NotYet: when there is nothing that waits to be verified, or not yet; it is asked again later.
        """
        ...


@runtime_checkable
class ByEvent(Protocol):
    """An open connection whose vendor has a subscription for each event: only what flows wait for is asked for."""

    @property
    def subscribes_by_event(self) -> bool:
        """Always true; others are asked for all that their connector can use."""
        ...
