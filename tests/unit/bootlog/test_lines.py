from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bootlog.lines import (
    MAX_LINE,
    Line,
    LineAssembler,
    split_glued,
)
from harness.bootlog.prompts import is_prompt
from harness.bootlog.recorded import read_recorded


def assemble(*chunks: bytes) -> tuple[list[str], str, str]:
    """Lines, the unfinished line and the text to match against, for bytes cut like this."""
    assembler = LineAssembler()
    lines: list[str] = []
    shown = ""
    for chunk in chunks:
        lines += [line.text for line in assembler.feed(chunk, None)]
        shown += assembler.last_text
    return lines, assembler.partial, shown


def texts(data: bytes) -> list[str]:
    lines, partial, _ = assemble(data)
    return [*lines, partial] if partial else lines


FRAGMENTS = st.sampled_from(
    [
        *(bytes([byte]) for byte in b"\r\n\b\x07\x00\x1b[]0;2JHfmc\\ ax%"),
        b"\x1b[2J",
        b"\x1b[10;20H",
        b"\x1b[0;1m",
        b"\x1b]0;title\x07",
        b"\x1b]0;t\x1b\\",
        b"\x1bc",
        b"\xc3\xa9",
        b"\xe2\x82",
        b"(XEN) ",
        b"login: [    1.000000] ",
        b"qemu-system-arm: ",
        b"99%\r",
        b"\r\r\n",
    ]
)
NOISE = st.one_of(st.binary(max_size=60), st.lists(FRAGMENTS, max_size=40).map(b"".join))


@given(data=NOISE, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_cut_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(edges)]
    assert assemble(*chunks) == assemble(data)


@given(data=NOISE)
def test_one_byte_at_a_time_gives_the_same_lines(data: bytes) -> None:
    assert assemble(*(data[i : i + 1] for i in range(len(data)))) == assemble(data)


@given(data=NOISE)
def test_no_line_holds_a_control_character(data: bytes) -> None:
    for text in texts(data):
        assert not [char for char in text if ord(char) < 0x20 and char != "\t"]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\nb\r\nc\r\r\nd\r\r\r\n", ["a", "b", "c", "d"]),
        (b"\n\r\n", ["", ""]),
        (b"99%\r ok\n", ["99% ok"]),
        (b"10%\r20%\r\r30%\n", ["10% 20% 30%"]),
        (b"\rfoo\n", ["foo"]),
        (b"http://h/vmlinuz... 99%\b\b\b\b    \b\b\b\b ok\n", ["http://h/vmlinuz... ok"]),
        (b"stop autoboot:  2 \b\b\b 1 \b\b\b 0 \n", ["stop autoboot:  0 "]),
        (b"ab" + b"\b \b" * 2 + b"net0\n", ["net0"]),
        (b"a\n\b\b\bb\n", ["a", "b"]),
        (b"\x00a\x07\x7fb\x01\n", ["ab"]),
        (b"\x1b[0;1miPXE\x1b[0m 1.0\n", ["iPXE 1.0"]),
        (b"\x1b]0;root@apu2: ~\x07root\n", ["root"]),
        (b"\x1b]3008;start=1\x1b\\x\n", ["x"]),
        (b"\x1b(B\x1b7a\x1b=\n", ["a"]),
        (b"\x1b[?7l\x1b[2Ja\x1b[3;1Hb\x1b[4;1f  \x1b[5;1Hc\x1bcd\n", ["a", "b", "c", "d"]),
        (b"a\x1b[Kb\x1b[Jc\n", ["abc"]),
        (b"\xff\xc3\xa9\n", ["\N{REPLACEMENT CHARACTER}é"]),
        (b"\x1b[3\nx\n", ["[3", "x"]),
        (b"\x1b]never ends\nx\n", ["]never ends", "x"]),
        (b"/ # \x1b[6n", ["/ # "]),
    ],
)
def test_what_a_line_is(data: bytes, lines: list[str]) -> None:
    assert texts(data) == lines


def test_a_sequence_may_be_cut_anywhere() -> None:
    for data in (b"\x1b]0;title\x1b\\x\n", b"\x1b[0;41;1mx\n", b"\x1b(Bx\n"):
        for cut in range(len(data)):
            assert assemble(data[:cut], data[cut:])[0] == ["x"]


def test_an_endless_sequence_is_given_up_as_text() -> None:
    assert texts(b"\x1b[" + b"1" * 500) == ["[" + "1" * 500]
    assert texts(b"\x1b[" + b"1" * 30) == []
    assert texts(b"\x1b]" + b"x" * 5000) == ["]" + "x" * 5000]


def test_an_endless_line_is_ended_by_force() -> None:
    lines, partial, _ = assemble(b"x" * (MAX_LINE + 1))
    assert (lines, partial) == (["x" * MAX_LINE], "x")
    lines, partial, _ = assemble(b"a\n" + b"x" * (2 * MAX_LINE) + b"\nb\n")
    assert (lines, partial) == (["a", "x" * MAX_LINE, "x" * MAX_LINE, "b"], "")
    assert assemble(b"x" * MAX_LINE, b"y\n")[0] == ["x" * MAX_LINE, "y"]


def test_erasing_a_long_line_keeps_what_is_in_front() -> None:
    assert texts(b"y" * 3000 + b"\b" * 1700 + b"!\n") == ["y" * 1300 + "!"]
    full = b"x" * MAX_LINE + b"\b" * 10 + b"y" * 10
    assert texts(full) == ["x" * (MAX_LINE - 10) + "y" * 10]  # what is erased does not count
    assert texts(b"y" * 30 + b"\b" * 1700 + b"!\n") == ["!"]


def test_the_text_to_match_has_line_ends_and_backspaces() -> None:
    assert assemble(b"a\r\r\n\x1b[0mPress Ctrl-B\b \b\x1b[2;1Hx")[2] == "a\nPress Ctrl-B\b \b\nx"


def test_a_line_is_dated_by_its_first_character_and_counted() -> None:
    assembler = LineAssembler()
    assert assembler.feed(b"(XE", 1.5) == []
    assert assembler.partial == "(XE"
    assert assembler.feed(b"N) a\nb\n", 2.0) == [Line("(XEN) a", 1.5, 1), Line("b", 2.0, 2)]
    assert assembler.feed(b"\n", 3.0) == [Line("", 3.0, 3)]
    assert assembler.feed(b"(", 4.0) == []
    assert assembler.flush() == [Line("(", 4.0, 4)]
    assert assembler.flush() == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("3... 2... 1... (XEN) *** Serial", ["3... 2... 1... ", "(XEN) *** Serial"]),
        (
            "[    1.0] Xen version: 4.20 (preserve-AD)(XEN) uart interrupt",
            ["[    1.0] Xen version: 4.20 (preserve-AD)", "(XEN) uart interrupt"],
        ),
        ("(XEN) a(XEN) b(XEN) c", ["(XEN) a", "(XEN) b", "(XEN) c"]),
        ("/ # qemu-system-x86_64: terminating", ["/ # ", "qemu-system-x86_64: terminating"]),
        ("/ # [  105.984604] random: done", ["/ # ", "[  105.984604] random: done"]),
        ("apu2 login: [   31.000001] x", ["apu2 login: ", "[   31.000001] x"]),
        ("(XEN) plain", ["(XEN) plain"]),
        ("# grep '(XEN) ' log", ["# grep '(XEN) ' log"]),
        ("qemu-system-arm: warning", ["qemu-system-arm: warning"]),
        ("", [""]),
    ],
)
def test_glued_lines_come_apart(text: str, pieces: list[str]) -> None:
    assert split_glued(text) == pieces
    assert assemble(text.encode() + b"\n")[0] == pieces
    assert assemble(b"first\n" + text.encode() + b"\n")[0] == ["first", *pieces]


def test_a_recorded_log_keeps_the_numbers_of_its_file() -> None:
    log = read_recorded(b"a\nb(XEN) c\n\x1b[1;1Hd\x1b[2;1He\nf")
    assert [(line.number, line.text) for line in log.lines] == [
        (1, "a"),
        (2, "b"),
        (2, "(XEN) c"),
        (3, "d"),
        (3, "e"),
    ]
    assert log.partial == "f"
    assert log.ends_mid_line
    assert not log.has_times


def test_a_column_of_host_times_is_taken_as_such() -> None:
    log = read_recorded(
        b"    0.150 \n    0.190 U-Boot SPL 2023.01\n   12.300   indented\nno stamp\n" * 20
        + b"   99.000 / # "
    )
    assert not log.has_times  # a quarter of the lines has none: these are not host times
    log = read_recorded(b"    0.150 \n    0.190 U-Boot SPL\n   12.300   x\n   99.001 / # ")
    assert log.has_times
    assert log.lines == (
        Line("", 0.15, 1),
        Line("U-Boot SPL", 0.19, 2),
        Line("  x", 12.3, 3),
    )
    assert (log.partial, log.partial_at, log.ends_mid_line) == ("/ # ", 99.001, False)


def test_a_line_without_host_time_came_with_the_one_before_it() -> None:
    stamped = b"".join(b"%9.3f text\n" % second for second in range(50))
    log = read_recorded(stamped + b"END done\n")
    assert log.lines[-1] == Line("END done", 49.0, 51)


def test_a_file_that_ends_with_a_line_end_has_no_partial_line() -> None:
    log = read_recorded(b"(XEN) a\r\n")
    assert (log.partial, log.ends_mid_line) == ("", False)
    assert read_recorded(b"").lines == ()


@given(data=NOISE)
def test_a_recorded_log_is_what_the_assembler_says(data: bytes) -> None:
    log = read_recorded(data)
    lines, partial, _ = assemble(data)
    if not log.has_times:
        assert [line.text for line in log.lines] == lines
        assert log.partial == partial


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("apu2 login: ", "login"),
        ("Password: ", "password"),
        ("iPXE> ", "ipxe"),
        ("=> ", "uboot"),
        ("/ # ", "shell"),
        ("# ", "shell"),
        ("~ # ", "shell"),
        ("root@apu2:~# ", "shell"),
        ("user@apu2:/var/log$ ", "shell"),
        ("(initramfs) # ", "rescue"),
        ("(initramfs) ", "rescue"),
        ("grub rescue> ", "rescue"),
        ("grub> ", "rescue"),
        ("(or press Control-D to continue): ", "rescue"),
        ("apu2:~# ", "shell"),
        ("localhost:~# ", "shell"),
        ("[root@apu2 ~]# ", "shell"),
        ("/etc/xen # ", "shell"),
        ("dom0# ", "shell"),
        ("root@apu2:~#", "shell"),
        (" #", None),
        ("/foo #", None),
        ("a@b:c$", None),
        ("/dev/sda1 # ", None),
        ("installing $ ", None),
        ("No login: ", None),
        ("bash-5.2# ", "shell"),
        ("Last login: ", None),
        ("(", None),
        ("(XEN) Manu", None),
        ("#", None),
        ("", None),
        ("## Executing script at", None),
        ("@" * 300, None),
    ],
)
def test_prompts_are_known_by_name(text: str, name: str | None) -> None:
    assert is_prompt(text) == name
