"""What follows from a key that is in a mapping twice: the second entry was left out, and what needs it is no news."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.diagnostics import Diagnostic
from engine.flowlang.structure import Steps, dotted
from engine.flowlang.yamlsource import DUPLICATE, ListNode, MapNode, Node
from engine.lints.env import Env

# What is said of a name that nothing uses: the entry that was left out may use it.
_UNUSED = frozenset({"F047", "F050", "F051", "F052", "F053"})
# A code that says that a name is not known -> the section that declares such names.
_DECLARED = {
    "E103": "define",
    "E105": "settings",
    "E106": "lookups",
    "E107": "streams",
    "F021": "connections",
    "F027": "streams",
    "F036": "lookups",
}


def without_follow_on(found: Iterable[Diagnostic], env: Env) -> list[Diagnostic]:
    """The problems without those that only follow from an entry that was left out."""
    found = list(found)
    said = [problem.message for problem in found if problem.code == DUPLICATE]
    if not said:
        return found
    doubled = {dotted(steps) for steps, node in _mappings(env.document, ()) if _is_doubled(node, said)}
    return [problem for problem in found if not _follows(problem, doubled)]


def _mappings(node: Node | None, steps: Steps) -> Iterator[tuple[Steps, MapNode]]:
    if isinstance(node, MapNode):
        yield steps, node
        for name, value in node.entries:
            yield from _mappings(value, (*steps, name.text))
    elif isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from _mappings(item, (*steps, index))


def _is_doubled(node: MapNode, said: list[str]) -> bool:
    """Whether a message names a key of this mapping as the first of two."""
    places = {f"first at {name.line}:{name.column}" for name, _ in node.entries}
    return any(message.partition(", ")[2] in places for message in said)


def _follows(problem: Diagnostic, doubled: set[str]) -> bool:
    if problem.code in _UNUSED:
        return True
    if _DECLARED.get(problem.code, "") in doubled - {""}:
        return True
    stream = ".".join(problem.where.split(".")[:2])
    if problem.code == "F034":
        return f"{stream}.map" in doubled
    if problem.code == "F011":
        return problem.where in doubled or problem.where.rpartition(".")[0] in doubled
    return problem.code == "E111" and f"{stream}.map" in doubled and problem.where.startswith(f"{stream}.check")
