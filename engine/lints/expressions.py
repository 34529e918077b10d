"""An expression cannot be read, names what does not exist, or does to a value what cannot be done to it.

The codes and the wording are those of `engine.mapping`; this rule says what each expression is evaluated over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from engine.diagnostics import Diagnostic
from engine.flowlang.structure import Steps, dotted
from engine.identity import by_identity
from engine.lints.env import Env, Use, comment_after
from engine.mapping.analysis import analyse, analyse_map
from engine.mapping.arguments import KIND_WORDS
from engine.mapping.checks import check_defines, check_expression
from engine.mapping.scope import Scope
from engine.mapping.syntax import parse
from engine.mapping.types import NUMBERS, TEXTS, ResultType, object_type, record_type
from engine.model import Flow, Stream
from engine.spec import FieldSpec, StreamSpec

ID = ""  # it reports the codes E101 and above

# What an expression reads that is given no record, and one that is given a record of which nothing is known.
NOTHING = object_type(())
ANYTHING = record_type(())


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Check every expression, alone and against the fields it is given."""
    scope = env.scope()
    yield from check_defines(scope)
    sources = {stream.name: source_type(stream, env) for stream in flow.streams}
    mapped = {stream.name: mapped_type(stream, sources[stream.name], scope) for stream in flow.streams}
    for use in env.uses():
        if use.stream is None:
            continue
        where = _dotted(use.steps)
        problems = check_expression(use.expr, scope, where)
        if any(problem.code == "E109" for problem in problems):
            continue  # said of the define
        if problems and _is_cut(use, env):
            hint = "in YAML ` #` begins a comment: put the whole value in double quotes"
            problems = [replace(problem, hint=hint) for problem in problems]
        if not problems:
            source = sources[use.stream.name]
            data = _data(use, source, mapped[use.stream.name], scope)
            result, problems = analyse(use.expr, data, scope, root=source, where=where)
            problems = [*problems, *_misplaced(use, result, source, env)]
        yield from problems


_dotted = lru_cache(maxsize=2048)(dotted)


def _is_cut(use: Use, env: Env) -> bool:
    """Whether the comment after an expression was meant as a part of it."""
    comment = comment_after(use.steps, env)
    if not comment:
        return False
    from engine.mapping.wording import is_closed_by  # words are only needed where something is wrong

    return is_closed_by(use.expr.text, comment)


# What some keys take, in words, and the kinds of values that are none of it.
_NO_TEXT = frozenset({"object", "list"})
_NOT: Mapping[Steps, tuple[str, str, frozenset[str]]] = {
    ("about", "amount"): ("amount", "an amount", frozenset({"text", "id", "date", "datetime", "boolean", *_NO_TEXT})),
    ("about", "date"): ("date", "a date", frozenset({"text", "id", "money", "boolean", *NUMBERS, *_NO_TEXT})),
    ("about", "currency"): ("text", "a text", _NO_TEXT),
    ("about", "party"): ("text", "a text", _NO_TEXT),
    ("about", "reference"): ("text", "a text", _NO_TEXT),
    ("key",): ("key", "a text or a whole number", _NO_TEXT | {"boolean"}),
    ("provide", "key"): ("key", "a text or a whole number", _NO_TEXT | {"boolean"}),
    ("mark_synced", "reference"): ("text", "a text", _NO_TEXT),
    ("adopt",): ("object", "an object that a lookup finds", frozenset({"list", "boolean", *TEXTS, *NUMBERS})),
}


def _misplaced(use: Use, result: ResultType, source: ResultType, env: Env) -> Iterator[Diagnostic]:
    """A value of a kind that the key it is for can do nothing with."""
    wanted, words, refused = _NOT.get(use.steps[2:], ("", "", frozenset()))
    written = frozenset({"field", "subexpression", "or_expression", "pipe"})
    if result.kind not in refused or (result.kind == "text" and parse(use.expr.text).kind not in written):
        return
    from engine.mapping.wording import kind_hint  # words are only needed where something is wrong

    message = f"`{use.steps[-1]}` takes {words}, and this is {KIND_WORDS[result.kind]}"
    hint = "ask find('lookup', key, name)" if wanted == "object" else kind_hint(wanted, result, source)
    yield Diagnostic(env.place(use.expr, 0), "E112", dotted(use.steps), message, hint)


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
    spec = env.stream_spec(stream)
    return ANYTHING if spec is None else _source_type(spec)


@by_identity
def _source_type(spec: StreamSpec) -> ResultType:
    # A record without its key is never handed on, so the key is not null whatever the declaration says.
    return record_type(replace(field, required=True) if field.name == spec.key else field for field in spec.fields)


@by_identity
def receipt_type(told: tuple[FieldSpec, ...]) -> ResultType:
    """What an expression reads that is given the target's answer; any answer, when nothing is known of it."""
    return record_type((FieldSpec("receipt", "object", "what the target said: its ids", True, fields=told),))


def _data(use: Use, source: ResultType, mapped: ResultType, scope: Scope) -> ResultType:
    if use.context == "receipt" and use.stream is not None:
        return receipt_type(scope.receipts.get(use.stream.name, ()))
    return {"source": source, "mapped": mapped}.get(use.context, NOTHING)
