"""Fills in skeletons, and writes files without ever overwriting one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from engine.dataclass import dataclass
from engine.errors import Bug, UsageError

_HOLE = re.compile(r"<<([A-Za-z]+)>>")


class InTheWay(UsageError):
    """Files that would be overwritten."""

    def __init__(self, paths: Sequence[Path]) -> None:
        shown = "\n".join(f"  {path}" for path in paths)
        noun = "file is" if len(paths) == 1 else "files are"
        super().__init__(
            f"{len(paths)} {noun} there already and would be overwritten; nothing was written:\n{shown}",
            hint="move them away, or give another folder or name; `flowctl new flow` adds a flow to a project",
        )


class CannotWrite(UsageError):
    """A file or folder that cannot be made."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot be written: {reason}", hint="give a folder that you may write to")


@dataclass(frozen=True, slots=True)
class Written:
    """Files that were made, and those that were there with the very same text, by their paths below the folder."""

    made: tuple[str, ...]
    kept: tuple[str, ...]


def skeleton(name: str, values: Mapping[str, str]) -> str:
    """The text of `engine/skeletons/NAME.tmpl` with its names filled in."""
    text = (files("engine.skeletons") / f"{name}.tmpl").read_text(encoding="utf-8")

    def fill(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise Bug(f"the skeleton {name} wants `{found[1]}`")
        return values[found[1]]

    return _HOLE.sub(fill, text)


def write(root: Path, texts: Mapping[str, str]) -> Written:
    """Write all files below a folder, or none.

    Raises:
        InTheWay: when a file is there with another text in it.
        CannotWrite: when the system refuses.
    """
    found = {path: _there(root / path) for path in texts}
    clash = [root / path for path, there in found.items() if there and there != texts[path].encode()]
    if clash:
        raise InTheWay(clash)
    for path, text in texts.items():
        if not found[path]:
            _write(root / path, text)
    return Written(tuple(path for path in texts if not found[path]), tuple(path for path in texts if found[path]))


def _there(path: Path) -> bytes:
    """What stands in the place of a file: its bytes, empty when there is none. A link that leads nowhere is something."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b"(a link)" if path.is_symlink() else b""
    except (OSError, ValueError) as error:
        raise CannotWrite(path, getattr(error, "strerror", None) or str(error)) from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error
