"""QBXML as text and schema: pure functions with no store and no network.

Import from the module that holds a function: `envelope`, `queries` and `text` need no XML library, while `response`,
`check` and `lint` load lxml. The few names below load their module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.qbxml.check import check_request, freeze_request
    from engine.qbxml.errors import InvalidRequest, UnreadableAnswer, UnreadableRequest
    from engine.qbxml.response import parse_response

__all__ = [
    "InvalidRequest",
    "UnreadableAnswer",
    "UnreadableRequest",
    "check_request",
    "freeze_request",
    "parse_response",
]

_HOMES = {
    "InvalidRequest": "errors",
    "UnreadableAnswer": "errors",
    "UnreadableRequest": "errors",
    "check_request": "check",
    "freeze_request": "check",
    "parse_response": "response",
}


def __getattr__(name: str) -> object:
    """Load the module of an exported name, so that `flowctl --help` does not pay for lxml."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(name)
    return getattr(import_module(f"engine.qbxml.{home}"), name)
