"""Is this the right company file, and which QBXML do both sides speak: decided before anything else is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from connectors.qbwc.state import Options
from engine.contract import Json
from engine.dataclass import dataclass
from engine.evidence import Told
from engine.qbxml.books import CompanyIdentity, best_version, company_identity, is_currency
from engine.qbxml.response import Answer, text_at

# ExternalGUID on transactions, our proof after a lost answer, came with 9.0 (FACTS section 7).
OLDEST_VERSION = (9, 0)

# The home currency that goes with QuickBooks' editions, by what HostQuery calls their country: `US`, and `USA` of some.
_CURRENCIES = {"US": "USD", "USA": "USD", "CA": "CAD", "CAN": "CAD", "UK": "GBP", "GB": "GBP", "AU": "AUD"}

_LABELS = {"company_name": "company name", "file_id": "FileID", "path": "path"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says: `ask` means that the answer did not tell enough, `bind` what to bind on first contact.

    `seen` is what a company file that was refused said of itself.
    """

    kind: Literal["passed", "ask", "refused", "unconfirmed"]
    reason: str = ""
    version: str = ""
    bind: Json | None = None
    seen: Json | None = None


def judge(
    found: CompanyIdentity, path: str, bound: Json | None, options: Options, *, spoken: str, asked: bool
) -> Verdict:
    """Compare the company file that answered with the one this company is bound to.

    Args:
        found: what QuickBooks said of itself.
        path: the company file's name as the Web Connector gave it.
        bound: what the company is bound to; None on first contact.
        options: the company's settings.
        spoken: QBXML version of the request processor, for answers that list none.
        asked: QuickBooks was asked already, so that what is missing stays missing.
    """
    expected_id = str((bound or {}).get("file_id") or options.file_id)
    incomplete = not found.company_name or (expected_id and not found.file_id)
    if incomplete and not asked:
        return Verdict("ask")
    if not found.company_name:
        return Verdict(
            "refused", "QuickBooks did not say which company file is open. Open the company file and try again."
        )
    version = common_version(found.supported_versions, spoken, options.qbxml_version)
    if version is None or _number(version) < OLDEST_VERSION:
        return Verdict(
            "refused", "This QuickBooks is too old: it must understand QBXML 9.0 (QuickBooks 2010) or newer."
        )
    seen = {"file_id": found.file_id, "company_name": found.company_name, "path": path}
    differing = _differing(seen, {**(bound or {}), "file_id": expected_id})
    if differing:
        return Verdict("refused", _mismatch(seen, bound or {"file_id": expected_id}, differing), seen=seen)
    if bound is not None:
        return Verdict("passed", version=version)
    identity = {
        **seen,
        "ein": found.ein,
        "country": found.country,
        "product": found.product,
        "home_currency": found.home_currency,
    }
    if options.confirm_company:
        reason = f"The company file `{found.company_name}` waits to be confirmed in flowctl; nothing is written before."
        return Verdict("unconfirmed", reason, bind=identity)
    return Verdict("passed", version=version, bind=identity)


def unless_refused(verdict: Verdict, refused: Json | None) -> Verdict:
    """The verdict, unless a person has said of this very file that it is not the right one.

    `refused` has the files of which somebody said so, as `files`.
    """
    files = (refused or {}).get("files")
    seen = verdict.bind
    if seen is None or not isinstance(files, list) or all(_differing(seen, file) for file in files):
        return verdict
    reason = (
        f"Somebody has said in flowctl that the company file `{seen['company_name']}` is not the right one, so nothing was "
        "written. Open the right company file, or have flowctl ask about this one again on its page Web Connector."
    )
    return Verdict("refused", reason, seen=seen)


def common_version(supported: tuple[str, ...], spoken: str, ours: str) -> str | None:
    """The newest version that both sides speak; `spoken`, of the request processor, includes all older ones."""
    if supported:
        return best_version(supported, ours)
    return min((spoken, ours), key=_number) if spoken else ours


def closing_date(answer: Answer) -> str | None:
    """The last day of the closed period (`2026-03-31`), empty when no period is closed; None when it was not told."""
    preferences = answer.named("PreferencesQueryRs")
    if preferences is None or preferences.code != 0 or not preferences.objects:
        return None
    return text_at(preferences.objects[0], "AccountingPreferences", "ClosingDate").strip()


def told(answer: Answer) -> Mapping[str, Told] | None:
    """What the company file says of itself; None when it did not say enough to go by.

    Where QuickBooks keeps more than one currency, it names its own. Else only the edition tells, and a person may know
    better.
    """
    preferences, found = answer.named("PreferencesQueryRs"), company_identity(answer)
    if preferences is None or preferences.code != 0 or not preferences.objects:
        return None
    if found.home_currency:
        # A name that is in no table is compared as it stands, with those of vendors and accounts.
        return {"home_currency": Told(found.home_currency, is_currency(found.home_currency))}
    if not found.country.strip():
        # Nor did it take back what it said before.
        return None
    meant = _CURRENCIES.get(found.country.strip().upper(), "")
    return {"home_currency": Told(meant, is_sure=False)} if meant else {}


def same_path(one: str, other: str) -> bool:
    """Whether two names mean the same company file; Windows compares without case, and either slash will do."""
    return _plain_path(one) == _plain_path(other)


def _differing(seen: Json, bound: Json) -> tuple[str, ...]:
    """Names of what differs. What was never known, or is not told now, proves nothing, except for the FileID."""
    found = []
    if bound.get("file_id") and _plain_id(seen["file_id"]) != _plain_id(bound["file_id"]):
        found.append("file_id")
    if bound.get("company_name") and seen["company_name"] != bound["company_name"]:
        found.append("company_name")
    if bound.get("path") and seen["path"] and not same_path(str(seen["path"]), str(bound["path"])):
        found.append("path")
    return tuple(found)


def _mismatch(seen: Json, bound: Json, differing: tuple[str, ...]) -> str:
    details = "; ".join(
        f"{_LABELS[name]} is `{seen[name] or 'missing'}`, expected `{bound[name]}`" for name in differing
    )
    if len(bound) > 1 and "file_id" not in differing and (bound.get("file_id") or len(differing) == 1):
        return (
            f"The open company file is not where it was, or not called as it was, so nothing was written. {details}. "
            "Open the right company file; or, when this is the same one, moved or renamed and no copy or backup of it, say "
            "so in flowctl, on its page Web Connector or with `flowctl company bind --confirm`."
        )
    return (
        f"The open company file is not the one that flowctl writes to, so nothing was written. {details}. "
        "Open the right company file, or have the company bound to this one in flowctl."
    )


def _plain_id(value: object) -> str:
    return str(value).strip().strip("{}").lower()


def _plain_path(path: str) -> str:
    return path.strip().replace("/", "\\").lower()


def _number(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)
