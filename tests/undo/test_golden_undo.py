"""The golden cases of a flow that voids; rewritten with `python -m tests.undo.test_golden_undo`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine.golden.case import find_folders
from engine.golden.compare import check
from engine.program import FlowProgram, compile_flow
from engine.validate import validate

HERE = Path(__file__).parent
CASES = list(find_folders(HERE / "cases"))


@cache
def program() -> FlowProgram:
    found = validate([HERE / "flows" / "ramp_voids.yaml"])
    assert found.problems == ()
    (flow,) = found.flows
    return compile_flow(flow)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_golden_case(folder: Path) -> None:
    verdict = check(folder, program())
    assert verdict.ok, "\n".join(verdict.problems)


if __name__ == "__main__":
    for case in CASES:
        print(check(case, program(), update=True))  # a person reads what was rewritten
