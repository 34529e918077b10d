"""The outline of a flow: its sections, and what each of them declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.dataclass import dataclass
from engine.flowlang.structure import Steps
from engine.flowlang.yamlsource import MapNode, ScalarNode
from engine.lints.env import Env
from engine.lsp.names import SECTIONS, of_declared
from engine.lsp.positions import Span, lines_of
from engine.lsp.project import Place, parsed
from engine.validate import environment


@dataclass(frozen=True, slots=True)
class Symbol:
    """A part of a flow: its name, a word about it, its section, all that belongs to it, its name alone, its parts."""

    name: str
    detail: str
    section: str
    span: Span
    at: Span
    parts: tuple[Symbol, ...] = ()


def outline(text: str, path: str) -> Iterator[Symbol]:
    """The sections of a flow in the order they are written, each with its names; nothing of a file that is no YAML."""
    env = environment(parsed(text, path))
    if env is None:
        return
    lines = lines_of(text)
    for span, key in _spans(env.document, _end(lines), lines):
        if key.text not in SECTIONS:
            continue
        inner = env.node((key.text,))
        parts: tuple[Symbol, ...] = ()
        if isinstance(inner, MapNode):
            ends = (span.end_line, span.end)
            parts = tuple(_part(env, key.text, name, inside) for inside, name in _spans(inner, ends, lines))
        yield Symbol(key.text, "", key.text, span, _at(key), parts)


def _part(env: Env, section: str, name: ScalarNode, span: Span) -> Symbol:
    steps: Steps = (section, name.text)
    told = of_declared(Place(env, steps), section, name.text)
    return Symbol(name.text, told.detail, section, span, _at(name))


def _at(key: ScalarNode) -> Span:
    return Span(key.line - 1, key.column - 1, key.line - 1, key.column - 1 + len(key.text))


def _end(lines: Sequence[str]) -> tuple[int, int]:
    return len(lines) - 1, len(lines[-1])


def _spans(node: MapNode, end: tuple[int, int], lines: Sequence[str]) -> Iterator[tuple[Span, ScalarNode]]:
    """Each key with all that belongs to it: up to the next key, without empty lines and comments before that one."""
    keys = [key for key, _ in node.entries]
    for key, following in zip(keys, [*keys[1:], None], strict=False):
        start = key.line - 1, key.column - 1
        until = (following.line - 1, following.column - 1) if following is not None else end
        line, column = until
        if following is not None and line > start[0]:
            line, column = line - 1, len(lines[line - 1])
        while line > start[0] and (not lines[line].strip() or lines[line].lstrip().startswith("#")):
            line, column = line - 1, len(lines[line - 1])
        yield Span(*start, line, max(column, _at(key).end) if line == start[0] else column), key
