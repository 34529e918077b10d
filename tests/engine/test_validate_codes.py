"""Every code explains itself with an example that fails and one that passes, and both do."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.codes import Code, codes
from engine.flowfile import parse_flow
from engine.validate import check_loaded
from tests.validate.corpus import HERE, world

BASE = yaml.safe_load((HERE / "good" / "full.yaml").read_text(encoding="utf-8"))
WITH_EXAMPLE = [code for code in codes().values() if code.bad]


def found(code: Code, example: str, folder: Path) -> set[str]:
    if code.at:
        document: Any = copy.deepcopy(BASE)
        *above, last = code.at.split(".")
        parent = document
        for step in above:
            parent = parent.setdefault(step, {})
        value = yaml.safe_load(example)
        if value is None:
            parent.pop(last, None)
        else:
            parent[last] = value
        example = yaml.safe_dump(document, sort_keys=False)
    with world():
        return {problem.code for problem in check_loaded(parse_flow(example.encode(), str(folder / "f.yaml")))}


@pytest.mark.parametrize("code", WITH_EXAMPLE, ids=lambda c: c.code)
def test_examples(code: Code) -> None:
    assert code.code in found(code, code.bad, HERE / "bad")
    assert code.code not in found(code, code.good, HERE / "bad")


@pytest.mark.parametrize("code", codes().values(), ids=lambda c: c.code)
def test_meaning(code: Code) -> None:
    assert code.title
    assert not code.title.endswith(".")
    assert code.meaning.endswith(".")


def test_only_codes_that_need_more_than_a_flow_have_no_example() -> None:
    assert [code.code for code in codes().values() if not code.bad and code.code[0] == "F"] == ["F001", "F008"]
