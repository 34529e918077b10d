"""The page of environment variables and exit statuses."""

from __future__ import annotations

from collections.abc import Iterator

import click

from engine.refdocs.commands import STATUSES, variables_of
from engine.refdocs.markdown import page, table, ticked

# Read where they are needed, without an option; a test holds the names against the source.
OTHERS = {
    "FLOWCTL_KEY": "The key of the sealed secrets, base64 of 32 bytes, in the place of the file `key` in the home folder",
    "FLOWCTL_ALERT_ADDRESS": "The address of a channel, for `flowctl alert add` without `--address-file`",
    "FLOWCTL_METRICS_TOKEN": "Who has it may read `/metrics` of `flowctl serve`, from anywhere; at least 16 characters",
    "OTEL_SERVICE_NAME": "The name under which traces are sent; else `flowctl`",
    "CI": "Set by CI services: `flowctl test --update` is refused",
    "NO_COLOR": "No colours, even on a terminal",
    "NO_PROGRESS": "No progress bar, even on a terminal",
    "TERM": "`dumb` means neither colours nor a progress bar",
    "DISPLAY": "With it or `WAYLAND_DISPLAY` a browser is opened for an authorization; without, its address is printed",
    "WAYLAND_DISPLAY": "As `DISPLAY`",
}
_SECRETS = (
    "The secret NAME of a connection, both in capitals, as `FLOWCTL_SECRET_RAMP_CLIENT_ID`; the secrets stand among the "
    "settings in [Connectors](connectors.md)"
)
_READ_BY = "`flowctl connect`; `FLOWCTL_SECRET_BOOKS_PASSWORD` is also read by `flowctl sandbox books`"
SECRET = ("`FLOWCTL_SECRET_CONNECTION_NAME`", _SECRETS, _READ_BY)
# So many commands share an option that the list of them would say nothing.
_MANY = 5


def environment_page() -> str:
    """Every variable that is read, and every status that a command ends with."""
    intro = (
        "What flowctl reads from the environment, and what it gives back to a shell. An option wins over its variable."
    )
    given = table(("variable", "stands for", "read by"), [*_of_options(), SECRET])
    others = table(("variable", "meaning"), [(f"`{name}`", text) for name, text in OTHERS.items()])
    return page(
        "Environment and exit status",
        intro,
        ["## Variables of options", given, "## Other variables", others, "## Exit status", STATUSES],
    )


def _of_options() -> Iterator[tuple[str, str, str]]:
    from engine.cli.main import COMMANDS, cli

    found: dict[str, tuple[str, list[str]]] = {}
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for path, option in _options(command, f"flowctl {name}") if command else ():
            for variable in variables_of(option):
                found.setdefault(variable, (f"`{option.opts[0]}`: {option.help}", []))[1].append(path)
    for variable, (meaning, paths) in sorted(found.items()):
        yield f"`{variable}`", meaning, ticked(paths) if len(paths) <= _MANY else "all commands that have the option"


def _options(command: click.Command, path: str) -> Iterator[tuple[str, click.Option]]:
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            yield path, param
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            if inner is not None:
                yield from _options(inner, f"{path} {name}")
