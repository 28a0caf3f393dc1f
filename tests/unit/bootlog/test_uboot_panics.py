from __future__ import annotations

import pytest

from harness.bootlog import BootLogParser, Line, Panic, parse_recorded
from harness.bootlog.uboot_panics import MAX_LINES

UBOOT = "U-Boot 2023.01 (Jun 22 2026 - 08:38:07 +0000)"


def panics(*rows: str, banner: str = UBOOT) -> tuple[Panic, ...]:
    return parse_recorded("\n".join((banner, *rows, "")).encode(), "arm").panics


ABORT = (
    "data abort",
    "pc : [<3ff8e6d4>]\t   lr : [<3ff8e6d1>]",
    "reloc pc : [<4a0066d4>]\t   lr : [<4a0066d1>]",
    "sp : 3df56b20  ip : 00000000\t fp : 00000001",
    "r10: 3df5a000  r9 : 3df56ec0\t r8 : 3ffcd0c8",
    "r7 : 00000000  r6 : 00000000\t r5 : 00000003  r4 : 50000000",
    "r3 : 00000000  r2 : 00000000\t r1 : 00000000  r0 : 00000001",
    "Flags: nZCv  IRQs off  FIQs off  Mode SVC_32 (T)",
    "Code: e1a00000 e1a00000 e1a00000 e1a00000 (e5900000)",
    "Resetting CPU ...",
)


def test_a_crash_of_32_bit_u_boot() -> None:
    (panic,) = panics(*ABORT, "", "resetting ...")
    assert (panic.kind, panic.reason) == ("uboot crash", ("data abort",))
    assert panic.rip_address == 0x3FF8E6D4
    assert panic.registers["reloc pc"] == 0x4A0066D4
    assert (panic.registers["lr"], panic.registers["r4"]) == (0x3FF8E6D1, 0x50000000)
    assert len(panic.registers) == 17
    assert (panic.first_line, panic.last_line) == (2, 11)


def test_a_crash_of_64_bit_u_boot() -> None:
    (panic,) = panics(
        '"Synchronous Abort" handler, esr 0x96000004, far 0x10',
        "elr: 0000000000001234 lr : 0000000000005678 (reloc)",
        "elr: 000000007ff81234 lr : 000000007ff85678",
        "x0 : 0000000000000000 x1 : 0000000000000001",
        "x28: 0000000000000000 x29: 000000007df3b4f0",
        "",
        "Code: d503201f (f9400000) ",
        "Resetting CPU ...",
    )
    assert panic.kind == "uboot crash"
    assert panic.rip_address == 0x7FF81234
    assert panic.registers["reloc elr"] == 0x1234
    assert panic.registers["x29"] == 0x7DF3B4F0


@pytest.mark.parametrize(
    "row",
    [
        "### ERROR ### Please RESET the board ###",
        "FDT and ATAGS support not compiled in",
        "FDT creation failed!",
    ],
)
def test_u_boot_gives_up(row: str) -> None:
    (panic,) = panics(row)
    assert (panic.kind, panic.reason, panic.registers) == ("uboot panic", (row,), {})


def test_spl_crashes_too() -> None:
    (panic,) = panics("undefined instruction", banner="U-Boot SPL 2023.01 (x)")
    assert panic.reason == ("undefined instruction",)


@pytest.mark.parametrize(
    "row",
    ["data abort handlers installed", "undefined instruction set", "Bad Magic Number", "fast"],
)
def test_what_is_no_crash(row: str) -> None:
    assert panics(row) == ()


def test_dom0_does_not_speak_for_u_boot() -> None:
    assert panics("(XEN) Xen version 4.17.5", "data abort") == ()
    assert panics("data abort", banner="SeaBIOS (version 1)") == ()


def test_lines_behind_a_dump_do_not_belong_to_it() -> None:
    (panic,) = panics(*ABORT[:4], "Model: x", "r0 : 00000042")
    assert (panic.last_line, "r0" in panic.registers) == (5, False)
    (panic,) = panics(ABORT[0], *["r0 : 00000042"] * (2 * MAX_LINES))
    assert panic.last_line == 2 + MAX_LINES


def test_each_line_of_a_crash_is_an_alarm() -> None:
    parser = BootLogParser()
    parser.feed(Line(UBOOT, None, 1))
    seen = [parser.alarms]
    for number, row in enumerate(ABORT[:3], 2):
        parser.feed(Line(row, None, number))
        seen.append(parser.alarms)
    assert seen == sorted(set(seen))
