"""Where the word at a place of a flow is declared: in the flow, or as the file of a template."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from engine.dataclass import dataclass
from engine.lints.env import Env
from engine.lsp.meaning import meaning
from engine.lsp.positions import Span


@dataclass(frozen=True, slots=True)
class Target:
    """A place in a file."""

    path: str
    span: Span


def definition(text: str, path: str, line: int, column: int, last: Env | None = None) -> Target | None:
    """Where what stands at a line and column is declared, both counted from 0; None when it is declared nowhere."""
    found = meaning(text, path, line, column, last)
    if found is None:
        return None
    if found.template:
        file = template_file(found.template, Path(path).parent)
        return Target(str(file), Span(0, 0, 0, 0)) if file is not None else None
    if not found.declared:
        return None
    from engine.lsp.project import understood

    env = understood(text, path, line, text.split("\n")[line], last)
    if env is None or not env.has(found.declared):
        return None
    at = env.at(found.declared, key=True)
    length = len(str(found.declared[-1]))
    return Target(path, Span(at.line - 1, at.column - 1, at.line - 1, at.column - 1 + length))


def template_file(name: str, folder: Path) -> Path | None:
    """The file of a template: in `templates` beside the flow, else the shipped one; None for one inside an archive."""
    shipped = resources.files("qbxml_templates").joinpath(name)
    for file in (folder / "templates" / name, shipped):
        if isinstance(file, Path) and file.is_file():
            return file
    return None
