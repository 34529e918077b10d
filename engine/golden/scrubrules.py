"""The rules by which recorded records are scrubbed, as data: what a field is called, what a value looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

# What becomes of a value: kept, or replaced by a pseudonym of that kind.
Kind = Literal[
    "keep",
    "secret",
    "email",
    "phone",
    "bank",
    "tax",
    "address",
    "person",
    "name",
    "text",
    "url",
    "id",
    "number",
    "amount",
]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- by the name of the field, in words: `vendorName` and `vendor_name` are `vendor`, `name` ---------------------------

SECRET = _set(
    "token secret password passwd passphrase apikey authorization cookie cookies credential "
    "credentials signature jwt bearer otp pin cvv cvc accesstoken refreshtoken apitoken clientsecret privatekey "
    "accesskey sessionid"
)
SECRET_PAIRS = frozenset({("api", "key"), ("private", "key"), ("access", "key"), ("dev", "key"), ("session", "id")})
EMAIL = frozenset({"email", "emails", "mail"})
PHONE = _set("phone phones telephone tel mobile fax cell phonenumber mobilenumber faxnumber cellphone")
BANK = _set(
    "iban bic swift routing aba card pan sort bank last4 last_four mask accountnumber cardnumber routingnumber "
    "bankaccount sortcode"
)
BANK_PAIRS = frozenset({("account", "number"), ("card", "number"), ("last", "four"), ("last", "4"), ("sort", "code")})
TAX = _set("ssn ein vat tin itin taxid gstin abn siren siret nif taxnumber vatnumber socialsecuritynumber")
TAX_PAIRS = frozenset({("tax", "id"), ("tax", "number"), ("vat", "number"), ("social", "security")})
ADDRESS = _set(
    "address street street2 line1 line2 city town province zip postal postcode zipcode postalcode county region "
    "latitude longitude lat lng lon"
)
# A date is kept, but for that of a birth.
BIRTH = _set("birth birthday birthdate dateofbirth born bday dob")
PERSON = BIRTH | _set(
    "first firstname last lastname middle given family surname person employee submitter approver "
    "contact holder cardholder owner manager"
)
NAME = _set(
    "name names title vendor merchant payee customer client company organization organisation "
    "business department location category tag class project policy descriptor label path"
)
TEXT = _set("memo note notes description comment comments message reason subject text detail remark remarks")
URL = frozenset({"url", "uri", "link", "href", "website", "web", "site", "image", "photo", "avatar"})
AMOUNT = _set("amount total subtotal price cost balance paid due outstanding fee")
# A field of these words whose value is one plain word says how something stands: flows compare it.
STATUS = _set("status type kind method role currency visibility classification")
# The same, in capitals only: in other letters it may be a place or a name.
STATUS_IN_CAPITALS = _set("state country code source input")
LANGUAGE = frozenset({"language", "locale", "lang"})
ID = frozenset({"id", "ids", "uuid", "guid", "key"})

# --- by what the value looks like -----------------------------------------------------------------------------------

EMAIL_LIKE = re.compile(r"[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
DECIMAL = re.compile(r"-?\d{1,18}(?:\.\d{1,10})?", re.ASCII)
URL_LIKE = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?")
CARD = re.compile(r"(?:\d[ -]?){12,18}\d", re.ASCII)
TAX_LIKE = re.compile(r"\d{3}-\d{2}-\d{4}|\d{2}-\d{7}", re.ASCII)
PHONE_LIKE = re.compile(r"\+?\(?\d{1,4}\)?(?:[ .-]\(?\d{2,5}\)?){1,4}|\+\d{7,15}", re.ASCII)
# A token that somebody put into a field of another name: signed ones, those with a well-known beginning, long random ones.
TOKEN = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*|(?:Bearer|Basic) \S{8,}|(?:sk|pk|rk|xox[abp]|ghp|gho|AKIA)[-_]?[\w-]{12,}"
    r"|-----BEGIN [A-Z ]+-----.*|(?=[\w+/=-]*[A-Za-z])(?=[\w+/=-]*\d)[\w+/=-]{40,}",
    re.DOTALL,
)
# How a vendor writes one of a few values.
ENUM = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,30}")
COUNTRY = re.compile(r"[A-Z]{2,3}")
CAPITALS = re.compile(r"[A-Z][A-Z_]{1,30}")
LOCALE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2})?")
PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,60}")

# --- what the rules are called in the report --------------------------------------------------------------------------

TITLES: Mapping[Kind, str] = {
    "secret": "secrets",
    "email": "e-mail addresses",
    "phone": "telephone numbers",
    "bank": "bank and card numbers",
    "tax": "tax ids",
    "address": "addresses",
    "person": "names of people",
    "name": "names",
    "text": "free texts",
    "url": "links",
    "id": "ids",
    "number": "numbers and codes",
    "amount": "amounts",
    "keep": "kept",
}
# Of these nothing may be left anywhere in the case; the others may share words with what the flow itself says.
STRICT: frozenset[Kind] = frozenset({"secret", "email", "phone", "bank", "tax", "address", "person"})

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name: str) -> tuple[str, ...]:
    """The words of a field's name, in lower case."""
    return tuple(word.casefold() for word in _WORDS.findall(name))


def has_pair(parts: tuple[str, ...], pairs: frozenset[tuple[str, str]]) -> bool:
    """Whether two words stand beside each other."""
    return any(pair in pairs for pair in pairwise(parts))


def _number_of(above: frozenset[str]) -> Kind | None:
    """What a field `number` holds that is a part of something with these words: `phone: {number: ...}`."""
    kinds: tuple[tuple[Kind, frozenset[str]], ...] = (
        ("phone", PHONE),
        ("tax", TAX),
        ("bank", (BANK | {"cards", "banks"}) - {"sort"}),
    )
    return next((kind for kind, words_ in kinds if above & words_), None)


def by_name(parts: tuple[str, ...], above: tuple[str, ...]) -> Kind | None:
    """What a field of these words holds; `above` are the words of what it is a part of."""
    found = frozenset(parts)
    address = bool(frozenset(above) & frozenset({"address", "addresses", "billing", "shipping"}))
    last = parts[-1] if parts else ""
    if last == "number" and (kind := _number_of(frozenset(above))) is not None:
        return kind
    checks: tuple[tuple[Kind, bool], ...] = (
        ("secret", bool(found & SECRET) or has_pair(parts, SECRET_PAIRS)),
        ("email", bool(found & EMAIL)),
        ("phone", bool(found & PHONE)),
        ("tax", bool(found & TAX) or has_pair(parts, TAX_PAIRS)),
        ("bank", has_pair(parts, BANK_PAIRS) or (bool(found & BANK) and last not in ID | PERSON | {"name"})),
        ("url", bool(found & URL)),
        ("id", last in ID),
        ("text", bool(found & TEXT)),
        ("address", bool(found & ADDRESS) or (address and last in ("state", "country", "name"))),
        ("person", bool(found & PERSON) or (last == "name" and bool(frozenset(above) & PERSON))),
    )
    return next((kind for kind, holds in checks if holds), None)
