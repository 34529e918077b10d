"""Every fenced block of the documentation is what it says it is: YAML validates, and everything else at least parses."""

from __future__ import annotations

import configparser
import csv
import io
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import jinja2
import pytest
import yaml
from lxml import etree

from engine.flowlang.flowfile import load_flow
from engine.golden.case import load_case
from engine.report import text as report
from engine.validate import validate
from tests.docs import pages
from tests.docs.pages import Fence
from tests.docs.scaffold import kind_of, problems
from tests.docs.shell import parse
from tests.reference import ROOT

# Its blocks are the examples of codes, which tests/engine/test_validate_codes.py runs.
_EXAMPLES = "docs/reference/errors.md"
FENCES = [fence for page in pages.PAGES for fence in pages.fences(page) if fence.page != _EXAMPLES]
YAML = [fence for fence in FENCES if fence.language in ("yaml", "yml")]
OTHERS = [fence for fence in FENCES if fence.language not in ("yaml", "yml")]
_ACTION = re.compile(r"[\w.-]+/[\w./-]+@(v\d|[0-9a-f]{40})")


@pytest.mark.parametrize("fence", YAML, ids=lambda fence: fence.place)
def test_yaml_is_what_it_says(fence: Fence, tmp_path: Path) -> None:
    part = yaml.safe_load(fence.text)
    kind = kind_of(part)
    if kind == "flow":
        path = tmp_path / "flow.yaml"
        path.write_text(fence.text, encoding="utf-8")
        assert report(validate([path])) == "", fence.place
    elif kind in ("flow part", "stream part", "streams"):
        found = [f"{each.code}: {each.where}: {each.message}" for each in problems(part, kind)]
        assert found == [], (
            f"{fence.place}: this part of a flow fits into none of the shipped flows; write it with the names of one of them, "
            "or show a whole flow"
        )
    elif kind == "case":
        _is_case(fence, tmp_path)
    elif kind == "workflow":
        _is_workflow(fence, part)
    elif kind == "scrape":
        # Prometheus' own file; the rules in deploy/ know the job by its name.
        assert [job["job_name"] for job in part["scrape_configs"]] == ["flowctl"], fence.place
    else:
        pytest.fail(
            f"{fence.place}: this YAML is neither a flow, a part of one, a case nor a workflow: correct it, or teach `kind_of` in "
            "tests/docs/scaffold.py what it is"
        )


def _is_case(fence: Fence, tmp_path: Path) -> None:
    flow, _ = load_flow(ROOT / "flows" / "ramp_to_quickbooks.yaml")
    assert flow is not None
    folder = tmp_path / "flow" / "a_case"
    folder.mkdir(parents=True)
    (folder / "case.yaml").write_text(fence.text, encoding="utf-8")
    assert load_case(folder, flow).intent


def _is_workflow(fence: Fence, workflow: Mapping[str, object]) -> None:
    """A GitHub workflow: each step runs something or uses an action of a version, and flowctl's commands parse."""
    jobs = workflow["jobs"]
    assert isinstance(jobs, dict)
    for job in jobs.values():
        assert "runs-on" in job, fence.place
        for step in job["steps"]:
            assert {"run", "uses"} & set(step), fence.place
            assert "uses" not in step or _ACTION.fullmatch(step["uses"]), (
                f"{fence.place}: {step['uses']}: give a version"
            )
            for line in str(step.get("run", "")).splitlines():
                if line.strip().startswith("flowctl "):
                    assert parse(line.strip()) is None, f"{fence.place}: {line}"


def _is_sql(fence: Fence) -> None:
    """Whole statements, of kinds that a how-to has."""
    statements = [one.strip() for one in fence.text.split(";")]
    assert statements.pop() == "", f"{fence.place}: the last statement has no end"
    assert all(one.split()[0] in {"CREATE", "GRANT", "SELECT", "SET"} for one in statements), fence.place


def _is_environment(fence: Fence) -> bool:
    """Variables alone, a line each."""
    return all(re.fullmatch(r"[A-Z_]+=\S+", line) for line in fence.text.splitlines() if line)


def _is_unit(fence: Fence) -> None:
    """A systemd unit or another ini file, or variables of the environment; what it starts parses."""
    if _is_environment(fence):
        return
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys of units have capitals
    parser.read_string(fence.text)
    for section in parser.values():
        for line in (section.get("ExecStart", ""), section.get("ExecStartPre", "")):
            if "flowctl" in line:
                words = shlex.split(line)
                assert Path(words[0]).name == "flowctl", fence.place
                assert parse(shlex.join(["flowctl", *words[1:]])) is None, fence.place


def _is_csv(fence: Fence) -> None:
    rows = list(csv.reader(io.StringIO(fence.text)))
    assert len({len(row) for row in rows}) == 1, f"{fence.place}: rows of different lengths"


def _is_nginx(fence: Fence) -> None:
    bare = re.sub(r"#.*", "", fence.text)
    assert bare.count("{") == bare.count("}"), fence.place
    left = [line for line in bare.splitlines() if line.strip() and line.strip()[-1] not in ";{}"]
    assert left == [], f"{fence.place}: a line without its end"


def _is_mermaid(fence: Fence) -> None:
    first, *lines = fence.text.splitlines()
    assert re.fullmatch(r"flowchart (LR|TD|TB)|stateDiagram-v2|sequenceDiagram", first), fence.place
    assert [line for line in lines if line.count('"') % 2] == [], fence.place
    assert sum(line.strip().startswith("subgraph ") for line in lines) == sum(line.strip() == "end" for line in lines)


def _is_shell(fence: Fence) -> None:
    assert list(pages.in_fence(fence)), f"{fence.place}: a shell block without a command"


def _is_jsonc(fence: Fence) -> None:
    json.loads(re.sub(r"^\s*//.*$", "", fence.text, flags=re.MULTILINE))


def _nothing(_: Fence) -> None:
    """Output, or a file of a form of its own; its commands are typed elsewhere."""


KINDS: Mapping[str, Callable[[Fence], object]] = {
    "sh": _is_shell,
    "text": _nothing,
    "json": lambda fence: json.loads(fence.text),
    "jsonc": _is_jsonc,
    "toml": lambda fence: tomllib.loads(fence.text),
    "python": lambda fence: compile(fence.text, fence.place, "exec"),
    "xml": lambda fence: etree.fromstring(fence.text.encode()),
    "jinja": lambda fence: jinja2.Environment(autoescape=True).parse(fence.text),
    "csv": _is_csv,
    "ini": _is_unit,
    "nginx": _is_nginx,
    "mermaid": _is_mermaid,
    "diff": _nothing,
    "sql": _is_sql,
    "lua": _nothing,
}


@pytest.mark.parametrize("fence", OTHERS, ids=lambda fence: fence.place)
def test_every_other_block_parses(fence: Fence) -> None:
    assert fence.language in KINDS, (
        f"{fence.place}: a block of the language `{fence.language}`: write one of {', '.join(KINDS)} after the fence, or add how it "
        "is checked to KINDS in tests/docs/test_blocks.py"
    )
    KINDS[fence.language](fence)


def test_there_is_something_to_test() -> None:
    assert {fence.page for fence in YAML} >= {"README.md", "docs/tutorial/first-flow.md", "docs/howto/write-a-flow.md"}


def test_a_wrong_part_is_found() -> None:
    """The check can fail: a misspelt field, filter, key or request in a part is an error."""
    for part in (
        "fetch: {from: bill, stream: bilz}",
        "fetch: {from: bill, stream: bills, wiht: {}}",
        "write: {to: books, request: BillAdd, template: bill_ad.xml.j2}",
        "map: {vendor: lookup('vendr', id)}",
    ):
        given = yaml.safe_load(part)
        assert problems(given, "stream part") != [], part


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("flow: x\nstreams: {}", "flow"),
        ("fetch: {from: a, stream: b}\nkey: id", "stream part"),
        ("settings: {}", "flow part"),
        ("vendors: {fetch: {}, key: id}", "streams"),
        ("case: x\nsteps: []", "case"),
        ("on: push\njobs: {}", "workflow"),
        ("- a\n- b", ""),
        ("scrape_configs: []", "scrape"),
        ("something: else", ""),
    ],
)
def test_what_a_block_is(text: str, kind: str) -> None:
    assert kind_of(yaml.safe_load(text)) == kind
