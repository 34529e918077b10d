"""What the documentation names is there: commands and options exist, links lead somewhere. tests/docs types and validates it."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from engine.cli.main import cli
from tests.reference import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(flowctl [^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
# Words in a command line that stand for something of the reader's, or end it for a shell.
_END = {"|", ">", "&&", "&", ";", "<", "#"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _blocks(page: Path) -> Iterator[tuple[str, str]]:
    for match in _FENCE.finditer(_read(page)):
        yield match[1], match[2]


def _commands() -> list[tuple[str, str]]:
    """Every command line that a page shows, in a block or inside a sentence."""
    found = []
    for page in PAGES:
        for language, block in _blocks(page):
            for line in block.splitlines():
                typed = line.removeprefix("$ ").strip()
                prompted = language == "text" and line.startswith("$ ")
                usage = language == "text" and "[OPTIONS]" in line
                if typed.startswith("flowctl ") and (language == "sh" or prompted or usage):
                    found.append((_name(page), typed))
        without = _FENCE.sub("", _read(page))
        found += [(_name(page), match[1]) for match in _INLINE.finditer(without)]
    return sorted(set(found))


COMMANDS = _commands()


def test_there_is_something_to_test() -> None:
    assert len(COMMANDS) > 80


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_exist(page: str, line: str) -> None:
    problem = problem_of(line)
    assert problem is None, f"{page}: `{line}`: {problem}"


def problem_of(line: str) -> str | None:
    """What is wrong with a command line: a command or an option that does not exist."""
    words = list(_words(line))[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="flowctl")
    options = _options(cli)
    while words:
        word = words.pop(0)
        if word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            option = options.get(name)
            if option is None:
                return f"there is no option {name}"
            takes = not option.is_flag and not option.count
            if takes and not equals:
                if not words:
                    break  # a sentence may name an option without a value
                words.pop(0)
        elif isinstance(command, click.Group) and not _is_placeholder(word):
            found = _find(command, context, word)
            if found is None:
                return f"there is no command {word}"
            command, context = found, click.Context(found, info_name=word, parent=context)
            options = _options(command)
    return None


def _find(group: click.Group, context: click.Context, word: str) -> click.Command | None:
    return group.get_command(context, word) if word in group.list_commands(context) else None


def _options(command: click.Command) -> dict[str, click.Option]:
    found = {
        name: param
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    given = click.Option(["-h", "--help"], is_flag=True)
    return {**found, "-h": given, "--help": given}


def _words(line: str) -> Iterator[str]:
    try:
        parts = shlex.split(line, comments=False)
    except ValueError:  # an apostrophe in a sentence
        parts = line.split()
    for part in parts:
        if part in _END:
            return
        if part not in ("[OPTIONS]", "..."):
            yield part


def _is_placeholder(word: str) -> bool:
    return word.strip("[].").isupper()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("flowctl validate flows/ --format json", None),
        ("flowctl map set first account x 'Office Supplies'", None),
        ("flowctl --version", None),
        ("flowctl valdate", "there is no command valdate"),
        ("flowctl map sett a b", "there is no command sett"),
        ("flowctl run x --dryrun", "there is no option --dryrun"),
        ("flowctl status --format=json --colour", "there is no option --colour"),
    ],
)
def test_the_check_of_commands_finds_what_is_wrong(line: str, problem: str | None) -> None:
    assert problem_of(line) == problem


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_internal_links_resolve(page: Path) -> None:
    broken = [link for link in _LINK.findall(_FENCE.sub("", _read(page))) if not _leads_somewhere(page, link)]
    assert broken == []


def _leads_somewhere(page: Path, link: str) -> bool:
    if link.startswith(("https://", "http://")):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_file():
        return False
    return not anchor or anchor in {_anchor(title) for title in _HEADING.findall(_FENCE.sub("", _read(target)))}


def _anchor(title: str) -> str:
    """A heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_no_page_is_unreachable() -> None:
    """Every page is linked from another one."""
    linked = set()
    for page in PAGES:
        for link in _LINK.findall(_read(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target != page:
                linked.add(target)
    lonely = [_name(page) for page in PAGES if page.resolve() not in linked and page.name != "README.md"]
    assert lonely == []


def test_the_demo_that_is_shown_agrees() -> None:
    shown = next(block for _, block in _blocks(ROOT / "README.md") if block.startswith("Flow "))
    flows = sorted(path.stem for path in (ROOT / "flows").glob("*.yaml"))
    parts = re.split(rf"^({'|'.join(flows)})\n", shown, flags=re.MULTILINE)[1:]
    assert parts[::2] == flows
    for part in parts[1::2]:
        totals = dict(re.findall(r"^  (source|journal|target) total +([0-9,.]+)$", part, re.MULTILINE))
        assert set(totals) == {"source", "journal", "target"}
        assert len(set(totals.values())) == 1
        assert part.endswith("  agree to the cent; the second run posted 0\n")


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads(_read(ROOT / "pyproject.toml"))["project"]
    named = [re.split(r"[<>=!~ ;\[]", text)[0] for text in project["dependencies"]]
    shown = re.findall(
        r"^\| ([a-z][a-z0-9-]*) \|", _read(ROOT / "docs" / "explanation" / "dependencies.md"), re.MULTILINE
    )
    assert [name for name in shown if name != "package"] == named


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_machine_paths_and_no_placeholders(page: Path) -> None:
    found = re.findall(r"@@\w+@@|/(?:work|root|tmp|home)/\S*", _read(page))
    assert found == []
