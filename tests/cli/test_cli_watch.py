"""`flowctl status --watch`: a table first, then what has changed; on a terminal the table again and again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO

import pytest

from engine.cli import watching
from engine.cli.watching import Look
from engine.clock import SystemClock
from engine.contract import OperationOutcome
from engine.errors import StoreBusy
from engine.store import work
from tests import stores
from tests.cli.cli_kit import Cli
from tests.engine import kit
from tests.engine.kit import COMPANY, Bench, bill

HEAD = "company  health  deferred  unknown  failed  vanished  backlog  alerts  last poll  waits since\n"
QUIET = ("ok", "0", "0", "0", "0", "0", "0", "never", "")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens between two looks; after the last one a person presses Ctrl-C."""
    found: list[Callable[[], object]] = []

    def sleep(_clock: SystemClock, seconds: float) -> None:
        assert seconds == 2.0
        if not found:
            raise KeyboardInterrupt
        found.pop(0)()

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    return found


def alert(cli: Cli, *subjects: str) -> None:
    store = stores.opened(cli.home)
    with store.write() as tx:
        for subject in subjects:
            work.raise_alert(tx, "acme", work.Alert("x", subject, "x"), kit.AT)
    store.close()


def untimed(text: str) -> str:
    return re.sub(r"^\d\d:\d\d:\d\d ", "TIME ", text, flags=re.MULTILINE)


def test_without_a_terminal_only_what_changes_is_said(cli: Cli, steps: list[Callable[[], object]]) -> None:
    cli.ok("company", "add", "acme")
    cli.ok("company", "add", "zeta")
    steps += [lambda: None, lambda: alert(cli, "a", "b"), lambda: cli.ok("company", "add", "new")]
    ran = cli("status", "--watch")
    assert untimed(ran.text()) == (
        "[0]\n"
        f"{HEAD}"
        "acme     ok      0         0        0       0         0        0       never\n"
        "zeta     ok      0         0        0       0         0        0       never\n"
        "TIME acme: alerts 0 -> 2\n"
        "TIME new: is new\n"
        "--\n"
    )


def test_one_company(cli: Cli, steps: list[Callable[[], object]]) -> None:
    cli.ok("company", "add", "acme")
    cli.ok("company", "add", "zeta")
    row = "zeta     ok      0         0        0       0         0        0       never\n"
    assert cli("status", "--watch", "2", "--company", "zeta").text() == f"[0]\n{HEAD}{row}--\n"
    ran = cli("status", "--watch", "--company", "zeto")
    assert ran.text() == (
        "[2]\n--\nerror: there is no company `zeto`\n  hint: did you mean `zeta`? known: acme, zeta\n"
    )
    assert steps == []


def test_as_json_each_look_is_a_line(cli: Cli, steps: list[Callable[[], object]]) -> None:
    cli.ok("company", "add", "acme")
    steps += [lambda: alert(cli, "a")]
    lines = [json.loads(line) for line in cli.ok("status", "--watch", "--format", "json").out.splitlines()]
    assert [sorted(line) for line in lines] == [["at", "companies", "more"]] * 2
    row = {
        "company": "acme", "health": "ok", "deferred": "0", "unknown": "0", "failed": "0", "vanished": "0", "backlog": "0",
        "alerts": "0", "last_poll": "never", "waits_since": "",
    }  # fmt: skip
    assert [line["companies"] for line in lines] == [[row], [{**row, "alerts": "1"}]]


def test_a_busy_store_is_said_and_looked_at_again(
    cli: Cli, steps: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("company", "add", "acme")
    read = watching.look
    looks = iter([StoreBusy("the store is not available: locked"), None])

    def look(*args: object) -> Look:
        if (error := next(looks)) is not None:
            raise error
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(watching, "look", look)
    steps += [lambda: None]
    ran = cli("status", "--watch")
    row = "acme     ok      0         0        0       0         0        0       never\n"
    assert untimed(ran.text()) == f"[0]\n{HEAD}{row}--\nTIME the store is not available: locked\n"


@pytest.mark.parametrize("given", [("--watch", "0.1"), ("--watch", "x"), ("--watch", "2", "--flow", "f")])
def test_what_makes_no_sense_is_refused(cli: Cli, given: tuple[str, ...]) -> None:
    cli.ok("company", "add", "acme")
    assert cli("status", *given).status == 2


def test_a_screen() -> None:
    before = Look("2026-03-02T14:00:00.000000Z", {"acme": ("acme", *QUIET), "zeta": ("zeta", *QUIET)})
    changed = ("acme", "look", "0", "1", *QUIET[3:])
    now = Look("2026-03-02T14:00:02.000000Z", {"acme": changed, "new": ("new", *QUIET), "zeta": ("zeta", *QUIET)})
    end = "\x1b[K\n"
    assert watching.drawn(now, before, 30) == (
        f"2026-03-02 14:00:02 UTC, Ctrl-C to stop{end}{end}"
        f"company  health  deferred  unknown  failed  vanished  backlog  alerts  last poll  waits since{end}"
        f"acme     \x1b[1mlook* \x1b[0m  0         \x1b[1m1*     \x1b[0m  0       0         0        0       never{end}"
        f"\x1b[1mnew*   \x1b[0m  ok      0         0        0       0         0        0       never{end}"
        f"zeta     ok      0         0        0       0         0        0       never{end}"
    )
    assert watching.drawn(now, None, 6) == (
        f"2026-03-02 14:00:02 UTC, Ctrl-C to stop{end}{end}"
        f"company  health  deferred  unknown  failed  vanished  backlog  alerts  last poll  waits since{end}"
        f"acme     look    0         1        0       0         0        0       never{end}"
        f"new      ok      0         0        0       0         0        0       never{end}"
        f"and 1 more; name one with --company{end}"
    )
    assert watching.told(Look(now.at, {"acme": changed}), before) == [
        "14:00:02 acme: health ok -> look, unknown 0 -> 1",
        "14:00:02 zeta: is gone",
    ]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


def test_health_in_a_word(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def cells() -> tuple[str, ...]:
        return watching.look(bench.world, "").rows[COMPANY]

    found = [cells()[1]]
    with bench.outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "t-1", {})
    found.append(cells()[1])
    bench.world.clock.sleep(86_401)
    found.append(cells()[1])
    bench.shop.listed["bills"] = [bill("b-3", vendor={"id": "v-7", "name": "Nobody"}), bill("b-1")]
    bench.run("bills")
    found.append(cells()[1])
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "failed", code="3120", message="no"))
    bench.world.clock.sleep(3600)
    found.append(cells()[1])
    assert cells()[2:] == ("1", "0", "1", "0", "0", "2", "1 d", "1 h")
    monkeypatch.setattr("engine.holdings.halted", lambda _tx, _company: "the books were put back")
    found.append(cells()[1])
    assert found == ["ok", "ok", "silent", "waits", "look", "halted"]


def test_a_terminal_gets_the_whole_table_each_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(bench.world.clock, "sleep", sleep)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert watching.watch(bench.world, "", 0.5, "text") == 0
    one = "\x1b[H" + watching.drawn(watching.look(bench.world, ""), None, 24) + "\x1b[J"
    assert (screen.getvalue(), slept) == (one * 3, [0.5] * 3)
