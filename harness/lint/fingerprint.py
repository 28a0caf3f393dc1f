"""What makes a finding the same finding after the file that it is about has changed."""

from __future__ import annotations

import hashlib
import re

from harness.lint.engine import Finding

# Addresses, offsets and lines move when something is added before them; the ids of devices and
# IOAPICs, which are short, say what the finding is about.
_ADDRESS = re.compile(r"\b(?:0x[0-9a-fA-F]{5,}|[0-9A-F]{5,}h)\b")
_PLACE = re.compile(
    r"\b(offset|line|byte|bytes)(\s+)(?:(?:0x)?\d[0-9a-f]*h?|[0-9a-f]+h)\b"
    r"|\b(at)(\s+)0x[0-9a-f]+\b",
    re.IGNORECASE,
)


def steady(message: str) -> str:
    """The message without addresses, offsets and line numbers."""
    return " ".join(_ADDRESS.sub("#", _PLACE.sub(r"\1\2\3\4#", message)).split())


def fingerprint(finding: Finding) -> str:
    """32 hexadecimal digits, the same for the same rule and `steady` message in any file.

    Two findings of a file may share one: they are told apart by counting.
    """
    text = f"{finding.rule}\0{steady(finding.message)}"
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]
