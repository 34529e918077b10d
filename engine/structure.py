"""Checks a document against the description of the flow language: unknown, missing, misspelt and misplaced parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from engine.diagnostics import Diagnostic, Edit, Location, clearly_meant, nearest, suggestion
from engine.language import Boolean, Choice, Integer, Key, ListOf, MapOf, Object, Scalar, Text, Type
from engine.yamlsource import SYNTAX, ListNode, MapNode, Node, ScalarNode, shorten

Steps = tuple[str | int, ...]

UNKNOWN_KEY = "F010"
MISSING_KEY = "F011"
WRONG_KIND = "F013"
WRONG_WORD = "F014"
BAD_NAME = "F015"
BAD_FORM = "F016"
ONE_OF = "F017"
TOO_FEW = "F018"
BAD_NUMBER = "F019"
REPEATED = "F020"


def dotted(steps: Sequence[str | int]) -> str:
    """The path of keys as people write it: `streams.bills.select[0].only`."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def check_structure(node: Node, kind: Type, path: str) -> list[Diagnostic]:
    """Every structural problem below `node`."""
    checker = _Checker(path)
    checker.check(node, kind, (), node)
    return checker.problems


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


class _Checker:
    """Walks node and description side by side and collects problems."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Diagnostic] = []

    def check(self, node: Node, kind: Type, steps: Steps, owner: Node, key: Key | None = None) -> None:
        """Check one value; `owner` is the key or item it belongs to, where a missing part is reported."""
        match kind:
            case Object():
                self._object(node, kind, steps, owner, key)
            case MapOf():
                self._map(node, kind, steps, key)
            case ListOf():
                self._list(node, kind, steps, key)
            case _:
                self._leaf(node, kind, steps, key)

    def _report(
        self, node: Node, code: str, steps: Steps, message: str, hint: str | None, new: str | Edit | None = None
    ) -> None:
        """Add a problem; `new` is what to write instead of the scalar's text, or the whole edit."""
        where = Location(self.path, node.line, node.column)
        if isinstance(new, str):
            new = Edit(where, node.text, new) if new and isinstance(node, ScalarNode) else None
        self.problems.append(Diagnostic(where, code, dotted(steps), message, hint, edit=new))

    def _wrong_kind(self, node: Node, wanted: str, steps: Steps, key: Key | None, *, names: bool = False) -> None:
        hint = f"write it like this: {key.name}: {key.example}" if key else f"give it {wanted}"
        edit = (
            as_kind(node, "list" if names else _KINDS.get(wanted, ""), self.path)
            if isinstance(node, ScalarNode)
            else None
        )
        if edit is not None:
            hint = f"write it like this: {key.name}: {edit.new}" if key else f"write {edit.new}"
        elif wanted in ("a text", "an expression") and isinstance(node, ScalarNode) and node.text:
            hint = f'put it in quotes: "{shorten(node.text)}"'
        self._report(node, WRONG_KIND, steps, f"{wanted} is expected, and this is {_kind(node)}", hint, edit)

    # -- mappings and lists

    def _object(self, node: Node, kind: Object, steps: Steps, owner: Node, key: Key | None) -> None:
        if not isinstance(node, MapNode):
            self._wrong_kind(node, f"{kind.what} with keys", steps, key)
            return
        known = {k.name: k for k in kind.keys}
        node = self._uncut(node, steps)
        given = [name.text for name, _ in node.entries]
        misspelt: set[str] = set()
        free = [name for name in known if name not in given] if len(known.keys() | given) > len(known) else []
        meant = [clearly_meant(name, free) for name in given if name not in known]
        for name, value in node.entries:
            if name.text in known:
                self.check(value, known[name.text].type, (*steps, name.text), name, known[name.text])
                continue
            misspelt.update(nearest(name.text, known))
            message = f"`{shorten(name.text)}` is not a key of {kind.what}"
            clear = clearly_meant(name.text, free)
            # Two keys that mean the same one: which of them is right is not for us to say.
            new = clear if meant.count(clear) == 1 else ""
            self._report(name, UNKNOWN_KEY, steps, message, suggestion(name.text, known), new)
        self._required(kind, set(given), misspelt, steps, owner)
        if len(given) < kind.minimum:
            self._report(owner, TOO_FEW, steps, f"{kind.what} needs at least one key", f"known: {', '.join(known)}")

    def _uncut(self, node: MapNode, steps: Steps) -> MapNode:
        """The mapping without keys that are pieces of a text: in { } a comma ends one that is not quoted."""
        kept: list[tuple[ScalarNode, Node]] = []
        cut: dict[str, list[str]] = {}
        for name, value in node.entries:
            before = kept[-1][1] if kept else None
            is_piece = isinstance(value, ScalarNode) and not value.text and not name.style
            if is_piece and isinstance(before, ScalarNode) and not before.style:
                pieces = cut.get(kept[-1][0].text, [before.text])
                if _is_open(", ".join(pieces)):
                    cut[kept[-1][0].text] = [*pieces, name.text]
                    continue
            kept.append((name, value))
        if not cut:
            return node
        sound = MapNode(tuple(kept), node.line, node.column)
        for key, pieces in cut.items():
            self._cut(sound, key, ", ".join(pieces), steps)
        return sound

    def _cut(self, node: MapNode, key: str, whole: str, steps: Steps) -> None:
        """Report a text that commas have cut into pieces."""
        value = node.get(key)
        assert isinstance(value, ScalarNode)
        at = Location(self.path, value.line, value.column)
        edit = None if set('"\\') & set(whole) or _is_open(whole) else Edit(at, whole, f'"{whole}"')
        message = f"`{shorten(value.text)}` is cut off by the comma after it"
        hint = f'inside {{ }}, put the whole expression in double quotes: "{shorten(whole)}"'
        self._report(value, SYNTAX, (*steps, key), message, hint, edit)

    def _required(self, kind: Object, given: set[str], misspelt: set[str], steps: Steps, owner: Node) -> None:
        for key in kind.keys:
            # A key that was only misspelt has been reported; to call it missing as well would be noise.
            if key.required and key.name not in given and key.name not in misspelt:
                hint = f"{key.help} Write it like this: {key.name}: {key.example}"
                self._report(owner, MISSING_KEY, steps, f"{kind.what} needs `{key.name}`", hint)
        if not kind.one_of:
            return
        used = [group for group in kind.one_of if given.intersection(group)]
        names = " or ".join(f"`{group[0]}`" for group in kind.one_of)
        if len(used) > 1:
            both = " and ".join(f"`{name}`" for group in used for name in group if name in given)
            self._report(owner, ONE_OF, steps, f"{both} exclude each other", f"give {names}, and only one of them")
        elif not (used and used[0][0] in given) and not misspelt.intersection(group[0] for group in kind.one_of):
            self._report(owner, ONE_OF, steps, f"{kind.what} needs {names}", "give one of them")

    def _map(self, node: Node, kind: MapOf, steps: Steps, key: Key | None) -> None:
        if not isinstance(node, MapNode):
            self._wrong_kind(node, "a mapping", steps, key)
            return
        node = self._uncut(node, steps)
        for name, value in node.entries:
            if not _pattern(kind.key.pattern).fullmatch(name.text):
                message = f"`{shorten(name.text)}` cannot be a name here"
                self._report(name, BAD_NAME, steps, message, kind.key.form)
            self.check(value, kind.value, (*steps, name.text), name)
        if len(node.entries) < kind.minimum:
            self._report(node, TOO_FEW, steps, "at least one is needed", None if key is None else _like(key))

    def _list(self, node: Node, kind: ListOf, steps: Steps, key: Key | None) -> None:
        if kind.short and isinstance(node, ScalarNode) and isinstance(node.value, str):
            self._leaf(node, kind.short, steps, key)
            return
        if not isinstance(node, ListNode):
            named = isinstance(kind.item, Choice) or (isinstance(kind.item, Text) and kind.item.pattern != "")
            self._wrong_kind(node, "a list", steps, key, names=named)
            return
        for index, item in enumerate(node.items):
            self.check(item, kind.item, (*steps, index), item)
        if len(node.items) < kind.minimum:
            self._report(node, TOO_FEW, steps, "at least one item is needed", None if key is None else _like(key))
        if kind.unique:
            seen: set[str] = set()
            for index, item in enumerate(node.items):
                if isinstance(item, ScalarNode) and isinstance(item.value, str):
                    if item.text in seen:
                        message = f"`{shorten(item.text)}` is in this list twice"
                        self._report(item, REPEATED, (*steps, index), message, "remove one of the two")
                    seen.add(item.text)

    # -- single values

    def _leaf(
        self, node: Node, kind: Text | Choice | Integer | Boolean | Scalar, steps: Steps, key: Key | None
    ) -> None:
        match kind:
            case Scalar():
                if not isinstance(node, ScalarNode) or isinstance(node.value, Decimal):
                    self._wrong_kind(node, "a text", steps, None)
            case Boolean():
                if not isinstance(node, ScalarNode) or not isinstance(node.value, bool):
                    self._wrong_kind(node, "true or false", steps, key)
            case Integer():
                self._integer(node, kind, steps, key)
            case Choice():
                if not isinstance(node, ScalarNode) or node.value is None:
                    self._wrong_kind(node, "a word", steps, key)
                elif not isinstance(node.value, str) or node.text not in kind.options:
                    message = f"`{shorten(node.text)}` is not a known {kind.what}"
                    self._report(
                        node,
                        WRONG_WORD,
                        steps,
                        message,
                        suggestion(node.text, kind.options),
                        clearly_meant(node.text, kind.options),
                    )
            case Text():
                self._text(node, kind, steps, key)

    def _integer(self, node: Node, kind: Integer, steps: Steps, key: Key | None) -> None:
        if not isinstance(node, ScalarNode) or not isinstance(node.value, int) or isinstance(node.value, bool):
            self._wrong_kind(node, "a whole number", steps, key)
        elif not kind.minimum <= node.value <= kind.maximum:
            between = f"{kind.minimum}" if kind.minimum == kind.maximum else f"{kind.minimum} to {kind.maximum}"
            self._report(node, BAD_NUMBER, steps, f"`{node.value}` is not known here", f"known: {between}")

    def _text(self, node: Node, kind: Text, steps: Steps, key: Key | None) -> None:
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            self._wrong_kind(node, "an expression" if kind.what == "expression" else "a text", steps, key)
        elif not node.text:
            self._report(node, TOO_FEW, steps, "this text is empty", None if key is None else _like(key))
        elif kind.pattern and not _pattern(kind.pattern).fullmatch(node.text):
            code = BAD_NAME if kind.name else BAD_FORM
            new = as_duration(node.text) if kind.what == "duration" else ""
            hint = f"did you mean `{new}`? {kind.form}" if new else kind.form
            self._report(node, code, steps, f"`{shorten(node.text)}` is not a {kind.what}", hint, new)


# --- one value written as another -------------------------------------------------------------------------------------

# What is wanted, in the words of the messages -> the kind of scalar it is.
_KINDS = {
    "true or false": "boolean",
    "a whole number": "integer",
    "a text": "text",
    "an expression": "expression",
}

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y"), "true"),
    **dict.fromkeys(("false", "no", "off", "n"), "false"),
}
# In any case of letters.
_DURATION = r"(?i)([1-9][0-9]{0,4})\s*(s|sec|m|min|minute|h|hr|hour|d|day|second)s?"
_PLAIN_WORD = r"[A-Za-z][A-Za-z0-9_.]*"


def as_kind(node: ScalarNode, kind: str, path: str) -> Edit | None:
    """How a scalar is written as a `boolean`, `integer`, `text`, `expression` or `list`; None when that is not clear."""
    quote = node.style if node.style in ("'", '"') else ""
    if node.style and not quote:
        return None  # a block of several lines
    new = _as_kind(node, kind)
    at = Location(path, node.line, node.column - len(quote))
    return Edit(at, f"{quote}{node.text}{quote}", new) if new else None


def _as_kind(node: ScalarNode, kind: str) -> str:
    text = node.text
    if kind == "boolean" and isinstance(node.value, str):
        return _BOOLEANS.get(text.casefold(), "")
    if kind == "integer" and isinstance(node.value, str):
        return text if re.fullmatch(r"-?[0-9]{1,9}", text) else ""
    if kind == "list" and isinstance(node.value, str) and not node.style and re.fullmatch(_PLAIN_WORD, text):
        return f"[{text}]"
    if isinstance(node.value, str) or node.value is None:
        return ""
    # A number or a boolean where a text stands: in an expression it is a literal.
    literal = text.casefold() if isinstance(node.value, bool) else text
    return {"text": f'"{text}"', "expression": f'"`{literal}`"'}.get(kind, "")


def as_duration(text: str) -> str:
    """`6h` for `6 hours`; empty when it is no duration in any words."""
    found = re.fullmatch(_DURATION, text.strip())
    return f"{found[1]}{found[2][0].lower()}" if found else ""


def _is_open(text: str) -> bool:
    bare = re.sub(r"'[^']*'", "", text)
    return any(bare.count(left) > bare.count(right) for left, right in ("()", "[]"))


def _like(key: Key) -> str:
    return f"write it like this: {key.name}: {key.example}"


def _kind(node: Node) -> str:
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MapNode):
        return "a mapping"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return f"the boolean `{node.text}`"
    return f"the text `{shorten(node.text)}`" if isinstance(node.value, str) else f"the number `{node.text}`"
