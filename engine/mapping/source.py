"""Python source text for expressions: our own fragments and literals, compiled once when a flow is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from engine.mapping import support
from engine.mapping.scope import Scope
from engine.mapping.syntax import Node
from engine.model import Expr

# Python takes 20 loops within each other and 100 steps of indentation; an expression that nests more is split up.
MAX_LOOPS = 6
MAX_INDENT = 20

_NAMES: Mapping[str, object] = {
    name: getattr(support, name)
    for name in (
        *("CAUGHT", "NUMERIC", "PLAIN", "UNSET", "call_failed", "equal", "failed", "flat", "key_text", "keyed"),
        *("measure", "ordered", "read"),
    )
}


class Val(NamedTuple):
    """A piece of source text for a value, and what is known of the value.

    `kind` is `boolean` (true, false or null), `text` (a text of limited length, or null), `amount` (a Decimal or null),
    `found` (an object or null), `list` (or null), `literal` (the text is a literal that can stand anywhere but before a
    dot or `is`), or empty.
    """

    code: str
    kind: str = ""


@dataclass(slots=True)
class Read:
    """A line that reads one key; how is decided when it is known how many keys are read of the same value."""

    indent: int
    target: str
    base: str
    name: str


@dataclass(slots=True)
class Opening:
    """Where a value becomes known whose keys may be read."""

    indent: int
    base: str


Line = str | Read | Opening
Emit = Callable[[Node, "Place"], Val]


class Written(Protocol):
    """A function made of source text."""

    def __call__(self, data: object, context: Any) -> Any:
        """Call it."""
        ...


@dataclass
class Unit:
    """One function being written: its constants, the helpers within it, and the lines of its body."""

    scope: Scope
    kinds: Mapping[str, Emit]
    names: dict[str, object] = field(default_factory=lambda: dict(_NAMES))
    head: list[Line] = field(default_factory=list)
    helpers: list[Line] = field(default_factory=list)
    defines: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    slots: int = 0
    # The expression or define that is being written, which a watch has to know.
    expr: Expr | None = None
    _count: int = 0

    def __post_init__(self) -> None:
        if (watch := self.scope.watch) is not None:
            self.names |= {"hit": watch.hit, "told": watch.told, "heard": watch.heard}

    def new(self, prefix: str = "t") -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, value: object) -> str:
        """The name of a value that the code refers to."""
        name = self.new("k")
        self.names[name] = value
        return name

    def slot(self) -> int:
        """A place for a value that is computed once for each call."""
        self.slots += 1
        return self.slots - 1

    def build(self, body: list[Line]) -> Written:
        """Compile the function."""
        memo = [f"    m = [None] * {self.slots}"] if self.slots else []
        lines = _spelt(["def program(v, c):", *memo, *self.head, *self.helpers, *body])
        # Nothing of a flow gets into the text but names and literals, each through `ascii`.
        exec(compile("\n".join(lines), "<expression>", "exec"), self.names)  # noqa: S102
        program: Written = self.names.pop("program")  # type: ignore[assignment]  # it was just defined
        return program


def _spelt(lines: list[Line]) -> list[str]:
    """The text of all lines. Two reads or more of one value share its `get`."""
    reads: dict[str, int] = {}
    for line in lines:
        if isinstance(line, Read):
            reads[line.base] = reads.get(line.base, 0) + 1
    opened = {line.base for line in lines if isinstance(line, Opening) and reads.get(line.base, 0) > 1}
    spelt = []
    for line in lines:
        if isinstance(line, str):
            spelt.append(line)
        elif isinstance(line, Opening):
            if line.base in opened:
                base = line.base
                spelt.append(f"{' ' * line.indent}g{base} = ({base} if type({base}) is dict else keyed({base})).get")
        elif line.base in opened:
            spelt.append(f"{' ' * line.indent}{line.target} = g{line.base}({line.name})")
        else:
            how = f"{line.base}.get({line.name}) if type({line.base}) is dict else read({line.base}, {line.name})"
            spelt.append(f"{' ' * line.indent}{line.target} = {how}")
    return spelt


@dataclass(frozen=True, slots=True)
class Place:
    """Where code is being written: in which function and block, and what is known there.

    `known` holds values that were already computed on every way to this place. `inner` says that the code may run more
    than once in a call, and `helper` that it stands in a function of its own.
    """

    unit: Unit
    lines: list[Line]
    known: dict[tuple[str, str, str], Val]
    current: str = "v"
    present: bool = False
    indent: int = 4
    loops: int = 0
    inner: bool = False
    helper: bool = False

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append(" " * self.indent + text)

    def block(self) -> Place:
        """A block within this one: what becomes known there is not known after it."""
        return replace(self, known=dict(self.known), indent=self.indent + 1)

    def over(self, current: str, *, present: bool = False) -> Place:
        """The same place, reading another value."""
        return replace(self, current=current, present=present)

    def assign(self, code: str, prefix: str = "t") -> str:
        """Give a value a name."""
        name = self.unit.new(prefix)
        self.line(f"{name} = {code}")
        return name

    def emit(self, node: Node) -> Val:
        """Write the code of a node."""
        if self.indent > MAX_INDENT or self.loops > MAX_LOOPS:
            return Val(f"{self.outline(node)}({self.current})")
        once = self.inner and bool(node.children) and has_root(node) and not depends(node, self.unit.scope)
        return self._once(node) if once else self.unit.kinds[node.kind](node, self)

    def bound(self, node: Node) -> str:
        """Write the code of a node; the name of its value, which may be used any number of times."""
        return self.name(self.emit(node))

    def name(self, value: Val) -> str:
        """A name for a value."""
        plain = value.code.isidentifier() and value.code not in ("None", "True", "False")
        return value.code if plain else self.assign(value.code)

    def truth(self, value: Val) -> str:
        """A condition that holds when JMESPath takes the value for true; zero is true."""
        if value.kind in ("boolean", "text", "found", "list"):
            return value.code
        name = self.name(value)
        return f"{name} is not None" if value.kind == "amount" else f"({name} or type({name}) in NUMERIC)"

    def outline(self, node: Node) -> str:
        """Write the code of a node as a function of its own, which takes the current value."""
        name = self.unit.new("f")
        lines: list[Line] = [f"    def {name}(v):", Opening(5, "v")]
        place = Place(self.unit, lines, {}, indent=5, inner=True, helper=True)
        result = self.unit.kinds[node.kind](node, place)
        place.line(f"return {result.code}")
        self.unit.helpers += _spelt(lines)
        return name

    def _once(self, node: Node) -> Val:
        """Compute what depends only on the whole record once for each record."""
        if self.helper:
            slot = self.unit.slot()
            entry = self.assign(f"m[{slot}]")
            self.line(f"if {entry} is None:")
            block = replace(self.block(), inner=False)
            value = self.unit.kinds[node.kind](node, block)
            block.line(f"{entry} = m[{slot}] = ({value.code},)")
            return Val(f"{entry}[0]")
        name = self.unit.new("o")
        self.unit.head.append(f"    {name} = UNSET")
        self.line(f"if {name} is UNSET:")
        block = replace(self.block(), inner=False)
        value = self.unit.kinds[node.kind](node, block)
        block.line(f"{name} = {value.code}")
        return Val(name, "" if value.kind == "literal" else value.kind)


def depends(node: Node, scope: Scope) -> bool:
    """Whether the value depends on the current value, not only on the record, its settings and lookups."""
    kind = node.kind
    if kind in ("literal", "expref") or (kind == "function_expression" and not node.children):
        return False
    if kind in _ANY_OF or kind == "function_expression":
        return any(depends(child, scope) for child in node.children)
    if kind in _FIRST_OF:
        return depends(node.children[0], scope)
    return True


_ANY_OF = frozenset({"or_expression", "and_expression", "not_expression", "comparator"})
_FIRST_OF = frozenset(
    {"subexpression", "pipe", "index_expression", "projection", "value_projection", "filter_projection", "flatten"}
)


def has_root(node: Node) -> bool:
    """Whether the whole record is read somewhere within."""
    if node.kind == "function_expression" and node.value == "root":
        return True
    return any(has_root(child) for child in node.children)
