"""A baseline: findings that are known and accepted, so that only new ones count.

An entry stands for the findings of one rule on one input whose messages say the same, but for
addresses, and for how many there are: one more of them is new.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import InfraError, InputError, UsageError
from harness.lint.engine import Finding, Linted
from harness.lint.fingerprint import fingerprint, steady
from harness.lint.place import absolute, below
from harness.regular import read_regular

SCHEMA = "harness-lint-baseline/1"
LARGEST = 16 << 20
_WORDS = ("rule", "input", "fingerprint", "message")
_NEXT = "write it anew with --write-baseline"


@dataclass(frozen=True)
class Entry:
    """Accepted findings.

    Attributes:
        input: the path of the file or folder, from the folder of the baseline; its base name
            if it is not below it.
        count: how many of them are accepted.
        message: without addresses; for people.
    """

    rule: str
    input: str
    fingerprint: str
    count: int
    message: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.rule, self.input, self.fingerprint


@dataclass(frozen=True)
class Compared:
    """What was found, beside a baseline.

    Attributes:
        new: the inputs with the findings that are not accepted.
        accepted: the findings that are, of each input, in the same order.
        stale: entries about these inputs of which there are fewer now; `count` is how many
            less.
    """

    new: tuple[Linted, ...]
    accepted: tuple[tuple[Finding, ...], ...]
    stale: tuple[Entry, ...] = ()


def without_baseline(linted: Sequence[Linted]) -> Compared:
    """Everything is new."""
    return Compared(tuple(linted), ((),) * len(linted))


def entries_of(linted: Iterable[Linted], folder: Path) -> tuple[Entry, ...]:
    """Entries that accept all that was found; in order, each once.

    Args:
        folder: where the baseline is.
    """
    found: dict[tuple[str, str, str], Entry] = {}
    for one in linted:
        name = input_name(one.path, folder)
        for finding in one.findings:
            made = Entry(finding.rule, name, fingerprint(finding), 1, steady(finding.message))
            old = found.get(made.key)
            found[made.key] = replace(old, count=old.count + 1) if old else made
    return tuple(found[key] for key in sorted(found))


def compare(linted: Sequence[Linted], entries: Iterable[Entry], folder: Path) -> Compared:
    """Which of the findings are accepted, and which entries no longer apply."""
    kept = tuple(entries)
    left = Counter({one.key: one.count for one in kept})
    new: list[Linted] = []
    accepted: list[tuple[Finding, ...]] = []
    seen: set[str] = set()
    for one in linted:
        name = input_name(one.path, folder)
        seen.add(name)
        old: list[Finding] = []
        for finding in one.findings:
            key = (finding.rule, name, fingerprint(finding))
            if left[key] > 0:
                left[key] -= 1
                old.append(finding)
        # By identity: of two equal findings only one may be accepted.
        ids = {id(finding) for finding in old}
        new.append(replace(one, findings=tuple(f for f in one.findings if id(f) not in ids)))
        accepted.append(tuple(old))
    stale = (replace(e, count=left[e.key]) for e in kept if e.input in seen and left[e.key] > 0)
    return Compared(tuple(new), tuple(accepted), tuple(stale))


def input_name(path: str, folder: Path) -> str:
    """What a baseline in this folder calls an input."""
    return below(path, folder) or absolute(path).name


def read_baseline(path: Path) -> tuple[Entry, ...]:
    """The entries of a baseline.

    Raises:
        InputError: it cannot be read, or is none.
    """
    data = _bytes(path)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as bad:
        raise InputError(
            f"is no JSON: {bad}", where=str(path), expected="a baseline of harness lint", hint=_NEXT
        ) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(
            "is no baseline of harness lint",
            where=str(path),
            expected=f'"schema": "{SCHEMA}"',
            hint=_NEXT,
        )
    accepted = document.get("accepted")
    if not isinstance(accepted, list):
        raise InputError("accepts nothing", where=str(path), expected='"accepted": [...]')
    return tuple(_entry(path, number, one) for number, one in enumerate(accepted))


def write_baseline(path: Path, entries: Sequence[Entry]) -> None:
    """Write a baseline, whole or not at all; over an older baseline, but over nothing else.

    Raises:
        UsageError: something else is there.
        InfraError: it cannot be written.
    """
    if path.exists() or path.is_symlink():
        try:
            read_baseline(path)
        except InputError:
            raise UsageError(
                f"{path} is there and is no baseline: it is not written over",
                hint="take another name",
            ) from None
    rows = [{**_words(one), "count": one.count} for one in entries]
    text = json.dumps({"schema": SCHEMA, "accepted": rows}, indent=2) + "\n"
    # Beside it, so that it can take its place; behind a link, where that leads.
    place = path.resolve()
    beside = place.with_name(f".{place.name}-{os.getpid()}")
    try:
        try:
            with beside.open("x", encoding="utf-8") as file:
                file.write(text)
            beside.replace(place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", path) from None


def _words(entry: Entry) -> dict[str, str]:
    return {name: getattr(entry, name) for name in _WORDS}


def _entry(path: Path, number: int, one: object) -> Entry:
    where = f"{path}, accepted[{number}]"
    if not isinstance(one, Mapping):
        raise InputError("is no object", where=where, hint=_NEXT)
    given: Mapping[str, Any] = one
    for name in _WORDS:
        if not isinstance(given.get(name), str):
            raise InputError(f'has no text "{name}"', where=where, hint=_NEXT)
    count = given.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InputError(f'"count" is {count!r}', where=where, expected="1 or more", hint=_NEXT)
    return Entry(given["rule"], given["input"], given["fingerprint"], count, given["message"])


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, LARGEST, "baseline")
    except FileNotFoundError:
        raise InputError(
            "there is no such baseline", where=str(path), hint=f"--write-baseline {path} makes it"
        ) from None
    except (OSError, ValueError) as bad:
        reason = bad.strerror if isinstance(bad, OSError) else str(bad)
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None
