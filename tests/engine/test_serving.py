"""Sockets, and a server in a thread that ends with its block."""

from __future__ import annotations

import gc
import socket
import threading

import httpx
import pytest
import uvicorn

from engine import serving
from engine.contract import HttpCall, HttpReply
from engine.serving import PortTaken, app_of, bind, looks_for_garbage_seldom, running


def echo(call: HttpCall) -> HttpReply:
    return HttpReply(201, {"x-method": call.method, "x-client": call.client}, call.body or call.path.encode())


def test_a_free_port_is_taken() -> None:
    with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as two:
        assert one.getsockname()[1] != two.getsockname()[1]
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_a_port_that_another_has_is_told() -> None:
    with bind("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            bind("127.0.0.1", port)
    assert str(caught.value) == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert caught.value.hint == "choose another --port, or end the process that has it"


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PortTaken) as caught:
        bind("192.0.2.1", 0)
    assert str(caught.value) == "cannot listen on 192.0.2.1:0: Cannot assign requested address"


def test_ipv6() -> None:
    try:
        listener = bind("::1", 0)
    except PortTaken:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert listener.family == socket.AF_INET6


@pytest.mark.acceptance
def test_a_server_answers_every_path_and_method_until_its_block_ends() -> None:
    with running(app_of(echo)) as url:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = httpx.request(method, f"{url}/a/b")
            assert (answer.status_code, answer.headers["x-method"], answer.text) == (201, method, "/a/b")
            assert answer.headers["x-client"] == "127.0.0.1"
        assert httpx.post(f"{url}/a", content=b"body").text == "body"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/a", timeout=1)
    assert [thread.name for thread in threading.enumerate() if thread.name == "flowctl-server"] == []


def test_what_a_process_was_started_with_is_not_looked_at_for_garbage() -> None:
    """What is made after that is."""
    before = gc.get_threshold()
    try:
        looks_for_garbage_seldom()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == (50_000, 20, 50)
        lost: list[object] = []
        lost.append(lost)
        del lost
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_client_that_reads_nothing_does_not_keep_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """`flowctl serve` is told to stop while somebody has asked for a long page, and does not take it."""
    monkeypatch.setattr(serving, "SHUTDOWN_S", 1)
    listener = bind("127.0.0.1", 0)
    made = app_of(lambda _call: HttpReply(200, {}, b"x" * 50_000_000))
    config = serving.config(made)
    config.loop = "asyncio"  # uvloop complains on stderr of what a loop leaves behind
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    with listener, socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
    # Its connection is left as it is, which a process that ends need not mind.
    del server
    gc.collect()
