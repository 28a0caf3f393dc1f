"""Cards that are damaged on purpose: each has its own finding, and no other error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import tools
from harness.board import Board, load
from harness.build.card import make_card
from harness.errors import HarnessError, InputError, ProfileError
from harness.formats import mbr, ubootenv, uimage
from harness.lint.engine import Finding, Linted
from harness.request import BootRequest
from harness.sdcard.finding import RULES
from harness.sdcard.verify import verify
from harness.sources import Binary

FAT, EXT4 = 1 << 20, 17 << 20
UBOOT = 40 * 1024


@pytest.fixture(scope="module")
def board() -> Board:
    return load("cubieboard2", [])


@pytest.fixture
def card(tmp_path: Path, card_parts: dict[str, Path], board: Board) -> Path:
    """A card that is as it should be."""
    request = BootRequest(board=board, method="sdcard", own=True)
    binaries = {
        role: Binary(role, card_parts[role], "1", "0" * 64, "file") for role in request.roles()
    }
    image = tmp_path / "sd.img"
    make_card(board, binaries, image, request.xen_cmdline, request.kernel_cmdline)
    return image


def all_of(linted: tuple[Linted, ...], *severities: str) -> list[Finding]:
    wanted = severities or ("error", "warning")
    return [each for one in linted for each in one.findings if each.severity in wanted]


def own(linted: tuple[Linted, ...]) -> list[Finding]:
    """What the card's own rules say, without lint's."""
    return [each for each in linted[0].findings if each.severity in ("error", "warning")]


def only(found: list[Finding], rule: str, where: str) -> Finding:
    assert [(each.rule, each.where.rpartition("sd.img: ")[2]) for each in found] == [(rule, where)]
    return found[0]


def patch(image: Path, offset: int, data: bytes) -> None:
    with image.open("r+b") as out:
        out.seek(offset)
        out.write(data)


def flip(image: Path, offset: int) -> None:
    with image.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def partitions(image: Path, change: Callable[[mbr.Table], mbr.Table]) -> None:
    table = mbr.parse(image.read_bytes()[:512])
    patch(image, 0, mbr.build(change(table)))


def put(image: Path, name: str, data: bytes) -> None:
    """Put a file on the FAT."""
    (image.parent / "new").write_bytes(data)
    place = f"{image}@@{FAT}"
    argv = ["mcopy", "-o", "-i", place, f"{image.parent}/new", f"::{name}"]
    tools.run(argv, env={"MTOOLS_SKIP_CHECK": "1"})


def on_ext4(image: Path, command: str) -> None:
    tools.run(["debugfs", "-w", "-R", command, f"{image}?offset={EXT4}"])


def script(image: Path, text: str) -> None:
    put(image, "boot.scr", uimage.script_image(text, time=0))


def find(image: Path, what: bytes) -> int:
    at = image.read_bytes().find(what)
    assert at > 0
    return at


def test_a_good_card_has_no_findings(card: Path, board: Board) -> None:
    for which in (None, board):
        linted = verify(card, which)
        assert all_of(linted) == []
        assert linted[0].kind == "sdcard"
        assert [one.path.rpartition("sd.img: ")[2] for one in linted[1:]] == [
            "partition 1: /boot.scr",
            "partition 2: /board.dtb",
            "partition 2: /zImage",
            "partition 2: /initrd",
            "partition 2: /xen",
        ]


def test_what_needs_the_board_is_said(card: Path, board: Board) -> None:
    assert [(each.rule, each.needs) for each in verify(card)[0].not_run] == [
        ("sdcard.soc", "--board BOARD"),
        ("sdcard.place", "--board BOARD"),
        ("sdcard.size", "--board BOARD"),
    ]
    assert verify(card, board)[0].not_run == ()


def test_the_card_is_not_written_to(card: Path, board: Board) -> None:
    before = card.read_bytes()
    card.chmod(0o444)
    verify(card, board)
    assert card.read_bytes() == before
    assert sorted(path.name for path in card.parent.iterdir() if path.is_file()) == [
        "boot.cmd",
        "sd.img",
    ]


class TestThePlaces:
    def test_a_byte_of_the_spl(self, card: Path) -> None:
        flip(card, 8192 + 5000)
        one = only(own(verify(card)), "sdcard.spl", "offset 0x200c")
        assert "the SPL is damaged: the checksum is" in one.message

    def test_no_spl(self, card: Path) -> None:
        patch(card, 8192, bytes(96))
        one = only(own(verify(card)), "sdcard.spl", "offset 0x2000")
        assert "all is zero there" in one.message

    def test_no_spl_on_a_board_without_a_loader_on_its_card(self, card: Path) -> None:
        patch(card, 8192, bytes(1 << 19))
        assert own(verify(card, load("virt-arm64", []))) == []

    def test_a_byte_of_u_boot(self, card: Path) -> None:
        flip(card, UBOOT + 3000)
        one = only(own(verify(card)), "sdcard.uboot", "offset 0xa018")
        assert "the CRC of the data is" in one.message

    def test_no_u_boot(self, card: Path) -> None:
        patch(card, UBOOT, bytes(64))
        one = only(own(verify(card)), "sdcard.uboot", "offset 0xa000")
        assert one.message == "no U-Boot is here, but 00 00 00 00"

    def test_no_table(self, card: Path) -> None:
        patch(card, 510, b"\0\0")
        found = own(verify(card))
        assert [each.rule for each in found] == ["sdcard.table", "sdcard.script"]

    def test_a_table_without_partitions(self, card: Path) -> None:
        partitions(card, lambda _: mbr.Table(()))
        assert [each.rule for each in own(verify(card))] == ["sdcard.table", "sdcard.script"]

    def test_a_partition_over_the_loader(self, card: Path) -> None:
        first = mbr.Partition(0x0E, 32, 2048 + 32768 - 32, bootable=True)
        partitions(card, lambda t: mbr.Table((first, t.partitions[1])))
        found = own(verify(card))
        assert [each.rule for each in found] == [
            *("mbr.reserved", "mbr.reserved", "sdcard.filesystem", "sdcard.script")
        ]
        assert "partition 1 (sectors 32 to 34815) overlaps the SPL (sectors 16 to 63)" in (
            found[0].message
        )
        assert "overlaps the U-Boot (sectors 80 to " in found[1].message

    def test_a_partition_beyond_the_end(self, card: Path) -> None:
        with card.open("r+b") as out:
            out.truncate(60 << 20)
        assert [each.rule for each in own(verify(card))][:1] == ["mbr.outside"]

    def test_overlapping_partitions(self, card: Path) -> None:
        more = mbr.Partition(0x83, 40000, 100)
        partitions(card, lambda t: mbr.Table((*t.partitions, more)))
        found = own(verify(card))
        assert [each.rule for each in found] == ["mbr.overlap", "sdcard.filesystem"]
        assert found[1].where.endswith("partition 3")

    def test_no_bootable_partition(self, card: Path) -> None:
        def plain(table: mbr.Table) -> mbr.Table:
            kept = [mbr.Partition(p.type, p.start, p.sectors) for p in table.partitions]
            return mbr.Table(tuple(kept))

        partitions(card, plain)
        linted = verify(card)
        assert only(own(linted), "sdcard.bootable", "partition table").severity == "warning"
        assert len(linted) == 6  # it falls back to partition 1, and finds all

    def test_the_wrong_partition_is_bootable(self, card: Path) -> None:
        def swapped(table: mbr.Table) -> mbr.Table:
            one, two = table.partitions
            return mbr.Table(
                (
                    mbr.Partition(one.type, one.start, one.sectors),
                    mbr.Partition(two.type, two.start, two.sectors, bootable=True),
                )
            )

        partitions(card, swapped)
        one = only(own(verify(card)), "sdcard.script", "card")
        assert one.message == "no boot.scr on the partitions where U-Boot looks: partition 2"
        assert one.hint == "mark the partition as bootable: partition 1: /boot.scr"

    def test_gpt(self, card: Path) -> None:
        partitions(card, lambda _: mbr.Table((mbr.Partition(0xEE, 1, 131071),)))
        assert "mbr.gpt" in [each.rule for each in own(verify(card))]


class TestTheFiles:
    def test_a_byte_of_boot_scr(self, card: Path) -> None:
        flip(card, find(card, b"setenv") + 1)
        linted = verify(card)
        one = only(own(linted), "sdcard.script", "partition 1: /boot.scr, offset 0x18")
        assert "the CRC of the data" in one.message
        assert len(linted) == 1

    def test_boot_scr_that_is_text(self, card: Path) -> None:
        put(card, "boot.scr", b"setenv a b\n")
        one = only(own(verify(card)), "sdcard.script", "partition 1: /boot.scr, offset 0x0")
        assert one.hint.startswith("mkimage ")

    def test_boot_scr_of_another_type(self, card: Path) -> None:
        image = uimage.UImage("", 0, 0, 0, 5, 2, uimage.TYPE_KERNEL, 0, b"\0\0\0\1\0\0\0\0x")
        put(card, "boot.scr", uimage.build(image))
        one = only(own(verify(card)), "sdcard.script", "partition 1: /boot.scr, offset 0x1e")
        assert "type 2 (kernel)" in one.message

    def test_no_boot_scr(self, card: Path) -> None:
        tools.run(["mdel", "-i", f"{card}@@{FAT}", "::boot.scr"])
        one = only(own(verify(card)), "sdcard.script", "card")
        assert one.hint == ""

    def test_boot_scr_in_the_folder_boot(self, card: Path) -> None:
        tools.run(["mmd", "-i", f"{card}@@{FAT}", "::boot"])
        tools.run(["mmove", "-i", f"{card}@@{FAT}", "::boot.scr", "::boot/"])
        linted = verify(card)
        assert all_of(linted) == []
        assert linted[1].path.endswith("partition 1: /boot/boot.scr")

    def test_a_file_that_is_missing(self, card: Path) -> None:
        on_ext4(card, "rm /board.dtb")
        found = own(verify(card))
        assert {each.rule for each in found} == {"sdcard.loads"}
        assert found[0].message.endswith("board.dtb: there is no such file on partition 2")
        assert "partition 1: /boot.scr:" in found[0].where

    def test_a_file_on_another_partition(self, card: Path) -> None:
        on_ext4(card, "rm /board.dtb")
        put(card, "board.dtb", b"x")
        assert own(verify(card))[0].hint == "it is on partition 1"

    def test_a_partition_that_is_not_there(self, card: Path) -> None:
        script(card, "load mmc 0:a 0x46000000 zImage\nbootz 0x46000000\n")
        one = only(own(verify(card)), "sdcard.loads", "partition 1: /boot.scr:1")
        assert one.message == "load zImage: there is no partition 10"

    def test_an_empty_file(self, card: Path) -> None:
        put(card, "empty", b"")
        script(card, "load mmc 0:1 0x46000000 empty\n")
        one = only(own(verify(card)), "sdcard.loads", "partition 1: /empty")
        assert one.message == "the file is empty"

    def test_a_file_that_a_script_tries_is_a_warning(self, card: Path) -> None:
        script(card, "if load mmc 0:1 0x46000000 extra; then echo extra; fi\n")
        assert [(each.rule, each.severity) for each in own(verify(card))] == [
            ("sdcard.loads", "warning")
        ]

    def test_variables_that_u_boot_sets_itself(self, card: Path) -> None:
        put(card, "tiny", b"x")
        script(
            card,
            "load ${devtype} ${devnum}:${distro_bootpart} 0x46000000 ${prefix}tiny\n"
            "load $devtype $devnum:$distro_bootpart 0x46000000 ${prefix}gone\n"
            "load mmc 0:1 0x46000000 ${board}.dtb\n",
        )
        linted = verify(card)
        one = only(own(linted), "sdcard.loads", "partition 1: /boot.scr:2")
        assert one.message == "load /gone: there is no such file on partition 1"
        assert [each.rule for each in linted[0].not_run][-1:] == ["sdcard.loads"]
        assert "depends on the board" in linted[0].not_run[-1].why

    def test_a_byte_of_the_environment(self, card: Path) -> None:
        flip(card, find(card, b"bootdelay=0"))
        one = only(own(verify(card)), "sdcard.env", "partition 1: /uboot.env")
        assert "the CRC is" in one.message
        assert "bad CRC" in one.consequence

    @pytest.mark.parametrize("with_board", [True, False])
    def test_an_environment_of_another_size(
        self, card: Path, board: Board, with_board: bool
    ) -> None:
        put(card, "uboot.env", ubootenv.build({"bootcmd": "run distro_bootcmd"}, 0x4000))
        one = only(
            own(verify(card, board if with_board else None)),
            "sdcard.env",
            "partition 1: /uboot.env",
        )
        assert one.message == "it has 0x4000 bytes, U-Boot reads 0x10000"

    def test_an_environment_of_two(self, card: Path) -> None:
        data = ubootenv.build({"bootcmd": "run distro_bootcmd"}, redundant=True)
        put(card, "uboot.env", data)
        assert "flag byte" in own(verify(card))[0].message

    def test_a_boot_command_of_its_own(self, card: Path) -> None:
        command = "load mmc 0:1 0x43100000 my.scr; source 0x43100000"
        put(card, "uboot.env", ubootenv.build({"bootcmd": command}))
        one = only(own(verify(card)), "sdcard.loads", "bootcmd")
        assert one.message == "load my.scr: there is no such file on partition 1"
        put(card, "my.scr", uimage.script_image("load mmc 0:2 0x46000000 nothing\n", time=0))
        one = only(own(verify(card)), "sdcard.loads", "partition 1: /my.scr:1")

    def test_a_device_tree_that_is_none(self, card: Path) -> None:
        at = find(card, b"\xd0\x0d\xfe\xed")
        patch(card, at + 4, b"\xff\xff")
        found = own(verify(card))
        assert [each.rule for each in found] == ["sdcard.dtb"]
        assert "partition 2: /board.dtb, offset" in found[0].where

    def test_a_kernel_for_another_architecture_is_lints(self, card: Path) -> None:
        raw = card.parent / "arm64"
        raw.write_bytes(bytes(0x38) + b"ARM\x64" + bytes(4036))
        on_ext4(card, "rm /xen")
        on_ext4(card, f"write {raw} xen")
        linted = verify(card)
        assert own(linted) == []
        errors = all_of(linted, "error")
        assert errors
        assert any(
            "sd.img: partition 1: /boot.scr:" in each.where and "64-bit" in each.message
            for each in errors
        )

    def test_a_file_system_that_cannot_be_read(self, card: Path) -> None:
        patch(card, EXT4 + 2048, b"\xff" * (1 << 20))
        one = only(own(verify(card)), "sdcard.unreadable", "partition 2: /board.dtb")
        assert "damaged" in one.message

    def test_no_file_system(self, card: Path) -> None:
        patch(card, FAT, bytes(2048))
        assert [each.rule for each in own(verify(card))] == ["sdcard.filesystem", "sdcard.script"]


class TestTheBoard:
    def test_an_spl_for_another_soc(
        self, card: Path, board: Board, card_parts: dict[str, Path]
    ) -> None:
        patch(card, 8192, card_parts["other-spl"].read_bytes())
        one = only(own(verify(card, board)), "sdcard.soc", "offset 0x2000")
        assert one.message == (
            "the SPL was built for sun8i-h3-orangepi-plus, board cubieboard2 is sun7i-a20"
        )
        assert "--for qemu" in one.hint
        assert own(verify(card)) == []

    def test_a_card_for_the_stand_in(
        self, card: Path, board: Board, card_parts: dict[str, Path]
    ) -> None:
        one = only(own(verify(card, board, own=False)), "sdcard.soc", "offset 0x2000")
        assert "--for board" in one.hint
        patch(card, 8192, card_parts["other-spl"].read_bytes())
        assert own(verify(card, board, own=False)) == []

    def test_the_other_place_of_the_spl(self, card: Path, board: Board) -> None:
        data = card.read_bytes()[8192 : 8192 + (1 << 18)]
        patch(card, 8192, bytes(96))
        patch(card, 128 * 1024, data)
        assert own(verify(card)) == []
        one = only(own(verify(card, board)), "sdcard.place", "offset 0x20000")
        assert one.message == "the SPL lies at 0x20000, board cubieboard2 has 0x2000"

    def test_a_size_that_qemu_refuses(self, card: Path, board: Board) -> None:
        with card.open("r+b") as out:
            out.truncate(65 << 20)
        one = only(own(verify(card, board)), "sdcard.size", "card")
        assert one.severity == "warning"
        assert one.hint == f"enlarge a copy: truncate -s {128 << 20} COPY"

    def test_that_boots_from_no_card(self, card: Path) -> None:
        with pytest.raises(ProfileError, match="apu2 boots from no card"):
            verify(card, load("apu2", []))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes are no card"),
        (b"x" * 511, "511 bytes"),
        (b"\x1f\x8b\x08" + bytes(600), "gzip"),
    ],
)
def test_files_that_are_no_card(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "sd.img"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        verify(path)


@pytest.mark.parametrize("name", [".", "nothing"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        verify(tmp_path / name)


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "/dev/null"])
def test_what_has_no_end_is_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="neither a file nor a card"):
        verify(tmp_path / name)


def test_every_rule_has_been_seen_here() -> None:
    text = Path(__file__).read_text()
    assert [rule.id for rule in RULES if f'"{rule.id}"' not in text] == []


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.integers(0, 512),
                st.integers(8192, 8300),
                st.integers(UBOOT, UBOOT + 100),
                st.integers(FAT, FAT + 200000),
                st.integers(EXT4, EXT4 + 200000),
            ),
            st.binary(min_size=1, max_size=64),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_damage_is_findings_or_an_error_of_the_input(
    card: Path, changes: list[tuple[int, bytes]]
) -> None:
    copy = card.with_name("copy.img")
    shutil.copyfile(card, copy)
    for offset, data in changes:
        patch(copy, offset, data)
    try:
        linted = verify(copy)
    except HarnessError as bad:
        assert bad.exit_code == 2  # noqa: PT017 -- either is right
    else:
        assert linted[0].kind == "sdcard"
