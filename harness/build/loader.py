"""SPL and U-Boot on a card: where the pieces lie, and that each is what belongs there.

Sources: U-Boot doc/board/allwinner/sunxi.rst; `harness.formats.egon` for the boot ROM's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import InputError, ProfileError
from harness.formats import egon, mbr


@dataclass(frozen=True)
class Piece:
    """A part of the loader: a file that lies at a fixed place of the card.

    Args:
        name: of its file, for messages.
        offset: in bytes from the start of the card.
    """

    name: str
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset of the first byte behind it."""
        return self.offset + len(self.data)


def check_places(pieces: Sequence[Piece], table: mbr.Table) -> None:
    """Nothing of the loader lies over the partition table, a partition or another piece.

    Raises:
        ProfileError: it does; both ends are named.
    """
    first = min((part.start for part in table.partitions if part.used), default=None)
    in_order = sorted(pieces, key=lambda piece: piece.offset)
    for index, piece in enumerate(in_order):
        if piece.offset < mbr.SECTOR_SIZE:
            raise ProfileError(
                f"{piece.name} begins at {piece.offset:#x}, in the partition table",
                where="boot.card.loader_kib",
            )
        limits = [(other.offset, other.name) for other in in_order[index + 1 :]]
        if first is not None:
            limits.append((first * mbr.SECTOR_SIZE, "the first partition"))
        end, what = min(limits, default=(piece.end, ""))
        if piece.end > end:
            room = max(0, end - piece.offset)
            raise ProfileError(
                f"{piece.name} at {piece.offset:#x} ends at {piece.end:#x}, and {what} begins at"
                f" {end:#x}",
                where="boot.card.loader_kib",
                expected=f"at most {room} bytes; it has {len(piece.data)}",
            )


def check_kinds(pieces: Sequence[Piece]) -> None:
    """What lies where Allwinner's boot ROM looks is an SPL, and only that.

    Other chips have other places and other headers; of those nothing is said.

    Raises:
        InputError: U-Boot proper without an SPL before it, or an SPL where U-Boot proper belongs.
    """
    if not pieces or pieces[0].offset not in egon.CARD_OFFSETS:
        return
    first = pieces[0]
    if not egon.is_spl(first.data):
        what = "U-Boot without an SPL" if egon.identify(first.data) else "no SPL"
        raise InputError(
            f"{what}: the boot ROM looks for the magic eGON.BT0 at {first.offset:#x}",
            where=first.name,
            hint="--use uboot=u-boot-sunxi-with-spl.bin, or both --use spl=sunxi-spl.bin and"
            " --use uboot=u-boot.img",
        )
    for piece in pieces[1:]:
        if egon.is_spl(piece.data):
            raise InputError(
                f"it begins with an SPL, and {first.name} is one already",
                where=piece.name,
                expected=f"U-Boot alone (u-boot.img) at {piece.offset:#x}",
                hint="add --use uboot=u-boot.img, or leave out --use spl=...",
            )
