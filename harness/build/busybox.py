"""The busybox of an initramfs: one program that needs no other file."""

from __future__ import annotations

import struct
from pathlib import Path

from harness.errors import InputError

_HINT = "use the busybox of Debian's package busybox-static"


INIT_HEAD = """\
#!/bin/busybox sh
# PID 1 until busybox init takes over.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

fail() {
    echo "init: $1" >/dev/console
    sleep 1 # the line must leave the console before the panic does
    exit 1  # and so the kernel panics: "Attempted to kill init!"
}

mount -t proc proc /proc || fail "cannot mount proc"
mount -t sysfs sysfs /sys || fail "cannot mount sysfs"
mount -t devtmpfs devtmpfs /dev || fail "cannot mount devtmpfs"
# The same root without Xen has no @CONSOLE@: then it is the kernel's own console.
console=@CONSOLE@
[ -c /dev/$console ] || console=$(busybox sed "s/.* //" /sys/class/tty/console/active)
[ -c "/dev/$console" ] || fail "no console: neither /dev/@CONSOLE@ nor the kernel's '$console'"
"""
"""How the /init of an initramfs of busybox begins; @CONSOLE@ is its device, without /dev/."""


def static_busybox(path: Path) -> bytes:
    """The bytes of a statically linked busybox.

    Raises:
        InputError: it cannot be read, is no ELF file, or needs shared libraries.
    """
    try:
        program = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read busybox: {error.strerror}", where=str(path), hint=_HINT
        ) from None
    check_static(program, path)
    return program


def check_static(program: bytes, path: Path) -> None:
    """Refuse what the kernel could not run: it would say only "No working init found".

    Source: the ELF specification, "ELF Header" and "Program Header"; PT_INTERP is 3.
    """
    if program[:4] != b"\x7fELF":
        raise InputError(
            "this is no ELF file", where=str(path), expected="a statically linked busybox"
        )
    try:
        wide, order = program[4] == 2, "<" if program[5] == 1 else ">"
        (table,) = struct.unpack_from(order + ("Q" if wide else "I"), program, 32 if wide else 28)
        size, count = struct.unpack_from(order + "HH", program, 54 if wide else 42)
        kinds = [
            struct.unpack_from(order + "I", program, table + size * n)[0] for n in range(count)
        ]
    except (IndexError, struct.error):
        raise InputError("the ELF file ends before its program headers", where=str(path)) from None
    if 3 in kinds:
        raise InputError(
            "this busybox needs shared libraries, and an initramfs of busybox alone has none",
            where=str(path),
            expected="a statically linked busybox",
            hint=_HINT,
        )
