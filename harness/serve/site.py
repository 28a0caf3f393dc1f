"""Everything that serves one boot, as one context: HTTP and NFS of ours, TFTP and DHCP of the
emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.board import Board
from harness.build.artifacts import Artifacts, rooted, write_menu
from harness.errors import UsageError
from harness.formats.netboot import events
from harness.formats.pcap import parse
from harness.serve.http import HttpServer
from harness.serve.nfs import NfsServer
from harness.serve.requests import Request, capture_zero, from_capture


class Site:
    """What a booting board finds on its network.

    Args:
        http: our server; None for a boot that fetches nothing.
        url: of the menu script, as the board reaches it.
        capture: where the emulator records the network, for requests to its own servers.
        artifacts: with the addresses of our servers in the command lines.
        nfs: serves dom0's root; None for another kind of root.
    """

    def __init__(
        self,
        http: HttpServer | None,
        url: str,
        capture: Path | None,
        artifacts: Artifacts,
        nfs: NfsServer | None = None,
    ) -> None:
        self.http = http
        self.url = url
        self.artifacts = artifacts
        self.nfs = nfs
        self._capture = capture
        self._zero = 0.0

    def died(self) -> str | None:
        """Why a server that the board needs is gone; None while all run."""
        if self.http is not None and not self.http.alive:
            return "our HTTP server ended"
        return self.nfs.death() if self.nfs is not None else None

    def powering_on(self) -> None:
        """The machine exists and does not run yet: the capture's clock begins with its file."""
        if self._capture is not None and self._capture.is_file():
            self._zero = capture_zero(self._capture.stat().st_mtime)

    def requests(self) -> list[Request]:
        """Every request that the board made, to our server and the emulator's, by time."""
        made: list[Request] = list(self.http.requests) if self.http else []
        if self._capture is not None and self._capture.is_file():
            # Without its header (24 bytes) it was never begun.
            data = self._capture.read_bytes()
            if len(data) >= 24:
                made += from_capture(events(parse(data).packets), self._zero)
        return sorted(made, key=lambda request: request.at)


@dataclass(frozen=True)
class Network:
    """How a boot uses the network.

    Args:
        used: whether the boot fetches anything; otherwise nothing is started.
        bind: the address that we listen on.
        public: how the board reaches us ("http://HOST:PORT", then we listen on that port, or
            "HOST"); None = the profile's server address, which an emulator leads to our
            loopback.
        scale: stretches the time that a server may take to come up.
    """

    used: bool
    bind: str
    public: str | None
    scale: float = 1.0


def serve_by_tftp(board: Board, artifacts: Artifacts) -> None:
    """Put everything where the emulator's own TFTP server finds it, the menu included."""
    pxe = board.boot.pxe
    if pxe is None:
        return
    for name, path in artifacts.served.items():
        (artifacts.folder / "tftp" / name).symlink_to(path.resolve())
    write_menu(board, artifacts, f"tftp://{pxe.server}")


@contextmanager
def serve(
    board: Board, artifacts: Artifacts, network: Network, clock: Callable[[], float]
) -> Iterator[Site]:
    """Serve the artifacts of a boot.

    Args:
        clock: seconds since power-on.

    Raises:
        ServerError, UsageError, ToolMissing: no port to listen on, or no NFS server here.
    """
    pxe = board.boot.pxe
    if not network.used or pxe is None:
        yield Site(None, "", None, artifacts)
        return
    menu = artifacts.folder / "tftp" / pxe.script
    files = {**artifacts.served, pxe.script: menu}
    base = network.public or pxe.server
    if "://" not in base:
        base = f"http://{base}"
    try:
        url = urlsplit(base)
        named = url.port
    except ValueError:
        raise UsageError(f"--server-url {base}", expected="http://HOST:PORT") from None
    with ExitStack() as stack:
        nfs = None
        if artifacts.root is not None and artifacts.root.kind == "nfs":
            nfs = stack.enter_context(
                NfsServer(
                    artifacts.root.root.folder,
                    artifacts.folder / "nfs",
                    bind=network.bind,
                    clock=clock,
                    scale=network.scale,
                )
            )
            artifacts = rooted(artifacts, nfs.url(url.hostname or pxe.server))
        http = stack.enter_context(
            HttpServer(files, bind=network.bind, port=named or 0, clock=clock)
        )
        if named is None:
            base = f"{base.rstrip('/')}:{http.port}"
        write_menu(board, artifacts, base.rstrip("/"))
        capture = artifacts.files.capture
        path = artifacts.folder / capture if capture else None
        yield Site(http, f"{base.rstrip('/')}/{pxe.script}", path, artifacts, nfs)
