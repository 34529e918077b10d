"""The page of what `flowctl validate` can report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.refdocs.markdown import block, page, sentence

if TYPE_CHECKING:
    from engine.flowlang.codes import Code

_CODE_GROUPS = (
    ("F00", "Reading the file"),
    ("F01", "Structure"),
    ("F02", "Structure, and names that must exist"),
    ("F03", "What connectors and templates offer"),
    ("F04", "What streams read, compare and write"),
    ("F05", "Warnings: parts that nothing uses"),
    ("F06", "Documents"),
    ("E1", "Expressions"),
)


def errors_page() -> str:
    """Every code that `flowctl validate` can report."""
    from engine.flowlang.codes import codes

    intro = (
        "Every code that `flowctl validate` can report, with an example that fails and one that passes; `flowctl explain "
        "F024` prints one. The examples stand at the place that is named; those without a place are whole files. A line "
        "of its output reads: file, line, column, level, code, place in the file, what is wrong; a hint follows. Codes "
        "never change their meaning."
    )
    parts: list[str] = []
    group = ""
    for code in codes().values():
        title = next((name for prefix, name in _CODE_GROUPS if code.code.startswith(prefix)), "Other")
        if title != group:
            parts.append(f"## {title}")
            group = title
        parts += _described(code)
    return page("Errors of flow files", intro, parts)


def _described(code: Code) -> Iterator[str]:
    yield f"### {code.code}"
    title = sentence(code.title)
    said = f"**{title[:-1]}.**" + (f" {code.meaning}" if sentence(code.meaning) != title else "")
    yield f"{said} {code.todo}" + (" It is a warning: the flow runs." if code.level == "warning" else "")
    place = f" at `{code.at}`" if code.at else ""
    if code.bad:
        yield f"Fails{place}:"
        yield block("yaml", code.file(code.bad))
    if code.good:
        yield "Passes:"
        yield block("yaml", code.file(code.good))
