"""Abstract interpretation: reads an expression against the declared fields, and finds what could only go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import count

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location, clearly_meant
from engine.mapping import shared
from engine.mapping.arguments import KIND_WORDS, STANDARD_NAMES, argument_faults, read_part
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.checks import MAX_EXPANDED, Reporter, check_expression
from engine.mapping.comparing import choice_fault, comparison_faults
from engine.mapping.functions import FunctionSpec
from engine.mapping.scope import Scope
from engine.mapping.syntax import BadSyntax, Node, parse, parts
from engine.mapping.types import ANY, BOOLEAN, NULL, TEXTS, Kind, ResultType, object_type, record_type, union
from engine.model import Expr
from engine.spec import FieldSpec

Data = tuple[FieldSpec, ...] | ResultType
_AMOUNT_TEXT = re.compile(r"\s*[+-]?[0-9]*\.?[0-9]+\s*")
_NEVER_NULL = frozenset({"lookup", "posted", "setting", "similar"})
_SETTINGS: Mapping[str, ResultType] = {
    "date": ResultType("date", nullable=False, max_length=10),
    "boolean": BOOLEAN,
    "integer": ResultType("integer", nullable=False),
}


def analyse(
    expr: Expr, data: Data, scope: Scope, *, root: Data | None = None, where: str = ""
) -> tuple[ResultType, list[Diagnostic]]:
    """The type of an expression's value for such data, and the problems that its types show.

    `data` is what the expression reads: the fields of a stream, or the type of a mapped record for a check; `root` is
    what `root()` gives, the data itself unless told. Problems that `check_expression` reports are not repeated here.
    """
    root = data if root is None else root
    # Both are kept with what was found, so no other object can come to have their identity.
    number = shared.meaning(expr.text, scope)
    sound = shared.known_type(number, data, root)
    if sound is not None:
        return sound, []
    key = (expr, id(data), id(root))
    known = scope.known.analysed.get(key)
    if known is None:
        result, found = _analysed(expr, data, root, scope)
        known = scope.known.analysed[key] = (result, found, data, root)
        if shared.is_sound(number) and not found:
            shared.found_type(number, data, root, result)
    result, problems, *_ = known
    return result, [problem if problem.where else replace(problem, where=where) for problem in problems]


def _analysed(expr: Expr, data: Data, root: Data, scope: Scope) -> tuple[ResultType, tuple[Diagnostic, ...]]:
    """The same; the path of a problem is told only where it is in a define."""
    if check_expression(expr, scope) or any(
        check_expression(scope.define[name], scope) for name in _called(expr, scope.define)
    ):
        return ANY, ()
    reporter = Reporter(expr, scope, "", [])
    current = _type_of(data)
    state = _State(reporter, current if root is data else _type_of(root))
    return _infer(parse(expr.text), current, state), tuple(reporter.found)


# Called with each part of an expression, the type it reads from, and the type of its value.
Seen = Callable[[Node, ResultType, ResultType], None]


def watch(text: str, data: ResultType, scope: Scope, seen: Seen, root: ResultType | None = None) -> None:
    """Show `seen` each part of an expression and of the defines it calls, once its type is known: parts come first.

    The names in the expression need not exist. Of what is no expression, or grows beyond use, no more is seen.
    """
    shown = count(1)

    def counted(node: Node, current: ResultType, result: ResultType) -> None:
        if next(shown) > MAX_EXPANDED:
            raise BadSyntax("E115", 0, "")
        seen(node, current, result)

    reporter = Reporter(Expr(text, Location("")), scope, "", [])
    with suppress(BadSyntax):
        if (tree := parse(text)).kind != "expref":
            _infer(tree, data, _State(reporter, data if root is None else root, seen=counted))


def settings_of(expr: Expr, define: Mapping[str, Expr]) -> frozenset[str]:
    """The settings that an expression asks for, by itself or through definitions, however many lie between."""
    return named_in(expr, define, "setting")


def named_in(expr: Expr, define: Mapping[str, Expr], function: str) -> frozenset[str]:
    """The names that an expression calls a function with, by itself or through definitions."""
    asked = set()
    for each in (expr, *(define[name] for name in _called(expr, define))):
        for node in parts(each.text):
            is_call = node.kind == "function_expression" and node.value == function
            first = node.children[0] if is_call and node.children else None
            if first is not None and first.kind == "literal":
                asked.add(str(first.value))
    return frozenset(asked)


def _called(expr: Expr, define: Mapping[str, Expr]) -> set[str]:
    """The defines that an expression calls, and those that they call."""
    called: set[str] = set()
    pending = [expr]
    while pending:
        nodes = parts(pending.pop().text)
        names = {str(n.value) for n in nodes if n.kind == "function_expression"} & define.keys() - called
        called |= names
        pending += [define[name] for name in names]
    return called


def analyse_map(
    entries: tuple[tuple[str, Expr], ...], data: Data, scope: Scope, where: str = "map"
) -> tuple[ResultType, list[Diagnostic]]:
    """The type of the mapped record, to analyse checks and templates with, and the problems of all its expressions."""
    members: list[tuple[str, ResultType]] = []
    found: list[Diagnostic] = []
    for name, expr in entries:
        result, problems = analyse(expr, data, scope, where=f"{where}.{name}")
        members.append((name, result))
        found += problems
    return shared.map_type(members), found


def _type_of(data: Data) -> ResultType:
    return data if isinstance(data, ResultType) else record_type(data)


@dataclass(frozen=True, slots=True)
class _State:
    """What is known while one expression is read."""

    reporter: Reporter
    root: ResultType
    above: tuple[str, ...] = ()
    seen: Seen | None = None

    @property
    def scope(self) -> Scope:
        """The names the expression may use."""
        return self.reporter.scope

    def report(self, code: str, node: Node, message: str, hint: str | None = None) -> None:
        """Add a problem at a node."""
        self.reporter.report(code, node.start, message, hint)


def _infer(node: Node, current: ResultType, state: _State) -> ResultType:
    found = _NODES[node.kind](node, current, state)
    if state.seen is not None:
        state.seen(node, current, found)
    return found


def _same(_node: Node, current: ResultType, _state: _State) -> ResultType:
    return current


def _literal(node: Node, _current: ResultType, _state: _State) -> ResultType:
    return _literal_type(node.value)


def _literal_type(value: object) -> ResultType:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        kind: Kind = "money" if _AMOUNT_TEXT.fullmatch(value) else "text"
        return ResultType(kind, nullable=False, max_length=len(value), choices=(value,))
    if isinstance(value, list):
        item = NULL
        for entry in value:
            item = union(item, _literal_type(entry))
        return ResultType("list", nullable=False, item=item.present() if value and item.kind != "null" else ANY)
    if isinstance(value, dict):
        return object_type((key, _literal_type(entry)) for key, entry in value.items())
    return ResultType("integer" if isinstance(value, int) else "number", nullable=False)


def _field(node: Node, current: ResultType, state: _State) -> ResultType:
    if current.kind in ("any", "null"):
        return ANY
    name = str(node.value)
    if current.kind != "object":
        hint = "read it from each item: put `[]` before it" if current.kind == "list" else f"remove `.{name}`"
        message = f"`{name}` is read from {KIND_WORDS[current.kind]}, which has no fields"
        state.report("E111", node, message, hint)
        return ANY
    found = current.field(name)
    if found is not None:
        return found.or_null(current.nullable)
    if not current.open:
        from engine.mapping.wording import field_hint  # words are only needed where something is wrong

        quoted = state.reporter.expr.text.startswith('"', node.start)
        hint = field_hint(name, current, state.root, quoted=quoted)
        if not clearly_meant(name, current.names):
            hint = _declared(name, state.scope) or hint
        state.report("E111", node, f"there is no field `{name}` here", hint)
    return ANY


def _declared(name: str, scope: Scope) -> str:
    """How a name is written that is none of a field, but one that the flow declares."""
    if name in scope.define:
        return f"it is a define: call it as {name}(@)"
    return f"it is a setting: read it with setting('{name}')" if name in scope.settings else ""


def _chain(node: Node, current: ResultType, state: _State) -> ResultType:
    for child in node.children:
        current = _infer(child, current, state)
    return current


def _item(base: ResultType, node: Node, state: _State) -> ResultType | None:
    """The items of what a projection walks; None when it is certainly no list, which is reported."""
    if base.kind == "list":
        return ANY if base.item is None or base.item.kind == "any" else base.item.present()
    if base.kind in ("any", "null"):
        return ANY
    hint = "remove the [ ] after it" if base.kind != "object" else "remove the [ ]; .* walks the values of an object"
    state.report("E111", read_part(node), f"{KIND_WORDS[base.kind]} is walked here as if it were a list", hint)
    return None


def _index(node: Node, current: ResultType, state: _State) -> ResultType:
    found = _item(current, node, state)
    return ANY if found is None else found.or_null()


def _slice(node: Node, current: ResultType, state: _State) -> ResultType:
    if current.kind in TEXTS:
        most = node.value[1] if isinstance(node.value[1], int) and node.value[1] > 0 else 20
        state.report("E111", node, "a text is cut here as if it were a list", f"write limit(..., `{most}`) around it")
        return ANY
    return ANY if _item(current, node, state) is None else current


def _list_of(item: ResultType, *, nullable: bool = False) -> ResultType:
    return ResultType("list", nullable, item=item)


def _projection(node: Node, current: ResultType, state: _State) -> ResultType:
    base = _infer(node.children[0], current, state)
    item = _item(base, node.children[0], state)
    if item is None:
        return ANY
    return _list_of(_infer(node.children[1], item, state).present(), nullable=base.nullable)


def _value_projection(node: Node, current: ResultType, state: _State) -> ResultType:
    base = _infer(node.children[0], current, state)
    item = NULL
    for _, member in base.fields:
        item = union(item, member)
    item = ANY if base.open or item.kind == "null" else item.present()
    return _list_of(_infer(node.children[1], item, state).present(), nullable=base.nullable)


def _filter(node: Node, current: ResultType, state: _State) -> ResultType:
    base = _infer(node.children[0], current, state)
    item = _item(base, node.children[0], state)
    if item is None:
        return ANY
    _infer(node.children[2], item, state)
    return _list_of(_infer(node.children[1], item, state).present(), nullable=base.nullable)


def _flatten(node: Node, current: ResultType, state: _State) -> ResultType:
    base = _infer(node.children[0], current, state)
    item = _item(base, node.children[0], state)
    if item is None:
        return ANY
    inner = (item.item or ANY) if item.kind == "list" else item
    return _list_of(inner, nullable=base.nullable)


def _hash(node: Node, current: ResultType, state: _State) -> ResultType:
    members = [(str(child.value), _infer(child.children[0], current, state)) for child in node.children]
    return replace(object_type(members), nullable=current.nullable)


def _list(node: Node, current: ResultType, state: _State) -> ResultType:
    item = NULL
    longest: int | None = 0
    for child in node.children:
        found = _infer(child, current, state)
        item = union(item, found) if item is not NULL else found
        longest = None if longest is None or found.max_length is None else longest + found.max_length
    # `max_length` of a list is that of all its texts together, so that `join` can tell how long its result may be.
    return ResultType("list", current.nullable, item=item, max_length=longest)


def _or(node: Node, current: ResultType, state: _State) -> ResultType:
    left, right = (_infer(child, current, state) for child in node.children)
    return union(left.present() if left.kind != "null" else left, right)


def _and(node: Node, current: ResultType, state: _State) -> ResultType:
    left, right = (_infer(child, current, state) for child in node.children)
    return right.or_null(left.nullable) if left.kind == "boolean" and right.kind == "boolean" else union(left, right)


def _not(node: Node, current: ResultType, state: _State) -> ResultType:
    _infer(node.children[0], current, state)
    return BOOLEAN


# --- comparisons -----------------------------------------------------------------------------------------------------


def _comparator(node: Node, current: ResultType, state: _State) -> ResultType:
    left, right = (_infer(child, current, state) for child in node.children)
    for fault in comparison_faults(node, left, right):
        state.report(fault.code, fault.at, fault.message, fault.hint)
    return BOOLEAN if node.value in ("eq", "ne") else BOOLEAN.or_null()


# --- calls -----------------------------------------------------------------------------------------------------------


def _call(node: Node, current: ResultType, state: _State) -> ResultType:
    name = str(node.value)
    if name in state.scope.define and name not in FUNCTIONS:
        return _define(node, current, state)
    spec = FUNCTIONS.get(name)
    given = [_argument(child, current, state) for child in node.children]
    if spec is None or (state.seen is not None and not _is_sound(node, spec, state.scope)):
        return ANY
    for position, (child, found) in enumerate(zip(node.children, given, strict=True)):
        parameter = spec.parameters[min(position, len(spec.parameters) - 1)]
        for fault in argument_faults(spec, parameter.type, child, found, state.root):
            state.report(fault.code, fault.at, fault.message, fault.hint)
    result = _RESULTS[name](node, given, state) if name in _RESULTS else _plain_result(spec, given)
    # Our own functions give null for null; the standard ones refuse it.
    if name not in STANDARD_NAMES and given and given[0].nullable and name not in _NEVER_NULL:
        return result.or_null()
    return result


def _is_sound(node: Node, spec: FunctionSpec, scope: Scope) -> bool:
    """Whether a call is as `check_expression` wants it; only what is being typed comes here without that check."""
    known = {"setting": scope.settings, "posted": scope.streams}.get(spec.name, scope.lookups)
    for parameter, child in zip(spec.parameters, node.children, strict=False):
        if parameter.type == "name" and not (isinstance(child.value, str) and child.value in known):
            return False
        if (parameter.type == "expression") != (child.kind == "expref"):
            return False
    return spec.takes(len(node.children))


def _argument(child: Node, current: ResultType, state: _State) -> ResultType:
    if child.kind == "expref":
        return ANY  # read against the items of the list, where the function's own rule does so
    return _infer(child, current, state)


def _define(node: Node, current: ResultType, state: _State) -> ResultType:
    name = str(node.value)
    if not node.children:
        return ANY  # it is being typed
    argument = _infer(node.children[0], current, state)
    expr = state.scope.define[name]
    reporter = Reporter(expr, state.scope, f"define.{name}", state.reporter.found)
    if name in state.above:
        return ANY
    try:
        body = parse(expr.text)
    except BadSyntax:
        return ANY  # it is being typed
    return _infer(body, argument, _State(reporter, state.root, (*state.above, name), state.seen))


def _plain_result(spec: FunctionSpec, given: list[ResultType]) -> ResultType:
    if spec.result == "same":
        return given[0]
    if spec.result == "item":
        return (given[0].item or ANY).or_null()
    if spec.result == "any":
        return ANY
    if spec.result == "list":
        return _list_of(ANY)
    length = 10 if spec.result == "date" else None
    return ResultType(spec.result, nullable=False, max_length=length)


def _contained(node: Node, given: list[ResultType], state: _State) -> ResultType:
    """A list of texts that are spelt out, and a value that is never some of them."""
    listed = node.children[0]
    literals = listed.children if listed.kind == "multi_select_list" else (listed,)
    for each in literals:
        values = each.value if isinstance(each.value, list) else [each.value]
        for value in values if each.kind == "literal" and given[0].kind == "list" else ():
            for fault in choice_fault(given[1], value, each) if isinstance(value, str) else ():
                state.report(fault.code, fault.at, fault.message, fault.hint)
    return BOOLEAN


Result = Callable[[Node, list[ResultType], _State], ResultType]


def _text(longest: int | None) -> ResultType:
    return ResultType("text", nullable=False, max_length=longest)


def _cut(node: Node, given: list[ResultType], _state: _State) -> ResultType:
    bound = node.children[1].value if node.children[1].kind == "literal" else None
    known = [n for n in (bound, given[0].max_length) if isinstance(n, int)]
    return _text(min(known, default=None))


def _kept(_node: Node, given: list[ResultType], _state: _State) -> ResultType:
    return _text(given[0].max_length)


def _replaced(node: Node, given: list[ResultType], _state: _State) -> ResultType:
    old, new = given[1].max_length, given[2].max_length
    shrinks = node.children[1].kind == "literal" and old is not None and new is not None and new <= old
    return _text(given[0].max_length if shrinks else None)


def _joined(node: Node, given: list[ResultType], _state: _State) -> ResultType:
    separator, pieces = given[0].max_length, given[1].max_length
    if separator is None or pieces is None or node.children[1].kind != "multi_select_list":
        return _text(None)
    return _text(pieces + separator * max(len(node.children[1].children) - 1, 0))


def _setting(node: Node, _given: list[ResultType], state: _State) -> ResultType:
    kind = state.scope.settings[node.children[0].value]
    return _SETTINGS.get(kind, ResultType("text", nullable=False))


def _listed(node: Node, scope: Scope) -> ResultType:
    """The type of an object of the list that a lookup searches."""
    return shared.fields_type(scope.lookup_fields.get(node.children[0].value, ()))


def _found(node: Node, _given: list[ResultType], state: _State) -> ResultType:
    found = _listed(node, state.scope)
    # A required lookup that finds nothing defers the record, so what goes on with it has found something.
    return found.or_null(nullable=node.value != "lookup")


def _fitting(node: Node, _given: list[ResultType], state: _State) -> ResultType:
    found = _listed(node, state.scope)
    return ResultType("list", nullable=False, item=found.present())


def _matched(_node: Node, given: list[ResultType], _state: _State) -> ResultType:
    return (given[2].item or ANY).or_null() if given[2].kind == "list" else ResultType("object")


def _grouped(node: Node, given: list[ResultType], state: _State) -> ResultType:
    item = given[0].item or ANY
    key = _infer(node.children[1].children[0], item, state)
    return _list_of(object_type([("key", key), ("items", _list_of(item))]))


def _mapped(node: Node, given: list[ResultType], state: _State) -> ResultType:
    return _list_of(_infer(node.children[0].children[0], given[1].item or ANY, state))


def _by_key(node: Node, given: list[ResultType], state: _State) -> ResultType:
    _infer(node.children[1].children[0], given[0].item or ANY, state)
    return given[0] if node.value == "sort_by" else (given[0].item or ANY).or_null()


def _first_present(_node: Node, given: list[ResultType], _state: _State) -> ResultType:
    result = given[0]
    for other in given[1:]:
        result = union(result.present() if result.kind != "null" else result, other)
    return result


_RESULTS: Mapping[str, Result] = {
    "root": lambda _n, _g, state: state.root,
    "setting": _setting,
    "lookup": _found,
    "lookup_if": _found,
    "find": _found,
    "candidates": _fitting,
    "match": _matched,
    "posted": lambda node, _g, state: shared.fields_type(state.scope.receipts.get(node.children[0].value, ())),
    "contains": _contained,
    "limit": _cut,
    "last": _cut,
    "name_text": _cut,
    "trim": _kept,
    "replace": _replaced,
    "join": _joined,
    "join_nonempty": _joined,
    "group_by": _grouped,
    "unique": lambda _n, given, _s: given[0],
    "split": lambda _n, _g, _s: _list_of(_text(None)),
    "keys": lambda _n, _g, _s: _list_of(_text(None)),
    "map": _mapped,
    "sort_by": _by_key,
    "max_by": _by_key,
    "min_by": _by_key,
    "not_null": _first_present,
    "to_array": lambda _n, given, _s: given[0] if given[0].kind == "list" else _list_of(given[0]),
    "to_number": lambda _n, _g, _s: ResultType("number"),
}
_NODES: Mapping[str, Callable[[Node, ResultType, _State], ResultType]] = {
    "current": _same,
    "identity": _same,
    "literal": _literal,
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "index": _index,
    "slice": _slice,
    "projection": _projection,
    "value_projection": _value_projection,
    "filter_projection": _filter,
    "flatten": _flatten,
    "multi_select_dict": _hash,
    "multi_select_list": _list,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "comparator": _comparator,
    "function_expression": _call,
    # Only of what is being typed: `check_expression` reports one that is no argument.
    "expref": lambda _n, _c, _s: ANY,
}
