"""The page of commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.refdocs.markdown import block, page, table, ticked

if TYPE_CHECKING:
    import click

STATUSES = (
    "| status | means |\n| --- | --- |\n"
    "| 0 | done, and nothing is wrong; `flowctl serve` and `flowctl sandbox` when they were stopped |\n"
    "| 1 | problems were found, records failed, both sides differ, or a vendor refused; also when stopped at a question |\n"
    "| 2 | the command could not start: wrong usage, an unreadable file, a name that does not exist |\n\n"
    "Data goes to stdout, everything else to stderr."
)


def commands_page() -> str:
    """Every command with its arguments and options."""
    from engine.cli.main import COMMANDS, cli

    import_ctx = _context(cli, "flowctl")
    found = [(name, cli.get_command(import_ctx, name)) for name in COMMANDS]
    listed = table(
        ("command", "what it does"), [(f"[`{name}`](#flowctl-{name})", text) for name, (_, text) in COMMANDS.items()]
    )
    parts = [listed, "## flowctl", _options(cli), "## Exit status", STATUSES]
    for name, command in found:
        if command is not None:
            parts += _command(command, f"flowctl {name}", 2)
    return page("Commands", "Every command, as `flowctl COMMAND --help` describes it.", parts)


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
    yield block("text", f"{path} {pieces}")
    if example:
        yield "Example:"
        yield block("sh", " ".join(example.split()))
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
        rows.append((f"{names} {kind}".strip(), param.help or "", _default_of(param), ticked(variables_of(param))))
    return table(("option", "meaning", "default", "variable"), rows)


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


def variables_of(param: click.Option) -> Sequence[str]:
    """The environment variables that an option may come from."""
    if param.envvar is None:
        return ()
    return (param.envvar,) if isinstance(param.envvar, str) else tuple(param.envvar)
