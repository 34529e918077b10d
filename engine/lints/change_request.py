"""A change names a request that does not change what its variant has made.

To do: Write the request that changes what this variant adds; the hint names it.

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
from engine.spec import CHANGING, kind_of

ID = "F039"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Hold the request of each change against the one that it follows: what BillAdd has made, BillMod changes.

    Of a request that is written as JSON it is `BillCreate` or `BillUpload`, and `BillUpdate`; what another verb has done,
    `TransactionCode`, is changed by `TransactionCodeUpdate`.
    """
    for stream in flow.streams:
        spec = env.specs.get(stream.target)
        for steps, variant in variants(stream, env) if spec else ():
            change = variant.change
            if spec is None or change is None or spec.request(change.request) is None:
                continue
            if spec.request(variant.request) is None:
                continue  # another rule has said what is unknown
            able = [f"{kind_of(variant.request)}{verb}" for verb in CHANGING if not variant.request.endswith(CHANGING)]
            if change.request in able:
                continue
            message = f"`{change.request}` does not change what `{variant.request}` has made"
            known = next((name for name in able if spec.request(name) is not None), None)
            hint = f"write `{known}`" if known else f"remove it: `{spec.name}` cannot change what was written so"
            yield env.problem(ID, (*steps, "change", "request"), message, hint)
