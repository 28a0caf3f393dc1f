from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.console import Console
from harness.shell import dom0 as shell_dom0
from harness.toolstack import transfers, xl
from harness.toolstack.dom0 import Dom0
from tests.unit.toolstack.terminal import Terminal

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile"],
    "dash": ["dash", "-i"],
    "busybox": ["busybox", "ash"],
}

Program = Callable[..., Path]


@pytest.fixture(autouse=True)
def _keep_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_dom0, "_KEPT", str(tmp_path / "kept"))
    monkeypatch.setattr(transfers, "_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setattr(xl, "_CFG", str(tmp_path / "domain.cfg"))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes a program of dom0: `program("xl", said="...", status=1)`, or with a `script`."""

    def make(name: str, said: str = "", status: int = 0, script: str = "") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.said").write_text(said)
        file = folder / name
        # Its arguments are kept, one call a line.
        file.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$*" >>{folder}/{name}.calls\n'
            + (script or f"cat {folder}/{name}.said; exit {status}")
            + "\n"
        )
        file.chmod(0o755)
        return folder / f"{name}.calls"

    return make


@pytest.fixture(params=["bash"])
def dom0(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Dom0]:
    """dom0 on a real shell: bash, or those that a test names."""
    shell = SHELLS[request.param]
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    with (
        closing(Terminal(tmp_path, shell)) as channel,
        closing(Console(channel, raw=None, log=None)) as console,
    ):
        found = Dom0(console)
        found.wait_for_prompt(10)
        found.settle()
        yield found


any_shell = pytest.mark.parametrize("dom0", list(SHELLS), indirect=True)
