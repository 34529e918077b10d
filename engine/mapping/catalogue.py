"""Every function an expression can call, by name."""

from __future__ import annotations

from collections.abc import Mapping

from engine.mapping.functions import OWN, FunctionSpec
from engine.mapping.standard import STANDARD

FUNCTIONS: Mapping[str, FunctionSpec] = {spec.name: spec for spec in sorted((*OWN, *STANDARD), key=lambda s: s.name)}
