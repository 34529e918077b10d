"""A stream without `write` compares, and has keys that only mean something where something is written.

To do: Remove the keys, or add `write`.

Fails at streams.vendors.write:
    null
Passes:
    {to: books, request: VendorAdd, template: vendor_add.xml.j2}
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import WATCH, Flow, Stream

ID = "F042"

_WRITING = ("phase", "adopt", "provide", "mark_synced")
_ASKS = re.compile(r"\b(?:lookup|lookup_if|posted)\s*\(")


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """A stream that only compares has nothing to adopt, to provide or to tell, and must look something up or check it."""
    for stream in flow.streams:
        steps = ("streams", stream.name)
        if env.has((*steps, "write")):
            if stream.phase == WATCH:
                message = f"`{WATCH}` is the phase of streams that only compare"
                yield env.problem(ID, (*steps, "phase"), message, "give it another name: `phase: post`")
            continue
        for key in _WRITING:
            if env.has((*steps, key)):
                message = f"`{key}` means nothing here: the stream has no `write`, and so only compares"
                yield env.problem(ID, (*steps, key), message, f"remove `{key}`, or add `write`", key=True)
        if not stream.check and not _looks_up(flow, stream):
            message = "nothing is compared: `map` looks nothing up, and there is no `check`"
            yield env.problem(ID, (*steps, "map"), message, "add a lookup or a `check`", key=True)


def _looks_up(flow: Flow, stream: Stream) -> bool:
    """Whether the map asks for anything that may be missing, itself or by a name under `define`."""
    waiting = [expr.text for _, expr in stream.map]
    define = {name: expr.text for name, expr in flow.define}
    while waiting:
        text = waiting.pop()
        if _ASKS.search(text):
            return True
        called = [name for name in define if re.search(rf"\b{name}\s*\(", text)]
        waiting += [define.pop(name) for name in called]
    return False
