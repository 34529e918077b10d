"""PostgreSQL's errors as ours: what may pass by itself is busy, a refused row is a bug; no value of a row is repeated."""

from __future__ import annotations

from psycopg import DataError, Error, IntegrityError, InterfaceError, OperationalError, errors

from engine.errors import Bug, FlowctlError, StoreBusy, StoreDamaged

UNREACHABLE = "look whether PostgreSQL runs and can be reached; what was under way is tried again by itself"
_FULL = "free disk space of PostgreSQL"
_WAITED = "end the process that holds it; `SELECT * FROM pg_stat_activity` names it"
_BUSY: tuple[tuple[type[Error], str, str], ...] = (
    (errors.LockNotAvailable, "another transaction holds what this one needs", _WAITED),
    (errors.DeadlockDetected, "two transactions waited for each other", "it is tried again by itself"),
    (errors.SerializationFailure, "another transaction was faster", "it is tried again by itself"),
    (errors.QueryCanceled, "the statement was cancelled", "it is tried again by itself"),
    (
        errors.IdleInTransactionSessionTimeout,
        "the transaction was left idle for too long",
        "it is tried again by itself",
    ),
    (errors.DiskFull, "its disk is full", _FULL),
    (
        errors.TooManyConnections,
        "PostgreSQL takes no more connections",
        "raise max_connections, or run fewer processes",
    ),
    (errors.ReadOnlySqlTransaction, "the database can only be read", "name the primary server, not a standby"),
    (errors.InsufficientResources, "PostgreSQL lacks memory or disk", _FULL),
)


def ours(error: Error) -> FlowctlError:
    """The error as one of ours; the lines that PostgreSQL adds may hold values of the row, and are left out."""
    for kind, words, hint in _BUSY:
        if isinstance(error, kind):
            return StoreBusy(f"the store is not available: {words}", hint=hint)
    if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
        return StoreDamaged("the store is damaged: PostgreSQL says so", hint="stop flowctl and recover the database")
    if isinstance(error, errors.ProgramLimitExceeded):
        return Bug("the store refused a row: a text in it is too long")
    if isinstance(error, InterfaceError) or (isinstance(error, OperationalError) and _is_lost(error)):
        return StoreBusy("the store is not available: the connection to PostgreSQL was lost", hint=UNREACHABLE)
    if isinstance(error, IntegrityError):
        named = error.diag.constraint_name
        # Without a constraint it is one of our triggers that refuses, in words of ours.
        return Bug(f"the store refused a row: {named or error.diag.message_primary or error.sqlstate}")
    if isinstance(error, errors.InsufficientPrivilege) and "row-level security" in str(error):
        return Bug("the store refused a row: it is of a company that the transaction did not name")
    if isinstance(error, DataError) or error.sqlstate is None:
        return Bug(f"the store refused a statement: {type(error).__name__}")
    # A statement of ours that is wrong: what PostgreSQL says then names tables and columns.
    return Bug(f"the store refused a statement: {error.diag.message_primary or type(error).__name__}")


def _is_lost(error: OperationalError) -> bool:
    """Whether the connection is gone: psycopg's own errors have no code, PostgreSQL's are of class 08 and 57P."""
    return error.sqlstate is None or error.sqlstate[:2] == "08" or error.sqlstate[:3] == "57P"
