"""What is no regular file holds nobody up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.sources import localfile
from harness.sources.localfile import local_file


def test_a_device_and_a_fifo_are_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(InputError, match="the xen is no regular file"):
            local_file("xen", path)


def test_a_file_that_is_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localfile, "_MAX_FILE", 10)
    (tmp_path / "xen").write_bytes(bytes(11))
    with pytest.raises(InputError, match="11 bytes are no xen"):
        local_file("xen", tmp_path / "xen")
