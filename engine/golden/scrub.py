"""Replaces secrets and personal data in recorded records by pseudonyms: the same one for the same value in one case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

from engine.dataclass import dataclass
from engine.golden import scrubrules as rules
from engine.golden.scrubrules import STRICT, Kind
from engine.spec import FieldSpec

_LABELS: Mapping[Kind, str] = {"address": "Address", "person": "Person", "text": "Text"}
# What a thing is called by its field or by what it is a part of.
_THINGS = (
    ("Vendor", frozenset({"vendor", "merchant", "payee", "supplier"})),
    ("Account", frozenset({"account", "category", "categorie", "gl"})),
    ("Customer", frozenset({"customer", "client", "job"})),
    ("Class", frozenset({"class", "classe", "department", "tag", "location"})),
    ("Company", frozenset({"company", "business", "organization", "organisation", "policy"})),
)
_LONG = 30
_DEEPEST = 60
_LEAST_SECRET = 4
_MOST = 10**60


@dataclass(frozen=True, slots=True)
class Done:
    """What one rule did: how many values, how many different ones, in which fields."""

    kind: Kind
    values: int
    different: int
    fields: tuple[str, ...]


@dataclass(slots=True)
class Scrubber:
    """The pseudonyms of one case. `keep` are values that the flow itself names; `secrets` are what the vault knows.

    With `factor`, every amount is multiplied by it, so that sums still agree.
    """

    keep: Collection[str] = frozenset()
    secrets: Collection[str] = ()
    factor: int = 1
    _table: dict[str, str] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)
    _counts: dict[str, int] = field(default_factory=dict)
    _done: dict[Kind, list[tuple[str, str]]] = field(default_factory=dict)

    # --- values ------------------------------------------------------------------------------------------------------

    def record(self, data: Mapping[str, Any], fields: Sequence[FieldSpec] = (), above: str = "") -> dict[str, Any]:
        """A record with nothing in it that could name anybody; `fields` are what the connector says of it."""
        found = self._value(data, (above,) if above else (), FieldSpec("", "object", "", fields=tuple(fields)))
        assert isinstance(found, dict)
        return found

    def text(self, value: str, name: str, above: str = "") -> str:
        """One value of a field of this name, as it is written within records."""
        return str(self._value(value, tuple(part for part in (above, name) if part), None))

    def _value(self, value: Any, path: tuple[str, ...], spec: FieldSpec | None) -> Any:
        if len(path) > _DEEPEST:
            return self._note("text", path, "nested too deeply", "Text")
        if isinstance(value, Mapping):
            made: dict[str, Any] = {}
            for key, each in value.items():
                child = spec.child(str(key)) if spec else None
                name = str(key) if child is not None else self._key(str(key), path)
                made[name] = self._value(each, (*path, name), child)
            return made
        if isinstance(value, list | tuple):
            item = FieldSpec(spec.name, spec.of, "", choices=spec.choices, fields=spec.fields) if spec else None
            return [self._value(each, path, item) for each in value]
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, int | Decimal | float):
            return self._number(value, path, spec)
        return self._scalar(str(value), path, spec)

    def _key(self, key: str, path: tuple[str, ...]) -> str:
        """The name of a field; where data stands in its place, a pseudonym."""
        told = any(form.fullmatch(key) for form in (rules.UUID, rules.IBAN, rules.TOKEN)) or _has_any(key, self.secrets)
        if rules.PLAIN_KEY.fullmatch(key) and not told and key not in self._table:
            return key
        return self._scalar(key, (*path, "id"), None)

    def _number(self, value: Decimal | float, path: tuple[str, ...], spec: FieldSpec | None) -> Any:
        kind = self._kind(str(value), path, spec)
        if kind == "amount":
            self._note("amount", path, str(value), "")
            return value * self.factor
        # Ids and the like are long; a short number counts something.
        private = kind in STRICT or kind == "id" or (isinstance(value, int) and abs(value) >= 10_000_000)
        if not private or value == 0 or not _is_countable(value):
            self._note("keep", path, str(value), "")
            return value
        # It stays a number, also where a text of the same digits has become words.
        digits = str(abs(int(value)))
        known = self._table.get(digits, "")
        if not known.isdecimal():
            key = f"number {digits}"
            known = self._table.get(key) or self._free("number", digits, path)
            self._used.add(known)
            self._table[key] = known
            self._table.setdefault(digits, known)
        self._note(kind if kind in STRICT else "number", path, digits, known)
        return int(known)

    def _scalar(self, value: str, path: tuple[str, ...], spec: FieldSpec | None) -> str:
        kind = self._kind(value, path, spec)
        if kind == "keep":
            return self._note("keep", path, value, value)
        if kind == "amount":
            return self._note("amount", path, value, _times(value, self.factor))
        if kind in ("name", "id", "number", "person") and ":" in value:
            return ":".join(self._segment(part, kind, path) for part in value.split(":"))
        return self._pseudonym(value, kind, path)

    def _segment(self, part: str, kind: Kind, path: tuple[str, ...]) -> str:
        """A part of a name with colons, or of an id that was put together."""
        if not part.strip() or part in self.keep or (part.isdecimal() and len(part) < 3):
            return part
        if rules.EMAIL_LIKE.fullmatch(part):
            kind = "email"
        elif kind == "id" and " " in part:
            kind = "name"
        return self._pseudonym(part, kind, path)

    # --- rules -------------------------------------------------------------------------------------------------------

    def _kind(self, value: str, path: tuple[str, ...], spec: FieldSpec | None) -> Kind:
        name = rules.words(path[-1]) if path else ()
        above = tuple(word for part in path[:-1] for word in rules.words(part))
        named = rules.by_name(name, above)
        if (spec is not None and spec.secret) or named == "secret" or _has_any(value, self.secrets):
            return "secret"
        if rules.EMAIL_LIKE.fullmatch(value):
            return "email"
        if rules.UUID.fullmatch(value):
            return "id"
        if rules.TOKEN.fullmatch(value) and named != "id":
            return "secret"
        if spec is not None and (hinted := _hinted(value, spec, named)) is not None:
            return hinted
        if rules.DATE.fullmatch(value) and not rules.BIRTH & set(name):
            return "keep"
        if value in self.keep:
            return "keep"
        return _plain(value, name, named)

    # --- pseudonyms --------------------------------------------------------------------------------------------------

    def _pseudonym(self, value: str, kind: Kind, path: tuple[str, ...]) -> str:
        known = self._table.get(value) or self._table.get(_folded(value))
        if known is None:
            known = self._free(kind, value, path)
            self._used.add(known)
            self._table.setdefault(_folded(value), known)
            self._table[value] = known
        return self._note(kind, path, value, known)

    def _free(self, kind: Kind, value: str, path: tuple[str, ...]) -> str:
        """A pseudonym that nothing else has."""
        for attempt in range(1000):
            made = self._made(kind, value, path, attempt)
            if made not in self._used and made != value and made not in self.keep:
                return made
        return self._made("text", value, path, 0)

    def _made(self, kind: Kind, value: str, path: tuple[str, ...], attempt: int) -> str:
        if kind in ("id", "number", "phone", "bank", "tax"):
            number = self._next("shape")
            if rules.UUID.fullmatch(value):
                return _uuid(number)
            # One that is too short for another one of its shape grows.
            return _shaped(value + "0" * (attempt // 20), number)
        if kind == "secret":
            return f"scrubbed-secret-{self._next('secret')}"
        if kind == "email":
            return f"person{self._next('email')}@example.com"
        if kind == "url":
            return f"https://example.com/{self._next('url')}"
        label = _LABELS.get(kind) or _thing(path)
        return _like(f"{label} {self._next(label)}", value)

    def _next(self, label: str) -> int:
        self._counts[label] = self._counts.get(label, 0) + 1
        return self._counts[label]

    def _note(self, kind: Kind, path: tuple[str, ...], value: str, result: str) -> str:
        self._done.setdefault(kind, []).append((".".join(path), value))
        return result

    # --- what was done -----------------------------------------------------------------------------------------------

    def report(self) -> list[Done]:
        """What each rule did, without any value."""
        found = []
        for kind in rules.TITLES:
            if kind in self._done and (kind != "amount" or self.factor != 1):
                entries = self._done[kind]
                fields = tuple(dict.fromkeys(path for path, _ in entries))
                found.append(Done(kind, len(entries), len({value for _, value in entries}), fields))
        return found

    def originals(self) -> Mapping[str, Kind]:
        """Values that were replaced and may not be left anywhere, each with its kind."""
        return {
            value: kind
            for kind in STRICT
            for _, value in self._done.get(kind, ())
            if len(value) >= 6 and value not in self.keep
        }


def _has_any(value: str, secrets: Collection[str]) -> bool:
    return any(len(secret) >= _LEAST_SECRET and secret in value for secret in secrets)


def _is_countable(value: Decimal | float) -> bool:
    """Whether a number has so few digits that it can be written out; no id is longer."""
    number = Decimal(value)
    return number.is_finite() and number.copy_abs() < _MOST


def _times(value: str, factor: int) -> str:
    """An amount in major units, so many times; what is no amount stays as it is."""
    try:
        return str(Decimal(value) * factor) if factor != 1 else value
    except InvalidOperation:
        return value


def _hinted(value: str, spec: FieldSpec, named: Kind | None) -> Kind | None:
    """What the connector's description of a field says of its value."""
    if value in spec.choices:
        return "keep"
    if spec.type == "money" and rules.DECIMAL.fullmatch(value):
        return "amount"
    if spec.type in ("decimal", "integer", "boolean") and rules.DECIMAL.fullmatch(value):
        return "keep" if named not in STRICT else None
    if spec.type == "id" and named not in STRICT:
        return "keep" if value in ("0", "-1") else "id"
    return None


def _plain(value: str, name: tuple[str, ...], named: Kind | None) -> Kind:
    """What a value is by the name of its field and by how it looks; what nothing is known of is a free text."""
    found = frozenset(name)
    if _is_status(value, name, named):
        return "keep"
    if named == "id":
        return "keep" if value in ("0", "-1") else "id"
    if named is not None:
        return named
    if rules.URL_LIKE.fullmatch(value):
        return "url"
    if rules.DECIMAL.fullmatch(value) and found & rules.AMOUNT:
        return "amount"
    if rules.TAX_LIKE.fullmatch(value):
        return "tax"
    if rules.IBAN.fullmatch(value) or (rules.CARD.fullmatch(value) and not found & rules.NAME):
        return "bank"
    if rules.DECIMAL.fullmatch(value):
        return "keep" if "." in value or len(value) <= 4 else "number"
    if found & {"number", "reference", "invoice", "code", "ref"}:
        return "number"
    if rules.PHONE_LIKE.fullmatch(value):
        return "phone"
    return "name" if found & rules.NAME else "text"


def _is_status(value: str, name: tuple[str, ...], named: Kind | None) -> bool:
    """Whether it is a word such as vendors use for a state, a type, a currency or a country: no name, no address."""
    found, last = frozenset(name), name[-1] if name else ""
    if last == "country" and rules.COUNTRY.fullmatch(value):
        return True
    if named is not None or (found & rules.NAME and last not in rules.STATUS):
        return False
    if last in rules.STATUS or found & {"status", "currency", "type"}:
        return bool(rules.WORD.fullmatch(value))
    if last in rules.LANGUAGE:
        return bool(rules.LOCALE.fullmatch(value))
    if last in rules.STATUS_IN_CAPITALS and rules.CAPITALS.fullmatch(value):
        return True
    return bool(rules.ENUM.fullmatch(value))


def _thing(path: tuple[str, ...]) -> str:
    """What a name is the name of."""
    for part in reversed(path):
        found = frozenset(word.removesuffix("s") for word in rules.words(part)) | {"class"} & {*rules.words(part)}
        for label, names in _THINGS:
            if found & names:
                return label
    return "Name"


def _folded(value: str) -> str:
    return " ".join(value.split()).casefold()


def _like(made: str, value: str) -> str:
    """As long as the value where that is long, and beyond ASCII where the value is."""
    made = made if value.isascii() else f"{made} é"
    if len(value) <= max(_LONG, len(made)):
        return made
    filling = " and so on" * (len(value) // 10 + 1)
    return f"{made}{filling}"[: len(value)].rstrip() or made


def _uuid(number: int) -> str:
    """A random-looking UUID of version 4 (RFC 9562)."""
    text = sha256(f"uuid {number}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"


def _shaped(value: str, number: int) -> str:
    """A text of the same shape: a digit for a digit, a letter for a letter, all else as it is."""
    digest = sha256(f"shape {number}".encode()).digest()
    made = []
    for position, char in enumerate(value):
        byte = digest[position % len(digest)] ^ (position // len(digest) * 31 & 255)
        if char.isdecimal():
            first = position == 0 and char != "0"
            made.append("0" if char == "0" and position == 0 else str(byte % 9 + 1 if first else byte % 10))
        elif char.isalpha():
            # Ids of a known alphabet stay within it: hexadecimal ones too.
            letters = "abcdef" if char in "abcdefABCDEF" else "ghjkmnpqrstvwxyz"
            letter = letters[byte % len(letters)]
            made.append(letter.upper() if char.isupper() else letter)
        else:
            made.append(char)
    return "".join(made)
