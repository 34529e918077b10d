"""What is wrong with a file that is no YAML, and what to do, in the terms of someone who writes flow files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import yaml

from engine.dataclass import dataclass

QUOTE_HINT = 'put text that holds any of : # , [ ] { } \' " ` in double quotes, inside and out: "items[0].name"'
_SETTINGS = "a flow reads no variables of the environment: declare a setting, and read it with setting('name')"
BRACES = "an expression names its fields without {{ }}: vendor.name"
# What the parser says, a part of it -> what is wrong, what to do. The first that fits is taken.
_WORDING: tuple[tuple[str, str, str], ...] = (
    ("cannot start any token", "text cannot start with this character", QUOTE_HINT),
    (
        "mapping values are not allowed",
        "`: ` is not expected here",
        "quote text with a colon, or check the indentation",
    ),
    ("block sequence entries", "a list item is not expected here", "begin it on a line of its own, below the key"),
    ("block scalar", "text goes on after a quote, or after `|` or `>` at the end of a key", QUOTE_HINT),
    ("found unknown escape", "this escape is not known in double quotes", r"write a backslash twice: \\"),
    ("found unexpected end of stream", "a quote is never closed", "close it, or use the other kind of quotes"),
    ("found unexpected document", "a quote is never closed", "close it, or use the other kind of quotes"),
    ("could not find expected ':'", "a key without `: `", "write `key: value`, or check the indentation"),
    ("expected ',' or ']'", "the list in [ ] is not closed, or a text in it needs quotes", QUOTE_HINT),
    ("expected ',' or '}'", "the mapping in { } is not closed, or a text in it needs quotes", QUOTE_HINT),
    ("expected key", "this does not belong to the mapping", "check the indentation; " + QUOTE_HINT),
    ("expected <block end>", "this does not belong here", "check the indentation; " + QUOTE_HINT),
    ("expected '-'", "a list goes on without `-`", "begin each item with `- `, and indent all of them alike"),
    ("expected node content", "a value is missing", "write a value before this place"),
    ("undefined tag", "a flow file has no tags", "remove the text that starts with `!`, or quote it"),
    ("expected <document start>", "this is not expected after the end of the document", "check the indentation"),
    ("scanning an alias", "an alias `*` has no name, and a flow file has none", "put text with * in double quotes"),
    ("scanning an anchor", "an anchor `&` has no name, and a flow file has none", "put text with & in double quotes"),
)


@dataclass(frozen=True, slots=True)
class _Fault:
    """What the parser said, and where: the index in the text, the start of that line, and what was open."""

    text: str
    at: int
    start: int
    said: str
    opened: yaml.Mark | None
    is_below: bool

    @property
    def line(self) -> str:
        """The line without its comment."""
        return self.text[self.start :].split("\n", 1)[0].split(" #", maxsplit=1)[0].rstrip()

    @property
    def before(self) -> str:
        """The line up to the place."""
        return self.text[self.start : self.at]


# An index, a message and a hint.
Worded = tuple[int, str, str]


def worded(error: yaml.MarkedYAMLError, text: str) -> Worded:
    """Where the file breaks the rules of YAML, as an index into its text, what is wrong there, and what to do."""
    said = f"{error.context or ''} {error.problem or ''}".replace("did not find expected", "expected").strip()
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    at = min(mark.index, len(text)) if mark else 0
    is_below = mark is not None and opened is not None and opened.line != mark.line
    fault = _Fault(text, at, _line_start(text, at), said, opened, is_below)
    for look in _LOOKS:
        if (found := look(fault)) is not None:
            return found
    unknown = (f"this is not YAML: {said}", QUOTE_HINT)
    message, hint = next(((m, h) for part, m, h in _WORDING if part in said), unknown)
    if opened and is_below and ("flow" in said or "quoted" in said):
        message += f"; it was opened at {opened.line + 1}:{opened.column + 1}"
    return at, message, hint


def quoted_hint(text: str, at: int) -> str:
    """How the plain value that begins at an index is written in quotes."""
    value = rest_of_value(text, at)
    return QUOTE_HINT if '"' in value or not value else f'put the whole value in double quotes: "{value}"'


def rest_of_value(text: str, at: int) -> str:
    """The plain text of a value from an index on: to the end of its line, or in { } and [ ] to the next comma."""
    line = text[at:].split("\n", 1)[0].split(" #", maxsplit=1)[0].rstrip()
    before = text[_line_start(text, at) : at]
    inside = before.count("{") + before.count("[") > before.count("}") + before.count("]")
    return re.split(r",\s|[}\]]*$", line)[0].rstrip() if inside else line


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _no_colon(fault: _Fault) -> Worded | None:
    """A key whose colon is missing, or has no space after it."""
    if "could not find expected ':'" not in fault.said or fault.opened is None:
        return None
    at = fault.opened.index
    line = fault.text[at:].split("\n", 1)[0].split(" #", maxsplit=1)[0].rstrip()
    message = "a key without `: `"
    if glued := re.fullmatch(r"([A-Za-z_][\w-]*):(\S.*)", line):
        return at, message, f"write a space after the colon: {glued[1]}: {glued[2]}"
    if re.fullmatch(r"[A-Za-z_][\w-]*", line):
        return at, message, f"write a colon after it: {line}:"
    return at, message, "write `key: value`, or check the indentation"


def _quote_that_goes_on(fault: _Fault) -> Worded | None:
    """A quote that was forgotten is closed by the next one, lines below; what follows there is what cannot be read."""
    last = None
    for token in _tokens(fault.text):
        if token.start_mark.index >= fault.at:
            break
        if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
            last = token
    if last is None or last.start_mark.line == last.end_mark.line or fault.text[last.end_mark.index : fault.at].strip():
        return None
    end = last.end_mark
    message = f"the quote that opens here is closed only at {end.line + 1}:{end.column}"
    return last.start_mark.index, message, f"close it on this line with {last.style}"


def _tokens(text: str) -> Iterator[yaml.Token]:
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        yield from yaml.scan(text, loader)
    except yaml.YAMLError:
        return


def _odd_start(fault: _Fault) -> Worded | None:
    if "cannot start any token" not in fault.said:
        return None
    text, at = fault.text, fault.at
    char = text[at : at + 1]
    if char == "\t":
        return at, "a tab cannot indent or begin a value", "use spaces"
    return at, f"text cannot start with {'a backtick' if char == '`' else f'`{char}`'}", quoted_hint(text, at)


def _of_templates(fault: _Fault) -> Worded | None:
    """`${NAME}` and `{{ name }}`, as other programs have them."""
    text, at = fault.text, fault.at
    if text[at - 1 : at] not in ("$", "{") or text[at : at + 1] != "{":
        return None
    message = "the mapping in { } is not closed, or a text in it needs quotes"
    return at, message, _SETTINGS if text[at - 1] == "$" else BRACES


def _apostrophe(fault: _Fault) -> Worded | None:
    if fault.text[fault.at - 1 : fault.at] != "'" or not fault.text[fault.at : fault.at + 1].isalnum():
        return None
    hint = "write an apostrophe in it twice: isn''t; or put the text in double quotes"
    return fault.at, "the text in single quotes ends here", hint


def _no_break_space(fault: _Fault) -> Worded | None:
    at = fault.text.find("\u00a0", fault.start, fault.at + 1)
    if at < 0:
        return None
    return at, "a no-break space (U+00A0) is no indentation", "write an ordinary space instead"


def _second_colon(fault: _Fault) -> Worded | None:
    """`: ` in a value: a text with a colon, or a line that is indented deeper than the one it belongs with."""
    text, at, message = fault.text, fault.at, "`: ` is not expected here"
    if "mapping values" in fault.said:
        if pair := re.match(r"\s*(?:- )?([\w-]+): ([^'\"{\[|>].*: .*)", fault.line):
            hint = "quote text with a colon, or check the indentation"
            return at, message, hint if '"' in pair[2] else f'put the text in double quotes: {pair[1]}: "{pair[2]}"'
        above = text[: fault.start].rstrip("\n").rsplit("\n", 1)[-1]
        indent = len(above) - len(above.lstrip())
        if above.strip() and len(fault.line) - len(fault.line.lstrip()) > indent and not above.rstrip().endswith(":"):
            return at, message, f"begin the line in column {indent + 1}, like the one above it"
    elif text[at : at + 2] == ": " and ": " in fault.before:
        return at, message, quoted_hint(text, text.rindex(": ", fault.start, at) + 2)
    return None


def _not_closed(fault: _Fault) -> Worded | None:
    """A bracket that is still open where a line begins with a key: it should have been closed on the line before."""
    text, at, start, opened = fault.text, fault.at, fault.start, fault.opened
    is_key = re.match(r"[\w-]+:\s", text[at:]) is not None and not fault.before.strip()
    is_key = is_key or (text[at : at + 1] == ":" and re.fullmatch(r"\s*[\w-]+", fault.before) is not None)
    if opened is None or not is_key or "flow" not in fault.said or not fault.is_below:
        return None
    before = _line_start(text, start - 1)
    line = text[before : start - 1].split(" #", maxsplit=1)[0].rstrip()
    bracket = text[opened.index]
    message = f"`{bracket}` was opened at {opened.line + 1}:{opened.column + 1} and is not closed here"
    return before + len(line), message, f"add {'}' if bracket == '{' else ']'}, or put a text that goes on in quotes"


def _wrong_bracket(fault: _Fault) -> Worded | None:
    """`]` where a mapping is open, or `}` where a list is."""
    found = fault.text[fault.at : fault.at + 1]
    wanted = {"}": "]", "]": "}"}.get(found, "")
    if "flow" not in fault.said or not wanted or f"or '{wanted}'" not in fault.said or fault.is_below:
        return None
    what = "list in [ ]" if wanted == "]" else "mapping in { }"
    return fault.at, f"the {what} is not closed", f"add {wanted} before this {found}"


def _text_after_a_quote(fault: _Fault) -> Worded | None:
    """A value that begins with a text in quotes and goes on, or one in { } or [ ] that needs quotes."""
    if whole := re.fullmatch(r"\s*(?:- )?[\w-]+: ('[^\"]*)", fault.line):
        from engine.mapping.wording import as_join  # words are only needed where something is wrong

        joined = as_join(whole[1])
        if joined or "block scalar" in fault.said:
            message = "text goes on after a quote, or after `|` or `>` at the end of a key"
            hint = f'put the whole value in double quotes: "{joined or whole[1]}"'
            return fault.at, "text goes on after a quote" if joined else message, hint
    value = re.search(r"[:,\[] ([A-Za-z_]\w*)$", fault.before)
    if value is None or "flow" not in fault.said or fault.is_below:
        return None
    what = "list in [ ]" if "sequence" in fault.said else "mapping in { }"
    hint = quoted_hint(fault.text, fault.at - len(value[1]))
    return fault.at, f"the {what} is not closed, or a text in it needs quotes", hint


def _columns(fault: _Fault) -> Worded | None:
    """A line that begins in no column of what it belongs to."""
    text, at, opened = fault.text, fault.at, fault.opened
    if fault.before.strip() or opened is None or "'-'" in fault.said or "flow" in fault.said:
        return None
    if text.startswith("- ", at):
        hint = "begin the item above it with `- ` too, in the same column"
        return at, "a list item is not expected here", hint
    message = next((m for part, m, _ in _WORDING if part in fault.said), "")
    if not message or not re.match(r"[\w-]+:\s", text[at:]):
        return None
    above = text[: fault.start].rstrip().rsplit("\n", 1)[-1]
    columns = {opened.column + 1: "", len(above) - len(above.lstrip()) + 1: " like the line above it"}
    shown = ", or ".join(f"{column}{note}" for column, note in columns.items())
    return at, message, f"check the indentation: begin it in column {shown}"


# What is looked for, the surest first.
_LOOKS: tuple[Callable[[_Fault], Worded | None], ...] = (
    _no_colon,
    _quote_that_goes_on,
    _odd_start,
    _of_templates,
    _apostrophe,
    _no_break_space,
    _second_colon,
    _not_closed,
    _wrong_bracket,
    _text_after_a_quote,
    _columns,
)
