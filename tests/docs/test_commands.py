"""Every command line of the documentation is typed, page by page, in a prepared world."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.limits import StoreLimits
from tests.docs import pages
from tests.docs.commands import FILES, FIRST, NOT_TYPED, STATUS, STDIN, meant, others
from tests.docs.pages import Typed
from tests.docs.shell import NotABuiltin, Shell, has_placeholder, is_complete, parse
from tests.docs.stage import Stage, prepared
from tests.reference import ROOT

# Its own test types the tutorial in order, and compares what appears.
TUTORIAL = "docs/tutorial/first-flow.md"
# A test of the conformance suite makes what this page makes, and types it.
OF_THEIR_OWN = frozenset({"docs/howto/write-a-connector.md"})
WHAT_TO_DO = (
    "correct the page or the command; when the page means it to end so, add it to STATUS in tests/docs/commands.py, and when "
    "it cannot be typed in a test, to NOT_TYPED there, with the reason"
)


def _of_pages() -> dict[str, list[Typed]]:
    """The commands by page; one that stands in several pages' sentences is typed once."""
    found: dict[str, list[Typed]] = {}
    known = {one.command for page in pages.PAGES for one in pages.typed(page) if not one.inline}
    for page in pages.PAGES:
        for one in pages.typed(page):
            if one.page in OF_THEIR_OWN:
                continue
            if one.inline and one.command in known:
                continue
            known.add(one.command)
            found.setdefault(one.page, []).append(one)
    return found


COMMANDS = _of_pages()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("FLOWCTL_"):
                patch.delenv(name)
        patch.setenv("LOGNAME", "pat")
        patch.delenv("CI", raising=False)
        # Nobody waits here until Expensify takes more calls: tests/engine/test_limits.py and its simulator's own hold that.
        patch.setattr(StoreLimits, "_enter", lambda *_: None)
        patch.setattr("connectors.expensify.simulator.core.Traffic.admit", lambda *_: True)
        with prepared(tmp_path_factory.mktemp("docs") / "home") as made:
            yield made


@pytest.fixture
def shell(stage: Stage, tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    """A terminal with a store of its own, and with the files that the page speaks of."""
    page: str = request.param
    folder = tmp_path / "work"
    shutil.copytree(stage.home, tmp_path / "home")
    (folder / "flows").mkdir(parents=True)
    for each in pages.PAGES:
        for fence in pages.fences(each):
            start = re.match(r"(?:#.*\n)*flow: (\w+)\n", fence.text)
            if fence.language == "yaml" and start and "\nstreams:\n" in fence.text and "reference" not in fence.page:
                (folder / "flows" / f"{start[1]}.yaml").write_text(fence.text, encoding="utf-8")
    for name, content in FILES.get(page, {}).items():
        (folder / name).write_text(content(stage), encoding="utf-8")
    # A copy: `--update` would rewrite them.
    for case in ("missing_vendor", "refund"):  # a copy: `--update` rewrites them
        for found in (ROOT / "tests" / "flows" / "ramp_to_quickbooks").glob(f"*{case}*"):
            shutil.copytree(found, folder / "tests" / "flows" / "ramp_to_quickbooks" / found.name, dirs_exist_ok=True)
    return Shell(folder, {"FLOWCTL_HOME": str(tmp_path / "home")})


@pytest.mark.only_sqlite("what a page does to its home starts from a copy of the file")
@pytest.mark.parametrize(
    ("shell", "page"),
    [(p, p) for p in COMMANDS if p != TUTORIAL],
    indirect=["shell"],
    ids=[p for p in COMMANDS if p != TUTORIAL],
)
def test_commands_end_as_the_page_says(shell: Shell, page: str, stage: Stage) -> None:
    wrong = [problem for one in COMMANDS[page] if (problem := _problem(shell, stage, one))]
    assert wrong == [], "\n".join([*wrong, WHAT_TO_DO])


def _problem(shell: Shell, stage: Stage, one: Typed) -> str | None:
    """What is wrong with a command; None when nothing is."""
    if one.inline and (has_placeholder(one.command) or not is_complete(one.command)):
        return None  # tests/test_docs.py finds a command or an option that does not exist
    if "[OPTIONS]" in one.command:
        return None
    line = meant(one.command, one.page, stage)
    reason = next((text for pattern, text in NOT_TYPED.items() if re.fullmatch(pattern, one.command)), None)
    if reason is not None:
        refused = parse(line) if line.startswith("flowctl ") else None
        return f"{one.place}: `{one.command}`: {refused}" if refused else None
    if (first := FIRST.get((one.page, one.command))) is not None and not one.inline:
        first(shell.folder)
    given = next((text(stage) for pattern, text in STDIN.items() if re.fullmatch(pattern, one.command)), "")
    try:
        ran = shell.type(line, given)
    except NotABuiltin:
        refused = others(line, shell)
        return f"{one.place}: `{one.command}`: {refused}" if refused else None
    expected = _expected(one)
    if ran.status in expected:
        return None
    said = (ran.err or ran.out).strip().splitlines()
    return f"{one.place}: `{one.command}` ended with {ran.status}, not {expected}: {' / '.join(said[-3:])}"


def _expected(one: Typed) -> tuple[int, ...]:
    """The statuses that a command may end with: what the page shows below it decides."""
    given = next((statuses for pattern, (statuses, _) in STATUS.items() if re.fullmatch(pattern, one.command)), None)
    if given is not None:
        return given
    failed = any(re.match(r"error: |\S+: error\[|FAIL ", line) for line in one.shown or ())
    return (1, 2) if failed else (0,)
