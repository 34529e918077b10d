"""What the operator's commands share: opening a store safely, flows by name, roles, pairs, files, who is acting."""

from __future__ import annotations

import getpass
import os
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common
from engine.errors import FlowctlError, UsageError

if TYPE_CHECKING:
    from engine.follow import Hand
    from engine.model import Flow
    from engine.program import FlowProgram
    from engine.world import World

MAX_SECRET = 64 * 1024
_COMPANY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_CONNECTION = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)

# Said after a store was put back.
RESTS = (
    "note: while QuickBooks has a company file open in multi-user mode, nothing is written to it before two updates of the Web "
    "Connector half an hour apart"
)


class PlaceUnusable(UsageError):
    """The store cannot be opened where it should be."""

    def __init__(self, home: Path, reason: str) -> None:
        super().__init__(f"{home}: {reason}", hint="give another --home, or put its files in order")


class FileUnusable(UsageError):
    """A file cannot be read or written."""

    def __init__(self, path: str, reason: str, hint: str = "check the path and its permissions") -> None:
        super().__init__(f"{path}: {reason}", hint=hint)


class PairMalformed(UsageError):
    """An option that takes NAME=VALUE was given something else; what was given is not repeated, it may be a secret."""

    def __init__(self, option: str, value: str) -> None:
        super().__init__(f"{option} takes NAME={value}, and a name stands before the first `=`")


class NameUnfit(UsageError):
    """A name that would not survive in addresses and file names."""

    def __init__(self, kind: str, name: str) -> None:
        more = "" if kind == "connection" else " and `-`"
        shown = common.clean(name[:40])
        super().__init__(f"`{shown}` cannot be the name of a {kind}", hint=f"use lower case a-z, 0-9, `_`{more}")


class PathMissing(UsageError):
    """There is no store yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no store at {path}", hint="give --home, or start with `flowctl company add NAME`")


class KeyLost(UsageError):
    """A store whose key is gone; a new one would not open what is sealed."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"there is a store at {home} and no key",
            hint="put the file `key` back, or set FLOWCTL_KEY to the key that it was sealed with",
        )


@contextmanager
def opened(home: Path, *, create: bool = False, check: bool = True) -> Iterator[World]:
    """The world; what the operating system refuses is said in one line.

    Raises:
        PathMissing, KeyLost, PlaceUnusable: when there is no usable store.
    """
    from engine.store import whereabouts

    is_file = whereabouts.address(home) is None
    with ExitStack() as stack:
        try:
            there = whereabouts.exists(home)
            if not there and not create:
                raise PathMissing(home / whereabouts.DATABASE)
            if there and is_file and check and "FLOWCTL_KEY" not in os.environ and not (home / "key").exists():
                raise KeyLost(home)
            world = stack.enter_context(common.opened(home, create=create, check=check))
        except OSError as error:
            raise PlaceUnusable(home, error.strerror or type(error).__name__) from error
        except UnicodeDecodeError as error:
            raise PlaceUnusable(home, "the key is no ASCII text") from error
        except sqlite3.Error as error:
            raise PlaceUnusable(home, f"the store cannot be opened: {error}") from error
        yield world


def hand(world: World, company: str) -> Hand:
    """The person at this terminal, acting for a company."""
    from engine.follow import Hand

    return Hand(company, world.at(), f"cli:{person()}")


def person() -> str:
    """Who is acting: the user of the operating system."""
    try:
        return common.clean(getpass.getuser())
    except (ImportError, KeyError, OSError):
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"


def flow(name: str) -> Flow:
    """A flow file by path or name, sound enough to know its settings, lookups and streams.

    Raises:
        FlowInvalid: when its structure is broken.
    """
    from engine.flowlang.flowfile import load_flow

    path = common.flow_path(name)
    found, problems = load_flow(path)
    if found is None:
        raise common.FlowInvalid(str(path), [p for p in problems if p.level == "error"])
    return found


def flows(paths: Iterable[Path] | None = None) -> list[Flow]:
    """The flows of these files, or all there are, without those whose file is broken."""
    from engine.flowlang.flowfile import load_flow

    loaded = (load_flow(path)[0] for path in (map(common.flow_path, common.flow_names()) if paths is None else paths))
    return [item for item in loaded if item is not None]


def bound(world: World, program: FlowProgram, company: str) -> FlowProgram:
    """The program as the company runs it, with the connectors that it has connected."""
    from engine.store import companies

    with world.store.read(company) as tx:
        return program.bound(companies.connectors(tx, company))


def roles() -> dict[str, list[str]]:
    """Connection names of the flows there are, each with the connectors that the flows give it."""
    found: dict[str, list[str]] = {}
    for item in flows():
        for connection in item.connections:
            named = found.setdefault(connection.name, [])
            if connection.connector not in named:
                named.append(connection.connector)
    return found


def company_name(name: str) -> str:
    """A name that fits in addresses and file names.

    Raises:
        NameUnfit: when it does not.
    """
    if not _COMPANY.fullmatch(name):
        raise NameUnfit("company", name)
    return name


def connection_name(name: str) -> str:
    """The same for connections.

    Raises:
        NameUnfit: when it does not fit.
    """
    if not _CONNECTION.fullmatch(name):
        raise NameUnfit("connection", name)
    return name


def pairs(option: str, given: Sequence[str], value: str = "VALUE") -> dict[str, str]:
    """NAME=VALUE options as a mapping.

    Raises:
        PairMalformed: for one without a name or without `=`.
    """
    found = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals or not name.strip():
            raise PairMalformed(option, value)
        found[name.strip()] = text
    return found


def is_number(text: str) -> bool:
    """Whether it is a whole number of a size that the store holds."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) <= 18


def read_bytes(path: str, *, limit: int) -> bytes:
    """A file, or standard input for `-`.

    Raises:
        FileUnusable: when it cannot be read, or is larger than `limit` bytes.
    """
    try:
        if path == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise FileUnusable(path, getattr(error, "strerror", None) or "cannot be read") from error
    if len(data) > limit:
        raise FileUnusable(path, f"larger than {limit} bytes", "give the right file")
    return data


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        FileUnusable: when the system refuses.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except (OSError, ValueError) as error:
        draft.unlink(missing_ok=True)
        raise FileUnusable(str(path), getattr(error, "strerror", None) or "cannot be written") from error


def money(sums: Mapping[str, Decimal]) -> str:
    """Sums for people: `1,050.00 USD + 20.00 EUR`."""
    return " + ".join(f"{amount:,f} {common.clean(currency)}".rstrip() for currency, amount in sums.items())


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """Tell the person, beside the data."""
    click.echo(common.clean(text), err=True)


def complain(error: FlowctlError) -> None:
    """Print an error that does not end the command."""
    click.echo(f"error: {common.clean(error)}", err=True)
    if error.hint:
        click.echo(f"  hint: {common.clean(error.hint)}", err=True)
