"""What is wrong with a file that is no YAML, and what to do, in the terms of someone who writes flow files."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

QUOTE_HINT = 'put text that holds any of : # , [ ] { } \' " ` in double quotes, inside and out: "items[0].name"'
_SETTINGS = "a flow reads no variables of the environment: declare a setting, and read it with setting('name')"
_BRACES = "an expression names its fields without {{ }}: vendor.name"
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


def worded(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str, str]:
    """Where the file breaks the rules of YAML, as an index into its text, what is wrong there, and what to do."""
    said = f"{error.context or ''} {error.problem or ''}".replace("did not find expected", "expected").strip()
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(text)) if mark else 0
    opened = error.context_mark
    start = _line_start(text, at)
    if "could not find expected ':'" in said and opened is not None:
        return _no_colon(text, opened.index)
    if (found := _quote_that_goes_on(text, at)) is not None:
        return found
    message, hint = next(((m, h) for part, m, h in _WORDING if part in said), (f"this is not YAML: {said}", QUOTE_HINT))
    if "cannot start any token" in said:
        message, hint = _odd_start(text, at)
    elif text[at - 1 : at] in ("$", "{") and text[at : at + 1] == "{":
        hint = _SETTINGS if text[at - 1] == "$" else _BRACES
    elif text[at - 1 : at] == "'" and text[at : at + 1].isalnum():
        message = "the text in single quotes ends here"
        hint = "write an apostrophe in it twice: isn''t; or put the text in double quotes"
    elif "\u00a0" in text[start : at + 1]:
        at = text.index("\u00a0", start)
        message, hint = "a no-break space (U+00A0) is no indentation", "write an ordinary space instead"
    elif "mapping values" in said:
        message, hint = _second_colon(text, start, message, hint)
    elif text[at : at + 2] == ": " and ": " in text[start:at]:
        message, hint = "`: ` is not expected here", quoted_hint(text, text.rindex(": ", start, at) + 2)
    elif text.startswith("- ", at) and not text[start:at].strip():
        message, hint = "a list item is not expected here", "begin the item above it with `- ` too, in the same column"
    elif (
        opened is not None
        and "'-'" not in said
        and re.match(r"(- )?[\w-]+:\s", text[at:])
        and not text[start:at].strip()
    ):
        if "flow" in said and mark is not None and opened.line != mark.line:
            return _not_closed(text, start, opened)
        hint = _columns(text, start, opened)
    if opened and mark and opened.line != mark.line and ("flow" in said or "quoted" in said):
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


def _no_colon(text: str, at: int) -> tuple[int, str, str]:
    """A key whose colon is missing, or has no space after it."""
    line = text[at:].split("\n", 1)[0].split(" #", maxsplit=1)[0].rstrip()
    message = "a key without `: `"
    if glued := re.fullmatch(r"([A-Za-z_][\w-]*):(\S.*)", line):
        return at, message, f"write a space after the colon: {glued[1]}: {glued[2]}"
    if re.fullmatch(r"[A-Za-z_][\w-]*", line):
        return at, message, f"write a colon after it: {line}:"
    return at, message, "write `key: value`, or check the indentation"


def _odd_start(text: str, at: int) -> tuple[str, str]:
    char = text[at : at + 1]
    if char == "\t":
        return "a tab cannot indent or begin a value", "use spaces"
    return f"text cannot start with {'a backtick' if char == '`' else f'`{char}`'}", quoted_hint(text, at)


def _not_closed(text: str, start: int, opened: yaml.Mark) -> tuple[int, str, str]:
    """A bracket that is still open where a line begins with a key: it should have been closed on the line before."""
    line = text[_line_start(text, start - 1) : start - 1].split(" #", maxsplit=1)[0].rstrip()
    closer = {"{": "}", "[": "]"}[text[opened.index]]
    message = f"`{text[opened.index]}` was opened at {opened.line + 1}:{opened.column + 1} and is not closed here"
    return _line_start(text, start - 1) + len(line), message, f"add {closer}, or put a text that goes on in quotes"


def _columns(text: str, start: int, opened: yaml.Mark) -> str:
    """Where a line could begin that begins in no column of what it belongs to."""
    above = text[:start].rstrip().rsplit("\n", 1)[-1]
    columns = {opened.column + 1: "", len(above) - len(above.lstrip()) + 1: " like the line above it"}
    return "check the indentation: begin it in column " + ", or ".join(f"{at}{note}" for at, note in columns.items())


def _second_colon(text: str, start: int, message: str, hint: str) -> tuple[str, str]:
    """`: ` in a value: a text with a colon, or a line that is indented deeper than the one it belongs with."""
    line = text[start:].split("\n", 1)[0]
    if pair := re.match(r"\s*(?:- )?([\w-]+): ([^'\"{\[|>].*: .*)", line):
        value = pair[2].split(" #")[0].rstrip()
        return message, hint if '"' in value else f'put the text in double quotes: {pair[1]}: "{value}"'
    before = text[:start].rstrip("\n").rsplit("\n", 1)[-1]
    indent = len(before) - len(before.lstrip())
    if before.strip() and len(line) - len(line.lstrip()) > indent and not before.rstrip().endswith(":"):
        return message, f"begin the line in column {indent + 1}, like the one above it"
    return message, hint


def _quote_that_goes_on(text: str, at: int) -> tuple[int, str, str] | None:
    """A quote that was forgotten is closed by the next one, lines below; what follows there is what cannot be read."""
    last = None
    for token in _tokens(text):
        if token.start_mark.index >= at:
            break
        if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
            last = token
    if last is None or last.start_mark.line == last.end_mark.line or text[last.end_mark.index : at].strip():
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
