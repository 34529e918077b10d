"""What can go wrong with a ledger file, sorted by what the engine does about it."""

from __future__ import annotations

from pathlib import Path

from engine.errors import Ambiguous, AuthRefused, Rejected, Transient


class FileBusy(Transient):
    """Another process is writing to the ledger."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: another process is writing to it", hint="it is tried again by itself")


class FileNotThere(Transient):
    """The file cannot be reached for now."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}; nothing was written",
            hint="check its name, make its folder, or connect the disk that it is on; it is tried again by itself",
        )


class FileRefused(AuthRefused):
    """The file may not be read or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}", hint="let the user that runs flowctl read and write it")


class FileDamaged(AuthRefused):
    """The file is not what was written to it."""

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}, at byte {offset}; nothing more is written to it",
            hint="put the file right from a backup, or give another path with `flowctl connect`",
        )


class ChartUnusable(AuthRefused):
    """The lists cannot be read from the chart file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}", hint="it needs the columns kind, id, name, number, type, active")


class OutcomeUnknown(Ambiguous):
    """The disk failed while an entry was being written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason} while an entry was being written", hint="look after the disk")


class NotAnEntry(Rejected):
    """A document that cannot become an entry."""

    def __init__(self, request: str, reason: str) -> None:
        super().__init__(f"{request}: {reason}", code="document", hint="correct the flow or its template")


class NoSuchEntry(Rejected):
    """A document that refers to an entry which the ledger does not have."""

    def __init__(self, request: str, target_id: str, reason: str = "the ledger has no entry") -> None:
        super().__init__(
            f"{request}: {reason} `{target_id}`",
            code="missing",
            hint="what it refers to was written elsewhere, or voided: enter it by hand where that is",
        )


class NameTaken(Rejected):
    """A vendor of this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"VendorAdd: there is a vendor `{name}` already",
            code="name_taken",
            hint="when both are the same, map it with `flowctl map`; else give one of them another name",
        )
