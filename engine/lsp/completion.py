"""What may be written at a cursor: keys, values, and names inside expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from engine.dataclass import dataclass
from engine.flowlang.language import Boolean, Choice, Integer, Key, ListOf, MapOf, Object, Text, Type
from engine.lints.env import Env
from engine.lsp import names, wording
from engine.lsp.expressions import Spot, compared_with, read_from, spot
from engine.lsp.locate import Cursor, locate
from engine.lsp.names import Name
from engine.lsp.positions import Span
from engine.lsp.project import Place, described, is_expression, understood
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.functions import FunctionSpec

Kind = Literal["key", "value", "field", "function", "define", "name"]
_WORD = re.compile(r"[A-Za-z0-9_]*\Z")
# Names of connectors' events and lists have dots, those of templates too.
_NAME = re.compile(r"[A-Za-z0-9_.]*\Z")
_NAMED_BY = {"setting": "settings", "posted": "streams"}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that may be written: `insert` replaces the `span`; `rank` orders it among the others."""

    label: str
    kind: Kind
    insert: str
    span: Span
    detail: str = ""
    about: str = ""
    rank: int = 1


@dataclass(frozen=True, slots=True)
class Here:
    """A cursor in a text: the line it is in, its column, and what it stands in."""

    place: Place
    cursor: Cursor
    line: int
    before: str
    after: str

    @property
    def gap(self) -> str:
        """What must come before a value: a space, where the cursor is right after the colon of a key."""
        return " " if not self.cursor.text and not self.cursor.style and self.before.endswith(":") else ""

    def span(self, form: re.Pattern[str]) -> Span:
        """The part of the line that a completion replaces: what is written of the word."""
        found = form.search(self.before)
        start = found.start() if found else len(self.before)
        return Span(self.line, start, self.line, len(self.before))


def here(text: str, path: str, line: int, column: int, last: Env | None) -> Here | None:
    """What a cursor stands in; None where nothing can be written, or nothing is known of the file."""
    cursor = locate(text, line, column)
    if cursor is None:
        return None
    written = text.split("\n")[line]
    before, after = written[:column], written[column:]
    env = understood(text, path, line, before, last)
    return None if env is None else Here(Place(env, cursor.steps), cursor, line, before, after)


def complete(text: str, path: str, line: int, column: int, last: Env | None = None) -> list[Item]:
    """Everything that may be written at a line and column, both counted from 0, in the order it is to be shown."""
    at = here(text, path, line, column, last)
    if at is None:
        return list(_first_keys(text, line, column))
    _, kind = described(at.cursor.steps)
    if is_expression(kind):
        return list(_in_expression(at))
    if at.cursor.role == "key" and isinstance(kind, Object | MapOf):
        return list(_keys(at, kind))
    return list(_values(at, kind))


def _first_keys(text: str, line: int, column: int) -> Iterator[Item]:
    """The keys of a file of which nothing can be read: most likely it has just been begun."""
    cursor = locate(text, line, column)
    if cursor is None or cursor.steps or cursor.role != "key":
        return
    kind = described(())[1]
    word = _WORD.search(text.split("\n")[line][:column])
    span = Span(line, word.start() if word else column, line, column)
    for key in kind.keys if isinstance(kind, Object) else ():
        yield _key_item(key, span, ":")


# --- keys -------------------------------------------------------------------------------------------------------------


def _keys(at: Here, kind: Object | MapOf) -> Iterator[Item]:
    env, steps = at.place.env, at.cursor.steps
    span = at.span(_WORD)
    ending = "" if re.match(r"[A-Za-z0-9_]*[ \t]*:", at.after) else ":"
    # What is being written is no key yet, and one that is being changed may stay.
    given = set(env.names(steps)) - {at.before[span.start :], _whole(at)}
    if isinstance(kind, Object):
        used = next((group for group in kind.one_of if given.intersection(group)), None)
        excluded = {key for group in kind.one_of if used is not None and group is not used for key in group}
        for key in kind.keys:
            if key.name not in given | excluded:
                yield _key_item(key, span, ending)
        return
    for name in names.keys(at.place):
        if name.text not in given:
            insert = f"{name.text}{ending} " if ending else name.text
            yield Item(name.text, "key", insert, span, name.detail, name.about)


def _whole(at: Here) -> str:
    """The whole word that the cursor stands in."""
    end = re.match(r"[A-Za-z0-9_]*", at.after)
    return at.before[at.span(_WORD).start :] + (end[0] if end else "")


def _key_item(key: Key, span: Span, ending: str) -> Item:
    nested = isinstance(key.type, Object | MapOf) or (
        isinstance(key.type, ListOf) and isinstance(key.type.item, Object)
    )
    insert = key.name + (ending if nested or not ending else f"{ending} ")
    detail = f"{wording.kind_in_words(key.type)}{', needed' if key.required else ''}"
    return Item(key.name, "key", insert, span, detail, wording.of_key(key), 0 if key.required else 1)


# --- values -----------------------------------------------------------------------------------------------------------


def _values(at: Here, kind: Type | None) -> Iterator[Item]:
    span = at.span(_NAME)
    found = names.values(at.place)
    taken = _in_list(at)
    gap = at.gap
    for name in found:
        if name.text not in taken:
            yield Item(name.text, "value", f"{gap}{name.text}", span, name.detail, name.about)
    if not found:
        item = kind.item if isinstance(kind, ListOf) else kind
        key = described(at.cursor.steps)[0]
        for word in _words(item, key):
            if word not in taken:
                yield Item(word, "value", f"{gap}{word}", span)


def _in_list(at: Here) -> frozenset[str]:
    """What the list already holds that the cursor stands in, but for the item it stands in."""
    *above, last = at.cursor.steps or ("",)
    if not isinstance(last, int):
        return frozenset()
    node = at.place.env.node(tuple(above))
    items = getattr(node, "items", ())
    return frozenset(getattr(item, "text", "") for index, item in enumerate(items) if index != last)


def _words(kind: Type | None, key: Key | None) -> tuple[str, ...]:
    """The words that a type of the language allows, or examples of it."""
    match kind:
        case Choice():
            return kind.options
        case Boolean():
            return ("true", "false")
        case Integer():
            return (str(kind.minimum),) if kind.minimum == kind.maximum else ()
        case Text() if kind.what == "duration" and key is not None:
            return tuple(dict.fromkeys((key.example, "5m", "30m", "1h", "6h", "1d")))
        case _:
            return ()


# --- expressions ------------------------------------------------------------------------------------------------------


def _in_expression(at: Here) -> Iterator[Item]:
    found = spot(at.cursor.text)
    if found.kind == "text":
        yield from _texts(at, found)
    elif found.kind == "name":
        yield from _fields(at, found)
        if not found.after_dot or found.head.rstrip(" .").endswith(("]", "}", ")")):
            yield from _functions(at, found)


def _texts(at: Here, found: Spot) -> Iterator[Item]:
    """Names and values that may stand in single quotes."""
    span = _of(at, found.word)
    if found.call is not None:
        for name in names_for(at.place, found.call):
            yield Item(name.text, "name", name.text, span, name.detail, name.about)
        return
    data, root = at.place.data()
    for choice in compared_with(found, data, at.place.env.scope(), root):
        yield Item(choice, "value", choice, span)


def names_for(place: Place, call: tuple[str, int]) -> Iterable[Name]:
    """The names that the argument of a function may be: lookups, settings, streams."""
    spec = FUNCTIONS.get(call[0])
    if spec is None or call[1] or not spec.parameters or spec.parameters[0].type != "name":
        return ()
    return names.declared(place, _NAMED_BY.get(spec.name, "lookups"))


def _fields(at: Here, found: Spot) -> Iterator[Item]:
    data, root = at.place.data()
    current = read_from(found, data, at.place.env.scope(), root)
    span = _of(at, found.word)
    for name, kind in current.fields:
        yield Item(name, "field", _spelt(name), span, wording.type_in_words(kind), wording.of_field(name, kind), 0)


def _spelt(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f'"{name}"'


def _functions(at: Here, found: Spot) -> Iterator[Item]:
    span = _of(at, found.word)
    ending = "" if at.after.startswith("(") else "("
    for name, expr in at.place.env.scope().define.items():
        if at.cursor.steps[:2] != ("define", name):
            yield Item(name, "define", f"{name}{ending}", span, "define", wording.of_define(name, expr), 2)
    for spec in FUNCTIONS.values():
        yield Item(spec.name, "function", f"{spec.name}{ending}", span, _signature(spec), wording.of_function(spec), 3)


def _signature(spec: FunctionSpec) -> str:
    return f"{spec.signature} -> {spec.result}"


def _of(at: Here, word: str) -> Span:
    return Span(at.line, len(at.before) - len(word), at.line, len(at.before))
