"""Every code a check of a flow file can report: what it means, with an example that fails and one that passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Code:
    """One code. The examples stand at the path `at` of a flow; with an empty path, each is a whole file."""

    code: str
    title: str
    meaning: str
    at: str
    bad: str
    good: str


_FILE = "flow: x\n"

# Codes of reading and of structure; the rules under `engine/lints` describe themselves.
_BASE = (
    Code("F001", "not UTF-8 text", "The file is not text in the encoding UTF-8.", "", "", ""),
    Code("F002", "not YAML", "The file breaks the rules of YAML.", "", "flow: [x\n", _FILE),
    Code(
        "F003",
        "key twice",
        "A key is given twice; one of the two values would be lost.",
        "",
        "flow: x\nflow: y\n",
        _FILE,
    ),
    Code(
        "F004",
        "tag, anchor or alias",
        "A flow file has no tags, anchors, aliases or merge keys.",
        "",
        "flow: !!str x\n",
        _FILE,
    ),
    Code(
        "F005",
        "too large",
        "The file is larger, deeper or longer than any flow.",
        "",
        f"flow: {'[' * 60}{']' * 60}\n",
        _FILE,
    ),
    Code(
        "F006",
        "not one document",
        "The file is empty or holds several documents.",
        "",
        "---\nflow: x\n---\nflow: y\n",
        _FILE,
    ),
    Code("F008", "flow name twice", "Two files define flows of the same name.", "", "", ""),
    Code(
        "F010",
        "unknown key",
        "A key is not part of the language here.",
        "streams.bills.fetch",
        "{from: ramp, stream: bills, where: {}}",
        "{from: ramp, stream: bills, with: {}}",
    ),
    Code(
        "F011",
        "missing key",
        "A key that is needed is not there.",
        "streams.bills.fetch",
        "{from: ramp}",
        "{from: ramp, stream: bills}",
    ),
    Code(
        "F013",
        "wrong kind of value",
        "A list, a mapping or a text was expected and something else is there.",
        "streams.bills.after",
        "vendors",
        "[vendors]",
    ),
    Code(
        "F014",
        "unknown word",
        "A value is not one of the words that are allowed here.",
        "lookups.vendor.match",
        "[mappd]",
        "[mapped]",
    ),
    Code(
        "F015",
        "bad name",
        "A name is not made of lower-case letters, digits and _.",
        "streams.bills.phase",
        "First-Phase",
        "first_phase",
    ),
    Code(
        "F016",
        "bad form",
        "A value is not written in the form it needs.",
        "streams.bills.trigger.every",
        "6 hours",
        "6h",
    ),
    Code(
        "F017",
        "either or",
        "Of two ways of writing something, both or none are used.",
        "streams.bills.write",
        "{to: books}",
        "{to: books, request: BillAdd, template: bill_add.xml.j2}",
    ),
    Code(
        "F018",
        "empty",
        "Something that must not be empty is empty.",
        "streams.bills.select",
        "[]",
        "[{only: \"status == 'OPEN'\"}]",
    ),
    Code("F019", "number out of range", "A number is not one that is known here.", "version", "2", "1"),
    Code("F020", "item twice", "An item is in a list twice.", "lookups.vendor.match", "[mapped, mapped]", "[mapped]"),
)


@cache
def codes() -> Mapping[str, Code]:
    """All codes by name: reading, structure, rules, expressions."""
    from engine.lints.rules import RULES
    from engine.mapping.checks import CODES as EXPRESSIONS

    found = {entry.code: entry for entry in _BASE}
    for rule in RULES:
        if rule.ID:
            found[rule.ID] = described(rule.ID, rule.__doc__ or "")
    for code, meaning in EXPRESSIONS.items():
        found[code] = Code(code, meaning, f"{meaning[0].upper()}{meaning[1:]}.", "", "", "")
    return dict(sorted(found.items()))


def described(code: str, doc: str) -> Code:
    """A rule's entry, read from its docstring: a sentence, then `Fails at PATH:` and `Passes:` with YAML."""
    sentence, _, rest = doc.strip().partition("\n\nFails at ")
    at, _, rest = rest.partition(":\n")
    bad, _, good = rest.partition("\nPasses:\n")
    title = " ".join(sentence.split())
    return Code(code, title.rstrip("."), title, at, _dedented(bad), _dedented(good))


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in text.splitlines()).strip()
