"""QEMU's register dumps: x86 in all its widths, ARM of 32 and 64 bits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.formats.registers import parse_registers

XEN = """
CPU#0
RAX=0000000000000078 RBX=0000000000000030 RCX=0000000000000000 RDX=0000000000000030
RSI=0000000000000010 RDI=0000000000000078 RBP=ffff82c000201f30 RSP=ffff82d04040fd78
R8 =0000000000000000 R9 =0000000000000001 R10=ffff82d040580f00 R11=ffff82d040414097
RIP=ffff82d0403d5d6c RFL=00000206 [-----P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
ES =0000 0000000000000000 00000000 00000000
CS =e008 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]
SS =0000 0000000000000000 ffffffff 00c09300 DPL=0 DS   [-WA]
CR0=80050033 CR2=0000000000000000 CR3=000000007fc6e000 CR4=000000a0
FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80
XMM00=0000000000000000 0000000000000000 XMM01=0000000000000000 0000000000000000

CPU#1
EAX=000f49f6 EBX=00000000 ECX=000002ff EDX=00000001
ESI=00000000 EDI=00000000 EBP=00000000 ESP=00006c5c
EIP=000fd09a EFL=00000006 [-----P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
CS =0008 00000000 ffffffff 00cf9b00 DPL=0 CS32 [-RA]
SS =0010 00000000 ffffffff 00cf9300 DPL=0 DS   [-WA]

CPU#2
EAX=00000000 EBX=00000000 ECX=00000000 EDX=000006f1
ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000100
EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0
CS =f000 ffff0000 0000ffff 00009b00
SS =0100 00001000 0000ffff 00009300
"""
ARM64 = """
CPU#0
 PC=000000000025bf40 X00=00000000deadbeef X01=0000000000000000
X29=00008000fbdcfe20 X30=000000000025bf3c  SP=00008000fbdcfe20
PSTATE=600002c9 -ZC- EL2h     FPCR=00000000 FPSR=00000000
Q00=0000000000000000:0000000000000001 Q01=0000000000000000:0000000000000000
"""
ARM32 = """
CPU#3
R00=00000000 R01=00000001 R02=00000000 R03=00000000
R12=00000000 R13=4000ff00 R14=00210000 R15=0026a3b8
PSR=6000005a -ZC- A hyp32
s00=00000000 s01=00000000 d00=0000000000000000
"""


def test_x86_in_64_32_and_16_bits() -> None:
    wide, middle, narrow = parse_registers(XEN)
    assert (wide.cpu, wide.arch, wide.bits) == (0, "x86", 64)
    assert (wide.pc, wide.sp) == (0xFFFF82D0403D5D6C, 0xFFFF82D04040FD78)
    assert (wide.level, wide.mode, wide.halted, wide.interrupts) == (0, "CPL0", False, True)
    assert wide.values["R9"] == 1
    assert wide.link is None
    assert "XMM00" not in wide.values
    assert (middle.bits, middle.pc, middle.halted, middle.interrupts) == (32, 0xFD09A, True, False)
    # The reset vector: the base of CS counts.
    assert (narrow.bits, narrow.pc, narrow.sp) == (16, 0xFFFFFFF0, 0x1100)


def test_arm() -> None:
    [one] = parse_registers(ARM64)
    assert (one.arch, one.bits, one.pc, one.sp) == ("aarch64", 64, 0x25BF40, 0x8000FBDCFE20)
    assert (one.level, one.mode, one.interrupts, one.link) == (2, "EL2h", False, 0x25BF3C)
    assert one.halted is None
    [one] = parse_registers(ARM32)
    assert (one.cpu, one.arch, one.pc, one.sp, one.link) == (
        3,
        "arm",
        0x26A3B8,
        0x4000FF00,
        0x210000,
    )
    assert (one.level, one.mode, one.interrupts) == (2, "hyp32", True)


def test_line_ends_of_the_monitor_do_not_matter() -> None:
    assert parse_registers(XEN.replace("\n", "\r\n")) == parse_registers(XEN)


def test_a_cpu_without_a_program_counter_is_left_out() -> None:
    assert parse_registers("CPU#0\nRAX=0000000000000078\n") == ()
    assert parse_registers("unknown command: 'info registers'") == ()


@given(st.text(alphabet="CPU#0123456789abcdefRIPXEFLSS =\r\n[]hyp32PSTATEL", max_size=300))
def test_any_text_gives_cpus_or_none(text: str) -> None:
    for one in parse_registers(text):
        assert one.pc >= 0


@given(st.integers(0, len(XEN)))
def test_a_dump_that_is_cut(end: int) -> None:
    whole = parse_registers(XEN)
    cut = parse_registers(XEN[:end])
    assert len(cut) <= 3
    assert [one.cpu for one in cut[:-1]] == [one.cpu for one in whole[: max(0, len(cut) - 1)]]
