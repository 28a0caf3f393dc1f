from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.xl import Domain, Vcpu, parse_list, parse_vcpu_list

DATA = Path(__file__).parents[3] / "data/xl/x86-4.17"
HEAD = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
VHEAD = (
    "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n"
)


def test_a_recorded_list() -> None:
    (dom0,) = parse_list((DATA / "list.txt").read_text())
    assert dom0 == Domain("Domain-0", 0, 1024, 4, "r-----", 155.6)
    assert dom0.states == {"running"}


def test_a_recorded_list_with_more() -> None:
    (dom0,) = parse_list((DATA / "list-v.txt").read_text())
    assert dom0.uuid == "00000000-0000-0000-0000-000000000000"
    assert dom0.shutdown_reason == "-"


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (
            "ERIKA_Enterprise                             3    32     1     -b----       0.1",
            Domain("ERIKA_Enterprise", 3, 32, 1, "-b----", 0.1),
        ),
        (
            "two words                                    4   128     2     --p---     100.0",
            Domain("two words", 4, 128, 2, "--p---", 100.0),
        ),
        (
            "(null)                                       5     0     1     --ps-d       0.4",
            Domain("(null)", 5, 0, 1, "--ps-d", 0.4),
        ),
        (
            "a-name-that-is-longer-than-the-forty-columns-of-xl     6   128     1  ------  0.0",
            Domain("a-name-that-is-longer-than-the-forty-columns-of-xl", 6, 128, 1, "------", 0.0),
        ),
    ],
)
def test_rows(row: str, wanted: Domain) -> None:
    noise = "libxl: warning: something\n"
    assert parse_list(noise + HEAD + noise + row + "\n") == (wanted,)


def test_states() -> None:
    (one,) = parse_list(HEAD + "x          5     0     1     --ps-d       0.4\n")
    assert one.states == {"paused", "shutdown", "dying"}


def test_recorded_vcpus() -> None:
    vcpus = parse_vcpu_list((DATA / "vcpu-list.txt").read_text())
    assert vcpus[0] == Vcpu("Domain-0", 0, 0, 0, "r--", 49.7, None, None)
    assert [one.state for one in vcpus] == ["r--", "-b-", "-b-", "-b-"]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (
            "g                                    2     0    1   -b-       0.1  1 / all",
            Vcpu("g", 2, 0, 1, "-b-", 0.1, (1,), None),
        ),
        (
            "g                                    2     1    -   --p       0.0  0,2-3 / none",
            Vcpu("g", 2, 1, None, "--p", 0.0, (0, 2, 3), ()),
        ),
    ],
)
def test_rows_of_vcpus(row: str, wanted: Vcpu) -> None:
    assert parse_vcpu_list(VHEAD + row + "\n") == (wanted,)


@pytest.mark.parametrize("parse", [parse_list, parse_vcpu_list])
def test_what_is_no_table(parse: object) -> None:
    assert callable(parse)
    with pytest.raises(FormatError, match="this is no answer to `xl "):
        parse("bash: xl: command not found")


@given(text=st.text(max_size=300), head=st.sampled_from(["", HEAD, VHEAD]))
def test_any_text_is_parsed_or_refused(text: str, head: str) -> None:
    for parse in (parse_list, parse_vcpu_list):
        try:
            rows = parse(head + text)
        except FormatError:
            continue
        assert isinstance(rows, tuple)


NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,50}", fullmatch=True)


@given(
    st.lists(st.tuples(NAMES, st.integers(0, 32000), st.integers(0, 1 << 20), st.integers(0, 512)))
)
def test_any_domains_of_xl(rows: list[tuple[str, int, int, int]]) -> None:
    # The format of tools/xl/xl_list.c.
    text = HEAD + "".join(
        f"{name:<40} {number:5d} {memory:5d} {vcpus:5d}     -b----  {1.5:8.1f}\n"
        for name, number, memory, vcpus in rows
    )
    assert [(one.name, one.id, one.memory, one.vcpus) for one in parse_list(text)] == rows
