"""A project with one flow, its golden case, and settings for an editor and for CI."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from engine.flowschema import flow_schema_text
from engine.scaffold.case import case_files
from engine.scaffold.files import skeleton
from engine.scaffold.flow import Made

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
        "version": version("flowctl"),
    }
    chosen = [CI[ci]] if ci in CI else []
    texts = {path: skeleton(f"project/{file}", values) for file, path in (*_FILES.items(), *chosen)}
    return {**flow_files(made), SCHEMA: flow_schema_text(), **texts}


def flow_files(made: Made) -> Mapping[str, str]:
    """A flow file and its first case, by path."""
    cases = {f"{CASES}/{made.name}/{path}": text for path, text in case_files(made).items()}
    return {f"flows/{made.name}.yaml": made.text, **cases}
