"""What a soak is asked to be; boots follow from seed and number only."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, UsageError
from harness.soak import asking
from harness.soak.plan import Boot, Injection, SoakPlan, Until, differences

PLAN = SoakPlan("apu2", ("--method", "multiboot"), boots=1000, seed=7)
INJECTED = SoakPlan("apu2", boots=1000, seed=7, injection=Injection(0.2, ("ivhd", "mwait")))

names = st.text("abcxyz-0", min_size=1, max_size=8).filter(lambda name: name[0] != "-")
plans = st.builds(
    SoakPlan,
    board=names,
    options=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    boots=st.integers(1, 10_000),
    until=st.none() | st.builds(Until, st.floats(0.001, 0.9), st.floats(0.5, 0.99)),
    hours=st.none() | st.floats(0.01, 100),
    jobs=st.integers(1, 64),
    seed=st.integers(0, 2**64 - 1),
    injection=st.none()
    | st.builds(Injection, st.floats(0, 1), st.lists(names, min_size=1, max_size=3).map(tuple)),
    binaries=st.dictionaries(names, names, max_size=2),
)


def test_a_boot_is_the_same_for_ever() -> None:
    """Changing how seeds are made would make every recorded soak another one."""
    assert PLAN.boot(1) == Boot(1, 4033837294)
    assert PLAN.boot(1000) == Boot(1000, 1951558417)
    assert [INJECTED.boot(n).injected for n in range(1, 13)] == [
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        "ivhd",
    ]


@given(plans, st.integers(1, 10_000))
def test_a_boot_follows_from_seed_and_number_only(plan: SoakPlan, number: int) -> None:
    number = min(number, plan.boots or 1)
    boot = plan.boot(number)
    again = SoakPlan("other", hours=1.0, jobs=9, seed=plan.seed, injection=plan.injection)
    assert again.boot(number) == boot
    assert boot.number == number
    assert 0 <= boot.seed < 2**32
    assert boot.injected is None or (plan.injection and boot.injected in plan.injection.recipes)


def test_seeds_differ() -> None:
    assert len({PLAN.boot(n).seed for n in range(1, 1001)}) == 1000
    other = SoakPlan("apu2", boots=1000, seed=8)
    assert not {PLAN.boot(n).seed for n in range(1, 101)} & {
        other.boot(n).seed for n in range(1, 101)
    }


def test_the_share_of_injected_boots() -> None:
    found = Counter(INJECTED.boot(n).injected for n in range(1, 1001))
    assert 150 < found["ivhd"] + found["mwait"] < 250
    assert abs(found["ivhd"] - found["mwait"]) < 60


@pytest.mark.parametrize(("share", "injected"), [(0.0, {None}), (1.0, {"ivhd"})])
def test_none_and_all_injected(share: float, injected: set[str | None]) -> None:
    plan = SoakPlan("apu2", boots=300, injection=Injection(share, ("ivhd",)))
    assert {plan.boot(n).injected for n in range(1, 301)} == injected


def test_injection_does_not_change_the_seeds() -> None:
    assert [PLAN.boot(n).seed for n in (1, 5, 9)] == [INJECTED.boot(n).seed for n in (1, 5, 9)]


@given(plans)
def test_a_plan_comes_back_from_json(plan: SoakPlan) -> None:
    assert SoakPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert differences(plan, SoakPlan.from_json(plan.to_json())) == []


def test_differences_in_the_words_of_the_options() -> None:
    now = SoakPlan("apu2", (), boots=60, seed=7, injection=Injection(0.2, ("ivhd",)))
    assert differences(PLAN, now) == [
        "options: --method multiboot, now none",
        "--boots: 1000, now 60",
        "--inject: none, now share 0.2, recipes ivhd",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3),
)


@given(st.sampled_from(sorted(PLAN.to_json())), json_values)
def test_a_damaged_plan_is_an_error_or_a_plan(name: str, value: Any) -> None:
    try:
        found = SoakPlan.from_json({**PLAN.to_json(), name: value})
    except InputError:
        return
    assert found.to_json()[name] == value


@given(json_values)
def test_what_is_no_plan(value: Any) -> None:
    with pytest.raises(InputError, match="not the plan of a soak"):
        SoakPlan.from_json(value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"boots": 0},
        {"boots": 10**7},
        {"boots": 1, "jobs": 0},
        {"boots": 1, "seed": -1},
        {"boots": 1, "seed": 2**64},
        {"hours": 0.0},
        {"hours": float("nan")},
        {"hours": float("inf")},
    ],
)
def test_a_plan_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SoakPlan("apu2", **options)


@pytest.mark.parametrize("number", [0, -1, 1001])
def test_a_boot_that_is_not_of_the_soak(number: int) -> None:
    with pytest.raises(UsageError, match="no boot"):
        PLAN.boot(number)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("1/30", (1 / 30, 0.95)),
        ("3%@99%", (0.03, 0.99)),
        ("0.03@95", (0.03, 0.95)),
        ("1/30@0.9", (1 / 30, 0.9)),
    ],
)
def test_until_confident(text: str, asked: tuple[float, float]) -> None:
    assert asking.until_confident(text) == pytest.approx(asked)


@pytest.mark.parametrize(
    "text", ["", "x", "0", "1", "2", "1/0", "3%@", "3%@0", "3%@100", "nan", "-1%"]
)
def test_until_confident_of_what(text: str) -> None:
    with pytest.raises(UsageError):
        asking.until_confident(text)


def test_injection() -> None:
    assert asking.injection("20%:ivhd-length-0, mwait") == (0.2, ("ivhd-length-0", "mwait"))
    assert asking.injection("1/5:x") == (0.2, ("x",))


@pytest.mark.parametrize(
    "text", ["", "20%", "20%:", "x:a", "120%:a", "20%:a,a", "20%:a b", "20%:../a"]
)
def test_injection_of_what(text: str) -> None:
    with pytest.raises(UsageError):
        asking.injection(text)


@given(st.text(max_size=30))
def test_any_text_is_an_option_or_a_usage_error(text: str) -> None:
    for read in (asking.until_confident, asking.injection):
        try:
            read(text)
        except UsageError:
            continue
