"""The values of a flow's settings for a company: what its people set, what the target says of itself, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dataclass import dataclass
from engine.evidence import Told
from engine.model import Flow, Setting
from engine.program import FlowProgram
from engine.store import companies, facts
from engine.store.base import Tx

Value = str | int | bool
# Under this name it is kept what the target that comes to us said last.
_FACT = "told"


@dataclass(frozen=True, slots=True)
class Standing:
    """A setting's value that counts; `by` is the connection whose word it is, empty where it is nobody's or the company's.

    `own` is what the company set, None for nothing.
    """

    value: Value | None
    own: Value | None = None
    by: str = ""


def values(tx: Tx, company: str, program: FlowProgram) -> dict[str, Value | None]:
    """What an expression is given: every setting by name, and by its key where it is for a scope alone."""
    own = companies.settings(tx, company, program.flow.name)
    found: dict[str, Value | None] = {**program.settings, **own}
    if any(setting.told for setting in program.flow.settings):
        told = said(tx, company)
        found |= {each.name: standing(each, own, told).value for each in program.flow.settings if each.told}
    return found


def standings(tx: Tx, company: str, flow: Flow) -> dict[str, Standing]:
    """The same for people, in general."""
    own, told = companies.settings(tx, company, flow.name), said(tx, company)
    return {setting.name: standing(setting, own, told) for setting in flow.settings}


def standing(setting: Setting, own: Mapping[str, Value], said: Mapping[str, Told]) -> Standing:
    """Whose word counts: the target's where it is sure, the company's own, the target's guess, the default."""
    chosen, told = own.get(setting.name), said.get(setting.told) if setting.told else None
    if told is not None and (told.is_sure or chosen is None):
        return Standing(told.value, chosen, setting.connection)
    return Standing(setting.default if chosen is None else chosen, chosen)


def sure(tx: Tx, company: str, setting: Setting) -> str | None:
    """What the target is sure of, whatever anybody sets; None where it is not."""
    told = said(tx, company).get(setting.told) if setting.told else None
    return told.value if told is not None and told.is_sure else None


def said(tx: Tx, company: str) -> dict[str, Told]:
    """What the company's target said of itself last."""
    return _recalled(tx, company, _FACT)


def keep(tx: Tx, company: str, at: str, told: Mapping[str, Told]) -> None:
    """Keep what it says."""
    _remember(tx, company, at, _FACT, told)


def noted(tx: Tx, company: str, flow: Flow) -> dict[str, Told]:
    """What it had said when the records of a flow were last looked at anew for that; empty for never."""
    return _recalled(tx, company, f"{_FACT}:{flow.name}")


def note(tx: Tx, company: str, at: str, flow: Flow, told: Mapping[str, Told]) -> None:
    """The records of a flow are looked at anew with this word."""
    _remember(tx, company, at, f"{_FACT}:{flow.name}", told)


def _recalled(tx: Tx, company: str, name: str) -> dict[str, Told]:
    return {key: Told(*one) for key, one in (facts.recall(tx, company, name) or {}).items()}


def _remember(tx: Tx, company: str, at: str, name: str, told: Mapping[str, Told]) -> None:
    facts.remember(tx, company, at, name, {key: [one.value, one.is_sure] for key, one in told.items()})
