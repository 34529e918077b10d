"""The simulator's renderer against real FreeMarker: the same JSON from the same data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from connectors.expensify.simulator import ExpensifySimulator, Mix, Options, renderer, seed_business
from connectors.expensify.simulator.data import report_model
from connectors.expensify.simulator.records import Tag
from connectors.expensify.simulator.seed import Chart
from tests.connectors.expensify import freemarker
from tests.connectors.expensify.simulator_kit import TEMPLATE, StillClock
from tests.reference import ROOT

SCHEMA = json.loads((ROOT / "schemas" / "expensify" / "report.schema.json").read_text(encoding="utf-8"))
NASTY = 'Café "Olé" \\ <b>&</b></script>\t\n\r\u0001\u2028\u2029 😀 ${1} #{2} <#if> 1,234'
RICH = Mix(unapproved=0.2, refunds=0.3, foreign=0.3, modified=0.3)
CHART = Chart(classes=(Tag("West", "W"), Tag(NASTY)), customers=(Tag("Acme:Kitchen"),))
FORMS = (
    Options(absent="missing"),
    Options(absent="empty", flags="text"),
    Options(absent="zero", amounts="hundredths"),
    Options(absent="mixed"),
)
GIVEN: tuple[Any, ...] = (
    *("", "0", " 0 ", "false", "\u00a0", "\u0001", 0, 7, -1, True, False, None, NASTY, [], "West"),
)
# What a seeded account does not have, and a real one may.
ODD: list[dict[str, Any]] = [
    {"reportID": "R1", "reportName": NASTY, "total": -123456789012, "status": None, "transactionList": []},
    {"reportID": "R2", "state": ["APPROVED"], "policyName": {"a": "b"}, "submitted": False},
    {"reportID": "R3", "transactionList": "none"},
    {
        "reportID": "R4",
        "transactionList": [
            {"bank": given, "receiptObject": receipt, "ntag1": given, "ntag3GlCode": given, "comment": given}
            for given in GIVEN
            for receipt in (None, "", {"url": NASTY}, {"url": 5}, {})
        ]
        + [{f"ntag{level}": f"level {level}" for level in range(13)}],
    },
]  # fmt: skip


def seeded(options: Options) -> list[dict[str, Any]]:
    simulator = ExpensifySimulator(7, StillClock(), options=options)
    seed_business(simulator, reports=12, mix=RICH, chart=CHART)
    return [report_model(simulator.world, report) for report in simulator.world.reports.values()]


def test_it_renders_as_freemarker_does(tmp_path: Path) -> None:
    freemarker.needs_freemarker()
    reports = [report for options in FORMS for report in seeded(options)] + ODD
    real = json.loads(freemarker.render({"reports": reports}, tmp_path))
    assert json.loads(renderer.render(reports)) == real
    assert len(real["reports"]) == 4 * 12 + len(ODD)


def test_what_it_renders_of_seeded_reports_is_of_the_schemas_form() -> None:
    for options in FORMS:
        jsonschema.validate(json.loads(renderer.render(seeded(options))), SCHEMA)


def test_no_report_at_all(tmp_path: Path) -> None:
    assert renderer.render([]) == b'{"template":"flowctl-2","reports":[]}'
    freemarker.needs_freemarker()
    assert json.loads(freemarker.render({"reports": []}, tmp_path)) == {"template": "flowctl-2", "reports": []}


def test_another_version_is_not_recognised() -> None:
    assert renderer.recognised(TEMPLATE)
    assert not renderer.recognised(TEMPLATE.replace("flowctl-2", "flowctl-3"))
