"""Every code explains itself with an example that fails and one that passes, and both do."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.diagnostics import Diagnostic
from engine.flowlang.codes import Code, codes
from engine.flowlang.flowfile import parse_flow
from engine.validate import check_loaded, validate
from tests.validate.corpus import HERE, world

BASE = yaml.safe_load((HERE / "good" / "full.yaml").read_text(encoding="utf-8"))
CODES = list(codes().values())


def written_at(path: str, example: str) -> str:
    """The flow that has every key, with an example at a path."""
    document: Any = copy.deepcopy(BASE)
    *above, last = path.split(".")
    parent = document
    for step in above:
        parent = parent.setdefault(step, {})
    value = yaml.safe_load(example)
    if value is None:
        parent.pop(last, None)
    else:
        parent[last] = value
    return yaml.safe_dump(document, sort_keys=False)


def found(code: Code, example: str, folder: Path) -> dict[str, Diagnostic]:
    """What is found in an example, by code: in its files when it names several, else in the one."""
    files = re.split(r"^# (\w+\.yaml)\n", example, flags=re.MULTILINE)
    with world():
        if len(files) > 1:
            for name, text in zip(files[1::2], files[2::2], strict=True):
                (folder / name).write_text(text, encoding="utf-8")
            return {problem.code: problem for problem in validate([folder]).problems}
        flow = written_at(code.at, example) if code.at else example
        data = flow.encode("utf-8", "surrogateescape")
        return {problem.code: problem for problem in check_loaded(parse_flow(data, str(HERE / "bad" / "f.yaml")))}


@pytest.mark.parametrize("code", CODES, ids=lambda c: c.code)
def test_examples(code: Code, tmp_path: Path) -> None:
    failing = found(code, code.bad, tmp_path)
    assert failing[code.code].level == code.level
    assert code.code not in found(code, code.good, tmp_path)


@pytest.mark.parametrize("code", [code for code in CODES if code.at], ids=lambda c: c.code)
def test_good_example_leaves_nothing_to_mend(code: Code, tmp_path: Path) -> None:
    assert {name for name in found(code, code.good, tmp_path) if codes()[name].level == "error"} == set()


@pytest.mark.parametrize("code", CODES, ids=lambda c: c.code)
def test_meaning(code: Code) -> None:
    assert code.title
    assert not code.title.endswith(".")
    assert code.meaning.endswith(".")
    assert code.todo.endswith(".")
    assert code.bad != code.good


def test_an_example_that_is_no_text_can_be_printed() -> None:
    code = codes()["F001"]
    assert (code.file(code.bad), code.file(code.good)) == ("describe: caf\\xe9\n", "describe: caf\u00e9\n")


def test_every_code_of_the_sources_is_described() -> None:
    engine = HERE.parents[1] / "engine"
    sources = [*(engine / "lints").glob("*.py"), *(engine / "mapping").glob("*.py")]
    sources += [*(engine / "flowlang").glob("*.py"), engine / "validate.py"]
    named = {code for path in sources for code in re.findall(r'"([EF]\d{3})"', path.read_text(encoding="utf-8"))}
    assert named == set(codes())
