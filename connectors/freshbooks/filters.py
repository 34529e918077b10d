"""Applies a stream's filters to its records.

They are applied here and never by FreshBooks: it ignores a key that it does not know and answers with everything, and a bill
that leaves a filtered list while it is read would move the rows behind it over the edge of a page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.freshbooks.spec import SPEC
from engine.diagnostics import suggestion
from engine.errors import Rejected

Filters = Mapping[str, str | int | bool | None]


def keeper(where: str, stream: str, filters: Filters) -> tuple[str, Callable[[Mapping[str, Any]], bool]]:
    """The question as text, the same for the same filters, and a test for records.

    A record is dropped only when it says the contrary of what was asked for, never for saying nothing.

    Raises:
        Rejected: for a filter the stream does not have.
    """
    spec = SPEC.stream(stream)
    known = tuple(f.name for f in spec.filters) if spec is not None else ()
    for name in filters:
        if name not in known:
            raise Rejected(f"{where}: `{stream}` has no filter `{name}`", hint=suggestion(name, known))
    asked = {name: _plain(value) for name, value in sorted(filters.items()) if value is not None}

    def keep(record: Mapping[str, Any]) -> bool:
        return all((given := record[name]) is None or _plain(given) == wanted for name, wanted in asked.items())

    return "&".join(f"{name}={wanted}" for name, wanted in asked.items()), keep


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
