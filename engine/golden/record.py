"""Makes a golden case of what a company's own sources say: reads them, scrubs every value, plays the case once."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from engine import registry, told
from engine.clock import iso
from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.errors import FlowctlError, RateLimited, UsageError
from engine.golden.compare import Verdict, check
from engine.golden.scrub import Done, Scrubber
from engine.model import Fetch, Flow, Stream
from engine.previewing.listening import Heard
from engine.previewing.model import Computed, Preview
from engine.program import FlowProgram
from engine.simulated import Simulated, Stocked
from engine.spec import FieldSpec
from engine.store import companies, lists
from engine.world import World

# How many records of what a stream comes after are looked through for those that its records name.
_MOST = 1000
# How often a vendor that is asked too often is asked again, and how long it may want us to wait each time.
_PATIENCE = 3
_LONGEST_S = 90.0
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,62}", re.ASCII)
_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_LEAST_SECRET = 4


class NothingRecorded(UsageError):
    """No stream of the flow gave a record."""


class CaseThere(UsageError):
    """A case is never written over by what a vendor says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is there already", hint="give --record another name, or remove the folder")


class NameUnfit(UsageError):
    """A name that cannot be that of a case."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name[:40]!a}` cannot be the name of a case", hint="use lower case a-z, 0-9 and `_`")


class WouldLeak(FlowctlError):
    """Something that must not be written would be; nothing was."""

    def __init__(self, what: str, file: str) -> None:
        super().__init__(
            f"{what} would stand in {file}; nothing was written",
            hint="record other records, or take it out of the source's field that holds it",
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be recorded: `count` records of `stream`, or of every stream when it is empty."""

    company: str
    stream: str
    count: int
    factor: int = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded: how many records by fetch, what was scrubbed, the files, and how the case plays."""

    folder: Path
    counts: Mapping[str, int]
    done: Sequence[Done]
    files: Sequence[str]
    verdict: Verdict


@dataclass(slots=True)
class _Take:
    """Records of one fetch, as they came, with the streams that read them."""

    fetch: Fetch
    streams: list[str]
    records: list[Mapping[str, Any]] = field(default_factory=list)


def require_name(name: str) -> None:
    """Refuse what is no name of a case, such as a path to somewhere else.

    Raises:
        NameUnfit: when it is none.
    """
    if not _NAME.fullmatch(name):
        raise NameUnfit(name)


def record(world: World, program: FlowProgram, wish: Wish, folder: Path) -> Recorded:
    """Read, scrub, play and write a case; the sources are told nothing, and nothing of the company's is changed.

    Raises:
        CaseThere: when there is one.
        NothingRecorded: when there is nothing to record.
        WouldLeak: when something would be written that the rules do not let through.
        RunError: what keeps a source from being read.
    """
    require_name(folder.name)
    if folder.exists():
        raise CaseThere(folder)
    takes = list(_takes(world, program, wish))
    if not any(take.records for take in takes):
        raise NothingRecorded(
            f"{wish.company}: the sources of {program.flow.name} list no record",
            hint="look at the filters of `fetch`, or name another stream with --stream",
        )
    known = _secrets(world)
    scrubber = Scrubber(_named(program.flow), tuple(known), wish.factor)
    with TemporaryDirectory() as place:
        made = Path(place) / program.flow.name / folder.name
        _write(made, _files(world, program, wish, takes, scrubber))
        verdict = check(made, program, update=True)
        if verdict.broken:
            raise UsageError(f"the recorded case cannot be played: {verdict.problems[0]}")
        _require_clean(made, known, scrubber)
        shutil.copytree(made, folder)
    counts = {f"{take.fetch.connection} {take.fetch.stream}": len(take.records) for take in takes if take.records}
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Recorded(folder, counts, scrubber.report(), files, verdict)


# --- reading ----------------------------------------------------------------------------------------------------------


def _takes(world: World, program: FlowProgram, wish: Wish) -> Iterator[_Take]:
    """What the streams read: the wished one's first records, and of what it comes after those that it names."""
    flow = program.flow
    wanted = [stream for stream in flow.streams if stream.name == wish.stream or not wish.stream]
    first = _by_fetch(flow, wanted)
    for take in first.values():
        take.records += _live(world, wish.company, take.fetch, wish.count)
    before = _by_fetch(flow, [flow.stream(name) for name in _before(flow, wanted)])
    for identity, take in reversed(before.items()):
        if identity in first:
            first[identity].streams += take.streams
            continue
        named = _scalars([each.records for each in (*first.values(), *before.values())])
        key = _key_of(flow, take.fetch)
        found = _live(world, wish.company, take.fetch, _MOST)
        take.records += [item for item in found if str(item.get(key, "")) in named]
    yield from (take for identity, take in before.items() if identity not in first)
    yield from first.values()


def _live(world: World, company: str, fetch: Fetch, count: int) -> list[Mapping[str, Any]]:
    """The first records of a fetch; a vendor that asks for a little patience gets it.

    Raises:
        RunError: what keeps the source from being read.
    """
    from engine.previewing import worlds

    for _ in range(_PATIENCE):
        try:
            return list(worlds.live(world, company, fetch, count))
        except RateLimited as error:
            if not 0 < (wait := error.retry_after_s or 0) <= _LONGEST_S:
                raise
            world.clock.sleep(wait)
    return list(worlds.live(world, company, fetch, count))


def _by_fetch(flow: Flow, streams: Sequence[Stream | None]) -> dict[str, _Take]:
    """Streams that read records of a vendor that is called; two that read the same share it."""
    found: dict[str, _Take] = {}
    for stream in streams:
        if stream is not None and _is_read(flow, stream.fetch):
            found.setdefault(stream.fetch.identity, _Take(stream.fetch, [])).streams.append(stream.name)
    return found


def _is_read(flow: Flow, fetch: Fetch) -> bool:
    """Whether it reads a stream of a vendor's API; lists of a polled target come from its simulator."""
    named = flow.connection(fetch.connection)
    connector = registry.find(named.connector) if named else None
    return (
        connector is not None and connector.spec.delivery == "push" and connector.spec.stream(fetch.stream) is not None
    )


def _before(flow: Flow, streams: Sequence[Stream]) -> list[str]:
    """The streams that these come after, and what those come after, in the flow's order."""
    found: set[str] = set()
    waiting = [name for stream in streams for name in stream.after]
    while waiting:
        name = waiting.pop()
        if name not in found and (stream := flow.stream(name)) is not None:
            found.add(name)
            waiting += stream.after
    return [stream.name for stream in flow.streams if stream.name in found and stream not in streams]


def _key_of(flow: Flow, fetch: Fetch) -> str:
    spec = _stream_spec(flow, fetch)
    return spec.key if spec else "id"


def _stream_spec(flow: Flow, fetch: Fetch) -> Any:
    named = flow.connection(fetch.connection)
    connector = registry.find(named.connector) if named else None
    return connector.spec.stream(fetch.stream) if connector else None


def _scalars(value: Any) -> set[str]:
    """Every plain value in some records, as text."""
    if isinstance(value, Mapping):
        return {text for each in value.values() for text in _scalars(each)}
    if isinstance(value, list | tuple):
        return {text for each in value for text in _scalars(each)}
    return set() if value is None or value == "" else {str(value)}


# --- what the flow and the vault know ---------------------------------------------------------------------------------


def _named(flow: Flow) -> frozenset[str]:
    """Values that the flow itself names: texts in its expressions, defaults and choices of its settings."""
    found: set[str] = set()
    for setting in flow.settings:
        found.update(str(each) for each in (setting.default, *setting.options) if isinstance(each, str))
    for match in _LITERAL.finditer(flow.source):
        found.add(match.group(1) if match.group(1) is not None else match.group(2))
    return frozenset(text for text in found if text.strip())


def _secrets(world: World) -> Mapping[str, str]:
    """Everything that the vault keeps, of every company: the secret, and where it belongs."""
    found: dict[str, str] = {base64.b64encode(world.vault.key).decode(): "the key of the store"}
    with world.store.read() as tx:
        for company in companies.names(tx):
            for row in companies.connections(tx, company):
                name = row["connection"]
                bound = companies.binding(tx, world.vault, company, name)
                where = f"{company}/{name}"
                kept = dict(bound[1].secrets) if bound else {}
                token = companies.token(tx, world.vault, company, name) or {}
                tokens = {key: value for key, value in token.items() if isinstance(value, str) and "token" in key}
                for key, value in (*kept.items(), *tokens.items()):
                    # One setting may hold several, each of which is a secret.
                    for part in {value, *value.split()}:
                        if len(part) >= _LEAST_SECRET:
                            found.setdefault(part, f"the secret `{key}` of {where}")
    return found


# --- the files --------------------------------------------------------------------------------------------------------


def _files(
    world: World, program: FlowProgram, wish: Wish, takes: Sequence[_Take], scrubber: Scrubber
) -> Mapping[str, str]:
    """The texts of `case.yaml` and of what is given, scrubbed."""
    flow, files = program.flow, dict[str, str]()
    reads: dict[str, list[Mapping[str, Any]]] = {}
    for take in takes:
        spec = _stream_spec(flow, take.fetch)
        fields: Sequence[FieldSpec] = spec.fields if spec else ()
        found = [scrubber.record(item, fields, take.fetch.stream) for item in take.records]
        read = {"stream": take.fetch.stream, "filters": dict(take.fetch.filters), "records": found}
        reads.setdefault(take.fetch.connection, []).append(read)
    for connection, each in reads.items():
        files[f"given/{connection}.recorded.json"] = _json({"reads": each})
    heard = list(_heard(world, program, wish, takes))
    objects = _objects(world, flow, wish, heard)
    for connection, by_list in objects.items():
        given = _given(flow, connection, by_list, scrubber)
        if given:
            files[f"given/{connection}.json"] = _json(given)
    files["case.yaml"] = _case(world, flow, wish, _mappings(heard, scrubber), scrubber)
    return files


def _heard(world: World, program: FlowProgram, wish: Wish, takes: Sequence[_Take]) -> Iterator[Heard]:
    """What the records ask the company's lists and mappings for, and what these answer."""
    from engine.previewing import worlds

    for take in takes:
        for name in take.streams:
            for made in worlds.previews(world, program, wish.company, name, take.records):
                for computed in _computed(made):
                    yield from computed.heard


def _computed(made: Preview) -> Iterator[Computed]:
    yield from (each.computed for each in (*made.select, *made.check))
    yield from (computed for _, computed in made.fields)
    yield from (each for each in (made.adopt, *(way.when for way in made.ways)) if each is not None)


def _objects(
    world: World, flow: Flow, wish: Wish, heard: Sequence[Heard]
) -> Mapping[str, Mapping[str, Sequence[ListObject]]]:
    """The objects of targets' lists that the records mean, by connection and list."""
    from engine.listsource import kept_as

    found: dict[str, dict[str, dict[str, ListObject]]] = {}
    with world.store.read(wish.company) as tx:
        for each in heard:
            lookup = flow.lookup(each.name)
            answers = each.answer if isinstance(each.answer, list) else [each.answer]
            for answer in answers:
                if lookup is None or not isinstance(answer, Mapping) or not answer.get("list_id"):
                    continue
                item = lists.by_id(tx, wish.company, kept_as(flow, lookup), str(answer["list_id"]))
                if item is not None:
                    found.setdefault(lookup.connection, {}).setdefault(lookup.list, {})[item.list_id] = item
    return {name: {each: list(items.values()) for each, items in kinds.items()} for name, kinds in found.items()}


def _given(
    flow: Flow, connection: str, objects: Mapping[str, Sequence[ListObject]], scrubber: Scrubber
) -> Mapping[str, Any]:
    """What gives the simulated target the objects, under their pseudonyms."""
    named = flow.connection(connection)
    connector: object = registry.find(named.connector) if named else None
    if not isinstance(connector, Stocked) or not isinstance(connector, Simulated):
        return {}
    scrubbed = {
        name: [
            replace(
                item,
                full_name=scrubber.text(item.full_name, "name", name),
                number=scrubber.text(item.number, "number", name) if item.number else "",
            )
            for item in items
        ]
        for name, items in objects.items()
    }
    return connector.given_lists(scrubbed)


def _mappings(heard: Sequence[Heard], scrubber: Scrubber) -> list[dict[str, str]]:
    """What was found by a mapping, or by an id that the simulated target does not have, as mappings of the case."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in heard:
        by_id = each.origin.startswith(("by a person's", "by this flow's", "by a mapping", "by its id"))
        key = next((text for text in each.given[:2] if text), "")
        if by_id and key and isinstance(each.answer, Mapping) and each.answer.get("full_name"):
            to = scrubber.text(str(each.answer["full_name"]), "name", each.name)
            row = {"lookup": each.name, "key": scrubber.text(key, "id", each.name), "to": to}
            rows.setdefault((row["lookup"], row["key"]), row)
    return list(rows.values())


def _case(world: World, flow: Flow, wish: Wish, mappings: Sequence[Mapping[str, str]], scrubber: Scrubber) -> str:
    now = iso(world.clock.now().replace(second=0, microsecond=0)).replace(".000000", "")
    what = wish.stream or "all streams"
    lines = [
        f"case: Recorded from the company's own source, {what}; say here what it shows.",
        f"clock: {now}",
        "seed: 1",
    ]
    with world.store.read(wish.company) as tx:
        own = companies.settings(tx, wish.company, flow.name)
        stands = told.standings(tx, wish.company, flow)
    # What the target says of itself: the simulated one of the case would say otherwise.
    for each in flow.settings:
        value = stands[each.name].value if stands[each.name].by else None
        if value is not None and value != each.default:
            own[each.name] = value
    settings = {name: _setting(flow, name, value, scrubber) for name, value in own.items()}
    if settings:
        lines.append(f"settings: {_inline(settings)}")
    if mappings:
        lines += ["mappings:", *(f"  - {_inline(row)}" for row in mappings)]
    return "\n".join([*lines, "steps:", "  - cycle", "  - cycle"]) + "\n"


def _setting(flow: Flow, name: str, value: Any, scrubber: Scrubber) -> Any:
    """A setting of the company; a text is a name that its records may bear as well."""
    known = next((each for each in flow.settings if each.name == companies.setting_of(name)[0]), None)
    if not isinstance(value, str) or known is None or known.type != "text":
        return value
    return value if re.fullmatch("[A-Z]{3}", value) else scrubber.text(value, "name", name)


def _inline(value: Mapping[str, Any]) -> str:
    """A mapping on one line of YAML; JSON texts are YAML texts."""
    return "{" + ", ".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items()) + "}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


# --- the last look ----------------------------------------------------------------------------------------------------


def _require_clean(folder: Path, secrets: Mapping[str, str], scrubber: Scrubber) -> None:
    """Refuse a case in whose bytes a secret stands, or personal data that a rule replaced somewhere else.

    Raises:
        WouldLeak: naming what it is and the file, never the value.
    """
    originals = scrubber.originals()
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content, name = path.read_bytes(), path.relative_to(folder).as_posix()
        for secret, where in secrets.items():
            if any(form in content for form in _forms(secret)):
                raise WouldLeak(where, name)
        for value, kind in originals.items():
            if any(form in content for form in _forms(value)):
                raise WouldLeak(f"a value that was taken for {_article(kind)}", name)


def _article(kind: str) -> str:
    return {"email": "an e-mail address", "tax": "a tax id", "person": "a person's name"}.get(kind, f"{kind} data")


def _forms(text: str) -> set[bytes]:
    """A text as it may stand in a file: plain, within JSON or XML, in an address, and as base64."""
    from xml.sax.saxutils import escape

    data = text.encode("utf-8", "replace")
    plain = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], escape(text), quote(text)}
    coded = (
        {base64.b64encode(data).rstrip(b"="), base64.urlsafe_b64encode(data).rstrip(b"=")} if len(data) > 8 else set()
    )
    return {form.encode("utf-8", "replace") for form in plain} | coded
