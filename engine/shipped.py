"""What came with the program: its version, and the folders of files: flows, schemas, templates, SQL."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def version(otherwise: str = "unknown") -> str:
    """The version of flowctl that is installed; what is given `otherwise`, where it runs from a source tree."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("flowctl")
    except PackageNotFoundError:
        return otherwise


def shipped(package: str) -> Traversable:
    """The folder of an installed package.

    `importlib.resources` alone takes 8 ms to import and to ask, a twentieth of what `validate` may take, so it is asked
    only where the package is no folder, as in an application that is packed into an archive.
    """
    origin = importlib.import_module(package).__file__
    folder = Path(origin).parent if origin else None
    if folder is not None and folder.is_dir():
        return folder
    from importlib.resources import files

    return files(package)
