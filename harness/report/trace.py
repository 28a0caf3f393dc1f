"""A trace as text: who ran where, for how long, and what for. Renders figures, decides nothing."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping

from harness.formats.xenalyze import IDLE_DOMAIN, Domain, Figure, Summary, Vcpu
from harness.texts import printable
from harness.tracing import Trace, domain_name

# How many hypercalls and exit reasons of a domain are shown.
TOP = 6
_WIDTH = 100
_STATES = ("running", "runnable", "blocked", "offline", "lost")


def trace_report(taken: Trace) -> str:
    """The report of one trace."""
    rows = [
        f"trace of {taken.asked} s; xentrace ran for {taken.elapsed:.1f} s of dom0's clock",
        *_clock(taken.summary, taken.evidence),
        "",
        *_tables(taken.summary, taken.names),
    ]
    rows += [f"  warning   {warning}" for warning in taken.warnings]
    if taken.output:
        rows += [
            "",
            "the command said",
            *(f"  {line}" for line in taken.output.expandtabs().splitlines()),
        ]
    rows += [f"  kept      {path}" for path in taken.kept]
    return "\n".join(printable(row) for row in rows)


def summary_report(summary: Summary) -> str:
    """The report of a recorded summary."""
    rows = ["recorded trace", *_clock(summary, ""), "", *_tables(summary, {})]
    if summary.gaps:
        rows.append(f"  warning   the text is an excerpt: it was cut in {summary.gaps} places")
    if summary.unknown:
        first = summary.unknown[0]
        rows.append(
            f"  warning   {len(summary.unknown)} rows are not known, the first in line "
            f"{first.line}: {first.text.strip()[:80]}"
        )
    return "\n".join(printable(row) for row in rows)


def _clock(summary: Summary, evidence: str) -> list[str]:
    rows = []
    if summary.seconds is not None:
        speed = f", CPU at {summary.cpu_hz / 1e9:.2f} GHz" if summary.cpu_hz else ""
        rows.append(f"  records   span {summary.seconds:.2f} s{speed}")
    if evidence and evidence != "hardware":
        rows.append(f"  evidence  {evidence}: the times are the emulator's, not the board's")
    return rows


def _tables(summary: Summary, names: Mapping[int, str]) -> list[str]:
    guests = [domain for domain in summary.domains if domain.id != IDLE_DOMAIN]
    rows = [*_who_ran(summary, guests, names), *_pcpus(summary)]
    for domain in guests:
        for row in _what_for(domain, domain_name(names, domain.id)):
            rows += textwrap.wrap(row, _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    return rows


def _who_ran(summary: Summary, domains: list[Domain], names: Mapping[int, str]) -> list[str]:
    if not any(domain.vcpus for domain in domains):
        return []
    vcpus = [vcpu for domain in domains for vcpu in domain.vcpus]
    seen = {figure.name for vcpu in vcpus for figure in vcpu.runstates}
    states = [state for state in _STATES if state in seen]
    head = "".join(f"{state:>15}" for state in states)
    rows = [f"{'domain':20}{'vcpu':>5}{head}  on pcpu"]
    for domain in domains:
        for vcpu in domain.vcpus:
            number = "?" if vcpu.id is None else str(vcpu.id)
            times = "".join(f"{_time(vcpu, state, summary.seconds):>15}" for state in states)
            where = ",".join(figure.name for figure in vcpu.pcpus) or "-"
            rows.append(f"{domain_name(names, domain.id)[:20]:20}{number:>5}{times}  {where}")
    return [*rows, ""]


def _time(vcpu: Vcpu, state: str, whole: float | None) -> str:
    found = [figure for figure in vcpu.runstates if figure.name == state]
    if not found:
        return "-"
    seconds = vcpu.seconds(state)
    share = f" {100 * seconds / whole:5.1f}%" if whole else ""
    return f"{seconds:.2f}s{share}"


def _pcpus(summary: Summary) -> list[str]:
    rows = []
    for pcpu in summary.pcpus:
        states = {"running": pcpu.running, "idle": pcpu.idle, "records lost": pcpu.lost}
        said = [f"{name} {_of(figure)}" for name, figure in states.items() if figure is not None]
        rows.append(f"pcpu {pcpu.id}: {', '.join(said) or 'nothing'}")
    return [*rows, ""] if rows else []


def _of(figure: Figure) -> str:
    return f"{figure.seconds or 0:.2f}s in {figure.count} times"


def _what_for(domain: Domain, name: str) -> list[str]:
    calls: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for vcpu in domain.vcpus:
        for call in vcpu.hypercalls:
            calls[call.name] += call.count
        for one in vcpu.exits:
            exits[one.total.name] += one.total.count
            seconds[one.total.name] += one.total.seconds or 0  # type: ignore[assignment]
    rows = []
    if calls:
        rows.append(f"{name}: hypercalls {_top(calls.items())}")
    if exits:
        by_time = sorted(exits.items(), key=lambda item: (-seconds[item[0]], -item[1]))
        said = ", ".join(f"{why} {n} ({seconds[why]:.2f}s)" for why, n in by_time[:TOP])
        rows.append(f"{name}: exits {said}{_rest(len(by_time))}")
    return rows


def _top(counts: Iterable[tuple[str, int]]) -> str:
    ordered = sorted(counts, key=lambda item: (-item[1], item[0]))
    said = ", ".join(f"{name} {count}" for name, count in ordered[:TOP])
    return said + _rest(len(ordered))


def _rest(kinds: int) -> str:
    return f", and {kinds - TOP} more" if kinds > TOP else ""
