"""`flowctl preview`: one record's way through a stream, explained; writes nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from engine.cli import common, office
from engine.dataclass import dataclass
from engine.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from engine.previewing.model import Preview
    from engine.program import FlowProgram

_LARGEST = 16 << 20
_DEEPEST = 60
_STYLES: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True},
    "heading": {"bold": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "dim": {"dim": True},
}


class NotARecord(UsageError):
    """A file that holds no record."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}", hint="give a file with one record as the source gives it: a JSON object")


class NothingToShow(UsageError):
    """The source has no record to preview."""

    def __init__(self, source: str, hint: str) -> None:
        super().__init__(f"{source} lists no record", hint=hint)


class Options(TypedDict):
    """Options of the command."""

    stream: str | None
    record: str | None
    sandbox: bool
    live: int | None
    home: Path
    company: str
    form: str


@dataclass(frozen=True, slots=True)
class Place:
    """Which stream is previewed, and whose store is asked."""

    home: Path
    company: str
    program: FlowProgram
    stream: str


@click.command()
@click.argument("flow")
@click.option("--stream", metavar="NAME", help="The stream; it may be left out when the flow has only one.")
@click.option("--record", metavar="FILE", help="Take the record of this JSON file; - reads it from stdin.")
@click.option(
    "--sandbox", is_flag=True, help="Take the first fitting record of the simulated source (this is the default)."
)
@click.option(
    "--live", type=click.IntRange(1, 100), metavar="N", help="Take the first N records of the company's own source."
)
@common.home_option
@common.company_option
@common.format_option
def command(flow: str, **given: Unpack[Options]) -> int:
    """Show one record's way: source, selection, each mapped field, lookups, checks, the document, the likely answer.

    Nothing is written, neither to a vendor nor to the store; --live may refresh an access token and that is all. The lists
    and mappings of --live and --record are those of the company; where there is no store, --record takes those of the
    simulated vendors. Exit status 1 says that a record would fail.

    Example: flowctl preview ramp_to_quickbooks --stream bills
    """
    record, live = given["record"], given["live"]
    if sum((record is not None, given["sandbox"], live is not None)) > 1:
        raise click.UsageError("--record, --sandbox and --live exclude each other")
    program = common.program(flow)
    place = Place(given["home"], given["company"], program, _stream(program, given["stream"]))
    if live is not None:
        found = _live(place, live)
    elif record is not None:
        found = _recorded(place, _read(record))
    else:
        found = _simulated(place)
    if given["form"] == "json":
        from engine.previewing.data import as_json

        common.echo_json(
            {"flow": program.flow.name, "stream": place.stream, "records": [as_json(each) for each in found]}
        )
    else:
        _print(found)
    return 1 if any(each.answer.fails for each in found) else 0


def _stream(program: FlowProgram, name: str | None) -> str:
    known = tuple(each.name for each in program.flow.streams)
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise click.UsageError(f"which stream? give --stream with one of: {', '.join(known)}")
    if name not in known:
        raise UnknownName("stream", common.clean(name), known)
    return name


def _live(place: Place, count: int) -> list[Preview]:
    from engine.previewing import worlds
    from engine.store import companies

    with office.opened(place.home) as world:
        with world.store.read(place.company) as tx:
            companies.require(tx, place.company)
        program = office.bound(world, place.program, place.company)
        fetch = program.stream(place.stream).stream.fetch
        items = worlds.live(world, place.company, fetch, count)
        if not items:
            hint = "look at the filters of `fetch`, or take a record from a file with --record"
            raise NothingToShow(f"{place.company}/{fetch.connection}: {fetch.stream}", hint)
        return worlds.previews(world, program, place.company, place.stream, items)


def _recorded(place: Place, data: Mapping[str, Any]) -> list[Preview]:
    from engine.previewing import worlds
    from engine.store import whereabouts

    if whereabouts.exists(place.home):
        with office.opened(place.home) as world:
            program = office.bound(world, place.program, place.company)
            return worlds.previews(world, program, place.company, place.stream, [data])
    office.say(f"there is no store at {place.home}: lists and mappings are those of simulated vendors")
    with worlds.simulated(place.program, place.stream) as simulation:
        return [simulation.preview(data)]


def _simulated(place: Place) -> list[Preview]:
    from engine.previewing import worlds

    with worlds.simulated(place.program, place.stream) as simulation:
        data = simulation.first()
        if data is None:
            fetch = simulation.stream.stream.fetch
            hint = "give a record of your own with --record FILE"
            raise NothingToShow(f"the simulated {fetch.connection} {fetch.stream}", hint)
        return [simulation.preview(data)]


def _read(name: str) -> Mapping[str, Any]:
    """The record of a file; exact numbers, as connectors read them."""
    shown = "stdin" if name == "-" else common.clean(name)
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(_LARGEST + 1)
    except OSError as error:
        raise office.FileUnusable(shown, error.strerror or type(error).__name__) from error
    if len(data) > _LARGEST:
        raise NotARecord(shown, "larger than any record")
    try:
        value = json.loads(data, parse_float=Decimal, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise NotARecord(f"{shown}:{error.lineno}:{error.colno}", f"this is no JSON: {error.msg}") from error
    except RecursionError as error:
        raise NotARecord(shown, "nested too deeply") from error
    except ValueError as error:
        raise NotARecord(shown, "this is no JSON") from error
    if _is_deep(value):
        raise NotARecord(shown, "nested too deeply")
    if not isinstance(value, dict):
        raise NotARecord(shown, f"this is {_kind(value)}, and no record")
    return value


def _is_deep(value: object) -> bool:
    """Whether a value is nested more deeply than any record."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
    return bool(level)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list of records; take one of them" if value and isinstance(value[0], dict) else "a list"
    return "a single value"


def _no_number(name: str) -> object:
    raise ValueError(name)


def _print(found: list[Preview]) -> None:
    from engine.previewing.text import lines

    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    for number, preview in enumerate(found):
        if number:
            click.echo()
        for line in lines(preview, _marked) if coloured else lines(preview):
            whole = _writable(line)
            click.echo(_painted(whole) if coloured else common.clean(whole), color=coloured)


def _writable(text: str) -> str:
    """Half a character, which JSON can write, becomes a question mark: no terminal and no file takes it."""
    return text.encode("utf-8", "replace").decode()


def _marked(text: str, kind: str) -> str:
    """A piece of a line that is to be painted: nothing of a vendor may paint, so colour is put in at the end."""
    return f"\0{kind}\0{text}\0"


def _painted(line: str) -> str:
    pieces = [common.clean(piece) for piece in line.split("\0")]
    return "".join(
        click.style(piece, **_STYLES.get(pieces[at - 1], {})) if at % 3 == 2 else piece
        for at, piece in enumerate(pieces)
        if at % 3 != 1
    )
