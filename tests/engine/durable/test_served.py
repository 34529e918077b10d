"""Processes that serve different content are told apart, those that serve the same are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from engine import health
from engine.durable import served
from engine.jsontext import plain
from engine.shipped import version
from engine.store import turns
from tests.engine import kit as engine_kit
from tests.engine.alerting import kit
from tests.engine.alerting.kit import Watch
from tests.engine.durable.kit import Held, service_of
from tests.engine.kit import FLOW, flow


@pytest.fixture
def watch() -> Iterator[Watch]:
    with engine_kit.logging(), kit.watch() as made:
        yield made


def shows(watch: Watch, host: str, flows: Mapping[str, str], release: str = "1.0") -> None:
    """A process of this machine shows that it lives, and what it serves."""
    with watch.world.store.write() as tx:
        turns.beat(tx, f"{host}:12:boot:life:x", watch.world.at(), "form", plain({"flowctl": release, "flows": flows}))


def named(watch: Watch) -> list[tuple[str, str, str]]:
    """What is mixed: the flow, what a person reads, and who has which."""
    with watch.world.store.read() as tx:
        return [(each.flow, each.title, each.detail) for each in served.mixed(served.processes(watch.world, tx))]


def test_the_same_everywhere(watch: Watch) -> None:
    shows(watch, "a", {"x": "1", "y": "2"})
    shows(watch, "b", {"x": "1"})
    assert named(watch) == []


def test_two_contents_of_a_flow(watch: Watch) -> None:
    for host in "abcde":
        shows(watch, host, {"x": "1", "y": "3" if host == "e" else "2"})
    expected = "2 at a (process 12), b (process 12), c (process 12) and 1 more; 3 at e (process 12)"
    assert named(watch) == [("y", "the flow y is served from 2 different files", expected)]


def test_two_versions(watch: Watch) -> None:
    shows(watch, "a", {"x": "1"})
    shows(watch, "b", {"x": "1"}, "1.1")
    expected = (
        "",
        "the processes on this store are of 2 versions of flowctl",
        "1.0 at a (process 12); 1.1 at b (process 12)",
    )
    assert named(watch) == [expected]


def test_who_is_silent_serves_nothing(watch: Watch) -> None:
    shows(watch, "a", {"x": "1"})
    watch.clock.advance("+61s")
    shows(watch, "b", {"x": "2"})
    assert named(watch) == []


def test_an_older_process_says_nothing(watch: Watch) -> None:
    with watch.world.store.write() as tx:
        turns.beat(tx, "a:12:boot:life:x", watch.world.at(), "form")
    shows(watch, "b", {"x": "2"})
    assert named(watch) == []


def test_a_process_shows_what_it_serves(watch: Watch) -> None:
    service = service_of(watch.bench, Held())
    service.tick()
    with watch.world.store.read() as tx:
        (found,) = served.processes(watch.world, tx)
    assert (found.version, found.flows) == (version(), {FLOW: served.digest(watch.bench.program.flow)})
    service.stop()
    with watch.world.store.read() as tx:
        assert served.processes(watch.world, tx) == []


def test_a_digest_is_of_the_content(tmp_path: Path) -> None:
    made = replace(flow(), path=str(tmp_path / "a.yaml"), source="flow: a\n")
    elsewhere = replace(made, path=str(tmp_path / "there" / "a.yaml"))
    first = served.digest(made)
    assert served.digest(elsewhere) == first
    assert served.digest(replace(made, source="flow: a # changed\n")) != first
    templates = tmp_path / "templates"
    (templates / "folder").mkdir(parents=True)
    assert served.digest(made) == first
    (templates / "bill_add.xml.j2").write_text("<A/>")
    second = served.digest(made)
    assert second not in {first, served.digest(elsewhere)}
    (templates / "bill_add.xml.j2").write_text("<B/>")
    assert served.digest(made) not in {first, second}


def test_people_are_told_when_it_lasts(watch: Watch) -> None:
    shows(watch, "a", {"x": "1"})
    shows(watch, "b", {"x": "2"})
    watch.tick()
    assert watch.open("") == []
    for _ in range(17):
        watch.clock.advance("+55s")
        shows(watch, "a", {"x": "1"})
        shows(watch, "b", {"x": "2"})
    watch.tick()
    assert watch.open("") == [("versions", "the flow x is served from 2 different files", 0)]
    with watch.world.store.write() as tx:
        turns.gone(tx, "b:12:boot:life:x")
    watch.tick()
    assert watch.open("") == []


def test_doctor(watch: Watch) -> None:
    def of(subject: str) -> list[tuple[str, str]]:
        return [(each.level, each.message) for each in health.store_of(watch.world) if each.subject == subject]

    assert of("processes") == []
    shows(watch, "a", {"x": "1"})
    assert of("processes") == [("ok", "1 process does work on this store")]
    shows(watch, "b", {"x": "1"})
    assert of("processes") == [("ok", "2 processes do work on this store, all from the same files")]
    shows(watch, "c", {"x": "2"})
    assert of("processes") == []
    expected = "is served from 2 different files: 1 at a (process 12), b (process 12); 2 at c (process 12)"
    assert of("flow x") == [("warn", expected)]


def test_doctor_and_a_file_that_was_changed(watch: Watch) -> None:
    made = replace(flow(), source="flow: a\n")
    shows(watch, "a", {made.name: served.digest(made), "other": "1"})
    assert list(health.flows_served(watch.world, [made])) == []
    (found,) = health.flows_served(watch.world, [replace(made, source="flow: a # changed\n")])
    assert (found.level, found.subject) == ("warn", f"flow {made.name}")
    assert (
        found.message == "a (process 12) was started with another content of this file, or of the templates beside it"
    )
