from __future__ import annotations

import os
import resource
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.acpi import reading
from harness.acpi.reading import read
from harness.errors import FormatError, HarnessError, InputError
from harness.formats.acpi.header import Header, build_header, sealed

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"


def table(signature: str, content: bytes = bytes(12)) -> bytes:
    return sealed(build_header(Header(signature, 0, 2, 0, "OEM", "TABLE", 1, "TEST", 1)) + content)


IVRS = table("IVRS")
HEXDUMP = "".join(f"{at:08x}: {IVRS[at : at + 16].hex(' ')}\n" for at in range(0, len(IVRS), 16))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write_(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write_


Write = Callable[[str, bytes], Path]


@pytest.mark.parametrize(
    ("data", "form", "place"),
    [
        (IVRS, "a binary table", ""),
        (IVRS[:40], "a binary table", ""),
        (b"\xff" * 100 + IVRS + bytes(100), "a dump of memory", ", offset 0x64"),
        (HEXDUMP.encode(), "a hex dump", ", line 1"),
        (HEXDUMP.encode("utf-16"), "a hex dump", ", line 1"),
        (b"\xef\xbb\xbf" + HEXDUMP.encode(), "a hex dump", ", line 1"),
        (b"IVRS @ 0x0000000000000000\n" + HEXDUMP.encode(), "a hex dump", ", line 2"),
        (b"caf\xe9 \xff\n" + HEXDUMP.encode(), "a hex dump", ", line 2"),
        (b"(XEN) AMD-Vi: a log with a dump\n" + HEXDUMP.encode(), "a hex dump", ", line 2"),
    ],
)
def test_the_form_is_told_from_the_content(
    data: bytes, form: str, place: str, write: Write
) -> None:
    path = write("anything.at.all", data)
    found = read(path)
    assert (found.form, found.origin) == (form, str(path))
    (one,) = found.tables
    assert one.signature == "IVRS"
    assert IVRS.startswith(one.data)
    assert one.origin == f"{path}{place}"
    assert not one.reconstructed


def test_several_tables_in_a_file(write: Write) -> None:
    found = read(write("all.bin", table("APIC") + IVRS))
    assert found.form == "binary tables"
    assert [one.signature for one in found.tables] == ["APIC", "IVRS"]
    assert found.tables[1].origin.endswith("all.bin, offset 0x30")


def test_a_log_gives_a_reconstructed_ivrs() -> None:
    path = SHARED / "logs" / "qemu-q35-amd-iommu-xen-4.17.7-dom0.log"
    if not path.is_file():
        pytest.skip("../shared/logs is not here")
    found = read(path)
    assert found.form == "a Xen log"
    (one,) = found.tables
    assert one.reconstructed
    assert one.origin == str(path)
    assert one.unknown
    assert all(0 <= part.start < part.stop <= len(one.data) for part in one.unknown)


def test_a_log_without_an_ivrs_says_how_to_get_one(write: Write) -> None:
    with pytest.raises(InputError, match="taken as a Xen log") as caught:
        read(write("boot.log", b"(XEN) Xen version 4.17.7\n(XEN) I/O virtualisation disabled\n"))
    assert "iommu=verbose,debug" in str(caught.value)
    assert "boot.log" in str(caught.value)


def test_a_folder_as_of_the_kernel(write: Write, tmp_path: Path) -> None:
    write("t/SSDT10", table("SSDT", b"ten"))
    write("t/SSDT2", table("SSDT", b"two"))
    write("t/IVRS", IVRS)
    write("t/dynamic/SSDT9", table("SSDT", b"dynamic"))
    write("t/data/BERT", b"raw data, not a table")
    write("t/README", b"no table\n")
    found = read(tmp_path / "t")
    assert found.form == "a folder of tables"
    assert [one.origin for one in found.tables] == [
        str(tmp_path / "t" / name) for name in ("IVRS", "SSDT2", "SSDT10", "dynamic/SSDT9")
    ]
    assert found.find("IVRS") == found.tables[0]
    assert len(found.all("SSDT")) == 3
    assert found.find("APIC") is None


def test_a_folder_of_folders_names_one_of_them(write: Write, tmp_path: Path) -> None:
    write("corpus/machine/IVRS.bin", IVRS)
    with pytest.raises(InputError, match="it holds no files") as caught:
        read(tmp_path / "corpus")
    assert str(tmp_path / "corpus" / "machine") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "is empty"), (b"IVR\0" + bytes(100), "begins with b'IVR"), (b"text\n", "begins with")],
)
def test_a_file_named_as_a_table_must_be_one(
    content: bytes, what: str, write: Write, tmp_path: Path
) -> None:
    write("t/APIC.bin", table("APIC"))
    path = write("t/ivrs.bin", content)
    with pytest.raises(FormatError, match=what) as caught:
        read(tmp_path / "t")
    assert str(path) in str(caught.value)


def test_folders_without_tables(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it holds no files"):
        read(tmp_path)
    write("notes.txt", b"no table\n")
    with pytest.raises(InputError, match="none of its 1 files is one"):
        read(tmp_path)


def test_too_many_files(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FILES", 3)
    for index in range(3):
        write(f"t/SSDT{index}", table("SSDT"))
    assert len(read(tmp_path / "t").tables) == 3
    write("t/SSDT4", table("SSDT"))
    with pytest.raises(InputError, match="more than 3 files"):
        read(tmp_path / "t")


def test_a_table_that_may_not_be_read_names_sudo(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("t/IVRS", IVRS)
    opened = os.open

    def refusing(name: os.PathLike[str], *rest: int) -> int:
        # Root, as which tests may run, is never refused by the kernel.
        if Path(name) == path:
            raise PermissionError(13, "Permission denied", str(name))
        return opened(name, *rest)

    monkeypatch.setattr(os, "open", refusing)
    for given_ in (tmp_path / "t", path):
        with pytest.raises(InputError, match="Permission denied") as caught:
            read(given_)
        assert str(path) in str(caught.value)
        assert "sudo " in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "the file is empty"),
        (b"\n", "taken as a hex dump: the text holds no hex dump"),
        (b"hello\n", "taken as a hex dump: the text holds no hex dump"),
        (bytes(100), "taken as a dump of memory: 100 bytes"),
        (b"\x7fELF" + bytes(range(100)), "taken as a dump of memory"),
        (b"\x89\x01\x00\x00" * 20000, "taken as a dump of memory"),
        (HEXDUMP.replace("49 56", "00 00").encode(), "taken as a hex dump: 3 rows"),
    ],
)
def test_files_without_tables(data: bytes, what: str, write: Write) -> None:
    path = write("x", data)
    with pytest.raises(InputError, match=what) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_the_place_in_a_dump_is_named(write: Write) -> None:
    path = write("x.txt", b"\n" + HEXDUMP.replace("49 56", "00 00").encode())
    with pytest.raises(FormatError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}, line 2, Signature: taken as a hex dump")
    assert caught.value.field == "Signature"


def test_what_is_no_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(InputError, match="a pipe, a socket or a device"):
            read(path)
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "absent")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="symbolic links"):
        read(loop)
    with pytest.raises(InputError):
        read(Path("nul\0byte"))


def test_a_socket_is_no_file() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
    ):
        server.bind(f"{folder}/s")
        with pytest.raises(InputError):
            read(Path(folder, "s"))


def test_a_gibibyte_is_refused_without_being_read(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    path = folder / "IVRS"
    with path.open("wb") as file:
        file.write(IVRS)
        file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for given_ in (path, folder):
        with pytest.raises(InputError, match="too large: 1,073,741,824 bytes") as caught:
            read(given_)
        assert str(path) in str(caught.value)
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_too_much_text(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_TEXT", 1000)
    with pytest.raises(InputError, match="taken as text, it is too large: 2,000 bytes"):
        read(write("x", b"a line\n\n\n\n" * 200))
    monkeypatch.setattr(reading, "LARGEST_LOG", 100)
    with pytest.raises(InputError, match="taken as a Xen log, it is too large"):
        read(write("x", b"(XEN) a line\n" * 20))


@given(st.binary(max_size=400), st.sampled_from([b"", IVRS[:4], IVRS, HEXDUMP.encode(), b"(XEN) "]))
def test_any_file_is_refused_or_read(data: bytes, start: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(start + data)
        try:
            found = read(path)
        except HarnessError as bad:
            assert str(path) in str(bad)  # noqa: PT017
        else:
            assert found.tables


def test_every_machine_of_the_corpus() -> None:
    machines = sorted(path for path in (SHARED / "acpi-corpus").glob("*") if path.is_dir())
    if not machines:
        pytest.skip("../shared/acpi-corpus is not here")
    for machine in machines:
        found = read(machine)
        assert {one.signature for one in found.tables} >= {"IVRS", "APIC", "MCFG"}
        assert all(one.checksum_ok and not one.notes for one in found.tables)


def test_every_beginning_of_a_real_table(tmp_path: Path) -> None:
    files = sorted((SHARED / "acpi-corpus").glob("*/IVRS.bin"))
    if not files:
        pytest.skip("../shared/acpi-corpus is not here")
    path = tmp_path / "cut"
    for file in files[::20]:
        data = file.read_bytes()
        for size in range(1, len(data)):
            path.write_bytes(data[:size])
            if size < 6:
                with pytest.raises(InputError):
                    read(path)
            else:
                (one,) = read(path).tables
                assert one.data == data[:size]
