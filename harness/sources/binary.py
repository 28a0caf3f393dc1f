"""What a source gives: verified files, with the story of where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Binary:
    """One file that a boot uses.

    Args:
        role: what it is for: "xen", "kernel", "busybox".
        path: where it is; only to be read.
        version: the Debian version, what the file says of itself, or "unknown".
        sha256: of the file, 64 hexadecimal digits.
        origin: "debian", "file" or "built".
        detail: for "debian": package, suite, arch, deb_sha256, file (its path in the package).
    """

    role: str
    path: Path
    version: str
    sha256: str
    origin: str
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    """Several files of one package.

    Args:
        path: the folder in which the package is unpacked; only to be read. It may hold more
            files of the same package than were asked for.
        sha256: of the package (.deb).
        files: path in the package -> sha256; links and empty folders are in the folder only.
        role, version, origin, detail: as in `Binary`.
    """

    role: str
    path: Path
    version: str
    sha256: str
    origin: str
    detail: Mapping[str, str]
    files: Mapping[str, str]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
