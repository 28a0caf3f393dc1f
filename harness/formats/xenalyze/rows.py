"""One row of a summary of xenalyze: figures or a count behind a name."""

from __future__ import annotations

import math
import re

from harness.formats.xenalyze.model import Count, Figure

# Longer ones are of nobody's making; the patterns below would take long for them.
LONGEST = 400

_INT = r"-?\d{1,20}"
_REAL = r"-?(?:\d{1,18}(?:\.\d{1,9})?|nan|inf)"
_FIGURE = re.compile(
    rf"(?P<name>.*?):?\s+(?P<count>{_INT})(?:\s+(?P<seconds>{_REAL})s)?"
    rf"(?:\s+(?P<percent>{_REAL})%)?\s+(?P<cycles>{_INT})(?:\s+cyc)?"
    rf"(?:\s+\{{\s*(?P<low>{_INT})\|\s*(?P<mid>{_INT})\|\s*(?P<high>{_INT})\}})?\s*"
)
# xenalyze has names up to kexec_op only (include/public/xen.h of Xen has these).
_HYPERCALLS = {39: "argo_op", 40: "xenpmu_op", 41: "dm_op", 42: "hypfs_op"}
_NUMBERED = re.compile(rf"\s+(?P<name>\S.*?)\s*\[\s*(?P<number>\d{{1,9}})\]:\s+(?P<count>{_INT})")
_BRACKETS = re.compile(rf"\s+\[\s*(?P<number>\d{{1,9}})\+?\]:?\s+(?P<count>{_INT})\s*")
_VECTOR = re.compile(
    rf"\s+(?P<name>\S[^\[\]]*?)\s*\(\s*(?P<number>\d{{1,9}})\):\s+(?P<count>{_INT})"
)
_COLON = re.compile(rf"\s+(?P<name>\S[^:]*?)\s*:\s*(?::\s*)?(?P<count>{_INT})\s*")
_CONTEXT = re.compile(rf"\s+\* \[(?P<name>[\w ]+)\] (?P<count>{_INT})\s*")
_PLAIN = re.compile(rf"\s+(?P<name>\S.*?)\s+(?P<count>{_INT})\s*")


def real(text: str | None) -> float | None:
    """A number; None for none, "nan" or "inf" (of a trace without any time)."""
    value = float(text) if text is not None else math.nan
    return value if math.isfinite(value) else None


def figure(row: str) -> Figure | None:
    """NAME: COUNT [SECONDSs] [PERCENT%] CYCLES [cyc] [{LOW|MID|HIGH}]."""
    found = _FIGURE.fullmatch(row)
    if found is None or not found["name"].strip():
        return None
    spread = None
    if found["mid"] is not None:
        spread = int(found["low"]), int(found["mid"]), int(found["high"])
    return Figure(
        found["name"].strip(),
        int(found["count"]),
        real(found["seconds"]),
        real(found["percent"]),
        int(found["cycles"]),
        spread,
    )


def numbered(row: str) -> Count | None:
    """A hypercall: NAME [NUMBER]: COUNT."""
    found = _NUMBERED.fullmatch(row)
    if found is None:
        return None
    number, name = int(found["number"]), found["name"]
    if name == "(null)":
        name = _HYPERCALLS.get(number, f"hypercall {number}")
    return Count(name, int(found["count"]), number)


def in_brackets(row: str) -> Count | None:
    """A number without a name: [NUMBER] COUNT, or with a colon."""
    found = _BRACKETS.fullmatch(row)
    return Count("", int(found["count"]), int(found["number"])) if found else None


def vector(row: str) -> Count | None:
    """An interrupt vector: NAME(NUMBER): COUNT; or [NUMBER]: COUNT; or Other: : COUNT."""
    found = _VECTOR.fullmatch(row)
    if found is not None:
        return Count(found["name"], int(found["count"]), int(found["number"]))
    return in_brackets(row) or with_colon(row)


def with_colon(row: str) -> Count | None:
    """NAME : COUNT."""
    found = _COLON.fullmatch(row)
    return Count(found["name"], int(found["count"])) if found else None


def context(row: str) -> Count | None:
    """Why memory was reclaimed: * [NAME] COUNT."""
    found = _CONTEXT.fullmatch(row)
    return Count(found["name"], int(found["count"])) if found else None


def plain(row: str) -> Count | None:
    """NAME COUNT."""
    found = _PLAIN.fullmatch(row)
    return Count(found["name"], int(found["count"])) if found else None
