"""Renders pages: Jinja2 with everything escaped, times in the company's zone, money in figures that stand in line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jinja2
from markupsafe import Markup

from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.overview import STATES
from engine.panel.hints import advised
from engine.runwords import KINDS
from engine.runwords import STATES as STATE_WORDS
from engine.standing import Count
from engine.titles import called

MINUS = "\N{MINUS SIGN}"
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
# What a state means, where somebody asks.
MEANING = {
    "pending": "will be prepared",
    "intended": "prepared, is sent next",
    "sent": "sent, no answer yet",
    "unknown": "sent, and nobody knows what became of it",
    "posted": "posted, the source is told next",
    "closed": "posted, and the source knows",
    "deferred": "waits for something that is missing",
    "failed": "was refused",
    "skipped": "is not to be written",
    "vanished": "was posted, and is gone from the target",
}
assert set(MEANING) == set(STATES) == set(STATE_WORDS)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to; `tag` changes when it does."""

    body: bytes
    kind: str
    tag: str


@cache
def assets() -> Mapping[str, Asset]:
    """The files of `static/`, by name."""
    found = {}
    for file in files("engine.panel").joinpath("static").iterdir():
        ending = file.name.rpartition(".")[2]
        if ending in _TYPES:
            body = file.read_bytes()
            found[file.name] = Asset(body, _TYPES[ending], sha256(body).hexdigest()[:16])
    return found


@cache
def environment() -> jinja2.Environment:
    """The templates; a name that is not there is an error, and nothing is trusted as markup."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_harmless,
    )
    made.filters |= {
        "when": when,
        "day": day,
        "money": money,
        "counted": counted,
        "number": number,
        "plain": plain,
        "called": called,
    }
    made.globals |= {
        "meaning": MEANING,
        "state_words": STATE_WORDS,
        "kind_words": KINDS,
        "asset": _asset,
        "ago": ago,
        "advised": advised,
    }
    return made


def _harmless(value: object) -> object:
    """Text from elsewhere without characters that nobody sees, and that could turn the text around them."""
    return _UNSEEN.sub("?", value) if type(value) is str else value


def _source(name: str) -> str | None:
    file = files("engine.panel").joinpath("templates", name)
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _asset(name: str) -> str:
    return f"/panel/static/{name}?{assets()[name].tag}"


def page(template: str, values: Mapping[str, object]) -> bytes:
    """A page's bytes. Half a letter, which JSON can carry and UTF-8 cannot, becomes a question mark."""
    return environment().get_template(template).render(values).encode("utf-8", "replace")


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """A time zone by its name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def when(moment: str | None, name: str = "UTC") -> Markup:
    """A moment in a zone, to the minute; the exact one in UTC is its title."""
    if not moment:
        return Markup("")
    at = from_iso(moment)
    local = at.astimezone(zone(name))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment, moment, local.strftime("%Y-%m-%d %H:%M"))


def day(text: str | None) -> str:
    """A day, or nothing."""
    return text or ""


def ago(moment: str | None, now: datetime) -> str:
    """How long ago, in one unit."""
    if not moment:
        return ""
    seconds = max(0, int((now - from_iso(moment)).total_seconds()))
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name} ago"
    return "just now"


def money(amount: str | Decimal | None, currency: str | None = "") -> str:
    """An amount for people: `1,050.00 USD`. It is never rounded."""
    if amount is None or amount == "":
        return ""
    try:
        exact = Decimal(amount)
    except ArithmeticError:
        return f"{amount} {currency or ''}".rstrip()
    # One with an exponent of thousands would be written out with as many zeros.
    shown = f"{exact:,f}" if exact.is_finite() and abs(exact.adjusted()) < 40 else str(exact)
    return f"{shown.replace('-', MINUS)} {currency or ''}".rstrip()


def counted(found: Count) -> str:
    """A count, `10,000+` where the counting stopped."""
    return f"{found.number:,}{'+' if found.is_more else ''}"


def number(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def plain(value: Any) -> str:
    """A value of JSON as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
