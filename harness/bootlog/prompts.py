"""The prompts of a boot: where it waits for a person, so that the unfinished line is complete."""

from __future__ import annotations

import re

_PROMPTS = (
    ("login", re.compile(r"(?!Last )\S+ login: *")),
    ("password", re.compile(r"[Pp]assword: *")),
    ("ipxe", re.compile(r"iPXE> *")),
    ("uboot", re.compile(r"(?:=>|U-Boot>) ?")),
    (
        "shell",
        re.compile(
            r"(?:[\w.-]+@[\w.-]+[: ]\S*|\[[\w.-]+@[\w.-]+ \S+\]|\(initramfs\)"
            r"|\w*sh-[\d.]+|[/~]\S*)? ?[#$] ?"
        ),
    ),
)
_ONLY_A_HASH = re.compile(r"[#$]")


def is_prompt(text: str) -> str | None:
    """Which prompt the unfinished line is: login, password, shell, ipxe, uboot, or None."""
    if not text or len(text) > 200 or _ONLY_A_HASH.fullmatch(text):
        return None
    for name, pattern in _PROMPTS:
        if pattern.fullmatch(text):
            return name
    return None
