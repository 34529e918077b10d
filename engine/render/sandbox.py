"""The sandbox: which constructs a template may use, and the code that Jinja makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import BaseLoader, TemplateNotFound, Undefined, meta, nodes
from jinja2 import Template as JinjaTemplate
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import Environment, TemplateModule
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from engine.diagnostics import suggestion
from engine.render import values
from engine.render.values import BUDGET, FILTERS, ILLEGAL, TAG, Missing, Refused, Xml

MAX_SOURCE = 256_000
MAX_LOOP_DEPTH = 4
GLOBALS = frozenset({"element", "ref"})

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*\.xml\.j2")
_LAYOUT = re.compile(r"(^|>)[ \t]*\r?\n\s*(?=<|$)")
_LOOP_FIELDS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
TESTS = frozenset({"present", "defined", "undefined", "none", "true", "false", "eq", "ne", "in"})
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


class _Checked(NodeTransformer):
    """Refuses every construct that is not on the list, and rewrites the three that need help at run time."""

    def __init__(self) -> None:
        self.depth = 0
        self.imports: list[tuple[str, int]] = []
        self.modules: set[str] = set()

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """Let only listed constructs through."""
        if not isinstance(node, _ALLOWED_NODES):
            raise Refused(f"`{type(node).__name__.lower()}` may not be used in a template", node.lineno)
        return super().generic_visit(node, *args, **kwargs)

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802  # named by Jinja's visitor
        """Take layout between tags out of the document."""
        if ILLEGAL.search(node.data):
            raise Refused("the template holds a character that XML does not allow", node.lineno)
        node.data = _LAYOUT.sub(r"\1", node.data)
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        """Keep the product's own names from being used as variables, or private names at all."""
        if node.name.startswith("_") or (node.name in GLOBALS):
            raise Refused(f"the name `{node.name}` cannot be used here", node.lineno)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        """Only `element`, `ref` and macros can be called."""
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise Refused("`*` and `**` arguments may not be used in a template", node.lineno)
        target = node.node
        if isinstance(target, nodes.Name) and target.name in GLOBALS:
            if len(node.args) != 2 or node.kwargs:
                raise Refused(f"`{target.name}` takes a tag and a value", node.lineno)
            first, second = (self.visit(a) for a in node.args)
            if isinstance(first, nodes.Const):
                self._check_tag(first)
            return nodes.Filter(first, f"_{target.name}", [second], [], None, None, lineno=node.lineno)
        module = target.node if isinstance(target, nodes.Getattr) else target
        if not isinstance(module, nodes.Name):
            raise Refused("only `element`, `ref` and macros can be called", node.lineno)
        return self.generic_visit(node)

    def _check_tag(self, node: nodes.Const) -> None:
        if not isinstance(node.value, str) or not TAG.fullmatch(node.value):
            raise Refused("an element name may hold only letters, digits, `_`, `-` and `.`", node.lineno)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        """Private names are no field names."""
        if node.attr.startswith("_"):
            raise Refused(f"the name `{node.attr}` cannot be used here", node.lineno)
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """Only a fixed key or position: what a template reads can be listed."""
        arg = node.arg
        if not isinstance(arg, nodes.Const) or type(arg.value) not in (str, int) or str(arg.value).startswith("_"):
            raise Refused("only a fixed key or position may stand in brackets", node.lineno)
        return self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """Bound the work of loops."""
        if node.recursive:
            raise Refused("`recursive` may not be used in a template", node.lineno)
        self.depth += 1
        if self.depth > MAX_LOOP_DEPTH:
            raise Refused(f"loops may be nested {MAX_LOOP_DEPTH} deep", node.lineno)
        self.generic_visit(node)
        self.depth -= 1
        weight = 1 + sum(1 for inner in node.body for _ in inner.find_all(nodes.Node))
        node.iter = nodes.Filter(node.iter, "_rounds", [nodes.Const(weight)], [], None, None, lineno=node.lineno)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        """Only our filters; `safe` is none of them."""
        if node.name not in FILTERS:
            raise Refused(f"there is no filter `{node.name}`", node.lineno, suggestion(node.name, FILTERS))
        if node.node is None or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise Refused(f"the filter `{node.name}` takes no arguments", node.lineno)
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        """Only tests that look at the value."""
        if node.name not in TESTS:
            raise Refused(f"there is no test `{node.name}`", node.lineno, suggestion(node.name, TESTS))
        return self.generic_visit(node)

    def visit_Import(self, node: nodes.Import) -> nodes.Node:  # noqa: N802
        """`{% import 'x.xml.j2' as x %}`."""
        return self._import(node)

    def visit_FromImport(self, node: nodes.FromImport) -> nodes.Node:  # noqa: N802
        """`{% from 'x.xml.j2' import y %}`."""
        names = [n if isinstance(n, tuple) else (n, n) for n in node.names]
        if any(name in GLOBALS or name.startswith("_") for pair in names for name in pair):
            raise Refused("a macro cannot take the name of a built-in", node.lineno)
        return self._import(node)

    def _import(self, node: nodes.Import | nodes.FromImport) -> nodes.Node:
        if not isinstance(node.template, nodes.Const) or not isinstance(node.template.value, str):
            raise Refused("the name of an imported template must be a plain text", node.lineno)
        if node.with_context:
            raise Refused("`with context` may not be used in a template", node.lineno, "pass what the macro needs")
        self.imports.append((node.template.value, node.lineno))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        """A macro may not replace a built-in."""
        if node.name in GLOBALS or node.name.startswith("_"):
            raise Refused("a macro cannot take the name of a built-in", node.lineno)
        return self.generic_visit(node)


_HELPERS = ("join", "printed", "reference", "wrapped")


class _Generator(CodeGenerator):
    """Jinja's own code generator, with shorter ways for what a document is made of.

    Jinja gives each piece of output by itself, passes each through two calls, and asks the sandbox for each field.
    """

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802
        """Make our own functions known to the module; no template can name them, since Jinja renames its variables."""
        self.writeline(f"from {values.__name__} import {', '.join(_HELPERS)}")
        super().visit_Template(node, frame)

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802
        """Give all that stands between two statements as one piece."""
        if frame.buffer is not None:
            super().visit_Output(node, frame)
            return
        self.writeline("yield join((", node)
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
            self.write("printed(")
            self.visit(child, frame)
            self.write(")")
        elif child.name == "_element":
            self.write(f"wrapped('<{tag.value}>', ")
            self.visit(child.args[0], frame)
            self.write(f", '</{tag.value}>')")
        else:
            self.write(f"reference({tag.value!r}, ")
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


class Sandbox(ImmutableSandboxedEnvironment):
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
                return Missing(hint=f"`{argument}` is not among the fields of this object", name=str(argument))
        if isinstance(obj, list | tuple) and type(argument) is int:
            return obj[argument] if -len(obj) <= argument < len(obj) else None
        if isinstance(obj, LoopContext) and argument in _LOOP_FIELDS:
            return getattr(obj, argument)
        if isinstance(obj, TemplateModule):
            return obj.__dict__.get(argument) or Missing(hint=f"there is no macro `{argument}`", name=str(argument))
        if isinstance(obj, Undefined):
            str(obj)
        return Missing(hint=f"`{argument}` cannot be read from a value that is no object", name=str(argument))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a macro."""
        if isinstance(obj, Undefined):
            str(obj)
        if type(obj) is not Macro:
            raise Refused("only `element`, `ref` and macros can be called")
        BUDGET.spend(1)
        text = Xml(context.call(obj, *args, **kwargs))
        BUDGET.write(len(text))
        return text


class Values(dict[str, object]):
    """The values of a template that has neither macros nor variables of its own, in place of a Jinja context."""

    def __missing__(self, name: str) -> object:
        return missing

    @property
    def resolve_or_missing(self) -> Callable[[str], object]:
        """The one thing that such a template's code asks of its context."""
        return self.__getitem__


class Loader(BaseLoader):
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
                    raise Refused(f"the template is larger than {MAX_SOURCE:,} characters")
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
                raise Refused(f"`{imported}` imports itself", line)
            inner = imported not in self.variables and self._load(environment, imported, (*above, name))
            if inner is not False and self.variables[imported]:
                free = ", ".join(sorted(self.variables[imported]))
                raise Refused(f"`{imported}` uses what is not among its macros' parameters: {free}", line)
        self.variables[name] = frozenset(meta.find_undeclared_variables(tree))
        self.plain[name] = next(tree.find_all(_NEEDS_CONTEXT), None) is None
        code = environment.compile(tree, name, name)
        return environment.template_class.from_code(environment, code, environment.make_globals(None))

    def list_templates(self) -> list[str]:
        """The names of all templates of the search path."""
        return sorted(
            {p.name for folder in self.search if folder.is_dir() for p in folder.iterdir() if _NAME.fullmatch(p.name)}
        )
