"""The faults of QBXML text, each a kind of `engine.errors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import BadAnswer, Bug, RenderError

if TYPE_CHECKING:
    from engine.qbxml.problem import Problem


class UnreadableAnswer(BadAnswer):
    """QuickBooks' answer cannot be read."""

    def __init__(self, reason: str, *, line: int = 0) -> None:
        where = f" at line {line}" if line else ""
        super().__init__(
            f"the answer of QuickBooks cannot be read{where}: {reason}",
            hint="nothing is known about these requests: ask QuickBooks for the status of the message set",
        )
        self.line = line


class UnreadableRequest(RenderError):
    """A rendered request is no XML that QuickBooks could read."""

    def __init__(self, request: str, line: int, reason: str) -> None:
        super().__init__(
            request,
            line,
            reason,
            hint="look at this line of the rendered request; values must go through the template's escaping",
        )


class InvalidRequest(RenderError):
    """A rendered request breaks the QBXML schema or a rule of QuickBooks."""

    def __init__(self, request: str, problems: Sequence[Problem]) -> None:
        first = problems[0]
        rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(request, first.line, f"{first.xpath}: {first.message}{rest}", hint=first.hint or None)
        self.problems = tuple(problems)


class UnknownRequest(Bug):
    """A request that our QBXML schema does not hold."""

    def __init__(self, request: str, known: Sequence[str]) -> None:
        from engine.diagnostics import suggestion

        super().__init__(f"there is no QBXML request `{request}` here", hint=suggestion(request, known))


class BadMessageSetId(Bug):
    """A message-set id that QuickBooks would refuse."""

    def __init__(self, attribute: str, value: str, limit: int) -> None:
        super().__init__(
            f"{attribute} must be 1 to {limit} printable ASCII characters, this one has {len(value)}",
            hint="QuickBooks answers 9004 to a longer id and then keeps nothing to recover from",
        )


class BadQuery(Bug):
    """A query that QBXML cannot express."""

    def __init__(self, request: str, reason: str) -> None:
        super().__init__(f"{request}: {reason}")


class BadNotation(Bug):
    """A line of our QBXML notation that cannot be read."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}", hint="common.qbx explains the notation")
