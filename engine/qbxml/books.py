"""What answers mean to the engine: which company file this is, what a write's receipt holds, what a list contains."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contract import Json, ListObject
from engine.dataclass import dataclass
from engine.qbxml.response import Answer, Response, text_at

_RECEIPT = (
    "TxnID",
    "ListID",
    "EditSequence",
    "TxnNumber",
    "RefNumber",
    "FullName",
    "Name",
    "ExternalGUID",
    "TimeCreated",
    "TimeModified",
)

# QuickBooks calls currencies by name. ASSUMED: the names of its built-in list, in the spellings that are in use; an
# unknown name stays as it is, and a three-letter name is taken for a code.
_CURRENCY_NAMES = """
AED: uae dirham, u.a.e. dirham, united arab emirates dirham
ARS: argentine peso
AUD: australian dollar
BBD: barbados dollar, barbadian dollar
BGN: bulgarian lev
BMD: bermuda dollar, bermudian dollar
BRL: brazilian real
BSD: bahamian dollar
CAD: canadian dollar
CHF: swiss franc
CLP: chilean peso
CNY: chinese yuan renminbi, chinese yuan, yuan renminbi
COP: colombian peso
CRC: costa rican colon
CZK: czech koruna
DKK: danish krone
DOP: dominican peso
EGP: egyptian pound
EUR: euro
FJD: fiji dollar
GBP: british pound sterling, british pound, pound sterling
GHS: ghana cedi
GTQ: guatemalan quetzal
HKD: hong kong dollar
HUF: hungarian forint
IDR: indonesian rupiah
ILS: israeli new shekel, israeli shekel
INR: indian rupee
ISK: iceland krona, icelandic krona
JMD: jamaican dollar
JPY: japanese yen
KES: kenyan shilling
KRW: south korean won, korean won
KWD: kuwaiti dinar
KYD: cayman islands dollar
LKR: sri lankan rupee
MAD: moroccan dirham
MXN: mexican peso
MYR: malaysian ringgit
NGN: nigerian naira
NOK: norwegian krone
NZD: new zealand dollar
PEN: peruvian nuevo sol, peruvian sol
PHP: philippine peso
PKR: pakistani rupee
PLN: polish zloty
QAR: qatari riyal
RON: romanian leu
RUB: russian ruble, russian rouble
SAR: saudi riyal, saudi arabian riyal
SEK: swedish krona
SGD: singapore dollar
THB: thai baht
TRY: turkish lira
TTD: trinidad and tobago dollar, trinidad dollar
TWD: new taiwan dollar, taiwan dollar
UAH: ukrainian hryvnia
USD: us dollar, u.s. dollar, united states dollar
UYU: uruguayan peso
VND: vietnamese dong
XCD: east caribbean dollar
ZAR: south african rand
"""
_CURRENCIES = {
    name.strip(): code
    for code, _, names in (line.partition(":") for line in _CURRENCY_NAMES.strip().splitlines())
    for name in names.split(",")
}


@dataclass(frozen=True, slots=True)
class CompanyIdentity:
    """Which company file answered, and which of its features matter to us; texts are empty where nothing was said."""

    file_id: str
    company_name: str
    ein: str
    country: str
    home_currency: str
    file_mode: str
    product: str
    supported_versions: tuple[str, ...]
    is_multi_currency: bool
    uses_classes: bool
    uses_account_numbers: bool


def company_identity(answer: Answer, *, owner_id: str = "") -> CompanyIdentity:
    """Read the first answer of a Web Connector session: host, company and preferences.

    The Web Connector writes the .qwc file's FileID into the company file as a private field of our OwnerID
    (Programmer's Guide p.36); with `owner_id`, a field of that name that another application left is passed over.
    """
    host, company, preferences = (
        _first(answer, name) for name in ("HostQueryRs", "CompanyQueryRs", "PreferencesQueryRs")
    )
    versions = host.get("SupportedQBXMLVersion", [])
    home = text_at(preferences, "MultiCurrencyPreferences", "HomeCurrencyRef", "FullName")
    return CompanyIdentity(
        file_id=_file_id(company, owner_id),
        company_name=text_at(company, "CompanyName"),
        ein=text_at(company, "EIN"),
        country=text_at(host, "Country"),
        home_currency=currency_code(home),
        file_mode=text_at(host, "QBFileMode"),
        product=text_at(host, "ProductName"),
        supported_versions=tuple(str(version) for version in versions),
        is_multi_currency=_true(text_at(preferences, "MultiCurrencyPreferences", "IsMultiCurrencyOn")),
        uses_classes=_true(text_at(preferences, "AccountingPreferences", "IsUsingClassTracking")),
        uses_account_numbers=_true(text_at(preferences, "AccountingPreferences", "IsUsingAccountNumbers")),
    )


def best_version(supported: tuple[str, ...], ours: str = "13.0") -> str | None:
    """The newest version that both sides speak, or None; entries such as `CA3.0` are of other editions."""
    numbered = {_version(text): text for text in supported if _version(text) is not None}
    limit = _version(ours)
    fitting = [number for number in numbered if number is not None and limit is not None and number <= limit]
    return numbered[max(fitting)] if fitting else None


def receipt_of(response: Response) -> Mapping[str, str]:
    """The ids that a write gave: from the returned object, completed by the ErrorRecovery of a repeated answer."""
    data: Json = response.objects[0] if response.objects else {}
    found = {name: text for name in _RECEIPT if (text := text_at(data, name))}
    return {**{name: text for name, text in response.recovery.items() if text}, **found}


def currency_code(name: str) -> str:
    """The ISO 4217 code of a currency that QuickBooks names, `US Dollar`; an unknown name is given back unchanged."""
    plain = name.strip()
    if len(plain) == 3 and plain.isascii() and plain.isalpha():
        return plain.upper()
    return _CURRENCIES.get(" ".join(plain.casefold().split()), plain)


def is_currency(text: str) -> bool:
    """Whether it is a code, and no name of a currency that is not known here."""
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


def list_objects(response: Response) -> tuple[ListObject, ...]:
    """The names of a list answer; objects without a ListID are left out."""
    return tuple(
        _list_object(kind, data)
        for kind, data in zip(response.kinds, response.objects, strict=True)
        if text_at(data, "ListID")
    )


def _list_object(kind: str, data: Json) -> ListObject:
    plain = {name: value for name, value in data.items() if name not in _COLUMNS}
    currency = currency_code(text_at(data, "CurrencyRef", "FullName"))
    extra = {"currency": currency} if currency else {}
    if kind.endswith("TermsRet") or kind.startswith("Item"):
        extra["kind"] = kind.removesuffix("Ret")
    return ListObject(
        list_id=text_at(data, "ListID"),
        full_name=text_at(data, "FullName") or text_at(data, "Name"),
        active=text_at(data, "IsActive").strip().lower() not in {"false", "0"},
        number=text_at(data, "AccountNumber") if kind == "AccountRet" else "",
        edit_sequence=text_at(data, "EditSequence"),
        data={**plain, **extra},
    )


_COLUMNS = frozenset({"ListID", "FullName", "IsActive", "EditSequence"})


def _first(answer: Answer, name: str) -> Json:
    response = answer.named(name)
    return response.objects[0] if response is not None and response.objects else {}


def _file_id(company: Json, owner_id: str) -> str:
    for extra in company.get("DataExtRet", []):
        if text_at(extra, "DataExtName") == "FileID" and (
            not owner_id or text_at(extra, "OwnerID").strip("{}").lower() == owner_id.strip("{}").lower()
        ):
            return text_at(extra, "DataExtValue")
    return ""


def _true(text: str) -> bool:
    return text.strip().lower() in {"true", "1"}


def _version(text: str) -> tuple[int, int] | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None
