"""A trigger waits for a webhook event that the source never sends.

To do: Write one of the events that the hint lists, or use `every`.

Fails at streams.bills.trigger:
    {webhook: [bills.aproved]}
Passes:
    {webhook: [bills.approved]}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F029"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare `trigger.webhook` with the events of the connector."""
    for stream in flow.streams:
        spec = env.specs.get(stream.fetch.connection)
        if spec is None:
            continue
        offered = spec.stream(stream.fetch.stream)
        known = {*spec.webhooks, *(offered.webhooks if offered else ())}
        for index, event in enumerate(stream.trigger.webhooks):
            if event not in known:
                steps = ("streams", stream.name, "trigger", "webhook", index)
                message = f"`{spec.name}` sends no event `{event}`"
                if known:
                    yield env.misspelt(ID, steps, message, event, known)
                else:
                    hint = (
                        f"`{spec.name}` sends no events at all: remove `webhook`, and start the stream with `every: 1h`"
                    )
                    yield env.problem(ID, steps, message, hint)
