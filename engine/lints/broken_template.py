"""A template does not exist, or cannot be used.

Fails at streams.bills.write:
    {to: books, request: BillAdd, template: bill_ad.xml.j2}
Passes:
    {to: books, request: BillAdd, template: bill_add.xml.j2}
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.errors import RenderError
from engine.language import TEMPLATE
from engine.lints.env import Env, variants
from engine.model import Flow

ID = "F033"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Load every template that the flow names."""
    for stream in flow.streams:
        for steps, variant in variants(stream, env):
            if (
                variant.template is not None
                and variant.template not in env.facts.variables
                and re.fullmatch(TEMPLATE.pattern, variant.template)
            ):
                try:
                    env.templates().get(variant.template)
                except RenderError as error:
                    message = str(error).removeprefix(f"{variant.template}: ")
                    yield env.problem(ID, (*steps, "template"), message, error.hint)
