"""Spreads, tables and bounds: what all benchmarks print."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

EXIT_KEPT = 0
EXIT_BROKEN = 1
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Spread:
    """How repeated measurements lie; all in the unit of the measurements.

    Args:
        quarter, three_quarters: the quartiles; between them lies the interquartile range.
    """

    least: float
    quarter: float
    median: float
    three_quarters: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        if len(values) == 1:
            return cls(*[values[0]] * 5)
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(min(values), low, middle, high, max(values))

    @property
    def iqr(self) -> float:
        return self.three_quarters - self.quarter


@dataclass(frozen=True)
class Bound:
    """A figure, and what it is held against.

    Args:
        limit: the figure must be at most this, or at least this with `at_least`.
    """

    what: str
    figure: float
    limit: float
    at_least: bool = False

    @property
    def kept(self) -> bool:
        # A figure that is not a number keeps no bound: both comparisons are false.
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def __str__(self) -> str:
        relation = ">=" if self.at_least else "<="
        answer = "kept" if self.kept else "NOT KEPT"
        return f"{self.what}: {self.figure:.3f}, bound {relation} {self.limit:g}: {answer}"


def conclude(bounds: Sequence[Bound]) -> int:
    """Print the bounds and give the exit code: 0 if all are kept, else 1."""
    for bound in bounds:
        print(bound)
    return EXIT_KEPT if all(bound.kept for bound in bounds) else EXIT_BROKEN


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first one aligned left and the others right."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
