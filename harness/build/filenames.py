"""The names that the file systems of a card can hold, and U-Boot's commands can say.

Source: Microsoft FAT32 File System Specification, section "Long Directory Entries"; Linux
fs/ext4 (EXT4_NAME_LEN).
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import InputError

_LONGEST = 255
_NOT_ON_FAT = '"*/:<>?\\|'
_NOT_ON_EXT4 = '"/'
# mke2fs makes it.
_TAKEN = ("", ".", "..", "lost+found")


def check_fat_names(names: Iterable[str]) -> None:
    """All can be files of one folder of a FAT.

    Raises:
        InputError: one cannot, or two differ in case alone.
    """
    seen: dict[str, str] = {}
    for name in names:
        _check(name, _NOT_ON_FAT, "FAT")
        if name[-1] in ". ":
            raise InputError(f"FAT drops the {name[-1]!r} at the end of the name {name!r}")
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise InputError(f"FAT takes {other!r} and {name!r} for the same name")


def check_ext4_names(names: Iterable[str]) -> None:
    """All can be files of the top folder of a new ext4.

    Raises:
        InputError: one cannot.
    """
    for name in names:
        _check(name, _NOT_ON_EXT4, "ext4")


def _check(name: str, refused: str, system: str) -> None:
    if name in _TAKEN:
        raise InputError(f"{name!r} cannot be the name of a file on the card")
    bad = next((c for c in name if c in refused or not " " <= c <= "~"), None)
    if bad is not None:
        raise InputError(
            f"{name!r}: a name on {system} cannot have {bad!r} here",
            expected=f"printable ASCII without {refused}",
        )
    if len(name) > _LONGEST:
        raise InputError(
            f"the name {name[:40]!r}... has {len(name)} characters, {system} takes {_LONGEST}"
        )
