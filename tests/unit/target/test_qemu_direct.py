"""The command line of a QEMU that loads Xen and its modules itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.board import load
from harness.build.files import Files
from harness.errors import UsageError
from harness.target.qemu_command import Wiring, paste, qemu_command

FILES = Files(
    xen="xen",
    dtb="board.dtb",
    modules=(("kernel", 0x10000000), ("initrd.gz", 0x18000000)),
    trace="../trace.log",
)


def command(files: Files) -> list[str]:
    return qemu_command(
        load("zcu102"),
        "direct",
        files,
        xen_cmdline="console=dtuart",
        kernel_cmdline="console=hvc0",
        wiring=Wiring("serial", 4),
    )


def test_golden(golden: Callable[[str, str], None]) -> None:
    golden("qemu-zcu102-direct.txt", paste(command(FILES), Path("/run folder/work")) + "\n")


def test_command_lines_are_in_the_tree_alone() -> None:
    """QEMU would write -append over the bootargs that Xen is to read."""
    argv = command(FILES)
    assert "-append" not in argv
    assert "-initrd" not in argv


def test_a_name_with_a_comma_is_one_name() -> None:
    argv = command(replace(FILES, modules=(("a,b", 0x1000),)))
    assert "loader,file=a,,b,addr=0x1000,force-raw=on" in argv


@pytest.mark.parametrize("files", [replace(FILES, xen=None), replace(FILES, dtb=None)])
def test_it_needs_its_files(files: Files) -> None:
    with pytest.raises(UsageError, match="direct needs"):
        command(files)
