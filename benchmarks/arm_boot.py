"""From power-on to dom0: `harness boot` against the leanest recipe that is known, and a snapshot.

The bare recipe boots the same binaries with a card as one makes it by hand for speed: U-Boot's
environment leads straight to a script which asks nothing and prints nothing, Xen logs little. The
harness boots the card that it makes for anybody: U-Boot finds the script by itself, the script
looks for each file and prints what it made of the device tree, and all that is said is read.

Beside it, the time of a snapshot: to save it, and from the start of an emulator that loads it to
dom0's answer to a command.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.boots import Boot, Stopwatch, bare_boot, harness_boot, in_turn, run
from harness.board import Board
from harness.build.binaries import resolve
from harness.build.card import card_of, initrd_of
from harness.build.files import Files
from harness.build.loader import Piece
from harness.build.sdcard import write_card
from harness.errors import UsageError
from harness.formats import ubootenv, uimage
from harness.request import BootRequest
from harness.session import Session
from harness.snapshot import restored, saved
from harness.sources import Sources
from harness.target.qemu_command import Wiring, qemu_command

BOUND = 1.6
_CARD = "sd.img"
_ENVIRONMENT = {
    "bootdelay": "0",
    "baudrate": "115200",
    "stdin": "serial",
    "stdout": "serial",
    "stderr": "serial",
    "bootcmd": "ext4load mmc 0:2 0x43100000 boot.scr; source 0x43100000",
}
_ENVIRONMENT_SIZE = 0x10000
# For the Allwinner A20 and H3: 1 GiB of RAM at 0x40000000.
SCRIPT = """\
setenv fdt_high 0xffffffff
ext4load mmc 0:2 0x4f000000 board.dtb
fdt addr 0x4f000000
fdt resize 0x2000
fdt set /chosen \\#address-cells <1>
fdt set /chosen \\#size-cells <1>
setenv uart "console=dtuart dtuart=/soc/serial@1c28000"
fdt set /chosen bootargs "${uart} dom0_mem=256M dom0_max_vcpus=1 maxcpus=2"
ext4load mmc 0:2 0x46000000 zImage
fdt mknod /chosen module@0
fdt set /chosen/module@0 compatible "xen,linux-zimage" "xen,multiboot-module"
fdt set /chosen/module@0 reg <0x46000000 0x${filesize}>
fdt set /chosen/module@0 bootargs "console=hvc0 clk_ignore_unused loglevel=4"
ext4load mmc 0:2 0x4a000000 initrd
fdt mknod /chosen module@1
fdt set /chosen/module@1 compatible "xen,linux-initrd" "xen,multiboot-module"
fdt set /chosen/module@1 reg <0x4a000000 0x${filesize}>
ext4load mmc 0:2 0x50000000 xen
bootz 0x50000000 - 0x4f000000
"""


class Pairs:
    """Boots in pairs.

    Args:
        folder: an empty folder for the card and the run folders.
        others: a pair waits a while for others to use no more than this part of the CPUs.

    Raises:
        UsageError: the board does not boot from a card with a loader for Allwinner's boot ROM.
        HarnessError: the binaries cannot be had.
    """

    def __init__(self, request: BootRequest, folder: Path, others: float) -> None:
        self._request = request
        self._others = others
        self._folder = folder / "bare"
        self._folder.mkdir()
        make_card(request, self._folder)
        self._outs = (folder / str(number) for number in count())

    def command(self, wiring: Wiring) -> list[str]:
        """The bare command line."""
        board, how, files = self._request.board, self._request.how, Files(card=_CARD)
        return qemu_command(board, how, files, xen_cmdline="", kernel_cmdline="", wiring=wiring)

    def __call__(self, *, bare_first: bool) -> tuple[Boot, Boot]:
        """A pair: by the harness, and bare.

        Raises:
            HarnessError: one of them did not reach its login.
        """

        def ours() -> Boot:
            return harness_boot(replace(self._request, out=next(self._outs)), with_snapshot)

        def bare() -> Boot:
            return bare_boot(self.command, self._folder)

        return in_turn(ours, bare, bare_first=bare_first, others=self._others)


def with_snapshot(session: Session, watch: Stopwatch) -> Mapping[str, float]:
    """Seconds to save a booted dom0, and to start it again.

    Raises:
        HarnessError: it cannot be saved, or does not start.
    """
    del watch
    with saved(session) as snapshot:
        began = time.monotonic()
        with restored(snapshot):
            started = time.monotonic() - began
    return {"snapshot: save": snapshot.seconds, "snapshot: start to dom0's answer": started}


def make_card(request: BootRequest, folder: Path) -> None:
    """Write the card of the bare recipe to `folder`.

    Raises:
        UsageError: not for this board.
        HarnessError: the binaries cannot be had, or the card cannot be made.
    """
    board = request.board
    if board.boot.card is None or board.boot.card.loader_kib is None or board.arch != "arm":
        raise UsageError(
            f"no bare recipe is known for board {board.name}",
            expected="a board of Allwinner's A20 or H3 that boots from a card",
        )
    binaries = resolve(
        board, request.roles(), request.uses, Sources(offline=request.offline), request.known()
    )
    script = folder / "boot.scr"
    script.write_bytes(uimage.script_image(SCRIPT.encode(), time=0, arch="arm"))
    files = {
        "boot.scr": script,
        "board.dtb": binaries["dtb"].path,
        "zImage": binaries["kernel"].path,
        "initrd": initrd_of(board, binaries["initrd"], folder / "initrd.gz"),
        "xen": binaries["xen"].path,
    }
    loader = Piece("uboot", board.boot.card.loader_kib * 1024, binaries["uboot"].path.read_bytes())
    environment = ubootenv.build(_ENVIRONMENT, size=_ENVIRONMENT_SIZE)
    write_card(folder / _CARD, card_of(board), (loader,), {"uboot.env": environment}, files)


def _pairs(board: Board, folder: Path, options: argparse.Namespace) -> Pairs:
    return Pairs(BootRequest(board=board, offline=options.offline), folder, options.others)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; the exit code."""
    what = "Time from power-on to dom0: the harness, the leanest bare recipe, and a snapshot."
    name = "benchmarks.arm_boot"
    return run(name, what, _pairs, argv, board="cubieboard2", pairs=5, bound=BOUND)


if __name__ == "__main__":
    raise SystemExit(main())
