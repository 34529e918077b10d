"""Calls to source text: functions, defines, and what is asked of the world while a record is mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.errors import ExpressionError
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.functions import MAX_TEXT
from engine.mapping.source import Emit, Place, Val
from engine.mapping.syntax import BadSyntax, Node, parse, walk

# A define of more nodes than this is written once, as a function, and not at each of its calls.
MAX_INLINE = 60
# Functions whose results are known to be of a kind, however their arguments are.
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("date", "add_days", "limit", "last", "join", "join_nonempty", "replace"), "text"),
    **dict.fromkeys(("money", "round_money", "abs_money", "neg_money", "sum_money", "minor"), "amount"),
    **dict.fromkeys(("starts_with", "ends_with", "contains", "amount_is_negative", "similar"), "boolean"),
    **dict.fromkeys(("waited", "wanted"), "boolean"),
    "candidates": "list",
    "match": "found",
}


def _expref(node: Node, at: Place) -> Val:
    return Val(at.outline(node.children[0]))


def _call(node: Node, at: Place) -> Val:
    name = node.value
    if name in _SPECIAL:
        return _SPECIAL[name](node, at)
    if name in at.unit.scope.define:
        return _define_call(node, at)
    spec = FUNCTIONS.get(name)
    if spec is None or spec.run is None or not spec.takes(len(node.children)):
        raise BadSyntax(
            "E103", node.start, f"`{name}` cannot be called so", f"call it as {spec.signature}" if spec else None
        )
    arguments = [at.emit(child).code for child in node.children]
    if name == "limit" and _is_count(node.children[1]):
        text = at.assign(arguments[0])
        result = at.unit.new()
        at.line(f"if type({text}) is str and {text}.isascii(): {result} = {text}[:{node.children[1].value}]")
        at.line("else:")
        return _tried(name, [text, arguments[1]], at.block(), result)
    return _tried(name, arguments, at, at.unit.new())


def _is_count(node: Node) -> bool:
    return node.kind == "literal" and type(node.value) is int and 0 <= node.value <= MAX_TEXT


def _tried(name: str, arguments: list[str], at: Place, result: str) -> Val:
    """Call a function of the catalogue, and name it in its errors."""
    function = f"do_{name}"
    at.unit.names[function] = FUNCTIONS[name].run
    at.unit.names["ExpressionError"] = ExpressionError
    at.line(f"try: {result} = {function}({', '.join(arguments)})")
    at.line(f"except ExpressionError as e: call_failed({name!r}, e)")
    return Val(result, _KINDS.get(name, ""))


def _define_call(node: Node, at: Place) -> Val:
    name = node.value
    if len(node.children) != 1:
        raise BadSyntax("E104", node.start, f"`{name}` takes one argument", f"call it as {name}(@)")
    argument = at.bound(node.children[0])
    key = ("define", name, argument)
    if key not in at.known:
        body = parse(at.unit.scope.define[name].text)
        outer, at.unit.expr = at.unit.expr, at.unit.scope.define[name]
        if _size(name, at) <= MAX_INLINE:
            value = replace(at, current=argument, present=False, inner=True).emit(body)
            at.known[key] = Val(at.name(value), "" if value.kind == "literal" else value.kind)
        else:
            at.known[key] = Val(at.assign(f"{_as_function(name, body, at)}({argument})"))
        if (watch := at.unit.scope.watch) is not None:
            at.line(f"told({watch.outcome(at.unit.scope.define[name])}, {at.known[key].code})")
        at.unit.expr = outer
    return at.known[key]


def _as_function(name: str, body: Node, at: Place) -> str:
    """A define that is written once, and remembers its last value within a call of the program."""
    if name not in at.unit.defines:
        slot, function = at.unit.slot(), at.outline(body)
        remembering = at.unit.defines[name] = at.unit.new("d")
        at.unit.helpers += [
            f"    def {remembering}(v):",
            f"     e = m[{slot}]",
            f"     if e is None or e[0] is not v: e = m[{slot}] = (v, {function}(v))",
            "     return e[1]",
        ]
    return at.unit.defines[name]


def _size(name: str, at: Place) -> int:
    """How many nodes a define has, with the defines it calls written out."""
    sizes = at.unit.sizes
    if name not in sizes:
        size = 0
        for inner in walk(parse(at.unit.scope.define[name].text)):
            nested = inner.kind == "function_expression" and inner.value in at.unit.scope.define
            size += 1 + (_size(inner.value, at) if nested else 0)
        sizes[name] = size
    return sizes[name]


def _root(_node: Node, _at: Place) -> Val:
    return Val("c.root")


def _literal_name(node: Node, known: Mapping[str, object] | frozenset[str], kind: str) -> str:
    name = node.children[0].value if node.children and node.children[0].kind == "literal" else None
    if not isinstance(name, str) or name not in known:
        raise BadSyntax("E108", node.start, f"{node.value}() takes the name of a {kind} as its first argument")
    return name


def _setting(node: Node, at: Place) -> Val:
    name = _literal_name(node, at.unit.scope.settings, "setting")
    _takes(node, 1, 2)
    scope = "".join(f", {_key(child, at, 'setting')}" for child in node.children[1:])
    return Val(at.assign(f"c.setting({name!a}{scope})"))


def _takes(node: Node, least: int, most: int) -> None:
    if not least <= len(node.children) <= most:
        signature = FUNCTIONS[node.value].signature
        raise BadSyntax("E104", node.start, f"`{node.value}` cannot be called so", f"call it as {signature}")


def _key(child: Node, at: Place, function: str) -> str:
    """A key or label: a text as it is, a number as text."""
    if child.kind == "literal" and (child.value is None or isinstance(child.value, str)):
        return at.emit(child).code
    name = at.bound(child)
    return f"{name} if {name} is None or type({name}) is str else key_text({function!r}, {name})"


def _finding(node: Node, at: Place) -> Val:
    name, kind = _literal_name(node, at.unit.scope.lookups, "lookup"), node.value
    _takes(node, 2, 4)
    given = [_key(child, at, kind) for child in node.children[1:]]
    arguments = [ascii(name), *given, "None", "None"][:4]
    found = Val(at.assign(f"c.{kind}({', '.join(arguments)})"), "found")
    if at.unit.scope.watch is not None:
        at.line(f"heard({', '.join(arguments)}, c)")
    return found


def _posted(node: Node, at: Place) -> Val:
    stream = _literal_name(node, at.unit.scope.streams, "stream")
    _takes(node, 2, 2)
    key = at.assign(_key(node.children[1], at, "posted"))
    found = Val(at.assign(f"None if {key} is None else c.posted({stream!a}, {key})"), "found")
    return _answered(node, at, found)


def _answered(node: Node, at: Place, found: Val) -> Val:
    """Tell a watch what the world's answer was."""
    watch, expr = at.unit.scope.watch, at.unit.expr
    if watch is not None and expr is not None:
        at.line(f"told({watch.asked(expr, node.value, node.start)}, {found.code})")
    return found


def _linked(node: Node, at: Place) -> Val:
    name = _literal_name(node, at.unit.scope.lookups, "lookup")
    _takes(node, 2, 2)
    return Val(at.assign(f"c.linked({name!a}, {_key(node.children[1], at, 'linked')})"), "boolean")


def _asking(node: Node, at: Place) -> Val:
    """A function that asks the world about a lookup, with arguments that it checks itself."""
    name, kind = _literal_name(node, at.unit.scope.lookups, "lookup"), node.value
    parameters = FUNCTIONS[kind].parameters
    _takes(node, len(parameters), len(parameters))
    given = [
        f"({_key(child, at, kind)})" if parameter.type == "key" else at.emit(child).code
        for child, parameter in zip(node.children[1:], parameters[1:], strict=True)
    ]
    found = _tried(kind, ["c", ascii(name), *given], at, at.unit.new())
    return _answered(node, at, found) if kind in ("match", "waited") else found


_SPECIAL: Mapping[str, Callable[[Node, Place], Val]] = {
    "root": _root,
    "setting": _setting,
    "lookup": _finding,
    "lookup_if": _finding,
    "find": _finding,
    "linked": _linked,
    "posted": _posted,
    **dict.fromkeys(("candidates", "match", "waited", "wanted"), _asking),
}
CALLS: Mapping[str, Emit] = {"expref": _expref, "function_expression": _call}
