from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from harness.build.filenames import check_ext4_names, check_fat_names
from harness.errors import InputError

Check = Callable[[Iterable[str]], None]


@pytest.mark.parametrize("check", [check_fat_names, check_ext4_names])
@pytest.mark.parametrize(
    "name", ["", ".", "..", "lost+found", "a/b", 'a"b', "a\nb", "a\0b", "\u00e4", "x" * 256]
)
def test_names_that_neither_holds(check: Check, name: str) -> None:
    with pytest.raises(InputError):
        check([name])


@pytest.mark.parametrize("name", ["a:b", "a*", "a?", "a\\b", "<", ">", "|", "boot.", "boot "])
def test_names_that_fat_alone_cannot_hold(name: str) -> None:
    with pytest.raises(InputError, match="FAT"):
        check_fat_names([name])
    check_ext4_names([name])


def test_fat_has_no_case() -> None:
    with pytest.raises(InputError, match=r"'Boot.scr' and 'boot.scr'"):
        check_fat_names(["Boot.scr", "boot.scr"])
    check_ext4_names(["Boot.scr", "boot.scr"])


@pytest.mark.parametrize("check", [check_fat_names, check_ext4_names])
def test_good_names(check: Check) -> None:
    check(["boot.scr", "domU1-kernel", "a b", "x" * 255, "[a]", "-n", "vmlinuz-6.1+x_y"])
