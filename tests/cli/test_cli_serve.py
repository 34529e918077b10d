"""`flowctl serve`: which doors a process has, and who does its work."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette

from engine.cli import serve
from engine.durable.dbos import Dbos
from engine.durable.inline import Inline
from tests.cli.cli_kit import run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, list[Starlette]]:
    """A store in a folder, and the applications that would be served."""
    apps: list[Starlette] = []
    monkeypatch.setattr(serve, "_serve", lambda app, *_: apps.append(app))
    home = tmp_path / "home"
    assert run("company", "add", "acme", "--home", str(home)).status == 0
    assert run("user", "add", "ana", "--home", str(home)).status == 0
    return home, apps


def test_a_process_that_only_works_has_no_door_but_its_health(served: tuple[Path, list[Starlette]]) -> None:
    home, apps = served
    assert run("serve", "--home", str(home), "--workers-only").status == 0
    assert run("serve", "--home", str(home), "--workers-only", "--no-metrics").status == 0
    assert run("serve", "--home", str(home), "--no-metrics").status == 0
    found = [{getattr(route, "path", "") for route in app.routes} for app in apps]
    assert found[:2] == [{"/metrics", "/healthz", "/readyz"}, {"/healthz", "/readyz"}]
    assert {"/qbwc", "/panel"} <= found[2]
    assert [bool(app.user_middleware) for app in apps] == [False, False, True]  # the door for webhooks


def test_neither_answers_nor_work_is_nothing(tmp_path: Path) -> None:
    said = run("serve", "--home", str(tmp_path), "--workers-only", "--no-schedule")
    assert (said.status, "leave nothing to do: give one of them" in said.text()) == (2, True)


@pytest.mark.parametrize(
    ("durable", "store", "where"),
    [
        ("", "", "durable.db"),
        ("", "postgresql://u:p@db/books", "postgresql://u:p@db/books_durable"),
        ("postgresql://u:p@other/work", "", "postgresql://u:p@other/work"),
        ("/run/work.db", "postgresql://u:p@db/books", Path("/run/work.db")),
    ],
)
def test_the_engine_has_its_database_beside_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, durable: str, store: str, where: Path | str
) -> None:
    monkeypatch.setenv("FLOWCTL_STORE", store)
    made = serve.executor(durable, tmp_path)
    assert isinstance(made, Dbos)
    assert made.where == (tmp_path / where if where == "durable.db" else where)


def test_work_can_be_done_without_the_engine(tmp_path: Path) -> None:
    assert isinstance(serve.executor("inline", tmp_path), Inline)


def test_a_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("company", "add", "acme", "--home", str(home)).status == 0
    assert run("serve", "--home", str(home), "--port", "0", "--durable", "mysql://u:canary@db/x").text() == (
        "[2]\n--\nerror: FLOWCTL_DURABLE: a durable engine cannot keep its work in `mysql`\n"
        "  hint: give postgresql://USER:PASSWORD@HOST/DATABASE, the path of a file, or `inline`\n"
    )
