"""The dashboard and the alert rules name metrics that exist, with labels that they have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
import yaml

from engine.telemetry import meters
from tests.reference import ROOT

RULES = ROOT / "deploy" / "prometheus" / "flowctl.rules.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "flowctl.json"
METRICS = {metric.name: metric for metric in meters.EVERY}
# What prometheus-client itself and Prometheus give.
OTHERS = {
    "up": {"job", "instance"},
    "process_cpu_seconds_total": {"job"},
    "process_resident_memory_bytes": {"job"},
}
FUNCTIONS = {
    "time", "sum", "by", "on", "unless", "and", "rate", "increase", "histogram_quantile", "le", "label_values",
}  # fmt: skip
_SELECTOR = re.compile(r"([a-z_][a-z0-9_]*)\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'\s*([a-z_]+)\s*(?:=~|!~|!=|=)\s*"[^"]*"\s*')


def labels_of(name: str) -> set[str] | None:
    """The labels of a series by its name in an expression; None when there is none of this name."""
    if name in OTHERS:
        return OTHERS[name]
    if name in METRICS and METRICS[name].kind != "histogram":
        return set(METRICS[name].labels)
    base, _, part = name.rpartition("_")
    if part in ("bucket", "sum", "count") and base in METRICS and METRICS[base].kind == "histogram":
        return {*METRICS[base].labels, *(["le"] if part == "bucket" else [])}
    return None


def problems(expression: str) -> Iterator[str]:
    """What is wrong with the names in an expression."""
    plain = re.sub(r"\[[^\]]*\]", "", expression)
    grouped = {name.strip() for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", plain) for name in group.split(",")}
    plain = re.sub(r"\b(by|on)\s*\([^)]*\)", "", plain)
    seen: set[str] = set()
    for name, matchers in _SELECTOR.findall(plain):
        if name in FUNCTIONS:
            continue
        labels = labels_of(name)
        if labels is None:
            yield f"there is no metric `{name}`"
            continue
        seen |= labels | {"job", "instance"}
        for matcher in filter(None, matchers.split(",")):
            found = _MATCHER.fullmatch(matcher)
            if found is None or found[1] not in labels | {"job", "instance"}:
                yield f"`{name}` has no label `{matcher}`"
    yield from (f"nothing here has the label `{name}`" for name in grouped - seen - {""})


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    assert list(loaded) == ["groups"]
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def shown() -> list[tuple[str, str, str]]:
    """Every expression of the dashboard, with the panel's title and the legend."""
    return [(p["title"], t["expr"], t["legendFormat"]) for p in panels() for t in p.get("targets", [])]


def test_what_is_wrong_is_found() -> None:
    assert list(problems('sum by (flow) (rate(flowctl_runs_total{outcome="done"}[5m])) > 0')) == []
    assert list(problems("rate(flowctl_runs[5m])")) == ["there is no metric `flowctl_runs`"]
    assert list(problems("flowctl_run_seconds")) == ["there is no metric `flowctl_run_seconds`"]
    assert list(problems('flowctl_runs_total{company="x"}')) == ['`flowctl_runs_total` has no label `company="x"`']
    assert list(problems("sum by (company) (flowctl_runs_total)")) == ["nothing here has the label `company`"]


def test_the_rules_name_what_is_there() -> None:
    found = rules()
    assert [(rule["alert"], list(problems(rule["expr"]))) for rule in found] == [(rule["alert"], []) for rule in found]
    assert len({rule["alert"] for rule in found}) == len(found) >= 20
    for rule in found:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert re.fullmatch(r"\d+[mhd]", rule.get("for", "1m"))


def test_the_rules_name_only_labels_that_they_have() -> None:
    for rule in rules():
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        names = {name for name, _ in _SELECTOR.findall(rule["expr"])}
        have = {label for name in names for label in labels_of(name) or ()}
        assert used <= have, rule["alert"]


def test_the_dashboard_names_what_is_there() -> None:
    found = shown()
    assert [(title, list(problems(text.replace('=~"$flow"', '=~".*"')))) for title, text, _ in found] == [
        (title, []) for title, _, _ in found
    ]
    for title, text, legend in found:
        names = {name for name, _ in _SELECTOR.findall(text)}
        have = {label for name in names for label in labels_of(name) or ()}
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= have, title


def test_the_dashboard_shows_every_metric() -> None:
    names = {name for _, text, _ in shown() for name, _ in _SELECTOR.findall(text)}
    base = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in METRICS else name for name in names}
    assert sorted(set(METRICS) - base) == []


def test_the_dashboard_is_laid_out() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    for one, two in combinations([(p["title"], p["gridPos"]) for p in panels()], 2):
        (_, a), (_, b) = one, two
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart = apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart, (one, two)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in panels())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' own tool is not installed")
def test_prometheus_takes_the_rules() -> None:
    tool = str(shutil.which("promtool"))
    ran = subprocess.run([tool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
