"""Every function an expression can call, by name."""

from __future__ import annotations

from collections.abc import Mapping

from engine.mapping.functions import OWN as PLAIN
from engine.mapping.functions import FunctionSpec
from engine.mapping.matching import MATCHING
from engine.mapping.standard import STANDARD

# What is ours, and no part of JMESPath.
OWN: tuple[FunctionSpec, ...] = (*PLAIN, *MATCHING)
FUNCTIONS: Mapping[str, FunctionSpec] = {spec.name: spec for spec in sorted((*OWN, *STANDARD), key=lambda s: s.name)}
