"""`flowctl test`: golden cases of flows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common

if TYPE_CHECKING:
    from engine.golden.compare import Verdict


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
@common.format_option
def command(flows: tuple[str, ...], expression: str | None, update: bool, cases: Path, form: str) -> int:
    """Play golden cases of flows (all by default) against simulated vendors, Web Connector conversation included.

    Needs no network and no credentials; the same case always gives the same files.

    Example: flowctl test ramp_to_quickbooks -k refund
    """
    from engine import log
    from engine.errors import UsageError
    from engine.golden.case import find_folders
    from engine.golden.compare import check, chooser

    log.configure(verbosity=-2)
    wanted = chooser(expression) if expression else lambda _title: True
    folders = [f for f in find_folders(cases, flows) if wanted(f"{f.parent.name}/{f.name}")]
    if not folders:
        raise UsageError(f"no case in {cases} fits", hint="look at the names with `flowctl test`")
    programs = common.programs(dict.fromkeys(folder.parent.name for folder in folders))
    verdicts = []
    for folder in folders:
        verdict = check(folder, programs[folder.parent.name], update=update)
        verdicts.append(verdict)
        if form == "text":
            _show(verdict)
    failed = sum(1 for verdict in verdicts if not verdict.ok)
    if form == "json":
        shown = [
            {"case": v.title, "ok": v.ok, "problems": list(v.problems), "updated": list(v.updated)} for v in verdicts
        ]
        common.echo_json({"passed": len(verdicts) - failed, "failed": failed, "cases": shown})
    else:
        click.echo(f"{len(verdicts) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _show(verdict: Verdict) -> None:
    count = len(verdict.problems)
    if verdict.ok:
        wrote = f": wrote {', '.join(verdict.updated)}" if verdict.updated else ""
        click.echo(f"ok {verdict.title}{wrote}")
        return
    click.echo(f"FAILED {verdict.title}: {count} problem{'' if count == 1 else 's'}")
    for problem in verdict.problems:
        click.echo(problem)
