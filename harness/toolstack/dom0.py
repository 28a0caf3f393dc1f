"""dom0 with Xen's toolstack: what its shell does, files in and out, `xl`, `xenstore`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

from harness.console import Console
from harness.errors import InfraError
from harness.shell.base import CommandTimeout, Result, ShellError
from harness.shell.dom0 import Dom0Shell
from harness.shell.xen_input import XenInput
from harness.shell.xen_keys import XenKeys
from harness.toolstack.hang import investigate
from harness.toolstack.privcmd import Diagnosis, diagnose_privcmd
from harness.toolstack.transfers import Files, TransferError, Transfers
from harness.toolstack.words import quoted
from harness.toolstack.xenstore import XenStore
from harness.toolstack.xl import Xl

__all__ = ["Dom0", "TransferError", "Transfers"]

# Bytes; what is asked for comes into memory.
_LIMIT = 256 * 1024 * 1024
# Where Xen's tools are, if nothing on PATH leads there: each version has a folder of its own. And
# what a root may have from busybox alone, without links; $HW and $HT, because `timeout` runs no
# functions.
_PREPARE = (
    'v=/sys/hypervisor/version; PATH="$PATH:/usr/sbin:/sbin:/usr/lib/xen-'
    '$(cat $v/major).$(cat $v/minor)/bin"; '
    "for t in base64 gunzip gzip sha256sum; do command -v $t >/dev/null || "
    'eval "$t() { busybox $t \\"\\$@\\"; }"; done; '
    "HW=wget HT=timeout; command -v wget >/dev/null || HW='busybox wget'; "
    "command -v timeout >/dev/null || HT='busybox timeout'"
)


class Dom0(Dom0Shell):
    """dom0's shell, with files and the toolstack.

    Attributes:
        transfers: how dom0 reaches a server of ours, if it does: large files go that way.
        keep: keeps a text with the run: (name of the file, text) -> its path; None: what is found
            about a hang is in the error alone.
        tell: gets a sentence when something will take long.
    """

    def __init__(self, console: Console, *, scale: float = 1.0) -> None:
        super().__init__(console, scale=scale)
        self.transfers: Transfers | None = None
        self.keep: Callable[[str, str], Path] | None = None
        self._hangs = 0
        self.tell: Callable[[str], None] = _nobody
        self._prepared = False

    @cached_property
    def xl(self) -> Xl:
        """`xl`: domains, the host, PCI devices for guests."""
        return Xl(self)

    @cached_property
    def xenstore(self) -> XenStore:
        """XenStore."""
        return XenStore(self)

    @cached_property
    def _files(self) -> Files:
        return Files(self)

    def run(self, command: str, *, timeout: float = 60.0) -> Result:
        """Run one command to its end. See `Shell.run`.

        Raises:
            CommandHung: it did not end in time; says what it waits for. The prompt is back, if
                `report.prompt` says so.
            ShellError, BoardStopped: as `Shell.run`.
        """
        try:
            return super().run(command, timeout=timeout)
        except CommandTimeout as bad:
            keys = XenKeys(XenInput(self.console, scale=self.scale)) if self._on_xen() else None
            self._hangs += 1
            keep = partial(self.keep, f"hang-{self._hangs}.txt") if self.keep else None
            raise investigate(self, bad, keys, keep) from None

    def tool(self, command: str, *, timeout: float = 60.0) -> Result:
        """`run`, for a command that needs Xen's tools on PATH, or what busybox may have alone.

        Raises:
            As `run`.
        """
        if not self._prepared:
            self.run(_PREPARE)
            self._prepared = True
        return self.run(command, timeout=timeout)

    def put(self, path: str, data: bytes | Path, mode: int = 0o644) -> None:
        """Write a file in dom0; it appears when it is whole.

        Args:
            path: in dom0, absolute.
            data: its bytes, or a file of this host.

        Raises:
            TransferError: dom0 has no such folder, or no space, or it is too large for the
                console and there is no network.
            InfraError: the file of this host cannot be read.
            ShellError, CommandHung: dom0 does not answer.
        """
        self._files.put(path, _content(data), mode)

    def get(self, path: str, *, limit: int = _LIMIT) -> bytes:
        """The content of a file in dom0.

        Args:
            limit: bytes that it may have.

        Raises:
            TransferError: it cannot be read, is too large, or arrives damaged.
            ShellError, CommandHung: dom0 does not answer.
        """
        return self._files.get(path, limit)

    def diagnose_privcmd(self) -> Diagnosis | None:
        """Why the tools find no way to Xen; None: nothing keeps them from it.

        Raises:
            ShellError: dom0 does not answer.
        """
        return diagnose_privcmd(self)

    def load(self, module: str) -> None:
        """Load a module of the kernel.

        Raises:
            ShellError: it cannot be loaded; with the words of modprobe.
        """
        answer = self.tool(f"modprobe {quoted(module)}")
        if answer.status != 0:
            raise ShellError(
                f"dom0 cannot load the module {module}: {answer.output or answer.status}",
                where="dom0 shell",
                hint="is it in the root, and of the release of the running kernel?",
            )

    def _on_xen(self) -> bool:
        """Whether Xen is below, by what the console said."""
        return self.console.parser.log.xen.version is not None


def _content(data: bytes | Path) -> bytes:
    if isinstance(data, bytes):
        return data
    try:
        return data.read_bytes()
    except OSError as bad:
        raise InfraError.of(bad, "cannot read", data) from None


def _nobody(sentence: str) -> None:
    """Is told, and says nothing."""
