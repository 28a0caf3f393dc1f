"""Firmware, iPXE and U-Boot: what speaks before Xen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.bootlog import BootLog, parse_recorded
from harness.bootlog.ipxe import IpxeConfiguration, IpxeDownload, IpxeError, IpxeNic

ReadLog = Callable[[str], bytes]


def parse(*rows: str) -> BootLog:
    return parse_recorded("\n".join((*rows, "")).encode())


def test_what_ipxe_said(read_log: ReadLog) -> None:
    log = parse_recorded(read_log("qemu-q35-amd-iommu-xen-4.17.7-dom0.log"))
    ipxe = log.ipxe
    assert log.firmware.seabios == "1.16.2-debian-1.16.2-1"
    assert ipxe.version == "1.0.0+git-20190125.36a4c85-5.1"
    assert "NFS" in ipxe.features
    assert ipxe.nics == (IpxeNic("net0", "52:54:00:12:34:56", "82540em", "0000:00:03.0", "up"),)
    assert ipxe.configurations == (IpxeConfiguration("net0", "52:54:00:12:34:56", True, "ok"),)
    assert ipxe.addresses[0] == ("net0", "10.0.2.15/255.255.255.0 gw 10.0.2.2")
    assert (ipxe.next_server, ipxe.filename) == ("10.0.2.2", "menu.ipxe")
    assert [(download.url, download.ok) for download in ipxe.downloads] == [
        ("tftp://10.0.2.2/menu.ipxe", True),
        ("http://10.0.2.2:8000/xen", True),
        ("http://10.0.2.2:8000/vmlinuz", True),
        ("http://10.0.2.2:8000/initrd.gz", True),
    ]
    assert ipxe.images == ("menu.ipxe : 238 bytes [script]",)
    assert ipxe.errors == ()


def test_a_word_that_the_80_columns_cut_is_joined() -> None:
    url = "http://192.168.42.1:8000/" + "a" * 50 + "/vmlinuz"
    row = url + "... ok"
    log = parse("iPXE initialising devices...ok", row[:80], row[80:], "Next server: 10.0.2.2")
    assert log.ipxe.downloads == (IpxeDownload(url, True, "ok", 2),)
    assert log.ipxe.next_server == "10.0.2.2"
    # a row that is full by chance is not joined with Xen
    log = parse("Filename: " + "x" * 70, "(XEN) Xen version 4.17.7")
    assert log.ipxe.filename == "x" * 70
    assert log.stage == "xen"


@pytest.mark.parametrize(
    ("row", "ok"),
    [
        ("http://10.0.2.2:8000/vmlinuz... ok", True),
        ("http://10.0.2.2:8000/vmlinuz... 99%", None),
        ("http://10.0.2.2:8000/vmlinuz...", None),
        ("http://10.0.2.2:8000/vmlinuz... Connection reset (http://ipxe.org/0f0a6095)", False),
        ("iPXE> http://10.0.2.2:8000/vmlinuz... ok", True),
        ("vmlinuz... ok", True),
    ],
)
def test_how_a_download_ends(row: str, ok: bool | None) -> None:
    (download,) = parse("iPXE initialising devices...ok", row).ipxe.downloads
    assert download.ok is ok
    assert download.url.endswith("vmlinuz")


def test_an_error_of_ipxe_has_its_link() -> None:
    row = "http://10.0.2.2/x... No such file or directory (http://ipxe.org/2d0c613b)"
    log = parse("iPXE initialising devices...ok", row)
    assert log.ipxe.errors == (IpxeError(row, "http://ipxe.org/2d0c613b", 2),)
    assert parse("iPXE 1.0.0+ -- Open Source -- http://ipxe.org").ipxe.errors == ()


def test_a_card_that_got_no_address() -> None:
    log = parse("Configuring (net0 00:0d:b9:43:3f:bc)...... No configuration methods succeeded")
    assert log.ipxe.configurations == (
        IpxeConfiguration("net0", "00:0d:b9:43:3f:bc", False, "No configuration methods succeeded"),
    )


def test_the_banner_of_the_apu2() -> None:
    firmware = parse(
        "PC Engines apu2",
        "coreboot build 20180705",
        "BIOS version v4.6.10",
        "4080 MB ECC DRAM",
        "SeaBIOS (version rel-1.11.0.5-0-g7490c5f)",
    ).firmware
    assert (firmware.board, firmware.coreboot, firmware.bios, firmware.memory) == (
        "PC Engines apu2",
        "20180705",
        "v4.6.10",
        "4080 MB ECC DRAM",
    )
    assert firmware.seabios == "rel-1.11.0.5-0-g7490c5f"


def test_u_boot(read_log: ReadLog) -> None:
    uboot = parse_recorded(read_log("qemu-orangepi-pc-xen-4.17.5-dom0-xl.log")).uboot
    assert uboot.version == uboot.spl_version == "2023.01+dfsg-2+deb12u3"
    assert uboot.build == "Jun 22 2026 - 08:38:07 +0000 Allwinner Technology"
    assert (uboot.model, uboot.dram) == ("Xunlong Orange Pi Plus / Plus 2", "1 GiB")
    assert uboot.loaded_bytes == (1738, 884744, 23405, 5448192, 2432195, 4256)
    assert uboot.script_address == 0x43100000
    assert uboot.starting_kernel


def test_userspace_of_dom0_does_not_speak_for_the_loaders() -> None:
    log = parse("(XEN) Xen version 4.17.7", "/ # ls", "Filename: x", "SeaBIOS", "Model: y")
    assert log.ipxe.filename is None
    assert log.uboot.model is None
