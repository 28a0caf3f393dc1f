"""The summary that `xenalyze --summary` prints of a trace of Xen. Pure, total.

Source: tools/xentrace/xenalyze.c of Xen (its rows are the same from 4.14 to 4.20). `model` has
the figures, `rows` reads one row, `parsing` knows the sections.
"""

from harness.formats.xenalyze.model import (
    IDLE_DOMAIN,
    Count,
    Domain,
    Exit,
    Figure,
    Interrupt,
    Pcpu,
    Row,
    Summary,
    Vcpu,
    Volume,
)
from harness.formats.xenalyze.parsing import parse

__all__ = [
    "IDLE_DOMAIN",
    "Count",
    "Domain",
    "Exit",
    "Figure",
    "Interrupt",
    "Pcpu",
    "Row",
    "Summary",
    "Vcpu",
    "Volume",
    "parse",
]
