"""The options of a soak that are text: what shares, rates and injections are written like."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from harness.errors import UsageError
from harness.statistics.binomial import CONFIDENCE, checked_confidence, checked_rate

_NUMBER = r"\d{1,12}(?:\.\d{1,12})?"
_SHARE = re.compile(rf"({_NUMBER})(?:\s*(%)|/({_NUMBER}))?")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


def share(text: str, what: str) -> float:
    """A share of 1: "0.03", "3%", "1/30".

    Raises:
        UsageError: it is none, or not between 0 and 1.
    """
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{what} {text!r} is no share", expected="0.03, 3% or 1/30")
    value = Fraction(match[1])
    if match[2]:
        value /= 100
    elif match[3]:
        below = Fraction(match[3])
        if not below:
            raise UsageError(f"{what} {text!r} divides by 0", expected="0.03, 3% or 1/30")
        value /= below
    if not 0 <= value <= 1:
        raise UsageError(f"{what} {text!r} is {float(value):g}", expected="between 0 and 1")
    return float(value)


def until_confident(text: str) -> tuple[float, float]:
    """RATE[@CONFIDENCE]: "1/30", "3%@99%", "1/30@95"; a confidence above 1 is percent.

    Returns:
        Rate and confidence, both between 0 and 1.

    Raises:
        UsageError: it is nothing of the kind.
    """
    rate, at, confidence = text.partition("@")
    found = checked_rate(share(rate, "rate"))
    if not at:
        return found, CONFIDENCE
    bare = re.fullmatch(_NUMBER, confidence.strip())
    percent = bare is not None and 1 < float(confidence) < 100
    return found, checked_confidence(
        share(f"{confidence}%" if percent else confidence, "confidence")
    )


def injection(text: str) -> tuple[float, tuple[str, ...]]:
    """SHARE:RECIPE[,RECIPE ...]: "20%:ivhd-length-0,mwait".

    Returns:
        The share of the boots, and the names of the recipes.

    Raises:
        UsageError: it is nothing of the kind, or names a recipe twice.
    """
    expected = "SHARE:RECIPE[,RECIPE ...], such as 20%:ivhd-length-0"
    part, colon, names = text.partition(":")
    recipes = tuple(name.strip() for name in names.split(","))
    if not colon or not all(_NAME.fullmatch(name) for name in recipes):
        raise UsageError(f"injection {text!r} names no recipe", expected=expected)
    if len(set(recipes)) < len(recipes):
        raise UsageError(f"injection {text!r} names a recipe twice", expected=expected)
    return share(part, "share of injected boots"), recipes


def hours(value: float) -> float:
    """A time limit in hours.

    Raises:
        UsageError: it is not more than 0, or not finite.
    """
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{value!r} hours", expected="more than 0")
    return value
