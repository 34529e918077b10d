"""An editor: starts `flowctl lsp` as a process and speaks the protocol to it, waiting for nothing longer than `WAIT_S`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.reference import ROOT

# The process starts in a second or two; a machine that is busy gets time.
WAIT_S = 60.0
T = TypeVar("T")
# The program, with something in it that prints where only the protocol may be.
NOISY = """
from engine import registry
from engine.cli.main import main
names = registry.names
registry.names = lambda: print("noise") or names()
main()
"""


async def soon(what: Awaitable[T]) -> T:
    """What an awaitable gives, or a failure when it takes too long."""
    return await asyncio.wait_for(what, WAIT_S)


class Editor:
    """One editor with one file open at a time."""

    def __init__(self) -> None:
        self.client = LanguageClient("test editor", "1")
        self.published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(partial(self._published))
        self.status: int | None = None
        self.stderr = ""

    def _published(self, params: types.PublishDiagnosticsParams) -> None:
        self.published.put_nowait(params)

    async def start(self, folder: Path, encodings: list[str]) -> types.InitializeResult:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        await self.client.start_io(sys.executable, "-c", NOISY, "lsp", cwd=folder, env=env)
        general = types.GeneralClientCapabilities(position_encodings=list(encodings))
        params = types.InitializeParams(types.ClientCapabilities(general=general), root_uri=folder.as_uri())
        result = await soon(self.client.initialize_async(params))
        self.client.initialized(types.InitializedParams())
        return result

    def open(self, path: Path, text: str) -> None:
        item = types.TextDocumentItem(path.as_uri(), "yaml", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def change(self, path: Path, version: int, text: str) -> None:
        document = types.VersionedTextDocumentIdentifier(version, path.as_uri())
        whole = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))

    async def problems(self, path: Path, version: int) -> list[types.Diagnostic]:
        """What the server says of one version of a file."""
        while True:
            found = await soon(self.published.get())
            if found.uri == path.as_uri() and found.version == version:
                return list(found.diagnostics)

    async def stop(self) -> None:
        await soon(self.client.shutdown_async(None))
        self.client.exit(None)
        process = self.client._server
        assert process is not None
        assert process.stderr is not None
        self.status = await soon(process.wait())
        self.stderr = (await soon(process.stderr.read())).decode()
        self.client._stop_event.set()


@asynccontextmanager
async def editor() -> AsyncIterator[Editor]:
    """An editor whose server is gone afterwards, whatever happened."""
    one = Editor()
    try:
        yield one
    finally:
        process = one.client._server
        if process is not None and process.returncode is None:
            process.kill()
            await soon(process.wait())
        for task in one.client._async_tasks:
            task.cancel()
        await asyncio.gather(*one.client._async_tasks, return_exceptions=True)
