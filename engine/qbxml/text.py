# ruff: noqa: RUF001  (characters that look alike are what this module is about)
"""Text that survives QuickBooks: Windows-1252 characters only, nothing that XML 1.0 forbids, ASCII on the wire."""

from __future__ import annotations

import re
import unicodedata

from engine.dataclass import dataclass

# XML 1.0 section 2.2. A .NET client refuses a whole document for one of these.
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# C1 controls: legal in XML, absent from Windows-1252 as characters, and never meant by a person.
_C1 = re.compile("[\x80-\x9f]")

# What decomposition cannot find: letters that carry their mark through the body, and typographic signs.
_LETTERS = dict(zip("ĐđĦħŁłŊŋŦŧıĸſȷƏə", "DdHhLlNnTtiksjEe", strict=True))
_SIGNS = {
    **dict.fromkeys("‐‑‒―−⁃‣﹘－", "-"),
    **dict.fromkeys("′‛ʼʹʻ‵", "'"),
    **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("∗●○■□▪", "*"),
    **dict.fromkeys("✓✔", "v"),
    **dict.fromkeys("✗✘", "x"),
    **dict.fromkeys("\u2028\u2029", "\n"),
    "″": '"',
    "∶": ":",
    "ẞ": "SS",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "⇒": "=>",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "∞": "inf",
    "₤": "£",
    "₹": "Rs",
    "₽": "RUB",
    "₩": "KRW",
    "₪": "ILS",
    "₫": "VND",
    "₱": "PHP",
    "₺": "TRY",
    "₴": "UAH",
    "₦": "NGN",
    "₿": "BTC",
}
_TABLE = str.maketrans({**_LETTERS, **_SIGNS})


@dataclass(frozen=True, slots=True)
class SafeText:
    """Text that QuickBooks can store, and the characters that had to be replaced or removed to get there."""

    text: str
    replaced: tuple[str, ...] = ()


def _fits(char: str) -> bool:
    try:
        char.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _nearest(char: str) -> str:
    """The closest spelling of one character within Windows-1252, or `?`; combining marks and invisible ones vanish."""
    if _fits(char):
        return char
    known = char.translate(_TABLE)
    if known != char:
        return known
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    if category in {"Mn", "Me", "Cf", "Cc"}:
        return ""
    plain = "".join(
        part if _fits(part) else part.translate(_TABLE)
        for part in unicodedata.normalize("NFKD", char)
        if not unicodedata.combining(part)
    )
    return plain if plain and all(_fits(part) for part in plain) else "?"


def safe_text(text: str) -> SafeText:
    """The nearest text that QuickBooks can store, with a record of what was lost on the way."""
    if text.isascii() and not ILLEGAL.search(text):
        return SafeText(text)
    out: list[str] = []
    replaced: dict[str, None] = {}
    for char in unicodedata.normalize("NFC", text):
        near = "" if ILLEGAL.match(char) or _C1.match(char) else _nearest(char)
        if near != char:
            replaced[char] = None
        out.append(near)
    return SafeText("".join(out), tuple(replaced))


def to_windows_1252_safe(text: str) -> str:
    """NFC, transliterated into Windows-1252 (`?` when nothing is near), without characters that XML forbids."""
    return safe_text(text).text


def outside_windows_1252(text: str) -> tuple[str, ...]:
    """The characters of a text that QuickBooks cannot store, each once."""
    if text.isascii():
        return ()
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return tuple(char for char in dict.fromkeys(text) if not _fits(char))
    return ()


def escape(text: str) -> str:
    """XML character data in pure ASCII: markup escaped, every other character as a numeric reference.

    A carriage return must be a reference or a parser turns it into a line feed (XML 1.0 section 2.11).
    """
    marked = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    marked = marked.replace("\r", "&#13;")
    return marked if marked.isascii() else marked.encode("ascii", "xmlcharrefreplace").decode("ascii")
