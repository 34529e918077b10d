"""Expressions: JMESPath with exact numbers and our functions, checked when a flow is read and compiled to closures."""

from engine.mapping.compiler import FUNCTIONS, MapProgram, Program, compile_expression, compile_map
from engine.mapping.functions import FunctionSpec
from engine.mapping.scope import EvalContext, Scope

__all__ = [
    "FUNCTIONS",
    "EvalContext",
    "FunctionSpec",
    "MapProgram",
    "Program",
    "Scope",
    "compile_expression",
    "compile_map",
]
