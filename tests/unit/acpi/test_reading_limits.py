"""A table that no firmware makes is not taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.acpi import reading
from harness.errors import InputError
from harness.formats.acpi.header import HEADER_SIZE


def test_a_table_of_many_megabytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_TABLE", 100)
    data = b"IVRS" + (200).to_bytes(4, "little") + bytes(HEADER_SIZE - 8) + bytes(164)
    (tmp_path / "IVRS.bin").write_bytes(data)
    with pytest.raises(InputError, match="IVRS") as bad:
        reading.read(tmp_path / "IVRS.bin")
    assert str(tmp_path / "IVRS.bin") in str(bad.value)
