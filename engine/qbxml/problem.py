"""One thing that is wrong with a QBXML element, worded for an integrator."""

from __future__ import annotations

from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong and where: `xpath` starts at the request element, `line` counts within the rendered request."""

    xpath: str
    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Word the problem on one or two lines."""
        first = f"{self.line}: {self.xpath}: {self.message}"
        return f"{first}\n  hint: {self.hint}" if self.hint else first
