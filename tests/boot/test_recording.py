"""A real hang of Xen 4.17, recorded once: replayed twice, and stopped in gdb."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from harness.acpi.builder import coreboot_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from harness.recording.debugging import gdb
from tests.boot.processes import children, eventually

GOOD = coreboot_ivrs(base=0xFEB00000, functions=(0x100, 0x200, 0x300))
# The silence of a hang is waited for in full; a busy host stretches it by itself.
SCALE = "0.25"


def harness(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def hung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which Xen walks an IVRS that has no end."""
    folder = tmp_path_factory.mktemp("hang")
    data = apply_to_ivrs(GOOD, NAMED["ivhd-length-zero"])
    assert data
    (folder / "IVRS").write_bytes(data)
    run = folder / "run"
    said = harness(
        *("record", "apu2", "--ivrs", folder / "IVRS", "--deadline-scale", SCALE),
        *("--cmdline-xen", "+nmi=fatal +noreboot", "--out", run),
        code=1,
    )
    assert f"harness rerun {run}" in said
    moved = folder / "another name"
    run.rename(moved)
    shutil.rmtree(moved / "work")
    return moved


def test_the_run_is_that_of_a_hang_and_says_what_the_machine_lacks(hung: Path) -> None:
    result = json.loads((hung / "result.json").read_text())
    assert result["verdict"] == "HUNG"
    assert result["forensics"]["signature"] == "CPU0 in get_supported_ivhd_type"
    assert {"what": "CPUs", "board": "4", "here": "1"}.items() <= result["differs"][-1].items()
    # Nothing that no replay has: an NMI would be.
    assert not (hung / "nmi.txt").exists()


def test_it_is_byte_identical_twice(hung: Path) -> None:
    size = (hung / "console.raw").stat().st_size
    found = [json.loads(harness("rerun", hung, "--json")) for _ in range(2)]
    assert [one["identical"] for one in found] == [True, True]
    assert [one["replayed_bytes"] for one in found] == [size, size]
    assert found[0]["instructions"] == found[1]["instructions"] > 10**8
    assert found[0]["evidence"] == "emulated"


def test_gdb_stops_it_where_it_hangs(hung: Path, tmp_path: Path) -> None:
    where = tmp_path / "gdb"
    with subprocess.Popen(
        [sys.executable, "-m", "harness", "rerun", str(hung), "--gdb", str(where)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as replay:
        assert replay.stdout
        said = replay.stdout.readline() + replay.stdout.readline()
        assert "in the hang" in said
        assert str(hung / "gdb-commands") in said
        argv = [str(gdb()), "--batch", "-x", str(hung / "gdb-commands")]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        assert "get_supported_ivhd_type" in done.stdout.partition("=>")[2]
        assert "acpi_ivrs_init" in done.stdout
        (machine,) = children(replay.pid, "qemu-system")
        replay.send_signal(signal.SIGTERM)
        assert replay.wait() == 0
    assert eventually(lambda: not Path(f"/proc/{machine}").exists(), 20.0)
    assert not where.exists()


def test_on_a_terminal_gdb_is_started_and_ends_it(hung: Path) -> None:
    words = ["-m", "harness", "rerun", str(hung), "--gdb"]
    plain = {**os.environ, "TERM": "dumb"}  # gdb colours what it says
    terminal = pexpect.spawn(sys.executable, words, timeout=120, encoding="utf-8", env=plain)
    terminal.expect(r"=> \S+ <get_supported_ivhd_type")
    terminal.expect(r"\(gdb\) ")
    terminal.sendline("continue")
    terminal.expect("Continuing")
    # Ctrl-C is gdb's: it stops the machine, where it still hangs.
    terminal.sendintr()
    terminal.expect(r"\(gdb\) ")
    terminal.sendline("info symbol $pc")
    terminal.expect("get_supported_ivhd_type")
    terminal.sendline("quit")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
