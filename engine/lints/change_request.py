"""A change names a request that does not change what its variant has made.

Fails at streams.bills.write:
    request: BillAdd
    to: books
    template: bill_add.xml.j2
    change: {request: VendorMod, template: vendor_mod.xml.j2}
Passes:
    request: BillAdd
    to: books
    template: bill_add.xml.j2
    change: {request: BillMod, template: bill_mod.xml.j2}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env, variants
from engine.model import Flow

ID = "F039"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Hold the request of each change against the one that it follows: what BillAdd has made, BillMod changes."""
    for stream in flow.streams:
        spec = env.specs.get(stream.target)
        for steps, variant in variants(stream, env) if spec else ():
            change = variant.change
            if spec is None or change is None or spec.request(change.request) is None:
                continue
            wanted = f"{variant.request.removesuffix('Add')}Mod"
            if change.request == wanted and variant.request.endswith("Add"):
                continue
            message = f"`{change.request}` does not change what `{variant.request}` has made"
            known = variant.request.endswith("Add") and spec.request(wanted) is not None
            hint = f"write `{wanted}`" if known else f"remove it: `{spec.name}` cannot change what was written so"
            yield env.problem(ID, (*steps, "change", "request"), message, hint)
