"""Checks a document against the description of the flow language: unknown, missing, misspelt and misplaced parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from engine.diagnostics import Diagnostic, Edit, Location, clearly_meant, nearest, suggestion
from engine.flowlang.language import Boolean, Choice, Integer, Key, ListOf, MapOf, Object, Scalar, Text, Type
from engine.flowlang.otherwords import other_word
from engine.flowlang.yamlsource import SYNTAX, TOO_BIG, ListNode, MapNode, Node, ScalarNode, shorten
from engine.identity import by_identity

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
# More problems of one file help nobody; a file of a megabyte may have a hundred thousand.
MAX_PROBLEMS = 500


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
    if checker.more is not None:
        where = Location(path, checker.more.line, checker.more.column)
        message = f"here is the first of more than {MAX_PROBLEMS} problems that are not shown"
        checker.problems.append(Diagnostic(where, TOO_BIG, "", message, "mend those above, and check again"))
    return checker.problems


@by_identity
def _keys(kind: Object) -> Mapping[str, Key]:
    return {key.name: key for key in kind.keys}


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


class _Checker:
    """Walks node and description side by side and collects problems."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Diagnostic] = []
        self.more: Node | None = None

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
        if len(self.problems) >= MAX_PROBLEMS:
            self.more = self.more or node
            return
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
        elif wanted == "an expression":
            hint = _as_expression(node)
        elif wanted == "a text" and isinstance(node, ScalarNode) and node.text:
            hint = f'put it in quotes: "{shorten(node.text)}"'
        self._report(node, WRONG_KIND, steps, f"{wanted} is expected, and this is {_kind(node)}", hint, edit)

    # -- mappings and lists

    def _object(self, node: Node, kind: Object, steps: Steps, owner: Node, key: Key | None) -> None:
        if not isinstance(node, MapNode):
            self._report(
                node,
                WRONG_KIND,
                steps,
                f"{kind.what} with keys is expected, and this is {_kind(node)}",
                _written(node, kind, key),
            )
            return
        known = _keys(kind)
        node = self._uncut(node, steps)
        given = [name.text for name, _ in node.entries]
        misspelt: set[str] = set()
        free = [name for name in known if name not in given] if len(known.keys() | given) > len(known) else []
        meant = [clearly_meant(name, free) for name in [name for name in given if name not in known][:MAX_PROBLEMS]]
        for name, value in node.entries:
            if name.text in known:
                self.check(value, known[name.text].type, (*steps, name.text), name, known[name.text])
                continue
            if self.more is not None:
                continue
            misspelt.update(nearest(name.text, known))
            message = f"`{shorten(name.text)}` is not a key of {kind.what}"
            clear = clearly_meant(name.text, free)
            # Two keys that mean the same one: which of them is right is not for us to say.
            new = clear if meant.count(clear) == 1 else ""
            other = "" if clear else other_word(name.text, free)
            self._report(name, UNKNOWN_KEY, steps, message, suggestion(name.text, known, clear or other), new)
        self._required(kind, set(given), misspelt, steps, owner)
        if len(given) < kind.minimum:
            self._report(owner, TOO_FEW, steps, f"{kind.what} needs at least one key", f"known: {', '.join(known)}")

    def _uncut(self, node: MapNode, steps: Steps) -> MapNode:
        """The mapping without keys that are pieces of a text: in { } a comma ends one that is not quoted."""
        if not any(isinstance(value, ScalarNode) and not value.text for _, value in node.entries):
            return node
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
            self._report(owner, ONE_OF, steps, f"{kind.what} needs {names}", f"add {names}, and only one of them")

    def _map(self, node: Node, kind: MapOf, steps: Steps, key: Key | None) -> None:
        if not isinstance(node, MapNode):
            self._wrong_kind(node, "a mapping", steps, key)
            return
        node = self._uncut(node, steps)
        for name, value in node.entries:
            if not _pattern(kind.key.pattern).fullmatch(name.text):
                message = f"`{shorten(name.text)}` cannot be a name here"
                meant = _as_form(kind.key, name.text)
                hint = f"did you mean `{meant}`? {kind.key.form}" if meant else kind.key.form
                self._report(name, BAD_NAME, steps, message, hint)
            self.check(value, kind.value, (*steps, name.text), name)
        if len(node.entries) < kind.minimum:
            self._report(node, TOO_FEW, steps, "at least one is needed", None if key is None else _like(key))

    def _list(self, node: Node, kind: ListOf, steps: Steps, key: Key | None) -> None:
        if kind.short and isinstance(node, ScalarNode) and isinstance(node.value, str):
            self._leaf(node, kind.short, steps, key)
            return
        if not isinstance(node, ListNode):
            self._wrong_kind(
                node, "a list", steps, key, names=isinstance(node, ScalarNode) and _fits(kind.item, node.text)
            )
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
                        self._report(
                            item, REPEATED, (*steps, index), message, f"remove one of the two `{shorten(item.text)}`"
                        )
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
                    clear = clearly_meant(node.text, kind.options)
                    other = other_word(node.text, kind.options)
                    self._report(
                        node, WRONG_WORD, steps, message, suggestion(node.text, kind.options, clear or other), clear
                    )
            case Text():
                self._text(node, kind, steps, key)

    def _integer(self, node: Node, kind: Integer, steps: Steps, key: Key | None) -> None:
        if not isinstance(node, ScalarNode) or not isinstance(node.value, int) or isinstance(node.value, bool):
            self._wrong_kind(node, "a whole number", steps, key)
        elif not kind.minimum <= node.value <= kind.maximum:
            between = (
                f"{kind.minimum}" if kind.minimum == kind.maximum else f"a number from {kind.minimum} to {kind.maximum}"
            )
            self._report(node, BAD_NUMBER, steps, f"`{shorten(node.text)}` is not known here", f"write {between}")

    def _text(self, node: Node, kind: Text, steps: Steps, key: Key | None) -> None:
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            if kind.pattern:
                message = f"a {kind.what} is expected, and this is {_kind(node)}"
                self._report(
                    node, WRONG_KIND, steps, message, kind.form if key is None else f"{kind.form}; {_like(key)}"
                )
                return
            self._wrong_kind(node, "an expression" if kind.what == "expression" else "a text", steps, key)
        elif not node.text:
            self._report(node, TOO_FEW, steps, "this text is empty", None if key is None else _like(key))
        elif kind.pattern and not _pattern(kind.pattern).fullmatch(node.text):
            code = BAD_NAME if kind.name else BAD_FORM
            new = as_duration(node.text) if kind.what == "duration" else ""
            meant = new or _as_form(kind, node.text)
            hint = f"did you mean `{meant}`? {kind.form}" if meant else kind.form
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


def _as_form(kind: Text, text: str) -> str:
    """A name or a template's file name as it would be written, for a text that is nearly one; else empty."""
    if kind.what == "template":
        found = text.rsplit("/", 1)[-1].removesuffix(".j2").removesuffix(".xml") + ".xml.j2"
    else:
        found = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower() if kind.name else ""
    return found if len(found) < 60 and found != text and _pattern(kind.pattern).fullmatch(found) else ""


def _fits(kind: Type, text: str) -> bool:
    """Whether a text could be an item of this kind."""
    if isinstance(kind, Choice):
        return text in kind.options or clearly_meant(text, kind.options) != ""
    return isinstance(kind, Text) and kind.pattern != "" and _pattern(kind.pattern).fullmatch(text) is not None


def _as_expression(node: Node) -> str:
    if isinstance(node, ScalarNode):
        return 'write an expression; "`null`" when there is to be nothing'
    return f"put the whole expression in double quotes: {_QUOTED[isinstance(node, ListNode)]}"


_QUOTED = {True: '"[name, memo]"', False: '"{name: name}"'}


def _written(node: Node, kind: Object, key: Key | None) -> str:
    """How an object is written, with the text that stands there instead as the one key that it needs."""
    if key is not None:
        return _like(key)
    needed = [k for k in kind.keys if k.required] or list(kind.keys[:1])
    if kind.what == "a flow":
        return "begin with `flow: name`, and one key a line"
    given = (
        node.text
        if isinstance(node, ScalarNode) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+", node.text)
        else ""
    )
    shown = (f"{k.name}: {given if given and len(needed) == 1 else k.example}" for k in needed)
    return f"write it like this: {{{', '.join(shown)}}}"


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
