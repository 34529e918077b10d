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

import re
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError, Undefined, meta, nodes
from jinja2 import Template as JinjaTemplate
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import Environment, TemplateModule
from jinja2.exceptions import TemplateError
from jinja2.runtime import Context, LoopContext, Macro, missing
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from engine.diagnostics import suggestion
from engine.errors import ExpressionError, RenderError
from engine.money import format_money, parse_money

MAX_OUTPUT = 4_000_000
MAX_SOURCE = 256_000
MAX_STEPS = 1_000_000
MAX_LOOP_DEPTH = 4
GLOBALS = frozenset({"element", "ref"})

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*\.xml\.j2")
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
# Everything that the Char production of XML 1.0 leaves out; one such character makes QBWC drop the whole session.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LAYOUT = re.compile(r"(^|>)[ \t]*\r?\n\s*(?=<|$)")
_LOOP_FIELDS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_TESTS = frozenset({"present", "defined", "undefined", "none", "true", "false", "eq", "ne", "in"})
_ALLOWED_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.Macro,
    nodes.Assign,
    nodes.Import,
    nodes.FromImport,
    nodes.Name,
    nodes.Const,
    nodes.Tuple,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Test,
    nodes.Call,
    nodes.Keyword,
    nodes.Getitem,
    nodes.Getattr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
)
_NEEDS_CONTEXT = (nodes.Macro, nodes.Assign, nodes.Import, nodes.FromImport, nodes.Call)


class _Refused(TemplateError):
    """A template does, or a value is, what no document may depend on."""

    def __init__(self, reason: str, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(reason)
        self.line = line
        self.hint = hint


class _Missing(StrictUndefined):
    """A value that is not there; using it in any way but `is present` or `| optional` is an error."""

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"`{self._undefined_name}` is not among the values of this template"


class _Budget(threading.local):
    """What the render going on in this thread has used so far."""

    steps = 0
    size = 0

    def write(self, size: int) -> None:
        """Count characters."""
        self.size += size
        if self.size > MAX_OUTPUT:
            raise _Refused(f"the document is larger than {MAX_OUTPUT:,} characters")

    def spend(self, steps: int) -> None:
        """Count loop rounds, each with the size of what it runs, and macro calls."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise _Refused(f"the template takes more than {MAX_STEPS:,} steps")


_BUDGET = _Budget()


# --- values ----------------------------------------------------------------------------------------------------------


class _Xml(str):
    """Text that is already XML: made by `element`, `ref` and macros, and by nothing else."""

    __slots__ = ()


_EMPTY = _Xml("")


def _printed(value: object) -> str:
    """What `{{ value }}` writes. Every printed value passes here, so that none can go around the escaping."""
    if type(value) is _Xml:
        return value
    text = _text(value)
    if '"' in text or "'" in text:
        text = text.replace('"', "&quot;").replace("'", "&apos;")
    return text


def _wrapped(start: str, value: object, end: str) -> str:
    """`element` with a fixed tag, where it is printed."""
    if type(value) is str and value.isprintable() and len(value) <= 256:
        if "&" in value or "<" in value or ">" in value:
            value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"{start}{value}{end}" if value else ""
    return "" if value is None or value == "" else f"{start}{_text(value)}{end}"


def _text(value: object) -> str:
    """A value as XML text without illegal characters; quotes are left for `_printed`, which may be in an attribute."""
    text = value if type(value) is str else _other_text(value)
    if not text.isprintable():
        text = _ILLEGAL.sub("", text)
    if len(text) > 256:
        _BUDGET.write(len(text))
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def _other_text(value: object) -> str:
    """The text of a value that is no plain str."""
    if isinstance(value, Decimal):
        return _amount(value)
    if isinstance(value, Undefined):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return str(value)
    if value is None:
        raise _Refused(
            "an empty value (null) cannot be printed", hint="use `element(...)`, `| optional` or `is present`"
        )
    if isinstance(value, float):
        raise _Refused(
            "a float reached the template", hint="money is a Decimal; make it one with `money(...)` in the map"
        )
    raise _Refused(f"{_kind(value)} cannot be printed", hint="print one of its fields")


def _amount(value: Decimal) -> str:
    # An amount that is written with two places already, and no minus that could stand before a zero, stays as it is.
    text = str(value)
    return text if text[-3:-2] == "." and text[0] != "-" else format_money(value)


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else "a value of this kind"


@lru_cache(maxsize=1024)
def _tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise _Refused("an element name may hold only letters, digits, `_`, `-` and `.`")
    return tag


def _element(tag: str, value: object) -> str:
    if value is None or value == "":
        return _EMPTY
    return _Xml(f"<{_tag(tag)}>{_text(value)}</{tag}>")


def _ref(tag: str, value: object) -> str:
    return _Xml(_reference(_tag(tag), value))


def _reference(tag: str, value: object) -> str:
    if value is None:
        return ""
    if not (type(value) is dict or isinstance(value, Mapping)):
        if isinstance(value, Undefined):
            str(value)
        raise _Refused(f"`ref` takes an object with `list_id` or `full_name`, not {_kind(value)}")
    if found := value.get("list_id"):
        short = type(found) is str and len(found) <= 64
        return _listed(tag, found) if short else _referred(tag, "ListID", found)
    if found := value.get("full_name"):
        return _referred(tag, "FullName", found)
    raise _Refused("`ref` was given an object with neither `list_id` nor `full_name`")


def _referred(tag: str, kind: str, value: object) -> str:
    return f"<{tag}><{kind}>{_text(value)}</{kind}></{tag}>"


@lru_cache(maxsize=4096)
def _listed(tag: str, list_id: str) -> str:
    """The same accounts, classes and vendors are referred to over and over."""
    return _referred(tag, "ListID", list_id)


def _money(value: object) -> str:
    if isinstance(value, Undefined):
        str(value)
    return _amount(value if type(value) is Decimal else parse_money(value))


def _optional(value: object) -> object:
    return _EMPTY if value is None or isinstance(value, Undefined) else value


def _is_present(value: object) -> bool:
    return not (value is None or isinstance(value, Undefined) or value in ("", [], {}))


def _rounds(value: object, weight: int) -> object:
    """What a `for` may walk: a list, charged to the budget with the size of the loop's body."""
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, list | tuple):
        raise _Refused("`for` walks a list, and this is none")
    _BUDGET.spend(len(value) * weight)
    return value


def _length(value: object) -> int:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, str | list | tuple | Mapping):
        raise _Refused("`length` takes a text, a list or an object")
    return len(value)


FILTERS: Mapping[str, Callable[..., object]] = {
    "money": _money,
    "optional": _optional,
    "length": _length,
}
_HIDDEN_FILTERS: Mapping[str, Callable[..., object]] = {"_element": _element, "_ref": _ref, "_rounds": _rounds}


# --- the sandbox -----------------------------------------------------------------------------------------------------


class _Checked(NodeTransformer):
    """Refuses every construct that is not on the list, and rewrites the three that need help at run time."""

    def __init__(self) -> None:
        self.depth = 0
        self.imports: list[tuple[str, int]] = []
        self.modules: set[str] = set()

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """Let only listed constructs through."""
        if not isinstance(node, _ALLOWED_NODES):
            raise _Refused(f"`{type(node).__name__.lower()}` may not be used in a template", node.lineno)
        return super().generic_visit(node, *args, **kwargs)

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802  # named by Jinja's visitor
        """Take layout between tags out of the document."""
        if _ILLEGAL.search(node.data):
            raise _Refused("the template holds a character that XML does not allow", node.lineno)
        node.data = _LAYOUT.sub(r"\1", node.data)
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        """Keep the product's own names from being used as variables, or private names at all."""
        if node.name.startswith("_") or (node.name in GLOBALS):
            raise _Refused(f"the name `{node.name}` cannot be used here", node.lineno)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        """Only `element`, `ref` and macros can be called."""
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise _Refused("`*` and `**` arguments may not be used in a template", node.lineno)
        target = node.node
        if isinstance(target, nodes.Name) and target.name in GLOBALS:
            if len(node.args) != 2 or node.kwargs:
                raise _Refused(f"`{target.name}` takes a tag and a value", node.lineno)
            first, second = (self.visit(a) for a in node.args)
            if isinstance(first, nodes.Const):
                self._check_tag(first)
            return nodes.Filter(first, f"_{target.name}", [second], [], None, None, lineno=node.lineno)
        module = target.node if isinstance(target, nodes.Getattr) else target
        if not isinstance(module, nodes.Name):
            raise _Refused("only `element`, `ref` and macros can be called", node.lineno)
        return self.generic_visit(node)

    def _check_tag(self, node: nodes.Const) -> None:
        if not isinstance(node.value, str) or not _TAG.fullmatch(node.value):
            raise _Refused("an element name may hold only letters, digits, `_`, `-` and `.`", node.lineno)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        """Private names are no field names."""
        if node.attr.startswith("_"):
            raise _Refused(f"the name `{node.attr}` cannot be used here", node.lineno)
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """Only a fixed key or position: what a template reads can be listed."""
        arg = node.arg
        if not isinstance(arg, nodes.Const) or type(arg.value) not in (str, int) or str(arg.value).startswith("_"):
            raise _Refused("only a fixed key or position may stand in brackets", node.lineno)
        return self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """Bound the work of loops."""
        if node.recursive:
            raise _Refused("`recursive` may not be used in a template", node.lineno)
        self.depth += 1
        if self.depth > MAX_LOOP_DEPTH:
            raise _Refused(f"loops may be nested {MAX_LOOP_DEPTH} deep", node.lineno)
        self.generic_visit(node)
        self.depth -= 1
        weight = 1 + sum(1 for inner in node.body for _ in inner.find_all(nodes.Node))
        node.iter = nodes.Filter(node.iter, "_rounds", [nodes.Const(weight)], [], None, None, lineno=node.lineno)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        """Only our filters; `safe` is none of them."""
        if node.name not in FILTERS:
            raise _Refused(f"there is no filter `{node.name}`", node.lineno, suggestion(node.name, FILTERS))
        if node.node is None or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise _Refused(f"the filter `{node.name}` takes no arguments", node.lineno)
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        """Only tests that look at the value."""
        if node.name not in _TESTS:
            raise _Refused(f"there is no test `{node.name}`", node.lineno, suggestion(node.name, _TESTS))
        return self.generic_visit(node)

    def visit_Import(self, node: nodes.Import) -> nodes.Node:  # noqa: N802
        """`{% import 'x.xml.j2' as x %}`."""
        return self._import(node)

    def visit_FromImport(self, node: nodes.FromImport) -> nodes.Node:  # noqa: N802
        """`{% from 'x.xml.j2' import y %}`."""
        names = [n if isinstance(n, tuple) else (n, n) for n in node.names]
        if any(name in GLOBALS or name.startswith("_") for pair in names for name in pair):
            raise _Refused("a macro cannot take the name of a built-in", node.lineno)
        return self._import(node)

    def _import(self, node: nodes.Import | nodes.FromImport) -> nodes.Node:
        if not isinstance(node.template, nodes.Const) or not isinstance(node.template.value, str):
            raise _Refused("the name of an imported template must be a plain text", node.lineno)
        if node.with_context:
            raise _Refused("`with context` may not be used in a template", node.lineno, "pass what the macro needs")
        self.imports.append((node.template.value, node.lineno))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        """A macro may not replace a built-in."""
        if node.name in GLOBALS or node.name.startswith("_"):
            raise _Refused("a macro cannot take the name of a built-in", node.lineno)
        return self.generic_visit(node)


_join = "".join
_AT_HAND = ("_join", "_printed", "_reference", "_wrapped")


class _Generator(CodeGenerator):
    """Jinja's own code generator, with shorter ways for what a document is made of.

    Jinja gives each piece of output by itself, passes each through two calls, and asks the sandbox for each field.
    """

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802
        """Make our own functions known to the module; no template can name them, since Jinja renames its variables."""
        self.writeline(f"from {__name__} import {', '.join(_AT_HAND)}")
        super().visit_Template(node, frame)

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802
        """Give all that stands between two statements as one piece."""
        if frame.buffer is not None:
            super().visit_Output(node, frame)
            return
        self.writeline("yield _join((", node)
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                if child.data:
                    self.writeline(f"{child.data!r},")
                continue
            self.newline(child)
            self._printed_child(child, frame)
            self.write(",")
        self.writeline("))")

    def _printed_child(self, child: nodes.Expr, frame: Frame) -> None:
        tag = child.node if isinstance(child, nodes.Filter) and child.name in ("_element", "_ref") else None
        if not isinstance(tag, nodes.Const) or not isinstance(child, nodes.Filter):
            self.write("_printed(")
            self.visit(child, frame)
            self.write(")")
        elif child.name == "_element":
            self.write(f"_wrapped('<{tag.value}>', ")
            self.visit(child.args[0], frame)
            self.write(f", '</{tag.value}>')")
        else:
            self.write(f"_reference({tag.value!r}, ")
            self.visit(child.args[0], frame)
            self.write(")")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802
        """Read a key of a plain dict without asking the sandbox, which would do just that."""
        if not isinstance(node.node, nodes.Name):
            super().visit_Getattr(node, frame)
            return
        for before, after in (("(", f"[{node.attr!r}] if type("), ("", f") is dict and {node.attr!r} in ")):
            self.write(before)
            self.visit(node.node, frame)
            self.write(after)
        self.visit(node.node, frame)
        self.write(" else ")
        super().visit_Getattr(node, frame)
        self.write(")")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Reads keys of plain data, never attributes of Python values: faster than Jinja's, and less to trust."""

    code_generator_class = _Generator

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`a.b`."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`a['b']` and `a[0]`."""
        if type(obj) is dict or isinstance(obj, Mapping):
            try:
                return obj[argument]
            except KeyError:
                return _Missing(hint=f"`{argument}` is not among the fields of this object", name=str(argument))
        if isinstance(obj, list | tuple) and type(argument) is int:
            return obj[argument] if -len(obj) <= argument < len(obj) else None
        if isinstance(obj, LoopContext) and argument in _LOOP_FIELDS:
            return getattr(obj, argument)
        if isinstance(obj, TemplateModule):
            return obj.__dict__.get(argument) or _Missing(hint=f"there is no macro `{argument}`", name=str(argument))
        if isinstance(obj, Undefined):
            str(obj)
        return _Missing(hint=f"`{argument}` cannot be read from a value that is no object", name=str(argument))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a macro."""
        if isinstance(obj, Undefined):
            str(obj)
        if type(obj) is not Macro:
            raise _Refused("only `element`, `ref` and macros can be called")
        _BUDGET.spend(1)
        text = _Xml(context.call(obj, *args, **kwargs))
        _BUDGET.write(len(text))
        return text


class _Values(dict[str, object]):
    """The values of a template that has neither macros nor variables of its own, in place of a Jinja context."""

    def __missing__(self, name: str) -> object:
        return missing

    @property
    def resolve_or_missing(self) -> Callable[[str], object]:
        """The one thing that such a template's code asks of its context."""
        return self.__getitem__


class _Loader(BaseLoader):
    """Finds, checks and compiles templates of the search path."""

    def __init__(self, search: Sequence[Traversable]) -> None:
        self.search = search
        self.variables: dict[str, frozenset[str]] = {}
        self.plain: dict[str, bool] = {}

    def source(self, name: str) -> str:
        """The text of a template."""
        if not _NAME.fullmatch(name):
            raise TemplateNotFound(name)
        for folder in self.search:
            path = folder / name
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                if len(text) > MAX_SOURCE:
                    raise _Refused(f"the template is larger than {MAX_SOURCE:,} characters")
                return text
        raise TemplateNotFound(name)

    def load(
        self,
        environment: Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002, ARG002  # Jinja's signature
    ) -> JinjaTemplate:
        """Compile a template and all it imports."""
        return self._load(environment, name, ())

    def _load(self, environment: Environment, name: str, above: tuple[str, ...]) -> JinjaTemplate:
        tree = environment.parse(self.source(name), name)
        check = _Checked()
        check.visit(tree)
        for imported, line in check.imports:
            if imported in (*above, name):
                raise _Refused(f"`{imported}` imports itself", line)
            inner = imported not in self.variables and self._load(environment, imported, (*above, name))
            if inner is not False and self.variables[imported]:
                free = ", ".join(sorted(self.variables[imported]))
                raise _Refused(f"`{imported}` uses what is not among its macros' parameters: {free}", line)
        self.variables[name] = frozenset(meta.find_undeclared_variables(tree))
        self.plain[name] = tree.find(_NEEDS_CONTEXT) is None
        code = environment.compile(tree, name, name)
        return environment.template_class.from_code(environment, code, environment.make_globals(None))

    def list_templates(self) -> list[str]:
        """The names of all templates of the search path."""
        return sorted(
            {p.name for folder in self.search if folder.is_dir() for p in folder.iterdir() if _NAME.fullmatch(p.name)}
        )


# --- what the engine uses --------------------------------------------------------------------------------------------


class Template:
    """One compiled template."""

    __slots__ = ("_context", "_root", "name", "variables")

    def __init__(self, name: str, template: JinjaTemplate, variables: frozenset[str], *, plain: bool) -> None:
        self.name = name
        self.variables = variables
        self._context: Callable[[Mapping[str, object]], Any] = (
            _Values if plain else lambda values: template.new_context(dict(values))
        )
        self._root = template.root_render_func

    def render(self, values: Mapping[str, object]) -> str:
        """The document for these values.

        Raises:
            RenderError: with the template line, for a missing value, a float, or a document that grows too large.
        """
        _BUDGET.steps = _BUDGET.size = 0
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
            raise _Refused(f"the document is larger than {MAX_OUTPUT:,} characters")
        parts.append(piece)
    return "".join(parts)


class Templates:
    """The templates of a search path: usually a flow's own `templates/` folder, then the shipped ones."""

    def __init__(self, search: Sequence[Traversable | Path] = ()) -> None:
        self._loader = _Loader([*search, resources.files("qbxml_templates")])
        self._environment = _Sandbox(
            loader=self._loader,
            # `_printed` escapes every value. Jinja's own escaping is off because it wraps each piece in a class of its
            # own, at three times the cost, and because it can be talked out of it (`|safe`, `{% autoescape false %}`).
            autoescape=False,
            undefined=_Missing,
            finalize=_printed,
            auto_reload=False,
        )
        self._environment.globals.clear()
        self._environment.filters.clear()
        self._environment.filters.update({**FILTERS, **_HIDDEN_FILTERS})
        self._environment.tests = {k: v for k, v in self._environment.tests.items() if k in _TESTS} | {
            "present": _is_present
        }
        self._known: dict[str, Template] = {}

    def names(self) -> tuple[str, ...]:
        """Every template that `get` would find."""
        return tuple(self._loader.list_templates())

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
            self._known[name] = Template(
                name, compiled, self._loader.variables[name], plain=self._loader.plain[name]
            )
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
