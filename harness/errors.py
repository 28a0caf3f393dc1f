"""Every error that the harness raises. The class says who must act.

HarnessError
├── UserError                    the user must act: exit code 2
│   ├── UsageError               an option or an argument that cannot be
│   ├── ProfileError             a board profile that is not valid (file, line)
│   └── InputError               a file that we were given and cannot read
│       └── FormatError          ... because a byte of it is wrong (offset, field)
└── InfraError                   our side failed, the board is not to blame: exit code 3
    ├── ToolMissing              a program that we need is not installed
    ├── ToolFailed               a program that we ran ended with an error
    ├── SourceError              a binary could not be fetched or verified
    ├── ServerError              a server of ours does not serve
    └── TargetError              an emulator or a line could not be started or driven
        └── TargetDied           ... or ended by itself in the middle of a boot

What the *board* does wrong is never an exception: it is a Verdict (see `harness.verdict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXIT_PASS = 0
EXIT_BOARD_FAILED = 1
EXIT_USER = 2
EXIT_INFRA = 3


class HarnessError(Exception):
    """An error with what its reader needs: what, where, what was expected, what to do next.

    Args:
        message: what happened, one sentence.
        where: the file, with line or offset if there is one ("boards/apu2.yaml:12").
        expected: what would have been right.
        hint: what to do next; an exact command when there is one.
        log: a file that says more.
    """

    exit_code = EXIT_INFRA

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
        log: Path | str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.expected = expected
        self.hint = hint
        self.log = log

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        rows = [head]
        if self.expected:
            rows.append(f"  expected: {self.expected}")
        if self.hint:
            rows.append(f"  next: {self.hint}")
        if self.log:
            rows.append(f"  log: {self.log}")
        return "\n".join(rows)


class UserError(HarnessError):
    exit_code = EXIT_USER


class UsageError(UserError):
    pass


class ProfileError(UserError):
    pass


class InputError(UserError):
    pass


class FormatError(InputError):
    """A malformed input.

    Args:
        field: the field that is wrong, in the words of its specification.
        offset: byte offset from the start of the input.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        offset: int | None = None,
        where: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        place = [where] if where else []
        if offset is not None:
            place.append(f"offset {offset:#x}")
        if field:
            place.append(field)
        super().__init__(message, where=", ".join(place) or None, expected=expected, hint=hint)
        self.field = field
        self.offset = offset


class InfraError(HarnessError):
    """Our side failed.

    Attributes:
        result: what result.json says of it, if it ended a run.
    """

    exit_code = EXIT_INFRA
    result: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, bad: OSError, doing: str = "", path: Path | str | None = None) -> InfraError:
        """What the operating system refused, with its path: "cannot write x: No space left"."""
        where = str(path or bad.filename or "")
        what = " ".join(word for word in (doing, where) if word)
        reason = bad.strerror or str(bad) or type(bad).__name__
        return cls(f"{what}: {reason}" if what else reason)


class ToolMissing(InfraError):
    pass


class ToolFailed(InfraError):
    """A program ended with an error.

    Args:
        argv: the command as it was run.
        returncode: its exit code; negative for a signal, as in `subprocess`.
        stderr: what it said; the tail is shown.
    """

    def __init__(
        self,
        argv: list[str],
        returncode: int,
        stderr: str,
        *,
        hint: str | None = None,
        log: Path | str | None = None,
    ) -> None:
        tail = "\n    ".join(stderr.strip().splitlines()[-8:])
        how = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
        message = f"{argv[0]} ended with {how}: {' '.join(argv)}"
        if tail:
            message += f"\n    {tail}"
        super().__init__(message, hint=hint, log=log)
        self.argv = argv
        self.returncode = returncode
        self.stderr = stderr


class SourceError(InfraError):
    pass


class ServerError(InfraError):
    pass


class TargetError(InfraError):
    pass


class TargetDied(TargetError):
    """The emulator or the line ended by itself.

    Args:
        returncode: of the emulator; negative for a signal; None for a line.
    """

    def __init__(
        self, message: str, *, returncode: int | None = None, log: Path | str | None = None
    ) -> None:
        super().__init__(message, log=log)
        self.returncode = returncode
