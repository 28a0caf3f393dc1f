"""Which binary plays each role of a boot: the profile's, or the one given with `--use`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.board import Board
from harness.board.binaries import ROLES, BinarySource, is_role
from harness.errors import InputError, UsageError
from harness.sources import Binary, DebianFile, Sources

# A board that boots from a card takes them as files: the loader in two pieces, the script.
_OF_A_CARD = ("spl", "script")
_FORMS = "ROLE=FILE, ROLE=VERSION (4.14) or ROLE=SUITE (trixie)"


def parse_uses(options: Sequence[str]) -> dict[str, str]:
    """`["xen=4.14"]` as a mapping.

    Raises:
        UsageError: not ROLE=VALUE, an unknown role, or a role given twice.
    """
    uses: dict[str, str] = {}
    for option in options:
        role, equals, value = option.partition("=")
        if not equals or not value:
            raise UsageError(f"--use {option}", expected=_FORMS)
        if not is_role(role):
            near = difflib.get_close_matches(role, ROLES, n=1)
            raise UsageError(
                f"--use {option}: no role {role!r}"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                expected=f"a role: {', '.join(ROLES)}, domU1-kernel ...",
            )
        if role in uses:
            raise UsageError(f"role {role} is given twice: {uses[role]} and {value}")
        uses[role] = value
    return uses


def resolve(
    board: Board,
    roles: Iterable[str],
    uses: Mapping[str, str],
    sources: Sources,
    known: Mapping[str, BinarySource] | None = None,
) -> dict[str, Binary]:
    """The binary of each role in `roles`.

    Args:
        known: where each comes from; None = the board's own.

    Raises:
        UsageError: a role that the board does not have, or a value of no known form.
        InputError: a file that is not there.
        SourceError: a package that cannot be had.
    """
    known = board.binaries if known is None else known
    optional = _OF_A_CARD if board.boot.card else ()
    for role in uses:
        if role not in known and role not in optional:
            raise UsageError(
                f"board {board.name} has no {role}",
                expected=f"one of: {', '.join((*known, *optional))}",
            )
    found: dict[str, Binary] = {}
    for role in dict.fromkeys((*roles, *(role for role in uses if role in optional))):
        source = known.get(role)
        if source is None and role in optional:
            found[role] = sources.file(role, Path(uses[role]))
            continue
        if source is None:
            raise UsageError(f"board {board.name} names no binary for role {role}")
        found[role] = _one(board.name, role, source, uses.get(role), sources)
    return found


def _one(board: str, role: str, source: BinarySource, use: str | None, sources: Sources) -> Binary:
    version, suite = source.version, source.suite
    if use is not None:
        if "/" in use or Path(use).is_file():
            return sources.file(role, Path(use))
        if re.match(r"\d", use):
            version, suite = use, _suite_for(use, source)
        elif re.fullmatch(r"[a-z]+(-[a-z]+)?", use):
            version, suite = None, use
        else:
            raise UsageError(
                f"--use {role}={use}: neither a file that exists, nor a version, nor a suite",
                expected=_FORMS,
            )
    if source.package is None:
        if use is not None:
            raise UsageError(f"role {role} comes from a file: --use {role}=FILE")
        try:
            return sources.file(role, Path(source.file))
        except InputError as bad:
            bad.hint = bad.hint or f"board {board} takes yours: --use {role}=FILE"
            raise
    return sources.debian(
        role,
        DebianFile(
            package=source.package,
            follow=source.follow,
            file=source.file,
            suite=suite or "stable",
            arch=source.arch,
            version=version,
            suites=tuple(s for s in dict.fromkeys(source.versions.values()) if s != suite),
        ),
    )


def _suite_for(version: str, source: BinarySource) -> str | None:
    """The suite that the profile knows to hold this version, else the default one."""
    for known, suite in source.versions.items():
        if version == known or version.startswith((f"{known}.", f"{known}-", f"{known}+")):
            return suite
    return source.suite


def edit_cmdline(cmdline: str, edits: str | None) -> str:
    """A command line with edits: `+word` adds, `-word` removes, `=...` replaces all.

    `-loglvl` removes `loglvl` and `loglvl=...`, `-loglvl=all` only this; `+iommu=debug` is added
    as it is; a plain word replaces the words with the same name (`dom0_mem=1G` for
    `dom0_mem=512M`), or is added.

    Raises:
        UsageError: nothing matches what is to be removed, or control characters.
    """
    if edits is None:
        return " ".join(cmdline.split())
    if any(ord(c) < 0x20 for c in edits):
        raise UsageError(f"a command line is one line: {edits!r}")
    if edits.startswith("="):
        return " ".join(edits[1:].split())
    words = cmdline.split()
    for edit in edits.split():
        if edit in {"+", "-"}:
            raise UsageError(f"{edit!r} without a word", expected="+word, -word, or word=value")
        name = edit.lstrip("+-").split("=", 1)[0]
        same = [w for w in words if w.split("=", 1)[0] == name]
        if edit.startswith("-"):
            gone = [w for w in words if w == edit[1:]] if "=" in edit else same
            if not gone:
                raise UsageError(
                    f"{edit}: there is no {edit[1:]!r} to remove", expected=f"a word of: {cmdline}"
                )
            words = [w for w in words if w not in gone]
        elif edit.startswith("+"):
            words.append(edit[1:])
        else:
            place = words.index(same[0]) if same else len(words)
            words = [w for w in words if w not in same]
            words.insert(place, edit)
    return " ".join(words)
