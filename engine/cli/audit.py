"""`flowctl audit`: is the journal whole and the one that was there before; its lines for others; signed checkpoints."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from engine.audit.chain import Report

copy_option = click.option(
    "--copy",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="FLOWCTL_CHECKPOINT_COPY",
    show_envvar=True,
    help="Keep a copy of the checkpoints in this folder, on another machine's disk at best.",
)


@click.group()
def command() -> None:
    """Verify and export the journal, the append-only record of everything that was done, and sign where it stands.

    Example: flowctl audit verify
    """


@command.command()
@common.home_option
@click.option("--company", default="", help="Only this company's journal [default: all].")
@click.option(
    "--checkpoints",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Hold it against this checkpoint file, such as the copy [default: the one in --home].",
)
@click.option("--public-key", default="", help="The key that must have signed the checkpoints [default: the store's].")
@common.format_option
def verify(home: Path, company: str, checkpoints: Path | None, public_key: str, form: str) -> int:
    """Walk the hash chain of each journal, and compare it with the signed checkpoints; ends with 1 at anything wrong.

    Example: flowctl audit verify --checkpoints /mnt/elsewhere/checkpoints.jsonl
    """
    from engine.audit import chain
    from engine.audit.notary import FILE
    from engine.store import companies

    path = checkpoints or home / FILE
    if checkpoints is not None and not checkpoints.exists():
        raise office.FileUnusable(str(checkpoints), "there is no such file")
    with office.opened(home) as world:
        if company:
            with world.store.read(company) as tx:
                companies.require(tx, company)
        report = chain.verify(world.store, path, company=company, public_key=public_key)
    if form == "json":
        common.echo_json(_as_json(report))
    else:
        _print(report)
    return 0 if report.ok else 1


def _as_json(report: Report) -> Mapping[str, object]:
    journals = [
        {
            "company": item.company,
            "lines": item.lines,
            "broken": {"line": item.broken.seq, "reason": item.broken.reason} if item.broken else None,
        }
        for item in report.journals
    ]
    return {
        "ok": report.ok,
        "journals": journals,
        "checkpoints": report.checkpoints,
        "newest_checkpoint_at": report.newest_at or None,
        "public_key": report.public_key or None,
        "accepted": [{"at": at, "reason": reason} for at, reason in report.accepted],
        "problems": list(report.problems),
    }


def _print(report: Report) -> None:
    for item in report.journals:
        name = common.clean(item.company)
        if item.broken is None:
            click.echo(f"ok    {name}: {office.counted(item.lines, 'line')}")
        else:
            click.echo(f"FAIL  {name}: line {item.broken.seq}: {common.clean(item.broken.reason)}")
    for problem in report.problems:
        click.echo(f"FAIL  checkpoints: {common.clean(problem)}")
    for at, reason in report.accepted:
        click.echo(f"warn  checkpoints: begun anew at {common.clean(at)}: {common.clean(reason)}")
    if report.checkpoints:
        newest = f"the newest of {common.clean(report.newest_at)}"
        click.echo(f"{office.counted(report.checkpoints, 'checkpoint')}, {newest}, signed by {report.public_key}")
    elif not report.elsewhere:
        office.say("there are no checkpoints: a cut tail would not show; `flowctl audit checkpoint` writes one")
    if len(report.problems) > bool(report.elsewhere) or any(item.broken for item in report.journals):
        office.say("keep this store and the checkpoints as evidence, and restore the newest backup that verifies")


@command.command()
@common.home_option
@common.company_option
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="Format."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write into this file [default: stdout].")
@click.option(
    "--since", default="", metavar="TIME", help="Lines from this time on: 2026-03-01, or as exact as they are."
)
@click.option("--until", default="", metavar="TIME", help="Lines up to this time: 2026-03-31 includes that day.")
@click.option("--event", "events", multiple=True, help="Only this event (repeatable).")
@click.option("--flow", default="", help="Only this flow.")
@click.option("--actor", default="", help="Only what this person or process did.")
@click.option("--record", type=int, help="Only the record of this number.")
@click.option("--source-id", default="", help="Only records of this id at the source.")
def export(home: Path, company: str, form: str, out: Path | None, **given: object) -> int:
    """Write the journal's lines with their hashes, so that others can verify them without the store.

    Example: flowctl audit export --company acme --since 2026-01-01 --out journal.jsonl
    """
    from engine.audit import chain
    from engine.store import companies

    fields = {"record_id" if name == "record" else name: value for name, value in given.items()}
    wanted = chain.Filter(**fields)  # type: ignore[arg-type]
    with office.opened(home) as world:
        with world.store.read(company) as tx:
            companies.require(tx, company)
        with _sink(out) as file:
            count = _write(file, chain.export(world.store, company, wanted), form, chain.COLUMNS)
    office.say(f"{office.counted(count, 'line')} of {company}")
    return 0


def _write(file: IO[str], lines: Iterable[Mapping[str, object]], form: str, columns: tuple[str, ...]) -> int:
    count = 0
    table = csv.writer(file, lineterminator="\n")
    if form == "csv":
        table.writerow(columns)
    for line in lines:
        count += 1
        if form == "csv":
            table.writerow(["" if line[name] is None else line[name] for name in columns])
        else:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return count


@contextmanager
def _sink(path: Path | None) -> Iterator[IO[str]]:
    """Where the lines go: stdout, or a file that is there whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise office.FileUnusable(str(path), error.strerror or "cannot be written") from error
    finally:
        draft.unlink(missing_ok=True)


@command.command()
@common.home_option
@copy_option
@click.option(
    "--accept", metavar="REASON", help="Begin anew although the journal is not the one seen before, and say why."
)
def checkpoint(home: Path, copy: Path | None, accept: str | None) -> int:
    """Sign where each journal stands, into `checkpoints.jsonl` in --home; `flowctl serve` does so every quarter of an hour.

    Example: flowctl audit checkpoint --copy /mnt/elsewhere
    """
    from engine.audit.notary import FILE, Notary
    from engine.errors import UsageError

    if accept is not None and not accept.strip():
        raise UsageError(
            "--accept: a reason is missing", hint="say what happened: --accept 'restored the backup of Monday'"
        )
    with office.opened(home) as world:
        try:
            written = Notary(world, home / FILE, copy).write(
                accept=(accept or "").strip()[:500], actor=f"cli:{office.person()}"
            )
        except OSError as error:
            raise office.FileUnusable(
                str(error.filename or home / FILE), error.strerror or "cannot be written"
            ) from error
    click.echo(f"checkpoint {written} written" if written else "nothing has moved since the last checkpoint")
    return 0
