"""`flowctl test`: golden cases of flows."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import click

from engine.cli import common

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.golden.compare import Verdict
    from engine.golden.coverage import Coverage
    from engine.golden.junit import Played
    from engine.program import FlowProgram


class Options(TypedDict):
    """Options of the command."""

    expression: str | None
    update: bool
    cases: Path
    diff: Literal["full", "short", "none"]
    junit: Path | None
    coverage: bool
    coverage_format: str
    fail_under: float | None
    record: str | None
    live: int | None
    stream: str | None
    scrub_amounts: bool
    home: Path
    company: str
    form: str


@click.command()
@click.argument("flows", nargs=-1)
@click.option(
    "-k", "expression", metavar="EXPR", help="Only cases whose name fits, such as `refund or paid and not partly`."
)
@click.option(
    "--update", is_flag=True, help="Make what comes out the expectation; read the difference before you commit it."
)
@click.option(
    "--cases",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tests/flows"),
    envvar="FLOWCTL_CASES",
    show_default=True,
    show_envvar=True,
    help="Folder of the cases: one folder a flow, one below it a case.",
)
@click.option(
    "--diff",
    type=click.Choice(["full", "short", "none"]),
    default="short",
    show_default=True,
    help="How much of a unified diff is shown beside what differs in words.",
)
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write JUnit XML for a CI server."
)
@click.option("--coverage", is_flag=True, help="Show which parts of the flows no case touches.")
@click.option(
    "--coverage-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the coverage report.",
)
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PCT",
    help="Exit with status 1 when less is covered; wants --coverage.",
)
@click.option(
    "--record",
    metavar="NAME",
    help="Make a new case of this name from what the company's own source says; wants --live.",
)
@click.option("--live", type=click.IntRange(1, 100), metavar="N", help="How many records of a stream --record takes.")
@click.option("--stream", metavar="NAME", help="The stream that --record reads, with what it refers to; else all.")
@click.option("--scrub-amounts", is_flag=True, help="Let --record write other amounts than the source has.")
@common.home_option
@common.company_option
@common.format_option
def command(flows: tuple[str, ...], **given: Unpack[Options]) -> int:
    """Play golden cases of flows (all by default) against simulated vendors, Web Connector conversation included.

    Needs no network and no credentials; the same case always gives the same files. Only --record reads a vendor: it
    makes a case of real records, with secrets and personal data replaced, and writes nothing to any vendor.

    Exit status 0: all passed. 1: a case failed, or less is covered than --fail-under asks for. 2: it could not start.

    Example: flowctl test ramp_to_quickbooks -k refund
    """
    from engine import log
    from engine.golden.compare import UpdateRefused, in_ci

    log.configure(verbosity=-2)
    for option in ("update", "record"):
        if given[option] and in_ci():
            raise UpdateRefused(f"--{option}")
    if given["record"] is not None:
        from engine.cli import recording

        return recording.record(flows, given)
    _check_options(given)
    return _play(flows, given)


def _check_options(given: Options) -> None:
    for option in ("live", "stream", "scrub_amounts"):
        if given[option]:
            raise click.UsageError(f"--{option.replace('_', '-')} is for --record; give it with --record NAME")
    if given["fail_under"] is not None and not given["coverage"]:
        raise click.UsageError("--fail-under is about coverage; give it with --coverage")


def _play(flows: tuple[str, ...], given: Options) -> int:
    from engine.clock import SystemClock
    from engine.errors import UsageError
    from engine.golden.case import find_folders
    from engine.golden.compare import chooser

    wanted = chooser(given["expression"]) if given["expression"] else lambda _title: True
    by_path = {program.flow.name: (flow, program) for flow, program in _by_path(flows).items()}
    chosen = {flow: name for name, (flow, _) in by_path.items()}
    every = list(find_folders(given["cases"], tuple(dict.fromkeys(chosen.get(flow, flow) for flow in flows))))
    folders = [f for f in every if wanted(f"{f.parent.name}/{f.name}")]
    if not folders:
        raise UsageError(f"no case in {given['cases']} fits", hint="look at the names with `flowctl test`")
    # A flow that was named by its file is played as it stands there, wherever that is.
    names = {name: by_path[name][0] if name in by_path else name for name in (f.parent.name for f in folders)}
    began = SystemClock().now()
    watched = _watched(names) if given["coverage"] else {}
    programs = {name: each.program for name, each in watched.items()} or {
        name: by_path[name][1] if name in by_path else common.program(name) for name in names
    }
    played = _played(folders, programs, given, watched)
    if given["junit"] is not None:
        from engine.golden.junit import Played, junit

        known = {each.folder: each for each in played}
        _write(given["junit"], junit([known.get(folder) or Played(folder, None) for folder in every], began))
    verdicts = [each.verdict for each in played if each.verdict is not None]
    failed = sum(1 for verdict in verdicts if not verdict.ok)
    _conclude(verdicts, failed, list(watched.values()), given)
    return 1 if failed or _too_little(list(watched.values()), given["fail_under"]) else 0


def _by_path(flows: Sequence[str]) -> Mapping[str, FlowProgram]:
    """Those of the flows that are given as files, compiled."""
    return {flow: common.program(flow) for flow in flows if "/" in flow or Path(flow).suffix in (".yaml", ".yml")}


def _watched(names: Mapping[str, str]) -> Mapping[str, Coverage]:
    """Coverage of the named flows, each compiled so that it tells what is touched."""
    from engine.golden.coverage import Coverage

    return {name: Coverage(common.program(where).flow) for name, where in names.items()}


def _played(
    folders: Sequence[Path], programs: Mapping[str, FlowProgram], given: Options, watched: Mapping[str, Coverage]
) -> list[Played]:
    from time import perf_counter

    from engine.golden.compare import check
    from engine.golden.junit import Played

    played = []
    for folder in folders:
        start, flow = perf_counter(), folder.parent.name
        more = {"seen": watched[flow].see} if flow in watched else {}
        verdict = check(folder, programs[flow], update=given["update"], detail=given["diff"], **more)
        played.append(Played(folder, verdict, perf_counter() - start))
        if given["form"] == "text":
            _show(verdict, _apart(given))
    return played


def _conclude(verdicts: Sequence[Verdict], failed: int, watched: Sequence[Coverage], given: Options) -> None:
    """Print what came of all cases together."""
    from engine.golden.covertext import as_json, lines

    coverage_json = [as_json(each) for each in watched]
    if given["form"] == "json":
        shown = [
            {"case": v.title, "ok": v.ok, "problems": list(v.problems), "updated": list(v.updated)} for v in verdicts
        ]
        found = {"passed": len(verdicts) - failed, "failed": failed, "cases": shown}
        common.echo_json({**found, "coverage": coverage_json} if watched else found)
        return
    click.echo(f"{len(verdicts) - failed} passed, {failed} failed", err=_apart(given))
    if watched and given["coverage_format"] == "json":
        common.echo_json({"coverage": coverage_json})
    elif watched:
        for each in watched:
            click.echo()
            for line in lines(each):
                click.echo(common.clean(line))


def _apart(given: Options) -> bool:
    """Whether stdout is for the coverage alone, so that a program can read it."""
    return given["coverage"] and given["coverage_format"] == "json"


def _too_little(watched: Sequence[Coverage], least: float | None) -> bool:
    """Whether a flow is covered less than it should be; says which."""
    poor = [each for each in watched if least is not None and each.percent < least]
    for each in poor:
        click.echo(
            f"{each.flow.name}: {each.percent:.1f} % is covered, and --fail-under asks for {least:g} %", err=True
        )
    return bool(poor)


def _write(path: Path, content: bytes) -> None:
    from engine.cli.office import FileUnusable

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise FileUnusable(str(path), error.strerror or type(error).__name__) from error


def _show(verdict: Verdict, apart: bool) -> None:
    count = len(verdict.problems)
    if verdict.ok:
        wrote = f": wrote {', '.join(verdict.updated)}" if verdict.updated else ""
        click.echo(f"ok {verdict.title}{wrote}", err=apart)
        return
    click.echo(f"FAILED {verdict.title}: {count} problem{'' if count == 1 else 's'}", err=apart)
    stream = sys.stderr if apart else sys.stdout
    coloured = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    for problem in verdict.problems:
        for line in problem.splitlines():
            text = common.clean(line)
            click.echo(_painted(text) if coloured else text, err=apart, color=coloured)


def _painted(line: str) -> str:
    """A line of a difference in colour: what was expected is red, what came out is green."""
    colours = {"-": "red", "+": "green", "@": "cyan"}
    if line.startswith("  ") and ": " in line:
        return click.style(line, bold=True)
    return click.style(line, fg=colours[line[0]]) if line[:1] in colours else line
