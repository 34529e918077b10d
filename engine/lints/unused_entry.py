"""An entry of a map goes nowhere: no template, check or condition reads it, so the target never hears of it.

To do: Read it in the template or in a check, or remove it.

Fails at streams.vendors.map:
    {name: "limit(name, `41`)", terms: id}
Passes:
    {name: "limit(name, `41`)"}
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env, documents, over_map
from engine.lints.template_variables import variables_of
from engine.mapping import named_in
from engine.model import Flow

ID = "F047"

# What people know a record by is theirs too: they are told when it changes.
_SHOWN = frozenset({"amount", "currency", "party", "reference", "date"})
_ASKING = ("lookup", "lookup_if", "posted", "match")


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the entries of each map with what its templates, checks and conditions read.

    Of a request that is written as JSON, another rule does so.
    """
    for stream in flow.streams if env.complete else ():
        written = [document for document in documents(stream, env) if not document.undoes]
        used: set[str] = set()
        for document in written:
            used |= variables_of(document.template, env) if document.template is not None else set()
        if not used or any(document.template is None for document in written):
            continue
        read = " ".join(expr.text for expr in over_map(stream))
        kept = {name for variant in stream.variants if variant.change for name, _ in variant.change.cannot}
        for name, expr in stream.map:
            if name in used or name in kept or name in _SHOWN or re.search(rf"\b{re.escape(name)}\b", read):
                continue
            # An entry may be there to wait for something alone.
            if not any(named_in(expr, dict(flow.define), function) for function in _ASKING):
                steps = ("streams", stream.name, "map", name)
                message = f"nothing reads `{name}`, so the target never hears of it"
                hint = f"read `{name}` in the template or in a check, or remove it"
                yield env.problem(ID, steps, message, hint, key=True, level="warning")
