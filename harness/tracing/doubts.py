"""Why the figures of a trace may say less than they seem to."""

from __future__ import annotations

import re

from harness.formats.xenalyze import Summary

# "missing a handler" is none: Xen makes no record of what such exits are for.
_COMPLAINT = re.compile(
    r"(?!.*missing a handler).*(WARNING|ERROR|FATAL|Strange|Unknown|Unexpected|Not processing)"
)


def doubts(summary: Summary, asked: int, elapsed: float) -> list[str]:
    """Sentences for a reader of the figures; none if nothing is wrong.

    Args:
        asked: seconds that the trace was to last.
        elapsed: seconds that xentrace ran.
    """
    found = []
    for pcpu in summary.pcpus:
        lost = pcpu.lost
        if lost is not None and lost.count:
            found.append(
                f"records were lost on physical CPU {pcpu.id}, {lost.count} times, "
                f"{lost.seconds or 0:.2f} s in sum: more buffer_pages (in the next boot), or fewer "
                "events (mask)"
            )
    spanned = summary.seconds or 0.0
    if spanned > 1.5 * elapsed + 1.0:
        found.append(
            f"the records span {spanned:.1f} s, but xentrace ran for {elapsed:.1f} s: an earlier "
            "one had left tracing on; trace again"
        )
    if elapsed > 2 * asked + 5:
        found.append(f"xentrace took {elapsed:.1f} s instead of {asked}: dom0 was short of CPU")
    if not summary.domains:
        found.append("there is no domain in the trace: no record of the scheduler (mask)")
    complaints = [note for note in summary.notes if _COMPLAINT.search(note)]
    if complaints:
        found.append(f"xenalyze complains {len(complaints)} times, first: {complaints[0]}")
    if summary.unknown:
        row = summary.unknown[0]
        found.append(
            f"{len(summary.unknown)} rows of xenalyze are not known, first in line {row.line}: "
            f"{row.text.strip()}"
        )
    return found
