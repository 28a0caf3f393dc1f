"""What the commands share that boot one thing several times."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

from harness.errors import UsageError
from harness.session import Observer
from harness.texts import printable

AUTO = "auto"


def boots_option(text: str, option: str) -> int | None:
    """A number of boots; None for "auto".

    Raises:
        UsageError: it is neither.
    """
    if text == AUTO:
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}", text, re.ASCII):
        raise UsageError(f"{option} {text}", expected=f"{AUTO}, or a number from 1 on")
    return int(text)


def new_folder(path: Path, what: str) -> Path:
    """A folder that holds nothing yet.

    Args:
        what: whose it is: "a bisection".

    Raises:
        UsageError: it has something in it, or cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UsageError(
                f"the folder is not empty, and {what} never overwrites another",
                where=str(path),
                hint="give --out a folder that does not exist yet",
            )
    except OSError as bad:
        raise UsageError(f"cannot make it: {bad.strerror}", where=str(path)) from None
    return path.absolute()


def kept_apart(folder: Path | None, number: int) -> Path | None:
    """The run folder of the n-th boot below one that the user names."""
    return None if folder is None else folder / f"{number:04d}"


def say(text: str) -> None:
    """A line of progress; that nobody can read it ends no boot."""
    with contextlib.suppress(OSError, AttributeError):
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201 -- a command line


class Quiet(Observer):
    """Tells only what can take long: "fetching ..."."""

    def detail(self, text: str) -> None:
        say(f"  {text}")
