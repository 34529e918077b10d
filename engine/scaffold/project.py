"""A project with one flow, its golden case, and settings for an editor and for CI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from engine import registry
from engine.flowlang.flowschema import flow_schema_text
from engine.scaffold.case import case_files
from engine.scaffold.files import skeleton
from engine.scaffold.flow import Made

_OURS = "flowctl"
SCHEMA = "schemas/flow.schema.json"
CASES = "tests/flows"
_FILES = {
    "README.md": "README.md",
    "requirements.txt": "requirements.txt",
    "gitignore": ".gitignore",
    "gitattributes": ".gitattributes",
    "editorconfig": ".editorconfig",
    "settings.json": ".vscode/settings.json",
    "extensions.json": ".vscode/extensions.json",
}
CI: Mapping[str, tuple[str, str]] = {
    "github": ("github.yml", ".github/workflows/flows.yml"),
    "gitlab": ("gitlab.yml", ".gitlab-ci.yml"),
}


def project_files(made: Made, title: str, ci: str) -> Mapping[str, str]:
    """All files of a project, by path; `ci` is one of `CI`, or anything else for none."""
    values = {
        "title": title,
        "flow": made.name,
        "stream": made.stream,
        "source": made.source,
        "version": version(_OURS),
        **_installs([made.source, made.target]),
    }
    chosen = [CI[ci]] if ci in CI else []
    texts = {path: skeleton(f"project/{file}", values) for file, path in (*_FILES.items(), *chosen)}
    return {**flow_files(made), SCHEMA: flow_schema_text(), **texts}


def _installs(connectors: Sequence[str]) -> Mapping[str, str]:
    """What is to be installed besides and with flowctl, as requirements.txt, CI and README word it.

    Everything has an address in a variable, and none goes by its name: anybody may own that on an index.
    """
    outside: dict[str, str] = {}
    for name in connectors:
        package = registry.package_of(name)
        if package and re.sub(r"[-_.]+", "-", package).lower() != _OURS:
            outside.setdefault(package, name)
    variables = ["FLOWCTL_WHEEL", *map(_variable, outside)]
    lines = (
        f"# The connector `{name}` comes with the package {package} {version(package)}.\n{package} @ ${{{_variable(package)}}}\n"
        for package, name in outside.items()
    )
    return {
        "outside": "".join(lines),
        "variables": " ".join(variables),
        "listed": "`, `".join(variables),
        "env": "\n          ".join(f"{one}: ${{{{ vars.{one} }}}}" for one in variables),
        "exports": "\n".join(f"export {one}=ADDRESS  # https://... or file:///..." for one in variables),
    }


def _variable(package: str) -> str:
    """The variable with the address of a package's wheel; pip takes capitals, digits and `_` in its name."""
    return re.sub(r"[^A-Z0-9]+", "_", package.upper()) + "_WHEEL"


def flow_files(made: Made) -> Mapping[str, str]:
    """A flow file and its first case, by path."""
    cases = {f"{CASES}/{made.name}/{path}": text for path, text in case_files(made).items()}
    return {f"flows/{made.name}.yaml": made.text, **cases}
