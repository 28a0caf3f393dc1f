"""Real boots that fail in known ways get the verdict that an engineer would give."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.board import load
from harness.board.model import Board
from harness.boot import booted
from harness.build.artifacts import Artifacts, write_menu
from harness.request import BootRequest

BOARDS = Path(__file__).parent / "boards"
Run = Callable[..., subprocess.CompletedProcess[str]]


def boot_json(harness: Run, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Exit code and result of `harness boot --json`; stdout holds the result and nothing else."""
    done = harness("boot", *arguments, "--json", "--board-path", BOARDS)
    assert done.stdout.startswith("{"), done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, result


@pytest.mark.parametrize("version", ["4.14", "4.20"])
def test_other_versions_of_xen_boot_through_the_whole_chain(harness: Run, version: str) -> None:
    code, result = boot_json(harness, "apu2", "--xen", version)
    assert (code, result["verdict"]) == (0, "PASS"), result["cause"]
    assert result["xen"]["version"].startswith(f"{version}.")
    assert result["binaries"]["xen"]["version"].startswith(f"{version}.")
    assert result["xen"]["iommu"]["state"] == "enabled"
    assert result["xen"]["cpus"] == 4


def test_a_panic_of_xen_is_named_with_cpu_and_symbol(harness: Run) -> None:
    code, result = boot_json(harness, "apu2-epyc", "--method", "multiboot")
    assert (code, result["verdict"]) == (1, "CRASHED")
    panic = result["panics"][0]
    assert panic["kind"] == "xen panic"
    assert panic["cpu"] in range(4)
    assert panic["rip"].startswith("mwait_idle_with_hints+")
    assert f"CPU {panic['cpu']} at mwait_idle_with_hints" in result["cause"]
    # The log does not stop at the panic: what Xen printed after it is there.
    assert "Reboot in five seconds" in result["last_line"]


def test_a_crash_of_dom0_is_not_a_panic_of_xen(harness: Run) -> None:
    code, result = boot_json(harness, "apu2-smap", "--method", "multiboot")
    assert (code, result["verdict"]) == (1, "CRASHED")
    assert result["panics"][0]["kind"] == "dom0 crash"
    assert "Unhandled: vec 14" in result["cause"]


def test_without_an_iommu_the_variant_passes_and_the_board_fails(
    harness: Run, tmp_path: Path
) -> None:
    code, result = boot_json(
        harness, "apu2-no-iommu", "--method", "multiboot", "--out", tmp_path / "run"
    )
    assert (code, result["verdict"]) == (0, "PASS"), result["cause"]
    assert result["xen"]["iommu"]["state"] == "absent"
    judged = harness("replay", tmp_path / "run" / "console.raw", "--board", "apu2", "--json")
    again = json.loads(judged.stdout)
    assert (judged.returncode, again["verdict"]) == (1, "FAIL")
    assert "hardware.iommu.state" in again["cause"]


def test_a_silent_dom0_is_a_hang_with_its_stage(harness: Run) -> None:
    # An init that sleeps: the kernel runs, and nothing is ever said again.
    code, result = boot_json(
        harness,
        "apu2-impatient",
        "--method",
        "multiboot",
        "--cmdline-dom0",
        "+rdinit=/bin/sleep +-- +100000",
        "--cmdline-xen=-loglvl -guest_loglvl",
    )
    assert (code, result["verdict"]) == (1, "HUNG"), result["cause"]
    assert (result["stage"], result["next_stage"]) == ("userspace", "login")
    assert "silent for" in result["cause"]
    assert result["ending"]["kind"] == "silence"


def test_a_file_that_is_not_served_is_the_cause_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def misspelt(board: Board, artifacts: Artifacts, base_url: str) -> Path:
        menu = write_menu(board, artifacts, base_url)
        menu.write_text(menu.read_text().replace("/xen ", "/xenn "))
        return menu

    monkeypatch.setattr("harness.serve.site.write_menu", misspelt)
    with booted(BootRequest(board=load("apu2"), out=tmp_path / "run")) as session:
        result = session.result
    assert result["verdict"] == "FAIL"
    assert "/xenn: 404" in result["cause"]
    asked = [(r["path"], r["status"]) for r in result["requests"] if r["protocol"] == "http"]
    assert asked == [("/menu.ipxe", 200), ("/xenn", 404)]
    # The emulator's own servers are on record too.
    assert any(r["protocol"] == "dhcp" for r in result["requests"])


def test_a_wrong_machine_is_our_failure_with_qemus_words(harness: Run, tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "broken.yaml").write_text(
        "schema: 1\nextends: apu2\nname: broken\ntargets: {qemu: {machine: no-such-machine}}\n"
    )
    done = harness("boot", "broken")
    assert done.returncode == 3
    assert "unsupported machine type" in done.stderr
    assert "qemu.log" in done.stderr
    assert "Traceback" not in done.stderr
    [run] = json.loads(harness("runs", "--json").stdout)
    assert run["verdict"] == "DIED", "it ended in order, and says why"
