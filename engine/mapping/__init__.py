"""Expressions: JMESPath with exact numbers and our functions, checked when a flow is read and compiled to Python."""

from engine.mapping.analysis import analyse, analyse_map, named_in, settings_of
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.checks import CODES, check_defines, check_expression
from engine.mapping.compiler import (
    ConditionsProgram,
    MapProgram,
    Program,
    compile_conditions,
    compile_expression,
    compile_map,
)
from engine.mapping.functions import FunctionSpec, Parameter
from engine.mapping.scope import EvalContext, Scope, Watch
from engine.mapping.types import ResultType, object_type, record_type

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
