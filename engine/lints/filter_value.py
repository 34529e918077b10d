"""A filter is given a value of the wrong type, or one that it does not know.

To do: Write a value of the type that the message names: true, false and numbers stand without quotes.

Fails at streams.bills.fetch:
    {from: ramp, stream: bills, with: {sync_ready: "yes"}}
Passes:
    {from: ramp, stream: bills, with: {sync_ready: true}}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic, suggestion
from engine.flowlang.structure import Steps
from engine.lints.env import Env, rewritten
from engine.model import Flow, Scalar
from engine.spec import FieldSpec

ID = "F025"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the values of `fetch.with` and `fetch.withdrawn` with the types and choices of the filters."""
    for stream in flow.streams:
        spec = env.stream_spec(stream)
        fields = {field.name: field for field in spec.filters} if spec else {}
        for under, given in stream.fetch.given:
            for name in (name for name in given if name in fields):
                yield from _of(fields[name], given[name], ("streams", stream.name, "fetch", under, name), env)


def _of(field: FieldSpec, value: Scalar, steps: Steps, env: Env) -> Iterator[Diagnostic]:
    wanted, hint = wrong(field, value)
    if not wanted:
        return
    shown = env.text(steps) or "nothing"
    message = f"the filter `{field.name}` takes {wanted}, not `{shown}`"
    if field.choices and isinstance(value, str):
        yield env.misspelt(ID, steps, message, value, field.choices)
    else:
        yield rewritten(env.problem(ID, steps, message, hint), steps, field.type, env)


def wrong(field: FieldSpec, value: Scalar) -> tuple[str, str | None]:
    """What the field takes instead of this value, and a hint; empty when the value will do."""
    if field.type == "boolean":
        return ("" if isinstance(value, bool) else "true or false"), "write true or false, without quotes"
    if field.type == "integer":
        fits = isinstance(value, int) and not isinstance(value, bool)
        return ("" if fits else "a whole number"), "write digits, without quotes: 100"
    if not isinstance(value, str):
        return "a text", f'write it in double quotes: "{value}"'
    if field.choices and value not in field.choices:
        return f"one of {', '.join(field.choices)}", suggestion(value, field.choices)
    return "", None
