"""Recorded logs for the tests: those of the project, and the shared ones when they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOGS = ROOT / "tests" / "data" / "logs"
SHARED = ROOT.parent / "shared" / "logs"


def _files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in (SHARED, LOGS):
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if path.suffix in {".log", ".txt"}:
                found[path.name] = path
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `any_log` runs once for every recorded log."""
    if "any_log" in metafunc.fixturenames:
        files = _files()
        metafunc.parametrize("any_log", list(files.values()), ids=list(files))


@pytest.fixture
def read_log() -> Callable[[str], bytes]:
    """Reads a recorded log by name; skips the test if only the shared folder has it."""

    def read(name: str) -> bytes:
        path = _files().get(name)
        if path is None:
            pytest.skip(f"{name} is in ../shared/logs only, which is not here")
        return path.read_bytes()

    return read
