from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from harness.serve.http import HttpServer


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer({"file": b"served"}, idle_timeout=5) as running:
        yield running


def ask(server: HttpServer, method: str, name: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, f"/{name}", body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(server: HttpServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_an_offer_is_good_for_one_request(server: HttpServer) -> None:
    with server.exchange.offer(b"content") as name:
        assert ask(server, "HEAD", name)[0] == 404
        assert ask(server, "GET", name) == (200, b"content")
        assert ask(server, "GET", name)[0] == 404
    assert ask(server, "GET", "file") == (200, b"served")


def test_an_offer_ends_with_its_context(server: HttpServer) -> None:
    with server.exchange.offer(b"content") as name:
        pass
    assert ask(server, "GET", name)[0] == 404


def test_a_file_is_taken_once(server: HttpServer) -> None:
    body = bytes(range(256)) * 1000
    with server.exchange.receive(len(body)) as upload:
        assert upload.data is None
        assert ask(server, "POST", upload.name, body)[0] == 200
        assert upload.data == body
        assert ask(server, "POST", upload.name, b"other")[0] == 405
    assert upload.data == body


def test_an_empty_file_is_one(server: HttpServer) -> None:
    with server.exchange.receive(10) as upload:
        assert ask(server, "POST", upload.name, b"")[0] == 200
    assert upload.data == b""


def test_what_is_too_large_is_refused_before_it_comes(server: HttpServer) -> None:
    with server.exchange.receive(4) as upload:
        head = f"POST /{upload.name} HTTP/1.1\r\nContent-Length: 5\r\n\r\n".encode()
        assert raw(server, head).startswith(b"HTTP/1.1 413 ")
    assert upload.data is None
    assert upload.refused.startswith("413 ")


@pytest.mark.parametrize(
    ("header", "body", "status"),
    [
        (b"", b"", b"411"),
        (b"Content-Length: x\r\n", b"", b"411"),
        (b"Content-Length: -1\r\n", b"", b"411"),
        (b"Content-Length: 10\r\n", b"short", b"400"),
    ],
)
def test_what_comes_in_part_is_not_kept(
    server: HttpServer, header: bytes, body: bytes, status: bytes
) -> None:
    with server.exchange.receive(100) as upload:
        request = b"POST /" + upload.name.encode() + b" HTTP/1.1\r\n" + header + b"\r\n" + body
        assert raw(server, request).startswith(b"HTTP/1.1 " + status)
    assert upload.data is None


@pytest.mark.parametrize("name", ["file", "exchange/0123", "exchange", "x", "../x"])
def test_nothing_else_is_taken(server: HttpServer, name: str) -> None:
    assert ask(server, "POST", name, b"x")[0] == 405
    assert server.requests[-1].method == "POST"


def test_names_cannot_be_guessed(server: HttpServer) -> None:
    names = set()
    for _ in range(100):
        with server.exchange.offer(b"") as name:
            names.add(name)
    assert len(names) == 100
    assert all(len(name.removeprefix("exchange/")) == 32 for name in names)
