"""`flowctl serve` and the panel: there once there is a user, beside what was there before; and said so."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette

from engine.app import Duty
from engine.cli import serve
from engine.testing import memory_world
from tests.cli.cli_kit import run
from tests.panel.kit import Browser, Office, add_user


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, list[Starlette]]:
    """A store in a folder, and the applications that would be served."""
    apps: list[Starlette] = []
    monkeypatch.setattr(serve, "_serve", lambda app, *_: apps.append(app))
    home = tmp_path / "home"
    assert run("company", "add", "acme", "--home", str(home)).status == 0
    return home, apps


def test_it_is_there_once_there_is_a_user(served: tuple[Path, list[Starlette]]) -> None:
    home, apps = served
    assert run("serve", "--home", str(home), "--no-schedule").status == 0
    assert run("user", "add", "ana", "--home", str(home)).status == 0
    assert run("serve", "--home", str(home), "--no-schedule").status == 0
    assert run("serve", "--home", str(home), "--no-schedule", "--no-panel").status == 0
    assert [serve.has_panel(app) for app in apps] == [False, True, False]


def test_what_was_there_before_is_there_still(office: Office) -> None:
    app = serve.app_of(office.world, {}, duty=Duty(works=False), has_panel=True)
    browser = Browser(app)
    assert browser.ask("GET", "/healthz").json() == {"status": "up"}
    assert browser.ask("GET", "/").headers["location"] == "/panel/"
    assert browser.get("").headers["location"] == "/panel/sign-in"
    assert browser.get("/").headers["location"] == "/panel/sign-in"
    assert browser.ask("GET", "/nothing").status_code == 404


def test_a_store_without_users_has_no_panel() -> None:
    world = memory_world()
    try:
        assert (
            Browser(serve.app_of(world, {}, duty=Duty(works=False), has_panel=False)).get("/sign-in").status_code == 404
        )
        add_user(world, "ana")
        assert (
            Browser(serve.app_of(world, {}, duty=Duty(works=False), has_panel=True)).get("/sign-in").status_code == 200
        )
    finally:
        world.store.close()
