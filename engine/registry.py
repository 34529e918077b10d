"""Finds connectors by the entry point group `flowctl.connectors`, and imports only those that a flow names."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engine.errors import ConnectorBroken
from engine.spec import ConnectorSpec

if TYPE_CHECKING:
    from engine.contract import Connector

GROUP = "flowctl.connectors"

# What running a plugin's module can come to; it must not take the program down.
_IMPORT_FAILS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)

_registered: dict[str, Connector] = {}


def names() -> tuple[str, ...]:
    """The names of all installed connectors, sorted."""
    return tuple(sorted({*_targets(), *_registered}))


def find(name: str) -> Connector | None:
    """The connector called `name`, or None when none is installed under that name.

    Raises:
        ConnectorBroken: when it is installed and its module cannot be imported.
    """
    if name in _registered:
        return _registered[name]
    target = _targets().get(name)
    return None if target is None else _load(name, target)


@contextmanager
def registered(connectors: Mapping[str, Connector]) -> Iterator[None]:
    """Offer these connectors as well, in place of installed ones of the same name, until the block ends."""
    before = dict(_registered)
    _registered.update(connectors)
    try:
        yield
    finally:
        _registered.clear()
        _registered.update(before)


@cache
def _load(name: str, target: str) -> Connector:
    module_name, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except _IMPORT_FAILS as error:
        raise ConnectorBroken(name, target, f"{type(error).__name__}: {error}") from error
    if not isinstance(getattr(found, "spec", None), ConnectorSpec):
        raise ConnectorBroken(name, target, "it has no `spec`")
    return cast("Connector", found)


@cache
def _targets() -> Mapping[str, str]:
    """Name and `module:attribute` of every installed connector.

    `importlib.metadata` alone takes 40 ms to import, a sixth of what `validate` may take; the files it would read are
    plain (PyPA, "Entry points specification"), so they are read here. It is asked only when they name no connector, as
    in an application that is packed into an archive.
    """
    found: dict[str, str] = {}
    for folder in reversed(sys.path):
        for text in _entry_point_files(Path(folder)):
            found.update(parse_entry_points(text))
    if not found:
        from importlib.metadata import entry_points

        found = {point.name: point.value for point in entry_points(group=GROUP)}
    return found


def _entry_point_files(folder: Path) -> Iterator[str]:
    try:
        # A third of the time that `iterdir` takes, which makes a path of each of hundreds of names.
        found = [name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info"))]  # noqa: PTH208
    except OSError:
        return
    for name in found:
        try:
            yield (folder / name / "entry_points.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue


def package_of(name: str) -> str | None:
    """The distribution that brings an installed connector, as it spells itself; None when nothing installed does."""
    from importlib.metadata import entry_points

    found = (point.dist for point in entry_points(group=GROUP, name=name))
    return next((dist.name for dist in found if dist is not None), None)


def parse_entry_points(text: str) -> dict[str, str]:
    """Our group of an `entry_points.txt`: name and target."""
    found: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped == f"[{GROUP}]"
        elif inside and "=" in stripped and not stripped.startswith(("#", ";")):
            name, _, target = stripped.partition("=")
            found[name.strip()] = target.split("[")[0].strip()
    return found
