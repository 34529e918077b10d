"""Every code a check of a flow file can report: what it means, what to do, an example that fails and one that passes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from engine.dataclass import dataclass
from engine.diagnostics import Level


@dataclass(frozen=True, slots=True)
class Code:
    """One code. The examples stand at the path `at` of a flow; with an empty path, each is a whole file.

    Bytes that are no UTF-8 stand in a text as surrogates. Where several files are needed, each follows a line with
    its name: `# one.yaml`.
    """

    code: str
    title: str
    meaning: str
    todo: str
    at: str
    bad: str
    good: str
    level: Level = "error"

    def file(self, example: str) -> str:
        """An example as it can be printed."""
        return example.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_FILE = "flow: x\n"
_WARNINGS = frozenset({"E116", "F038", "F047", "F050", "F051", "F052", "F053"})

# Codes of reading and of structure; the rules under `engine/lints` describe themselves.
_BASE = (
    Code(
        "F001",
        "not UTF-8 text",
        "The file is not text in the encoding UTF-8.",
        "Save the file in the encoding UTF-8; the place is that of the first byte that is not.",
        "",
        "describe: caf\udce9\n",
        "describe: caf\u00e9\n",
    ),
    Code(
        "F002",
        "not YAML",
        "The file breaks the rules of YAML.",
        "Mend it where the caret is, or just before; nothing after it could be read.",
        "",
        "flow: [x\n",
        _FILE,
    ),
    Code(
        "F003",
        "key twice",
        "A key is given twice; one of the two values would be lost.",
        "Remove or rename one of the two.",
        "",
        "flow: x\nflow: y\n",
        _FILE,
    ),
    Code(
        "F004",
        "tag, anchor or alias",
        "A flow file has no tags, anchors, aliases or merge keys.",
        "Write the value out where it is needed; put expressions that are used often under `define`.",
        "",
        "flow: !!str x\n",
        _FILE,
    ),
    Code(
        "F005",
        "too large",
        "The file is larger, deeper or longer than any flow.",
        "Split the file: a flow has a few hundred lines and about eight levels.",
        "",
        f"flow: {'[' * 60}{']' * 60}\n",
        _FILE,
    ),
    Code(
        "F006",
        "not one document",
        "The file is empty or holds several documents.",
        "Begin with `flow: name`, and write one flow a file.",
        "",
        "---\nflow: x\n---\nflow: y\n",
        _FILE,
    ),
    Code(
        "F008",
        "flow name twice",
        "Two files define flows of the same name.",
        "Give each flow a name of its own: settings, mappings and what was posted are kept under it.",
        "",
        "# one.yaml\nflow: bills\n# two.yaml\nflow: bills\n",
        "# one.yaml\nflow: bills\n# two.yaml\nflow: payments\n",
    ),
    Code(
        "F010",
        "unknown key",
        "A key is not part of the language here.",
        "Write one of the keys that the hint lists; `flowctl validate --fix` mends a misspelt one.",
        "streams.bills.fetch",
        "{from: ramp, stream: bills, where: {}}",
        "{from: ramp, stream: bills, with: {}}",
    ),
    Code(
        "F011",
        "missing key",
        "A key that is needed is not there.",
        "Add the key as the hint shows it.",
        "streams.bills.fetch",
        "{from: ramp}",
        "{from: ramp, stream: bills}",
    ),
    Code(
        "F013",
        "wrong kind of value",
        "A list, a mapping or a text was expected and something else is there.",
        "Write the value as the hint shows it. Words like `yes` and `no` are text here, `true` and `false` are not.",
        "streams.bills.after",
        "vendors",
        "[vendors]",
    ),
    Code(
        "F014",
        "unknown word",
        "A value is not one of the words that are allowed here.",
        "Write one of the words that the hint lists.",
        "lookups.vendor.match",
        "[mappd]",
        "[mapped]",
    ),
    Code(
        "F015",
        "bad name",
        "A name is not made of lower-case letters, digits and _.",
        "Use lower-case letters, digits and _, beginning with a letter.",
        "streams.bills.phase",
        "First-Phase",
        "first_phase",
    ),
    Code(
        "F016",
        "bad form",
        "A value is not written in the form it needs.",
        "Write it as the hint shows: a duration is a number and s, m, h or d.",
        "streams.bills.trigger.every",
        "6 hours",
        "6h",
    ),
    Code(
        "F017",
        "either or",
        "Of two ways of writing something, both or none are used.",
        "Use one of the ways that the message names, and only one.",
        "streams.bills.write",
        "{to: books}",
        "{to: books, request: BillAdd, template: bill_add.xml.j2}",
    ),
    Code(
        "F018",
        "empty",
        "Something that must not be empty is empty.",
        "Give it something, or remove the key.",
        "streams.bills.select",
        "[]",
        "[{only: \"status == 'OPEN'\"}]",
    ),
    Code(
        "F019",
        "number out of range",
        "A number is not one that is known here.",
        "Write a number that the hint names.",
        "version",
        "2",
        "1",
    ),
    Code(
        "F020",
        "item twice",
        "An item is in a list twice.",
        "Remove one of the two.",
        "lookups.vendor.match",
        "[mapped, mapped]",
        "[mapped]",
    ),
)


# Code -> what to do, and where the examples of it stand; the meanings are those of `engine.mapping.checks`.
_EXPRESSIONS: Mapping[str, tuple[str, str, str, str]] = {
    "E101": (
        "Mend the expression where the caret is: numbers stand in backticks, texts in single quotes.",
        "streams.bills.map.amount",
        "money(amount",
        "money(amount)",
    ),
    "E102": (
        "Move parts of it to `define`.",
        "streams.bills.map.currency",
        f"{'(' * 41}currency{')' * 41}",
        "currency",
    ),
    "E103": ("Write a function that the hint lists.", "streams.bills.map.amount", "moeny(amount)", "money(amount)"),
    "E104": (
        "Call it as the hint shows.",
        "streams.bills.map.reference",
        "limit(invoice_number)",
        "limit(invoice_number, `20`)",
    ),
    "E105": (
        "Declare the setting under `settings`, or write the name of one that is there.",
        "streams.bills.map.home",
        "setting('home_curency')",
        "setting('home_currency')",
    ),
    "E106": (
        "Declare the lookup under `lookups`, or write the name of one that is there.",
        "streams.bills.map.vendor",
        "lookup('vender', vendor.id, vendor.name)",
        "lookup('vendor', vendor.id, vendor.name)",
    ),
    "E107": (
        "Write the name of a stream of this flow.",
        "streams.bills.map.memo",
        "limit(posted('vendor', vendor.id).ListID, `40`)",
        "limit(posted('vendors', vendor.id).ListID, `40`)",
    ),
    "E108": (
        "Put the name in single quotes; without them it is a field.",
        "streams.bills.map.vendor",
        "lookup(vendor, vendor.id)",
        "lookup('vendor', vendor.id)",
    ),
    "E109": ("Write the define without itself.", "define.payee", "payee(vendor)", "vendor.name"),
    "E110": ("Give the define another name.", "define", "{payee: vendor.name, money: amount}", "{payee: vendor.name}"),
    "E111": (
        "Write a field that the hint lists; inside [ ] and { } fields are those of the item, and `root()` is the record.",
        "streams.bills.map.amount",
        "money(amuont)",
        "money(amount)",
    ),
    "E112": (
        "Give it what the message names; make one of the other with a function such as money(...) or date(...).",
        "streams.bills.map.amount",
        "money(line_items)",
        "sum_money(line_items[].amount)",
    ),
    "E113": (
        "Compare with a value of the same type, and one that the field can have.",
        "streams.bills.select",
        "status == 'open'",
        "status == 'OPEN'",
    ),
    "E114": ("Wrap the amount in money(...).", "streams.bills.select", "amount > `0`", "money(amount) > `0`"),
    "E115": (
        "Write it with fewer copies of the same value.",
        "streams.bills.map.memo",
        f'"{" | ".join(["[@, @]"] * 13)}"',
        '"[id, currency]"',
    ),
    "E116": (
        "Add a default: `|| ''`.",
        "streams.bills.map.memo",
        "starts_with(invoice_number, 'A')",
        "starts_with(invoice_number || '', 'A')",
    ),
}


@cache
def codes() -> Mapping[str, Code]:
    """All codes by name: reading, structure, rules, expressions."""
    from engine.lints.rules import RULES
    from engine.mapping.checks import CODES as EXPRESSIONS

    found = {entry.code: entry for entry in _BASE}
    for rule in RULES:
        if rule.ID:
            found[rule.ID] = described(rule.ID, rule.__doc__ or "")
    for code, title in EXPRESSIONS.items():
        found[code] = Code(code, title, f"{title[0].upper()}{title[1:]}.", *_EXPRESSIONS[code], level=_level(code))
    return dict(sorted(found.items()))


def _level(code: str) -> Level:
    return "warning" if code in _WARNINGS else "error"


def described(code: str, doc: str) -> Code:
    """A rule's entry, read from its docstring: a sentence, `To do:`, then `Fails at PATH:` and `Passes:` with YAML."""
    said, _, rest = doc.strip().partition("\n\nFails at ")
    sentence, _, todo = said.partition("\n\nTo do: ")
    at, _, rest = rest.partition(":\n")
    bad, _, good = rest.partition("\nPasses:\n")
    title = " ".join(sentence.split())
    todo = " ".join(todo.split())
    return Code(code, title.rstrip("."), title, todo, at, _dedented(bad), _dedented(good), _level(code))


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in text.splitlines()).strip()
