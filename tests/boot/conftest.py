"""What real boots need: a state folder of their own, and the command line in a child process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]

# Bounds a test that would hang for ever; the deadlines of the boot itself are in the profile.
PATIENCE = 900


@pytest.fixture(scope="session", autouse=True)
def _emulator() -> None:
    for program, package in (
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-system-arm", "qemu-system-arm"),
    ):
        if shutil.which(program) is None:
            message = f"{program} is missing: apt-get install {package}"
            if os.environ.get("CI"):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Runs of a test are kept under its own folder; the cache of binaries is shared."""
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}


def command(arguments: Sequence[str | Path]) -> list[str]:
    return [sys.executable, "-m", "harness", *(str(a) for a in arguments)]


@pytest.fixture
def harness(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run the command line to its end."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(arguments),
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


@pytest.fixture
def start_harness(environment: dict[str, str], tmp_path: Path) -> Start:
    """Start the command line; the test ends it."""

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(arguments),
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
