"""XenStore, read and written from dom0 with the xenstore tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.formats.xl.store import Node, escaped, parse_ls, unescaped
from harness.shell.base import ShellError
from harness.toolstack.words import command_line

if TYPE_CHECKING:
    from harness.toolstack.dom0 import Dom0


class XenStoreError(ShellError):
    """XenStore has no such node, or does not let us; or the tools get no answer.

    Attributes:
        missing: whether it is for want of the node.
    """

    missing = False


class XenStore:
    """Reads and writes nodes. A path is absolute, or relative to /local/domain/0.

    A method raises `XenStoreError` when it cannot, `CommandHung` when xenstored does not answer.
    """

    def __init__(self, dom0: Dom0) -> None:
        self._dom0 = dom0

    def read(self, path: str) -> str:
        """The value of a node."""
        return unescaped(self._run("xenstore-read", path))

    def write(self, path: str, value: str) -> None:
        """Give a node a value; the nodes above it are made."""
        self._run("xenstore-write", path, escaped(value))

    def exists(self, path: str) -> bool:
        """Whether there is such a node."""
        try:
            self._run("xenstore-read", path)
        except XenStoreError as bad:
            if bad.missing:
                return False
            raise
        return True

    def ls(self, path: str = "/") -> Node:
        """A node and all below it, with values and permissions: `ls("/local/domain/1")`."""
        return parse_ls(self._run("xenstore-ls", "-f", "-p", path), path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names of the nodes directly below one."""
        return tuple(self._run("xenstore-list", path).splitlines())

    def rm(self, path: str) -> None:
        """Remove a node with all below it."""
        self._run("xenstore-rm", path)

    def chmod(self, path: str, *permissions: str, recursive: bool = False) -> None:
        """Set who may do what: "n0" (the owner, and what others may), then "r7", "b7" ..."""
        self._run("xenstore-chmod", *(["-r"] if recursive else []), path, *permissions)

    def wait_for(self, path: str, value: str | None = None, *, timeout: float = 30.0) -> str:
        """Wait until a node is there (and has the value), and give its value.

        Args:
            timeout: seconds, on an idle host.

        Raises:
            XenStoreError: it did not come to that; says what it was last.
        """
        end = self._dom0.console.now + timeout * self._dom0.scale
        while True:
            try:
                last: str | None = self.read(path)
            except XenStoreError as bad:
                if not bad.missing:
                    raise
                last = None
            if last is not None and value in (None, last):
                return last
            if self._dom0.console.now >= end:
                stands = "it is not there" if last is None else f"it is {last!r}"
                raise XenStoreError(
                    f"XenStore's {path} did not become {value!r} within {timeout:.0f} s"
                    if value is not None
                    else f"XenStore's {path} did not appear within {timeout:.0f} s",
                    where="xenstore",
                    hint=stands,
                )
            # Each question takes its time on the console; xenstored needs no more.
            self._dom0.console.pump_checked(0.2)

    def _run(self, *words: str) -> str:
        command = command_line(*words)
        answer = self._dom0.tool(command)
        if answer.status == 0:
            return answer.output
        error = XenStoreError(
            f"`{command}` failed: {answer.output or f'status {answer.status}'}",
            where="xenstore",
            hint=_hint(answer.output),
        )
        error.missing = any(word in answer.output for word in _MISSING)
        raise error


_MISSING = ("couldn't read path", "No such file or directory", "could not list path")


def _hint(said: str) -> str | None:
    if "xs_open" in said or "connect" in said:
        return "xenstored does not run, or its socket is not at /run/xenstored"
    if "ermission denied" in said:
        return "xenstore-ls -p shows who may; dom0 may all"
    return None
