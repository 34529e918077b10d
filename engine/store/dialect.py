"""What is written for SQLite and PostgreSQL alike, in PostgreSQL's words: statements and the types of migrations."""

from __future__ import annotations

import re
from functools import cache

from engine.dataclass import dataclass
from engine.store.base import statements

_COMMENT = re.compile(r"--[^\n]*")
_AMONG = re.compile(r"(NOT\s+)?IN\s+\(SELECT value FROM json_each\(:(\w+)\)\)")
_TERM = r"(?:'[^']*'|:\w+|[\w.]+)"
_LIKE = re.compile(rf"\bLIKE(\s+{_TERM}(?:\s*\|\|\s*{_TERM})*)(\s+ESCAPE\b)?")
# A column has the name `fetch`, which is a word of PostgreSQL's.
_TOKEN = re.compile(r"'(?:[^']|'')*'|::|:(\w+)|\?|%|\bfetch\b")
_TYPE = re.compile(r"'(?:[^']|'')*'|\b(?:INTEGER|BLOB|TEXT|fetch)\b")
# Texts are compared and ordered byte by byte, as on SQLite, whatever the database's own collation is.
_TYPES = {"INTEGER": "BIGINT", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"', "fetch": '"fetch"'}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with psycopg's placeholders; the parameters among `lists` are JSON lists, and become arrays."""

    text: str
    lists: frozenset[str]


@cache
def statement(name: str) -> Statement:
    """A named statement for PostgreSQL.

    Raises:
        KeyError: there is none of this name.
    """
    return translated(statements("postgres")[name])


def translated(text: str) -> Statement:
    """A statement in PostgreSQL's words."""
    text = _COMMENT.sub("", text)
    lists = frozenset(found.group(2) for found in _AMONG.finditer(text))
    text = _AMONG.sub(
        lambda found: f"<> ALL(:{found.group(2)})" if found.group(1) else f"= ANY(:{found.group(2)})", text
    )
    return Statement(_TOKEN.sub(_placed, _LIKE.sub(_alike, text)).strip(), lists)


def _alike(found: re.Match[str]) -> str:
    """SQLite's LIKE knows no case of ASCII's letters, as ILIKE of a text in collation "C", and no escape unless told."""
    pattern, escape = found.groups()
    return f"ILIKE{pattern}{escape}" if escape else f"ILIKE{pattern} ESCAPE ''"


def _placed(found: re.Match[str]) -> str:
    if found.group(1):
        return f"%({found.group(1)})s"
    word = found.group()
    return {"?": "%s", "fetch": '"fetch"'}.get(word) or word.replace("%", "%%")


def migration(script: str) -> str:
    """The script of a migration that is written for both, with PostgreSQL's types."""
    return _TYPE.sub(lambda found: _TYPES.get(found.group(), found.group()), _COMMENT.sub("", script))
