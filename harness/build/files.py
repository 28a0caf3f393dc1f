"""The names of the artifacts of a boot, as a target needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

ROOT_TAG = "root"
"""The name under which the machine finds `Files.root_9p`."""


@dataclass(frozen=True)
class Files:
    """The artifacts of a boot, as paths relative to the folder in which QEMU is started.

    Relative, because QEMU's -initrd splits at spaces and commas, which a user's folder may have.
    `modules`: files, and the physical addresses to which QEMU loads them.
    """

    firmware: str | None = None
    ipxe: str | None = None
    tftp: str | None = None
    xen: str | None = None
    kernel: str | None = None
    initrd: str | None = None
    capture: str | None = None
    uboot: str | None = None
    card: str | None = None
    trace: str | None = None
    acpi_tables: str | None = None
    acpi_rsdp: str | None = None
    acpi_loader: str | None = None
    root_9p: str | None = None
    dtb: str | None = None
    modules: tuple[tuple[str, int], ...] = ()

    def named(self) -> Iterator[tuple[str, str]]:
        """What each is for (the field here), and its name; modules one by one."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                yield field.name, value
        for name, _ in self.modules:
            yield "modules", name
