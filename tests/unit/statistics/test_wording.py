"""Figures as an engineer says them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics import wording
from harness.statistics.binomial import Rate
from harness.statistics.comparing import compare
from harness.statistics.sequential import StoppingRule
from harness.statistics.timing import stage_times


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0"),
        (0.29, "29"),
        (0.2036, "20"),
        (0.0362, "3.6"),
        (0.00084, "0.084"),
        (0.0995, "10"),
        (0.00996, "1.0"),
        (0.5, "50"),
        (0.9, "90"),
        (0.996, "99.60"),
        (0.99995, "99.9950"),
        (1, "100"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert wording.percent(share) == text


@given(st.floats(0, 1 - 1e-9) | st.just(1.0))
def test_percent_is_near_and_never_rounds_to_an_end(share: float) -> None:
    text = wording.percent(share)
    assert abs(float(text) - 100 * share) <= 0.5
    assert (text == "100") <= (100 * share == 100)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "p = 1"),
        (0.634, "p = 0.63"),
        (0.034, "p = 0.034"),
        (0.0036, "p = 0.0036"),
        (0.0009, "p < 0.001"),
        (3.4e-10, "p < 1e-9"),
        (1e-9, "p < 1e-8"),
        (0.0, "p < 1e-99"),
    ],
)
def test_p_value(p: float, text: str) -> None:
    assert wording.p_value(p) == text


@given(st.floats(0, 0.00099))
def test_a_p_value_is_below_what_is_said(p: float) -> None:
    assert p < float(wording.p_value(p).removeprefix("p < "))


def test_the_sentence_on_a_fix() -> None:
    said = wording.compared(compare(Rate(29, 100), Rate(0, 100)))
    assert said == "the fix lowers 29 % [20, 39] to 0 % [0, 3.6]; p < 1e-9"


def test_the_sentence_on_a_change_that_harms() -> None:
    said = wording.compared(compare(Rate(0, 100), Rate(5, 50)), "version 4.17.7")
    assert said == "version 4.17.7 raises 0 % [0, 3.6] to 10 % [3.3, 22]; p = 0.0036"


def test_too_few_clean_boots() -> None:
    said = wording.compared(compare(Rate(1, 30), Rate(0, 12)))
    assert said.startswith("12 clean boots say nothing yet: 89 needed")
    assert "about 570 boots" in said


def test_clean_boots_against_a_rate_that_is_itself_uncertain() -> None:
    said = wording.compared(compare(Rate(1, 30), Rate(0, 95)))
    assert "exclude a rate of 3.3 %" in said
    assert "but 1 of 30 is itself uncertain, [0.084, 17]" in said
    assert "lowers" not in said


def test_no_difference() -> None:
    said = wording.compared(compare(Rate(29, 100), Rate(25, 100)))
    assert said.startswith(
        "no difference shown: 29 % [20, 39] before, 25 % [17, 35] after; p = 0.63"
    )


def test_nothing_to_compare() -> None:
    assert "no boots after" in wording.compared(compare(Rate(1, 2), Rate(0, 0)))
    assert "no boots before" in wording.compared(compare(Rate(0, 0), Rate(0, 3)))
    assert wording.difference(compare(Rate(0, 0), Rate(0, 3))) == "unknown"


def test_every_boot_failed_before() -> None:
    assert "19 boots" in wording.compared(compare(Rate(1, 1), Rate(0, 1)))


def test_the_size_of_an_effect() -> None:
    said = wording.difference(compare(Rate(29, 100), Rate(0, 100)))
    assert said == "-29 points [-39, -20]; odds ratio 0 [0, 0.1]"
    assert "infinite" in wording.difference(compare(Rate(0, 100), Rate(5, 50)))
    assert wording.difference(compare(Rate(0, 9), Rate(0, 9))).startswith("0 points [")


def test_clean_so_far() -> None:
    assert wording.clean_so_far(12, 1 / 30) == "12 clean boots say nothing yet: 89 needed"
    assert wording.clean_so_far(1, 1 / 30) == "1 clean boot says nothing yet: 89 needed"
    assert wording.clean_so_far(89, 1 / 30) == "89 clean boots exclude a rate of 3.3 % (95 %)"


def test_measured() -> None:
    assert wording.measured(Rate(29, 100)) == "29 of 100 boots failed: 29 % [20, 39]"
    said = wording.measured(Rate(0, 100))
    assert said == "none of 100 boots failed: the rate is at most 2.95 % (95 %, one-sided)"
    assert wording.measured(Rate(0, 0)) == "no boots yet"


@pytest.mark.parametrize(
    ("boots", "text"),
    [
        ([], "no boots yet: 89 clean ones needed"),
        ([False] * 12, "12 clean boots say nothing yet: 89 needed"),
        (
            [False] * 89,
            "the rate is below 3.3 % (95 %, one-sided): 0 of 89 boots failed, 0 % [0, 4.1]",
        ),
        (
            [True] * 2,
            "the rate is above 3.3 % (95 %, one-sided): 2 of 2 boots failed, 100 % [16, 100]",
        ),
    ],
)
def test_decided(boots: list[bool], text: str) -> None:
    rule = StoppingRule(1 / 30)
    assert wording.decided(rule, rule.decide(boots)) == text


def test_not_decided_yet() -> None:
    rule = StoppingRule(1 / 30)
    said = wording.decided(rule, rule.decide([False] * 30 + [True]))
    assert said.startswith("not decided yet: 1 of 31 boots failed, 3.2 % [")


def test_the_line_of_a_stage() -> None:
    boots = {number: {"smp": 1 + 0.01 * number} for number in range(1, 21)}
    (found,) = stage_times({**boots, 21: {"smp": 9.0}})
    line = wording.stage_time(found)
    assert line.startswith("smp: 1.11 s (1.02 to 1.2); 1 outlier: boot 21 9 s")
    assert "; slower with time: +0.01 s per boot" in line
    assert "slower" not in wording.stage_time(stage_times({1: {"smp": 1.0}})[0])
