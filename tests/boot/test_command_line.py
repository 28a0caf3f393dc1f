"""The command line with real boots behind it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_bad_input_is_told_with_code_2_before_anything_starts(harness: Run, tmp_path: Path) -> None:
    done = harness("boot", "apu2", "--kernel", "/no/such/vmlinuz")
    assert done.returncode == 2
    assert "/no/such/vmlinuz" in done.stderr
    assert "Traceback" not in done.stderr
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious").write_text("mine")
    done = harness("boot", "apu2", "--out", full)
    assert done.returncode == 2
    assert [p.name for p in full.iterdir()] == ["precious"]


def test_bisect_maps_what_is_nobodys_fault_to_125(harness: Run) -> None:
    boards = Path(__file__).parent / "boards"
    panic = ("boot", "apu2-epyc", "--method", "multiboot", "--board-path", boards, "--bisect")
    assert harness(*panic).returncode == 1
    assert harness(*panic, "--bad-if", "CRASHED:mwait_idle").returncode == 1
    assert harness(*panic, "--bad-if", "HUNG").returncode == 125
    assert harness("boot", "apu2", "--kernel", "/no/such", "--bisect").returncode == 125


def test_the_printed_command_boots_when_it_is_pasted(harness: Run, tmp_path: Path) -> None:
    printed = harness("boot", "apu2", "--print-command", "--out", tmp_path / "a folder")
    assert printed.returncode == 0, printed.stderr
    shell = pexpect.spawn("/bin/sh", ["-c", printed.stdout], encoding="utf-8", timeout=120)
    try:
        # No key is pressed: iPXE boots by itself, from the emulator's own TFTP server.
        shell.expect("Debian stable netboot")
        shell.send("\x1b[B\r")
        shell.expect("Xen version 4.17")
    finally:
        shell.close(force=True)


def test_the_console_is_the_users_after_an_interactive_boot(
    environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ["-m", "harness", "boot", "apu2", "--method", "multiboot", "--interactive"]
    user = pexpect.spawn(
        sys.executable,
        [*arguments, "--out", str(out)],
        env=environment,
        encoding="utf-8",
        timeout=600,
    )
    try:
        user.expect("the console is yours")
        user.expect("dom0# ")
        user.send("echo $((6 * 7)) for me\r")
        user.expect("42 for me")
        user.send("\x1d")
        user.expect(pexpect.EOF)
    finally:
        user.close()
    assert user.exitstatus == 0
    assert b"42 for me" in (out / "console.raw").read_bytes()
