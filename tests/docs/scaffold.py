"""Completes a part of a flow to a whole one that can be validated: the part takes its place in a shipped flow."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from engine.diagnostics import Diagnostic
from engine.flowlang import language
from engine.flowlang.flowfile import parse_flow
from engine.flowlang.language import MapOf, Object
from engine.validate import check_loaded
from tests.reference import ROOT

Flow = dict[str, Any]
FLOW_KEYS = frozenset(key.name for key in language.FLOW.keys)


def _stream_keys() -> frozenset[str]:
    kind = next(key.type for key in language.FLOW.keys if key.name == "streams")
    assert isinstance(kind, MapOf)
    assert isinstance(kind.value, Object)
    return frozenset(key.name for key in kind.value.keys)


STREAM_KEYS = _stream_keys()
_WORD = re.compile(r"\w+")
# So many streams are tried, those that are most like the part first.
_MOST = 6


@cache
def shipped() -> dict[str, Flow]:
    """The shipped flows as plain data."""
    found = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((ROOT / "flows").glob("*.yaml"))}
    assert found
    return found


def kind_of(part: object) -> str:
    """What a block of YAML is, by its keys: `flow`, `flow part`, `stream part`, `streams`, `case`, `workflow`, `scrape`, or nothing."""
    keys = set(part) if isinstance(part, dict) else set()
    if {"flow", "streams"} <= keys:
        return "flow"
    if "case" in keys:
        return "case"
    # YAML 1.1 reads the key `on` as true.
    if "jobs" in keys and keys & {"on", True}:
        return "workflow"
    if keys == {"scrape_configs"}:
        return "scrape"
    if keys and keys <= STREAM_KEYS:
        return "stream part"
    if keys and keys <= FLOW_KEYS:
        return "flow part"
    if keys and all(isinstance(value, dict) and "fetch" in value for value in part.values()):  # type: ignore[attr-defined]
        return "streams"
    return ""


def problems(part: dict[str, Any], kind: str) -> list[Diagnostic]:
    """The errors of a part in the shipped flow that it fits best; empty when it fits one without any."""
    best: list[Diagnostic] | None = None
    for flow in _completed(part, kind):
        found = [problem for problem in _check(flow) if problem.level == "error"]
        if best is None or len(found) < len(best):
            best = found
        if not best:
            break
    assert best is not None
    return best


def _completed(part: dict[str, Any], kind: str) -> Iterator[Flow]:
    for flow in shipped().values():
        if kind == "flow part":
            yield {
                **flow,
                **{
                    key: {**flow.get(key, {}), **value} if isinstance(value, dict) else value
                    for key, value in part.items()
                },
            }
        elif kind == "streams":
            yield {**flow, "streams": {**flow["streams"], **part}}
        else:
            break
    if kind == "stream part":
        places = [(flow, name) for flow in shipped().values() for name in flow["streams"]]
        for flow, name in sorted(places, key=lambda place: -_likeness(part, *place))[:_MOST]:
            whole = copy.deepcopy(flow)
            whole["streams"][name].update(part)
            yield whole


def _likeness(part: dict[str, Any], flow: Flow, name: str) -> int:
    """How much of what a part names is in a stream already: connections first, then everything else that is a word of it."""
    stream = flow["streams"][name]
    roles = [part.get("fetch", {}).get("from"), part.get("write", {}).get("to")]
    known = sum(role in flow["connections"] for role in roles if role)
    words = set(_WORD.findall(str(part))) & set(_WORD.findall(str(stream)))
    return 1000 * known + len(words)


def _check(flow: Flow) -> list[Diagnostic]:
    text = yaml.safe_dump(flow, sort_keys=False, allow_unicode=True)
    return check_loaded(parse_flow(text.encode(), str(ROOT / "flows" / "part.yaml")))
