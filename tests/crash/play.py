"""Plays one point: the server meets its fault, is started again without one, and everything must have happened once."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from connectors.qbwc.sandbox import PASSWORD, USER
from connectors.qbwc.simulator import Application, WebConnector
from tests.acceptance.serving import is_ready, kill, start
from tests.crash import strace
from tests.crash.check import at_rest, wrong
from tests.crash.points import START, Group, Point, groups
from tests.crash.promises import Listening, Promises, look, webhook
from tests.crash.stage import STORE, Mode, Scene, Stage

# So long after the last progress a process that met its fault is given up: the fault may have stopped it for good.
_IDLE_S = 0.5
_REST_S = 30.0
_MOST_REQUESTS = 400
# So many visits meet a disk that stays full, before there is room again.
_FULL_VISITS = 3

# The worker itself does the work: threads of the durable engine would take their numbers, and the calls that are struck, in
# another order every time. `tests/acceptance/test_kill.py` kills servers that have it.
_ALONE = ("--durable", "inline")


@dataclass(slots=True)
class Result:
    """What a point came to; `died` says that the process was gone after its fault."""

    point: Point
    struck: strace.Struck
    died: bool = False
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Visits:
    """The Web Connector of a scene, one visit after the other, whatever the server does."""

    scene: Scene
    promises: Promises = field(default_factory=Promises)
    after: Callable[[], None] = lambda: None

    def once(self) -> str:
        """One visit; how it ended."""
        scene = self.scene
        known = scene.books.application
        application = Application(owner_id=known.owner_id, file_id=known.file_id, max_requests=_MOST_REQUESTS)
        post = Listening(f"http://127.0.0.1:{scene.port}/qbwc", self.promises, self.after)
        connector = WebConnector(post, USER, PASSWORD, scene.books.company, application=application)
        return connector.update().outcome

    def while_it_lives(self, process: subprocess.Popen[bytes]) -> None:
        """Visit until the process has died, or nothing has happened for a while."""
        quiet_since = time.monotonic()
        while process.poll() is None and time.monotonic() - quiet_since < _IDLE_S:
            outcome = self.once()
            if outcome == "done":
                quiet_since = time.monotonic()
            elif outcome == "no_work" and at_rest(self.scene):
                return
            time.sleep(0.02)

    def to_rest(self) -> list[str]:
        """Visit until nothing is left to do; what is wrong when that takes too long."""
        deadline = time.monotonic() + _REST_S
        webhook(self.scene.port, self.promises)
        while time.monotonic() < deadline:
            if self.once() == "no_work" and at_rest(self.scene):
                return []
            time.sleep(0.05)
        return [f"not at rest after {_REST_S:.0f} s"]


def play(stage: Stage, point: Point) -> Result:
    """Play a point, a little earlier when the run did not reach it."""
    for _ in range(4):
        result = _play(stage, point)
        if result.struck.happened or result.wrong:
            return result
        point = point.earlier()
    return result


def _play(stage: Stage, point: Point) -> Result:
    started = time.monotonic()
    scene = stage.scene(point.group.mode, old=point.group.thread == START)
    visits, found = Visits(scene), list[str]()
    if point.fault != "kill":
        # Whether an answer was true is asked at once: what is made good later was a lie nevertheless.
        visits.after = lambda: found.extend(look(scene.store, visits.promises))
    log = scene.home / "strace.log"
    faulty = _at_start if point.group.thread == START else _lasting if point.lasts else _at_call
    died = faulty(scene, visits, point, log)
    result = Result(point, strace.struck(log, killed=died), died)
    result.wrong += found + visits.promises.hung + _kept(scene, visits)
    visits.after = lambda: None
    with _process(scene):
        result.wrong += visits.to_rest()
    result.wrong += [*wrong(scene), *visits.promises.hung, *look(scene.store, visits.promises)]
    result.wrong = list(dict.fromkeys(result.wrong))
    result.seconds = time.monotonic() - started
    if result.wrong:
        result.wrong.append(f"its files are in {scene.home}")
    else:
        stage.end(scene)
    return result


# --- the process that meets the fault: killed in the end if it lives on; True when the fault killed it ---------------


def _at_start(scene: Scene, visits: Visits, point: Point, log: Path) -> bool:
    """strace starts the process."""
    process = start(
        scene.home, scene.port, before=strace.around(log, point.injections[0]), boot=scene.boot, more=_ALONE
    )
    try:
        if is_ready(process, scene.port):
            visits.while_it_lives(process)
        return process.poll() is not None
    finally:
        strace.kill_child(process.pid)
        process.wait(20)


def _at_call(scene: Scene, visits: Visits, point: Point, log: Path) -> bool:
    """strace is attached to the one thread whose calls are counted."""
    process = start(scene.home, scene.port, boot=scene.boot, more=_ALONE)
    try:
        assert is_ready(process, scene.port), "the server ended by itself"
        thread = strace.threads(process.pid)[point.group.thread]
        tracer = strace.attach(process.pid, log, point.injections, thread=thread)
        webhook(scene.port, visits.promises)
        visits.while_it_lives(process)
        died = process.poll() is not None
        kill(process)
        tracer.detach()
        return died
    finally:
        kill(process)


def _lasting(scene: Scene, visits: Visits, point: Point, log: Path) -> bool:
    """From one answer on nothing can be written; a disk that was full has room again, and the same process goes on."""
    process = start(scene.home, scene.port, boot=scene.boot, more=_ALONE)
    tracers: list[strace.Attached] = []
    look_first = visits.after

    def after() -> None:
        look_first()
        if not tracers and visits.promises.calls >= point.nth:
            tracers.append(strace.attach(process.pid, log, point.injections))

    visits.after = after
    try:
        assert is_ready(process, scene.port), "the server ended by itself"
        webhook(scene.port, visits.promises)
        while not tracers and process.poll() is None:
            visits.once()
        for _ in range(_FULL_VISITS):
            webhook(scene.port, visits.promises)
            visits.once()
        tracers[0].detach()
        visits.after = look_first
        if point.fault == "full" and process.poll() is None:
            visits.promises.hung += [f"room was made, and the process was {text}" for text in visits.to_rest()]
        return process.poll() is not None
    finally:
        kill(process)
        for tracer in tracers:
            tracer.detach()


def _kept(scene: Scene, visits: Visits) -> list[str]:
    """What the dead process promised and its files do not hold: asked of a copy, so that ours is not what repairs them."""
    copy = scene.home / "copy"
    copy.mkdir()
    for path in scene.home.glob(f"{STORE}*"):
        shutil.copy(path, copy / path.name)
    found = look(copy / STORE, visits.promises)
    shutil.rmtree(copy)
    return found


@contextmanager
def _process(scene: Scene) -> Iterator[subprocess.Popen[bytes]]:
    """The server without a fault."""
    process = start(scene.home, scene.port, boot=scene.boot, more=_ALONE)
    try:
        assert is_ready(process, scene.port), "the server did not start again"
        yield process
    finally:
        kill(process)


# --- counting --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Counted:
    """What a dry run counted: calls of each group, and answers to the Web Connector."""

    calls: Counter[Group] = field(default_factory=Counter)
    answers: int = 0


def count(stage: Stage, mode: Mode) -> Counted:
    """Two runs without a fault: from ready to rest, and an upgrade of an old store."""
    found = Counted()
    scene = stage.scene(mode)
    log = scene.home / "strace.log"
    process = start(scene.home, scene.port, boot=scene.boot, more=_ALONE)
    visits = Visits(scene)
    try:
        assert is_ready(process, scene.port), "the server ended by itself"
        order = strace.threads(process.pid)
        tracer = strace.attach(process.pid, log)
        assert visits.to_rest() == []
        tracer.detach()
    finally:
        kill(process)
    by_thread: dict[int, Counter[str]] = {}
    for (thread, call), number in strace.counted(log).items():
        if thread in order:
            by_thread.setdefault(order.index(thread), Counter())[call] += number
    found.calls += groups(mode, by_thread)
    found.answers = visits.promises.calls
    stage.end(scene)
    scene = stage.scene(mode, old=True)
    process = start(
        scene.home, scene.port, before=strace.around(log := scene.home / "strace.log"), boot=scene.boot, more=_ALONE
    )
    try:
        assert is_ready(process, scene.port), "the server ended by itself"
        main = strace.child(process.pid)
    finally:
        strace.kill_child(process.pid)
        process.wait(20)
    upgrade = Counter({call: n for (thread, call), n in strace.counted(log).items() if thread == main})
    found.calls += groups(mode, {START: upgrade})
    stage.end(scene)
    return found
