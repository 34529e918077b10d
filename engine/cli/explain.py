"""`flowctl explain`: what a code of `validate` means and what to do about it, with an example of each side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from engine.cli import common
from engine.errors import UnknownName

if TYPE_CHECKING:
    from engine.codes import Code


@click.command()
@click.argument("names", nargs=-1, metavar="[CODE]...")
@common.format_option
def command(names: tuple[str, ...], form: str) -> int:
    """Explain codes that `flowctl validate` reports, or list all of them.

    Example: flowctl explain F024
    """
    from engine.codes import codes

    known = codes()
    unknown = next((name for name in names if name.upper() not in known), None)
    if unknown is not None:
        raise UnknownName("code", unknown.upper(), tuple(known))
    chosen = [known[name] for name in dict.fromkeys(name.upper() for name in names)]
    if form == "json":
        common.echo_json([_as_object(code) for code in chosen or known.values()])
        return 0
    click.echo("\n\n".join(map(_explained, chosen)) if chosen else _listed(known.values()))
    return 0


def _listed(all_codes: Iterable[Code]) -> str:
    return "\n".join(f"{code.code}  {code.level:7}  {code.title[0].upper()}{code.title[1:]}" for code in all_codes)


def _explained(code: Code) -> str:
    return "\n".join(_lines(code))


def _lines(code: Code) -> Iterator[str]:
    yield f"{code.code} ({code.level}): {code.meaning}"
    yield f"To do: {code.todo}"
    place = f" at {code.at}" if code.at else ""
    for word, example in ((f"Fails{place}:", code.bad), ("Passes:", code.good)):
        yield ""
        yield word
        yield from (f"    {line}" for line in code.file(example).splitlines())


def _as_object(code: Code) -> dict[str, str]:
    return {
        "code": code.code,
        "level": code.level,
        "title": code.title,
        "meaning": code.meaning,
        "to_do": code.todo,
        "at": code.at,
        "fails": code.file(code.bad),
        "passes": code.file(code.good),
    }
