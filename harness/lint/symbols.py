"""Texts with unknown parts: a variable that the script does not set, the size of a load.

U-Boot's variables are texts, so an unknown part travels inside a text, between two characters
of the private use area that no script has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}([sv])([^{_CLOSE}]*){_CLOSE}")

SizeOf = Callable[[int], int | None]
"""The size in bytes of the load with this number, if it is known."""


def clean(text: str) -> str:
    """A script's text without the two characters that mark unknown parts."""
    return text.replace(_OPEN, "\ufffd").replace(_CLOSE, "\ufffd")


def size_of_load(number: int) -> str:
    """The text of ${filesize} after a load."""
    return f"{_OPEN}s{number}{_CLOSE}"


def unknown_variable(name: str) -> str:
    """The text of a variable of which nothing is known."""
    return f"{_OPEN}v{name}{_CLOSE}"


def is_known(text: str) -> bool:
    """Whether no part of a text is unknown."""
    return _OPEN not in text


def shown(text: str) -> str:
    """A text for people: unknown parts as the variables that they are."""

    def name(mark: re.Match[str]) -> str:
        return "${filesize}" if mark[1] == "s" else f"${{{mark[2]}}}"

    return _MARK.sub(name, text)


@dataclass(frozen=True)
class Number:
    """A number of a script.

    Attributes:
        value: None where it is not known.
        text: as it is written, for people.
        load: the number of the load whose size it is.
    """

    value: int | None
    text: str
    load: int | None = None

    def __str__(self) -> str:
        return self.text if self.value is None else f"{self.value:#x}"


def number(text: str, size_of: SizeOf, *, base: int = 16) -> Number | None:
    """Read a number as U-Boot does; None if it is none.

    Args:
        base: 16 for arguments of commands (`hextoul`: 0x is optional); 0 for the cells of
            `fdt set` (`simple_strtoul`: 0x, a leading 0 for octal, else decimal).
    """
    mark = _MARK.fullmatch(text.removeprefix("0x").removeprefix("0X"))
    if mark and mark[1] == "s":
        load = int(mark[2])
        return Number(size_of(load), shown(text), load)
    if not is_known(text):
        return Number(None, shown(text))
    if base == 0:
        base = 16 if text[:2].lower() == "0x" else 8 if text[:1] == "0" and len(text) > 1 else 10
    digits = text[2:] if base == 16 and text[:2].lower() == "0x" else text
    allowed = "0123456789abcdef"[:base]
    if not digits or any(letter not in allowed for letter in digits.lower()) or len(digits) > 20:
        return None
    return Number(int(digits, base), text)


def bare_size(text: str) -> bool:
    """Whether a text is ${filesize} without 0x before it."""
    mark = _MARK.fullmatch(text)
    return mark is not None and mark[1] == "s"
