"""Problems of an expression that show without any data: syntax, names, argument counts, and size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Edit, clearly_meant, suggestion
from engine.flowlang.otherwords import other_function
from engine.mapping import shared
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.scope import Growth, Scope
from engine.mapping.syntax import BadSyntax, Node, parse, parts, walk
from engine.model import Expr

# How often one input may appear in a result, and how many parts an expression may have with its defines written out.
MAX_COPIES = 4096
MAX_EXPANDED = 5000
# So few parts cannot copy more: `[@,@,@,@] | ...` copies most, by four for each five parts, and 4 ** (29 / 5) < 4096.
SMALL = 29
# Reading an expression takes up to four calls for each part within another, of the thousand that Python allows.
MAX_HEIGHT = 200
TOO_DEEP = "with its defines written out it is nested too deeply"
_FEWER = "let fewer defines call each other"

CODES: Mapping[str, str] = {
    "E101": "the text is not a JMESPath expression",
    "E102": "the expression is too long, has too many parts, or is nested too deeply",
    "E103": "a function that does not exist is called",
    "E104": "a function is called with the wrong number of arguments",
    "E105": "a setting is named that the flow does not declare",
    "E106": "a lookup is named that the flow does not declare",
    "E107": "a stream is named that the flow does not have",
    "E108": "the first argument must be a name in single quotes",
    "E109": "a define calls itself",
    "E110": "a define has the name of a function",
    "E111": "a field is read that does not exist",
    "E112": "a function is given a kind of value it does not take",
    "E113": "a comparison can never be true",
    "E114": "an amount that is still text is compared with a number",
    "E115": "the result could grow beyond any use",
    "E116": "a function that does not take null may be given null",
}
_UNKNOWN = {"settings": "E105", "lookups": "E106", "streams": "E107"}


@dataclass(frozen=True, slots=True)
class Reporter:
    """Words problems of one expression with their places."""

    expr: Expr
    scope: Scope
    where: str
    found: list[Diagnostic]

    def report(self, code: str, offset: int, message: str, hint: str | None = None) -> None:
        """Add a problem `offset` characters into the expression."""
        place = self.scope.place(self.expr, offset)
        problem = Diagnostic(place, code, self.where, message, hint, "warning" if code == "E116" else "error")
        if problem not in self.found:
            self.found.append(problem)

    def misspelt(self, code: str, node: Node, message: str, known: Iterable[str], other: str = "") -> None:
        """Add a problem of a name: a function, or what stands in the quotes of a literal; mended when it is clear.

        `other` is what another program's name for it means here.
        """
        names, given = [*known], str(node.value)
        place = self.scope.place(self.expr, node.start)
        meant = clearly_meant(given, names)
        written = self.scope.place(self.expr, node.start + 1) if node.kind == "literal" else place
        edit = Edit(written, given, meant) if meant else None
        hint = suggestion(given, names, meant or other)
        problem = Diagnostic(place, code, self.where, message, hint, edit=edit)
        if problem not in self.found:
            self.found.append(problem)


def check_expression(expr: Expr, scope: Scope, where: str = "") -> list[Diagnostic]:
    """All problems of an expression that show without knowing the data; `where` is its path in the document."""
    number = shared.meaning(expr.text, scope)
    if shared.is_sound(number):
        return []
    found = scope.known.checked.get(expr)
    if found is None:
        found = scope.known.checked[expr] = tuple(_check(Reporter(expr, scope, "", [])))
        if not found:
            shared.found_sound(number)
    return [replace(problem, where=where) for problem in found]


def _check(reporter: Reporter) -> list[Diagnostic]:
    try:
        tree = parse(reporter.expr.text)
    except BadSyntax as error:
        reporter.report(error.code, error.offset, error.message, error.hint)
        return reporter.found
    for node in parts(reporter.expr.text):
        if node.kind == "function_expression":
            _check_call(node, reporter)
            _check_expressions(node, reporter)
        else:
            _check_loose(node.children, reporter)
    _check_loose((tree,), reporter)
    if not reporter.found:
        _check_growth(tree, reporter)
    return reporter.found


def check_defines(scope: Scope, where: str = "define") -> list[Diagnostic]:
    """All problems of the defines of a flow."""
    found: list[Diagnostic] = []
    for name, expr in scope.define.items():
        path = f"{where}.{name}"
        found += check_expression(expr, scope, path)
        if name in FUNCTIONS:
            found.append(
                Diagnostic(
                    expr.location,
                    "E110",
                    path,
                    f"`{name}` is the name of a function",
                    f"give it another name: `my_{name}`",
                )
            )
    return sorted(found)


def _check_call(node: Node, reporter: Reporter) -> None:
    name, count = str(node.value), len(node.children)
    # A define with the name of a function was reported as that.
    if name in reporter.scope.define and name not in FUNCTIONS:
        if count != 1:
            reporter.report("E104", node.start, f"`{name}` takes one argument, not {count}", f"call it as {name}(@)")
        return
    spec = FUNCTIONS.get(name)
    if spec is None:
        known = (*FUNCTIONS, *reporter.scope.define)
        reporter.misspelt("E103", node, f"there is no function `{name}`", known, other_function(name))
    elif not spec.takes(count):
        arguments = "argument" if count == 1 else "arguments"
        reporter.report("E104", node.start, f"`{name}` cannot take {count} {arguments}", f"call it as {spec.signature}")
    elif spec.parameters and spec.parameters[0].type == "name":
        _check_name(node, reporter)


def _check_name(node: Node, reporter: Reporter) -> None:
    attribute = shared.NAMED.get(node.value, "lookups")
    known: Iterable[str] = getattr(reporter.scope, attribute)
    first, kind = node.children[0], attribute[:-1]
    if first.kind != "literal" or not isinstance(first.value, str):
        named = str(first.value) if first.kind == "field" else ""
        hint = f"write '{named}'" if named in known else suggestion(named, known)
        message = f"`{node.value}` takes the name of a {kind} in single quotes first"
        reporter.report("E108", first.start, message, hint)
    elif first.value not in known:
        reporter.misspelt(_UNKNOWN[attribute], first, f"there is no {kind} `{first.value}`", known)


def _check_expressions(node: Node, reporter: Reporter) -> None:
    spec = FUNCTIONS.get(node.value)
    for position, child in enumerate(node.children):
        wanted = spec is not None and position < len(spec.parameters) and spec.parameters[position].type == "expression"
        if wanted and child.kind != "expref":
            hint = "write & before it: the expression is computed for each item"
            reporter.report("E112", child.start, f"`{node.value}` takes an `&expression` here", hint)
        elif child.kind == "expref" and not wanted:
            message = f"`{node.value}` takes a value here, not an `&expression`"
            reporter.report("E112", child.start, message, "remove the &")


def _check_loose(nodes: Iterable[Node], reporter: Reporter) -> None:
    for node in nodes:
        if node.kind == "expref":
            reporter.report("E112", node.start, "`&expression` can only be an argument of a function", "remove the &")


# --- growth ----------------------------------------------------------------------------------------------------------


class _GrowthError(Exception):
    """A define calls itself, or the expression with its defines is too large."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _check_growth(tree: Node, reporter: Reporter) -> None:
    """Refuse `[@,@] | [@,@] | ...`, which doubles at each step, and defines that unfold without end."""
    hint = "write it with fewer copies of the same value"
    try:
        # The size comes first: it is counted once for each define, and bounds the work of what follows.
        size = _expanded(tree, reporter.scope, ())
        if size <= SMALL:
            return
        if size > MAX_EXPANDED:
            message = f"with its defines written out it has more than {MAX_EXPANDED} parts"
            reporter.report("E115", tree.start, message, hint)
            return
        copies, height = _growth(tree, reporter.scope, ())
        if height > MAX_HEIGHT:
            reporter.report("E102", tree.start, TOO_DEEP, _FEWER)
        elif copies > MAX_COPIES:
            reporter.report("E115", tree.start, "the result holds the same value thousands of times", hint)
    except _GrowthError as error:
        reporter.report(error.code, tree.start, str(error), "write out what it is to compute, without itself")
    except RecursionError:
        reporter.report("E102", tree.start, TOO_DEEP, _FEWER)


_ONCE = frozenset({"literal", "comparator", "not_expression"})
_CHAINS = frozenset({
    "pipe", "subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten",
})  # fmt: skip
_SUMS = frozenset({"multi_select_dict", "multi_select_list", "key_val_pair", "function_expression"})


def _growth(node: Node, scope: Scope, above: tuple[str, ...]) -> Growth:
    """An upper bound of how often the input can appear in the result, and how many parts are within each other."""
    parts, height = [], 0
    for child in node.children:
        copies, below = _growth(child, scope, above)
        parts.append(copies)
        height = max(height, below)
    kind = node.kind
    if kind in _ONCE:
        return 1, height + 1
    if kind == "filter_projection":
        parts = parts[:2]
    result = 1
    if kind in _CHAINS or (kind == "function_expression" and _takes_expression(node)):
        for part in parts:
            result *= part
    elif kind in _SUMS:
        result = sum(parts) or 1
    elif parts:
        result = max(parts)
    if kind == "function_expression" and node.value in scope.define:
        copies, below = _growth_of(node.value, scope, above)
        result, height = result * copies, max(height, below)
    return min(result, MAX_COPIES * MAX_COPIES), height + 1


def _growth_of(name: str, scope: Scope, above: tuple[str, ...]) -> Growth:
    """The same for a define, which is counted once."""
    known = scope.known.growth
    if name not in known:
        known[name] = _growth(_body(name, scope, above), scope, (*above, name))
    return known[name]


def _takes_expression(node: Node) -> bool:
    return any(child.kind == "expref" for child in node.children)


def _body(name: str, scope: Scope, above: tuple[str, ...]) -> Node:
    if name in above:
        raise _GrowthError("E109", f"the define `{name}` calls itself")
    try:
        return parse(scope.define[name].text)
    except BadSyntax:
        return Node("current", None, (), 0)


def _expanded(node: Node, scope: Scope, above: tuple[str, ...]) -> int:
    """How many nodes there are with all defines written out."""
    size, sizes = 0, scope.known.sizes
    for inner in walk(node):
        size += 1
        name = inner.value
        if inner.kind == "function_expression" and name in scope.define:
            if name not in sizes:
                sizes[name] = _expanded(_body(name, scope, above), scope, (*above, name))
            size += sizes[name]
    return size
