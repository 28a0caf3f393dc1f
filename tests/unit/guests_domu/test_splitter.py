from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guests.splitter import Splitter

BEGIN, END = b"<0a1b2c3d[", b"<0a1b2c3d]"


def split(data: bytes, *cuts: int) -> Splitter:
    splitter = Splitter(BEGIN, END)
    places = [0, *sorted(cuts), len(data)]
    for start, stop in pairwise(places):
        splitter.feed(data[start:stop])
    return splitter


WHOLE = (
    b"\r\n" + BEGIN + b"\r\n"
    b"[    0.0] Linux version 6.1\r\n"
    b"a gue(XEN) d1v0 said something\r\nst row\r\n(XEN) two\r\n(d12) HVM Loader\r\n"
    b"~ # (XE or (d0) or (not" + END + b"0\r\ndom0# "
)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=6))
def test_three_voices_are_told_apart_in_chunks_of_any_size(cuts: list[int]) -> None:
    found = split(WHOLE, *cuts)
    assert bytes(found.guest) == (
        b"[    0.0] Linux version 6.1\r\na guest row\r\n~ # (XE or (d0) or (not"
    )
    assert bytes(found.own) == (
        b"\r\n" + BEGIN + b"\r\n(XEN) d1v0 said something\r\n(XEN) two\r\n"
        b"(d12) HVM Loader\r\n" + END + b"0\r\ndom0# "
    )
    assert (found.state, found.status) == ("after", 0)


def test_every_byte_at_a_time() -> None:
    found = split(WHOLE, *range(len(WHOLE)))
    assert found.status == 0
    assert b"XEN" not in found.guest


def test_what_is_typed_is_not_the_mark_and_neither_is_half_of_it() -> None:
    found = split(b"dom0# echo '<'0a1b''2c3d'['; xl console x\r\n<0a1b2c3d[")
    assert found.state == "before"
    assert not found.guest
    found.feed(b"\r\r\nx")
    assert (found.state, bytes(found.guest)) == ("guest", b"x")


@pytest.mark.parametrize("begin", [b"(", b"(XE", b"(XEN)", b"(d", b"(d1", b"(d12)"])
def test_what_looks_like_a_begin_of_xen_waits_until_nothing_more_comes(begin: bytes) -> None:
    found = split(BEGIN + b"\r\n~ # " + begin)
    assert bytes(found.guest) == b"~ # "
    found.release()
    assert bytes(found.guest) == b"~ # " + begin


def test_the_end_waits_for_its_status() -> None:
    found = split(BEGIN + b"\r\nlast words" + END + b"12")
    found.release()
    assert (found.state, found.status) == ("guest", None)
    found.feed(b"7\r\n")
    assert (found.state, found.status, bytes(found.guest)) == ("after", 127, b"last words")


def test_a_row_of_xen_without_its_end_is_already_xens() -> None:
    found = split(BEGIN + b"\r\nx(XEN) Press any key: 3...")
    assert bytes(found.own).endswith(b"(XEN) Press any key: 3...")
    found.feed(b" 2...\r\ny")
    assert bytes(found.guest) == b"xy"


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_byte_is_lost_or_made_up(chunks: list[bytes]) -> None:
    found = Splitter(BEGIN, END)
    found.feed(BEGIN + b"\r\n")
    for chunk in chunks:
        found.feed(chunk)
    found.release()
    said = sorted(bytes(found.guest) + bytes(found.own))
    held = len(b"".join(chunks)) + len(BEGIN) + 2 - len(said)
    assert held == 0 or re.match(rb"<0a1b2c3d\]", b"".join(chunks)[-held:])


@pytest.mark.parametrize("state", ["before", "guest"])
def test_nothing_is_said_of_an_end_that_did_not_come(state: str) -> None:
    found = Splitter(BEGIN, END)
    found.feed(b"" if state == "before" else BEGIN + b"\n")
    assert (found.state, found.status) == (state, None)
