from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.build.root.elfclosure import Needs, closure, interpreter_of, landing, needs_of
from harness.errors import SourceError
from tests.unit.build.root.elves import elf

TRIPLET = "x86_64-linux-gnu"
LIB = f"usr/lib/{TRIPLET}"
LOADER = "/lib64/ld-linux.so"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """xl, which needs libxl.so by a link of its own folder; that needs libc."""
    files = {
        "usr/lib64/ld-linux.so": elf(),
        f"{LIB}/libc.so.6": elf(),
        "usr/lib/xen-4.17/lib/libxl.so.4.17.0": elf("libc.so.6"),
        "usr/lib/xen-4.17/bin/xl": elf(
            "libxl.so.4.17", interpreter=LOADER, runpath="$ORIGIN/../lib"
        ),
        "usr/bin/bash": elf("libc.so.6", interpreter=LOADER),
        "etc/xen/scripts/vif": b"#!/bin/bash\nexit 0\n",
        "usr/share/unused": b"",
    }
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "usr/lib/xen-4.17/lib/libxl.so.4.17").symlink_to("libxl.so.4.17.0")
    return tmp_path


def test_libraries_links_and_the_interpreter(tree: Path) -> None:
    assert closure(tree, ["usr/lib/xen-4.17/bin/xl"], TRIPLET) == {
        "usr/lib/xen-4.17/bin/xl",
        "usr/lib/xen-4.17/lib/libxl.so.4.17",
        "usr/lib/xen-4.17/lib/libxl.so.4.17.0",
        f"{LIB}/libc.so.6",
        "usr/lib64/ld-linux.so",
    }


def test_the_interpreter_of_a_script(tree: Path) -> None:
    found = closure(tree, ["etc/xen/scripts/vif"], TRIPLET)
    assert found >= {"usr/bin/bash", f"{LIB}/libc.so.6"}


@pytest.mark.parametrize(
    ("gone", "wanted", "says"),
    [
        (f"{LIB}/libc.so.6", "usr/bin/bash", "/usr/bin/bash needs libc.so.6"),
        ("usr/bin/bash", "etc/xen/scripts/vif", "/etc/xen/scripts/vif needs /usr/bin/bash"),
        ("usr/lib64/ld-linux.so", "usr/bin/bash", "needs /usr/lib64/ld-linux.so"),
    ],
)
def test_what_the_root_does_not_have(tree: Path, gone: str, wanted: str, says: str) -> None:
    (tree / gone).unlink()
    with pytest.raises(SourceError, match=says):
        closure(tree, [wanted], TRIPLET)


def test_a_link_to_nothing_is_kept_as_it_is(tree: Path) -> None:
    (tree / "var").mkdir()
    (tree / "var/run").symlink_to("../run")
    (tree / "loop").symlink_to("loop")
    assert closure(tree, ["var/run", "loop"], TRIPLET) == {"var/run", "loop"}


@pytest.mark.parametrize(
    ("head", "interpreter"),
    [
        (b"#!/bin/sh -e\n", "/bin/sh"),
        (b"#! /bin/sh", "/bin/sh"),
        (b"#!/usr/bin/env python3\n", None),
        (b"#!\n", None),
        (b"# !/bin/sh", None),
        (b"", None),
    ],
)
def test_the_first_line_of_a_script(head: bytes, interpreter: str | None) -> None:
    assert interpreter_of(head) == interpreter


def test_where_a_link_leads() -> None:
    assert landing("usr/bin/sh", "bash") == "usr/bin/bash"
    assert landing("usr/sbin/init", "/bin/busybox") == "usr/bin/busybox"
    assert (
        landing("usr/sbin/xl", "../lib/xen-common/bin/wrapper") == "usr/lib/xen-common/bin/wrapper"
    )


def test_a_text_is_no_elf_file(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"text")
    assert needs_of(tmp_path / "text") is None
    (tmp_path / "static").write_bytes(elf())
    assert needs_of(tmp_path / "static") == Needs()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(elf("libc.so.6", interpreter=LOADER, runpath="/x"))
    for at in data.draw(st.lists(st.integers(4, len(raw) - 1), max_size=4)):
        raw[at] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(4, len(raw)))]
    (tmp_path / "file").write_bytes(raw)
    try:
        needs_of(tmp_path / "file")
    except SourceError as bad:
        assert bad.where == str(tmp_path / "file")  # noqa: PT017 - either is right
