"""xl's configuration files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.lint.xlcfg import parse


def test_texts_numbers_and_lists() -> None:
    config = parse("a = \"x\\n\\x41\"\nb = 0x10; c = [ \"1\",\n  [ 2, '3' ],\n]  # end\nd=''\n")
    assert config.mistakes == ()
    assert [(s.key, s.value, s.line) for s in config.settings] == [
        ("a", "x\nA", 1),
        ("b", "0x10", 2),
        ("c", ("1", ("2", "3")), 2),
        ("d", "", 5),
    ]


def test_the_last_setting_counts() -> None:
    config = parse("a = 1\na = 2")
    assert config.text("a") == "2"
    assert config.text("b") is None


def test_additions_are_marked() -> None:
    assert parse("a = []\na += [1]\n").settings[1].adds


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a = 1\nMemory = 5\n", 2, "lower case"),
        ("a 1\n", 1, "behind a"),
        ("a = b\n", 1, "texts have quotes"),
        ("a = 'b\n", 1, "not closed"),
        ("a = 1 2\n", 1, "one setting"),
        ("a = [1 2]\n", 1, "comma"),
        ("a = [1,\n", 1, "value"),
        ("a = \u201cb\u201d\n", 1, "straight quotes"),
        ('a = "\\q"\n', 1, "backslash"),
        ("a = " + "[" * 50, 1, "value"),
    ],
)
def test_a_mistake_has_its_line(text: str, line: int, word: str) -> None:
    config = parse(text)
    mistake = config.mistakes[0]
    assert mistake.line == line
    assert word in f"{mistake.message} {mistake.hint}"


def test_the_lines_after_a_mistake_are_still_read() -> None:
    assert parse("a = b\nc = 1\n").text("c") == "1"


_PIECES = st.sampled_from(["a", "=", "+=", "[", "]", ",", "'", '"', "\\", "\n", "#", ";", "1", " "])


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_any_text_is_parsed_without_an_error(text: str) -> None:
    parse(text)


@given(st.text(max_size=60))
def test_any_character_is_parsed_without_an_error(text: str) -> None:
    parse(f"a = '{text}'\n{text}")
