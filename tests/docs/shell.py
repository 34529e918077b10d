"""Types a page's command lines in this process: what a shell does itself, and flowctl through its own `main`."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import click

from engine.cli.main import cli
from engine.errors import FlowctlError
from tests.cli.cli_kit import Ran, run, within

# What stands in a command line for something of the reader's.
PLACEHOLDERS = frozenset({"...", "[OPTIONS]"})


@dataclass
class Shell:
    """A terminal in a folder of its own. Folder and variables last from one line to the next."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def type(self, line: str, given: str = "") -> Ran:
        """One command line, with its redirection; several that `&&` joins end with the first that fails."""
        ran = Ran(0, "", "")
        for part in line.split(" && "):
            ran = self._type(part, given)
            if ran.status:
                break
        return ran

    def _type(self, line: str, given: str) -> Ran:
        for name, value in {"PWD": str(self.folder), **self.env}.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line, comments=True)
        into = ""
        if len(words) > 2 and words[-2] == ">":
            words, into = words[:-2], words[-1]
        if words[0] == "flowctl":
            ran = self.flowctl(words[1:], given)
        elif words[0] in _BUILTIN:
            ran = _BUILTIN[words[0]](self, words[1:])
        else:
            raise NotABuiltin(words[0])
        if into:
            (self.folder / into).write_text(ran.out, encoding="utf-8")
            ran = Ran(ran.status, "", ran.err)
        return ran

    def flowctl(self, words: Sequence[str], given: str = "") -> Ran:
        """The command itself; a person who is asked for a secret presses Enter, and agrees to what needs a yes."""
        # Who is asked for what there is not would be asked for ever.
        presses = [*[""] * 8, click.exceptions.Abort]
        with (
            within(self.folder),
            mock.patch("click.termui.hidden_prompt_func", side_effect=presses),
            mock.patch("click.termui.visible_prompt_func", side_effect=["y", click.exceptions.Abort]),
        ):
            return run(*words, stdin=given.encode(), env=self.env)

    def cd(self, words: Sequence[str]) -> Ran:
        self.folder = (self.folder / words[0]).resolve()
        assert self.folder.is_dir(), self.folder
        return Ran(0, "", "")

    def mkdir(self, words: Sequence[str]) -> Ran:
        for word in words:
            if not word.startswith("-"):
                (self.folder / word).mkdir(parents=True, exist_ok=True)
        return Ran(0, "", "")

    def export(self, words: Sequence[str]) -> Ran:
        for word in words:
            name, _, value = word.partition("=")
            self.env[name] = value
        return Ran(0, "", "")

    def echo(self, words: Sequence[str]) -> Ran:
        return Ran(0, " ".join(words) + "\n", "")

    def cat(self, words: Sequence[str]) -> Ran:
        return Ran(0, "".join((self.folder / word).read_text(encoding="utf-8") for word in words), "")

    def cp(self, words: Sequence[str]) -> Ran:
        shutil.copy(self.folder / words[0], self.folder / words[1])
        return Ran(0, "", "")


class NotABuiltin(Exception):
    """A word that this shell does not know."""


_BUILTIN: Mapping[str, Callable[[Shell, Sequence[str]], Ran]] = {
    "cd": Shell.cd, "mkdir": Shell.mkdir, "export": Shell.export, "echo": Shell.echo, "cat": Shell.cat, "cp": Shell.cp,
}  # fmt: skip


def has_placeholder(line: str) -> bool:
    """Whether a line names something of the reader's in capitals, as NAME, or leaves something out with dots."""
    try:
        words = shlex.split(line)
    except ValueError:  # an apostrophe in a sentence
        return True
    parts = [part for word in words for part in (word, word.partition("=")[2])]
    return any(part in PLACEHOLDERS or (part.strip("[].").isupper() and part != part.lower()) for part in parts)


def is_complete(line: str) -> bool:
    """Whether a line parses: a sentence may name a command without what it needs."""
    return parse(line) is None


def parse(line: str) -> str | None:
    """Why flowctl would refuse a line before it does anything; None when it would not."""
    try:
        # Groups go on to their commands; a command's own body does not run.
        with mock.patch("click.Command.invoke", return_value=None):
            cli.main(shlex.split(line)[1:], prog_name="flowctl", standalone_mode=False)
    except click.ClickException as error:
        return error.format_message()
    except FlowctlError as error:
        return str(error)
    return None
