"""What a migration does to rows that SQL cannot: it follows the scripts of its number, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Carries out a statement, with a `?` for each value.
Run = Callable[[str, Sequence[str | int]], Sequence[Sequence[Any]]]

_PAGE = 5000
_NEXT = """
SELECT company, target_id, reference FROM sightings WHERE (company, target_id) > (?, ?)
ORDER BY company, target_id LIMIT ?
"""
_FOLD = "UPDATE sightings SET reference = ? WHERE company = ? AND target_id = ?"


def follow(number: int, run: Run) -> None:
    """Do what follows the scripts of a migration."""
    step = _STEPS.get(number)
    if step is not None:
        step(run)


def _fold_references(run: Run) -> None:
    """A number counts in any case. To both stores `lower`, which was used before, knows the letters of ASCII alone."""
    company = target_id = ""
    while rows := run(_NEXT, (company, target_id, _PAGE)):
        for company, target_id, reference in rows:
            folded = reference.casefold()
            if folded != reference:
                run(_FOLD, (folded, company, target_id))


_STEPS: Mapping[int, Callable[[Run], None]] = {30: _fold_references}
