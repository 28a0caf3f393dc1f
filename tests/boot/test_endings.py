"""Boots that are ended from outside: nothing is left behind, and the reason is told apart."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.boot.processes import alive, children, eventually

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]


def qemu_of(process: subprocess.Popen[str]) -> int:
    assert eventually(lambda: children(process.pid, "qemu-system")), "no QEMU was started"
    return children(process.pid, "qemu-system")[0]


def raw_log(out: Path) -> bytes:
    path = out / "console.raw"
    return path.read_bytes() if path.exists() else b""


def test_a_killed_emulator_is_died_and_not_a_timeout(start_harness: Start, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_harness("boot", "apu2", "--json", "--out", out)
    qemu = qemu_of(process)
    assert eventually(lambda: b"iPXE>" in raw_log(out))
    os.kill(qemu, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 3, stderr
    result = json.loads(stdout)
    assert result["verdict"] == "DIED"
    assert "SIGKILL" in result["cause"]
    assert result["stage"] == "loader"


def test_a_killed_harness_leaves_nothing_and_the_next_start_sweeps(
    start_harness: Start, harness: Run, tmp_path: Path
) -> None:
    process = start_harness("boot", "apu2")
    qemu = qemu_of(process)
    port = _port_of(process.pid)
    runs = tmp_path / "state" / "harness" / "runs"
    assert eventually(lambda: any(b"iPXE" in raw_log(run) for run in runs.glob("*")))
    process.kill()
    process.communicate()
    assert eventually(lambda: not alive(qemu))
    assert port not in _listening()
    listed = harness("runs", "--json")
    [run] = json.loads(listed.stdout)
    assert run["verdict"] == "ABANDONED"
    folder = Path(run["run_folder"])
    assert (folder / "work").is_dir()
    harness("boot", "apu2", "--until", "firmware", "--method", "multiboot", "--offline")
    assert not (folder / "work").exists()
    assert (folder / "console.raw").exists(), "the log of the dead run stays"


def test_ctrl_c_ends_in_order_with_a_result(start_harness: Start, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_harness("boot", "apu2", "--out", out)
    qemu = qemu_of(process)
    assert eventually(lambda: b"iPXE" in raw_log(out))
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 3
    assert stdout.startswith("INFRA")
    assert "interrupted" in stdout
    assert "Traceback" not in stderr
    assert not alive(qemu)
    assert json.loads((out / "result.json").read_text())["ending"]["kind"] == "interrupted"


def test_two_boots_at_once_do_not_disturb_each_other(start_harness: Start) -> None:
    both = [start_harness("boot", "apu2", "--json") for _ in range(2)]
    results = []
    for process in both:
        stdout, stderr = process.communicate()
        assert process.returncode == 0, stdout + stderr
        results.append(json.loads(stdout))
    assert {r["verdict"] for r in results} == {"PASS"}
    assert len({r["run_folder"] for r in results}) == 2
    for result in results:
        asked = [r["path"] for r in result["requests"] if r["protocol"] == "http"]
        assert asked == ["/menu.ipxe", "/xen", "/vmlinuz", "/initrd.gz"]


def _listening() -> set[int]:
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {int(row.split()[1].split(":")[1], 16) for row in rows if row.split()[3] == "0A"}


def _port_of(pid: int) -> int:
    """The port that a process listens on."""
    sockets = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        found = re.fullmatch(r"socket:\[(\d+)\]", str(fd.readlink()))
        if found:
            sockets.add(found[1])
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        field = row.split()
        if field[3] == "0A" and field[9] in sockets:
            return int(field[1].split(":")[1], 16)
    raise AssertionError("the harness listens on no port")
