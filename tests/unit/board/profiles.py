"""Two small profiles, and what the tests of loading do with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import data
from harness.board import load
from harness.errors import ProfileError

# The least that is a board. Line numbers of the tests below refer to it.
PLAIN = """\
schema: 1
name: plain
title: A plain board
arch: x86_64
identity: {vendor: v, model: m, soc: s, firmware: f}
console: {port: com1}
boot:
  method: multiboot
  goal: login
xen: {cmdline: console=com1}
dom0: {cmdline: console=hvc0, hostname: plain}
binaries:
  xen:
    package: xen-system-amd64
    file: boot/xen-*
    suite: bookworm
targets:
  qemu:
    emulator: qemu-system-x86_64
    machine: q35
    cpu: EPYC
    smp: 4
    memory_mib: 1024
    quirks:
      - {id: one, cpu: a=off, reason: r, seen_in: s, mended_in: m}
      - {id: two, cpu: b=off, reason: r, seen_in: s, mended_in: m}
      - {id: three, cpu: c=off, reason: r, seen_in: s, mended_in: m}
deadlines:
  boot: 100
  stages: {xen: 5}
expectations:
  - {id: says, must: hello, why: w}
  - id: shuts-up
    must_not: bye
    why: w
"""

# What a board has that boots from the network.
MORE = (
    PLAIN
    + """\
hardware:
  ioapics:
    - {id: 4, address: 0xfec00000}
    - {id: 5, address: 0xfec20000}
  pci:
    - "00:00.0"
    - "00:08.0"
"""
).replace(
    "  goal: login\n",
    """\
  goal: login
  pxe:
    network: 192.168.42.0/24
    server: 192.168.42.1
    entry: xen
    entries:
      - {id: shell, label: A shell, kind: shell}
      - {id: xen, label: Xen, kind: xen}
""",
)

CHILD = "extends: plain\nname: child\n"

SHIPPED = sorted(file.stem for file in data.folder("boards").glob("*.yaml"))

Writer = Callable[..., Path]


def error(path: Path) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        load(str(path))
    assert caught.value.where is not None
    assert str(path.parent) in caught.value.where
    return caught.value


def edited(old: str, new: str, text: str = PLAIN) -> str:
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


def line_of(part: str, text: str = PLAIN) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)
