"""Strict, sandboxed templates: data in, escaped XML text out, and no way for a template to reach anything else.

What a template may use, beyond plain Jinja `{{ }}`, `{% if %}`, `{% for %}`, `{% set %}`, `{% macro %}` and imports:

- `{{ element('Memo', memo) }}` writes `<Memo>text</Memo>`, escaped; nothing when the value is None or empty text.
- `{{ ref('VendorRef', vendor) }}` writes `<VendorRef><ListID>..</ListID></VendorRef>` when the object has a `list_id`,
  else `<FullName>` from its `full_name`; nothing when the object is None.
- `{{ amount | money }}` prints an amount with two places. A bare Decimal is printed the same way.
- `{{ value | optional }}` prints nothing for a value that is missing; without it, missing is an error.
- `{% if memo is present %}` is true for anything but a missing value, None, empty text and an empty list.

Values are plain data. `a.b` reads the key `b` of an object and never an attribute of a Python value; true and false
print as `true` and `false`; a float is an error; characters that XML 1.0 forbids are left out. A line break between two
tags, with the white space around it, is not part of the output. There is no arithmetic: computing is the flow's part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import TemplateError

from engine.diagnostics import suggestion
from engine.errors import ExpressionError, RenderError
from engine.render.sandbox import TESTS, Loader, Sandbox, Values
from engine.render.values import BUDGET, FILTERS, HIDDEN_FILTERS, MAX_OUTPUT, Missing, Refused, is_present, printed

__all__ = ["MAX_OUTPUT", "Template", "Templates"]


class Template:
    """One compiled template."""

    __slots__ = ("_context", "_root", "name", "variables")

    def __init__(self, name: str, template: JinjaTemplate, variables: frozenset[str], *, plain: bool) -> None:
        self.name = name
        self.variables = variables
        self._context: Callable[[Mapping[str, object]], Any] = (
            Values if plain else lambda values: template.new_context(dict(values))
        )
        self._root = template.root_render_func

    def render(self, values: Mapping[str, object]) -> str:
        """The document for these values.

        Raises:
            RenderError: with the template line, for a missing value, a float, or a document that grows too large.
        """
        BUDGET.steps = BUDGET.size = 0
        try:
            return _joined(self._root(self._context(values)))
        except (TemplateError, ExpressionError, RecursionError, TypeError, ValueError, ArithmeticError) as error:
            raise _failure(self.name, error, error.__traceback__) from error


def _joined(pieces: Iterator[str]) -> str:
    parts: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_OUTPUT:
            raise Refused(f"the document is larger than {MAX_OUTPUT:,} characters")
        parts.append(piece)
    return "".join(parts)


class Templates:
    """The templates of a search path: usually a flow's own `templates/` folder, then the shipped ones."""

    def __init__(self, search: Sequence[Traversable | Path] = ()) -> None:
        self._loader = Loader([*search, resources.files("qbxml_templates")])
        self._environment = Sandbox(
            loader=self._loader,
            # `printed` escapes every value. Jinja's own escaping is off because it wraps each piece in a class of its
            # own, at three times the cost, and because it can be talked out of it (`|safe`, `{% autoescape false %}`).
            autoescape=False,
            undefined=Missing,
            finalize=printed,
            auto_reload=False,
        )
        self._environment.globals.clear()
        self._environment.filters.clear()
        self._environment.filters.update({**FILTERS, **HIDDEN_FILTERS})
        self._environment.tests = {k: v for k, v in self._environment.tests.items() if k in TESTS} | {
            "present": is_present
        }
        self._known: dict[str, Template] = {}

    def names(self) -> tuple[str, ...]:
        """Every template that `get` would find."""
        return tuple(self._loader.list_templates())

    def source(self, name: str) -> str:
        """The text of a template; empty when there is none."""
        try:
            return self._loader.source(name)
        except (TemplateError, UnicodeDecodeError):
            return ""

    def get(self, name: str) -> Template:
        """The template called `name`, checked and compiled.

        Raises:
            RenderError: when it does not exist, does not parse, or uses what no template may use.
        """
        if name not in self._known:
            try:
                compiled = self._environment.get_template(name)
            except (TemplateError, RecursionError, UnicodeDecodeError) as error:
                raise _failure(name, error, None, self.names) from error
            self._known[name] = Template(name, compiled, self._loader.variables[name], plain=self._loader.plain[name])
        return self._known[name]


def _failure(
    name: str, error: Exception, trace: TracebackType | None, names: Callable[[], Sequence[str]] | None = None
) -> RenderError:
    """Word an error with the innermost template line; never with a value."""
    if isinstance(error, TemplateNotFound):
        hint = suggestion(str(error.name), names()) if names else None
        return RenderError(name, None, f"there is no template `{error.name}`", hint=hint)
    if isinstance(error, TemplateSyntaxError):
        return RenderError(error.name or name, error.lineno, error.message or "cannot be parsed")
    where, line = name, getattr(error, "line", None)
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, JinjaTemplate):
            where, line = template.name or name, template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    if isinstance(error, RecursionError):
        return RenderError(where, line, "the template or its values are nested too deeply")
    if isinstance(error, TemplateError | ExpressionError):
        return RenderError(where, line, str(error), hint=getattr(error, "hint", None))
    return RenderError(where, line, f"a value of the wrong kind was used ({type(error).__name__})")
