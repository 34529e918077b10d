"""What the tests of the language server share: a flow with every key, and texts in which a caret marks the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.validate.corpus import HERE, world

CARET = "‸"
PATH = HERE / "good" / "full.yaml"
FULL = PATH.read_text(encoding="utf-8")


@pytest.fixture
def connectors() -> Iterator[None]:
    """The two small connectors of the flow checks, and no shipped templates."""
    with world():
        yield


def cursor(text: str) -> tuple[str, int, int]:
    """A text without its caret, and the caret's line and column, both from 0."""
    before, _, after = text.partition(CARET)
    return before + after, before.count("\n"), len(before) - before.rfind("\n") - 1


def edited(right: str, wrong: str, text: str = FULL) -> str:
    """The flow with one part exchanged, which must be there once."""
    assert text.count(right) == 1, right
    return text.replace(right, wrong)


def path_beside(name: str) -> str:
    """The path of a file beside the flow."""
    return str(Path(PATH).with_name(name))
