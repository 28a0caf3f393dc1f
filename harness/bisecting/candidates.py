"""Which versions stand between a good one and a bad one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import UsageError


def between(names: Sequence[str], good: str | None, bad: str | None) -> tuple[str, ...]:
    """The part of a list from `good` to `bad`, backwards if `bad` comes first in it.

    Args:
        good, bad: None = the first, the last.

    Raises:
        UsageError: the list is shorter than two, has one twice, or has not got an end.
    """
    if len(names) < 2:
        raise UsageError(f"{len(names)} versions", expected="a good one and a bad one at least")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UsageError(f"version {twice} is in the list twice")
    first = _index(names, good, "--good", 0)
    last = _index(names, bad, "--bad", len(names) - 1)
    if first == last:
        raise UsageError(f"{names[first]} is the good version and the bad one")
    if first < last:
        return tuple(names[first : last + 1])
    return tuple(reversed(names[last : first + 1]))


def of_profile(
    known: Mapping[str, str], role: str, good: str | None, bad: str | None
) -> tuple[str, ...]:
    """The versions of a role that a board profile knows, from `good` to `bad`.

    Args:
        known: version -> suite, oldest first.
        good, bad: versions, or suites: as the good one is named, all are.

    Raises:
        UsageError: the profile knows no versions, or not these.
    """
    others = "--versions A,B,C or --files LIST"
    if not known:
        raise UsageError(f"the profile knows no versions of {role}", expected=others)
    if good is None or bad is None:
        missing = "--good" if good is None else "--bad"
        raise UsageError(
            f"{missing} is missing", expected=f"one of {', '.join(known)}; or {others}"
        )
    suites = tuple(dict.fromkeys(known.values()))
    for option, name in (("--good", good), ("--bad", bad)):
        if name not in known and name not in suites:
            raise UsageError(
                f"{option} {name}: the profile knows no such {role}",
                expected=f"one of {', '.join(known)}; or {others}",
            )
    if good not in known:
        return between(suites, good, known.get(bad, bad))
    version_of = {suite: version for version, suite in known.items()}
    return between(tuple(known), good, bad if bad in known else version_of[bad])


def _index(names: Sequence[str], name: str | None, option: str, otherwise: int) -> int:
    if name is None:
        return otherwise
    if name not in names:
        shown = ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
        raise UsageError(f"{option} {name} is not in the list", expected=f"one of {shown}")
    return names.index(name)
