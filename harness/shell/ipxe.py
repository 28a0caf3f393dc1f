"""The iPXE command line: `iPXE> `. Commands: https://ipxe.org/cmd."""

from __future__ import annotations

from dataclasses import dataclass

from harness.console import Console
from harness.shell.base import Dialect, Shell, split

# An unset setting expands to nothing.
_NOTHING = "${x}"


@dataclass(frozen=True)
class _Ipxe(Dialect):
    def wrap(self, command: str, mark: str) -> str:
        typed = split(mark, _NOTHING)
        return f"{command} && echo <{typed}]0 || echo <{typed}]1"

    def unwrap(self, lines: list[str], mark: str, end: str) -> str | None:
        del end
        ends = [i for i, line in enumerate(lines) if line.startswith(f"<{mark}]")]
        return "\n".join(line.rstrip() for line in lines[: ends[-1]]) if ends else None


def ipxe_shell(console: Console, *, burst: int, scale: float) -> Shell:
    """The iPXE prompt. `burst`: characters that the line takes at once."""
    return Shell(console, _Ipxe(name="ipxe", prompt=r"iPXE> ?\Z", chunk=burst), scale=scale)
