"""The default of a setting is not a value that the setting takes.

To do: Write a default of the type that the setting has, and one of `options` where it has them.

Fails at settings.home_currency:
    {type: boolean, default: USD, help: Home currency}
Passes:
    {type: text, default: USD, help: Home currency}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.clock import is_day
from engine.diagnostics import Diagnostic
from engine.lints.env import Env, rewritten
from engine.model import Flow, Setting

ID = "F035"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare default and options with the type."""
    for setting in flow.settings:
        base = ("settings", setting.name)
        if setting.type == "choice" and not setting.options:
            yield env.problem(ID, base, "a `choice` needs `options`", "list the values it may take", key=True)
        elif setting.type != "choice" and setting.options:
            message = f"a setting of type `{setting.type}` has no `options`"
            yield env.problem(ID, (*base, "options"), message, "remove them, or make it `type: choice`")
        elif setting.default is not None and not fits(setting):
            wanted = _WANTED[setting.type]
            steps = (*base, "default")
            shown = env.text(steps) or ""
            message = f"`{shown}` is not {wanted}"
            if setting.type == "choice":
                yield env.misspelt(ID, steps, message, shown, setting.options)
            else:
                yield rewritten(env.problem(ID, steps, message, _HINTS[setting.type]), steps, setting.type, env)


_HINTS = {
    "text": "write it in quotes",
    "date": "write it as 2026-03-01, or leave it empty",
    "boolean": "write true or false, without quotes",
    "integer": "write digits, without quotes",
}
_WANTED = {
    "text": "a text",
    "date": "a date, as 2026-03-01, or empty",
    "boolean": "true or false",
    "integer": "a whole number",
    "choice": "one of the options",
}


def fits(setting: Setting) -> bool:
    """Whether the default is a value of the setting's type."""
    if setting.type == "boolean":
        return isinstance(setting.default, bool)
    if setting.type == "integer":
        return isinstance(setting.default, int) and not isinstance(setting.default, bool)
    if setting.type == "date":
        return isinstance(setting.default, str) and (not setting.default or is_day(setting.default))
    return isinstance(setting.default, str) and (setting.type == "text" or setting.default in setting.options)
