"""Calls to closures: functions, defines, and what is asked of the world while a record is mapped."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import ExpressionError
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.closures import Build, Run, compile_inner, compile_node
from engine.mapping.functions import WrongValueError
from engine.mapping.syntax import BadSyntax, Node, parse


class CallError(ExpressionError):
    """A function could not work with its arguments."""

    def __init__(self, name: str, cause: ExpressionError) -> None:
        super().__init__(f"{name}(): {cause}", hint=cause.hint)


def _expref(node: Node, build: Build) -> Run:
    body = compile_inner(node.children[0], build)
    return lambda _v, c: lambda item: body(item, c)


def _call(node: Node, build: Build) -> Run:
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
    arguments = [compile_node(child, build) for child in node.children]
    if len(arguments) == 2 and node.children[1].kind == "literal":
        return _constant_call(name, spec.run, arguments[0], node.children[1].value)
    return _plain_call(name, spec.run, arguments)


def _constant_call(name: str, function: Callable[..., object], first: Run, constant: object) -> Run:
    def call(v: Any, c: Any) -> object:
        a = first(v, c)
        try:
            return function(a, constant)
        except ExpressionError as error:
            raise _named(name, error) from error

    return call


def _plain_call(name: str, function: Callable[..., object], arguments: list[Run]) -> Run:
    if len(arguments) == 1:
        only = arguments[0]

        def call_one(v: Any, c: Any) -> object:
            a = only(v, c)
            try:
                return function(a)
            except ExpressionError as error:
                raise _named(name, error) from error

        return call_one
    if len(arguments) == 2:
        first, second = arguments

        def call_two(v: Any, c: Any) -> object:
            a, b = first(v, c), second(v, c)
            try:
                return function(a, b)
            except ExpressionError as error:
                raise _named(name, error) from error

        return call_two

    def call(v: Any, c: Any) -> object:
        values = [run(v, c) for run in arguments]
        try:
            return function(*values)
        except ExpressionError as error:
            raise _named(name, error) from error

    return call


def _named(name: str, error: ExpressionError) -> ExpressionError:
    return error if isinstance(error, CallError) else CallError(name, error)


def _define_call(node: Node, build: Build) -> Run:
    name = node.value
    if len(node.children) != 1:
        raise BadSyntax("E104", node.start, f"`{name}` takes one argument", f"call it as {name}(@)")
    if name not in build.defines:
        slot, holder = build.slot(), list[Run]()
        build.defines[name] = (slot, holder)
        build.inner += 1
        holder.append(compile_node(parse(build.scope.define[name].text), build))
        build.inner -= 1
    slot, holder = build.defines[name]
    if not holder:
        raise BadSyntax("E109", node.start, f"`{name}` calls itself")
    body, argument = holder[0], compile_node(node.children[0], build)
    if node.children[0].kind == "current":

        def call_here(v: Any, c: Any) -> Any:
            entry = c.memo[slot]
            if entry is not None and entry[0] is v:
                return entry[1]
            result = body(v, c)
            c.memo[slot] = (v, result)
            return result

        return call_here

    def call(v: Any, c: Any) -> Any:
        value = argument(v, c)
        entry = c.memo[slot]
        if entry is not None and entry[0] is value:
            return entry[1]
        result = body(value, c)
        c.memo[slot] = (value, result)
        return result

    return call


def _root(_node: Node, _build: Build) -> Run:
    return lambda _v, c: c.root


def _literal_name(node: Node, known: Mapping[str, object] | frozenset[str], kind: str) -> str:
    name = node.children[0].value if node.children and node.children[0].kind == "literal" else None
    if not isinstance(name, str) or name not in known:
        raise BadSyntax("E108", node.start, f"{node.value}() takes the name of a {kind} as its first argument")
    return name


def _setting(node: Node, build: Build) -> Run:
    name = _literal_name(node, build.scope.settings, "setting")
    return lambda _v, c: c.setting(name)


def key_text(value: object) -> str | None:
    """A key or label of a lookup: text, or a whole number as text."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise WrongValueError("a text or a whole number", value)


def _nothing(_v: Any, _c: Any) -> None:
    return None


def _finding(node: Node, build: Build) -> Run:
    name, kind = _literal_name(node, build.scope.lookups, "lookup"), node.value
    if not 2 <= len(node.children) <= 4:
        raise BadSyntax("E104", node.start, f"`{kind}` cannot be called so", f"call it as {FUNCTIONS[kind].signature}")
    runs = [compile_node(child, build) for child in node.children[1:]]
    key, label, number = (*runs, _nothing, _nothing)[:3]
    method = operator.attrgetter(kind)

    def finding(v: Any, c: Any) -> object:
        k, t, n = key(v, c), label(v, c), number(v, c)
        if not ((k is None or type(k) is str) and (t is None or type(t) is str) and (n is None or type(n) is str)):
            try:
                k, t, n = key_text(k), key_text(t), key_text(n)
            except ExpressionError as error:
                raise _named(kind, error) from error
        found: object = method(c)(name, k, t, n)
        return found

    return finding


def _posted(node: Node, build: Build) -> Run:
    stream = _literal_name(node, build.scope.streams, "stream")
    if len(node.children) != 2:
        raise BadSyntax(
            "E104", node.start, "`posted` cannot be called so", f"call it as {FUNCTIONS['posted'].signature}"
        )
    key = compile_node(node.children[1], build)

    def posted(v: Any, c: Any) -> object:
        try:
            name = key_text(key(v, c))
        except ExpressionError as error:
            raise _named("posted", error) from error
        return None if name is None else c.posted(stream, name)

    return posted


_SPECIAL: Mapping[str, Callable[[Node, Build], Run]] = {
    "root": _root,
    "setting": _setting,
    "lookup": _finding,
    "lookup_if": _finding,
    "find": _finding,
    "posted": _posted,
}
CALLS: Mapping[str, Callable[[Node, Build], Run]] = {"expref": _expref, "function_expression": _call}
