"""A dom0 at the other end of the line: a real shell, whose files stay with the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.shell import dom0
from tests.unit.shell.peer import Dom0


@pytest.fixture(autouse=True)
def _keep_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dom0, "_KEPT", str(tmp_path / "kept"))


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Dom0]:
    with closing(Dom0(tmp_path)) as channel:
        yield channel
