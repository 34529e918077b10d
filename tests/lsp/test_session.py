"""Open files are checked a moment after the last change, and with them what lies in the same folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest import mock

import pytest

from engine.diagnostics import Diagnostic
from engine.lsp import project
from engine.lsp.session import Document, Session
from tests.lsp.editor import soon
from tests.lsp.kit import PATH

pytestmark = pytest.mark.usefixtures("connectors")

# It needs no template, so it can lie anywhere.
FLOW = PATH.with_name("compare.yaml").read_text(encoding="utf-8")


class Seen:
    """What was published, in order: the file's name, its version, and codes."""

    def __init__(self) -> None:
        self.published: asyncio.Queue[tuple[str, int, tuple[str, ...]]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.session = Session(self._publish, self.errors.put_nowait)

    def _publish(self, document: Document, found: list[Diagnostic]) -> None:
        name = Path(document.path).name
        self.published.put_nowait((name, document.version, tuple(problem.code for problem in found)))

    def put(self, path: Path, text: str, version: int, delay_s: float = 0) -> None:
        self.session.put(path.as_uri(), str(path), text, version, delay_s)

    async def next(self) -> tuple[str, int, tuple[str, ...]]:
        return await soon(self.published.get())


def run(steps: Callable[[Seen], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        seen = Seen()
        try:
            await steps(seen)
            assert seen.published.empty()
        finally:
            seen.session.stop()

    asyncio.run(all_of_it())


def test_only_the_last_of_quick_changes_is_checked(tmp_path: Path) -> None:
    async def steps(seen: Seen) -> None:
        for version in range(1, 6):
            seen.put(tmp_path / "a.yaml", FLOW.replace("flow: compare", f"flow: compare{version}"), version, 0.05)
        seen.put(tmp_path / "a.yaml", FLOW, 6, 0.05)
        assert await seen.next() == ("a.yaml", 6, ())

    run(steps)


def test_a_name_that_clashes_is_told_as_it_comes_and_goes(tmp_path: Path) -> None:
    async def steps(seen: Seen) -> None:
        first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
        seen.put(second, FLOW, 1)
        assert await seen.next() == ("b.yaml", 1, ())
        seen.put(first, FLOW, 1)
        assert await seen.next() == ("a.yaml", 1, ())
        assert await seen.next() == ("b.yaml", 1, ("F008",))
        seen.put(first, FLOW.replace("flow: compare", "flow: other"), 2)
        assert await seen.next() == ("a.yaml", 2, ())
        assert await seen.next() == ("b.yaml", 1, ())

    run(steps)


def test_a_file_that_is_closed_has_no_problems_and_counts_no_more(tmp_path: Path) -> None:
    async def steps(seen: Seen) -> None:
        first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
        seen.put(first, FLOW, 1)
        assert await seen.next() == ("a.yaml", 1, ())
        seen.put(second, FLOW, 1)
        assert await seen.next() == ("b.yaml", 1, ("F008",))
        assert await seen.next() == ("a.yaml", 1, ())
        seen.session.close(first.as_uri())
        seen.session.close("file:///nobody")
        assert await seen.next() == ("a.yaml", 1, ())
        assert await seen.next() == ("b.yaml", 1, ())

    run(steps)


def test_what_changes_on_the_disk_is_looked_at_again(tmp_path: Path) -> None:
    async def steps(seen: Seen) -> None:
        seen.put(tmp_path / "b.yaml", FLOW, 1)
        assert await seen.next() == ("b.yaml", 1, ())
        (tmp_path / "a.yaml").write_text(FLOW, encoding="utf-8")
        seen.session.check_all()
        assert await seen.next() == ("b.yaml", 1, ("F008",))

    run(steps)


def test_another_file_is_left_alone_and_what_was_known_is_kept(tmp_path: Path) -> None:
    async def steps(seen: Seen) -> None:
        path = tmp_path / "a.yaml"
        seen.put(path, "services: [", 1)
        assert await seen.next() == ("a.yaml", 1, ())
        seen.put(path, FLOW, 2)
        assert await seen.next() == ("a.yaml", 2, ())
        seen.put(path, f"{FLOW}\nflow: [", 3)
        assert await seen.next() == ("a.yaml", 3, ("F002",))
        last = seen.session.documents[path.as_uri()].last
        assert last is not None
        assert last.flow.name == "compare"

    run(steps)


def test_an_error_of_ours_ends_nothing(tmp_path: Path) -> None:
    async def steps(seen: Seen) -> None:
        path = tmp_path / "a.yaml"
        with mock.patch.object(project, "problems", side_effect=ZeroDivisionError("ours")):
            seen.put(path, FLOW, 1)
            assert repr(await soon(seen.errors.get())) == "ZeroDivisionError('ours')"
        seen.put(path, FLOW, 2)
        assert await seen.next() == ("a.yaml", 2, ())

    run(steps)
