"""An expression cannot be read, names what does not exist, or does to a value what cannot be done to it.

The codes and the wording are those of `engine.mapping`; this rule says what each expression is evaluated over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.diagnostics import Diagnostic
from engine.lints.env import Env, Use
from engine.mapping.analysis import analyse, analyse_map
from engine.mapping.checks import check_defines, check_expression
from engine.mapping.scope import Scope
from engine.mapping.types import ResultType, object_type, record_type
from engine.model import Flow, Stream
from engine.spec import FieldSpec
from engine.structure import dotted

ID = ""  # it reports the codes E101 and above

_NOTHING = object_type(())
_RECEIPT = record_type((FieldSpec("receipt", "object", "what the target said: its ids", required=True),))


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Check every expression, alone and against the fields it is given."""
    scope = env.scope()
    yield from check_defines(scope)
    sources = {stream.name: source_type(stream, env) for stream in flow.streams}
    mapped = {stream.name: mapped_type(stream, sources[stream.name], scope) for stream in flow.streams}
    for use in env.uses():
        if use.stream is None:
            continue
        where = dotted(use.steps)
        problems = check_expression(use.expr, scope, where)
        if any(problem.code == "E109" for problem in problems):
            continue  # said of the define
        if not problems:
            source = sources[use.stream.name]
            data = _data(use, source, mapped[use.stream.name])
            _, problems = analyse(use.expr, data, scope, root=source, where=where)
        yield from problems


def is_sound(stream: Stream, source: ResultType, scope: Scope) -> bool:
    """Whether every entry of a map can be read: what follows from one that cannot is not worth reporting."""
    entries = [expr for _, expr in stream.map]
    entries += [expr for name, expr in scope.define.items() if any(name in entry.text for entry in entries)]
    if any(check_expression(expr, scope) for expr in entries):
        return False
    return not any(problem.level == "error" for problem in analyse_map(stream.map, source, scope)[1])


def mapped_type(stream: Stream, source: ResultType, scope: Scope) -> ResultType:
    """What the map of a stream gives, as far as the types of its fields tell."""
    return analyse_map(stream.map, source, scope)[0]


def source_type(stream: Stream, env: Env) -> ResultType:
    """The type of a source record; any object, when the source is not known."""
    known = env.found.sources
    if stream.name not in known:
        known[stream.name] = _source_type(stream, env)
    return known[stream.name]


def _source_type(stream: Stream, env: Env) -> ResultType:
    spec = env.stream_spec(stream)
    fields = spec.fields if spec is not None else ()
    key = spec.key if spec is not None else ""
    # A record without its key is never handed on, so the key is not null whatever the declaration says.
    return record_type(replace(field, required=True) if field.name == key else field for field in fields)


def _data(use: Use, source: ResultType, mapped: ResultType) -> ResultType:
    return {"source": source, "mapped": mapped, "receipt": _RECEIPT}.get(use.context, _NOTHING)
