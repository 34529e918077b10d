"""What a connector says of itself: names, help, secrets, settings that are checked without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator

from engine.conformance.bench import Subject
from engine.contract import Binding
from engine.errors import SettingMissing
from engine.flowlang.language import NAME_PATTERN
from engine.spec import ConnectorSpec, FieldSpec, RequestSpec, StreamSpec
from engine.store.companies import TOKEN_FIELD

_NAME = re.compile(NAME_PATTERN)
# A setting that is called so and is not marked as a secret would be shown on every screen.
_SECRET = re.compile(
    r"(^|_)(password|secret|api_key|api_token|private_key|access_token|refresh_token|dev_key|webhook_key)($|_)"
)
# Heavy modules that make every `flowctl validate` slower when the connector's module imports them.
_HEAVY = ("httpx", "starlette", "authlib", "jinja2", "lxml")


def names(subject: Subject) -> Iterator[str]:
    """Names that flows can write, each once, and references that lead somewhere."""
    spec = subject.spec
    if not _NAME.fullmatch(spec.name):
        yield f"the connector's name `{spec.name}` is not of lower-case letters, digits and `_`"
    parts: tuple[tuple[str, Iterable[str]], ...] = (
        ("setting", [setting.name for setting in spec.settings]),
        ("stream", [stream.name for stream in spec.streams]),
        ("mark", [mark.name for mark in spec.marks]),
        ("request", [request.name for request in spec.requests]),
        ("list", [entry.name for entry in spec.lists]),
    )
    for kind, found in parts:
        yield from _twice(kind, found)
    for setting in spec.settings:
        if not _NAME.fullmatch(setting.name):
            yield f"the setting `{setting.name}` is not of lower-case letters, digits and `_`"
        if setting.name == TOKEN_FIELD:
            yield f"the setting `{setting.name}` has the name that the store keeps access tokens under: call it `api_token`"
    for stream in spec.streams:
        yield from _stream_names(spec, stream)
    for mark in spec.marks:
        for name in mark.streams:
            if spec.stream(name) is None:
                yield f"the mark `{mark.name}` is for a stream `{name}` that does not exist"
        if not mark.streams:
            yield f"the mark `{mark.name}` is for no stream"


def _stream_names(spec: ConnectorSpec, stream: StreamSpec) -> Iterator[str]:
    if not _NAME.fullmatch(stream.name):
        yield f"the stream `{stream.name}` is not of lower-case letters, digits and `_`"
    if stream.key not in {field.name for field in stream.fields}:
        yield f"stream {stream.name}: its key `{stream.key}` is none of its fields"
    for event in stream.webhooks:
        if event not in spec.webhooks:
            yield f"stream {stream.name}: the event `{event}` is none of the connector's `webhooks`"
    if stream.requested and stream.requested not in {field.name for field in stream.filters}:
        yield f"stream {stream.name}: `requested` names `{stream.requested}`, which is none of its filters"


def _twice(kind: str, found: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in found:
        if name in seen:
            yield f"the {kind} `{name}` is there twice"
        seen.add(name)


def documented(subject: Subject) -> Iterator[str]:
    """Help for everything that a person meets: `flowctl connectors` and editors show nothing else."""
    spec = subject.spec
    named: list[tuple[str, str]] = [("the connector's title", spec.title), ("the connector", spec.help)]
    named += [(f"stream {stream.name}", stream.help) for stream in spec.streams]
    named += [(f"mark {mark.name}", mark.help) for mark in spec.marks]
    named += [(f"request {request.name}", request.help) for request in spec.requests]
    named += [(f"list {entry.name}", entry.help) for entry in spec.lists]
    for what, text in named:
        if not text.strip():
            yield f"{what}: has no help"
    for where, field in _fields(spec):
        if not field.help.strip():
            yield f"{where}: has no help"
        if field.choices and field.default is not None and field.default not in field.choices:
            yield f"{where}: its default `{field.default}` is none of its choices"
    if not spec.limits:
        yield "`limits` is empty: say what the vendor limits, or what a user must know beside"


def _fields(spec: ConnectorSpec) -> Iterator[tuple[str, FieldSpec]]:
    parts: list[tuple[str, tuple[FieldSpec, ...]]] = [("setting", spec.settings)]
    for stream in spec.streams:
        parts += [(f"stream {stream.name}", stream.fields), (f"stream {stream.name}: filter", stream.filters)]
    parts += [(f"mark {mark.name}", mark.fields) for mark in spec.marks]
    parts += [(f"request {request.name}", request.fields) for request in spec.requests]
    parts += [(f"list {entry.name}", entry.fields) for entry in spec.lists]
    for where, fields in parts:
        yield from _within(where, fields)


def _within(where: str, fields: tuple[FieldSpec, ...]) -> Iterator[tuple[str, FieldSpec]]:
    for field in fields:
        yield f"{where} {field.name}", field
        yield from _within(f"{where} {field.name}", field.fields)


def secrets_marked(subject: Subject) -> Iterator[str]:
    """Settings that are secrets are marked so, and have no default."""
    for setting in subject.spec.settings:
        if _SECRET.search(setting.name) and not setting.secret:
            yield f"the setting `{setting.name}` sounds like a secret and is not marked: `secret=True`"
        if setting.secret and setting.default is not None:
            yield f"the secret `{setting.name}` has a default, which everybody knows"


def requests_whole(subject: Subject) -> Iterator[str]:
    """Requests that change or undo name a kind that another request makes, and JSON requests name their fields."""
    made = {request.name for request in subject.spec.requests}
    for request in subject.spec.requests:
        if request.batch < 1:
            yield f"request {request.name}: `batch` is {request.batch}"
        yield from _of_json(request, made)


def _of_json(request: RequestSpec, made: set[str]) -> Iterator[str]:
    if request.batch_by and request.batch_by not in {field.name for field in request.fields}:
        yield f"request {request.name}: `batch_by` names `{request.batch_by}`, which is none of its fields"
    for kind in request.undoes:
        if not any(name.startswith(kind) for name in made - {request.name}):
            yield f"request {request.name}: it undoes `{kind}`, which no request makes"


def settings_checked(subject: Subject) -> Iterator[str]:
    """A connection without settings is told what is missing, and nothing is shown that was given as a secret."""
    spec = subject.spec
    secret = {s.name: f"given-as-{s.name}-0f3a" for s in spec.settings if s.secret}
    empty = Binding("conformance", spec.name, {}, secret)
    try:
        found = subject.connector.check(empty)
    except SettingMissing as error:
        found, shown = [], f"{error} {error.hint}"
    else:
        shown = " ".join(str(problem) for problem in found)
    needed = [s.name for s in spec.settings if s.required and not s.secret and s.default is None]
    for name in needed:
        if name not in shown:
            yield f"`check` of a connection without settings says nothing of `{name}`, which is required"
    for name, value in secret.items():
        if value in shown or value in repr(empty):
            yield f"the secret `{name}` is shown"


def loads_lightly(subject: Subject) -> Iterator[str]:
    """The connector's module loads without the heavy ones: `flowctl validate` imports it each time."""
    module = type(subject.connector).__module__
    script = (
        f"import sys; sys.path[:0] = {sys.path!r}; import {module}; print(*[m for m in {_HEAVY!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    if ran.returncode:
        yield f"`{module}` cannot be imported by itself: {ran.stderr.strip().splitlines()[-1:]}"
    elif ran.stdout.strip():
        heavy = ", ".join(ran.stdout.split())
        yield f"importing `{module}` imports {heavy} as well; import it inside `open` and `sandbox`"
