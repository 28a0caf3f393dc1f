"""The tables of real machines, where the folder with them is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[4].parent / "shared" / "acpi-corpus"


@pytest.fixture(scope="session")
def corpus() -> Callable[[str], list[tuple[str, bytes]]]:
    """`corpus("APIC")`: the machine and the bytes of each such table; skips without any."""

    def tables(signature: str) -> list[tuple[str, bytes]]:
        files = sorted(CORPUS.glob(f"*/{signature}.bin"))
        if not files:
            pytest.skip("../shared/acpi-corpus is not here")
        return [(file.parent.name, file.read_bytes()) for file in files]

    return tables
