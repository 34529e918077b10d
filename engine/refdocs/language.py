"""The page of the flow language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.refdocs.markdown import code_of, page, sentence, shown, table, ticked

if TYPE_CHECKING:
    from engine.flowlang.language import Key, Object, Type


def language_page() -> str:
    """Every key of a flow file."""
    from engine.flowlang.language import FLOW

    intro = (
        "Every key of a flow file. For a first reading, [Write a flow](../howto/write-a-flow.md) goes through them by "
        "example. `schemas/flow.schema.json` holds the same as JSON Schema, for editors."
    )
    return page("Flow language", intro, _objects("A flow", FLOW, {}))


def _objects(title: str, kind: Object, seen: dict[str, str]) -> Iterator[str]:
    yield f"## {title}"
    rows = [
        (
            f"`{key.name}`" + (" (needed)" if key.required else ""),
            _kind_of(key.type),
            sentence(key.help),
            shown(key.default),
            code_of(key.example),
        )
        for key in kind.keys
    ]
    yield table(("key", "value", "meaning", "default", "example"), rows)
    if kind.one_of:
        ways = " or ".join(" and ".join(f"`{name}`" for name in group) for group in kind.one_of)
        yield f"Either {ways}."
    for key in kind.keys:
        inner = _object_in(key)
        if inner is not None and inner.what not in seen:
            seen[inner.what] = key.name
            yield from _objects(_title(inner.what, key.name), inner, seen)


def _title(what: str, key: str) -> str:
    return f"`{key}`" if what.startswith("`") else f"`{key}`: {what}"


def _object_in(key: Key) -> Object | None:
    from engine.flowlang.language import ListOf, MapOf, Object

    kind: Type = key.type
    while isinstance(kind, (ListOf, MapOf)):
        kind = kind.item if isinstance(kind, ListOf) else kind.value
    return kind if isinstance(kind, Object) else None


def _kind_of(kind: Type) -> str:
    from engine.flowlang.language import Boolean, Choice, Integer, ListOf, MapOf, Scalar

    match kind:
        case Choice():
            text = "one of " + ticked(kind.options)
        case Integer():
            text = f"{kind.minimum}" if kind.minimum == kind.maximum else f"{kind.minimum} to {kind.maximum}"
        case Boolean():
            text = "true or false"
        case Scalar():
            text = "text, whole number, true, false or null"
        case ListOf():
            text = (f"{kind.short.what}, or " if kind.short else "") + f"list: {_kind_of(kind.item)}"
        case MapOf():
            text = f"{kind.key.what}s, each with: {_kind_of(kind.value)}"
        case _:
            text = kind.what
    return text
