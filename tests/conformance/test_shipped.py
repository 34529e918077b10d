"""Every shipped connector passes the suite that is offered to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine import registry
from engine.conformance import Check, Subject, checks_of

# Ramp lists vendor credits of all vendors since its newer profile only.
VENDOR: Mapping[str, Mapping[str, Any]] = {"ramp": {"profile": "2026-08"}}
OURS = ("bill", "expensify", "freshbooks", "ledger", "qbwc", "ramp")


def _subject(name: str) -> Subject:
    connector = registry.find(name)
    assert connector is not None
    return Subject(connector, VENDOR.get(name, {}))


CASES = [
    pytest.param(_subject(name), check, id=f"{name}-{check.name}")
    for name in OURS
    for check in checks_of(_subject(name))
]


@pytest.mark.parametrize(("subject", "check"), CASES)
def test_conforms(subject: Subject, check: Check) -> None:
    assert list(check.problems(subject)) == []


def test_every_installed_connector_is_here() -> None:
    assert set(registry.names()) == set(OURS)
