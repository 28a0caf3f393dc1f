"""The serial target, on a QEMU behind a PTY: the evidence is of an emulator, and says so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import process
from harness.board import load
from harness.build.binaries import resolve
from harness.build.files import Files
from harness.sources import Sources
from harness.target.qemu_command import Wiring, qemu_command
from tests.boot.processes import eventually

Run = Callable[..., subprocess.CompletedProcess[str]]

POWER_SWITCH = """\
import socket, sys
qmp = socket.socket(socket.AF_UNIX)
qmp.connect(sys.argv[1])
stream = qmp.makefile("rw")
stream.readline()
for command in ("qmp_capabilities", sys.argv[2]):
    stream.write('{"execute": "%s"}\\n' % command)
    stream.flush()
    stream.readline()
"""


@dataclass(frozen=True)
class LineBoard:
    """A machine that waits to be switched on, and its serial line."""

    line: str
    switch: str
    emulator: subprocess.Popen[bytes]


@pytest.fixture
def line_board(tmp_path: Path) -> Iterator[LineBoard]:
    work = tmp_path / "b"
    work.mkdir()
    board = load("apu2")
    for role, binary in resolve(board, ("firmware", "ipxe"), {}, Sources()).items():
        (work / role).symlink_to(binary.path)
    argv = qemu_command(
        board,
        "pxe",
        Files(firmware="firmware", ipxe="ipxe"),
        xen_cmdline="",
        kernel_cmdline="",
        wiring=Wiring(),
    )
    argv = argv[: argv.index("-chardev")]
    argv += ["-chardev", "pty,id=serial0", "-serial", "chardev:serial0"]
    argv += ["-qmp", "unix:qmp,server=on,wait=off", "-S"]
    (work / "switch.py").write_text(POWER_SWITCH)
    said = work / "said"
    with said.open("wb") as output:
        emulator = process.start(argv, cwd=work, output=output)
    try:
        assert eventually(lambda: b"(label serial0)" in said.read_bytes())
        found = re.search(r"redirected to (\S+) ", said.read_text())
        assert found is not None
        switch = f"{sys.executable} {work}/switch.py {work}/qmp"
        yield LineBoard(found[1], switch, emulator)
    finally:
        process.stop(emulator)


def test_a_board_on_a_line_boots_like_the_emulator(harness: Run, line_board: LineBoard) -> None:
    done = harness(
        *("boot", "apu2", "--target", f"serial:{line_board.line}", "--json"),
        *("--power-on", f"{line_board.switch} cont", "--power-off", f"{line_board.switch} quit"),
    )
    result = json.loads(done.stdout)
    assert (done.returncode, result["verdict"]) == (0, "PASS"), result["cause"]
    assert result["evidence"] == "emulated"
    assert result["target"] == f"serial:{line_board.line}"
    assert set(result["binaries"]) == {"xen", "kernel", "initrd"}
    assert eventually(lambda: line_board.emulator.poll() is not None), "power-off was not run"


def test_a_line_that_drops_is_died(harness: Run, line_board: LineBoard) -> None:
    """The machine goes away in the middle of a boot: the hook that switches it on kills it."""
    done = harness(
        *("boot", "apu2", "--target", f"serial:{line_board.line}", "--json"),
        *("--power-on", f"{line_board.switch} quit"),
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert json.loads(done.stdout)["verdict"] == "DIED"


def test_a_line_that_is_not_there_says_what_to_do(harness: Run) -> None:
    done = harness("boot", "apu2", "--target", "serial:/dev/ttyNOWHERE")
    assert done.returncode == 3
    assert "/dev/ttyNOWHERE" in done.stderr
    assert "next:" in done.stderr


def test_a_power_hook_that_fails_is_our_failure(harness: Run, line_board: LineBoard) -> None:
    done = harness(
        *("boot", "apu2", "--target", f"serial:{line_board.line}", "--power-on", "false"),
    )
    assert done.returncode == 3
    assert "power_on command failed" in done.stderr
