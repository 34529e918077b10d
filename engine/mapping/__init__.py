"""Expressions: JMESPath with exact numbers and our functions, checked when a flow is read and compiled to Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.mapping.analysis import analyse, analyse_map, named_in, settings_of
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.checks import CODES, check_defines, check_expression
from engine.mapping.functions import FunctionSpec, Parameter
from engine.mapping.scope import EvalContext, Scope, Watch
from engine.mapping.types import ResultType, object_type, record_type

if TYPE_CHECKING:
    from engine.mapping.compiler import (
        ConditionsProgram,
        MapProgram,
        Program,
        compile_conditions,
        compile_expression,
        compile_map,
    )

__all__ = [
    "CODES",
    "FUNCTIONS",
    "ConditionsProgram",
    "EvalContext",
    "FunctionSpec",
    "MapProgram",
    "Parameter",
    "Program",
    "ResultType",
    "Scope",
    "Watch",
    "analyse",
    "analyse_map",
    "check_defines",
    "check_expression",
    "compile_conditions",
    "compile_expression",
    "compile_map",
    "named_in",
    "object_type",
    "record_type",
    "settings_of",
]


def __getattr__(name: str) -> object:
    """The compiler loads when it is first asked for: `validate` compiles nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from engine.mapping import compiler

    return getattr(compiler, name)
