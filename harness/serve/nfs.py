"""The NFS server of one boot: nfs-ganesha, NFSv4 alone, read-only, on one TCP port.

    with NfsServer(root, run.work / "nfs") as nfs:
        ...  # HOST:/dom0, port nfs.port

Everything that it writes is in its work folder: configuration, state, log. It asks for no
rpcbind and no D-Bus, and it dies with us, also when we are killed with SIGKILL.
Source: nfs-ganesha 4.3, ganesha-core-config(8), ganesha-export-config(8), ganesha-log-config(8).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from harness import process, tools
from harness.build.render import render
from harness.errors import InfraError, ServerError, ToolMissing, UsageError
from harness.serve.nfs_probe import probe
from harness.sources.cache import default_folder

EXPORT = "/dom0"
"""The name of the exported folder, for a client."""

PROGRAM = "ganesha.nfsd"
PACKAGES = ("nfs-ganesha", "nfs-ganesha-vfs")
ELSE = "use --root 9p or --root initramfs, which need no server and no root"

# It is up after 0.5 s on an idle host.
_READY = 20.0
_PROBE = 5.0
# SIGTERM is answered within 2 s; there is nothing to save, so it is not asked for long.
_PATIENCE = 3.0
_MTAB = Path("/etc/mtab")
_CAP_DAC_READ_SEARCH = 2  # open_by_handle_at(2): what its VFS module finds files with
# "21/11/2026 11:54:34 : epoch 6b01867a : host : ganesha.nfsd-11852[main] function :"
_LOG_HEAD = re.compile(r"^\d\d/\d\d/\d{4} .*? : [\w.-]+-\d+\[[^\]]*\] \S+ :")


def _silent(_: str) -> None:
    pass


def why_no_nfs(folder: Path | None = None) -> str | None:
    """Why no NFS server can be run here; None if one can.

    Args:
        folder: what would be exported; None: something in the cache.
    """
    try:
        _check_possible()
        _check_exportable(folder or default_folder())
    except (UsageError, ToolMissing) as bad:
        return bad.message
    return None


class NfsServer:
    """Serves one folder over NFSv4; a context manager around a process.

    Args:
        folder: what is exported, read-only, as `EXPORT`; its files keep their owners.
        work: a folder of its own, made if it is not there; its log stays there.
        bind: the address to listen on; loopback unless the user names another.
        clock: gives the seconds since power-on, for the time of its death.
        progress: gets one line when it is up.
        scale: stretches the time in which it must be up, for slow hosts.

    Attributes:
        port: the TCP port, a free one.
        log: what it said.

    Raises:
        UsageError: on entry: we are not root, or may not open files by handle.
        ToolMissing: on entry: nfs-ganesha is not installed.
        ServerError: on entry: no such folder, or it does not come up; with the end of its log.
    """

    def __init__(
        self,
        folder: Path,
        work: Path,
        *,
        bind: str = "127.0.0.1",
        clock: Callable[[], float] = time.monotonic,
        progress: Callable[[str], None] = _silent,
        scale: float = 1.0,
    ) -> None:
        self.folder = folder.absolute()
        self.work = work.absolute()
        self.bind = bind
        self.port = 0
        self.log = self.work / "ganesha.log"
        self._clock = clock
        self._progress = progress
        self._scale = scale
        self._process: subprocess.Popen[bytes] | None = None
        self._death: str | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        _check_possible()
        if not self.folder.is_dir():
            raise ServerError("there is no such folder to export", where=str(self.folder))
        _check_exportable(self.folder)
        config = self._configure()
        # A bus of the host would get to know it under a name that only one can have; blkid
        # would keep its cache in /run.
        argv = ["env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={self.work}/no-bus"]
        argv += [f"BLKID_FILE={self.work}/blkid.tab", str(tools.find(PROGRAM))]
        argv += ["-F", "-f", str(config), "-L", str(self.log), "-p", str(self.work / "pid")]
        try:
            with (self.work / "ganesha.out").open("ab") as output:
                self._process = process.start(argv, cwd=self.work, output=output)
            self._wait_until_up()
        except BaseException:
            self._stop()
            raise
        self._progress(f"NFS server on {self.bind}:{self.port}, exports {self.folder}")
        return self

    def __exit__(self, *exception: object) -> None:
        self.death()  # what ended before is not our doing
        self._stop()

    def url(self, host: str) -> str:
        """The export for a client that knows us as `host`, as "192.168.42.1:2049:/dom0"."""
        return f"{host}:{self.port}:{EXPORT}"

    @property
    def alive(self) -> bool:
        """Whether the server runs; if not, `check` says why."""
        return self._process is not None and not self._stopped and self.death() is None

    def death(self) -> str | None:
        """How it ended by itself, in one sentence; None while it runs, or if we ended it.

        The time in it is that of the first call after the end.
        """
        if self._death is None and self._process is not None and not self._stopped:
            code = self._process.poll()
            if code is not None:
                self._death = f"the NFS server {_how(code)} at {self._clock():.1f} s"
        return self._death

    def check(self) -> None:
        """Say so if a board cannot get its root, and it is our fault.

        Raises:
            ServerError: the server was not started, was stopped, or ended by itself; then with
                how, when, and the end of its log.
        """
        where = f"nfs://{self.bind}:{self.port}{EXPORT}"
        if self._process is None:
            raise ServerError("the NFS server was not started", where=where)
        death = self.death()
        if death is not None:
            raise ServerError(
                f"{death}; its log ends with{self._tail()}",
                where=where,
                hint="a root over NFS stays silent without its server; run it again, "
                "or without a server: --root 9p or --root initramfs",
                log=self.log,
            )
        if self._stopped:
            raise ServerError("the NFS server has stopped", where=where)

    def connections(self) -> int:
        """How many clients are connected now."""
        return _connected(self.port)

    def _configure(self) -> Path:
        for path in (self.folder, self.work):
            # Its parser has no escape for these.
            if any(character in '"\\' or not character.isprintable() for character in str(path)):
                raise ServerError(
                    "nfs-ganesha cannot be told this path",
                    where=repr(str(path)),
                    expected="a path without quotes, backslashes and control characters",
                )
        config = self.work / "ganesha.conf"
        try:
            (self.work / "credentials").mkdir(parents=True, exist_ok=True)
            config.write_text(
                render(
                    "ganesha.conf.j2",
                    bind=self.bind,
                    folder=self.folder,
                    export=EXPORT,
                    work=self.work,
                ),
                encoding="utf-8",
            )
        except OSError as bad:
            raise InfraError.of(bad, "cannot prepare the NFS server in", self.work) from None
        return config

    def _wait_until_up(self) -> None:
        server = self._process
        assert server is not None  # noqa: S101 - for mypy; the caller has just started it
        end = time.monotonic() + _READY * self._scale
        why = "it does not listen"
        while time.monotonic() < end:
            if server.poll() is not None:
                raise ServerError(
                    f"the NFS server {_how(server.returncode)} before it was up; "
                    f"its log ends with{self._tail()}",
                    where=self.bind,
                    hint=ELSE,
                    log=self.log,
                )
            self.port = _listens(server.pid) or 0
            if self.port:
                try:
                    probe(self.bind, self.port, EXPORT, _PROBE * self._scale)
                except OSError as refused:
                    why = f"port {self.port} does not answer: {refused}"
                except ServerError as bad:
                    # Between its first answer and the end of its start it refuses all clients.
                    why = bad.message
                else:
                    return
            time.sleep(0.05)
        raise ServerError(
            f"the NFS server is not up after {_READY * self._scale:.0f} s: {why}; "
            f"its log ends with{self._tail()}",
            where=str(self.folder),
            hint=f"--deadline-scale, if this host is slow; else {ELSE}",
            log=self.log,
        )

    def _stop(self) -> None:
        if self._process is not None:
            process.stop(self._process, _PATIENCE)
        self._stopped = True

    def _tail(self) -> str:
        """The last lines of its log, without time, host and function."""
        said = ""
        for file in (self.log, self.work / "ganesha.out"):
            with suppress(OSError):
                said += file.read_text(errors="replace")
        lines = [_LOG_HEAD.sub("", line) for line in said.splitlines() if line.strip()]
        # The row of dashes around its "initialized" says nothing.
        lines = [line for line in lines if not line.endswith("-----")][-6:]
        return ":" + "".join(f"\n    {line.strip()}" for line in lines) if lines else " nothing"


def _check_possible() -> None:
    """Raises UsageError or ToolMissing if no NFS server can be run here."""
    if shutil.which(PROGRAM) is None and shutil.which(PROGRAM, path="/usr/sbin:/sbin") is None:
        raise ToolMissing(f"{PROGRAM} is not installed", hint=tools.install_line(PACKAGES))
    if os.geteuid() != 0:
        raise UsageError("only root can run nfs-ganesha, which opens files by handle", hint=ELSE)
    if not _capabilities() >> _CAP_DAC_READ_SEARCH & 1:
        raise UsageError(
            "nfs-ganesha cannot open files by handle: root lacks CAP_DAC_READ_SEARCH here",
            hint=f"{ELSE}; a container gets it by --cap-add DAC_READ_SEARCH",
        )


def _check_exportable(folder: Path) -> None:
    """Raises UsageError if nfs-ganesha cannot find or open what is on the folder's file system.

    It looks them up in /etc/mtab by device (FSAL/localfs.c, populate_posix_file_systems).
    """
    while not folder.exists():
        folder = folder.parent
    try:
        rows = [row.split() for row in _MTAB.read_text().splitlines()]
    except OSError:
        raise UsageError(
            "nfs-ganesha finds file systems in /etc/mtab, which is not there",
            hint=f"ln -s /proc/mounts /etc/mtab, or {ELSE}",
        ) from None
    device = folder.stat().st_dev
    kinds = [row[2] for row in rows if len(row) > 2 and _device(row[1]) == device]
    if not kinds:
        raise UsageError(
            f"nfs-ganesha cannot export {folder}: its file system is not in /etc/mtab (a chroot?)",
            hint=ELSE,
        )
    if kinds[-1] == "overlay":
        raise UsageError(
            f"nfs-ganesha cannot export {folder}: an overlay gives no file handles",
            hint=f"a cache on a disk (HARNESS_CACHE), or {ELSE}",
        )


def _device(mount: str) -> int | None:
    try:
        return Path(mount.replace("\\040", " ")).stat().st_dev
    except OSError:
        return None


def _capabilities() -> int:
    """Our effective capabilities, as bits; proc_pid_status(5)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def _rows() -> list[list[str]]:
    """The TCP sockets of this network name space: Documentation/networking/proc_net_tcp.rst."""
    rows: list[list[str]] = []
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            rows += [line.split() for line in lines]
    return rows


def _listens(pid: int) -> int | None:
    """The TCP port that a process listens on (state 0A), if it does."""
    sockets: set[str] = set()
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                sockets.add(str(fd.readlink()))
    for row in _rows():
        if row[3] == "0A" and f"socket:[{row[9]}]" in sockets:
            return int(row[1].rpartition(":")[2], 16)
    return None


def _connected(port: int) -> int:
    """How many connections to a port of ours are established (state 01)."""
    return sum(row[3] == "01" and row[1].endswith(f":{port:04X}") for row in _rows())
