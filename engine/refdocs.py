"""The reference pages, built from the code itself: `python -m engine.refdocs` writes them to docs/reference."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from engine.codes import Code
    from engine.language import Key, Object, Type
    from engine.mapping import FunctionSpec
    from engine.spec import ConnectorSpec, FieldSpec

FOLDER = Path("docs/reference")
_NOTE = "<!-- Written by `python -m engine.refdocs`. Change the code it describes, not this page. -->"
_CODE_GROUPS = (
    ("F00", "Reading the file"),
    ("F01", "Structure"),
    ("F02", "Structure, and names that must exist"),
    ("F03", "What connectors and templates offer"),
    ("F04", "What streams read, compare and write"),
    ("F05", "Warnings: parts that nothing uses"),
    ("F06", "Documents"),
    ("E1", "Expressions"),
)


def pages() -> Mapping[str, str]:
    """Every page by file name."""
    return {
        "commands.md": commands_page(),
        "connectors.md": connectors_page(),
        "errors.md": errors_page(),
        "functions.md": functions_page(),
        "language.md": language_page(),
        "quickbooks-statuses.md": statuses_page(),
        "templates.md": templates_page(),
    }


# Results of long runs, written by those runs.
PUBLISHED = frozenset({"campaign.md", "crash-points.md"})


def main(folder: Path = FOLDER) -> int:
    """Write the pages; a page that nothing writes any more is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made and old.name not in PUBLISHED:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


# --- pieces ----------------------------------------------------------------------------------------------------------


def _page(title: str, intro: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", _NOTE, intro, *(part for part in parts if part)]) + "\n"


def _cell(value: object) -> str:
    """Text inside a table: one line, with its bars escaped."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table without the columns that are empty in every row; nothing when there are no rows."""
    texts = [[_cell(value) for value in row] for row in rows]
    if not texts:
        return ""
    kept = [i for i in range(len(header)) if any(row[i] for row in texts)]
    lines = [[header[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in texts)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


def _ticked(values: Iterable[object]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:]


# --- commands --------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Every command with its arguments and options."""
    from engine.cli.main import COMMANDS, cli

    import_ctx = _context(cli, "flowctl")
    found = [(name, cli.get_command(import_ctx, name)) for name in COMMANDS]
    listed = _table(
        ("command", "what it does"), [(f"[`{name}`](#flowctl-{name})", text) for name, (_, text) in COMMANDS.items()]
    )
    status = (
        "## Exit status\n\n"
        "| status | means |\n| --- | --- |\n"
        "| 0 | done, and nothing is wrong |\n"
        "| 1 | problems were found, or records failed |\n"
        "| 2 | the command could not start: wrong usage, an unreadable file, a name that does not exist |\n\n"
        "Data goes to stdout, everything else to stderr."
    )
    parts = [listed, "## flowctl", _options(cli), status]
    for name, command in found:
        if command is not None:
            parts += _command(command, f"flowctl {name}", 2)
    return _page("Commands", "Every command, as `flowctl COMMAND --help` describes it.", parts)


def _context(command: click.Command, name: str) -> click.Context:
    import click

    return click.Context(command, info_name=name)


def _command(command: click.Command, path: str, depth: int) -> Iterator[str]:
    import click

    yield f"{'#' * depth} {path}"
    text, _, example = inspect.cleandoc(command.help or "").partition("\n\nExample: ")
    # What looks like a tag to Markdown is a placeholder.
    yield from (" ".join(paragraph.split()).replace("<", "\\<") for paragraph in text.split("\n\n"))
    pieces = " ".join(command.collect_usage_pieces(_context(command, path)))
    yield _block("text", f"{path} {pieces}")
    if example:
        yield "Example:"
        yield _block("sh", " ".join(example.split()))
    yield _options(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(_context(command, path)):
            inner = command.get_command(_context(command, path), name)
            if inner is not None:
                yield from _command(inner, f"{path} {name}", depth + 1)


def _options(command: click.Command) -> str:
    import click

    rows = []
    for param in command.params:
        if not isinstance(param, click.Option) or param.hidden:
            continue
        names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
        kind = _value_of(param)
        rows.append((f"{names} {kind}".strip(), param.help or "", _default_of(param), _ticked(_variables(param))))
    return _table(("option", "meaning", "default", "variable"), rows)


def _value_of(param: click.Option) -> str:
    import click

    if param.is_flag or param.count:
        return ""
    if param.metavar:
        return param.metavar
    if isinstance(param.type, click.Choice):
        return " / ".join(str(choice) for choice in param.type.choices)
    names = {
        "integer": "NUMBER",
        "integer range": "NUMBER",
        "float": "NUMBER",
        "directory": "FOLDER",
        "file": "FILE",
        "path": "PATH",
    }
    return names.get(param.type.name, "TEXT")


def _default_of(param: click.Option) -> str:
    plain = isinstance(param.default, (str, int, float, Path)) and not isinstance(param.default, bool)
    # A named sentinel of click's own may stand for "no default"; it is none of these types.
    return f"`{param.default}`" if plain and not param.is_flag and not param.count and param.default != "" else ""


def _variables(param: click.Option) -> Sequence[str]:
    if param.envvar is None:
        return ()
    return (param.envvar,) if isinstance(param.envvar, str) else tuple(param.envvar)


# --- QuickBooks' answers ---------------------------------------------------------------------------------------------


def statuses_page() -> str:
    """What QuickBooks' status codes and COM errors come to, from the tables that the connector works by."""
    from engine import registry
    from engine.spec import Documented

    connector: object = registry.find("qbwc")
    assert isinstance(connector, Documented)
    statuses = _table(
        ("status", "when the text says", "the record is", "what a person can do"),
        [(row.code, f"`{row.says}`" if row.says else "", row.outcome, row.hint) for row in connector.statuses()],
    )
    errors = _table(
        ("HRESULT", "what happened", "what to do"),
        [(f"`{row.code}`", row.outcome, row.hint) for row in connector.breakdowns()],
    )
    intro = (
        "What flowctl does when QuickBooks Desktop answers a write. The first row that fits decides; a status that fits none "
        "stops the record for a person, and nothing is tried blindly."
    )
    com = (
        "## COM errors\n\nThe Web Connector reports these instead of an answer. `0x80040400` means that nothing of the document "
        "ran. After any other, what became of a write under way is found out before anything else is sent."
    )
    return _page("QuickBooks statuses", intro, ["## Status codes", statuses, com, errors])


# --- connectors ------------------------------------------------------------------------------------------------------


def connectors_page() -> str:
    """What every connector that comes with flowctl offers."""
    from engine import registry

    parts: list[str] = []
    for name in registry.names():
        connector = registry.find(name)
        if connector is not None:
            parts += _connector(connector.spec)
    intro = (
        "What each connector takes and offers. `flowctl connectors NAME` prints the same for the connectors that are "
        'installed where you are.\n\nTypes: `money` is a decimal text in major units (`"1050.00"`), `id` is always '
        "text, `date` is YYYY-MM-DD, `datetime` is ISO 8601."
    )
    return _page("Connectors", intro, parts)


def _connector(spec: ConnectorSpec) -> Iterator[str]:
    called = "It is polled: the other side calls flowctl." if spec.delivery == "pull" else "flowctl calls it."
    yield f"## {spec.name}: {spec.title}"
    yield f"{_sentence(spec.help)} {called if spec.requests or not spec.streams else ''}".strip()
    if spec.stands_for:
        yield f"It can be connected in the place of {_ticked(spec.stands_for)}."
    yield f"### Settings of {spec.name}"
    yield _table(
        ("setting", "type", "meaning", "default", "values"),
        [(_name(f), f.type, f.help, _shown(f.default), _ticked(f.choices)) for f in spec.settings],
    )
    if spec.streams:
        yield f"### Streams of {spec.name}"
    for stream in spec.streams:
        yield f"#### {spec.name}: {stream.name}"
        how = "every read lists all that match" if stream.changes == "all" else "with `sweep` a read lists changes only"
        events = f" Webhooks: {_ticked(stream.webhooks)}." if stream.webhooks else ""
        yield f"{_sentence(stream.help)} Key: `{stream.key}`; {how}.{events}"
        yield _table(
            ("filter", "type", "meaning", "values"),
            [(f"`{f.name}`", f.type, f.help, _ticked(f.choices)) for f in stream.filters],
        )
        yield _table(("field", "type", "meaning", "values"), _fields(stream.fields))
    if spec.marks:
        yield f"### Marks of {spec.name}"
        yield _table(
            ("mark", "meaning", "for", "can report failures"),
            [(f"`{m.name}`", m.help, _ticked(m.streams), "yes" if m.failures else "no") for m in spec.marks],
        )
    if spec.requests:
        yield f"### Requests of {spec.name}"
        yield _table(
            ("request", "meaning", "written as"), [(f"`{r.name}`", r.meaning, r.documents) for r in spec.requests]
        )
    for request in spec.requests:
        if request.fields:
            yield f"#### {spec.name}: {request.name}"
            yield _table(("field", "type", "meaning", "values", "needed"), list(_request_fields(request.fields)))
    if spec.lists:
        yield f"### Lists of {spec.name}"
        if spec.delivery == "pull":
            yield "Each can be read like a stream of its name, by `list_id`."
            columns: tuple[str, ...] = ("list", "meaning", "fields")
        else:
            yield "Each is kept for lookups, and is asked for anew before a run once it is older than said here."
            columns = ("list", "meaning", "fields", "kept for")
        rows = [
            (f"`{e.name}`", e.help, _ticked(f.name for f in e.fields), f"{e.refresh_s // 60} min")[: len(columns)]
            for e in spec.lists
        ]
        yield _table(columns, rows)
    if spec.limits:
        yield f"### Limits of {spec.name}"
        yield "\n".join(f"- {_sentence(limit)}" for limit in spec.limits)


def _name(field: FieldSpec) -> str:
    notes = [word for word, is_so in (("needed", field.required), ("secret", field.secret)) if is_so]
    return f"`{field.name}`" + (f" ({', '.join(notes)})" if notes else "")


def _shown(value: str | int | bool | None) -> str:
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _fields(fields: Iterable[FieldSpec], before: str = "") -> Iterator[tuple[str, str, str, str]]:
    for field in fields:
        path = f"{before}{field.name}"
        kind = f"list of {field.of}" if field.type == "list" else field.type
        yield f"`{path}`", kind, field.help, _ticked(field.choices)
        yield from _fields(field.fields, f"{path}[]." if field.type == "list" else f"{path}.")


def _request_fields(fields: Iterable[FieldSpec], before: str = "") -> Iterator[tuple[str, str, str, str, str]]:
    needed = {path: "yes" if field.required else "" for path, field in _paths(fields, before)}
    for path, kind, meaning, values in _fields(fields, before):
        yield path, kind, meaning, values, needed[path]


def _paths(fields: Iterable[FieldSpec], before: str) -> Iterator[tuple[str, FieldSpec]]:
    for field in fields:
        path = f"{before}{field.name}"
        yield f"`{path}`", field
        yield from _paths(field.fields, f"{path}[]." if field.type == "list" else f"{path}.")


# --- functions -------------------------------------------------------------------------------------------------------


def functions_page() -> str:
    """Every function that an expression can call."""
    from engine.mapping import FUNCTIONS
    from engine.mapping.catalogue import OWN

    own = {spec.name for spec in OWN}
    intro = (
        "Expressions are [JMESPath](https://jmespath.org/specification.html) with exact numbers and these functions. "
        "A text stands in single quotes, a number, true, false or null in backquotes: `'USD'`, `` `41` ``. Numbers are "
        "whole or decimal; no amount ever passes through a float. Most functions of text, money and dates give null "
        "for null. A `define` of the flow is called like a function of one argument: `gl(@)`."
    )
    ours = [spec for name, spec in FUNCTIONS.items() if name in own]
    theirs = [spec for name, spec in FUNCTIONS.items() if name not in own]
    parts = [
        "## flowctl's own functions", _functions(ours),
        "## Functions of JMESPath",
        _functions(theirs),
    ]  # fmt: skip
    return _page("Functions", intro, parts)


def _functions(specs: Iterable[FunctionSpec]) -> str:
    rows = [
        (_code(spec.signature), _sentence(spec.help), _code(spec.example), _code(_value(spec.gives)), spec.result)
        for spec in specs
    ]
    return _table(("function", "meaning", "example", "gives", "kind"), rows)


def _code(text: str) -> str:
    """Inline code that may itself hold backquotes."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _value(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


# --- errors ----------------------------------------------------------------------------------------------------------


def errors_page() -> str:
    """Every code that `flowctl validate` can report."""
    from engine.codes import codes

    intro = (
        "Every code that `flowctl validate` can report, with an example that fails and one that passes; `flowctl explain "
        "F024` prints one. The examples stand at the place that is named; those without a place are whole files. A line "
        "of its output reads: file, line, column, level, code, place in the file, what is wrong; a hint follows. Codes "
        "never change their meaning."
    )
    parts: list[str] = []
    group = ""
    for code in codes().values():
        title = next((name for prefix, name in _CODE_GROUPS if code.code.startswith(prefix)), "Other")
        if title != group:
            parts.append(f"## {title}")
            group = title
        parts += _described(code)
    return _page("Errors of flow files", intro, parts)


def _described(code: Code) -> Iterator[str]:
    yield f"### {code.code}"
    title = _sentence(code.title)
    said = f"**{title[:-1]}.**" + (f" {code.meaning}" if _sentence(code.meaning) != title else "")
    yield f"{said} {code.todo}" + (" It is a warning: the flow runs." if code.level == "warning" else "")
    place = f" at `{code.at}`" if code.at else ""
    if code.bad:
        yield f"Fails{place}:"
        yield _block("yaml", code.file(code.bad))
    if code.good:
        yield "Passes:"
        yield _block("yaml", code.file(code.good))


# --- language --------------------------------------------------------------------------------------------------------


def language_page() -> str:
    """Every key of a flow file."""
    from engine.language import FLOW

    intro = (
        "Every key of a flow file. For a first reading, [Write a flow](../howto/write-a-flow.md) goes through them by "
        "example. `schemas/flow.schema.json` holds the same as JSON Schema, for editors."
    )
    return _page("Flow language", intro, _objects("A flow", FLOW, {}))


def _objects(title: str, kind: Object, seen: dict[str, str]) -> Iterator[str]:
    yield f"## {title}"
    rows = [
        (
            f"`{key.name}`" + (" (needed)" if key.required else ""),
            _kind_of(key.type),
            _sentence(key.help),
            _shown(key.default),
            _code(key.example),
        )
        for key in kind.keys
    ]
    yield _table(("key", "value", "meaning", "default", "example"), rows)
    if kind.one_of:
        ways = " or ".join(" and ".join(f"`{name}`" for name in group) for group in kind.one_of)
        yield f"Either {ways}."
    for key in kind.keys:
        inner = _object_in(key)
        if inner is not None and inner.what not in seen:
            seen[inner.what] = key.name
            yield from _objects(_title(inner.what, key.name), inner, seen)


def _title(what: str, key: str) -> str:
    return f"`{key}`" if what.startswith("`") else f"`{key}`: {what}"


def _object_in(key: Key) -> Object | None:
    from engine.language import ListOf, MapOf, Object

    kind: Type = key.type
    while isinstance(kind, (ListOf, MapOf)):
        kind = kind.item if isinstance(kind, ListOf) else kind.value
    return kind if isinstance(kind, Object) else None


def _kind_of(kind: Type) -> str:
    from engine.language import Boolean, Choice, Integer, ListOf, MapOf, Scalar

    match kind:
        case Choice():
            text = "one of " + _ticked(kind.options)
        case Integer():
            text = f"{kind.minimum}" if kind.minimum == kind.maximum else f"{kind.minimum} to {kind.maximum}"
        case Boolean():
            text = "true or false"
        case Scalar():
            text = "text, whole number, true, false or null"
        case ListOf():
            text = (f"{kind.short.what}, or " if kind.short else "") + f"list: {_kind_of(kind.item)}"
        case MapOf():
            text = f"{kind.key.what}s, each with: {_kind_of(kind.value)}"
        case _:
            text = kind.what
    return text


# --- templates -------------------------------------------------------------------------------------------------------


def templates_page() -> str:
    """The shipped templates, and what a template may use."""
    from engine import render

    doc = (render.__doc__ or "").split("\n\n", 1)[1]
    intro = (
        "A template turns a mapped record into one QBXML request. Each value of the flow's `map` is a variable of the "
        "template; `request_id` and `guid` are given by the engine, and to the template of a change `target_id` and "
        "`edit_sequence` as well. Templates of your own stand in a folder `templates` beside the flow file, and win over a "
        "shipped one of the same name. `flowctl validate` renders "
        "each template with a usual record and with each value as long as the map lets it be, and holds the result "
        "against the QBXML schema."
    )
    parts = ["## What a template may use", doc.strip()]
    found = render.Templates()
    for name in found.names():
        text = files("qbxml_templates").joinpath(name).read_text(encoding="utf-8")
        parts += [
            f"## {name}", f"Values: {_ticked(sorted(found.get(name).variables))}.", _block("jinja", text),
        ]  # fmt: skip
    return _page("Templates", intro, parts)


if __name__ == "__main__":
    sys.exit(main())
