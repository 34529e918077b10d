"""The real process, driven by an editor over standard input and output."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types

from tests.lsp.editor import WAIT_S, Editor, editor, soon
from tests.reference import ROOT

pytestmark = pytest.mark.acceptance

# A line with characters that editors count differently is before what is looked at, in the same line.
FLOW = """\
flow: refunds
version: 1
connections: {ramp: {connector: ramp}, books: {connector: qbwc}}
lookups:
  account: {target: books.Account, match: [mapped, number, exact_name]}
streams:
  refunds:
    trigger: {every: 1d}
    fetch: {from: ramp, stream: transactions}
    key: id
    select: [{say: "\N{MONEY BAG} é", only: "state == 'CLEARED'"}]
    map:
      account: lookup('account', id, merchant_name)
    check: [{expect: account.active, say: the account is inactive}]
"""
WRONG = FLOW.replace('only: "state', 'only: "staet')
LINE = FLOW.split("\n").index("      account: lookup('account', id, merchant_name)")


def _drive(
    folder: Path, steps: Callable[[Editor, Path], Awaitable[None]], encodings: tuple[str, ...] = ("utf-16",)
) -> Editor:
    async def run() -> Editor:
        async with editor() as one:
            result = await one.start(folder, list(encodings))
            assert result.capabilities.position_encoding == encodings[0]
            await steps(one, folder / "flow.yaml")
            await one.stop()
            return one

    return asyncio.run(asyncio.wait_for(run(), 3 * WAIT_S))


def _at(path: Path, line: int, character: int) -> tuple[types.TextDocumentIdentifier, types.Position]:
    return types.TextDocumentIdentifier(path.as_uri()), types.Position(line, character)


def _range(line: int, start: int, end: int) -> types.Range:
    return types.Range(types.Position(line, start), types.Position(line, end))


def test_a_day_with_an_editor(tmp_path: Path) -> None:
    async def steps(one: Editor, path: Path) -> None:
        await _problems(one, path)
        await _words(one, path)
        await _fixes(one, path)
        # What is typed next cannot be read, and still something fits.
        broken = FLOW.replace("id, merchant_name)", "merchant_")
        one.change(path, 4, broken)
        found = await soon(one.client.text_document_completion_async(types.CompletionParams(*_at(path, LINE, 42))))
        assert isinstance(found, types.CompletionList)
        assert [item.label for item in found.items if item.label.startswith("merchant_")][:1] == ["merchant_amount"]
        one.client.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(path.as_uri()))
        )
        # On a busy machine what is wrong with the fourth version is said before the file is closed; then comes that nothing is.
        while await one.problems(path, 4):
            pass

    one = _drive(tmp_path, steps)
    assert (one.status, set(one.stderr.splitlines())) == (0, {"noise"})
    assert list(tmp_path.iterdir()) == []


async def _problems(one: Editor, path: Path) -> None:
    """Of a text that is not on the disk; the range counts as the editor does: the money bag is two."""
    one.open(path, WRONG)
    (found,) = await one.problems(path, 1)
    start = WRONG.split("\n")[10].index("staet") + 1
    assert (found.range, found.code, found.severity) == (
        _range(10, start, start + 5),
        "E111",
        types.DiagnosticSeverity.Error,
    )
    message, hint = found.message.split("\n")
    assert message == "there is no field `staet` here"
    assert hint.startswith("hint: did you mean `state`? known: ")
    one.change(path, 2, FLOW)
    assert await one.problems(path, 2) == []


async def _words(one: Editor, path: Path) -> None:
    hover = await soon(one.client.text_document_hover_async(types.HoverParams(*_at(path, LINE, 25))))
    assert hover is not None
    about = types.MarkupContent(types.MarkupKind.Markdown, "**account** (lookup: books.Account)")
    assert hover == types.Hover(about, _range(LINE, 23, 30))
    place = await soon(one.client.text_document_definition_async(types.DefinitionParams(*_at(path, LINE, 25))))
    assert place == types.Location(path.as_uri(), _range(4, 2, 9))
    found = await soon(one.client.text_document_completion_async(types.CompletionParams(*_at(path, 8, 34))))
    assert isinstance(found, types.CompletionList)
    item = next(item for item in found.items if item.label == "transactions")
    assert item.text_edit == types.TextEdit(_range(8, 32, 34), "transactions")
    symbols = await soon(
        one.client.text_document_document_symbol_async(
            types.DocumentSymbolParams(types.TextDocumentIdentifier(path.as_uri()))
        )
    )
    assert symbols is not None
    assert [symbol.name for symbol in symbols] == ["connections", "lookups", "streams"]


async def _fixes(one: Editor, path: Path) -> None:
    one.change(path, 3, FLOW.replace("every: 1d", "evry: 1d"))
    (found,) = [each for each in await one.problems(path, 3) if each.code == "F010"]
    context = types.CodeActionContext([found])
    asked = types.CodeActionParams(types.TextDocumentIdentifier(path.as_uri()), found.range, context)
    offered = await soon(one.client.text_document_code_action_async(asked))
    edit = types.WorkspaceEdit({path.as_uri(): (types.TextEdit(_range(7, 14, 18), "every"),)})
    whole = types.WorkspaceEdit({path.as_uri(): (types.TextEdit(_range(7, 0, 23), "    trigger: {every: 1d}"),)})
    assert offered is not None
    assert list(offered) == [
        types.CodeAction("Write `every`", types.CodeActionKind.QuickFix, (found,), is_preferred=True, edit=edit),
        types.CodeAction("Mend all that can only be meant one way", "source.fixAll.flowctl", edit=whole),
    ]


def test_two_files_of_one_name_and_another_encoding(tmp_path: Path) -> None:
    async def steps(one: Editor, path: Path) -> None:
        path.with_name("a.yaml").write_text(FLOW, encoding="utf-8")
        one.open(path, WRONG)
        found = await one.problems(path, 1)
        # In UTF-8 the money bag counts four, the letter two.
        start = len(WRONG.split("\n")[10].split("staet")[0].encode())
        assert [(each.code, each.range) for each in found] == [
            ("F008", _range(0, 6, 13)),
            ("E111", _range(10, start, start + 5)),
        ]
        # Another file that is no flow is left alone, and so is what nobody can read.
        other = path.with_name("compose.yaml")
        one.open(other, "services: [")
        assert await one.problems(other, 1) == []
        assert await soon(one.client.text_document_hover_async(types.HoverParams(*_at(other, 0, 2)))) is None
        far = types.CompletionParams(*_at(path, 9999, 9999))
        assert await soon(one.client.text_document_completion_async(far)) == types.CompletionList(False, ())

    one = _drive(tmp_path, steps, ("utf-8", "utf-16"))
    assert (one.status, set(one.stderr.splitlines())) == (0, {"noise"})


def _run(sent: bytes, *args: str) -> subprocess.CompletedProcess[bytes]:
    code = "from engine.cli.main import main; main()"
    command = [sys.executable, "-c", code, "lsp", *args]
    return subprocess.run(command, input=sent, capture_output=True, cwd=ROOT, timeout=WAIT_S, check=False)


def _message(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def test_an_editor_that_dies_ends_the_server() -> None:
    done = _run(b"")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_what_cannot_be_read_is_told_without_its_text() -> None:
    done = _run(_message(b'{"my secret": ') + _message(b'{"jsonrpc": "2.0", "method": "exit"}'))
    assert done.returncode == 1
    assert b"secret" not in done.stdout + done.stderr
    assert re.sub(r":\d+\)", ")", done.stderr.decode()).splitlines() == [
        "error: pygls.server: Unable to handle message (JSONDecodeError at decoder.py)",
        "error: flowctl.lsp: a message could not be handled (JSONDecodeError at decoder.py)",
    ]


def test_a_request_without_sense_is_answered() -> None:
    asked = {"textDocument": {"uri": "file:///x.yaml"}, "position": {"line": -1, "character": 0}}
    requests: tuple[tuple[str, object], ...] = (
        ("initialize", {"processId": None, "rootUri": None, "capabilities": {}}),
        ("textDocument/completion", asked),
        ("textDocument/hover", None),
        ("shutdown", None),
    )
    sent = [
        _message(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())
        for number, (method, params) in enumerate(requests, 1)
    ]
    done = _run(b"".join(sent) + _message(b'{"jsonrpc": "2.0", "method": "exit"}'))
    found = [json.loads(text) for text in re.findall(rb"\r\n\r\n(.*?)(?=Content-Length|$)", done.stdout, re.DOTALL)]
    codes = {each["id"]: each.get("error", {}).get("code") for each in found}
    assert (done.returncode, codes) == (0, {1: None, 2: -32602, 3: -32602, 4: None})


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run(b"", "--tcp", str(port))
    assert (done.returncode, done.stdout, done.stderr.decode()) == (
        2,
        b"",
        (
            f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"
            "  hint: give another port after --tcp, above 1023, or end the process that has it\n"
        ),
    )


def test_over_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "from engine.cli.main import main; main()"
    command = [sys.executable, "-c", code, "lsp", "--tcp", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            editor = _connected(port)
            for sent in (
                {"id": 1, "method": "initialize", "params": {"capabilities": {}}},
                {"id": 2, "method": "shutdown"},
                {"method": "exit"},
            ):
                editor.sendall(_message(json.dumps({"jsonrpc": "2.0", **sent}).encode()))
            out, err = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
        with editor, editor.makefile("rb") as answers:
            assert b'{"id": 2, "jsonrpc": "2.0", "result": null}' in answers.read()
    assert (process.returncode, out, err.decode()) == (0, b"", f"listening on 127.0.0.1:{port}\n")


def _connected(port: int) -> socket.socket:
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        except ConnectionRefusedError:
            assert time.monotonic() < until, "nobody listens"
            time.sleep(0.05)
