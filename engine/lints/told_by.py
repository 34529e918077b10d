"""A setting asks its connection for something that the connector does not tell of itself, or that is no text.

To do: Write one of the names that the hint gives, or remove `told_by`: then people set it.

Fails at settings.home_currency:
    {type: text, default: USD, told_by: books.currency, help: Home currency}
Passes:
    {type: text, default: USD, told_by: books.home_currency, help: Home currency}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F048"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare what settings ask for with what connectors tell."""
    for setting in flow.settings:
        spec = env.specs.get(setting.connection) if setting.told else None
        if spec is None:
            continue
        steps = ("settings", setting.name, "told_by")
        known = [each.name for each in spec.tells]
        if not known:
            yield env.problem(ID, steps, f"`{spec.name}` tells nothing of itself", "remove it: then people set it")
        elif setting.told not in known:
            yield env.misspelt(ID, steps, f"`{spec.name}` does not tell `{setting.told}`", setting.told, known)
        elif setting.type != "text":
            message = f"`{setting.connection}.{setting.told}` is a text, and the setting is not"
            yield env.problem(ID, steps, message, "make it `type: text`, or remove `told_by`")
