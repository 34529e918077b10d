"""A template uses a value that the map does not give.

To do: Add the value to `map`, or rename the entry that was meant.

Fails at streams.vendors.map:
    {title: name}
Passes:
    {name: "limit(name, `41`)"}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.diagnostics import Diagnostic, Edit, clearly_meant, nearest
from engine.errors import RenderError
from engine.flowlang.structure import dotted
from engine.lints.env import UNDO_VARIABLES, Document, Env, documents, over_map
from engine.lints.own_template import own_path, place_of_name
from engine.lints.roots import wrong_template
from engine.model import Flow, Stream

ID = "F034"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the free variables of each template with the names in `map`."""
    for stream in flow.streams:
        names = env.names(("streams", stream.name, "map"))
        told: set[str] = set()
        for written in documents(stream, env) if names else ():
            spec = env.request_spec(stream, written.request)
            if written.template is None or (spec is not None and spec.documents == "json"):
                continue  # another rule has said that there is one too many
            used = variables_of(written.template, env)
            if written.undoes:
                yield from _undo(used, written, env)
                continue
            missing = sorted(used - written.given.union(names))
            if missing and (wrong := wrong_template(written.template, written.request, env.templates())) is not None:
                yield env.problem(ID, (*written.steps, "template"), *wrong)
                continue
            for name in missing:
                if name in told:
                    continue  # what adds and what changes are given the same map
                told.add(name)
                yield _missing(name, missing, stream, written, env)


def _missing(name: str, missing: Sequence[str], stream: Stream, written: Document, env: Env) -> Diagnostic:
    """A value that the map does not give: a misspelt entry of it, when one can be no other."""
    message = f"the template uses `{name}`, and `map` does not give it"
    if name in UNDO_VARIABLES:
        hint = f"only the template of a change or an undo knows `{name}`: name it under `change` or `undo`"
        return env.problem(ID, (*written.steps, "template"), message, hint)
    spare = _spare(stream, env)
    meant = [entry for entry in spare if clearly_meant(entry, missing) == name]
    near = nearest(name, spare, cutoff=0.5) if len(missing) == 1 and not meant else []
    if own := own_path(written.template or "", env):
        place = place_of_name(env.templates().source(written.template or ""), name)
        message = f"{own}:{place}: {message}" if place else f"{own}: {message}"
        spared = meant if len(meant) == 1 else near
        others = set(env.templates().names()) - {written.template}
        # A name that other templates use is no slip of this one; another kind of name cannot stand in a template.
        is_slip = not any(name in variables_of(other, env) for other in others)
        if spared and spared[0].isidentifier() and is_slip:
            hint = f"did you mean `{spared[0]}` in the template? if not, name this entry `{name}`"
            return env.problem(ID, ("streams", stream.name, "map", spared[0]), message, hint, key=True)
        given = [entry for entry in env.names(("streams", stream.name, "map")) if entry.isidentifier()]
        if is_slip and not spared and (other := clearly_meant(name, given)):
            hint = f"did you mean `{other}` in the template? if not, add `{name}: ...` to `map`"
            return env.problem(ID, (*written.steps, "template"), message, hint)
    if near:
        hint = f"did you mean `{name}`? no template uses `{near[0]}`"
        return env.problem(ID, ("streams", stream.name, "map", near[0]), message, hint, key=True)
    # What is written as JSON takes the whole map.
    also_json = any(other.template is None for other in documents(stream, env))
    if len(meant) == 1:
        steps = ("streams", stream.name, "map", meant[0])
        at = env.at(steps, key=True)
        hint = f"did you mean `{name}`? no template uses `{meant[0]}`"
        return Diagnostic(at, ID, dotted(steps), message, hint, edit=None if also_json else Edit(at, meant[0], name))
    hint = f"add it to `map`, as `{name}: ...`" + (f"; no template uses {', '.join(spare)}" if spare else "")
    return env.problem(ID, (*written.steps, "template"), message, hint)


def _spare(stream: Stream, env: Env) -> list[str]:
    """Entries of the map that no template, no check and no condition uses."""
    used: set[str] = set()
    for written in documents(stream, env):
        used |= variables_of(written.template, env) if written.template is not None else set()
    read = " ".join(expr.text for expr in over_map(stream))
    return [
        name
        for name in env.names(("streams", stream.name, "map"))
        if name not in used and not re.search(rf"\b{re.escape(name)}\b", read)
    ]


def _undo(used: frozenset[str], written: Document, env: Env) -> Iterator[Diagnostic]:
    for name in sorted(used - written.given):
        message = f"the template uses `{name}`, and an undo does not give it"
        hint = f"name a template that uses only {', '.join(sorted(written.given))}: see txn_void.xml.j2"
        yield env.problem(ID, (*written.steps, "template"), message, hint)


def variables_of(template: str, env: Env) -> frozenset[str]:
    """The values that a template uses; none of one that cannot be read."""
    if template in env.facts.variables:
        return env.facts.variables[template]
    try:
        return env.templates().get(template).variables
    except RenderError:
        return frozenset()  # another rule has said so
