"""Which versions stand between a good one and a bad one."""

from __future__ import annotations

import pytest

from harness.bisecting.candidates import between, of_profile
from harness.errors import UsageError

KNOWN = {"4.14": "bullseye", "4.17": "bookworm", "4.20": "trixie"}


@pytest.mark.parametrize(
    ("good", "bad", "found"),
    [
        (None, None, "abcd"),
        ("b", None, "bcd"),
        (None, "b", "ab"),
        ("c", "a", "cba"),
        ("d", None, ""),
        ("x", None, ""),
        (None, "x", ""),
    ],
)
def test_a_list(good: str | None, bad: str | None, found: str) -> None:
    if found:
        assert between("abcd", good, bad) == tuple(found)
        return
    with pytest.raises(UsageError):
        between("abcd", good, bad)


@pytest.mark.parametrize(("names", "said"), [("a", "1 versions"), ("", "0"), ("aba", "a is in")])
def test_a_list_that_is_none(names: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        between(names, None, None)


@pytest.mark.parametrize(
    ("good", "bad", "found"),
    [
        ("4.14", "4.20", ("4.14", "4.17", "4.20")),
        ("4.20", "4.17", ("4.20", "4.17")),
        ("bullseye", "trixie", ("bullseye", "bookworm", "trixie")),
        ("bookworm", "4.20", ("bookworm", "trixie")),
        ("4.14", "bookworm", ("4.14", "4.17")),
    ],
)
def test_what_a_profile_knows(good: str, bad: str, found: tuple[str, ...]) -> None:
    assert of_profile(KNOWN, "xen", good, bad) == found


@pytest.mark.parametrize(
    ("known", "good", "bad", "said"),
    [
        (KNOWN, None, "4.20", "--good is missing"),
        (KNOWN, "4.14", None, "--bad is missing"),
        (KNOWN, "4.13", "4.20", "--good 4.13: the profile knows no such xen"),
        (KNOWN, "4.14", "sid", "--bad sid"),
        (KNOWN, "4.14", "bullseye", "is the good version and the bad one"),
        ({}, "4.14", "4.20", "knows no versions of xen"),
    ],
)
def test_what_it_does_not_know(
    known: dict[str, str], good: str | None, bad: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        of_profile(known, "xen", good, bad)
