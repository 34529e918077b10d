"""A connector package that works as it is, against its own simulator."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from importlib.metadata import version

from engine import registry
from engine.errors import UsageError
from engine.scaffold.files import skeleton

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
# Skeleton, and the file that it becomes.
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "__init__.py": "flowctl_<<name>>/__init__.py",
    "spec.py": "flowctl_<<name>>/spec.py",
    "client.py": "flowctl_<<name>>/client.py",
    "source.py": "flowctl_<<name>>/source.py",
    "simulator.py": "flowctl_<<name>>/simulator.py",
    "test_conformance.py": "tests/test_conformance.py",
    "test_source.py": "tests/test_<<name>>.py",
}


class BadName(UsageError):
    """A name that cannot be one of a connector or a flow."""

    def __init__(self, kind: str, name: str, reason: str, hint: str) -> None:
        super().__init__(f"`{name[:60]}` cannot be the name of a {kind}: {reason}", hint=hint)


def connector_files(name: str) -> Mapping[str, str]:
    """The files of a connector package, by path.

    Raises:
        BadName: when no connector can be called so, or one is.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise BadName("connector", name, "lower-case letters, digits and `_` are allowed", "write it like acme_pay")
    if name in registry.names():
        raise BadName("connector", name, "one of that name is installed", "give another name")
    words = name.split("_")
    values = {
        "name": name,
        "dash": name.replace("_", "-").strip("-"),
        "Class": "".join(word.capitalize() for word in words),
        "Title": " ".join(word.capitalize() for word in words if word),
        "version": version("flowctl"),
    }
    found = {path.replace("<<name>>", name): skeleton(f"connector/{file}", values) for file, path in _FILES.items()}
    return {**found, f"flowctl_{name}/py.typed": ""}
