"""JSON text for storing and hashing: fast, compact, and the same text for the same value."""

from __future__ import annotations

import json
from collections.abc import Callable

import orjson

_SORTED = orjson.OPT_SORT_KEYS
# What orjson refuses (integers beyond 64 bits, lone surrogates) still has to be stored and hashed: vendors send anything.
_slow = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str).encode
_slow_sorted = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str, sort_keys=True).encode


def plain(value: object) -> str:
    """Compact JSON; Decimal and dates as text."""
    return _encode(value, 0, _slow)


def canonical(value: object) -> str:
    """Compact JSON with sorted keys, so that equal values give equal digests."""
    return _encode(value, _SORTED, _slow_sorted)


def _encode(value: object, option: int, slow: Callable[[object], str]) -> str:
    try:
        return orjson.dumps(value, default=str, option=option).decode()
    except TypeError:
        return slow(value)
