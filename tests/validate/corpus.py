"""The flow files under `good` and `bad`, checked with two connectors that every test shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from engine import registry, render, report
from engine.lints.env import templates_beside
from engine.validate import validate
from tests.engine.flow_fakes import fake_connectors

HERE = Path(__file__).resolve().parent
GOOD = sorted((HERE / "good").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))


@contextmanager
def world() -> Iterator[None]:
    """The two connectors, one that is installed but cannot be imported, and no shipped templates."""
    installed = mock.patch.object(registry, "_targets", return_value={"broken": "no_such_module_here:CONNECTOR"})
    shipped = mock.patch.object(render, "resources", SimpleNamespace(files=lambda _: HERE / "shipped"))
    templates_beside.cache_clear()
    with installed, shipped, fake_connectors():
        yield
    templates_beside.cache_clear()


def output(path: Path) -> str:
    """What `validate` prints for a file, with paths as seen from this folder."""
    with world():
        found = validate([path])
    return report.text(found).replace(f"{path.parent.as_posix()}/", "")
