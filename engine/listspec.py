"""What a flow may read of the lists of targets, as far as their connectors say."""

from __future__ import annotations

from engine.identity import by_identity
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, StreamSpec

# What every object of a list has, whatever its connector says of it.
_COMMON = (
    FieldSpec("list_id", "id", "its id in the target", required=True),
    FieldSpec("full_name", "text", "full name, levels separated by a colon", required=True),
    FieldSpec("active", "boolean", "false for one made inactive", required=True),
    FieldSpec("number", "text", "its number, where there is one"),
    FieldSpec("edit_sequence", "text", "its version"),
    FieldSpec("currency", "text", "ISO 4217 code, where the target tells one"),
)


@by_identity
def fields_of(spec: ConnectorSpec, listed: ListSpec) -> tuple[FieldSpec, ...]:
    """What an expression may read of an object of a list; nothing when its connector does not say, so anything."""
    if spec.delivery == "pull" or not listed.fields:
        return listed.fields
    named = {field.name for field in listed.fields}
    common = [field for field in _COMMON if field.name in ("list_id", "full_name", "number")]
    return (*(field for field in common if field.name not in named), *listed.fields)


def stream_of(spec: ConnectorSpec, name: str) -> StreamSpec | None:
    """What a flow may read from a connector under this name: a stream, or a list of a polled connector."""
    found = spec.stream(name)
    listed = spec.list(name) if spec.delivery == "pull" else None
    return stream_spec(listed) if found is None and listed is not None else found


def streams_of(spec: ConnectorSpec) -> tuple[str, ...]:
    """The names that `stream_of` knows."""
    listed = tuple(entry.name for entry in spec.lists) if spec.delivery == "pull" else ()
    return (*(stream.name for stream in spec.streams), *listed)


@by_identity
def stream_spec(listed: ListSpec) -> StreamSpec:
    """A list as a stream: every read lists all objects, inactive ones included, by `list_id`."""
    common = {field.name for field in _COMMON}
    return StreamSpec(
        listed.name, listed.help, "list_id", (*_COMMON, *(field for field in listed.fields if field.name not in common))
    )
