from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SourceError, UsageError
from harness.sources import DebianFile
from harness.sources.members import all_matching, one_file, select
from harness.sources.package import Members

PATHS = ["bin/busybox", "boot/vmlinuz-6.1", "boot/xen.gz", "lib/m/6.1/a/x.ko", "lib/m/6.1/y.ko"]


def request(file: str) -> DebianFile:
    return DebianFile("demo", None, file, "bookworm", "amd64")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("boot/vmlinuz-*", ["boot/vmlinuz-6.1"]),
        ("/boot/vmlinuz-*", ["boot/vmlinuz-6.1"]),
        ("./boot/x??.gz", ["boot/xen.gz"]),
        ("boot*", []),
        ("*", []),
        ("lib/m/*/y.ko", ["lib/m/6.1/y.ko"]),
        ("lib/m/**/*.ko", ["lib/m/6.1/a/x.ko", "lib/m/6.1/y.ko"]),
        ("lib/**", ["lib/m/6.1/a/x.ko", "lib/m/6.1/y.ko"]),
        ("**", PATHS),
        ("BOOT/*", []),
    ],
)
def test_globs(pattern: str, found: list[str]) -> None:
    assert select(PATHS, pattern) == found


@given(st.text("ab*?[]/!-", max_size=12))
def test_any_glob_selects_a_part(pattern: str) -> None:
    assert set(select(["a", "a/b", "b/a/b"], pattern)) <= {"a", "a/b", "b/a/b"}


def test_no_match_names_the_files_next_to_it() -> None:
    members: Members = {"boot/xen.gz": 1, "usr/bin/xl": 1}
    with pytest.raises(UsageError, match="no files of demo match boot/vmlinuz") as caught:
        one_file(request("boot/vmlinuz-*"))(members)
    assert caught.value.hint == "the package has: boot/xen.gz"


def test_two_matches_are_named() -> None:
    with pytest.raises(UsageError, match="2 files of demo match") as caught:
        one_file(request("boot/*"))({"boot/b": 1, "boot/a": 1})
    assert caught.value.hint == "they are: boot/a, boot/b"


def test_an_empty_folder_is_no_file() -> None:
    with pytest.raises(UsageError, match="no files"):
        one_file(request("var/lib/xen"))({"var/lib/xen": None})


@pytest.mark.parametrize("target", ["../lib/real", "/usr/lib/real"])
def test_a_link_leads_to_its_file(target: str) -> None:
    members: Members = {"usr/bin/tool": target, "usr/lib/real": 5}
    assert list(one_file(request("usr/bin/tool"))(members)) == ["usr/bin/tool", "usr/lib/real"]


@pytest.mark.parametrize("target", ["/etc/elsewhere", "../../../../etc/passwd", "tool"])
def test_a_link_that_leaves_the_package_is_an_error(target: str) -> None:
    with pytest.raises(SourceError, match="not in the package"):
        one_file(request("usr/bin/tool"))({"usr/bin/tool": target})


def test_every_glob_of_a_tree_must_match() -> None:
    members: Members = {"boot/a": 1, "lib/b": 1}
    assert list(all_matching(["lib/*", "**"])(members)) == ["lib/b", "boot/a"]
    with pytest.raises(UsageError, match="matches opt"):
        all_matching(["**", "opt/*"])(members)
