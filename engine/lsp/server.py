"""Speaks the language server protocol: takes what the editor sends to the functions that answer it.

Standard output carries the protocol alone. What goes wrong is logged to standard error by its kind and its place in our
code, never with a text of the user's.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.uris import from_fs_path, to_fs_path

from engine.diagnostics import Diagnostic
from engine.errors import UsageError
from engine.lsp import actions, protocol
from engine.lsp.completion import complete
from engine.lsp.definition import definition
from engine.lsp.meaning import meaning
from engine.lsp.outline import outline
from engine.lsp.project import problems
from engine.lsp.session import SETTLED_S, Document, Session
from engine.shipped import version

_LOG = logging.getLogger("flowctl.lsp")
_TRIGGERS = (".", "'", " ", "{", "[", "(")
_WATCHED = "**/*.{yaml,yml,j2}"
_HOST = "127.0.0.1"
T = TypeVar("T")


class PortRefused(UsageError):
    """The port cannot be listened on."""

    def __init__(self, port: int, error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        hint = "give another port after --tcp, above 1023, or end the process that has it"
        super().__init__(f"cannot listen on {_HOST}:{port}: {reason}", hint=hint)


class _Plain(logging.Formatter):
    """Words a log line by its kind alone: what is filled into messages may be a part of the user's file."""

    def format(self, record: logging.LogRecord) -> str:
        """The message as the code has it, and the kind of error with the line of code that raised it."""
        text = f"{record.levelname.lower()}: {record.name}: {str(record.msg).splitlines()[0]}"
        error = record.exc_info[1] if record.exc_info else None
        return f"{text} ({_kind(error)})" if error is not None else text


def _kind(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return f"{type(error).__name__}{place}"


class _Protocol(LanguageServerProtocol):
    """The protocol of pygls, which would leave a request that has no sense without an answer: an editor waits for it."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """A message as an object; a request that cannot be one is answered with the error."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise


class _Server(LanguageServer):
    """The server of pygls, which would show an error's text to the user."""

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what went wrong outside of a request."""
        del source
        _LOG.error("a message could not be handled", exc_info=error)


class Service:
    """The answers of one server to one editor."""

    def __init__(self) -> None:
        whole = types.TextDocumentSyncKind.Full
        self.server = _Server("flowctl", version("0"), text_document_sync_kind=whole, protocol_cls=_Protocol)
        self.session = Session(self._publish, self._failed)
        self.ended = False
        self._register()

    # -- wiring

    def _register(self) -> None:
        self._take(types.INITIALIZED, self._initialized)
        self._take(types.SHUTDOWN, self._shutdown)
        self._take(types.TEXT_DOCUMENT_DID_OPEN, self._opened)
        self._take(types.TEXT_DOCUMENT_DID_CHANGE, self._changed)
        self._take(types.TEXT_DOCUMENT_DID_SAVE, self._saved)
        self._take(types.TEXT_DOCUMENT_DID_CLOSE, self._closed)
        self._take(types.WORKSPACE_DID_CHANGE_WATCHED_FILES, self._on_disk)
        options = types.CompletionOptions(trigger_characters=list(_TRIGGERS))
        self._take(types.TEXT_DOCUMENT_COMPLETION, self._completion, options)
        self._take(types.TEXT_DOCUMENT_HOVER, self._hover)
        self._take(types.TEXT_DOCUMENT_DEFINITION, self._definition)
        self._take(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, self._symbols)
        kinds = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, protocol.FIX_ALL])
        self._take(types.TEXT_DOCUMENT_CODE_ACTION, self._actions, kinds)

    def _take(self, method: str, answer: Callable[..., Any], options: object | None = None) -> None:
        # pygls writes attributes onto the function, which a method does not let it.
        self.server.feature(method, options)(partial(answer))

    def _initialized(self, _params: types.InitializedParams) -> None:
        """Ask to be told of files that change on the disk, where the editor can tell."""
        workspace = self.server.client_capabilities.workspace
        watched = workspace.did_change_watched_files if workspace is not None else None
        if watched is None or not watched.dynamic_registration:
            return
        options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(_WATCHED)])
        wanted = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        self.server.client_register_capability(types.RegistrationParams([wanted]))

    def _shutdown(self, _params: None) -> None:
        self.ended = True
        self.session.stop()

    # -- files

    def _opened(self, params: types.DidOpenTextDocumentParams) -> None:
        self._put(params.text_document.uri, 0)

    def _changed(self, params: types.DidChangeTextDocumentParams) -> None:
        self._put(params.text_document.uri, SETTLED_S)

    def _saved(self, params: types.DidSaveTextDocumentParams) -> None:
        self._put(params.text_document.uri, 0)

    def _put(self, uri: str, delay_s: float) -> None:
        document = self.server.workspace.get_text_document(uri)
        self.session.put(uri, to_fs_path(uri) or uri, document.source, document.version or 0, delay_s)

    def _closed(self, params: types.DidCloseTextDocumentParams) -> None:
        self.session.close(params.text_document.uri)

    def _on_disk(self, _params: types.DidChangeWatchedFilesParams) -> None:
        self.session.check_all()

    def _publish(self, document: Document, found: list[Diagnostic]) -> None:
        text = self._text(document)
        shown = [protocol.diagnostic(problem, text) for problem in found]
        params = types.PublishDiagnosticsParams(document.uri, shown, document.version)
        self.server.text_document_publish_diagnostics(params)

    def _failed(self, error: Exception) -> None:
        _LOG.error("a request could not be answered", exc_info=error)

    # -- answers

    def _completion(self, params: types.CompletionParams) -> types.CompletionList | None:
        def answer(document: Document, text: protocol.Text) -> types.CompletionList:
            line, column = params.position.line, text.column(params.position)
            items = complete(document.text, document.path, line, column, document.last)
            found = [protocol.completion(item, order, text) for order, item in enumerate(items)]
            return types.CompletionList(is_incomplete=False, items=found)

        return self._answer(params.text_document.uri, answer)

    def _hover(self, params: types.HoverParams) -> types.Hover | None:
        def answer(document: Document, text: protocol.Text) -> types.Hover | None:
            line, column = params.position.line, text.column(params.position)
            found = meaning(document.text, document.path, line, column, document.last)
            return protocol.hover(found, text) if found is not None and found.about else None

        return self._answer(params.text_document.uri, answer)

    def _definition(self, params: types.DefinitionParams) -> types.Location | None:
        def answer(document: Document, text: protocol.Text) -> types.Location | None:
            line, column = params.position.line, text.column(params.position)
            found = definition(document.text, document.path, line, column, document.last)
            if found is None:
                return None
            uri = document.uri if found.path == document.path else from_fs_path(found.path)
            return types.Location(uri, text.range(found.span)) if uri else None

        return self._answer(params.text_document.uri, answer)

    def _symbols(self, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        def answer(document: Document, text: protocol.Text) -> list[types.DocumentSymbol]:
            return [protocol.symbol(found, text) for found in outline(document.text, document.path)]

        return self._answer(params.text_document.uri, answer)

    def _actions(self, params: types.CodeActionParams) -> list[types.CodeAction] | None:
        def answer(document: Document, text: protocol.Text) -> list[types.CodeAction]:
            uri, only = document.uri, params.context.only
            found = document.found if document.found is not None else problems(document.text, document.path, {})
            offered: list[types.CodeAction] = []
            if _wants(only, types.CodeActionKind.QuickFix):
                within = text.span(params.range)
                offered += [protocol.quick_fix(one, uri, text) for one in actions.actions(document.text, found, within)]
            # An editor asks whenever the cursor moves, and mending checks the file several times.
            certain = any(problem.edit is not None for problem in found)
            mended = (
                actions.mend_all(document.text, document.path) if certain and _wants(only, protocol.FIX_ALL) else None
            )
            return offered if mended is None else [*offered, protocol.fix_all(mended, uri, text)]

        return self._answer(params.text_document.uri, answer)

    def _answer(self, uri: str, answer: Callable[[Document, protocol.Text], T]) -> T | None:
        """Answer for an open flow; nothing for another file, and for an error of ours, which is logged."""
        document = self.session.documents.get(uri)
        if document is None or not document.is_flow:
            return None
        try:
            return answer(document, self._text(document))
        except Exception as error:  # noqa: BLE001 (the edge: an error of ours must not end the editor's server)
            self._failed(error)
            return None

    def _text(self, document: Document) -> protocol.Text:
        return protocol.Text.of(document.text, str(self.server.workspace.position_encoding))


def _wants(only: object, kind: str) -> bool:
    """Whether an editor that asks for some kinds of actions asks for this one; a kind stands for those below it."""
    asked = [str(getattr(each, "value", each)) for each in only] if isinstance(only, list | tuple) else None
    return asked is None or any(kind == each or kind.startswith(f"{each}.") for each in asked)


def serve(port: int | None = None) -> int:
    """Serve one editor over standard input and output, or over TCP on this machine; 0 when it ended as it should.

    Raises:
        PortRefused: when the system does not let us listen on the port.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain())
    # Over TCP, asyncio logs the exit that pygls asks for.
    handler.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], SystemExit)))
    for name in ("pygls", "flowctl.lsp", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    service = Service()
    if port is not None:
        _try_port(port)
        sys.stderr.write(f"listening on {_HOST}:{port}\n")
        service.server.start_tcp(_HOST, port)
    else:
        service.server.start_io(sys.stdin.buffer, _stdout())
    return 0 if service.ended else 1


def _try_port(port: int) -> None:
    try:
        socket.create_server((_HOST, port)).close()
    except OSError as error:
        raise PortRefused(port, error) from error


def _stdout() -> BinaryIO:
    """Standard output for the protocol alone: what anything else prints goes to standard error from now on."""
    mine = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return mine
