"""Console lines without what varies between two boots that do the same.

| what | becomes | example |
|---|---|---|
| "(XEN) ", "(d1) ", a time stamp of Linux or Xen at the start | nothing | `[    1.005844] ` |
| UUID | `UUID` | `2f1c6f3e-...` |
| MAC address | `MAC` | `00:0d:b9:43:3f:bc` |
| IPv4 address | `IP` | `10.0.2.2` |
| PCI address | `PCI` | `0000:00:14.0`, `01:00.0` |
| date, time of day | `DATE`, `TIME` | `2018-07-27`, `12:30:01.5` |
| a number with a sign | `#` | `-2147483648` |
| vector of an interrupt, which may have letters only | `#` | `vector da` |
| `0x` and hex digits | `#` | `0x0000000080023558` |
| domain and virtual CPU of Xen | `d#v#` | `d0v1` |
| a number behind letters | letters and `#` | `CPU2`, `IRQ7`, `xvda1` |
| hex digits with a decimal one, four or more, or a word of their own | `#` | `e7`, `ffff82d04` |
| any other number | `#` | `4`, `1.5` |
| white space | one blank | |

Numbers go wherever they stand: "Bringing up CPU1" and "Bringing up CPU3" are one place to hang at.
"""

from __future__ import annotations

import re

_LONGEST = 1000  # characters that are looked at

_START = re.compile(
    r"(?:\s*(?:\(XEN\)|\(d\d+\)|\[ *\d+\.\d+\]|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\])\s)+"
)
_TABLE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.ASCII | re.IGNORECASE), text)
    for pattern, text in (
        (r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "UUID"),
        (r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "IP"),
        (r"\b(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b", "PCI"),
        (r"\b\d{4}-\d\d-\d\d\b", "DATE"),
        (r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b", "TIME"),
        (r"(?<=[\s(=:,])-\d+(?:\.\d+)*\b", "#"),
        (r"\b0x[0-9a-f]+\b", "#"),
        (r"(?<=\bvector )[0-9a-f]{1,2}\b", "#"),
        (r"\b\d+(?:\.\d+)+\b", "#"),
        (r"\bd\d+v\d+\b", "d#v#"),
        (r"\b(?=[a-f]*\d)[0-9a-f]{4,}\b", "#"),
        (r"(?<![^\s(\[<=:,])(?=[a-f]*\d)[0-9a-f]+(?![^\s)\]>,:;.])", "#"),
        (r"([a-z_])\d+\b", r"\1#"),
        (r"(?<![\w.#])\d+(?:\.\d+)*", "#"),
        (r"\d+", "#"),
    )
)
_OFFSET = re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?$", re.IGNORECASE)
_CLONE = re.compile(r"\.(?:cold|constprop|isra|part)(?:\.\d+)*$")


def normalised(text: str) -> str:
    """A line without what the table of this module names; what it becomes stays as it is."""
    text = bare(text[:_LONGEST])
    for pattern, instead in _TABLE:
        text = pattern.sub(instead, text)
    return " ".join(text.split())


def bare(text: str) -> str:
    """A line without the prefix of its speaker, and without its time stamp."""
    start = _START.match(text)
    return text[start.end() :] if start else text


def function(symbol: str) -> str:
    """The function of a symbol as Xen and Linux print it, the same over builds of one source.

    "arch/x86/domain.c#idle_loop+0xc1/0x130" is "idle_loop"; "f.constprop.0+0x1/0x2" is "f".
    """
    name = _OFFSET.sub("", symbol.strip()).rpartition("#")[2]
    return _CLONE.sub("", name)
