from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.board.profiles import Writer


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Writes a profile; the tests lie in a folder of their own."""

    def writer(text: str | bytes, name: str = "plain") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return writer
