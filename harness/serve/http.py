"""An HTTP/1.1 server for the files of one boot: read-only, quiet, and it never leaves its folder.

Of a folder, the files are served that are there at the time of a request; of a mapping,
its names alone, from wherever they are. Nothing is listed, and nothing is taken but what
`HttpServer.exchange` waits for. Source: RFC 9110 (ranges, status codes) and RFC 9112 (request
targets, connections).
"""

from __future__ import annotations

import errno
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, BinaryIO, Self

from harness.errors import ServerError
from harness.serve.exchange import PREFIX, Exchange, Upload
from harness.serve.files import Content, Folder, Names, names_in, part_of
from harness.serve.requests import Request, RequestLog

# A board that loads through an emulated network card pauses for less than this; a
# stopped emulator may not, and has its request noted as incomplete.
IDLE_TIMEOUT = 60.0

_CHUNK = 64 * 1024


class HttpServer:
    """Serves files over HTTP from threads of its own; a context manager.

    Args:
        files: a folder, or what to serve by name ("boot/xen"): a path, or the bytes.
        bind: the address to listen on; loopback unless the user names another.
        port: 0 takes a free one; `port` is then that one.
        clock: gives the seconds since power-on, for the times of the requests.
        on_request: called with each request once it has ended, by a serving thread.
        idle_timeout: seconds without a byte, after which a connection is closed.

    Attributes:
        exchange: single files to and from a running board.

    Raises:
        ServerError: on entry: the port is taken, the address is not ours, or there is no
            such folder.
    """

    def __init__(
        self,
        files: Mapping[str, Path | bytes] | Path,
        bind: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        *,
        on_request: Callable[[Request], None] | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self.bind = bind
        self.port = port
        self._files = Folder(files) if isinstance(files, Path) else Names(files)
        self._clock = clock
        self._log = RequestLog(on_request)
        self._idle_timeout = idle_timeout
        self.exchange = Exchange()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._files.check()
        try:
            server = _Server(
                (self.bind, self.port), self._files, self._clock, self._log, self.exchange
            )
        except (OSError, OverflowError) as error:
            raise self._cannot_listen(error) from None
        server.idle_timeout = self._idle_timeout
        self.port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(target=server.run, name=f"http:{self.port}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server.hang_up()

    def url(self, host: str) -> str:
        """The address of the files for a client that knows us as `host`, without a slash."""
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """What was asked so far, in order; also what is still under way."""
        return self._log.snapshot()

    @property
    def alive(self) -> bool:
        """Whether the server serves; if not, `check` says why."""
        try:
            self.check()
        except ServerError:
            return False
        return True

    def check(self) -> None:
        """Say so if a board cannot get an answer, and it is our fault.

        Raises:
            ServerError: the server was not started, was stopped, or died.
        """
        where = f"http://{self.bind}:{self.port}"
        server, thread = self._server, self._thread
        if server is None or thread is None:
            raise ServerError("the HTTP server was not started", where=where)
        failure = server.failure or server.starved
        if failure is not None:
            why = f"{type(failure).__name__}: {failure}"
            raise ServerError(f"the HTTP server failed: {why}", where=where)
        if not thread.is_alive() or server.fileno() < 0:
            raise ServerError("the HTTP server has stopped", where=where)
        self._files.check()

    def _cannot_listen(self, error: OSError | OverflowError) -> ServerError:
        where = f"http://{self.bind}:{self.port}"
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            holder = holder_of(self.port)
            return ServerError(
                f"port {self.port} is taken" + (f" by {holder}" if holder else ""),
                where=where,
                hint="end it, or use port 0, which takes a free one",
            )
        if number == errno.EACCES:
            return ServerError(
                f"port {self.port} is for root alone", where=where, expected="a port from 1024 on"
            )
        if number == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            return ServerError(f"{self.bind} is no address of this machine", where=where)
        return ServerError(f"cannot listen: {error}", where=where)


def holder_of(port: int) -> str | None:
    """The program that listens on a TCP port, as "name (pid 123)", if we may see it.

    Source: Linux, Documentation/networking/proc_net_tcp.rst; state 0A is LISTEN.
    """
    sockets = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                field = row.split()
                if field[3] == "0A" and int(field[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{field[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


class _Server(ThreadingTCPServer):
    """The listening socket, and a thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        files: Folder | Names,
        clock: Callable[[], float],
        log: RequestLog,
        exchange: Exchange,
    ) -> None:
        self.files = files
        self.exchange = exchange
        self.clock = clock
        self.log = log
        self.idle_timeout = IDLE_TIMEOUT
        self.failure: BaseException | None = None  # for good
        self.starved: OSError | None = None  # until the next connection is accepted
        self._open: dict[threading.Thread, socket.socket] = {}
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def run(self) -> None:
        """Serve until `shutdown`; what ends it before is kept in `failure`."""
        try:
            self.serve_forever(poll_interval=0.02)
        except BaseException as error:  # noqa: BLE001 - nobody above us to tell; `check` tells
            self.failure = error

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            accepted = super().get_request()
        except OSError as error:  # no file descriptors left, say: a board waits for us
            self.starved = error
            time.sleep(0.05)
            raise
        self.starved = None
        return accepted

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._open[thread] = request  # before it runs, so that `hang_up` knows it
        try:
            thread.start()
        except RuntimeError:  # no more threads
            del self._open[thread]
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._open[threading.current_thread()]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is its own business; anything else is a bug of ours."""
        del request, client_address
        error = sys.exception()
        if not isinstance(error, OSError):
            self.failure = error

    def hang_up(self) -> None:
        """End all connections, so that nothing of ours is left running."""
        for thread, connection in list(self._open.items()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=2)


class _Handler(BaseHTTPRequestHandler):
    """One connection: request after request, until it closes or is silent for too long."""

    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "harness"
    sys_version = ""
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms, for each small file

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.idle_timeout)
        # A small buffer of ours, so that "sent" is not much more than "arrived".
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHUNK)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The requests are on record; nothing goes to stderr."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:  # the base class calls this for requests that it does not take
        del message, explain
        known = {HTTPStatus.NOT_IMPLEMENTED: 405, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: 400}
        self.request_version = self.protocol_version  # a status line, whatever they speak
        self.close_connection = True
        self._refuse(HTTPStatus(known.get(HTTPStatus(code), code)))

    def _serve(self) -> None:
        if self.headers.get("Transfer-Encoding") or self.headers.get("Content-Length", "0") != "0":
            self.close_connection = True  # a body that we leave unread is not a request
        parts = names_in(self.path)
        found = HTTPStatus.NOT_FOUND if parts is None else self._open(parts)
        if isinstance(found, HTTPStatus):
            self._refuse(found)
            return
        with found.file:
            part = None
            if self.command == "GET" and "If-Range" not in self.headers:
                part = part_of(self.headers.get("Range", ""), found.size)
            if isinstance(part, HTTPStatus):
                self._refuse(part, {"Content-Range": f"bytes */{found.size}"})
            elif part is None:
                self._reply(HTTPStatus.OK, {}, found.file, found.size)
            else:
                begin, count = part
                found.file.seek(begin)
                where = f"bytes {begin}-{begin + count - 1}/{found.size}"
                self._reply(HTTPStatus.PARTIAL_CONTENT, {"Content-Range": where}, found.file, count)

    def _open(self, parts: list[str]) -> Content | HTTPStatus:
        if parts[0] != PREFIX:
            return self.server.files.open(parts)
        # Whoever only looks (HEAD) leaves it to the one that takes it.
        offered = self.server.exchange.take_offer(parts) if self.command == "GET" else None
        return HTTPStatus.NOT_FOUND if offered is None else Names({PREFIX: offered}).open([PREFIX])

    def do_POST(self) -> None:
        parts = names_in(self.path) or [""]
        upload = self.server.exchange.take_upload(parts) if parts[0] == PREFIX else None
        if upload is None:
            self.close_connection = True
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        status = self._take(upload)
        if status is not HTTPStatus.OK:
            upload.refused = f"{status.value} {status.phrase}"
            self.close_connection = True
        self._refuse(status)

    def _take(self, upload: Upload) -> HTTPStatus:
        """Read the body of a request; what came in part only is not kept."""
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,18}", length):
            return HTTPStatus.LENGTH_REQUIRED
        if int(length) > upload.limit:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        try:
            data = self.rfile.read(int(length))
        except OSError:  # silent for too long, or gone
            return HTTPStatus.REQUEST_TIMEOUT
        if len(data) != int(length):
            return HTTPStatus.BAD_REQUEST
        upload.data = data
        return HTTPStatus.OK

    def _refuse(self, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> None:
        text = f"{status.value} {status.phrase}\n".encode()
        self._reply(status, headers or {}, BytesIO(text), len(text))

    def _reply(
        self, status: HTTPStatus, headers: Mapping[str, str], body: BinaryIO, size: int
    ) -> None:
        """Send an answer, and note how far it came."""
        understood = self.command or ""
        path = self.path if understood else ""
        now = Request(
            at=self.server.clock(),
            protocol="http",
            client=self.client_address[0],
            method=understood,
            path="".join(c if "!" <= c <= "~" else f"%{ord(c):02X}" for c in path),
            status=status.value,
            bytes_sent=0,
            duration=0.0,
            complete=False,
        )
        number = self.server.log.begin(now)
        sent, complete = 0, False
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status == HTTPStatus.METHOD_NOT_ALLOWED:
                self.send_header("Allow", "GET, HEAD")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if understood == "HEAD":
                size = 0
            while sent < size:
                chunk = body.read(min(_CHUNK, size - sent))
                if not chunk:  # the file has shrunk under our hands
                    now = replace(now, status=HTTPStatus.INTERNAL_SERVER_ERROR.value)
                    break
                self.wfile.write(chunk)
                sent += len(chunk)
                duration = self.server.clock() - now.at
                self.server.log.update(number, replace(now, bytes_sent=sent, duration=duration))
            complete = sent == size
        except OSError:  # the client went away, or was silent for too long
            pass
        finally:
            if not complete:
                self.close_connection = True
            duration = self.server.clock() - now.at
            self.server.log.end(
                number, replace(now, bytes_sent=sent, duration=duration, complete=complete)
            )
