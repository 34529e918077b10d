"""A flow file that validates as it is written, made from what two connectors say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from engine import registry
from engine.contract import Connector
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, suggestion
from engine.errors import Bug, UnknownName, UsageError
from engine.flowlang.language import NAME_PATTERN
from engine.scaffold.connector import BadName
from engine.scaffold.targets import NULL, TEMPLATES, Entry, choose, entries, fillable, inline, quoted, vendor_request
from engine.scaffold.words import Words, words_of
from engine.spec import ConnectorSpec, StreamSpec

# The streams that most people come for.
_LIKELY = ("bills", "invoices", "reports", "expenses", "transactions")
_SCHEMA = "# yaml-language-server: $schema=../schemas/flow.schema.json\n"
_ROUNDS = 8
_WIDE = 90
_LISTS: Mapping[str, tuple[str, ...]] = {"vendor": ("Vendor", "vendors"), "account": ("Account", "accounts")}


class NothingFits(UsageError):
    """A stream that no request of the target is likely for."""

    def __init__(self, stream: str, target: str, known: Sequence[str]) -> None:
        listed = ", ".join(known) or "none: no skeleton can be made for it"
        super().__init__(
            f"nothing says what `{stream}` becomes in {target}", hint=f"give --request with one of: {listed}"
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a flow is to do: names of connectors, and of a stream and a request where they were given."""

    name: str
    source: str
    target: str
    stream: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    """One stream of the flow."""

    words: Words
    request: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A flow file, and the stream that it is about."""

    name: str
    text: str
    source: str
    stream: str
    target: str
    role: str


def make_flow(wanted: Wanted, *, schema: bool = False) -> Made:
    """The text of a flow file without a mistake in it; with `schema`, its first line points at the schema of the project.

    Raises:
        UsageError: when a name is not known, or nothing fits.
    """
    if not re.fullmatch(NAME_PATTERN, wanted.name):
        hint = "write it like acme_to_books"
        raise BadName("flow", wanted.name, "lower-case letters, digits and `_` are allowed, a letter first", hint)
    source, target = _connector(wanted.source), _connector(wanted.target)
    if source is target:
        raise UsageError("the flow would read from what it writes to", hint="give two connectors: --from and --to")
    words = words_of(source, _stream(source.spec, wanted.stream))
    request = _request(target.spec, words, wanted.request)
    parts = [_part(target.spec, words, request)]
    before = _vendors(source, target.spec, words, parts[0])
    parts = [before, *parts] if before else parts
    head = _SCHEMA if schema else ""
    for _ in range(_ROUNDS):
        text = head + _text(wanted, source.spec, target.spec, parts)
        wrong = _problems(wanted.name, text)
        if not wrong:
            return Made(wanted.name, text, wanted.source, words.stream.name, wanted.target, _role(target.spec))
        parts = [_mended(part, wrong) for part in parts]
    raise Bug(f"the skeleton of {words.stream.name} into {request} does not validate: {wrong[0]}")


def role_of(target: str) -> str:
    """The role that a target has in a flow.

    Raises:
        UnknownName: when there is no such connector.
    """
    return _role(_connector(target).spec)


def _connector(name: str) -> Connector:
    found = registry.find(name)
    if found is None:
        raise UnknownName("connector", name, registry.names())
    return found


def _stream(spec: ConnectorSpec, name: str) -> StreamSpec:
    names = tuple(stream.name for stream in spec.streams)
    if not names:
        raise UsageError(
            f"nothing can be read from `{spec.name}`", hint="`flowctl connectors` shows which have streams"
        )
    found = spec.stream(name or next((likely for likely in _LIKELY if likely in names), names[0]))
    if found is None:
        raise UnknownName("stream", name, names)
    return found


def _request(target: ConnectorSpec, words: Words, given: str) -> str:
    known = tuple(request.name for request in fillable(target))
    if given:
        if given not in known:
            raise UsageError(f"no skeleton can be made for `{given}` of {target.name}", hint=suggestion(given, known))
        return given
    chosen = choose(target, words)
    if not chosen:
        raise NothingFits(words.stream.name, target.name, known)
    return chosen


def _part(target: ConnectorSpec, words: Words, request: str) -> _Part:
    spec = target.request(request)
    assert spec is not None
    return _Part(words, request, tuple(entries(spec, words)))


def _vendors(source: Connector, target: ConnectorSpec, words: Words, part: _Part) -> _Part | None:
    """The stream that makes the vendors which the main one looks up, where the source lists them."""
    stream = source.spec.stream(words.get("vendors"))
    request = vendor_request(target)
    looks_up = any("lookup('vendor'" in entry.text for entry in part.entries)
    if stream is None or stream is words.stream or not request or not looks_up:
        return None
    return _part(target, words_of(source, stream), request)


def _problems(name: str, text: str) -> list[Diagnostic]:
    from engine.validate import validate

    with TemporaryDirectory(prefix="flowctl-new-") as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return [problem for problem in validate([path]).problems if problem.level == "error"]


def _mended(part: _Part, wrong: Sequence[Diagnostic]) -> _Part:
    """Leave out what was guessed wrong; what is needed is null instead."""
    at = f"streams.{part.words.stream.name}.map."
    blamed = {problem.where.removeprefix(at).split(".")[0] for problem in wrong if problem.where.startswith(at)}
    kept = []
    for entry in part.entries:
        if entry.name not in blamed:
            kept.append(entry)
        elif entry.needed and entry.text != NULL:
            kept.append(replace(entry, text=NULL, note="nothing that was guessed fits"))
    return replace(part, entries=tuple(kept))


# --- text -------------------------------------------------------------------------------------------------------------


def _text(wanted: Wanted, source: ConnectorSpec, target: ConnectorSpec, parts: Sequence[_Part]) -> str:
    role = _role(target)
    finds = any(target.list(name) for name in _LISTS["vendor"])
    known = frozenset([*(["find"] if finds else []), *(["provide"] if len(parts) > 1 else [])])
    blocks = ["\n".join(_stream_text(part, parts, source.name, role, known)) for part in parts]
    told = "\n".join(blocks)
    lines = [
        f"flow: {wanted.name}",
        "version: 1",
        f"describe: The {parts[-1].words.stream.name} of {source.title} go to {target.title} as {parts[-1].request}.",
        "",
        "connections:",
        f"  {source.name}: {{connector: {source.name}}}",
        f"  {role}: {{connector: {target.name}}}",
        *_block("settings", _settings(told)),
        *_block("lookups", _lookups(told, target, role)),
        *_block("define", [f"  {name}: {quoted(text)}" for name, text in _defines(parts, told).items()]),
        "",
        "streams:",
        "\n\n".join(blocks),
    ]
    return "\n".join(lines) + "\n"


def _role(target: ConnectorSpec) -> str:
    """What takes QuickBooks' documents is the books, whatever it is."""
    return "books" if any(request.name in TEMPLATES for request in target.requests) else target.name


def _block(key: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{key}:", *lines] if lines else []


def _settings(told: str) -> list[str]:
    """What the map asks a company for."""
    known = {
        "ap_account": ("Accounts Payable", "Account that bills are owed from"),
        "card_account": ("Ramp Card", "Account of the card"),
        "line_account": ("Office Supplies", "Account of what is bought"),
    }
    return [
        f"  {name}: {{type: text, default: {default}, help: {help_}}}"
        for name, (default, help_) in known.items()
        if f"setting('{name}')" in told
    ]


def _lookups(told: str, target: ConnectorSpec, role: str) -> list[str]:
    """A lookup for each list that the map looks into; a person says what a name means where none fits."""
    found = []
    for lookup, names in _LISTS.items():
        name = next((name for name in names if target.list(name)), None)
        if name and re.search(rf"(lookup|find)\('{lookup}'", told):
            match = "[mapped, list_id, number, exact_name]" if lookup == "account" else "[mapped, exact_name]"
            found.append(f"  {lookup}: {{target: {role}.{name}, match: {match}}}")
    return found


def _defines(parts: Sequence[_Part], told: str) -> Mapping[str, str]:
    found = {name: text for part in parts for name, text in part.words.defines.items()}
    return {name: text for name, text in found.items() if f"{name}(" in told}


def _stream_text(part: _Part, parts: Sequence[_Part], source: str, role: str, known: frozenset[str]) -> Iterator[str]:
    """One stream; `known` says whether vendors can be found in the target, and whether another stream needs them."""
    words, spec = part.words, part.words.stream
    is_vendor = part.request in ("VendorAdd", "VendorCreate")
    yield f"  {spec.name}:"
    if part is not parts[0]:
        yield f"    after: [{parts[0].words.stream.name}]"
    yield "    trigger: {every: 1h}"
    asked = f", with: {words.get('with')}" if words.get("with") else ""
    sweep = ", sweep: 6h" if spec.changes == "since" else ""
    yield f"    fetch: {{from: {source}, stream: {spec.name}{asked}{sweep}}}"
    yield f"    key: {spec.key}"
    yield from _about(words, is_vendor=is_vendor)
    yield from _select(words)
    if is_vendor and "find" in known:
        yield f"    adopt: find('vendor', {words.get('vendor_id')}, {words.get('vendor')})"
    yield "    map:"
    for entry in part.entries:
        yield from _entry(entry)
    if any(entry.name == "lines" for entry in part.entries) and words.get("lines"):
        yield "    check:"
        yield '      - {expect: "sum_money(lines[].amount) == amount", say: the lines do not add up}'
    template = f", template: {TEMPLATES[part.request][0]}" if part.request in TEMPLATES else ""
    yield f"    write: {{to: {role}, request: {part.request}{template}}}"
    if is_vendor and "provide" in known:
        yield f"    provide: {{lookup: vendor, key: {words.get('vendor_id')}}}"
    yield from _mark(part, source)


def _select(words: Words) -> Iterator[str]:
    """Which records are taken."""
    always, first = words.get("select"), words.get("first")
    if not first:
        yield from ([f"    select: {quoted(always)}"] if always else [])
        return
    yield "    select:"
    if always:
        yield f"      - {{only: {inline(always)}, say: it is not ready}}"
    yield f"      - {{only: {inline(first)}, say: it was dealt with before, for: first}}"


def _about(words: Words, *, is_vendor: bool) -> Iterator[str]:
    """What people see of a record."""
    found = {"party": words.get("vendor")}
    if words.get("amount"):
        found = {"amount": f"money({words.get('amount')})", "currency": words.get("currency"), **found}
    if not is_vendor:
        found |= {
            "reference": words.get("reference"),
            "date": f"date({words.get('date')})" if words.get("date") else "",
        }
    shown = {name: text for name, text in found.items() if text}
    line = ", ".join(f"{name}: {inline(text)}" for name, text in shown.items())
    if shown and len(line) < _WIDE:
        yield f"    about: {{{line}}}"
    elif shown:
        yield "    about:"
        yield from (f"      {name}: {quoted(text)}" for name, text in shown.items())


def _entry(entry: Entry) -> Iterator[str]:
    """One entry of the map; a note stands behind it, or above where it has several lines."""
    if "\n" not in entry.text:
        yield f"      {entry.name}: {quoted(entry.text)}" + (f"  # {entry.note}" if entry.note else "")
        return
    if entry.note:
        yield f"      # {entry.note}"
    yield f"      {entry.name}: >-"
    yield from (f"        {line}" for line in entry.text.splitlines())


def _mark(part: _Part, source: str) -> Iterator[str]:
    """How the source is told, where the connector can tell it of this stream."""
    connector = registry.find(source)
    assert connector is not None
    name = part.words.stream.name
    mark = next((mark for mark in connector.spec.marks if name in mark.streams), None)
    if mark is not None:
        qbxml = part.request in TEMPLATES
        reference = "receipt.ListID" if part.request == "VendorAdd" else "receipt.TxnID" if qbxml else "receipt.id"
        told = "" if mark.failures else ", failures: []"
        yield f"    mark_synced: {{in: {source}, as: {mark.name}, reference: {reference}{told}}}"
