"""Checks flow files without running anything: structure, names, expressions, templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path

from engine import registry
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location
from engine.errors import ConnectorBroken, FlowFileUnreadable
from engine.flowlang.flowfile import Loaded, place_order, read_flow
from engine.flowlang.yamlsource import SYNTAX
from engine.lints.doubled import without_follow_on
from engine.lints.env import Env, templates_beside
from engine.lints.facts import Facts, shipped_facts
from engine.lints.rules import run_rules
from engine.model import Flow
from engine.spec import ConnectorSpec

SUFFIXES = (".yaml", ".yml")
NAME_TWICE = "F008"
# A text has not the form of a name, or of something else; a name is not known.
_FORMS = frozenset({"F015", "F016"})
_UNKNOWN = frozenset({"F012", "F021", "F023", "F024", "F026", "F027", "F029", "F030", "F031", "F033", "F036"})


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of checking some files; `flows` are those without an error, `sources` their texts by path."""

    files: tuple[str, ...]
    problems: tuple[Diagnostic, ...]
    flows: tuple[Flow, ...]
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings are allowed."""
        return not any(problem.level == "error" for problem in self.problems)

    def count(self, level: str) -> int:
        """How many problems of a level there are."""
        return sum(problem.level == level for problem in self.problems)


def validate(paths: Sequence[Path]) -> Report:
    """Check flow files, and all flow files below folders.

    Raises:
        FlowFileUnreadable: for a path that does not exist or cannot be read, or a folder without flow files.
    """
    files = list(dict.fromkeys(flow_files(paths)))
    loaded = [read_flow(path) for path in files]
    problems = {problem for one in loaded for problem in check_loaded(one)}
    problems.update(same_names(loaded))
    failing = {problem.location.path for problem in problems if problem.level == "error"}
    return Report(
        files=tuple(one.path for one in loaded),
        problems=tuple(sorted(problems, key=place_order)),
        flows=tuple(one.flow for one in loaded if one.flow is not None and one.path not in failing),
        sources={one.path: one.source for one in loaded},
    )


def check_loaded(loaded: Loaded) -> list[Diagnostic]:
    """Every problem of one file: those found while reading it, and what the rules find in its sound parts."""
    env = environment(loaded)
    found = list(loaded.problems)
    if env is not None:
        found += run_rules(env)
        found = without_follow_on(found, env)
        env.found.scope = None  # it refers to its surroundings: thousands of files would wait for the garbage collector
    cut = {problem.where for problem in found if problem.code == SYNTAX}
    # A name that is not known need not be told that it is no name either.
    unknown = {problem.location for problem in found if problem.code in _UNKNOWN}
    found = [problem for problem in found if problem.code not in _FORMS or problem.location not in unknown]
    once: dict[tuple[Location, str, str], Diagnostic] = {}
    for problem in found:
        # An expression that a comma cut in two was reported as that.
        if problem.where not in cut or problem.code not in ("E101", "E104"):
            once.setdefault((problem.location, problem.code, problem.message), problem)
    return list(once.values())


def environment(loaded: Loaded) -> Env | None:
    """What the rules need to know; None when nothing could be read."""
    if loaded.flow is None or loaded.document is None:
        return None
    specs: dict[str, ConnectorSpec] = {}
    broken: dict[str, str] = {}
    for connection in loaded.flow.connections:
        try:
            connector = registry.find(connection.connector)
        except ConnectorBroken as error:
            broken[connection.name] = str(error)
            continue
        if connector is not None:
            specs[connection.name] = connector.spec
    return Env(
        flow=loaded.flow,
        document=loaded.document,
        specs=specs,
        broken=broken,
        connectors=registry.names(),
        load_templates=partial(templates_beside, Path(loaded.path).parent),
        # A flow with templates of its own may replace a shipped one by the same name.
        facts=Facts() if (Path(loaded.path).parent / "templates").is_dir() else shipped_facts(),
        complete=not any(problem.level == "error" for problem in loaded.problems),
    )


def flow_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The flow files that paths mean: files as they are, folders with everything below them, sorted."""
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and not _is_hidden(p.relative_to(path)))
            if not inside:
                raise FlowFileUnreadable(str(path), "the folder holds no .yaml file")
            yield from inside
        elif path.exists():
            yield path
        else:
            raise FlowFileUnreadable(str(path), "there is no such file or folder")


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def same_names(loaded: Sequence[Loaded]) -> Iterator[Diagnostic]:
    """Each flow that has the name of one before it."""
    first: dict[str, Loaded] = {}
    for one in loaded:
        if one.flow is None or not one.flow.name:
            continue
        other = first.setdefault(one.flow.name, one)
        if other is not one and (env := environment(one)) is not None:
            message = f"the flow `{env.flow.name}` is also in {other.path}"
            yield env.problem(NAME_TWICE, ("flow",), message, "give each flow a name of its own")
