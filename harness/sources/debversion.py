"""Debian versions: their order, what "4.17" may stand for, and the version inside a package name.

Source: Debian Policy 5.6.12 (version order); the names of versioned packages are those of the
Debian kernel ("linux-image-6.12.57+deb13-amd64") and of Xen ("xen-hypervisor-4.17-amd64").
"""

from __future__ import annotations

import re

_CHUNK = re.compile(r"([^0-9]*)([0-9]*)")
_NAME_VERSION = re.compile(r"\d[\w.+~]*")
_END: _Chunk = ((0,), 0)

_Chunk = tuple[tuple[int, ...], int]
SortKey = tuple[int, tuple[_Chunk, ...], tuple[_Chunk, ...]]


def sort_key(version: str) -> SortKey:
    """A key that sorts as dpkg does: "1.0~rc1" < "1.0" < "1.0+b1" < "1.0.1" < "1:0.1"."""
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _chunks(upstream), _chunks(revision)


def _chunks(text: str) -> tuple[_Chunk, ...]:
    chunks = [
        ((*map(_weight, letters), 0), int(digits or "0"))
        for letters, digits in _CHUNK.findall(text)
    ]
    # A missing number counts as 0, so "1.0" and "1.0-0" are the same version.
    while chunks and chunks[-1] == _END:
        chunks.pop()
    return (*chunks, _END)


def _weight(char: str) -> int:
    """ "~" sorts before the end of a version (0), letters before everything else."""
    if char == "~":
        return -1
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 256


def satisfies(wanted: str, version: str) -> bool:
    """Whether `version` is `wanted`, or begins with it at a number's end ("4.1" is not "4.17")."""
    without_epoch = version.partition(":")[2] or version
    return any(_begins(text, wanted) for text in (version, without_epoch))


def _begins(text: str, wanted: str) -> bool:
    if not wanted or not text.startswith(wanted):
        return False
    after = text[len(wanted) : len(wanted) + 1]
    return not (wanted[-1].isdigit() and after.isdigit())


def split_name(package: str) -> tuple[str, str, str]:
    """The stem, the version and the rest of a versioned package name.

    "linux-image-6.1.0-56-cloud-amd64" is ("linux-image", "6.1.0-56", "cloud-amd64"); the
    version is "" where the name has none.
    """
    words = package.split("-")
    start = next((i for i, word in enumerate(words) if i and _is_version(word)), len(words))
    end = start
    while end < len(words) and _is_version(words[end]):
        end += 1
    return "-".join(words[:start]), "-".join(words[start:end]), "-".join(words[end:])


def _is_version(word: str) -> bool:
    return _NAME_VERSION.fullmatch(word) is not None
