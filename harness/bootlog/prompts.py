"""The prompts of a boot: where it waits for a person, so that the unfinished line is complete.

A prompt of a shell names where it is (`root@apu2:~# `, `apu2:~# `, `[root@apu2 ~]# `, `/ # `,
`sh-5.1# `, `dom0# `). A bare `# ` is one only as an unfinished line: in a whole line it is a
comment of whatever was printed.
"""

from __future__ import annotations

import re

_PATH = r"[~/](?:[\w.+-]+(?:/[\w.+-]+)*)?/?|~(?:/[\w.+-]+)+"
# The blank behind these may be missing: editors take it away at the end of a log.
_NAMED = rf"(?:[\w.-]+@)?[\w.-]+:(?:{_PATH}) ?[#$]|\[[\w.-]+@[\w.-]+ [^\s\]]+\][#$]"
# BusyBox shows the path alone. A device file in front of a comment is a line of a table.
_PLAIN = rf"(?:(?!/(?:dev|proc|sys)/)(?:{_PATH}) |\w*sh-[\d.]+|dom0)[#$] "
_SHELL_IN_LINE = re.compile(rf"(?:(?:{_NAMED})(?: |$)|{_PLAIN})(?P<command>.*)")
_UBOOT_IN_LINE = re.compile(r"(?:=>|U-Boot>) (?P<command>.*)")
_BARE_SHELL = re.compile(r"[#$] (?P<command>.*)")

# A host's name, and not the beginning of a sentence about logins.
_LOGIN = r"(?!(?:Last|[Nn]o|[Ff]ailed|[Ii]nvalid|Previous|[Uu]ser|[Tt]he) )[\w.-]+ login: *"
_LOGIN_IN_LINE = re.compile(
    rf"{_LOGIN}(?:(?!(?:dis|en)abled$|failed$|incorrect$)[A-Za-z_][\w.@-]*\$?"
    r"(?: \(automatic login\))?)? *"
)
_PROMPTS = (
    ("login", re.compile(_LOGIN)),
    ("password", re.compile(r"[Pp]assword: *")),
    ("ipxe", re.compile(r"iPXE> *")),
    ("uboot", re.compile(r"(?:=>|U-Boot>) ?")),
    (
        "rescue",
        re.compile(
            r"\(initramfs\)(?: [#$])? ?|grub(?: rescue)?> ?"
            r"|\(or (?:press|type) Control-D to continue\): ?"
        ),
    ),
    ("shell", re.compile(rf"(?:{_NAMED}) ?|{_PLAIN}|[#$] ")),
)
RESCUE = (
    r"ALERT! .*Dropping to a shell!|You are in (?:emergency|rescue) mode"
    r"|Gave up waiting for (?:the )?root|[Pp]ress Control-D to continue\)"
    r"|^\(initramfs\)|^grub(?: rescue)?>"
)
"""What a boot says that ended in a shell for repairs: a pattern for a line."""


def is_prompt(text: str) -> str | None:
    """Which prompt the unfinished line is: login, password, shell, ipxe, uboot, rescue, or None."""
    if not text or len(text) > 200:
        return None
    for name, pattern in _PROMPTS:
        if pattern.fullmatch(text):
            return name
    return None


def bare(text: str) -> bool:
    """Whether a shell's prompt does not say where it is: `# ` may begin anything."""
    return len(text) == 2


def prompt_in_line(text: str) -> bool:
    """Whether a whole line begins with the prompt of a shell, or is that of a login."""
    if " login:" in text:
        return _LOGIN_IN_LINE.fullmatch(text) is not None
    return _SHELL_IN_LINE.match(text) is not None


def typed_to_uboot(text: str) -> str:
    """What was typed at U-Boot's prompt that a whole line begins with; "" if nothing was."""
    match = _UBOOT_IN_LINE.match(text)
    return match["command"].strip() if match else ""


def typed(text: str) -> str:
    """What was typed at the shell's prompt that a whole line begins with; "" if nothing was."""
    match = _SHELL_IN_LINE.match(text) or _BARE_SHELL.match(text)
    return match["command"].strip() if match else ""
