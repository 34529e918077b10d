"""What the word at a place of a flow means: a key, a name, a function or a field; for hovers and for going to it."""

from __future__ import annotations

import re
from dataclasses import replace

from engine.dataclass import dataclass
from engine.flowlang.language import Choice, MapOf, Object
from engine.flowlang.structure import Steps
from engine.lints.env import Env
from engine.lsp import names, wording
from engine.lsp.completion import Here, here, names_for
from engine.lsp.expressions import Spot, read_from, spot
from engine.lsp.names import SECTIONS, Name
from engine.lsp.positions import Span
from engine.lsp.project import Place, described, is_expression
from engine.mapping.catalogue import FUNCTIONS

# Words of expressions, and names of events, lists and templates, which have dots in them.
_WORD = re.compile(r"[A-Za-z0-9_]+")
_NAME = re.compile(r"[A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word means: Markdown, where it stands, the path where the flow declares it, or the template that it names."""

    about: str
    span: Span
    declared: Steps = ()
    template: str = ""


def meaning(text: str, path: str, line: int, column: int, last: Env | None = None) -> Meaning | None:
    """What the word at a line and column means, both counted from 0; None when nothing is known of it."""
    lines = text.split("\n")
    for form in (_NAME, _WORD):
        word = _at(lines[line] if line < len(lines) else "", column, form)
        if word is None:
            return None
        at = here(text, path, line, word.end(), last)
        if at is None or not at.cursor.text.endswith(word[0]):
            continue
        in_expression = is_expression(described(at.cursor.steps)[1]) and not _is_key(at)
        if in_expression == (form is _WORD):
            span = Span(line, word.start(), line, word.end())
            found = _in_expression(at) if in_expression else _in_yaml(at, word[0])
            return replace(found, span=span) if found is not None else None
    return None


def _at(line: str, column: int, form: re.Pattern[str]) -> re.Match[str] | None:
    """The word of a line that a column is in or at the end of."""
    return next((found for found in form.finditer(line) if found.start() <= column <= found.end()), None)


def _is_key(at: Here) -> bool:
    """Whether a colon follows, so that the word is a key."""
    return at.cursor.role == "key" and bool(re.match(r"[\"']?[ \t]*:", at.after))


def _meaning(about: str, declared: Steps = (), template: str = "") -> Meaning:
    return Meaning(about, Span(0, 0, 0, 0), declared, template)


def _of_name(name: Name) -> Meaning | None:
    return _meaning(name.about, name.declared) if name.about or name.declared else None


# --- keys and values --------------------------------------------------------------------------------------------------


def _in_yaml(at: Here, word: str) -> Meaning | None:
    place, steps = at.place, at.cursor.steps
    key, kind = described(steps)
    if _is_key(at):
        return _of_key(place, kind, word)
    if isinstance(kind, Choice):
        return _meaning(wording.of_key(key)) if key is not None else None
    if steps[-1:] == ("template",):
        used = names.variables(place, word)
        return _meaning(wording.of_template(word, used), template=word)
    found = next((name for name in names.values(place) if name.text == word), None)
    if found is None and "." in word:  # the connection of `books.Vendor`, whose list is not known
        section, name = "connections", word.partition(".")[0]
        return _declared(place, section, name)
    return _of_name(found) if found is not None else None


def _of_key(place: Place, kind: object, word: str) -> Meaning | None:
    steps = place.steps
    if isinstance(kind, Object):
        found = next((key for key in kind.keys if key.name == word), None)
        return _meaning(wording.of_key(found)) if found is not None else None
    if isinstance(kind, MapOf) and len(steps) == 1 and steps[0] in SECTIONS:
        return _declared(place, str(steps[0]), word)
    name = next((name for name in names.keys(place) if name.text == word), None)
    return _of_name(name) if name is not None else None


def _declared(place: Place, section: str, name: str) -> Meaning | None:
    if name not in place.env.declared(section):
        return None
    return _of_name(names.of_declared(place, section, name))


# --- expressions ------------------------------------------------------------------------------------------------------


def _in_expression(at: Here) -> Meaning | None:
    found = spot(at.cursor.text)
    if found.kind == "text":
        offered = names_for(at.place, found.call) if found.call is not None else ()
        name = next((name for name in offered if name.text == found.word), None)
        return _of_name(name) if name is not None else None
    if found.kind != "name" or not found.word:
        return None
    if re.match(r"[ \t]*\(", at.after):
        return _of_call(at.place, found.word)
    return _of_field(at.place, found)


def _of_call(place: Place, name: str) -> Meaning | None:
    if name in place.env.declared("define"):
        return _declared(place, "define", name)
    spec = FUNCTIONS.get(name)
    return _meaning(wording.of_function(spec)) if spec is not None else None


def _of_field(place: Place, found: Spot) -> Meaning | None:
    data, root = place.data()
    current = read_from(found, data, place.env.scope(), root)
    kind = current.field(found.word)
    if kind is None:
        return None
    # A check reads what the map gives: the entry is where the value comes from.
    base: Steps = ("streams", place.stream, "map")
    is_entry = data is not root and current.names == data.names and found.word in place.env.names(base)
    return _meaning(wording.of_field(found.word, kind), (*base, found.word) if place.stream and is_entry else ())
