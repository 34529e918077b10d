"""Whether two names are likely to mean the same company: how one person writes it, and how a card terminal prints it."""

from __future__ import annotations

import re
import unicodedata

ALIKE = 0.85
# What says how a company was founded, in the languages that its bills come in; never the first word of its name.
_FORMS = frozenset({
    "inc", "incorporated", "llc", "llp", "lp", "pllc", "ltd", "limited", "corp", "corporation", "co", "company", "plc",
    "pty", "gmbh", "mbh", "ag", "kg", "ohg", "ug", "sa", "sas", "sarl", "srl", "spa", "bv", "nv", "oy", "ab", "as", "aps",
})  # fmt: skip
# What stands before the number of a store.
_NUMBERED = frozenset({"store", "shop", "no", "nr", "unit", "branch", "location"})
_LITTLE = frozenset({"and", "the"})
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc`]")
# U.S., A.B.C.: letters with dots are one word.
_INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_WORD = re.compile(r"#?[^\W_]+")
# A name is compared up to here; nobody tells two companies apart by what comes later.
_LONGEST = 200


def similar(left: str | None, right: str | None) -> bool:
    """Whether two names are alike; a name that is not there is like no other.

    Case, accents, punctuation, company forms and store numbers do not count. Then the names are equal, or one has all
    words of the other, or `difflib` finds them to agree for `ALIKE` of their letters and their numbers are the same.
    """
    ours, theirs = sorted((words(left or ""), words(right or "")))
    if not (ours and theirs):
        return False
    if set(ours) <= set(theirs) or set(theirs) <= set(ours):
        return True
    if _numbered(ours) != _numbered(theirs):
        return False  # Studio 54 is not Studio 55, however few letters differ
    from difflib import SequenceMatcher  # `validate` compares no names

    return SequenceMatcher(None, " ".join(ours), " ".join(theirs), autojunk=False).ratio() >= ALIKE


def _numbered(name: list[str]) -> set[str]:
    return {word for word in name if any(c.isdecimal() for c in word)}


def words(name: str) -> list[str]:
    """The words of a name that tell it from others, folded."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", name[:_LONGEST]) if not unicodedata.combining(c)
    ).casefold()
    plain = _INITIALS.sub(lambda found: found[0].replace(".", ""), _APOSTROPHES.sub("", plain))
    found = _WORD.findall(plain)
    kept: list[str] = []
    for position, word in enumerate(found):
        before = found[position - 1] if position else ""
        if position and (word in _FORMS or _is_store(word, before)):
            if before in _NUMBERED and kept and kept[-1] == before and len(kept) > 1:
                kept.pop()
            continue
        kept.append(word.lstrip("#"))
    return [word for word in kept if word not in _LITTLE] or kept


def _is_store(word: str, before: str) -> bool:
    """Whether a word is the number of a store: `#7`, `Store 7`, or a number of three digits and more."""
    digits = word.lstrip("#")
    return digits.isdecimal() and (word != digits or before in _NUMBERED or len(digits) >= 3)
