"""Text that others wrote, made fit to be printed."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with its control characters written out (``\x1b``), but for line ends.

    Names, values and what a board says are not ours: a terminal must not act on what is in them.
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
