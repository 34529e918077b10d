"""The folders of files that come with the program: flows, schemas, templates, SQL."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


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
