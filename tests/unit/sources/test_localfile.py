from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.sources import Sources
from harness.sources.localfile import version_of


def bzimage(version: bytes) -> bytes:
    """The fields of the boot protocol header that carry the version string."""
    image = bytearray(0x400)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x100)  # the string is at 0x100 + 0x200
    image[0x300 : 0x300 + len(version)] = version
    return bytes(image)


XEN = b"\x7fELF..\0%sXen version %%d.%%d%%s (%%s@%%s)\0\x004.17.7+13-g2445b30a44-0+deb12u1\0gcc\0"


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (bzimage(b"6.1.0-56-amd64 (debian-kernel@example) #1 SMP\0"), "6.1.0-56-amd64"),
        (bzimage(b"\0"), "unknown"),
        (XEN % b"", "4.17.7+13-g2445b30a44-0+deb12u1"),
        (gzip.compress(XEN % b""), "4.17.7+13-g2445b30a44-0+deb12u1"),
        (XEN % b"\x004.18\0", "unknown"),  # two candidates: no guess
        (b"\0\0Linux version 6.6.9-arm64 (me@example)", "6.6.9-arm64"),
        (b"Linux version %s", "unknown"),
        (gzip.compress(XEN % b"")[:40], "unknown"),
        (b"\x1f\x8bnot gzip", "unknown"),
        (b"HdrS", "unknown"),
    ],
)
def test_the_version_inside(content: bytes, version: str) -> None:
    assert version_of(content) == version


@given(st.binary(max_size=600))
def test_any_bytes_have_a_version_text(content: bytes) -> None:
    assert version_of(content)
    assert version_of(b"\x1f\x8b" + content)
    assert version_of(bzimage(content[:200]))


def test_a_local_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bzimage(b"6.6.6 me\0")
    (tmp_path / "bzImage").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    binary = Sources(tmp_path / "cache").file("kernel", Path("bzImage"))
    assert binary.path == tmp_path / "bzImage"
    assert binary.version == "6.6.6"
    assert binary.sha256 == hashlib.sha256(content).hexdigest()
    assert (binary.role, binary.origin, binary.detail) == ("kernel", "file", {})
    assert not (tmp_path / "cache").exists()


def test_files_that_cannot_be(tmp_path: Path) -> None:
    sources = Sources(tmp_path / "cache")
    (tmp_path / "empty").touch()
    cases = {"missing": "is missing", "empty": "is empty", ".": "is a folder"}
    for name, says in cases.items():
        with pytest.raises(InputError, match=says) as caught:
            sources.file("xen", tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_we_may_not_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        Sources(tmp_path / "cache").file("xen", path)
