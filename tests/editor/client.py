"""A small editor: it speaks the Language Server Protocol over stdio with a server, and waits for each answer."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

# A server that says nothing for so long is stuck; nothing is measured by it.
_PATIENCE_S = 60
_CAPABILITIES = {
    "textDocument": {
        "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown", "plaintext"]}},
        "hover": {"contentFormat": ["markdown"]},
        "publishDiagnostics": {},
    },
    "workspace": {"configuration": True},
}


class Stuck(Exception):
    """The server has ended, or says nothing any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """A text and a place in it, both counted from 0."""

    text: str
    line: int
    column: int


def at_mark(text: str) -> Place:
    """The text without the one `¦` in it, and where it stood."""
    before, after = text.split("¦")
    return Place(before + after, before.count("\n"), len(before) - before.rfind("\n") - 1)


@dataclass
class Editor:
    """A running server, and the problems that it has told of each document."""

    process: subprocess.Popen[bytes]
    settings: Mapping[str, Any]
    incoming: queue.Queue[dict[str, Any] | None] = field(default_factory=queue.Queue)
    problems: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    last_id: int = 0

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """Send a request; its result."""
        self.last_id += 1
        number = self.last_id
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def open(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Open a document; the problems that the server finds in it. The file itself need not be there."""
        uri = path.as_uri()
        self.problems.pop(uri, None)
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        while uri not in self.problems:
            self._next()
        return self.problems[uri]

    def completions(self, path: Path, text: str) -> Sequence[dict[str, Any]]:
        """What is proposed at the `¦` of a new document."""
        items: list[dict[str, Any]] = self._at(path, text, "textDocument/completion")["items"]
        return items

    def hover(self, path: Path, text: str) -> str:
        """What is said of the word at the `¦` of a new document."""
        return str(self._at(path, text, "textDocument/hover")["contents"]["value"])

    def _at(self, path: Path, text: str, method: str) -> Any:
        place = at_mark(text)
        self.open(path, place.text)
        position = {"line": place.line, "character": place.column}
        return self.ask(method, {"textDocument": {"uri": path.as_uri()}, "position": position})

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _next(self) -> dict[str, Any]:
        """The next message, once what the server asks of an editor is answered."""
        try:
            message = self.incoming.get(timeout=_PATIENCE_S)
        except queue.Empty as error:
            raise Stuck from error
        if message is None:
            raise Stuck
        if message.get("method") == "textDocument/publishDiagnostics":
            self.problems[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif message.get("method") == "workspace/configuration":
            wanted = [item.get("section") for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": [self.settings.get(section) for section in wanted]})
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message


@contextmanager
def editor(command: Sequence[str], root: Path, settings: Mapping[str, Any]) -> Iterator[Editor]:
    """Start a language server for a folder; it is ended with the block."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
    ) as process:
        try:
            assert process.stdout is not None
            started = Editor(process, settings)
            threading.Thread(target=_read, args=(process.stdout, started.incoming), daemon=True).start()
            asked = {"processId": os.getpid(), "rootUri": root.as_uri(), "capabilities": _CAPABILITIES}
            started.ask("initialize", asked)
            started.tell("initialized", {})
            yield started
        finally:
            process.kill()


def _read(stream: BinaryIO, into: queue.Queue[dict[str, Any] | None]) -> None:
    """Put each message of a stream into the queue, and None when it ends."""
    while True:
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = stream.read(length)
        if not length or len(body) < length:
            into.put(None)
            return
        into.put(json.loads(body))
