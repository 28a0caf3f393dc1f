"""The lines of a journal: what is read is what was written, wherever the writer was killed."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import FormatError, InputError
from harness.soak.lines import FORMAT, Contents, first_line, line, parse
from harness.soak.outcome import Outcome, boot_of
from harness.soak.plan import Boot, SoakPlan

PLAN = SoakPlan("apu2", boots=5, seed=1)


def outcome(number: int, verdict: str = "PASS") -> Outcome:
    result = {"verdict": verdict, "stage": "smp", "last_line": "ä", "seconds": 1, "stages": {}}
    return Outcome.of(PLAN.boot(number), result)


def started(number: int, at: float) -> bytes:
    boot = PLAN.boot(number)
    value = {"boot": boot.number, "seed": boot.seed, "injected": boot.injected}
    return line("started", value, at)


LINES = [
    first_line(PLAN),
    line("session", 1, 100.0),
    started(1, 101.0),
    started(2, 101.5),
    line("finished", outcome(2).to_json(), 130.0),
    line("finished", outcome(1, "HUNG").to_json(), 200.0),
    started(3, 200.5),
]
JOURNAL = b"".join(LINES)


def test_what_a_journal_says() -> None:
    found = parse(JOURNAL)
    assert found.plan == PLAN
    assert found.attempts == {1: 1, 2: 1, 3: 1}
    assert found.outcomes == {1: outcome(1, "HUNG"), 2: outcome(2)}
    assert list(found.outcomes) == [1, 2]
    assert found.unfinished == (3,)
    assert list(found.to_do()) == [3, 4, 5]
    assert (found.sessions, found.seconds, found.ended) == (1, 100.5, None)
    assert (found.length, found.torn, found.repeated) == (len(JOURNAL), 0, 0)


def test_killed_at_any_byte() -> None:
    """Whole lines count, the torn one never happened, and what follows can be cut off."""
    for size in range(len(LINES[0]), len(JOURNAL)):
        found = parse(JOURNAL[:size])
        whole = JOURNAL[:size].count(b"\n")
        assert found.length == sum(map(len, LINES[:whole]))
        assert found.torn == size - found.length
        assert parse(JOURNAL[: found.length]).outcomes == found.outcomes
        assert set(found.outcomes) == ({1, 2} if whole > 5 else {2} if whole > 4 else set())


def test_time_between_sessions_is_not_counted() -> None:
    again = JOURNAL + line("session", 2, 9000.0) + started(3, 9001.0)
    found = parse(again)
    assert found.sessions == 2
    assert found.seconds == 101.5
    assert found.attempts[3] == 2


def test_a_clock_that_is_set_back_takes_no_time_away() -> None:
    assert parse(JOURNAL + line("ended", "done", 50.0)).seconds == 100.5


def test_the_end_of_a_soak_and_of_its_end() -> None:
    ended = JOURNAL + line("ended", "interrupted", 210.0)
    assert parse(ended).ended == "interrupted"
    assert parse(ended + line("session", 2, 300.0)).ended is None


def test_a_boot_counts_once() -> None:
    second = line("finished", outcome(2, "HUNG").to_json(), 300.0)
    found = parse(JOURNAL + second)
    assert found.outcomes[2] == outcome(2)
    assert found.repeated == 1


def test_a_line_without_its_bytes_at_the_end_never_happened() -> None:
    """What a file system may leave after a power cut."""
    found = parse(JOURNAL + bytes(50) + b"\n")
    assert found.length == len(JOURNAL)
    assert found.torn == 51


def test_a_damaged_line_in_the_middle_is_an_error_with_its_place() -> None:
    damaged = JOURNAL.replace(LINES[3], b"x" * (len(LINES[3]) - 1) + b"\n")
    with pytest.raises(FormatError, match="line 4 is damaged") as bad:
        parse(damaged, "j")
    assert bad.value.offset == sum(map(len, LINES[:3]))
    assert "cut the file there" in str(bad.value)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (LINES[0][:-1], "empty, or torn"),
        (b"hello\n", "not the journal"),
        (b"[]\n", "not the journal"),
        (b'{"soak": 1}\n', "not the journal"),
        (b'{"soak": "harness-soak/9"}\n', "a journal of format 'harness-soak/9'"),
        (b'{"soak": "harness-soak/1"}\n', "not the plan"),
        (b"[" * 100_000 + b"\n", "not the journal"),
    ],
)
def test_what_is_no_journal(data: bytes, what: str) -> None:
    with pytest.raises(FormatError, match=what):
        parse(data)


@given(st.binary(max_size=80), st.integers(0, len(LINES)))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_in_it_are_read_or_refused(junk: bytes, place: int) -> None:
    data = b"".join([*LINES[:place], junk, *LINES[place:]])
    try:
        found = parse(data)
    except FormatError:
        return
    assert set(found.outcomes) <= {1, 2}
    assert found.length + found.torn == len(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3),
)


@given(st.sampled_from(["session", "started", "finished", "ended", "later"]), json_values)
def test_any_value_in_a_line(kind: str, value: object) -> None:
    row = json.dumps({kind: value, "at": 1.0}).encode() + b"\n"
    refused = ""
    try:
        parse(JOURNAL + row + LINES[1])
    except FormatError as bad:
        refused = bad.message
    assert not refused or (kind in {"started", "finished"} and "line 8 is damaged" in refused)


def test_a_line_of_a_later_version_is_passed_over() -> None:
    assert parse(JOURNAL + b'{"weather": "fine", "at": 201}\n').outcomes.keys() == {1, 2}


def test_without_a_number_of_boots_there_is_always_one_to_do() -> None:
    endless = Contents(SoakPlan("apu2", hours=1.0), outcomes={1: outcome(1), 3: outcome(3)})
    numbers = endless.to_do()
    assert [next(numbers) for _ in range(4)] == [2, 4, 5, 6]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"boot": "7", "seed": 1},
        {"boot": True, "seed": 1},
        {"boot": 1, "seed": 1, "injected": 3},
    ],
)
def test_what_is_no_boot(value: dict[str, object]) -> None:
    with pytest.raises(InputError, match="not a boot"):
        boot_of(value)


@given(json_values)
def test_what_is_no_outcome(value: object) -> None:
    with pytest.raises(InputError):
        Outcome.from_json({"boot": 1, "seed": 2, "injected": None, "signature": value})


def test_an_outcome_keeps_what_is_finite() -> None:
    result = {
        "verdict": "PASS",
        "seconds": float("inf"),
        "stages": {"xen": "x"},
        "cause": "c" * 999,
    }
    found = Outcome.of(Boot(1, 2, "ivhd"), result)
    assert (found.seconds, found.stages, len(found.cause)) == (None, {"xen": None}, 500)
    assert Outcome.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found
    assert FORMAT.startswith("harness-soak/")
