"""Abstract interpretation: reads an expression against the declared fields, and finds what could only go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, clearly_meant, nearest
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.checks import Reporter, check_expression
from engine.mapping.functions import FunctionSpec, ParameterType
from engine.mapping.scope import Scope
from engine.mapping.standard import STANDARD
from engine.mapping.syntax import Node, parse, parts
from engine.mapping.types import ANY, BOOLEAN, NULL, NUMBERS, TEXTS, Kind, ResultType, object_type, record_type, union
from engine.model import Expr
from engine.spec import FieldSpec

Data = tuple[FieldSpec, ...] | ResultType
_AMOUNT_TEXT = re.compile(r"\s*[+-]?[0-9]*\.?[0-9]+\s*")
_STANDARD_NAMES = frozenset(spec.name for spec in STANDARD)
_NEVER_NULL = frozenset({"lookup", "posted", "setting", "similar"})
_SETTINGS: Mapping[str, ResultType] = {
    "boolean": BOOLEAN,
    "integer": ResultType("integer", nullable=False),
}
# What each parameter type takes; anything takes `any`.
_ACCEPTS: Mapping[ParameterType, frozenset[str]] = {
    "text": TEXTS,
    "amount": frozenset({"money", "amount", "decimal", "integer", "number"}),
    "number": NUMBERS | {"decimal"},
    "integer": frozenset({"integer", "number"}),
    "date": frozenset({"date", "datetime", "text"}),
    "list": frozenset({"list"}),
    "texts": frozenset({"list"}),
    "object": frozenset({"object"}),
    "countable": TEXTS | {"list", "object"},
    "key": TEXTS | {"integer"},
}
_WORDS: Mapping[str, str] = {
    "text": "a text",
    "texts": "a list of texts",
    "amount": "an amount",
    "number": "a number",
    "integer": "a whole number",
    "date": "a date",
    "datetime": "a date and time",
    "list": "a list",
    "object": "an object",
    "countable": "a text, a list or an object",
    "key": "a text or a whole number",
    "id": "an id",
    "money": "an amount",
    "decimal": "a decimal number",
    "boolean": "true or false",
    "null": "null",
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
    key = (expr, id(data), id(root))
    known = scope.known.analysed.get(key)
    if known is None:
        result, found = _analysed(expr, data, root, scope)
        known = scope.known.analysed[key] = (result, found, data, root)
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
    return object_type(members), found


def _type_of(data: Data) -> ResultType:
    return data if isinstance(data, ResultType) else record_type(data)


@dataclass(frozen=True, slots=True)
class _State:
    """What is known while one expression is read."""

    reporter: Reporter
    root: ResultType
    above: tuple[str, ...] = ()

    @property
    def scope(self) -> Scope:
        """The names the expression may use."""
        return self.reporter.scope

    def report(self, code: str, node: Node, message: str, hint: str | None = None) -> None:
        """Add a problem at a node."""
        self.reporter.report(code, node.start, message, hint)


def _infer(node: Node, current: ResultType, state: _State) -> ResultType:
    return _NODES[node.kind](node, current, state)


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
        message = f"`{name}` is read from {_WORDS[current.kind]}, which has no fields"
        state.report("E111", node, message, hint)
        return ANY
    found = current.field(name)
    if found is not None:
        return found.or_null(current.nullable)
    if not current.open:
        from engine.mapping.wording import field_hint  # words are only needed where something is wrong

        quoted = state.reporter.expr.text.startswith('"', node.start)
        hint = field_hint(name, current, state.root, quoted=quoted)
        state.report("E111", node, f"there is no field `{name}` here", hint)
    return ANY


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
    state.report("E111", _read(node), f"{_WORDS[base.kind]} is walked here as if it were a list", hint)
    return None


def _read(node: Node) -> Node:
    """The part that gives the value of a chain: `name` in `vendor.name`."""
    while node.kind in ("subexpression", "flatten", "pipe"):
        node = node.children[-1]
    return node


def _index(node: Node, current: ResultType, state: _State) -> ResultType:
    found = _item(current, node, state)
    return ANY if found is None else found.or_null()


def _slice(node: Node, current: ResultType, state: _State) -> ResultType:
    _item(current, node, state)
    return current


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
    for text, other, at in ((left, right, node.children[0]), (right, left, node.children[1])):
        if text.kind == "money" and other.kind in NUMBERS and at.kind != "literal":
            state.report(
                "E114", at, "this amount is still text; a number is never equal to it", "wrap it in money(...)"
            )
            return BOOLEAN
    if node.value in ("eq", "ne"):
        for known, at in ((left, node.children[1]), (right, node.children[0])):
            if at.kind == "literal":
                _check_choice(known, at, state)
    if _group(left) != _group(right) and "any" not in (_group(left), _group(right)):
        message = f"{_WORDS[_group(left)]} is compared with {_WORDS[_group(right)]}, which is never equal"
        state.report("E113", node, message, _COMPARED.get(frozenset((_group(left), _group(right)))))
    return BOOLEAN if node.value in ("eq", "ne") else BOOLEAN.or_null()


_COMPARED: Mapping[frozenset[str], str] = {
    frozenset(
        ("text", "number")
    ): "compare with a text in single quotes, or make an amount of the text with money(...)",
    frozenset(("text", "boolean")): "compare with `true` or `false` in backticks, or leave the comparison out",
    frozenset(("number", "boolean")): "compare with `true` or `false` in backticks, or leave the comparison out",
    frozenset(("text", "list")): "ask contains(list, text), or compare one item: list[0]",
    frozenset(("number", "list")): "compare length(list)",
    frozenset(("text", "object")): "compare one of its fields",
    frozenset(("number", "object")): "compare one of its fields",
}


def _check_choice(known: ResultType, at: Node, state: _State) -> None:
    value = at.value
    if not known.choices or not isinstance(value, str) or value in known.choices or value == "":
        return
    near = clearly_meant(value, known.choices) or next(iter(nearest(value, known.choices)), "")
    hint = f"did you mean `{near}`? " if near else ""
    state.report("E113", at, f"the value is never `{value}`", f"{hint}it is one of: {', '.join(known.choices)}")


def _group(found: ResultType) -> str:
    if found.kind in ("any", "null", "decimal"):
        return "any"
    if found.kind in TEXTS:
        return "text"
    return "number" if found.kind in NUMBERS else found.kind


# --- calls -----------------------------------------------------------------------------------------------------------


def _call(node: Node, current: ResultType, state: _State) -> ResultType:
    name = str(node.value)
    if name in state.scope.define:
        return _define(node, current, state)
    spec = FUNCTIONS[name]
    given = [_argument(child, current, state) for child in node.children]
    for position, (child, found) in enumerate(zip(node.children, given, strict=True)):
        parameter = spec.parameters[min(position, len(spec.parameters) - 1)]
        if parameter.type in _ACCEPTS:
            _check_argument(spec, parameter.type, child, found, state)
    result = _RESULTS[name](node, given, state) if name in _RESULTS else _plain_result(spec, given)
    # Our own functions give null for null; the standard ones refuse it.
    if name not in _STANDARD_NAMES and given and given[0].nullable and name not in _NEVER_NULL:
        return result.or_null()
    return result


def _argument(child: Node, current: ResultType, state: _State) -> ResultType:
    if child.kind == "expref":
        return ANY  # read against the items of the list, where the function's own rule does so
    return _infer(child, current, state)


def _check_argument(spec: FunctionSpec, wanted: ParameterType, child: Node, found: ResultType, state: _State) -> None:
    accepted = _ACCEPTS[wanted]
    takes_null = spec.name not in _STANDARD_NAMES
    if found.kind not in accepted and found.kind != "any" and not (found.kind == "null" and takes_null):
        from engine.mapping.wording import kind_hint  # as above

        message = f"`{spec.name}` takes {_WORDS[wanted]}, and this is {_WORDS[found.kind]}"
        state.report("E112", child, message, kind_hint(wanted, found, state.root))
    elif takes_null or found.kind == "any":
        return
    elif found.nullable:
        state.report(
            "E116", child, f"`{spec.name}` fails on null, and this may be null", "add `|| ''` or another default"
        )
    elif (
        wanted == "texts" and found.item is not None and found.item.nullable and found.item.kind not in ("any", "null")
    ):
        hint = "add `|| ''` to it, or use join_nonempty(...)"
        state.report("E116", child, f"`{spec.name}` fails on null, and an item may be null", hint)


def _define(node: Node, current: ResultType, state: _State) -> ResultType:
    name = str(node.value)
    argument = _infer(node.children[0], current, state)
    expr = state.scope.define[name]
    reporter = Reporter(expr, state.scope, f"define.{name}", state.reporter.found)
    if name in state.above:
        return ANY
    return _infer(parse(expr.text), argument, _State(reporter, state.root, (*state.above, name)))


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
    name, known = node.children[0].value, scope.known.found
    if name not in known:
        known[name] = record_type(scope.lookup_fields.get(name, ()))
    return known[name]


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
    "posted": lambda _n, _g, _s: ResultType("object", nullable=False),
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
}
