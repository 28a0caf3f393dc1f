"""A machine that counts instructions: recorded, replayed, or with a schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.board import load
from harness.build.files import Files
from harness.recording import on_cpus
from harness.target.base import Channel
from harness.target.icount import Icount
from harness.target.paced import PacedChannel
from harness.target.qemu_command import Wiring, paste, qemu_command

FILES = Files(firmware="firmware", xen="xen", kernel="vmlinuz", initrd="initrd.gz")


def command(icount: Icount | None, cpus: int = 1) -> list[str]:
    board = on_cpus(load("apu2"), cpus)
    return qemu_command(
        board,
        "multiboot",
        FILES,
        xen_cmdline=board.xen.cmdline,
        kernel_cmdline=board.dom0.cmdline,
        wiring=Wiring("serial", 4),
        icount=icount,
    )


def test_golden(golden: Callable[[str, str], None]) -> None:
    text = paste(command(Icount()), Path("/run folder/work"))
    golden("qemu-apu2-multiboot-record.txt", text + "\n")


def test_a_card_is_read_through_the_log_and_never_written() -> None:
    argv = qemu_command(
        on_cpus(load("virt-arm64"), 1),
        "sdcard",
        Files(card="sd.img", uboot="uboot", trace="../trace.log"),
        xen_cmdline="",
        kernel_cmdline="",
        wiring=Wiring("serial", 4),
        icount=Icount(),
    )
    drives = [argv[at + 1] for at, word in enumerate(argv) if word == "-drive"]
    assert drives == [
        "if=none,id=image,snapshot=on,format=raw,file=sd.img",
        "if=none,id=card,driver=blkreplay,image=image",
    ]
    assert "virtio-blk-device,drive=card" in argv
    assert "-D" not in argv


def test_the_cards_stay_where_they_are_without_a_network() -> None:
    plain, recorded = command(None, 4), command(Icount())
    assert any("netdev=" in word for word in plain)
    assert not any("netdev" in word for word in recorded)
    places = [word.partition(",mac=")[0].partition(",netdev=")[0] for word in plain]
    assert [word.partition(",mac=")[0] for word in recorded if "mac=" in word] == [
        word for word in places if word.startswith(("e1000e", "vmxnet3"))
    ]


@pytest.mark.parametrize("mode", ["record", "replay"])
def test_a_log_of_any_name_is_one_value(mode: str) -> None:
    words = Icount(3, mode, "a,b").words()  # type: ignore[arg-type]
    assert words == ["-icount", f"shift=3,rr={mode},rrfile=a,,b"]


def test_a_schedule_has_a_clock_of_its_own_and_a_seed() -> None:
    words = Icount(2, "count", seed=17).words()
    assert words[:2] == ["-icount", "shift=2,sleep=off"]
    assert words[-2:] == ["-seed", "17"]
    assert any("clock=vm" in word for word in words)


class Line:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def read(self, size: int, timeout: float) -> bytes:
        del timeout
        return b"x" * min(size, 3)

    def write(self, data: bytes) -> None:
        self.written.append(data)


def test_never_more_at_once_than_half_a_fifo() -> None:
    line = Line()
    channel: Channel = PacedChannel(line, pause=0.0)
    channel.write(b"0123456789abcdefXYZ")
    channel.write(b"!")
    assert line.written == [b"01234567", b"89abcdef", b"XYZ", b"!"]
    assert channel.read(2, 0.0) == b"xx"
