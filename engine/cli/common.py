"""What several commands share: where things are, how a flow is named, how results are printed."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.errors import FlowctlError, FlowFileUnreadable, UnknownName, UsageError
from engine.shipped import shipped

if TYPE_CHECKING:
    from engine.program import FlowProgram
    from engine.store.base import Tx
    from engine.vault import Vault
    from engine.world import World

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_COMPANY = "main"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".flowctl"),
    envvar="FLOWCTL_HOME",
    show_default=True,
    show_envvar=True,
    help="Folder of the store and its key.",
)
company_option = click.option(
    "--company", default=DEFAULT_COMPANY, envvar="FLOWCTL_COMPANY", show_default=True, show_envvar=True, help="Company."
)
format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)


class FlowInvalid(UsageError):
    """A flow file has problems."""

    def __init__(self, path: str, problems: Sequence[object]) -> None:
        shown = "\n".join(str(problem) for problem in problems[:20])
        super().__init__(f"{path} does not validate:\n{shown}", hint=f"run `flowctl validate {path}`")


@contextmanager
def opened(home: Path, *, create: bool = True, check: bool = True) -> Iterator[World]:
    """The world on this machine; the store and key are made when they are missing, but for a database of PostgreSQL."""
    from engine.store import keys, occupied, whereabouts
    from engine.vault import load_key
    from engine.world import World

    is_file = whereabouts.address(home) is None
    if is_file and not create and not whereabouts.exists(home):
        path = home / whereabouts.DATABASE
        raise UsageError(f"there is no store at {path}", hint="give --home, or start with `flowctl connect`")
    vault = load_key(home) if is_file else None
    with occupied.shared(home):
        store = whereabouts.opened(home)
        try:
            with store.read() as tx:
                # Whoever does not mind which key it is, as for giving up a lost one, may be given a new one.
                vault = vault or (_key_of(home, tx) if check else load_key(home))
                if check:
                    keys.check(tx, vault)
            yield World(store, vault)
        finally:
            store.close()


def _key_of(home: Path, tx: Tx) -> Vault:
    """The master key of a database. A machine that has none is given one by hand: a new one would open nothing."""
    from engine.store import whereabouts
    from engine.vault import KEY_VARIABLE, KeyUnusable, load_key

    is_used = bool(tx.rows("data_keys_all", {}))
    try:
        return load_key(home, create=not is_used)
    except KeyUnusable as error:
        if KEY_VARIABLE in os.environ or (home / "key").exists():
            raise
        hint = f"copy the file `key` from where the store was made, or set {KEY_VARIABLE} to it"
        raise KeyUnusable(
            f"the store {whereabouts.named(home)} is sealed, and there is no key at {home}", hint=hint
        ) from error


def flow_path(name: str) -> Path:
    """A flow file by path, or by the name of a flow in ./flows or among the shipped ones."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name:
        if not path.is_file():
            raise FlowFileUnreadable(name, "there is no such file")
        return path
    local = Path("flows") / f"{name}.yaml"
    if local.is_file():
        return local
    came_along = Path(str(shipped("flows") / f"{name}.yaml"))
    if came_along.is_file():
        return came_along
    raise UnknownName("flow", name, tuple(flow_names()))


def flow_names() -> list[str]:
    """The flows in ./flows and the shipped ones."""
    found = {entry.name.removesuffix(".yaml") for entry in shipped("flows").iterdir() if entry.name.endswith(".yaml")}
    if Path("flows").is_dir():
        found |= {path.stem for path in Path("flows").glob("*.yaml")}
    return sorted(found)


def default_paths() -> list[Path]:
    """The flow files that a command takes when none is named: those in ./flows alone, or else the shipped ones."""
    return sorted(Path("flows").glob("*.yaml")) or [flow_path(name) for name in flow_names()]


def program(name: str) -> FlowProgram:
    """Load, validate and compile a flow.

    Raises:
        FlowInvalid: with every problem of the file.
    """
    from engine.flowlang.flowfile import load_flow
    from engine.program import compile_flow
    from engine.validate import validate

    path = flow_path(name)
    problems = [d for d in validate([path]).problems if d.level == "error"]
    flow, _ = load_flow(path)
    if problems or flow is None:
        raise FlowInvalid(str(path), problems)
    return compile_flow(flow)


def programs(names: Iterable[str]) -> Mapping[str, FlowProgram]:
    """The named flows, or those of `default_paths`."""
    loaded = [program(name) for name in (list(names) or map(str, default_paths()))]
    return {item.flow.name: item for item in loaded}


def echo_json(value: object) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, indent=None, default=str, ensure_ascii=False))


def clean(value: object) -> str:
    """Text from a vendor or a person, safe for a terminal: no control characters, no direction tricks."""
    return _CONTROL.sub("?", str(value if value is not None else ""))


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> None:
    """Print rows in columns; the last column is not cut."""
    texts = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max([len(h), *(min(len(row[i]), 48) for row in texts)]) for i, h in enumerate(header)]
    for row in [list(header), *texts]:
        cells = [
            cell if i == len(row) - 1 else (cell if len(cell) <= 48 else cell[:45] + "...").ljust(widths[i])
            for i, cell in enumerate(row)
        ]
        click.echo("  ".join(cells).rstrip())


def interactive() -> bool:
    """Whether stderr is a terminal, so that progress may be drawn."""
    return sys.stderr.isatty() and "NO_PROGRESS" not in os.environ and os.environ.get("TERM") != "dumb"


def confirm(question: str) -> None:
    """Ask whether to go on, on stderr.

    Raises:
        click.Abort: when the answer is no.
        FlowctlError: when there is nobody to answer.
    """
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort as no:
        # It is raised from nothing where the input ends, and as it is where a person has said no.
        if not no.__suppress_context__ or sys.stdin is None or sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise FlowctlError("nobody answered, and nothing was done", hint="give --yes where nobody can answer") from None
