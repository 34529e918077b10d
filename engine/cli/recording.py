"""`flowctl test --record`: a golden case of what a company's own sources say, scrubbed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.errors import UnknownName

if TYPE_CHECKING:
    from engine.cli.test import Options
    from engine.golden.record import Recorded

_FIELDS = 6


def record(flows: tuple[str, ...], given: Options) -> int:
    """Make the case, and say what was scrubbed by which rule. Exit status 1 says that the case does not play cleanly."""
    _check(flows, given)
    from engine.golden import record as recording
    from engine.store import companies

    recording.require_name(str(given["record"]))
    program = common.program(flows[0])
    stream = given["stream"] or ""
    if stream and program.flow.stream(stream) is None:
        raise UnknownName("stream", common.clean(stream), tuple(each.name for each in program.flow.streams))
    # Nobody can take the factor back out of a case: it is written nowhere.
    factor = 2 + secrets.randbelow(96) if given["scrub_amounts"] else 1
    with office.opened(given["home"]) as world:
        with world.store.read(given["company"]) as tx:
            companies.require(tx, given["company"])
        program = office.bound(world, program, given["company"])
        wish = recording.Wish(given["company"], stream, given["live"] or 1, factor)
        folder = given["cases"] / program.flow.name / str(given["record"])
        made = recording.record(world, program, wish, folder)
    if given["form"] == "json":
        common.echo_json(_as_json(made))
    else:
        _print(made)
    return 0 if made.verdict.ok else 1


def _check(flows: tuple[str, ...], given: Options) -> None:
    if len(flows) != 1:
        raise click.UsageError("--record makes a case of one flow: name it")
    if given["live"] is None:
        raise click.UsageError("--record wants --live N: how many records of a stream it takes")
    for option in ("update", "expression", "junit", "coverage", "fail_under"):
        if given[option]:
            shown = {"expression": "-k"}.get(option, f"--{option.replace('_', '-')}")
            raise click.UsageError(f"{shown} and --record exclude each other")


def _print(made: Recorded) -> None:
    from engine.golden.scrubrules import TITLES

    what = ", ".join(f"{count} of {name}" for name, count in made.counts.items())
    click.echo(f"recorded {common.clean(made.folder)}: {what}")
    rows = []
    for done in made.done:
        more = f", and {len(done.fields) - _FIELDS} more" if len(done.fields) > _FIELDS else ""
        rows.append((TITLES[done.kind], done.values, done.different, ", ".join(done.fields[:_FIELDS]) + more))
    common.table(rows, ("rule", "values", "different", "fields"))
    for problem in made.verdict.problems:
        click.echo(common.clean(problem))
    click.echo(
        "read every file of the case before you commit it: rules know names of fields and shapes of values, and no more"
    )
    for name in made.files:
        click.echo(f"  {common.clean(made.folder / name)}")


def _as_json(made: Recorded) -> dict[str, object]:
    return {
        "folder": str(made.folder),
        "recorded": dict(made.counts),
        "scrubbed": [
            {"rule": each.kind, "values": each.values, "different": each.different, "fields": list(each.fields)}
            for each in made.done
        ],
        "files": list(made.files),
        "problems": list(made.verdict.problems),
    }
