from __future__ import annotations

import hashlib
import http.client
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import ServerError
from harness.serve.http import HttpServer, holder_of
from harness.serve.requests import Request

BIG = hashlib.sha512(b"seed").digest() * (4 * 1024 * 1024 // 64)
DIGITS = b"0123456789"


class Clock:
    """Seconds since power-on that a test can set."""

    def __init__(self) -> None:
        self.now = 12.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    (folder / "boot").mkdir(parents=True)
    (folder / "digits").write_bytes(DIGITS)
    (folder / "boot" / "xen").write_bytes(BIG)
    (folder / "a b%").write_bytes(b"odd name")
    (folder / "empty").write_bytes(b"")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "served-too").mkdir()
    (tmp_path / "served-too" / "secret").write_text("secret")
    return folder


@pytest.fixture
def server(served: Path, clock: Clock) -> Iterator[HttpServer]:
    with HttpServer(served, clock=clock) as running:
        yield running


def wait_for(what: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def ended(server: HttpServer, count: int) -> list[Request]:
    """The first `count` records, once they are complete."""
    wait_for(lambda: len([one for one in server.requests if one.complete]) >= count)
    return server.requests


def ask(
    server: HttpServer, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", "x")
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def raw(server: HttpServer, request: bytes) -> bytes:
    """What comes back for these bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_a_file_and_its_record(server: HttpServer, clock: Clock) -> None:
    answer, body = ask(server, "/digits")
    assert (answer.status, body, answer.getheader("Content-Length")) == (200, DIGITS, "10")
    assert ended(server, 1) == [
        Request(12.5, "http", "127.0.0.1", "GET", "/digits", 200, 10, 0.0, complete=True)
    ]
    clock.now = 20.0
    ask(server, "/boot/xen?x=1")
    second = ended(server, 2)[1]
    assert (second.at, second.path, second.bytes_sent) == (20.0, "/boot/xen?x=1", len(BIG))


@pytest.mark.parametrize("path", ["/a%20b%25", "http://192.168.42.1:8000/a%20b%25", "/a%20b%25?q"])
def test_escaped_names_and_absolute_targets(server: HttpServer, path: str) -> None:
    assert ask(server, path)[1] == b"odd name"


def test_a_mapping_serves_its_names_alone(served: Path) -> None:
    files: dict[str, Path | bytes] = {"menu.ipxe": b"#!ipxe\n", "boot/kernel": served / "digits"}
    with HttpServer(files) as server:
        assert ask(server, "/menu.ipxe")[1] == b"#!ipxe\n"
        assert ask(server, "/boot/kernel")[1] == DIGITS
        assert ask(server, "/digits")[0].status == 404
        assert ask(server, "/boot")[0].status == 404


def test_a_promised_file_that_is_gone_is_our_fault(served: Path) -> None:
    with HttpServer({"xen": served / "none", "folder": served}) as server:
        assert ask(server, "/xen")[0].status == 500
        assert ask(server, "/folder")[0].status == 500


def test_what_we_do_not_have_is_404_and_on_record(server: HttpServer) -> None:
    answer, body = ask(server, "/nothing")
    assert (answer.status, body) == (404, b"404 Not Found\n")
    (record,) = ended(server, 1)
    assert (record.path, record.status, record.complete) == ("/nothing", 404, True)
    assert server.alive


TRAVERSALS = [
    "/../secret",
    "/boot/../../secret",
    "/%2e%2e/secret",
    "/%2E%2E%2Fsecret",
    "/..%2fsecret",
    "/boot/%2e%2e/%2e%2e/secret",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/%2Fetc%2Fpasswd",
    "/boot//xen",
    "/./digits",
    "/digits/",
    "/digits/x",
    "/",
    "/boot",
    "/boot/",
    "/digits%00",
    "/%00",
    "/digits%00/../../secret",
    "/../served-too/secret",
    "secret",
    "../secret",
    "/outside",
    "/folder/secret",
    "/loop",
    "/pipe",
    "/%ff%fe",
    "/" + "x" * 300,
    "http://host",
    "http://host/../secret",
    "*",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_nothing_outside_and_no_listing(
    server: HttpServer, served: Path, tmp_path: Path, path: str
) -> None:
    (served / "outside").symlink_to(tmp_path / "secret")
    (served / "folder").symlink_to(tmp_path / "served-too")
    (served / "loop").symlink_to(served / "loop")
    os.mkfifo(served / "pipe")
    said = raw(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 404 ")
    assert b"secret" not in said.partition(b"\r\n\r\n")[2]
    assert ended(server, 1)[0].status == 404


def test_a_link_that_stays_inside_is_followed(server: HttpServer, served: Path) -> None:
    (served / "link").symlink_to("boot/xen")
    assert ask(server, "/link")[1] == BIG


@pytest.mark.parametrize(
    ("header", "status", "body", "where"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, DIGITS, "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"416 ", "bytes */10"),
        ("bytes=10-12", 416, b"416 ", "bytes */10"),
        ("bytes=-0", 416, b"416 ", "bytes */10"),
        ("bytes=4-2", 200, DIGITS, None),
        ("bytes=-", 200, DIGITS, None),
        ("bytes=1-2,4-5", 200, DIGITS, None),
        ("lines=1-2", 200, DIGITS, None),
        ("bytes=" + "9" * 5000 + "-", 200, DIGITS, None),
    ],
)
def test_ranges(
    server: HttpServer, header: str, status: int, body: bytes, where: str | None
) -> None:
    answer, got = ask(server, "/digits", Range=header)
    assert (answer.status, answer.getheader("Content-Range")) == (status, where)
    assert got.startswith(body)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1"])
def test_an_empty_file_has_no_range(server: HttpServer, header: str) -> None:
    assert ask(server, "/empty", Range=header)[0].status == 416
    assert ask(server, "/empty")[1] == b""


def test_a_range_on_a_condition_is_ignored(server: HttpServer) -> None:
    assert ask(server, "/digits", Range="bytes=1-2", If_Range='"x"')[0].status == 200


def test_head_says_the_length_and_sends_nothing(server: HttpServer) -> None:
    answer, body = ask(server, "/boot/xen", "HEAD", Range="bytes=1-2")
    assert (answer.status, answer.getheader("Content-Length"), body) == (200, str(len(BIG)), b"")
    (record,) = ended(server, 1)
    assert (record.method, record.bytes_sent, record.complete) == ("HEAD", 0, True)


def test_many_big_files_at_once_are_equal_to_the_byte(server: HttpServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: ask(server, "/boot/xen")[1], range(16)))
    assert all(body == BIG for body in bodies)
    wait_for(lambda: all(record.complete for record in server.requests))
    assert [record.bytes_sent for record in server.requests] == [len(BIG)] * 16


def test_one_connection_carries_many_requests(server: HttpServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for path, status in (("/digits", 200), ("/none", 404), ("/empty", 200), ("/digits", 200)):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert connection.sock is not None
    connection.close()


def test_a_body_is_not_taken_for_the_next_request(server: HttpServer) -> None:
    hidden = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"GET /digits HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    assert raw(server, head + hidden).count(b"HTTP/1.1 ") == 1
    assert [record.path for record in server.requests] == ["/digits"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /digits HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
        (b"DELETE /digits HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET /digits HTTP/9.9\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_what_is_no_request_of_ours_is_refused_and_on_record(
    server: HttpServer, request_: bytes, status: int
) -> None:
    assert raw(server, request_).startswith(b"HTTP/1.1 %d " % status)
    assert ended(server, 1)[0].status == status
    assert ask(server, "/digits")[1] == DIGITS


def test_a_path_on_record_prints(server: HttpServer) -> None:
    raw(server, b"GET /\x1b[2J\xff HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ended(server, 1)[0].path == "/%1B[2J%FF"


def reset(line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def test_a_client_that_goes_away_in_mid_transfer(
    served: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[Request] = []
    huge = served / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
    with HttpServer(served, on_request=told.append) as server:
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.recv(10000)
        wait_for(lambda: server.requests[0].bytes_sent > 0)
        assert not server.requests[0].complete
        assert told == []
        reset(line)
        wait_for(lambda: bool(told))
        assert told == server.requests
        assert not told[0].complete
        assert 0 < told[0].bytes_sent < 1 << 30
        assert ask(server, "/digits")[1] == DIGITS
        assert server.alive
    assert capfd.readouterr() == ("", "")


def test_silent_and_vanished_clients_hold_nobody_up(
    served: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with HttpServer(served, idle_timeout=0.2) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b"GET /digits HTT")
        gone = socket.create_connection(("127.0.0.1", server.port))
        reset(gone)
        assert ask(server, "/digits")[1] == DIGITS
        for line in [*silent, half]:
            line.settimeout(5)
            assert line.recv(1) == b""
            line.close()
        assert server.alive
    assert capfd.readouterr() == ("", "")


def test_a_client_that_stops_reading_is_given_up(served: Path) -> None:
    with (served / "huge").open("wb") as file:
        file.truncate(1 << 30)
    with HttpServer(served, idle_timeout=0.2) as server:
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: bool(server.requests) and server.requests[0].bytes_sent > 0)
        sent = -1
        while sent != server.requests[0].bytes_sent:
            sent = server.requests[0].bytes_sent
            time.sleep(0.4)
        assert not server.requests[0].complete
        line.close()


def test_leaving_ends_every_connection_and_frees_the_port(served: Path) -> None:
    before = threading.active_count()
    with HttpServer(served, idle_timeout=60) as server:
        line = socket.create_connection(("127.0.0.1", server.port))
        line.settimeout(5)
        line.sendall(b"GET /digits HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: bool(server.requests))
        port = server.port
    while line.recv(1000):
        pass
    line.close()
    assert threading.active_count() == before
    assert not server.alive
    with HttpServer(served, port=port) as again:
        assert again.port == port


def test_a_file_that_shrinks_is_our_fault(served: Path) -> None:
    huge = served / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 28)
    with HttpServer(served) as server:
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: bool(server.requests) and server.requests[0].bytes_sent > 0)
        os.truncate(huge, 10)
        while line.recv(1 << 20):
            pass
        line.close()
        wait_for(lambda: server.requests[0].status == 500)
        assert not server.requests[0].complete


def test_a_dead_server_is_noticed(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise MemoryError("no more")

    with HttpServer(served) as server:
        server.check()
        monkeypatch.setattr(server._server, "service_actions", die)
        wait_for(lambda: not server.alive)
        with pytest.raises(ServerError, match="MemoryError: no more"):
            server.check()


def test_a_closed_socket_is_noticed(served: Path) -> None:
    with HttpServer(served) as server:
        assert server._server is not None
        server._server.socket.close()
        assert not server.alive


def test_a_server_without_file_descriptors_is_noticed_and_recovers(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError(24, "Too many open files")

    listener = server._server
    assert listener is not None
    real = listener.socket
    starved = SimpleNamespace(accept=none_left, fileno=real.fileno, close=real.close)
    monkeypatch.setattr(listener, "socket", starved)
    waiting = socket.create_connection(("127.0.0.1", server.port))
    wait_for(lambda: not server.alive)
    with pytest.raises(ServerError, match="Too many open files"):
        server.check()
    monkeypatch.setattr(listener, "socket", real)
    assert ask(server, "/digits")[1] == DIGITS
    assert server.alive
    waiting.close()


def test_a_bug_of_ours_is_noticed_and_prints_nothing(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(parts: list[str]) -> None:
        raise KeyError(*parts)

    monkeypatch.setattr(server._files, "open", broken)
    assert raw(server, b"GET /digits HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    wait_for(lambda: not server.alive)
    with pytest.raises(ServerError, match="KeyError: 'digits'"):
        server.check()
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_is_gone_is_our_fault(served: Path, tmp_path: Path) -> None:
    with HttpServer(served) as server:
        served.rename(tmp_path / "moved")
        assert ask(server, "/digits")[0].status == 500
        with pytest.raises(ServerError, match="no such folder"):
            server.check()


def test_a_missing_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="no such folder"), HttpServer(tmp_path / "none"):
        pass


def test_a_taken_port_says_by_whom(served: Path) -> None:
    with HttpServer(served) as first:
        with pytest.raises(ServerError) as caught, HttpServer(served, port=first.port):
            pass
        assert f"port {first.port} is taken by " in str(caught.value)
        assert f"(pid {os.getpid()})" in str(caught.value)
        assert ask(first, "/digits")[1] == DIGITS


def test_a_port_that_nobody_holds(served: Path) -> None:
    with HttpServer(served) as first:
        port = first.port
    assert holder_of(port) is None


@pytest.mark.parametrize(("bind", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70000)])
def test_an_address_that_is_not_ours(served: Path, bind: str, port: int) -> None:
    with pytest.raises(ServerError) as caught, HttpServer(served, bind=bind, port=port):
        pass
    assert bind in str(caught.value)


def test_urls(served: Path) -> None:
    server = HttpServer(served, port=8000)
    assert server.url("192.168.42.1") == "http://192.168.42.1:8000"
    assert server.url("fec0::2") == "http://[fec0::2]:8000"
    assert not server.alive


def test_a_callback_that_raises_does_no_harm(served: Path) -> None:
    def broken(request: Request) -> None:
        raise ValueError(request.path)

    with HttpServer(served, on_request=broken) as server:
        assert ask(server, "/digits")[1] == DIGITS
        assert ask(server, "/digits")[1] == DIGITS
        wait_for(lambda: server._log.callback_error is not None)
        assert server.alive
