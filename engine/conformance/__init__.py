"""The conformance suite: what every connector must do, run against its own simulator.

One line in a test file:

    from engine.conformance import conformance
    from flowctl_acme import CONNECTOR

    test_conformance = conformance(CONNECTOR)

Each check is one test. Which ones there are follows from what the connector has: streams, marks, webhooks, requests.
A check that finds nothing wrong passes; otherwise the test fails with everything that it found. pytest is imported only
by `conformance`; `checks_of` gives the checks themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from engine.conformance.bench import Subject
from engine.contract import Connector, Json
from engine.dataclass import dataclass
from engine.errors import UsageError

__all__ = ["Check", "Subject", "UnknownCheck", "checks_of", "conformance"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a connector must do; `problems` names what it does instead, a text each."""

    name: str
    says: str
    problems: Callable[[Subject], Iterator[str]]


class UnknownCheck(UsageError):
    """A check that is left out, with a reason, and does not exist."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        from engine.diagnostics import suggestion

        super().__init__(f"there is no check `{name}` for this connector", hint=suggestion(name, known))


def checks_of(subject: Subject) -> tuple[Check, ...]:
    """The checks that apply to a connector, in the order in which one makes sense of them."""
    from engine.conformance import describing, failing, hooks, reading, telling, writing
    from engine.contract import Webhooks
    from engine.simulated import Simulated

    found: list[Callable[[Subject], Iterator[str]]] = [
        describing.names,
        describing.documented,
        describing.secrets_marked,
        describing.requests_whole,
        describing.settings_checked,
        describing.loads_lightly,
    ]
    spec, plugin = subject.spec, subject.connector
    simulated: object = plugin
    if not isinstance(simulated, Simulated):
        return tuple(_check(each) for each in found)
    if spec.streams:
        found += [
            reading.reads_empty,
            reading.reads_one,
            reading.reads_many,
            reading.fits,
            reading.resumes,
            reading.unknown_stream,
            reading.keeps_quiet,
            reading.wrong_secrets,
            failing.redirects,
        ]
    if spec.marks:
        found += [telling.twice, telling.lost]
    if spec.streams:
        found.append(telling.refused)
    hooked: object = plugin
    if isinstance(hooked, Webhooks):
        found += [hooks.verifies, hooks.forged]
    if spec.requests and spec.delivery == "push":
        found.append(writing.refuses)
        if writing.shows_writes(subject):
            found += [writing.finds, writing.finds_lost]
    failures = [
        Check(f"fails_{fault.name}", fault.says, partial(_fails, fault=fault))
        for fault in (failing.FAULTS if spec.streams else ())
    ]
    return (*(_check(each) for each in found), *failures)


def _fails(subject: Subject, fault: Any) -> Iterator[str]:
    from engine.conformance.failing import fails

    return fails(subject, fault)


def _check(find: Callable[[Subject], Iterator[str]]) -> Check:
    return Check(find.__name__, (find.__doc__ or "").strip(), find)


def conformance(
    connector: Connector, *, without: Mapping[str, str] | None = None, vendor: Json | None = None
) -> Callable[..., None]:
    """A test for pytest that runs every check.

    `without` leaves some out: name of the check, and the reason. `vendor` holds more options for the simulator, where
    not every version of the vendor can do all that the connector offers.

    Raises:
        UnknownCheck: for a check in `without` that does not exist.
    """
    import pytest

    left_out = without or {}
    subject = Subject(connector, vendor or {})
    checks = checks_of(subject)
    for name in left_out:
        if name not in {check.name for check in checks}:
            raise UnknownCheck(name, tuple(check.name for check in checks))
    given = [
        pytest.param(
            check,
            id=check.name,
            marks=[pytest.mark.skip(reason=left_out[check.name])] if check.name in left_out else [],
        )
        for check in checks
    ]

    @pytest.mark.parametrize("check", given)
    def test(check: Check) -> None:
        found = list(check.problems(subject))
        if found:
            pytest.fail("\n".join([f"{connector.spec.name}: {check.says}", *found[:20]]), pytrace=False)

    return test
