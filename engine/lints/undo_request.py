"""An undo does not undo what its variant has made, cannot say which object it means, or has a `when` that is no condition.

To do: Write the request that undoes what was made, a template that uses `kind` and `target_id`, and a comparison as
`when`.

Fails at streams.bills.write:
    request: BillAdd
    to: books
    template: bill_add.xml.j2
    undo: {when: status == 'VOID', request: BillMod, template: bill_mod.xml.j2}
Passes:
    request: BillAdd
    to: books
    template: bill_add.xml.j2
    undo: {when: status == 'PAID', request: TxnVoid, template: txn_void.xml.j2}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.flowlang.structure import Steps, dotted
from engine.lints.env import Env, variants
from engine.lints.expressions import source_type
from engine.lints.names import calls
from engine.lints.template_variables import variables_of
from engine.mapping.analysis import analyse
from engine.mapping.checks import check_expression
from engine.model import Flow, Stream, Undo, Variant
from engine.spec import kind_of

ID = "F045"

# What would leave it open whether the record is undone.
_WAITING = ("lookup", "lookup_if", "posted")


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Hold each undo against the request that it follows, its template against the object, and its condition."""
    for stream in flow.streams:
        for steps, variant in variants(stream, env):
            if variant.undo is None:
                continue
            where: Steps = (*steps, "undo")
            yield from _request(stream, variant, variant.undo, where, env)
            yield from _template(stream, variant.undo, where, env)
            yield from _condition(stream, variant.undo, where, env)


def _request(stream: Stream, variant: Variant, undo: Undo, where: Steps, env: Env) -> Iterator[Diagnostic]:
    spec, target = env.request_spec(stream, undo.request), env.specs.get(stream.target)
    kind = kind_of(variant.request)
    if spec is None or target is None or env.request_spec(stream, variant.request) is None:
        return  # another rule has said what is unknown
    if kind != variant.request and kind in spec.undoes:
        return
    able = next((each.name for each in target.requests if kind in each.undoes and kind != variant.request), None)
    message = f"`{undo.request}` does not undo what `{variant.request}` has made"
    hint = f"write `{able}`" if able else f"remove it: `{target.name}` cannot undo what was written so"
    yield env.problem(ID, (*where, "request"), message, hint)


def _template(stream: Stream, undo: Undo, where: Steps, env: Env) -> Iterator[Diagnostic]:
    spec = env.request_spec(stream, undo.request)
    if undo.template is None or spec is None or not spec.undoes:
        return
    used = variables_of(undo.template, env)
    missing = [name for name in ("kind", "target_id") if name not in used] if used else []
    if missing:
        message = f"the template of an undo must use {' and '.join(f'`{name}`' for name in missing)}"
        yield env.problem(ID, (*where, "template"), message, "it says which object is undone: see txn_void.xml.j2")


def _condition(stream: Stream, undo: Undo, where: Steps, env: Env) -> Iterator[Diagnostic]:
    at = (*where, "when")
    waiting = sorted({f"`{name}`" for name, _ in calls(undo.when) if name in _WAITING})
    if waiting:
        message = f"{' and '.join(waiting)} may have to wait, and an undo does not"
        yield env.problem(ID, at, message, "ask for fields of the source record and for settings")
    scope = env.scope()
    if check_expression(undo.when, scope, dotted(at)):
        return  # another rule has said so
    source = source_type(stream, env)
    found, problems = analyse(undo.when, source, scope, root=source, where=dotted(at))
    if not problems and found.kind not in ("boolean", "any"):
        message = f"`when` gives {_ARTICLED.get(found.kind, f'a {found.kind}')}, not true or false"
        yield env.problem(ID, at, message, "compare it with something: status == 'VOID'")


_ARTICLED = {"amount": "an amount", "integer": "a whole number", "object": "an object", "null": "nothing"}
