"""The iPXE menu of a board: entries are data, the script is bootscripts/menu.ipxe.j2.

What iPXE does with a line (src/core/exec.c, src/image/script.c, src/core/getopt.c): it
joins a line that ends in a backslash with the next, splits at white space, takes the
words ||, && and ; for separators and a word that begins with # for a comment, expands
${...} in every word, and stops looking for options at the first word without a dash.
It has no quoting, so a text with one of these is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from harness.build.render import render
from harness.errors import ProfileError, UsageError

Kind = Literal["shell", "xen", "linux", "exit"]

# iPXE cuts a row off at 74 characters, and writes a countdown of up to 5 over its end.
LABEL_MAX = 68
TITLE_MAX = 78

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*(/[A-Za-z0-9][A-Za-z0-9._+~-]*)*")
_URL = re.compile(r"(https?|tftp)://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._+~-]+)*")
_NEEDED = {"xen": ("xen", "kernel", "initrd"), "linux": ("kernel", "initrd")}


@dataclass(frozen=True)
class MenuEntry:
    """One row of the menu.

    Attributes:
        id: a word; the script's label, and the value of `default`.
        label: what the row says.
        kind: "shell" opens iPXE's shell, "xen" loads Xen with dom0 as its modules,
            "linux" loads the same kernel alone, "exit" goes back to the firmware.
    """

    id: str
    label: str
    kind: Kind


def render_menu(
    title: str,
    entries: Sequence[MenuEntry],
    base_url: str,
    xen_cmdline: str,
    kernel_cmdline: str,
    linux_cmdline: str,
    default: str,
    timeout_ms: int,
    files: Mapping[str, str],
) -> str:
    """The script of a menu with these entries in this order.

    Args:
        title: the first line on the screen.
        base_url: where the files are, without a slash at the end.
        default: id of the entry that is selected at first.
        timeout_ms: milliseconds until the default is taken; 0 waits for ever.
        files: names of "xen", "kernel" and "initrd" below `base_url`; only those that an
            entry needs.

    Raises:
        ProfileError: an entry, the title or a command line that iPXE would read as
            something else, an id twice, or no entry.
        UsageError: `default`, `timeout_ms`, `base_url` or `files` do not fit the entries.
    """
    _check_text("menu.title", title, TITLE_MAX)
    _check_entries(entries)
    for name, line in (
        ("xen_cmdline", xen_cmdline),
        ("kernel_cmdline", kernel_cmdline),
        ("linux_cmdline", linux_cmdline),
    ):
        _check_line(name, line)
    ids = [entry.id for entry in entries]
    if default not in ids:
        raise UsageError(
            f"the menu has no entry {default!r}",
            where="menu.default",
            expected=f"one of {', '.join(ids)}",
        )
    if timeout_ms < 0:
        raise UsageError(f"a time-out of {timeout_ms} ms", where="menu.timeout_ms", expected=">= 0")
    if not _URL.fullmatch(base_url):
        raise UsageError(
            f"{base_url!r} cannot stand in a menu",
            where="menu.base_url",
            expected="http://HOST:PORT, maybe with a path, without a slash at the end",
        )
    _check_files(entries, files)
    return render(
        "menu.ipxe.j2",
        title=title,
        entries=entries,
        base_url=base_url,
        xen_cmdline=xen_cmdline,
        kernel_cmdline=kernel_cmdline,
        linux_cmdline=linux_cmdline,
        default=default,
        timeout_ms=timeout_ms,
        files=files,
    )


def _check_entries(entries: Sequence[MenuEntry]) -> None:
    if not entries:
        raise ProfileError("the menu has no entries", where="menu", expected="at least one")
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        where = f"menu[{number}]"
        if not _ID.fullmatch(entry.id):
            raise ProfileError(
                f"{entry.id!r} cannot be the id of a menu entry",
                where=f"{where}.id",
                expected="letters, digits, _ and -, at most 32",
            )
        if entry.id in seen:
            raise ProfileError(f"the id {entry.id!r} is there twice", where=f"{where}.id")
        seen.add(entry.id)
        _check_text(f"{where}.label", entry.label, LABEL_MAX)
        if entry.kind not in get_args(Kind):
            raise ProfileError(
                f"{entry.kind!r} is no kind of menu entry",
                where=f"{where}.kind",
                expected=f"one of {', '.join(get_args(Kind))}",
            )


def _check_files(entries: Sequence[MenuEntry], files: Mapping[str, str]) -> None:
    for entry in entries:
        for role in _NEEDED.get(entry.kind, ()):
            name = files.get(role)
            if name is None:
                raise UsageError(
                    f"the entry {entry.id!r} needs a file for {role!r}", where="menu.files"
                )
            if not _FILE.fullmatch(name):
                raise UsageError(
                    f"{name!r} cannot be a file's name in a menu",
                    where=f"menu.files.{role}",
                    expected="letters, digits and . _ + ~ -, in folders separated by /",
                )


def _check_text(where: str, text: str, longest: int) -> None:
    """A text that iPXE shows exactly as it stands here."""
    _check_line(where, text)
    if text != " ".join(text.split()) or not 1 <= len(text) <= longest or text.startswith("-"):
        raise ProfileError(
            f"{text!r} is not what iPXE would show",
            where=where,
            expected=f"1 to {longest} characters, single spaces between words, no dash in front",
        )


def _check_line(where: str, line: str) -> None:
    """Arguments that reach their program and are nothing to iPXE's script reader."""
    if not line.isascii() or not line.isprintable():
        raise ProfileError(
            f"{line!r} is not one line of plain text", where=where, expected="printable ASCII"
        )
    for word in line.split():
        if word in ("||", "&&", ";") or word.startswith("#") or "${" in word:
            raise ProfileError(
                f"iPXE would take {word!r} of {line!r} for its own",
                where=where,
                expected="no word ||, && or ;, no word that begins with #, no ${",
            )
    if line.endswith("\\"):
        raise ProfileError(
            f"iPXE would join {line!r} with the line below it",
            where=where,
            expected="no backslash at the end",
        )
