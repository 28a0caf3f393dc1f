"""Figures in the words of an engineer, rounded as he would: "29 % [20, 39]", "p < 1e-9"."""

from __future__ import annotations

import math

from harness.statistics.binomial import CONFIDENCE, Interval, Rate, clean_boots_to_exclude
from harness.statistics.comparing import Comparison, boots_to_decide
from harness.statistics.sequential import Decision, StoppingRule
from harness.statistics.timing import StageTimes, direction


def percent(share: float, digits: int = 2) -> str:
    """A share of 1 as percent, without the sign: "29", "3.6", "0.084", "100".

    Whole percents are never rounded away; only 0 is "0", only 1 is "100".
    """
    value = 100 * share
    if value in {0, 100}:  # also what is 1 but for its last bit
        return f"{value:.0f}"
    # What is close to 100 is told by what it lacks.
    small = min(value, 100 - value) if value > 99 else value
    decimals = max(0, digits - 1 - math.floor(math.log10(small))) if small > 0 else 12
    # 9.95 is 10, not 10.0.
    if round(small, decimals) >= 10 ** (digits - decimals):
        decimals = max(0, decimals - 1)
    text = f"{value:.{min(decimals, 12)}f}"
    return text if float(text) < 100 else f"{value:.12f}".rstrip("0").rstrip(".")


def interval(limits: Interval) -> str:
    """ "[20, 39]", in percent."""
    return f"[{percent(limits[0])}, {percent(limits[1])}]"


def rate(of: Rate, limits: Interval | None = None, confidence: float = CONFIDENCE) -> str:
    """ "29 % [20, 39]"; with `limits` those, and Clopper-Pearson's without."""
    share = of.value
    if share is None:
        return "no boots"
    return f"{percent(share)} % {interval(limits or of.interval(confidence))}"


def p_value(p: float) -> str:
    """ "p = 0.03", "p < 1e-9"."""
    if p >= 0.9995:
        return "p = 1"
    if p >= 0.001:
        return f"p = {p:.2g}"
    if p < 1e-99:
        return "p < 1e-99"
    # The smallest power of ten above it; p itself may be one.
    power = math.floor(math.log10(p)) + 1
    return f"p < 1e{power}" if power < -3 else "p < 0.001"


def confidence_text(confidence: float) -> str:
    """ "95 %"."""
    return f"{percent(confidence)} %"


def measured(of: Rate, confidence: float = CONFIDENCE) -> str:
    """One sentence: "29 of 100 boots failed: 29 % [20, 39]"."""
    if not of.boots:
        return "no boots yet"
    if of.failures:
        return f"{of.failures} of {boots(of.boots)} failed: {rate(of, None, confidence)}"
    limit = percent(of.at_most(confidence), 3)
    sure = confidence_text(confidence)
    return f"none of {boots(of.boots)} failed: the rate is at most {limit} % ({sure}, one-sided)"


def clean_so_far(
    clean: int, excluded: float, confidence: float = CONFIDENCE, needed: int | None = None
) -> str:
    """What boots without a failure say of a rate: "12 clean boots say nothing yet: 89 needed"."""
    needed = needed or clean_boots_to_exclude(excluded, confidence)
    if clean < needed:
        does = "say" if clean != 1 else "says"
        return f"{clean_boots(clean)} {does} nothing yet: {needed} needed"
    sure, does = confidence_text(confidence), "exclude" if clean != 1 else "excludes"
    return f"{clean_boots(clean)} {does} a rate of {percent(excluded)} % ({sure})"


def compared(of: Comparison, change: str = "the fix") -> str:
    """One sentence on a change: "the fix lowers 29 % [20, 39] to 0 % [0, 3.6]; p < 1e-9".

    Where nothing is decided it says so, and how many boots would decide.
    """
    a, b, sure = of.a, of.b, of.confidence
    if not a.boots or not b.boots:
        return "nothing to compare: " + ("no boots before" if not a.boots else "no boots after")
    if of.decided:
        verb = "lowers" if of.lowered else "raises"
        what = f"{change} {verb} {rate(a, None, sure)} to {rate(b, None, sure)}"
        return f"{what}; {p_value(of.p)}"
    if not b.failures and a.failures:
        return _clean_undecided(of)
    what = f"no difference shown: {rate(a, None, sure)} before, {rate(b, None, sure)} after"
    return f"{what}; {p_value(of.p)}; {_would_decide(of)}"


def _clean_undecided(of: Comparison) -> str:
    before = of.a.failures / of.a.boots
    if before == 1:  # one boot that failed, and nothing else
        return (
            f"{clean_boots(of.b.boots)} after {of.a.failures} of {of.a.boots}: {_would_decide(of)}"
        )
    needed = clean_boots_to_exclude(before, of.confidence)
    said = clean_so_far(of.b.boots, before, of.confidence, needed)
    found = f"{of.a.failures} of {of.a.boots}"
    if of.b.boots < needed:
        what = f"to exclude {percent(before)} % at {confidence_text(of.confidence)}"
        return f"{said} ({what}); against the {found} itself, {_would_decide(of)}"
    uncertain = interval(of.a.interval(of.confidence))
    return f"{said}, but {found} is itself uncertain, {uncertain}: {_would_decide(of)}"


def _would_decide(of: Comparison) -> str:
    total = boots_to_decide(of.a, of.b, of.confidence)
    if total is None:
        return "no number of boots after the change would decide at these rates"
    if total <= of.b.boots:
        return "this decides"
    return f"about {total} boots like these would decide ({p_value(of.p)} so far)"


def difference(of: Comparison) -> str:
    """The size of an effect: "-29 points [-39, -20]; odds ratio 0 [0, 0.1]"."""
    if of.difference is None:
        return "unknown"
    low, high = of.difference_interval
    text = f"{_points(of.difference)} points [{_points(low)}, {_points(high)}]"
    if of.odds_ratio is None:
        return text
    low, high = of.odds_interval
    return f"{text}; odds ratio {_ratio(of.odds_ratio)} [{_ratio(low)}, {_ratio(high)}]"


def decided(rule: StoppingRule, decision: Decision, *, limits: Interval | None = None) -> str:
    """What a soak with a stopping rule has come to, or how far it is."""
    found = Rate(decision.failures, decision.boots)
    sure = confidence_text(rule.confidence)
    if not decision.boots:
        return f"no boots yet: {rule.clean_boots} clean ones needed"
    if decision.answer == "undecided":
        if not decision.failures:
            return clean_so_far(decision.boots, rule.rate, rule.confidence, rule.clean_boots)
        what = rate(found, limits or rule.interval(decision))
        return f"not decided yet: {decision.failures} of {boots(decision.boots)} failed, {what}"
    what = rate(found, limits or rule.interval(decision))
    where = f"{decision.answer} {percent(rule.rate)} % ({sure}, one-sided)"
    return f"the rate is {where}: {decision.failures} of {boots(decision.boots)} failed, {what}"


def stage_time(of: StageTimes) -> str:
    """One line: "smp: 1.2 s (1.1 to 1.9); 2 outliers: boot 7 9.1 s, boot 9 8.8 s"."""
    spread = of.distribution
    line = f"{of.stage}: {spread.median:.3g} s ({spread.p5:.3g} to {spread.p95:.3g})"
    if of.outliers:
        shown = ", ".join(f"boot {one.boot} {one.seconds:.3g} s" for one in of.outliers[:3])
        more = ", ..." if len(of.outliers) > 3 else ""
        plural = "s" if len(of.outliers) > 1 else ""
        line += f"; {len(of.outliers)} outlier{plural}: {shown}{more}"
    way = direction(of.drift)
    if of.drift is not None and way != "steady":
        line += f"; {way} with time: {of.drift.slope:+.2g} s per boot, {p_value(of.drift.p)}"
    return line


def boots(count: int) -> str:
    """ "1 boot", "2 boots"."""
    return f"{count} boot" if count == 1 else f"{count} boots"


def clean_boots(count: int) -> str:
    """ "1 clean boot", "2 clean boots"."""
    return f"{count} clean boot" if count == 1 else f"{count} clean boots"


def _points(share: float) -> str:
    return ("-" if share < 0 else "+" if share > 0 else "") + percent(abs(share))


def _ratio(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value:.2g}"
