"""What can be written to Ramp and which of its lists are kept for lookups, as data."""

from __future__ import annotations

from engine.spec import ListSpec, RequestSpec

REQUESTS: tuple[RequestSpec, ...] = ()
LISTS: tuple[ListSpec, ...] = ()
