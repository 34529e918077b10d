"""What was already found out about the shipped templates and flows, so that checking them again need not load Jinja.

Importing Jinja and rendering samples takes longer than everything else `validate` does. The facts are kept in
`schemas/template_facts.json` under digests of all they depend on: when a template, a schema or the type of a map
changes, they no longer apply and the full check is made. They are renewed by
`python -m engine.lints.facts > schemas/template_facts.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING

from engine.dataclass import dataclass
from engine.identity import by_identity
from engine.mapping.types import ResultType
from engine.shipped import shipped

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

NAME = "template_facts.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """Free variables by template name, and digests of what was rendered and found valid: request, template and map."""

    variables: Mapping[str, frozenset[str]] = field(default_factory=dict)
    proofs: frozenset[str] = frozenset()


@cache
def shipped_facts() -> Facts:
    """The facts, or none when a shipped template has changed since they were found."""
    try:
        read = json.loads((shipped("schemas") / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Facts()
    if read.get("templates") != templates_digest():
        return Facts()
    variables = {name: frozenset(names) for name, names in read["variables"].items()}
    return Facts(variables, frozenset(read["proofs"]))


@cache
def templates_digest() -> str:
    """One digest of all shipped templates: they import each other."""
    return _digest(p for p in shipped("qbxml_templates").iterdir() if p.name.endswith(".j2"))


def proof(request: str, template: str, mapped: ResultType) -> str:
    """The digest of all that decides whether the samples of a map render to a valid request."""
    facts = (request, template, templates_digest(), _schema_digest(request), _written(mapped))
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


_written = by_identity(repr)


@cache
def _schema_digest(request: str) -> str:
    found = shipped("schemas") / "qbxml" / f"{request}Rq.xsd"
    return _digest([found]) if found.is_file() else ""


def _digest(paths: Iterable[Traversable]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def find_facts() -> str:
    """Find the facts anew, from the shipped templates and flows."""
    from pathlib import Path

    from engine.flowlang.flowfile import read_flow
    from engine.lints.env import documents
    from engine.lints.expressions import mapped_type, source_type
    from engine.lints.rendering import given_to, rendering_problems
    from engine.render import Templates
    from engine.validate import environment

    templates = Templates()
    proofs: set[str] = set()
    for name in sorted(p.name for p in shipped("flows").iterdir() if p.name.endswith(".yaml")):
        env = environment(read_flow(Path(str(shipped("flows") / name))))
        assert env is not None, name
        scope = env.scope()
        for stream in env.flow.streams:
            mapped = mapped_type(stream, source_type(stream, env), scope)
            for written in documents(stream, env):
                given = given_to(written, mapped)
                if written.template and not rendering_problems(written.request, written.template, given, templates):
                    proofs.add(proof(written.request, written.template, given))
    variables = {name: sorted(templates.get(name).variables) for name in templates.names()}
    facts = {"templates": templates_digest(), "variables": variables, "proofs": sorted(proofs)}
    return json.dumps(facts, indent=1)


if __name__ == "__main__":
    print(find_facts())  # noqa: T201 (standard output is this script's product)
