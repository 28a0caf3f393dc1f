"""Lints files that a test writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.lint.engine import Linted, lint
from harness.lint.facts import Facts

Lint = Callable[..., dict[str, Linted]]


@pytest.fixture
def linted(tmp_path: Path) -> Lint:
    """Lint files given as name to content."""

    def run(files: Mapping[str, bytes | str], board: Facts | None = None) -> dict[str, Linted]:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(data)
        done = lint([tmp_path / name for name in files], board)
        return {Path(one.path).name: one for one in done}

    return run
