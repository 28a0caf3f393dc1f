"""Lines without what varies."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.soak.normalise import bare, function, normalised

# What the table of the module says, row by row, with lines that boots have printed.
LINES = [
    ("(XEN) Brought up 4 CPUs", "Brought up # CPUs"),
    ("(XEN) CPU 2 booted.", "CPU # booted."),
    ("(XEN) Bringing up CPU1", "Bringing up CPU#"),
    (
        "(XEN) CPU2: No irq handler for vector e7 (IRQ -2147483648)",
        "CPU#: No irq handler for vector # (IRQ #)",
    ),
    ("(XEN) spurious 8259A interrupt: IRQ7.", "spurious # interrupt: IRQ#."),
    (
        "(XEN) AMD-Vi: IVRS Block: Found type 0x10 flags 0xd1 len 0 id 0x8",
        "AMD-Vi: IVRS Block: Found type # flags # len # id #",
    ),
    ("(XEN) AMD IOMMU 0000:00:01.0: completion wait", "AMD IOMMU PCI: completion wait"),
    ("(XEN) d0v0 Unhandled: vec 14, #PF[0001]", "d#v# Unhandled: vec #, #PF[#]"),
    ("[  105.984604] random: crng init done", "random: crng init done"),
    ("(XEN) [    3.001] Dom0 has maximum 4 VCPUs", "Dom# has maximum # VCPUs"),
    ("(XEN) [2018-07-27 11:02:03.123] Brought up 4 CPUs", "Brought up # CPUs"),
    ("(d1) tick 17", "tick #"),
    ("eth0: link up, 00:0d:b9:43:3f:bc, 10.0.2.15", "eth#: link up, MAC, IP"),
    ("UUID=2f1c6f3e-1d0a-4c1b-9d5e-00112233aabb", "UUID=UUID"),
    ("Sat 2018-07-27 11:02:03", "Sat DATE TIME"),
    ("(XEN) alt table ffff82d040451370 -> ffff82d04045c3ce", "alt table # -> #"),
    ("(XEN) Detected 2301.470 MHz processor.", "Detected # MHz processor."),
    ("apu2 login: ", "apu# login:"),
    ("no number at all, a bad face", "no number at all, a bad face"),
]


@pytest.mark.parametrize(("line", "text"), LINES)
def test_a_line(line: str, text: str) -> None:
    assert normalised(line) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(XEN) CPU 2 booted.", "(XEN) Brought up 4 CPUs"),
        ("(XEN) I/O virtualisation enabled", "(XEN) I/O virtualisation disabled"),
    ],
)
def test_different_words_stay_different(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.text(max_size=300))
def test_any_text_loses_its_digits_and_its_blanks(text: str) -> None:
    found = normalised(text)
    assert not re.search(r"[0-9]", found)
    assert found == " ".join(found.split())


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_do_not_matter(one: int, other: int) -> None:
    line = "(XEN) CPU{0}: vector {1:x} at {0:#x}, -{0}, {0}.5 MHz [{0:016x}] irq{0}"
    texts = [normalised(line.format(n, n % 256)) for n in (one, other)]
    assert texts[0] == texts[1]


def test_a_line_without_end_takes_no_time() -> None:
    assert normalised("a1" * 500_000)
    assert normalised("(XEN) " * 500_000) is not None
    assert normalised("0:" * 500_000)


def test_bare() -> None:
    assert bare("(XEN) [    3.001] Brought up 4 CPUs") == "Brought up 4 CPUs"
    assert bare("(") == "("


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("mwait_idle_with_hints+0xd0/0xe0", "mwait_idle_with_hints"),
        ("arch/x86/domain.c#idle_loop+0xc1/0x130", "idle_loop"),
        ("do_idle.constprop.0+0x1/0x2", "do_idle"),
        ("init.cold", "init"),
        ("smp_call_function", "smp_call_function"),
    ],
)
def test_the_function_of_a_symbol(symbol: str, name: str) -> None:
    assert function(symbol) == name
