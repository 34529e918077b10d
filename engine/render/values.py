"""Values as text: what a template prints is plain data, escaped, and within bounds."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import TemplateError

from engine.money import format_money, parse_money

MAX_OUTPUT = 4_000_000
MAX_STEPS = 1_000_000
TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
# Everything that the Char production of XML 1.0 leaves out; one such character makes QBWC drop the whole session.
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
join = "".join


class Refused(TemplateError):
    """A template does, or a value is, what no document may depend on."""

    def __init__(self, reason: str, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(reason)
        self.line = line
        self.hint = hint


class Missing(StrictUndefined):
    """A value that is not there; using it in any way but `is present` or `| optional` is an error."""

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"`{self._undefined_name}` is not among the values of this template"


class _Budget(threading.local):
    """What the render going on in this thread has used so far."""

    steps = 0
    size = 0

    def write(self, size: int) -> None:
        """Count characters."""
        self.size += size
        if self.size > MAX_OUTPUT:
            raise Refused(f"the document is larger than {MAX_OUTPUT:,} characters")

    def spend(self, steps: int) -> None:
        """Count loop rounds, each with the size of what it runs, and macro calls."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise Refused(f"the template takes more than {MAX_STEPS:,} steps")


BUDGET = _Budget()


class Xml(str):
    """Text that is already XML: made by `element`, `ref` and macros, and by nothing else."""

    __slots__ = ()


_EMPTY = Xml("")


def printed(value: object) -> str:
    """What `{{ value }}` writes. Every printed value passes here, so that none can go around the escaping."""
    if type(value) is Xml:
        return value
    text = _text(value)
    if '"' in text or "'" in text:
        text = text.replace('"', "&quot;").replace("'", "&apos;")
    return text


def wrapped(start: str, value: object, end: str) -> str:
    """`element` with a fixed tag, where it is printed."""
    if type(value) is str and value.isprintable() and len(value) <= 256:
        if "&" in value or "<" in value or ">" in value:
            value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"{start}{value}{end}" if value else ""
    return "" if value is None or value == "" else f"{start}{_text(value)}{end}"


def _text(value: object) -> str:
    """A value as XML text without illegal characters; quotes are left for `printed`, which may be in an attribute."""
    text = value if type(value) is str else _other_text(value)
    if not text.isprintable():
        text = ILLEGAL.sub("", text)
    if len(text) > 256:
        BUDGET.write(len(text))
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def _other_text(value: object) -> str:
    """The text of a value that is no plain str."""
    if isinstance(value, Decimal):
        return _amount(value)
    if isinstance(value, Undefined):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return str(value)
    if value is None:
        raise Refused(
            "an empty value (null) cannot be printed", hint="use `element(...)`, `| optional` or `is present`"
        )
    if isinstance(value, float):
        raise Refused(
            "a float reached the template", hint="money is a Decimal; make it one with `money(...)` in the map"
        )
    raise Refused(f"{_kind(value)} cannot be printed", hint="print one of its fields")


def _amount(value: Decimal) -> str:
    # An amount that is written with two places already, and no minus that could stand before a zero, stays as it is.
    text = str(value)
    return text if text[-3:-2] == "." and text[0] != "-" else format_money(value)


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else "a value of this kind"


@lru_cache(maxsize=1024)
def _tag(tag: str) -> str:
    if not TAG.fullmatch(tag):
        raise Refused("an element name may hold only letters, digits, `_`, `-` and `.`")
    return tag


def _element(tag: str, value: object) -> str:
    if value is None or value == "":
        return _EMPTY
    return Xml(f"<{_tag(tag)}>{_text(value)}</{tag}>")


def _ref(tag: str, value: object) -> str:
    return Xml(reference(_tag(tag), value))


def reference(tag: str, value: object) -> str:
    """`ref` with a checked tag, where it is printed."""
    if value is None:
        return ""
    if not (type(value) is dict or isinstance(value, Mapping)):
        if isinstance(value, Undefined):
            str(value)
        raise Refused(f"`ref` takes an object with `list_id` or `full_name`, not {_kind(value)}")
    if found := value.get("list_id"):
        short = type(found) is str and len(found) <= 64
        return _listed(tag, found) if short else _referred(tag, "ListID", found)
    if found := value.get("full_name"):
        return _referred(tag, "FullName", found)
    raise Refused("`ref` was given an object with neither `list_id` nor `full_name`")


def _referred(tag: str, kind: str, value: object) -> str:
    return f"<{tag}><{kind}>{_text(value)}</{kind}></{tag}>"


@lru_cache(maxsize=4096)
def _listed(tag: str, list_id: str) -> str:
    """The same accounts, classes and vendors are referred to over and over."""
    return _referred(tag, "ListID", list_id)


def _money(value: object) -> str:
    if isinstance(value, Undefined):
        str(value)
    return _amount(value if type(value) is Decimal else parse_money(value))


def _optional(value: object) -> object:
    return _EMPTY if value is None or isinstance(value, Undefined) else value


def is_present(value: object) -> bool:
    """The test `is present`."""
    return not (value is None or isinstance(value, Undefined) or value in ("", [], {}))


def _rounds(value: object, weight: int) -> object:
    """What a `for` may walk: a list, charged to the budget with the size of the loop's body."""
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, list | tuple):
        raise Refused("`for` walks a list, and this is none")
    BUDGET.spend(len(value) * weight)
    return value


def _length(value: object) -> int:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, str | list | tuple | Mapping):
        raise Refused("`length` takes a text, a list or an object")
    return len(value)


FILTERS: Mapping[str, Callable[..., object]] = {
    "money": _money,
    "optional": _optional,
    "length": _length,
}
HIDDEN_FILTERS: Mapping[str, Callable[..., object]] = {"_element": _element, "_ref": _ref, "_rounds": _rounds}
