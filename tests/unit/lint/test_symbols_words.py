"""The words of a script, and texts with unknown parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.lint.script_parse import parse
from harness.lint.script_run import MAX_STEPS, follow
from harness.lint.script_words import Operator, split_words
from harness.lint.symbols import number, shown, size_of_load, unknown_variable


def texts(script: str) -> list[str]:
    return [
        t.text if isinstance(t, Operator) else "".join(p.text for p in t.parts)
        for t in split_words(script).tokens
    ]


def test_a_comment_begins_only_where_a_word_could() -> None:
    assert texts("setenv a b#c # d\n") == ["setenv", "a", "b#c", ";"]


def test_an_escaped_hash_is_a_word() -> None:
    assert texts("fdt set /chosen \\#address-cells <1>") == [
        "fdt", "set", "/chosen", "#address-cells", "<1>",
    ]  # fmt: skip


def test_quotes_hold_blanks_and_semicolons() -> None:
    assert texts("setenv a \"b; c\" 'd && e'") == ["setenv", "a", "b; c", "d && e"]


def test_a_backslash_at_the_end_of_a_line_joins_it_with_the_next() -> None:
    assert texts("echo a \\\n b") == ["echo", "a", "b"]


def test_lines_are_counted_through_quotes_and_continuations() -> None:
    words = split_words("echo 'a\nb' \\\n c\nbootz 1").tokens
    assert words[-2].line == 4


def test_numbers_of_commands_are_hex_and_those_of_cells_are_c() -> None:
    def none(_: int) -> None:
        return None

    ten = number("10", none)
    assert ten is not None
    assert ten.value == 16
    cell = number("10", none, base=0)
    assert cell is not None
    assert cell.value == 10
    octal = number("010", none, base=0)
    assert octal is not None
    assert octal.value == 8
    assert number("4600zz", none) is None


def test_a_size_is_known_once_its_file_is() -> None:
    text = "0x" + size_of_load(3)
    known = number(text, {3: 99}.get)
    assert known is not None
    assert (known.value, known.load) == (99, 3)
    assert shown(text) == "0x${filesize}"
    assert shown(unknown_variable("devtype")) == "${devtype}"


def test_a_script_of_open_blocks_is_refused_and_ends() -> None:
    assert parse("if true; then " * 5000).problems


def test_loops_inside_loops_end() -> None:
    loop = "for x in a a a a a a a a a a a a; do " * 6 + "echo; " + "done; " * 6
    trace = follow(loop)
    assert [p.code for p in trace.problems] == ["endless"]
    assert str(MAX_STEPS) in trace.problems[0].message


def test_a_variable_that_doubles_itself_ends() -> None:
    trace = follow("setenv a x\n" + "setenv a ${a}${a}\n" * 64 + "load mmc 0 1000 ${a}\n")
    assert len(trace.loads[0].file) < 1 << 18


def test_a_script_that_runs_itself_ends() -> None:
    assert follow("setenv a 'run a; run a'\nrun a").unknown


_ALPHABET = st.sampled_from([*"$\\\"'#;&|<>{}()\n\t =ab0x", "if ", "then ", "fi ", "for ", "do "])


@given(st.lists(_ALPHABET, max_size=60).map("".join))
def test_any_text_is_followed_without_an_error(text: str) -> None:
    follow(text)


@given(st.text(max_size=80))
def test_any_character_is_followed_without_an_error(text: str) -> None:
    follow(f"setenv a {text}\nfdt addr {text}\nload mmc 0 ${{a}} {text}\nbootz {text}")


def test_a_script_of_loads_and_starts_ends() -> None:
    loads = follow("load mmc 0 1000 /a\n" * 10_000)
    assert [p.code for p in loads.problems] == ["endless"]
    assert len(loads.loads) < 1000
    assert len(follow("bootz 1 - 2\n" * 10_000).boots) < 100
