"""What answers mean to the engine: which company file this is, what a write's receipt holds, what a list contains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.contract import Json, ListObject
from engine.qbxml.response import Answer, Response, text_at

_RECEIPT = ("TxnID", "ListID", "EditSequence", "TxnNumber", "RefNumber", "FullName", "Name", "ExternalGUID", "TimeCreated", "TimeModified")

# QuickBooks calls currencies by name. These are the names of its built-in list as far as sources show them; an unknown name
# stays as it is, and a three-letter name is taken for a code.
_CURRENCIES = {
    "argentine peso": "ARS", "australian dollar": "AUD", "bahamian dollar": "BSD", "barbados dollar": "BBD",
    "barbadian dollar": "BBD", "bermuda dollar": "BMD", "bermudian dollar": "BMD", "brazilian real": "BRL",
    "british pound sterling": "GBP", "british pound": "GBP", "pound sterling": "GBP", "bulgarian lev": "BGN",
    "canadian dollar": "CAD", "cayman islands dollar": "KYD", "chilean peso": "CLP", "chinese yuan renminbi": "CNY",
    "chinese yuan": "CNY", "yuan renminbi": "CNY", "colombian peso": "COP", "costa rican colon": "CRC", "czech koruna": "CZK",
    "danish krone": "DKK", "dominican peso": "DOP", "east caribbean dollar": "XCD", "egyptian pound": "EGP", "euro": "EUR",
    "fiji dollar": "FJD", "ghana cedi": "GHS", "guatemalan quetzal": "GTQ", "hong kong dollar": "HKD", "hungarian forint": "HUF",
    "iceland krona": "ISK", "icelandic krona": "ISK", "indian rupee": "INR", "indonesian rupiah": "IDR",
    "israeli new shekel": "ILS", "israeli shekel": "ILS", "jamaican dollar": "JMD", "japanese yen": "JPY",
    "kenyan shilling": "KES", "kuwaiti dinar": "KWD", "malaysian ringgit": "MYR", "mexican peso": "MXN",
    "moroccan dirham": "MAD", "new taiwan dollar": "TWD", "taiwan dollar": "TWD", "new zealand dollar": "NZD",
    "nigerian naira": "NGN", "norwegian krone": "NOK", "pakistani rupee": "PKR", "peruvian nuevo sol": "PEN", "peruvian sol": "PEN",
    "philippine peso": "PHP", "polish zloty": "PLN", "qatari riyal": "QAR", "romanian leu": "RON", "russian ruble": "RUB",
    "russian rouble": "RUB", "saudi riyal": "SAR", "saudi arabian riyal": "SAR", "singapore dollar": "SGD",
    "south african rand": "ZAR", "south korean won": "KRW", "korean won": "KRW", "sri lankan rupee": "LKR", "swedish krona": "SEK",
    "swiss franc": "CHF", "thai baht": "THB", "trinidad and tobago dollar": "TTD", "trinidad dollar": "TTD", "turkish lira": "TRY",
    "uae dirham": "AED", "u.a.e. dirham": "AED", "united arab emirates dirham": "AED", "ukrainian hryvnia": "UAH",
    "uruguayan peso": "UYU", "us dollar": "USD", "u.s. dollar": "USD", "united states dollar": "USD", "vietnamese dong": "VND",
}  # fmt: skip


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

    The Web Connector writes the .qwc file's FileID into the company file as a private field of our OwnerID (Programmer's
    Guide p.36); with `owner_id`, fields that another application left under the same name are passed over.
    """
    host, company, preferences = (_first(answer, name) for name in ("HostQueryRs", "CompanyQueryRs", "PreferencesQueryRs"))
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
    """The newest version that both sides speak; None when there is none. QuickBooks lists `CA3.0` and the like for other countries."""
    numbered = {_version(text): text for text in supported if _version(text) is not None}
    limit = _version(ours)
    fitting = [number for number in numbered if number is not None and limit is not None and number <= limit]
    return numbered[max(fitting)] if fitting else None


def receipt_of(response: Response) -> Mapping[str, str]:
    """The ids that a write gave: from the returned object, completed by the ErrorRecovery element of a repeated answer."""
    data: Json = response.objects[0] if response.objects else {}
    found = {name: text for name in _RECEIPT if (text := text_at(data, name))}
    return {**{name: text for name, text in response.recovery.items() if text}, **found}


def currency_code(name: str) -> str:
    """The ISO 4217 code of a currency that QuickBooks names, `US Dollar`; an unknown name is given back unchanged."""
    plain = name.strip()
    if len(plain) == 3 and plain.isascii() and plain.isalpha():
        return plain.upper()
    return _CURRENCIES.get(" ".join(plain.casefold().split()), plain)


def list_objects(response: Response) -> tuple[ListObject, ...]:
    """The names of a list answer; objects without a ListID are left out."""
    return tuple(
        _list_object(kind, data) for kind, data in zip(response.kinds, response.objects, strict=True) if text_at(data, "ListID")
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
