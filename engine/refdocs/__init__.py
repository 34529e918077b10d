"""The reference pages, built from the code itself: `python -m engine.refdocs` writes them to docs/reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.refdocs.commands import commands_page
from engine.refdocs.connectors import connectors_page
from engine.refdocs.environment import environment_page
from engine.refdocs.errors import errors_page
from engine.refdocs.flows import flows_page
from engine.refdocs.functions import functions_page
from engine.refdocs.language import language_page
from engine.refdocs.metrics import metrics_page
from engine.refdocs.outcomes import outcomes_page
from engine.refdocs.statuses import statuses_page
from engine.refdocs.templates import templates_page

FOLDER = Path("docs/reference")
# Results of long runs, written by those runs.
PUBLISHED = frozenset({"campaign.md", "crash-points.md", "swarm.md"})


def pages() -> Mapping[str, str]:
    """Every page by file name."""
    return {
        "commands.md": commands_page(),
        "connectors.md": connectors_page(),
        "environment.md": environment_page(),
        "errors.md": errors_page(),
        "flows.md": flows_page(),
        "functions.md": functions_page(),
        "language.md": language_page(),
        "metrics.md": metrics_page(),
        "quickbooks-statuses.md": statuses_page(),
        "run-time-errors.md": outcomes_page(),
        "templates.md": templates_page(),
    }


def main(folder: Path = FOLDER) -> int:
    """Write the pages; a page that nothing writes any more is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made and old.name not in PUBLISHED:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0
