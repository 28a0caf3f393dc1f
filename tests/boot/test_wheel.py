"""The wheel, installed outside of the clone: boards, scripts and suites are in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "tests" / "data" / "logs" / "qemu-q35-amd-iommu-xen-4.17.7-dom0.log"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the wheel; its dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    [wheel] = folder.glob("boot_harness-*.whl")
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    subprocess.run([*pip, str(wheel)], check=True)
    return site


def outside(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", *arguments],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_boards_are_found(installed: Path) -> None:
    done = outside(installed, "harness", "boards")
    assert done.returncode == 0, done.stderr
    assert f"{installed}/harness/_data/boards/apu2.yaml" in done.stdout


def test_the_boot_script_is_found(installed: Path) -> None:
    out = str(installed.parent / "run")
    done = outside(installed, "harness", "boot", "apu2", "--print-command", "--out", out)
    assert done.returncode == 0, done.stderr
    menu = installed.parent / "run" / "work" / "tftp" / "menu.ipxe"
    assert menu.read_text().startswith("#!ipxe")


def test_the_suite_runs(installed: Path) -> None:
    done = outside(
        installed,
        *("pytest", "-q", "-rs", "-p", "no:cacheprovider", "--pyargs", "harness.suites"),
        *("--board", "apu2", "--target", f"replay:{LOG}"),
    )
    # This log is of another machine than the profile: the boot fails once, with its cause.
    assert "hardware.memory_mib" in done.stdout, done.stdout + done.stderr
    assert "1 error" in done.stdout
    assert "needs a live console" in done.stdout
