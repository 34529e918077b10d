"""The first golden case of a flow, made by playing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from engine import registry
from engine.errors import Bug
from engine.scaffold.flow import Made
from engine.simulated import ShowsRecords

NAME = "first"
_ARRIVED = frozenset({"posted", "closed"})
_CASE = """\
case: One record of {source} {stream} {end}.
clock: 2026-03-02T14:00:00Z
seed: 1
steps:
  - cycle
  # An hour later nothing is posted twice.
  - clock: +1h
  - cycle
"""


def case_files(made: Made) -> Mapping[str, str]:
    """The files of the case, by path below the folder of the flow's cases: what is given, and all that came out.

    It is played as `flowctl test --update` plays it.
    """
    from engine.flowlang.flowfile import load_flow
    from engine.golden.case import load_case
    from engine.golden.outcome import files_of, problems_of, shown
    from engine.golden.stage import staged
    from engine.program import compile_flow

    texts = {"case.yaml": _case(made, "")}
    for role, name, stream in ((made.source, made.source, made.stream), (made.role, made.target, "")):
        shows: object = registry.find(name)
        given = shows.example(stream) if isinstance(shows, ShowsRecords) else {}
        if given:
            texts[f"given/{role}.json"] = json.dumps(given, indent=2, ensure_ascii=False) + "\n"
    with TemporaryDirectory(prefix="flowctl-new-") as name:
        root = Path(name)
        path = root / f"{made.name}.yaml"
        path.write_text(made.text, encoding="utf-8")
        for part, text in texts.items():
            (root / NAME / part).parent.mkdir(parents=True, exist_ok=True)
            (root / NAME / part).write_text(text, encoding="utf-8")
        flow, problems = load_flow(path)
        if flow is None:
            raise Bug(f"the flow that was written cannot be read: {problems[:1]}")
        with staged(load_case(root / NAME, flow), compile_flow(flow)) as stage:
            stage.play(shown)
            wrong, found = problems_of(stage), files_of(stage)
    if wrong:
        raise Bug(f"the first case of `{made.name}` fails: {wrong[0]}")
    # The title says how it ended, which nothing knew before; it is in none of the files that came out.
    texts["case.yaml"] = _case(made, end_in(made.stream, found))
    return {
        f"{NAME}/{part}": text for part, text in {**texts, **{f"expected/{n}": t for n, t in found.items()}}.items()
    }


def _case(made: Made, end: str) -> str:
    return _CASE.format(source=made.source, stream=made.stream, end=end or "goes all the way")


def end_in(stream: str, files: Mapping[str, str]) -> str:
    """Where the record of a case's stream stopped, such as `waits for a vendor mapping`; empty when it was posted."""
    outcome = _outcome_in(files)
    states = [line.rpartition(": ")[2] for line in _section(outcome, "records") if line.startswith(f"{stream} ")]
    stopped = next((state for state in states if state not in _ARRIVED), "" if states else None)
    if stopped is None:
        return "is not read"
    if not stopped:
        return ""
    lookups = dict.fromkeys(line.partition(" `")[0] for line in _section(outcome, "worklist") if line != "none")
    wanted = " and ".join(f"{'an' if name[:1] in 'aeiou' else 'a'} {name} mapping" for name in lookups)
    return f"waits for {wanted}" if wanted else f"ends as {stopped}"


def _section(outcome: str, name: str) -> list[str]:
    """The lines that stand below a heading, without what belongs to each of them."""
    _, _, after = f"\n{outcome}".partition(f"\n{name}:\n")
    lines = takewhile(lambda line: line.startswith(" "), after.splitlines())
    return [line[2:] for line in lines if not line.startswith("   ")]


def _outcome_in(files: Mapping[str, str]) -> str:
    return next((text for path, text in files.items() if path.endswith("outcome.txt")), "")


def trouble_in(files: Mapping[str, str]) -> str:
    """The first thing that went wrong while a case was played, from its outcome; empty when nothing did."""
    _, _, after = _outcome_in(files).partition("\ntroubles:\n")
    line = after.partition("\n")[0].strip()
    return "" if line == "none" else line
