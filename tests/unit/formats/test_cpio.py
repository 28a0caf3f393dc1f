from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.cpio import HEADER_SIZE, TRAILER, Entry, build, parse

U32 = st.integers(0, 0xFFFFFFFF)
NAMES = (
    st.binary(min_size=1, max_size=20)
    .filter(lambda raw: b"\0" not in raw)
    .map(lambda raw: raw.decode(errors="surrogateescape"))
    .filter(lambda name: name != TRAILER)
)
ENTRIES = st.builds(
    Entry,
    path=NAMES,
    mode=U32,
    data=st.binary(max_size=40),
    rdev=st.tuples(U32, U32),
    uid=U32,
    gid=U32,
    mtime=U32,
    nlink=U32,
)

SMALL = [
    Entry("dev/console", 0o020600, rdev=(5, 1)),
    Entry("etc/motd", 0o100644, b"hello\n"),
    Entry("bin/sh", 0o120777, b"busybox"),
]


def refusal(data: bytes) -> FormatError | None:
    try:
        parse(data)
    except FormatError as error:
        return error
    return None


@given(st.lists(ENTRIES, max_size=5))
def test_parse_is_the_inverse_of_build(entries: list[Entry]) -> None:
    archive = build(entries)
    assert parse(archive) == entries
    assert len(archive) % 512 == 0


@given(st.binary(max_size=400))
def test_any_bytes_are_an_archive_or_a_format_error(data: bytes) -> None:
    error = refusal(data)
    assert error is None or (error.field and error.offset is not None)


@given(st.integers(0, 400), st.integers(0, 255))
def test_one_changed_byte_is_an_archive_or_a_format_error(at: int, value: int) -> None:
    data = bytearray(build(SMALL))
    data[at] = value
    error = refusal(bytes(data))
    assert error is None or (error.field and error.offset is not None)


def test_the_bytes_of_one_file() -> None:
    archive = build([Entry("etc/motd", 0o100644, b"hello\n", mtime=1, uid=2, gid=3)])
    header = (
        b"070701" + b"00000001" + b"000081A4" + b"00000002" + b"00000003" + b"00000001"
        b"00000001" + b"00000006" + b"00000000" * 4 + b"00000009" + b"00000000"
    )
    assert archive[:HEADER_SIZE] == header
    assert archive[HEADER_SIZE:128] == b"etc/motd\0" + b"\0" + b"hello\n" + b"\0\0"
    assert archive[128:134] == b"070701"


def test_inode_numbers_are_unique() -> None:
    archive = build(SMALL)
    inodes = [
        archive[at + 6 : at + 14] for at in range(len(archive)) if archive[at:][:6] == b"070701"
    ]
    assert inodes == [b"00000001", b"00000002", b"00000003", b"00000000"]


def test_every_truncation_is_refused_up_to_the_trailer() -> None:
    archive = build(SMALL)
    end = archive.index(TRAILER.encode()) + len(TRAILER) + 1
    for length in range(end):
        with pytest.raises(FormatError) as caught:
            parse(archive[:length])
        assert caught.value.offset is not None
        assert caught.value.field in {"header", "name", "filesize"}
    for length in range(end, len(archive)):
        assert parse(archive[:length]) == SMALL


@pytest.mark.parametrize(
    ("at", "new", "field", "offset"),
    [
        (0, b"070707", "magic", 0),
        (0, b"\xc7\x71", "magic", 0),
        (14, b"0000xyz0", "mode", 14),
        (14, b"+0000001", "mode", 14),
        (22, b" 0000001", "uid", 22),
        (22, b"0_000001", "uid", 22),
        (54, b"FFFFFFFF", "filesize", 54),
        (94, b"00000000", "namesize", 94),
        (94, b"00000001", "namesize", 94),
        (94, b"00001001", "namesize", 94),
        (94, b"0000000B", "name", 110),
        (94, b"00000009", "name", 110),
        (112, b"\0", "name", 110),
    ],
)
def test_a_wrong_field_is_named_with_its_offset(
    at: int, new: bytes, field: str, offset: int
) -> None:
    data = bytearray(build([Entry("etc/motds", 0o100644, b"hello\n")]))
    data[at : at + len(new)] = new
    with pytest.raises(FormatError) as caught:
        parse(bytes(data))
    assert (caught.value.field, caught.value.offset) == (field, offset)


def test_a_second_archive_behind_the_trailer_is_refused() -> None:
    one = build(SMALL)
    with pytest.raises(FormatError) as caught:
        parse(one + one)
    assert (caught.value.field, caught.value.offset) == ("trailer", len(one))


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (Entry("", 0o100644), "name"),
        (Entry("a\0b", 0o100644), "name"),
        (Entry("\ud800", 0o100644), "name"),
        (Entry("x" * 4096, 0o100644), "name"),
        (Entry(TRAILER, 0o100644), "name"),
        (Entry("a", -1), "mode"),
        (Entry("a", 1 << 32), "mode"),
        (Entry("a", 0o020600, rdev=(5, 1 << 32)), "rdevminor"),
        (Entry("a", 0o100644, mtime=1 << 32), "mtime"),
    ],
)
def test_what_the_format_cannot_hold_is_not_built(entry: Entry, field: str) -> None:
    with pytest.raises(FormatError) as caught:
        build([entry])
    assert caught.value.field == field


def test_the_longest_name() -> None:
    entry = Entry("x" * 4095, 0o100644)
    assert parse(build([entry])) == [entry]


def test_lower_case_digits_are_numbers_too() -> None:
    entry = dataclasses.replace(SMALL[1], mode=0xABCDEF)
    assert parse(build([entry]).replace(b"00ABCDEF", b"00abcdef")) == [entry]
