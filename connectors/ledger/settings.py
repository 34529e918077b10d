"""Reads a ledger connection's settings, and says what is wrong with them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.ledger.spec import FORMATS
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location, suggestion
from engine.errors import Rejected, SettingMissing

if TYPE_CHECKING:
    from engine.contract import Binding

CHARTS = (".csv", ".json")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Settings:
    """A ledger connection's settings, complete and checked."""

    company: str
    path: Path
    format: str
    chart: Path | None
    currency: str


def read_settings(binding: Binding) -> Settings:
    """The settings of a connection.

    Raises:
        SettingMissing: when no path was ever given.
        Rejected: when a setting has a value that cannot be used.
    """
    if not _text(binding, "path"):
        raise SettingMissing(binding.company, binding.connection, ("path",))
    wrong = problems(binding)
    if wrong:
        raise Rejected(f"{wrong[0].location}: {wrong[0].where}: {wrong[0].message}", hint=wrong[0].hint)
    chart = _text(binding, "chart")
    return Settings(
        binding.company,
        Path(_text(binding, "path")),
        _text(binding, "format") or FORMATS[0],
        Path(chart) if chart else None,
        _text(binding, "currency"),
    )


def problems(binding: Binding) -> list[Diagnostic]:
    """Everything that is wrong with the settings as they are given."""
    found = []

    def wrong(name: str, message: str, hint: str) -> None:
        where = Location(f"{binding.company}/{binding.connection}")
        found.append(Diagnostic(where, "setting", name, message, hint))

    path, chart, form = _text(binding, "path"), _text(binding, "chart"), _text(binding, "format") or FORMATS[0]
    if not path:
        wrong("path", "not given", "give the full path of the file: --set path=/books/ledger.jsonl")
    elif not _is_full(path):
        # Two commands that run in two folders would write two ledgers.
        wrong("path", f"`{path}` is no full path", "begin with a slash: --set path=/books/ledger.jsonl")
    elif Path(path).is_dir():
        wrong("path", f"`{path}` is a folder", "give the path of a file in it")
    elif Path(path).exists() and not Path(path).is_file():
        wrong("path", f"`{path}` is no plain file", "give the path of a file that can be read again")
    if form not in FORMATS:
        wrong("format", f"`{form}` is none of its values", suggestion(form, FORMATS))
    if chart and not _is_full(chart):
        wrong("chart", f"`{chart}` is no full path", "begin with a slash: --set chart=/books/chart.csv")
    elif chart and Path(chart).suffix.lower() not in CHARTS:
        wrong("chart", f"`{chart}` is neither CSV nor JSON", f"name the file with {' or '.join(CHARTS)} at its end")
    elif chart and Path(chart) == Path(path):
        wrong("chart", "it is the ledger itself", "keep the lists in a file of their own")
    currency = _text(binding, "currency")
    if currency and not _CURRENCY.fullmatch(currency):
        wrong("currency", f"`{currency}` is no currency code", "give three capital letters, such as USD")
    return found


def _text(binding: Binding, name: str) -> str:
    return str(binding.settings.get(name) or "")


def _is_full(path: str) -> bool:
    return Path(path).is_absolute() and "\0" not in path
