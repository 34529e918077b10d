"""Pieces of Markdown that the pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by `python -m engine.refdocs`. Change the code it describes, not this page. -->"


def page(title: str, intro: str, parts: Iterable[str]) -> str:
    """A whole page; empty parts are left out."""
    return "\n\n".join([f"# {title}", NOTE, intro, *(part for part in parts if part)]) + "\n"


def cell(value: object) -> str:
    """Text inside a table: one line, with its bars escaped."""
    return " ".join(str(value).split()).replace("|", "\\|")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table without the columns that are empty in every row; nothing when there are no rows."""
    texts = [[cell(value) for value in row] for row in rows]
    if not texts:
        return ""
    kept = [i for i in range(len(header)) if any(row[i] for row in texts)]
    lines = [[header[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in texts)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def block(language: str, text: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip()}\n```"


def ticked(values: Iterable[object]) -> str:
    """Values as inline code, with commas between."""
    return ", ".join(f"`{value}`" for value in values)


def sentence(text: str) -> str:
    """One line with a capital and a full stop."""
    text = " ".join(text.split())
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:]


def code_of(text: str) -> str:
    """Inline code that may itself hold backquotes."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def json_of(value: object) -> str:
    """A value as JSON."""
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


def shown(value: str | int | bool | None) -> str:
    """A default as inline code; nothing for none."""
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
