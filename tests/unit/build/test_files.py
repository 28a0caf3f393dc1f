from __future__ import annotations

from harness.build.files import Files


def test_every_file_has_its_name_also_modules_and_only_those_that_are() -> None:
    files = Files(xen="xen", dtb="board.dtb", modules=(("vmlinuz", 0x1000), ("initrd.gz", 0x2000)))
    assert list(files.named()) == [
        ("xen", "xen"),
        ("dtb", "board.dtb"),
        ("modules", "vmlinuz"),
        ("modules", "initrd.gz"),
    ]
    assert list(Files().named()) == []
