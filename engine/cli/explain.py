"""`flowctl explain`: what a code of `validate` or a word of a run means, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from engine.cli import common
from engine.errors import UnknownName

if TYPE_CHECKING:
    from engine.flowlang.codes import Code


@click.command()
@click.argument("names", nargs=-1, metavar="[CODE]...")
@common.format_option
def command(names: tuple[str, ...], form: str) -> int:
    """Explain codes that `flowctl validate` reports, or list all of them; also the words that a run gives as reasons.

    Example: flowctl explain F024
    """
    from engine.flowlang.codes import codes
    from engine.runwords import ALERTS, REASONS

    known = codes()
    words = {*REASONS, *ALERTS}
    chosen = list(dict.fromkeys(name.lower() if name.lower() in words else name.upper() for name in names))
    unknown = next((name for name in chosen if name not in known and name not in words), None)
    if unknown is not None:
        is_word = "_" in unknown or not any(char.isdigit() for char in unknown)
        raise (
            UnknownName("word", unknown.lower(), tuple(words))
            if is_word
            else UnknownName("code", unknown, tuple(known))
        )
    if form == "json":
        common.echo_json([_as_object(known[name]) if name in known else _word(name) for name in chosen or known])
        return 0
    shown = [_explained(known[name]) if name in known else "\n".join(_of_run(name)) for name in chosen]
    click.echo("\n\n".join(shown) if shown else _listed(known.values()))
    return 0


def _of_run(word: str) -> Iterator[str]:
    """A word of a run: as the reason of a record, as an alert, or as both."""
    from engine.runwords import ALERTS, REASONS

    if word in REASONS:
        states, means, helps = REASONS[word]
        yield f"{word} (reason of a record that is {states.replace(', ', ' or ')}): {means}"
        yield f"To do: {helps}"
    if word in ALERTS:
        means, helps = ALERTS[word]
        yield f"{word} (alert): {means}"
        yield f"To do: {helps}"
    yield "See docs/reference/run-time-errors.md."


def _word(word: str) -> dict[str, object]:
    from engine.runwords import ALERTS, REASONS

    said: dict[str, object] = {"word": word}
    if word in REASONS:
        states, means, helps = REASONS[word]
        said["reason"] = {"states": states.split(", "), "meaning": means, "to_do": helps}
    if word in ALERTS:
        means, helps = ALERTS[word]
        said["alert"] = {"meaning": means, "to_do": helps}
    return said


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
