"""Boots without an emulator: the target is a script, and nothing is fetched, built or served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import harness.boot
from harness.build.artifacts import Artifacts
from harness.build.files import Files
from harness.serve.site import Site
from harness.target.simulated import End, Say, SimulatedTarget

ROOT = Path(__file__).resolve().parents[3]
LOGS = ROOT / "tests" / "data" / "logs"
PANIC = (LOGS / "qemu-q35-xen-4.17.7-mwait-panic.log").read_bytes()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Its own run folders; the signal handlers that `main` installs go again."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path / "state" / "harness" / "runs"
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.fixture
def panicking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every boot is one of an apu2 that panics."""

    @contextmanager
    def served(*_: object) -> Iterator[Site]:
        yield Site(None, "", None, Artifacts(tmp_path, Files(), {}, "", ""))

    monkeypatch.setattr(harness.boot, "resolve", lambda *_: {})
    monkeypatch.setattr(
        harness.boot, "build_for", lambda *_: Artifacts(tmp_path, Files(), {}, "", "")
    )
    monkeypatch.setattr(harness.boot, "serve", served)
    monkeypatch.setattr(
        harness.boot, "open_target", lambda *_: SimulatedTarget([Say(PANIC), End()])
    )


@pytest.fixture
def shell() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `harness ARGUMENTS` as a shell does, with redirections."""

    def run(arguments: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", "-c", f"{sys.executable} -m harness {arguments}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
