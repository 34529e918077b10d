"""Sockets, and a server in a thread that ends with its block."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from engine.contract import HttpCall, HttpReply
from engine.serving import PortTaken, app_of, bind, running


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
