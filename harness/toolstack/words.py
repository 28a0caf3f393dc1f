"""Words of a command line in dom0."""

from __future__ import annotations

import shlex

from harness.errors import UsageError


def quoted(word: str) -> str:
    """A word as the shell takes it, whatever is in it.

    Raises:
        UsageError: it has control characters, which cannot be typed.
    """
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in word):
        raise UsageError(
            f"{word[:60]!r} cannot be typed at dom0's prompt",
            expected="no line ends and no control characters",
        )
    return shlex.quote(word)


def command_line(*words: str) -> str:
    """A command and its arguments, each quoted. Raises: as `quoted`."""
    return " ".join(map(quoted, words))
