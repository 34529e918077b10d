"""Which request a template renders, by its outermost element."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.diagnostics import suggestion

if TYPE_CHECKING:
    from engine.render import Templates

_ROOT = re.compile(r"<(\w+)Rq[\s>]")


def root_of(template: str, templates: Templates) -> str:
    """The request that a template renders: `BillAdd`; empty when its text does not tell."""
    found = set(_ROOT.findall(templates.source(template)))
    return found.pop() if len(found) == 1 else ""


def wrong_template(template: str, request: str, templates: Templates) -> tuple[str, str] | None:
    """What to say of a template that renders another request, and what to do; None when it does not."""
    root = root_of(template, templates)
    if root in ("", request):
        return None
    fitting = [name for name in templates.names() if root_of(name, templates) == request]
    hint = suggestion(template, fitting) if fitting else f"write a template whose outermost element is `{request}Rq`"
    return f"the template renders `{root}`, and the request is `{request}`", hint
