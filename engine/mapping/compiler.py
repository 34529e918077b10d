"""Trees to closures: an expression is compiled once, when the flow is loaded, and then only called."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from engine.errors import Bug, ExpressionError
from engine.mapping.functions import MAX_LIST, MAX_TEXT, OWN, FunctionSpec, TooLargeError, WrongValueError
from engine.mapping.scope import EvalContext, Scope
from engine.mapping.standard import STANDARD
from engine.mapping.syntax import BadSyntax, Node, parse
from engine.model import Expr

FUNCTIONS: Mapping[str, FunctionSpec] = {spec.name: spec for spec in sorted((*OWN, *STANDARD), key=lambda s: s.name)}
SHORT = 80
_NUMERIC = frozenset({int, Decimal})

# Closures take the current value and the frame. `Any` is the JSON edge: what a record holds is known only when it is read.
Run = Callable[[Any, "Frame"], Any]


class Program(Protocol):
    """A compiled expression."""

    def __call__(self, data: object, context: EvalContext) -> object:
        """The expression's value for this data."""
        ...


class MapProgram(Protocol):
    """A compiled `map`: one object of several expressions."""

    def __call__(self, data: object, context: EvalContext) -> dict[str, object]:
        """The mapped record."""
        ...


class Frame:
    """One evaluation: the world, and the values of defines that were already computed in it."""

    __slots__ = ("find", "lookup", "lookup_if", "memo", "posted", "root", "setting")

    def __init__(self, context: EvalContext, slots: int) -> None:
        self.root = context.root
        self.lookup = context.lookup
        self.lookup_if = context.lookup_if
        self.find = context.find
        self.setting = context.setting
        self.posted = context.posted
        self.memo: list[tuple[object, object] | None] = [None] * slots


class CallError(ExpressionError):
    """A function could not work with its arguments."""

    def __init__(self, name: str, cause: ExpressionError) -> None:
        super().__init__(f"{name}(): {cause}", hint=cause.hint)


class FloatFoundError(ExpressionError):
    """A float reached an expression; money and numbers are read as text, int or Decimal."""


class EvaluationError(ExpressionError):
    """An expression failed on a record."""

    def __init__(self, text: str, reason: str, hint: str | None) -> None:
        super().__init__(f"`{shortened(text)}`: {reason}", hint=hint)


def shortened(text: str) -> str:
    """An expression on one line, cut to a readable length."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SHORT else flat[: SHORT - 3] + "..."


# --- programs --------------------------------------------------------------------------------------------------------


@dataclass
class _Build:
    """What is shared while one program is compiled."""

    scope: Scope
    defines: dict[str, tuple[int, list[Run]]] = field(default_factory=dict)
    slots: int = 0
    inner: int = 0

    def slot(self) -> int:
        """A new place in the frame's memo."""
        self.slots += 1
        return self.slots - 1


def compile_expression(expr: Expr, scope: Scope) -> Program:
    """Compile one expression.

    Raises:
        ExpressionError: when `check_expression` would report an error.
    """
    build = _Build(scope)
    run = _compile_text(expr, build)
    text = expr.text

    def program(data: object, context: EvalContext) -> object:
        return _evaluate(run, text, data, Frame(context, build.slots))

    return program


def compile_map(entries: Sequence[tuple[str, Expr]], scope: Scope) -> MapProgram:
    """Compile a whole `map`, so that its entries share what their defines have computed.

    Raises:
        ExpressionError: as `compile_expression`.
    """
    build = _Build(scope)
    runs = tuple((name, expr.text, _compile_text(expr, build)) for name, expr in entries)

    def program(data: object, context: EvalContext) -> dict[str, object]:
        frame = Frame(context, build.slots)
        return {name: _evaluate(run, text, data, frame) for name, text, run in runs}

    return program


def _compile_text(expr: Expr, build: _Build) -> Run:
    try:
        return _compile(parse(expr.text), build)
    except BadSyntax as error:
        raise EvaluationError(expr.text, error.message, error.hint) from error


def _evaluate(run: Run, text: str, data: object, frame: Frame) -> object:
    try:
        result = run(data, frame)
    except ExpressionError as error:
        raise EvaluationError(text, str(error), error.hint) from error
    except (ArithmeticError, RecursionError, TypeError) as error:
        raise EvaluationError(text, f"a value of the wrong kind ({type(error).__name__})", None) from error
    kind = type(result)
    if kind is str or kind is list:
        if len(result) > (MAX_TEXT if kind is str else MAX_LIST):
            raise EvaluationError(text, str(TooLargeError()), None)
    elif kind is float:
        raise EvaluationError(text, str(FloatFoundError()), None)
    return result


# --- nodes -----------------------------------------------------------------------------------------------------------


def _compile(node: Node, build: _Build) -> Run:
    run = _NODES[node.kind](node, build)
    if build.inner and node.children and not _depends(node, build.scope) and _has_root(node):
        return _once(run, build.slot())
    return run


def _once(run: Run, slot: int) -> Run:
    """Compute what depends only on the whole record once for each record."""

    def once(v: Any, c: Frame) -> Any:
        entry = c.memo[slot]
        if entry is None:
            entry = c.memo[slot] = (None, run(v, c))
        return entry[1]

    return once


def _depends(node: Node, scope: Scope) -> bool:
    """Whether the value depends on the current value, not only on the record, its settings and lookups."""
    kind = node.kind
    if kind in ("literal", "expref") or (kind == "function_expression" and not node.children):
        return False
    if kind in _ANY_OF or kind == "function_expression":
        return any(_depends(child, scope) for child in node.children)
    if kind in _FIRST_OF:
        return _depends(node.children[0], scope)
    return True


_ANY_OF = frozenset({"or_expression", "and_expression", "not_expression", "comparator"})
_FIRST_OF = frozenset(
    {"subexpression", "pipe", "index_expression", "projection", "value_projection", "filter_projection", "flatten"}
)


def _has_root(node: Node) -> bool:
    if node.kind == "function_expression" and node.value == "root":
        return True
    return any(_has_root(child) for child in node.children)


def _inner(node: Node, build: _Build) -> Run:
    build.inner += 1
    run = _compile(node, build)
    build.inner -= 1
    return run


def _current(_node: Node, _build: _Build) -> Run:
    return lambda v, _c: v


def _literal(node: Node, _build: _Build) -> Run:
    value = node.value
    return lambda _v, _c: value


def _read(value: Any, name: str) -> Any:
    """A key of anything that has keys, else null."""
    return value.get(name) if value is not None and isinstance(value, Mapping) else None


def _field(node: Node, _build: _Build) -> Run:
    name = node.value
    return lambda v, _c: v.get(name) if type(v) is dict else _read(v, name)


def _subexpression(node: Node, build: _Build) -> Run:
    first, *rest = node.children
    if first.kind == "field" and len(rest) == 1 and rest[0].kind == "field":
        outer, inner = first.value, rest[0].value

        def path(v: Any, _c: Frame) -> Any:
            v = v.get(outer) if type(v) is dict else _read(v, outer)
            return v.get(inner) if type(v) is dict else _read(v, inner)

        return path
    run = _compile(first, build)
    for child in rest:
        run = _field_of(run, child.value) if child.kind == "field" else _chain(run, _compile(child, build))
    return run


def _field_of(run: Run, name: str) -> Run:
    def field_of(v: Any, c: Frame) -> Any:
        v = run(v, c)
        return v.get(name) if type(v) is dict else _read(v, name)

    return field_of


def _chain(first: Run, second: Run) -> Run:
    return lambda v, c: second(first(v, c), c)


def _sequence(node: Node, build: _Build) -> Run:
    first, *rest = node.children
    if node.kind == "pipe" and (match := _first_match(first, rest, build)) is not None:
        return match
    run = _compile(first, build)
    for child in rest:
        run = _chain(run, _compile(child, build))
    return run


_PURE = frozenset(
    {"comparator", "field", "subexpression", "literal", "current", "or_expression", "and_expression", "not_expression"}
)


def _pure(node: Node) -> bool:
    return node.kind in _PURE and all(_pure(child) for child in node.children)


def _first_match(first: Node, rest: list[Node], build: _Build) -> Run | None:
    """`list[?condition] | [0]`, stopping at the first match; only where the condition cannot fail."""
    if first.kind != "filter_projection" or first.children[1].kind != "identity" or len(rest) != 1:
        return None
    index = rest[0]
    if index.kind != "index_expression" or [c.kind for c in index.children] != ["identity", "index"]:
        return None
    if index.children[1].value != 0 or not _pure(first.children[2]):
        return None
    base, holds = _compile(first.children[0], build), _inner(first.children[2], build)

    def first_match(v: Any, c: Frame) -> Any:
        items = base(v, c)
        if type(items) is list:
            for item in items:
                if item is not None:
                    held = holds(item, c)
                    if held or type(held) in _NUMERIC:
                        return item
        return None

    return first_match


def _index(node: Node, _build: _Build) -> Run:
    position = node.value

    def index(v: Any, _c: Frame) -> Any:
        if type(v) is not list:
            return None
        return v[position] if -len(v) <= position < len(v) else None

    return index


def _slice(node: Node, _build: _Build) -> Run:
    part = slice(*node.value)
    return lambda v, _c: v[part] if type(v) is list else None


def _projection(node: Node, build: _Build) -> Run:
    base, each = _compile(node.children[0], build), _inner(node.children[1], build)
    if node.children[1].kind == "identity":

        def kept(v: Any, c: Frame) -> Any:
            items = base(v, c)
            return [i for i in items if i is not None] if type(items) is list else None

        return kept

    def projection(v: Any, c: Frame) -> Any:
        items = base(v, c)
        if type(items) is not list:
            return None
        return [found for i in items if (found := each(i, c)) is not None]

    return projection


def _value_projection(node: Node, build: _Build) -> Run:
    base, each = _compile(node.children[0], build), _inner(node.children[1], build)

    def projection(v: Any, c: Frame) -> Any:
        items = base(v, c)
        if not isinstance(items, Mapping):
            return None
        return [found for i in items.values() if (found := each(i, c)) is not None]

    return projection


def _filter(node: Node, build: _Build) -> Run:
    base = _compile(node.children[0], build)
    each, holds = _inner(node.children[1], build), _inner(node.children[2], build)

    def projection(v: Any, c: Frame) -> Any:
        items = base(v, c)
        if type(items) is not list:
            return None
        result = []
        for item in items:
            held = holds(item, c)
            if (held or type(held) in _NUMERIC) and (found := each(item, c)) is not None:
                result.append(found)
        return result

    return projection


def _flatten(node: Node, build: _Build) -> Run:
    base = _compile(node.children[0], build)

    def flatten(v: Any, c: Frame) -> Any:
        items = base(v, c)
        if type(items) is not list:
            return None
        merged: list[Any] = []
        for item in items:
            if type(item) is list:
                merged += item
                if len(merged) > MAX_LIST:
                    raise TooLargeError
            else:
                merged.append(item)
        return merged

    return flatten


def _hash(node: Node, build: _Build) -> Run:
    pairs = tuple((child.value, _compile(child.children[0], build)) for child in node.children)
    return lambda v, c: None if v is None else {name: run(v, c) for name, run in pairs}


def _list(node: Node, build: _Build) -> Run:
    runs = tuple(_compile(child, build) for child in node.children)
    return lambda v, c: None if v is None else [run(v, c) for run in runs]


def _or(node: Node, build: _Build) -> Run:
    left, right = (_compile(child, build) for child in node.children)

    def either(v: Any, c: Frame) -> Any:
        found = left(v, c)
        return found if found or type(found) in _NUMERIC else right(v, c)

    return either


def _and(node: Node, build: _Build) -> Run:
    left, right = (_compile(child, build) for child in node.children)

    def both(v: Any, c: Frame) -> Any:
        found = left(v, c)
        return right(v, c) if found or type(found) in _NUMERIC else found

    return both


def _not(node: Node, build: _Build) -> Run:
    run = _compile(node.children[0], build)

    def negated(v: Any, c: Frame) -> bool:
        found = run(v, c)
        return not found and type(found) not in _NUMERIC

    return negated


def equal(left: object, right: object) -> bool:
    """JMESPath equality: true is not 1; Decimal equals int; a number never equals a text."""
    if type(left) is bool or type(right) is bool:
        return left is right
    return left == right


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def _comparator(node: Node, build: _Build) -> Run:
    left, right = (_compile(child, build) for child in node.children)
    constant = node.children[1]
    if node.value in _ORDER:
        return _ordering(left, right, _ORDER[node.value])
    if constant.kind == "literal" and isinstance(constant.value, str):
        text = constant.value
        if node.value == "eq":
            return lambda v, c: left(v, c) == text
        return lambda v, c: left(v, c) != text
    if node.value == "eq":
        return lambda v, c: equal(left(v, c), right(v, c))
    return lambda v, c: not equal(left(v, c), right(v, c))


def _ordering(left: Run, right: Run, compare: Callable[[Any, Any], bool]) -> Run:
    def ordering(v: Any, c: Frame) -> bool | None:
        a, b = left(v, c), right(v, c)
        if (type(a) in _NUMERIC and type(b) in _NUMERIC) or (isinstance(a, str) and isinstance(b, str)):
            return compare(a, b)
        return None

    return ordering


# --- calls -----------------------------------------------------------------------------------------------------------


def _expref(node: Node, build: _Build) -> Run:
    body = _inner(node.children[0], build)
    return lambda _v, c: lambda item: body(item, c)


def _call(node: Node, build: _Build) -> Run:
    name = node.value
    if name in _SPECIAL:
        return _SPECIAL[name](node, build)
    if name in build.scope.define:
        return _define_call(node, build)
    spec = FUNCTIONS.get(name)
    if spec is None or spec.run is None or not spec.takes(len(node.children)):
        raise BadSyntax(
            "E103", node.start, f"`{name}` cannot be called so", f"call it as {spec.signature}" if spec else None
        )
    return _plain_call(name, spec.run, [_compile(child, build) for child in node.children])


def _plain_call(name: str, function: Callable[..., object], arguments: list[Run]) -> Run:
    if len(arguments) == 1:
        only = arguments[0]

        def call_one(v: Any, c: Frame) -> object:
            a = only(v, c)
            try:
                return function(a)
            except ExpressionError as error:
                raise _named(name, error) from error

        return call_one
    if len(arguments) == 2:
        first, second = arguments

        def call_two(v: Any, c: Frame) -> object:
            a, b = first(v, c), second(v, c)
            try:
                return function(a, b)
            except ExpressionError as error:
                raise _named(name, error) from error

        return call_two

    def call(v: Any, c: Frame) -> object:
        values = [run(v, c) for run in arguments]
        try:
            return function(*values)
        except ExpressionError as error:
            raise _named(name, error) from error

    return call


def _named(name: str, error: ExpressionError) -> ExpressionError:
    return error if isinstance(error, CallError) else CallError(name, error)


def _define_call(node: Node, build: _Build) -> Run:
    name = node.value
    if len(node.children) != 1:
        raise BadSyntax("E104", node.start, f"`{name}` takes one argument", f"call it as {name}(@)")
    if name not in build.defines:
        slot, holder = build.slot(), list[Run]()
        build.defines[name] = (slot, holder)
        build.inner += 1
        holder.append(_compile(parse(build.scope.define[name].text), build))
        build.inner -= 1
    slot, holder = build.defines[name]
    if not holder:
        raise BadSyntax("E109", node.start, f"`{name}` calls itself")
    body, argument = holder[0], _compile(node.children[0], build)

    def call(v: Any, c: Frame) -> Any:
        value = argument(v, c)
        entry = c.memo[slot]
        if entry is not None and entry[0] is value:
            return entry[1]
        result = body(value, c)
        c.memo[slot] = (value, result)
        return result

    return call


def _root(_node: Node, _build: _Build) -> Run:
    return lambda _v, c: c.root


def _literal_name(node: Node, known: Mapping[str, object] | frozenset[str], kind: str) -> str:
    name = node.children[0].value if node.children and node.children[0].kind == "literal" else None
    if not isinstance(name, str) or name not in known:
        raise BadSyntax("E108", node.start, f"{node.value}() takes the name of a {kind} as its first argument")
    return name


def _setting(node: Node, build: _Build) -> Run:
    name = _literal_name(node, build.scope.settings, "setting")
    return lambda _v, c: c.setting(name)


def key_text(value: object) -> str | None:
    """A key or label of a lookup: text, or a whole number as text."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise WrongValueError("a text or a whole number", value)


def _nothing(_v: Any, _c: Frame) -> None:
    return None


def _finding(node: Node, build: _Build) -> Run:
    name, kind = _literal_name(node, build.scope.lookups, "lookup"), node.value
    if not 2 <= len(node.children) <= 4:
        raise BadSyntax("E104", node.start, f"`{kind}` cannot be called so", f"call it as {FUNCTIONS[kind].signature}")
    runs = [_compile(child, build) for child in node.children[1:]]
    key, label, number = (*runs, _nothing, _nothing)[:3]
    method = operator.attrgetter(kind)

    def finding(v: Any, c: Frame) -> object:
        k, t, n = key(v, c), label(v, c), number(v, c)
        if not ((k is None or type(k) is str) and (t is None or type(t) is str) and (n is None or type(n) is str)):
            try:
                k, t, n = key_text(k), key_text(t), key_text(n)
            except ExpressionError as error:
                raise _named(kind, error) from error
        found: object = method(c)(name, k, t, n)
        return found

    return finding


def _posted(node: Node, build: _Build) -> Run:
    stream = _literal_name(node, build.scope.streams, "stream")
    if len(node.children) != 2:
        raise BadSyntax(
            "E104", node.start, "`posted` cannot be called so", f"call it as {FUNCTIONS['posted'].signature}"
        )
    key = _compile(node.children[1], build)

    def posted(v: Any, c: Frame) -> object:
        try:
            name = key_text(key(v, c))
        except ExpressionError as error:
            raise _named("posted", error) from error
        return None if name is None else c.posted(stream, name)

    return posted


def _pair(_node: Node, _build: _Build) -> Run:
    raise Bug("a pair is compiled with its object")


_SPECIAL: Mapping[str, Callable[[Node, _Build], Run]] = {
    "root": _root,
    "setting": _setting,
    "lookup": _finding,
    "lookup_if": _finding,
    "find": _finding,
    "posted": _posted,
}
_NODES: Mapping[str, Callable[[Node, _Build], Run]] = {
    "current": _current,
    "identity": _current,
    "literal": _literal,
    "field": _field,
    "subexpression": _subexpression,
    "index_expression": _sequence,
    "pipe": _sequence,
    "index": _index,
    "slice": _slice,
    "projection": _projection,
    "value_projection": _value_projection,
    "filter_projection": _filter,
    "flatten": _flatten,
    "multi_select_dict": _hash,
    "multi_select_list": _list,
    "key_val_pair": _pair,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "comparator": _comparator,
    "expref": _expref,
    "function_expression": _call,
}
