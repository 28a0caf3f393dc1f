from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.board import load
from harness.build.files import ROOT_TAG, Files
from harness.target.qemu_command import Wiring, paste, qemu_command

FILES = Files(firmware="firmware", xen="xen", kernel="vmlinuz", initrd="initrd.gz", root_9p="root")


def command(name: str, method: str, files: Files) -> list[str]:
    board = load(name)
    line = board.dom0.cmdline
    return qemu_command(
        board, method, files, xen_cmdline="", kernel_cmdline=line, wiring=Wiring("serial", 4)
    )


def test_golden(golden: Callable[[str, str], None]) -> None:
    text = paste(command("apu2", "multiboot", FILES), Path("/run folder/work"))
    golden("qemu-apu2-multiboot-9p.txt", text + "\n")


def test_the_root_is_read_only_under_its_tag() -> None:
    argv = command("apu2", "multiboot", replace(FILES, root_9p="a,b"))
    (folder,) = [word for word in argv if word.startswith("local,")]
    assert "readonly=on" in folder.split(",")
    assert "path=a,,b," in folder
    device = f"virtio-9p-pci,bus=pcie.0,addr=3.0,fsdev=root,mount_tag={ROOT_TAG}"
    assert device in argv
    # After the devices of the board: the IOMMU takes the first free slot.
    assert argv.index(folder) > argv.index("amd-iommu,intremap=on")


def test_without_pci_it_is_on_the_bus_of_the_machine() -> None:
    argv = command("virt-arm64", "sdcard", Files(card="sd.img", root_9p="root"))
    assert "virtio-9p-device,fsdev=root,mount_tag=root" in argv


def test_without_a_folder_there_is_no_device() -> None:
    argv = command("apu2", "multiboot", replace(FILES, root_9p=None))
    assert "-fsdev" not in argv
