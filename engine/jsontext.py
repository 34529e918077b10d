"""JSON text for storing and hashing: fast, compact, and the same text for the same value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

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


def own(text: str) -> Any:
    """The value of JSON that we wrote ourselves, with no integer beyond 64 bits in it: orjson would make it a float.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # A lone surrogate, which the slow encoder writes as an escape.
        return json.loads(text)


def _encode(value: object, option: int, slow: Callable[[object], str]) -> str:
    try:
        return orjson.dumps(value, default=str, option=option).decode()
    except TypeError:
        return slow(value)
