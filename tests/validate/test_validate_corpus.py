"""Each file under `bad` reports exactly what its `.expected` says; each under `good` reports nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.codes import codes
from tests.validate.corpus import BAD, GOOD, HERE, output

# Two files, or no file at all, are needed to see these.
ELSEWHERE = {"F008": "tests/engine/test_validate.py"}


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_good_file_has_no_problem(path: Path) -> None:
    assert output(path) == ""


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_bad_file_reports_exactly(path: Path) -> None:
    assert output(path) == path.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [p for p in BAD if p.stem[0] in "FE"], ids=lambda p: p.stem)
def test_bad_file_reports_the_code_in_its_name(path: Path) -> None:
    code = path.stem.partition("-")[0]
    assert f"[{code}]" in path.with_suffix(".expected").read_text(encoding="utf-8")


def test_no_expectation_without_a_file() -> None:
    assert sorted(p.with_suffix(".yaml") for p in (HERE / "bad").glob("*.expected")) == BAD


@pytest.mark.parametrize("code", [code for code in codes() if code[0] == "F" and code not in ELSEWHERE])
def test_every_code_has_a_failing_file(code: str) -> None:
    assert [p for p in BAD if p.name.startswith(f"{code}-")], f"tests/validate/bad/{code}-*.yaml is missing"
