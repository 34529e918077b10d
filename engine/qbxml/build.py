"""Writes the schema files of `schemas/qbxml` from their notation: `python -m engine.qbxml.build [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from engine.qbxml.notation import Notation, load
from engine.qbxml.xsd import document_schema, request_schema

WHOLE = "qbxml.xsd"


def outputs(notation: Notation) -> dict[str, str]:
    """The text of every generated file, by name."""
    made = {f"{name}.xsd": request_schema(notation, name) for name in notation.requests}
    return {**made, WHOLE: document_schema(notation)}


def stale(folder: Path, made: dict[str, str]) -> list[str]:
    """Names of files that are missing, changed, or no longer made."""
    kept = {path.name: path.read_text("utf-8") for path in folder.glob("*.xsd")}
    return sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))


def main(arguments: Sequence[str], folder: Path | None = None) -> int:
    """Write the files, or with `--check` only say which are stale; 1 when some are."""
    folder = folder or Path(str(files("schemas"))) / "qbxml"
    made = outputs(load())
    names = stale(folder, made)
    if "--check" in arguments:
        sys.stdout.writelines(f"stale: schemas/qbxml/{name}\n" for name in names)
        return 1 if names else 0
    for name in names:
        if name in made:
            (folder / name).write_text(made[name], "utf-8")
        else:
            (folder / name).unlink()
    sys.stdout.write(f"{len(made)} schema files, {len(names)} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
