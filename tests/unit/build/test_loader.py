from __future__ import annotations

import pytest

from harness.build.loader import Piece, check_kinds, check_places
from harness.errors import InputError, ProfileError
from harness.formats import mbr

SPL = b"\0\0\0\0eGON.BT0" + bytes(500)
PROPER = b"\x27\x05\x19\x56" + bytes(508)
TABLE = mbr.Table((mbr.UNUSED, mbr.Partition(0x0E, 2048, 100)))
KIB = 1024


def test_pieces_that_touch_are_fine() -> None:
    check_places(
        [Piece("spl", 8 * KIB, bytes(32 * KIB)), Piece("u-boot", 40 * KIB, bytes(984 * KIB))],
        TABLE,
    )


def test_an_spl_over_u_boot_names_both_ends() -> None:
    spl = Piece("spl.bin", 8 * KIB, bytes(32 * KIB + 1))
    with pytest.raises(ProfileError) as error:
        check_places([Piece("u-boot.img", 40 * KIB, b"x"), spl], TABLE)
    assert "spl.bin at 0x2000 ends at 0xa001, and u-boot.img begins at 0xa000" in str(error.value)
    assert error.value.expected == "at most 32768 bytes; it has 32769"


def test_a_loader_over_the_partition_names_both_ends() -> None:
    with pytest.raises(ProfileError, match="ends at 0x100001, and the first partition begins at "):
        check_places([Piece("u-boot", 8 * KIB, bytes(1016 * KIB + 1))], TABLE)
    check_places([Piece("u-boot", 8 * KIB, bytes(1016 * KIB))], TABLE)


def test_a_long_spl_may_reach_the_partition_before_u_boot() -> None:
    first = mbr.Table((mbr.Partition(0x0E, 40, 1),))
    with pytest.raises(ProfileError, match="0x5000"):
        check_places([Piece("spl", 8 * KIB, bytes(13 * KIB)), Piece("u", 40 * KIB, b"")], first)


def test_a_loader_over_the_table() -> None:
    with pytest.raises(ProfileError, match="in the partition table"):
        check_places([Piece("spl", 0, b"x")], TABLE)


def test_no_partition_limits_nothing() -> None:
    check_places([Piece("u-boot", 8 * KIB, bytes(1 << 20))], mbr.Table(()))


def test_an_spl_with_u_boot() -> None:
    check_kinds([])
    check_kinds([Piece("with-spl", 8 * KIB, SPL + PROPER)])
    check_kinds([Piece("spl", 8 * KIB, SPL), Piece("img", 40 * KIB, PROPER)])


@pytest.mark.parametrize(("data", "what"), [(PROPER, "U-Boot without an SPL"), (b"", "no SPL")])
def test_no_spl_where_the_boot_rom_looks(data: bytes, what: str) -> None:
    with pytest.raises(InputError, match=f"file: {what}: .*eGON.BT0 at 0x2000"):
        check_kinds([Piece("file", 8 * KIB, data)])


def test_two_spls() -> None:
    with pytest.raises(InputError, match="with-spl: it begins with an SPL, and spl is one"):
        check_kinds([Piece("spl", 8 * KIB, SPL), Piece("with-spl", 40 * KIB, SPL)])


def test_of_other_chips_nothing_is_said() -> None:
    check_kinds([Piece("imx", 1 * KIB, b"other")])
