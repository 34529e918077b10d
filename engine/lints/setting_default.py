"""The default of a setting is not a value that the setting takes, or it has options or bounds that it cannot have.

To do: Write a default of the type that the setting has, one of `options` or between `min` and `max` where it has them.

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
            yield env.problem(
                ID, base, "a `choice` needs `options`", "list the values it may take: `options: [one, other]`", key=True
            )
        elif setting.type != "choice" and setting.options:
            message = f"a setting of type `{setting.type}` has no `options`"
            yield env.problem(ID, (*base, "options"), message, "remove them, or make it `type: choice`")
        elif (wrong := _bounds(setting, env)) is not None:
            yield wrong
        elif setting.default is not None and not fits(setting):
            wanted = f"{_WANTED[setting.type]} {setting.bounds}".rstrip()
            steps = (*base, "default")
            shown = env.text(steps) or ""
            message = f"`{shown}` is not {wanted}"
            if setting.type == "choice":
                yield env.misspelt(ID, steps, message, shown, setting.options)
            elif setting.type == "integer" and setting.bounds and isinstance(setting.default, int):
                yield env.problem(ID, steps, message, f"write {wanted}, or change `min` and `max`")
            else:
                hint = _HINTS[setting.type] + (f': "{shown}"' if setting.type == "text" else "")
                yield rewritten(env.problem(ID, steps, message, hint), steps, setting.type, env)


def _bounds(setting: Setting, env: Env) -> Diagnostic | None:
    """Bounds of what has none, or between which there is nothing."""
    base = ("settings", setting.name)
    for key, bound in (("min", setting.minimum), ("max", setting.maximum)):
        if bound is not None and setting.type != "integer":
            message = f"a setting of type `{setting.type}` has no `{key}`"
            return env.problem(ID, (*base, key), message, "remove it, or make it `type: integer`", key=True)
    low, high = setting.minimum, setting.maximum
    if low is not None and high is not None and low > high:
        message = f"no number is {low} or more and {high} or less"
        return env.problem(ID, (*base, "max"), message, f"write {low} or more, or change `min`")
    return None


_HINTS = {
    "text": "write it in double quotes",
    "date": "write it as 2026-03-01, or leave it empty",
    "boolean": "write true or false, without quotes",
    "integer": "write digits, without quotes: 30",
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
        whole = isinstance(setting.default, int) and not isinstance(setting.default, bool)
        return whole and setting.within(int(setting.default or 0))
    if setting.type == "date":
        return isinstance(setting.default, str) and (not setting.default or is_day(setting.default))
    return isinstance(setting.default, str) and (setting.type == "text" or setting.default in setting.options)
