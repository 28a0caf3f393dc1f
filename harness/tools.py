"""Runs external programs; their errors carry argv, exit code and the tail of stderr."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import ToolFailed, ToolMissing

# The Debian package that holds each program that we may run, so that "missing" can
# end with the line that mends it.
PACKAGE_OF = {
    "apt-cache": "apt",
    "apt-config": "apt",
    "apt-get": "apt",
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "dtc": "device-tree-compiler",
    "ganesha.nfsd": "nfs-ganesha nfs-ganesha-vfs",
    "gdb-multiarch": "gdb-multiarch",
    "iasl": "acpica-tools",
    "mcopy": "mtools",
    "mdir": "mtools",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
}

# mke2fs is there, and not in the PATH of every user.
_SBIN = "/usr/sbin:/sbin"


def install_line(packages: Sequence[str]) -> str:
    """The exact line that installs Debian packages; without sudo where it is not needed."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def find(program: str) -> Path:
    """The path of a program.

    Raises:
        ToolMissing: with the line that installs it.
    """
    found = shutil.which(program) or shutil.which(program, path=_SBIN)
    if found is None:
        package = PACKAGE_OF.get(Path(program).name)
        hint = install_line([package]) if package else f"install {program}, or add it to PATH"
        raise ToolMissing(f"{program} is not installed", hint=hint)
    return Path(found)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    hint: str | None = None,
) -> str:
    """Run a program to its end and give its standard output.

    Args:
        argv: the program and its arguments; no shell is involved.
        timeout: seconds, after which it is killed.
        hint: what to do when it fails.

    Raises:
        ToolMissing: there is no such program.
        ToolFailed: it ended with an error, or ran longer than `timeout`.
    """
    words = [str(word) for word in argv]
    words[0] = words[0] if shutil.which(words[0]) else str(find(words[0]))
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stderr or b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise ToolFailed(
            words, -9, f"{text}\nno end after {timeout:.0f} s: killed", hint=hint
        ) from None
    if done.returncode != 0:
        raise ToolFailed(words, done.returncode, done.stderr or done.stdout, hint=hint)
    return done.stdout
