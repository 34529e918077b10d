"""The open files of one editor, and when each is checked: a moment after the last change, and never two at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from pathlib import Path

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.lsp import project
from engine.validate import environment

# Long enough that nobody is told of half a word, short enough that nobody waits.
SETTLED_S = 0.25
OTHERS_S = 0.5


@dataclass(frozen=True, slots=True)
class Document:
    """An open file as it stands in the editor.

    `last` is what was known of it when it could last be read; `found` are its problems, None before it is checked.
    """

    uri: str
    path: str
    text: str
    version: int
    last: Env | None = None
    found: tuple[Diagnostic, ...] | None = None

    @property
    def is_flow(self) -> bool:
        """Whether it is meant as a flow."""
        return project.is_flow(self.text, self.path)


Publish = Callable[[Document, list[Diagnostic]], None]


@dataclass(slots=True)
class Session:
    """What is open. `publish` is called with the problems of a file; `failed` with an error that is ours."""

    publish: Publish
    failed: Callable[[Exception], None]
    documents: dict[str, Document] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _names: dict[str, str | None] = field(default_factory=dict)
    _templates: dict[Path, object] = field(default_factory=dict)
    # Checking shares caches that know nothing of threads, so there is one.
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "check"))

    def put(self, uri: str, path: str, text: str, version: int, delay_s: float = SETTLED_S) -> Document:
        """Take the text of a file, and check it when the delay is over and nothing else came."""
        before = self.documents.get(uri)
        document = Document(uri, path, text.replace("\r\n", "\n"), version, before.last if before else None)
        self.documents[uri] = document
        self._check_in(uri, delay_s)
        return document

    def close(self, uri: str) -> None:
        """Forget a file; what it clashed with is checked again."""
        gone = self.documents.pop(uri, None)
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()
        self._names.pop(uri, None)
        if gone is not None:
            self.publish(gone, [])
            self._others(gone)

    def check_all(self) -> None:
        """Check every open file again: something on the disk has changed."""
        for uri in self.documents:
            self._check_in(uri, SETTLED_S)

    def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks.values():
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_in(self, uri: str, delay_s: float) -> None:
        task = self._tasks.get(uri)
        if task is not None:
            task.cancel()
        self._tasks[uri] = asyncio.get_running_loop().create_task(self._check(uri, delay_s))

    async def _check(self, uri: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        document = self.documents[uri]
        try:
            loop = asyncio.get_running_loop()
            found, env = await loop.run_in_executor(self._pool, self._look, document, self._texts())
        except Exception as error:  # noqa: BLE001 (the edge: an error of ours must not end the editor's server)
            self.failed(error)
            return
        if self.documents.get(uri) is not document:
            return
        document = replace(document, last=env or document.last, found=tuple(found))
        self.documents[uri] = document
        self.publish(document, found)
        name = env.flow.name if env is not None else self._names.get(uri)
        if self._names.get(uri) != name:
            self._names[uri] = name
            self._others(document)

    def _texts(self) -> dict[str, str]:
        return {document.path: document.text for document in self.documents.values()}

    def _look(self, document: Document, texts: dict[str, str]) -> tuple[list[Diagnostic], Env | None]:
        if not document.is_flow:
            return [], None
        project.renew_templates(Path(document.path).parent, self._templates)
        env = environment(project.parsed(document.text, document.path))
        return project.problems(document.text, document.path, texts), env

    def _others(self, changed: Document) -> None:
        """Check what lies in the same folder again: a name may be there twice now, or no more."""
        folder = Path(changed.path).parent
        for uri, document in self.documents.items():
            if uri != changed.uri and Path(document.path).parent == folder:
                self._check_in(uri, OTHERS_S)
