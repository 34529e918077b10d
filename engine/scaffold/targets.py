"""What the requests of a target want to be given, in the words of `engine.scaffold.words`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from engine.dataclass import dataclass
from engine.scaffold.words import Words
from engine.spec import ConnectorSpec, FieldSpec, RequestSpec

NULL = "`null`"
# The variables of the shipped templates that one record can fill.
TEMPLATES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "VendorAdd": ("vendor_add.xml.j2", ("name", "company", "country")),
    "BillAdd": (
        "bill_add.xml.j2", ("vendor", "ap_account", "date", "due", "reference", "memo", "amount", "lines"),
    ),
    "VendorCreditAdd": (
        "vendor_credit_add.xml.j2", ("vendor", "ap_account", "date", "reference", "memo", "amount", "lines"),
    ),
    "CreditCardChargeAdd": (
        "credit_card_charge_add.xml.j2", ("card_account", "payee", "date", "reference", "memo", "amount", "lines"),
    ),
    "CreditCardCreditAdd": (
        "credit_card_credit_add.xml.j2", ("card_account", "payee", "date", "reference", "memo", "amount", "lines"),
    ),
}  # fmt: skip
# QuickBooks takes a reference of 11 characters here, and of 20 in bills.
_SHORT = ("CreditCardChargeAdd", "CreditCardCreditAdd")
_NOTHING = "nothing in the stream says it"
# Names of fields of a request, and what they mean.
_FIELDS: Sequence[tuple[str, str]] = (
    (r"(vendor|supplier|payee)_?id", "vendor_id"),
    (r"((vendor|full)_?)?name", "name"),
    (r"(external|remote)\w*_?id", "key"),
    (r"\w*(number|reference)", "reference"),
    (r"\w*currency", "currency"),
    (r"due\w*", "due"),
    (r"(issued?|invoice|bill|posting|transaction)?_?(at|on|date)", "date"),
    (r"memo|description|notes?", "memo"),
    (r"amount|total", "amount"),
    (r"(line_?)?items|lines", "lines"),
    (r"e_?mail", "email"),
    (r"country", "country"),
)
_LITERALS = {"boolean": "`false`", "integer": "`0`", "decimal": "`0`", "money": "money('0.00')", "list": "`[]`"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a flow's `map`: what is written, and a note for whoever reads it. `needed` ones cannot be left out."""

    name: str
    text: str
    note: str = ""
    needed: bool = True


def choose(target: ConnectorSpec, words: Words) -> str:
    """The request that a stream most likely becomes; empty when none of the target's can be filled."""
    name = words.stream.name
    if not words.get("amount"):
        wanted: tuple[str, ...] = ("VendorAdd", "VendorCreate") if words.get("vendor") else ()
    elif "credit" in name:
        wanted = ("VendorCreditAdd", "BillAdd", "BillCreate")
    elif "transaction" in name or "card" in name:
        wanted = ("CreditCardChargeAdd", "BillAdd", "BillCreate")
    else:
        wanted = ("BillAdd", "BillCreate")
    known = {request.name for request in fillable(target)}
    return next((request for request in wanted if request in known), "")


def fillable(target: ConnectorSpec) -> Iterator[RequestSpec]:
    """The requests that make something and that a skeleton can fill."""
    for request in target.requests:
        if request.name in TEMPLATES or (request.documents == "json" and request.fields and not request.undoes):
            yield request


def vendor_request(target: ConnectorSpec) -> str:
    """The request that makes a vendor."""
    return next((name for name in ("VendorAdd", "VendorCreate") if target.request(name)), "")


def entries(request: RequestSpec, words: Words) -> list[Entry]:
    """The map of a request."""
    if request.name in TEMPLATES:
        return [_variable(name, request.name, words) for name in TEMPLATES[request.name][1]]
    return [entry for field in request.fields if (entry := _field(field, words)) is not None]


# --- templates --------------------------------------------------------------------------------------------------------


def _variable(name: str, request: str, words: Words) -> Entry:
    """A variable of a shipped template."""
    limit = 11 if request in _SHORT else 20
    made = {
        "name": f"name_text({words.get('vendor')}, `41`)",
        "company": f"limit({words.get('vendor')}, `41`)",
        "country": f"limit({words.get('country')}, `31`)",
        "vendor": vendor(words),
        "payee": NULL,
        "ap_account": "lookup('account', 'setting:ap_account', setting('ap_account'))",
        "card_account": "lookup('account', 'setting:card_account', setting('card_account'))",
        "date": f"date({words.get('date')})",
        "due": f"date({words.get('due')})",
        "reference": f"limit({words.get('reference')}, `{limit}`)",
        "memo": _memo(words),
        "amount": f"money({words.get('amount')})",
        "lines": _lines(words),
    }
    meaning = {"name": "vendor", "company": "vendor", "card_account": "", "ap_account": "", "payee": ""}.get(name, name)
    if meaning in ("memo", "lines") or not meaning:
        return Entry(name, made[name], _note("line.account", words) if meaning == "lines" else "")
    if not words.get(meaning) and not (name == "vendor" and words.get("vendor_id")):
        needed = {
            "date": "date('2026-01-01')",
            "amount": "money('0.00')",
            "vendor": f"lookup('vendor', {words.stream.key})",
        }
        return Entry(name, needed.get(name, NULL), _NOTHING)
    return Entry(name, made[name], _note(meaning if words.get(meaning) else "vendor_id", words))


def vendor(words: Words) -> str:
    """The lookup of the vendor; its name is shown where it is missing."""
    label = words.get("vendor")
    return f"lookup('vendor', {words.get('vendor_id') or label}, {label or NULL})"


def _memo(words: Words) -> str:
    said = f", {words.get('memo')}" if words.get("memo") else ""
    return f"limit(join_nonempty(' ', ['{words.stream.name}', {words.stream.key}{said}]), `4095`)"


def _lines(words: Words) -> str:
    """The lines; a record that has none is one line of its own."""
    account = "lookup('account', 'setting:line_account', setting('line_account'))"
    if not words.get("lines"):
        return _listed("", account, words.get("amount"), NULL)
    account_id = words.get("line.account_id") or words.get("line.account")
    if account_id:
        account = f"lookup('account', {account_id}, {words.get('line.account') or NULL})"
    memo = f"limit({words.get('line.memo')}, `4095`)" if words.get("line.memo") else NULL
    return _listed(words.get("lines"), account, words.get("line.amount"), memo)


def _listed(lines: str, account: str, amount: str, memo: str) -> str:
    """Lines as the templates want them, an entry a line of text."""
    parts = [f"account: {account}", "class: `null`", "customer: `null`", f"amount: money({amount})", f"memo: {memo}"]
    inside = ",\n  ".join(parts)
    return f"{lines}[].{{\n  {inside}}}" if lines else f"[{{\n  {inside}}}]"


# --- requests with fields ---------------------------------------------------------------------------------------------


def _field(field: FieldSpec, words: Words) -> Entry | None:
    """A field of a request that takes JSON; None for one that is not needed and that nothing fits."""
    meaning = next((means for pattern, means in _FIELDS if re.fullmatch(pattern, field.name, re.IGNORECASE)), "")
    text = _meant(meaning, field, words)
    if text:
        return Entry(field.name, text, _note("vendor" if meaning == "name" else meaning, words), field.required)
    return Entry(field.name, _literal(field), _NOTHING) if field.required else None


def _meant(meaning: str, field: FieldSpec, words: Words) -> str:
    plain = {"name": "vendor", "email": "email", "country": "country", "memo": "memo", "reference": "reference"}
    if meaning == "vendor_id":
        return f"{vendor(words)}.list_id" if words.get("vendor") or words.get("vendor_id") else ""
    if meaning == "key":
        return f"join('', ['flowctl:', {words.stream.key}])"
    if meaning in ("date", "due"):
        found = words.get(meaning) or words.get("date")
        return f"date({found})" if found else ""
    if meaning == "amount":
        return f"money({words.get('amount')})" if words.get("amount") else ""
    if meaning == "currency":
        return f"upper({words.get('currency')})" if words.get("currency") else ""
    if meaning == "lines":
        return _json_lines(field, words)
    return words.get(plain.get(meaning, ""))


def _json_lines(field: FieldSpec, words: Words) -> str:
    inside = []
    for child in field.fields:
        if re.fullmatch(r"amount|total", child.name):
            inside.append(f"{child.name}: money({words.get('line.amount') or words.get('amount')})")
        elif re.fullmatch(r"memo|description", child.name) and (memo := words.get("line.memo") or words.get("memo")):
            inside.append(f"{child.name}: {memo}")
        elif child.required:
            inside.append(f"{child.name}: {_literal(child)}")
    body = f"{{{', '.join(inside)}}}"
    return f"{words.get('lines')}[].{body}" if words.get("lines") else f"[{body}]"


def _literal(field: FieldSpec) -> str:
    """A value that fits the type and stands out."""
    if field.choices:
        return f"'{field.choices[0]}'"
    if field.type == "object":
        inside = ", ".join(f"{child.name}: {_literal(child)}" for child in field.fields if child.required)
        return f"{{{inside}}}" if inside else "`{}`"
    if field.type in ("date", "datetime"):
        return "date('2026-01-01')"
    return _LITERALS.get(field.type, "'fill in'")


def _note(meaning: str, words: Words) -> str:
    return "a guess" if meaning in words.guessed and words.get(meaning) else ""


def quoted(text: str) -> str:
    """An expression as a value on a line of its own: in double quotes where a plain text would mean something else."""
    is_plain = re.match(r"[A-Za-z_(]", text) and not re.search(r": |:$| #|\n", text)
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def inline(text: str) -> str:
    """The same inside braces, where a comma ends a value."""
    return quoted(text) if not re.search(r"[{}\[\],]", text) else json.dumps(text, ensure_ascii=False)
