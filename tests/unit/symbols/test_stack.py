"""Calls in machine code, and callers from a stack in which old words lie about."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.symbols import Code, Symbol, SymbolTable, call_before, callers, is_wait
from harness.symbols.calls import jumps_to

OUTER, MIDDLE, INNER, OTHER = 0x1000, 0x1100, 0x1200, 0x1300
TABLE = SymbolTable(
    [
        Symbol(OUTER, "outer"),
        Symbol(MIDDLE, "middle"),
        Symbol(INNER, "inner"),
        Symbol(OTHER, "other"),
    ],
    [(0x1000, 0x1400)],
)


def x86_call(at: int, target: int) -> tuple[int, bytes]:
    return at, b"\xe8" + struct.pack("<i", target - at - 5)


def stack(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}Q", *words)


@pytest.mark.parametrize(
    ("text", "indirect"),
    [
        ("ffd0", True),  # call *%rax
        ("41ffd3", True),  # call *%r11
        ("ff5008", True),  # call *8(%rax)
        ("ff90f0000000", True),  # call *0xf0(%rax)
        ("ff15f0000000", True),  # call *0xf0(%rip)
        ("ff542408", True),  # call *8(%rsp)
        ("ff14c5f0000000", True),  # call *0xf0(,%rax,8)
        ("ffe0", False),  # jmp *%rax
        ("4889c3", False),  # mov
        ("ff", False),
    ],
)
def test_indirect_calls_of_x86(text: str, indirect: bool) -> None:
    data = bytes.fromhex(text)
    found = call_before("x86", Code([(0x2000, data)]), 0x2000 + len(data))
    assert (found is not None) == indirect
    assert found is None or found.target is None


def test_direct_calls() -> None:
    found = call_before("x86", Code([x86_call(0x2000, 0x1F00)]), 0x2005)
    assert found is not None
    assert found.target == 0x1F00
    # As assembled by GNU as: bl .-0x10; blr x2
    code = Code([(0x2000, bytes.fromhex("fcffff9740003fd6"))])
    first, second = (call_before("aarch64", code, at) for at in (0x2004, 0x2008))
    assert first is not None
    assert second is not None
    assert (first.target, second.target) == (0x1FF0, None)
    # bl .-0x10; blx r2
    code = Code([(0x2000, bytes.fromhex("faffffeb32ff2fe1"))])
    first, second = (call_before("arm", code, at) for at in (0x2004, 0x2008))
    assert first is not None
    assert second is not None
    assert (first.target, second.target) == (0x1FF0, None)


def test_instructions_that_sleep() -> None:
    assert is_wait("x86", Code([(0, b"\xf4")]), 1)
    assert is_wait("aarch64", Code([(0, bytes.fromhex("7f2003d5"))]), 4)
    assert not is_wait("aarch64", Code([(0, bytes.fromhex("5f2003d5"))]), 4)  # wfe
    assert is_wait("arm", Code([(0, bytes.fromhex("03f020e3"))]), 4)
    assert not is_wait("arm", Code(()), 4)


def test_callers_are_told_from_old_words() -> None:
    code = Code([x86_call(0x1010, MIDDLE), x86_call(0x1120, INNER), x86_call(0x1310, OTHER)])
    # A pointer to a function, data, and the return address of a call that is long over.
    words = stack(MIDDLE, 7, 0x1315, 0x1125, 0xDEAD, 0x1315, 0x1015)
    found = callers(TABLE, code, "x86", INNER + 4, words)
    assert [(one.name, one.address, one.sure) for one in found] == [
        ("middle", 0x1125, True),
        ("outer", 0x1015, True),
    ]


def test_a_call_through_a_register_is_a_guess() -> None:
    code = Code([x86_call(0x1010, MIDDLE), (0x1120, b"\xff\xd0"), x86_call(0x1310, OTHER)])
    found = callers(TABLE, code, "x86", INNER + 4, stack(0x1315, 0x1122, 0x1015))
    assert [(one.name, one.sure) for one in found] == [("middle", False), ("outer", True)]


def test_a_tail_call_is_followed() -> None:
    """outer calls middle, which jumps to inner: middle is on no stack."""
    jump = b"\x90\xe9" + struct.pack("<i", INNER - (MIDDLE + 6))
    code = Code([x86_call(0x1010, MIDDLE), (MIDDLE, jump.ljust(0x100, b"\x90"))])
    found = callers(TABLE, code, "x86", INNER + 4, stack(1, 0x1015))
    assert [(one.name, one.sure) for one in found] == [("outer", True)]
    assert jumps_to("x86", code, MIDDLE, MIDDLE + 0x100, INNER)
    assert not jumps_to("x86", code, MIDDLE, MIDDLE + 0x100, OTHER)


def test_the_link_register_is_the_first_caller() -> None:
    def bl(at: int, target: int) -> tuple[int, bytes]:
        return at, struct.pack("<I", 0x94000000 | ((target - at) // 4 & 0x3FFFFFF))

    code = Code([bl(0x1010, MIDDLE), bl(0x1120, INNER)])
    found = callers(TABLE, code, "aarch64", INNER + 4, stack(0x1014), link=0x1124)
    assert [one.name for one in found] == ["middle", "outer"]
    # Saved already: the register and its copy are one frame.
    found = callers(TABLE, code, "aarch64", INNER + 4, stack(0x1124, 0x1014), link=0x1124)
    assert [one.name for one in found] == ["middle", "outer"]


def test_an_unknown_program_counter_has_no_callers() -> None:
    assert callers(TABLE, Code([x86_call(0x1010, MIDDLE)]), "x86", 0x9000, stack(0x1015)) == ()


@given(
    st.sampled_from(["x86", "aarch64", "arm"]),
    st.binary(max_size=200),
    st.binary(max_size=300),
    st.integers(0, 2**64 - 1) | st.integers(0x1000, 0x13FF),
    st.none() | st.integers(0, 2**64 - 1),
)
def test_any_stack_and_any_code(
    arch: str, code: bytes, words: bytes, pc: int, link: int | None
) -> None:
    for one in callers(TABLE, Code([(0x1000, code)]), arch, pc, words, link):
        assert TABLE.is_code(one.address)
