"""What a replay prints, against what was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.recording.rerun import Difference, Rerun, difference, shown
from harness.recording.telling import rerun_text


@given(said=st.binary(max_size=300), cut=st.integers(0, 300))
def test_a_beginning_is_no_difference_until_the_end(said: bytes, cut: int) -> None:
    came = said[:cut]
    assert difference(said, came, ended=False) is None
    found = difference(said, came, ended=True)
    if len(came) == len(said):
        assert found is None
    else:
        assert found
        assert (found.offset, found.replayed) == (len(came), b"")
        assert said.startswith(found.recorded, found.offset)


@given(
    said=st.binary(min_size=1, max_size=300), at=st.integers(0, 299), more=st.binary(max_size=300)
)
def test_the_first_byte_is_found(said: bytes, at: int, more: bytes) -> None:
    at %= len(said)
    came = said[:at] + bytes([said[at] ^ 0x20]) + more
    for ended in (True, False):
        found = difference(said, came, ended=ended)
        assert found
        assert found.offset == at
        assert said[:at].endswith(found.before)
        assert came[at:].startswith(found.replayed)


def test_more_than_was_recorded_is_a_difference() -> None:
    assert difference(b"ab", b"abc", ended=False) == Difference(2, b"ab", b"", b"c")


@pytest.mark.parametrize(
    ("data", "text"), [(b"a\r\n", r"a\r\n"), (b"\x1b[6n\xff", r"\x1b[6n\\xff"), (b"", "")]
)
def test_bytes_that_can_be_printed(data: bytes, text: str) -> None:
    assert shown(data) == text


def done(found: Difference | None, *, whole: bool = True, why: str = "") -> Rerun:
    return Rerun(10, 5, found, whole, 1000, 1.5, "7.2", b"", why, ("a note",))


def test_the_outcome_comes_first() -> None:
    run = Path("/runs/one")
    assert rerun_text(done(None), run, None).startswith("identical: 10 bytes")
    found = Difference(3, b"abc", b"d\r", b"")
    said = rerun_text(done(found, whole=False), run, run / "x").splitlines()
    assert said[0].startswith("different at byte 3 of 10")
    assert said[1:4] == ["  both      abc", r"  recorded  d\r", "  replayed  (nothing more)"]
    assert "  note      a note" in said
    stuck = rerun_text(done(None, whole=False, why="it stands still"), run, None)
    assert stuck.startswith("not replayed to its end: 5 of 10 bytes")
    assert "it stands still" in stuck
    assert all("emulated" in text for text in (stuck, "\n".join(said)))


def test_only_a_whole_one_is_identical() -> None:
    assert done(None).identical
    assert not done(None, whole=False).identical
    assert not done(Difference(0, b"", b"a", b"b")).identical
    assert done(None).to_json()["first_difference"] is None
