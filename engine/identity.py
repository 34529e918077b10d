"""A memo that knows its arguments by identity: for large frozen objects that live as long as the process, as specs do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
# An editor that runs for days makes objects all the time; what was kept is then found out again.
MOST = 20_000


def by_identity(make: Callable[P, T]) -> Callable[P, T]:
    """Keep what a function gave for these very objects, positional ones: to compare or to hash them would cost more."""
    kept: dict[tuple[int, ...], tuple[object, ...]] = {}

    @wraps(make)
    def known(*args: P.args, **kwargs: P.kwargs) -> T:
        assert not kwargs, "arguments are known by their place"
        key = tuple(map(id, args))
        found = kept.get(key)
        if found is None:
            if len(kept) >= MOST:
                kept.clear()
            # The arguments are kept as well, so that no other object can come to have their identity.
            found = kept[key] = (make(*args, **kwargs), args)
        return cast("T", found[0])

    return known
