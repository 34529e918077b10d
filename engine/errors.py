"""Every exception of the product, sorted by what the engine must do about it.

    FlowctlError
    ├── UsageError              the command could not start (exit status 2)
    │   ├── FlowFileUnreadable  a path that is no readable flow file
    │   ├── UnknownName         a company, flow, stream or connection that does not exist
    │   ├── NotConnected        a connection that the company never made
    │   ├── SettingMissing      a setting or secret that was never given
    │   ├── ConnectorBroken     an installed connector that cannot be imported
    │   ├── StoreTooNew         a store that a newer flowctl has changed
    │   └── StoreTooOld         a store that is to be migrated first
    ├── RunError                what a run met; the runner decides by class
    │   ├── Transient           try again later, perhaps after `retry_after_s`
    │   │   ├── RateLimited
    │   │   ├── NotShown        the source took what it was told, and does not show it of some records
    │   │   └── BeingRead       another process reads the same: its records come with that
    │   ├── AuthExpired         refresh the token once, then try again
    │   ├── AuthRefused         credentials or permissions need a person
    │   │   └── NotAsSent       a write that was done otherwise: nothing more is written until a person has looked
    │   ├── Ambiguous           a write whose outcome is not known: find out before anything else
    │   ├── Rejected            the other side refused for good: dead letter
    │   ├── NotYet              a source that cannot say yet what it holds: nothing is missing there
    │   └── BadAnswer           the other side said something we cannot trust
    ├── ExpressionError         an expression met a value it cannot work with
    ├── RenderError             a template could not produce its document
    ├── ForgedWebhook           a signature that does not match
    ├── StoreError
    │   ├── StoreBusy           locked or full for now: answer 503, try again
    │   ├── StoreDamaged        integrity check failed: stop
    │   └── StaleLease          another process has taken over this company
    └── Bug                     an invariant does not hold: stop and say so

Each class words itself from typed values, so that a call site holds no message text.
"""

from __future__ import annotations

from collections.abc import Iterable


class FlowctlError(Exception):
    """Something went wrong that flowctl knows how to describe."""

    hint: str | None = None
    # Of a call that writes: whether it surely failed before anything was sent.
    unsent = False

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        """Take the message, or fall back to the first line of the class docstring."""
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        if hint is not None:
            self.hint = hint


class UsageError(FlowctlError):
    """The command could not start."""


class FlowFileUnreadable(UsageError):
    """A flow file cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path}: cannot be read: {reason}", hint="give the path of a flow file or of a folder of them"
        )


class UnknownName(UsageError):
    """A name that does not exist here."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...], *, among: str = "") -> None:
        from engine.diagnostics import suggestion  # a leaf module; imported late to keep this file first in the order

        none = f"there is none yet; `flowctl {kind} add {name}` adds it" if kind == "company" else None
        # `among` is the plural of what is looked through, for names that are no kind of their own.
        said = f"among the {among} there is no `{name}`" if among else f"there is no {kind} `{name}`"
        super().__init__(said, hint=none if none and not known else suggestion(name, known))
        self.name = name


class NotConnected(UsageError):
    """A connection of a flow that the company never made."""

    def __init__(self, company: str, connection: str) -> None:
        super().__init__(
            f"{company}/{connection}: is not connected", hint=f"run `flowctl connect {connection} --company {company}`"
        )


class SettingMissing(UsageError):
    """A setting or secret was never given."""

    def __init__(self, company: str, connection: str, names: tuple[str, ...]) -> None:
        listed = ", ".join(f"`{n}`" for n in names)
        super().__init__(
            f"{company}/{connection}: not given: {listed}",
            hint=f"run `flowctl connect {connection} --company {company}`",
        )


class ConnectorBroken(UsageError):
    """An installed connector cannot be imported."""

    def __init__(self, name: str, target: str, reason: str) -> None:
        message = f"the connector `{name}` ({target}) cannot be loaded: {reason}"
        super().__init__(message, hint="install it again, or remove its package")


class StoreTooNew(UsageError):
    """The store was made by a newer flowctl."""

    hint = "update flowctl, or put back the copy from before the upgrade"


class StoreTooOld(UsageError):
    """The store was made by an older flowctl, and is not migrated by opening it."""

    def __init__(self, have: int, known: int) -> None:
        state = f"is at version {have}" if have else "does not exist yet"
        super().__init__(
            f"the schema of this store {state}; this flowctl needs version {known}", hint="run `flowctl store migrate`"
        )


class RunError(FlowctlError):
    """A run met something; its class says what to do next."""


class Transient(RunError):
    """The other side is not able to answer right now."""

    def __init__(
        self, message: str | None = None, *, retry_after_s: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(Transient):
    """The other side asked us to slow down."""


class NotShown(Transient):
    """The source took what it was told, and does not show it of some records."""

    def __init__(
        self, message: str, ids: Iterable[str], *, retry_after_s: float | None = None, hint: str | None = None
    ) -> None:
        """Name the records that do not show, read after the source has answered; it shows all others of the call."""
        super().__init__(message, retry_after_s=retry_after_s, hint=hint)
        self.ids = frozenset(ids)


class BeingRead(Transient):
    """Another process is reading this, or has read it meanwhile; nothing older is kept."""

    hint = "what it reads is taken in; it is read again by itself"


class AuthExpired(RunError):
    """The token or session has expired."""


class AuthRefused(RunError):
    """The credentials were refused or lack a permission."""


class NotAsSent(AuthRefused):
    """What was written is there, and not as it was sent."""


class Ambiguous(RunError):
    """A write was sent and its outcome is not known."""


class Rejected(RunError):
    """The other side refused this for good."""

    def __init__(self, message: str | None = None, *, code: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class NotYet(RunError):
    """The source cannot say yet what it holds."""


class BadAnswer(RunError):
    """The other side's answer does not have the documented shape."""


class ExpressionError(FlowctlError):
    """An expression met a value it cannot work with."""


class RenderError(FlowctlError):
    """A template could not produce its document."""

    def __init__(self, template: str, line: int | None, reason: str, *, hint: str | None = None) -> None:
        where = f"{template}:{line}" if line else template
        super().__init__(f"{where}: {reason}", hint=hint)
        self.template = template
        self.line = line


class ForgedWebhook(FlowctlError):
    """The webhook's signature does not match its body."""


class StoreError(FlowctlError):
    """The store could not do its work."""


class StoreBusy(StoreError):
    """The store is locked or full for now."""


class StoreDamaged(StoreError):
    """The store failed its integrity check."""


class StaleLease(StoreError):
    """Another process has taken over this company."""


class NotAtOnce(FlowctlError):
    """A call takes long, and others wait for its answer."""


class Bug(FlowctlError):
    """An invariant does not hold."""
