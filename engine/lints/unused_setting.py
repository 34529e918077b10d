"""A setting that nothing reads: who sets it would expect it to matter.

To do: Read it with `setting('name')`, or remove it.

Fails at settings.spare:
    {type: text, help: Read by nobody}
Passes:
    null
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.lints.names import called
from engine.model import Flow

ID = "F050"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the settings with the calls of `setting(...)`."""
    used = called(env, "setting")
    for setting in flow.settings if env.complete else ():
        if setting.name not in used:
            message = f"the setting `{setting.name}` is never used"
            hint = f"read it with `setting('{setting.name}')`, or remove it"
            yield env.problem(ID, ("settings", setting.name), message, hint, key=True, level="warning")
