"""The source is told in a way that its connector does not offer for this stream.

To do: Write a mark that the connector offers for this stream.

Fails at streams.bills.mark_synced:
    {in: ramp, as: BILLS_SYNC, reference: receipt.TxnID}
Passes:
    {in: ramp, as: BILL_SYNC, reference: receipt.TxnID}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic, suggestion
from engine.flowlang.structure import Steps
from engine.lints.env import Env
from engine.model import Flow, MarkSynced, Stream
from engine.spec import ConnectorSpec, MarkSpec

ID = "F030"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare `mark_synced` with the marks of the connector."""
    for stream in flow.streams:
        mark = stream.mark_synced
        spec = env.specs.get(mark.connection) if mark else None
        if mark is None or spec is None or env.stream_spec(stream) is None:
            continue
        base = ("streams", stream.name, "mark_synced")
        fitting = [m.name for m in spec.marks if stream.fetch.stream in m.streams]
        found = spec.mark(mark.kind)
        if found is None:
            message = f"`{spec.name}` has no mark `{mark.kind}`"
            if fitting:
                yield env.misspelt(ID, (*base, "as"), message, mark.kind, fitting)
            else:
                yield env.problem(ID, (*base, "as"), message, _without(stream, mark, spec, env))
        elif stream.fetch.stream not in found.streams:
            message = f"the mark `{mark.kind}` is not for the stream `{stream.fetch.stream}`"
            hint = suggestion(mark.kind, fitting) if fitting else _without(stream, mark, spec, env)
            yield env.problem(ID, (*base, "as"), message, hint)
        else:
            yield from _misfits(env, base, mark, found)


def _without(stream: Stream, mark: MarkSynced, spec: ConnectorSpec, env: Env) -> str:
    """What to do where the connection cannot be told of the stream at all."""
    for name, other in env.specs.items():
        found = other.mark(mark.kind)
        if found is not None and stream.fetch.stream in found.streams:
            return f"`{name}` has it: write `in: {name}`"
    return f"remove `mark_synced`: `{spec.name}` cannot be told of records of `{stream.fetch.stream}`"


def _misfits(env: Env, base: Steps, mark: MarkSynced, found: MarkSpec) -> Iterator[Diagnostic]:
    """What the mark takes besides, and whether it tells of failures."""
    known = tuple(field.name for field in found.fields)
    for name, _ in mark.details:
        if name not in known:
            steps, message = (*base, "with", name), f"the mark `{mark.kind}` takes no `{name}`"
            if known:
                yield env.misspelt(ID, steps, message, name, known, key=True)
            else:
                yield env.problem(ID, steps, message, "remove it", key=True)
    if not found.failures and mark.failures and env.has((*base, "failures")):
        message = f"the mark `{mark.kind}` cannot tell of failures"
        yield env.problem(ID, (*base, "failures"), message, "write `failures: []`")
