"""What a simulated vendor must satisfy: product, not test scaffolding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from engine.clock import Clock
from engine.contract import Handler, Json, ListObject

if TYPE_CHECKING:
    import httpx


@runtime_checkable
class Sandbox(Protocol):
    """A simulated vendor, built from its documented behaviour. It keeps its own books, independent of ours."""

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        """Settings and secrets of a connection to this sandbox; `base_url` is where it, or our server, is reached."""
        ...

    def total(self) -> Decimal:
        """The sum of all money this side believes to be synced."""
        ...

    def save(self) -> str:
        """Its whole state as text, from which `sandbox(..., {"saved": text})` makes it again."""
        ...


@runtime_checkable
class Called(Protocol):
    """A sandbox that is called: a vendor's API."""

    def app(self) -> Any:
        """An ASGI application of the vendor's API."""
        ...

    def transport(self) -> httpx.BaseTransport:
        """The same without a socket."""
        ...


@runtime_checkable
class Visitor(Protocol):
    """A sandbox that calls us: the Web Connector beside a simulated company file."""

    def visit(self, url: str, user: str, password: str) -> Json:
        """One whole session over HTTP: `outcome`, `requests`, `errors`."""
        ...

    def visit_handler(self, handler: Handler, user: str, password: str) -> Json:
        """The same, straight into a handler of this process."""
        ...

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """Its lists, as `{"accounts": [{external_id, name, code}], "classes": ..., "customers": ..., "vendors": ...}`.

        There may be `balances` as well: accounts that a source uses and nobody codes a line to.
        """
        ...


@runtime_checkable
class Installed(Protocol):
    """A `Visitor` that the file of an agent tells whom to call."""

    def called(self) -> str:
        """The address in the file; empty when no file is installed, or it names none."""
        ...


@runtime_checkable
class Offers(Protocol):
    """A sandbox that is only written to, and that what is to be written can be lined up with."""

    def offers(self) -> Json:
        """What it has, as options of a source's sandbox: `chart` as a `Visitor` gives it, and what else it is to fit.

        `purchases` are `[{merchant, amount, currency, date}]`: money that was spent already, as this side knows it.
        """
        ...


@runtime_checkable
class Directed(Protocol):
    """A sandbox that golden cases direct; it is made with `{"given": {...}}`, what it holds at the start, as data.

    A `Visitor` takes `answers` as well: texts that replace what it would say to a request, by names such as
    `02-BillAddRs`. Its visits add `transcript`, a line a call, and `documents`, those that are more than reading lists.
    """

    def act(self, action: str, value: Any) -> None:
        """Something happens there: a person's edit, a payment, a fault; the sandbox knows its own actions."""
        ...

    def contents(self) -> list[str]:
        """What it holds, for a person to read."""
        ...

    def unused(self) -> list[str]:
        """What was planned and never happened."""
        ...


@runtime_checkable
class Stocked(Protocol):
    """A connector whose sandbox can be given objects of its lists: those that recorded records refer to."""

    def given_lists(self, objects: Mapping[str, Sequence[ListObject]]) -> Json:
        """What a golden case gives the sandbox so that it has these objects, by the names of the spec's lists."""
        ...


@runtime_checkable
class Tells(Protocol):
    """A sandbox that tells of its events by webhook."""

    def deliver(self, send: Callable[[Mapping[str, str], bytes], int], how: str) -> list[str]:
        """Send the webhooks that are due, each by its headers and raw body; returns what happened, a line each.

        `how` is `due`, as they come; `reversed`, the newest first; `again`, all that were ever sent, once more; or
        `forged`, the last one that was sent, with its body changed. `send` returns the status of the answer.
        """
        ...


@runtime_checkable
class ShowsRecords(Protocol):
    """A connector that shows what a golden case may give its simulator."""

    def example(self, stream: str) -> Json:
        """`given` of a case in which the stream lists a record that can be posted; empty when there is none to show.

        By the name of a mark: one that the mark can be told of, where that needs another record. By an empty name: a case
        in which the connector is only written to.
        """
        ...


@runtime_checkable
class ShowsWrites(Protocol):
    """A connector that shows what its simulator takes when it is written to."""

    def example_body(self, request: str) -> bytes | None:
        """The body of an operation that the simulator of `example` takes; None when there is none to show."""
        ...


@runtime_checkable
class ShowsWebhooks(Protocol):
    """A connector that shows what its simulated vendor would send."""

    def example_webhook(self) -> tuple[Mapping[str, str], bytes]:
        """Headers and raw body of a genuine webhook, signed with a secret of its sandbox's binding."""
        ...


@runtime_checkable
class Simulated(Protocol):
    """A connector that brings a simulator of its vendor."""

    def sandbox(self, seed: int, clock: Clock, options: Json) -> Sandbox:
        """A fresh simulated vendor, the same for the same seed and options; `chart` lines a source up with its target."""
        ...
