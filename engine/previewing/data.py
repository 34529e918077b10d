"""A preview for programs: plain data, amounts as text, the same steps as the text has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.jsontext import plain
from engine.previewing.listening import Heard
from engine.previewing.model import Computed, Condition, Document, Preview, Trouble, Way
from engine.store.records import Reason


def as_json(preview: Preview) -> dict[str, Any]:
    """One preview, ready for JSON."""
    answer, tried = preview.answer, preview.answer.tried
    return {
        "id": preview.source_id,
        "about": dict(preview.about),
        "off": preview.off or None,
        "source": {"stream": preview.source, "data": _value(preview.data)},
        "select": [_condition(each) for each in preview.select],
        "adopt": _computed(preview.adopt) if preview.adopt else None,
        "map": {name: _computed(each) for name, each in preview.fields},
        "check": [_condition(each) for each in preview.check],
        "write": [_way(each) for each in preview.ways],
        "document": _document(preview.document) if preview.document else None,
        "no_document": preview.no_document or None,
        "answer": {
            "state": answer.state,
            "reasons": [_reason(each) for each in answer.reasons],
            "follows": list(answer.follows),
            "known": answer.known or None,
            "tried": None
            if tried is None
            else {
                "state": tried.state,
                "find": list(tried.find),
                "receipt": dict(tried.receipt),
                "said": _troubles(tried.said),
            },
        },
    }


def _value(value: object) -> Any:
    """Any value as JSON has it; amounts as text."""
    return json.loads(plain(value))


def _computed(each: Computed) -> dict[str, Any]:
    at = each.expr.location
    return {
        "expression": each.expr.text,
        "at": str(at),
        "value": _value(each.value),
        "reads": {path: _value(value) for path, value in each.reads},
        "asked": [_heard(heard) for heard in each.heard],
        "missing": [_reason(reason) for reason in each.missing],
        "error": _troubles([each.error])[0] if each.error else None,
    }


def _heard(each: Heard) -> dict[str, Any]:
    return {
        "function": each.function,
        "name": each.name,
        "given": list(each.given),
        "answer": _value(each.answer),
        "origin": each.origin,
        "times": each.times,
        "missing": _reason(each.gap) if each.gap else None,
    }


def _condition(each: Condition) -> dict[str, Any]:
    return {**_computed(each.computed), "say": each.say, "holds": each.holds, "decides": each.decides}


def _way(each: Way) -> dict[str, Any]:
    when = _computed(each.when) if each.when else None
    return {"request": each.request, "template": each.template or None, "when": when, "chosen": each.chosen}


def _document(each: Document) -> dict[str, Any]:
    rows = [
        {"text": line.text, "depth": line.depth, "from": list(line.origins), "problems": _troubles(line.problems)}
        for line in each.lines
    ]
    problems = _troubles(each.problems)
    return {
        "request": each.request,
        "kind": each.kind,
        "lines": rows,
        "problems": problems,
        "unused": list(each.unused),
    }


def _reason(each: Reason) -> dict[str, Any]:
    return {"code": each.code, "message": each.message, "hint": each.hint, "waits_for": list(each.waits_for)}


def _troubles(found: Sequence[Trouble]) -> list[dict[str, str]]:
    return [{"message": each.message, "hint": each.hint} for each in found]
