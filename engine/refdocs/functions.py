"""The page of functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.refdocs.markdown import code_of, json_of, page, sentence, table

if TYPE_CHECKING:
    from engine.mapping import FunctionSpec


def functions_page() -> str:
    """Every function that an expression can call."""
    from engine.mapping import FUNCTIONS
    from engine.mapping.catalogue import OWN

    own = {spec.name for spec in OWN}
    intro = (
        "Expressions are [JMESPath](https://jmespath.org/specification.html) with exact numbers and these functions. "
        "A text stands in single quotes, a number, true, false or null in backquotes: `'USD'`, `` `41` ``. Numbers are "
        "whole or decimal; no amount ever passes through a float. Most functions of text, money and dates give null "
        "for null. A `define` of the flow is called like a function of one argument: `gl(@)`."
    )
    ours = [spec for name, spec in FUNCTIONS.items() if name in own]
    theirs = [spec for name, spec in FUNCTIONS.items() if name not in own]
    parts = [
        "## flowctl's own functions", _functions(ours),
        "## Functions of JMESPath",
        _functions(theirs),
    ]  # fmt: skip
    return page("Functions", intro, parts)


def _functions(specs: Iterable[FunctionSpec]) -> str:
    rows = [
        (code_of(spec.signature), sentence(spec.help), code_of(spec.example), code_of(json_of(spec.gives)), spec.result)
        for spec in specs
    ]
    return table(("function", "meaning", "example", "gives", "kind"), rows)
