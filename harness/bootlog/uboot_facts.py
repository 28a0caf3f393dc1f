"""What SPL and U-Boot say, as plain data. A field is None, or empty, when the log does not say."""

from __future__ import annotations

from dataclasses import dataclass

from harness.bootlog.diagnoses import Diagnosis


@dataclass(frozen=True, slots=True)
class Load:
    """A file that U-Boot read; rate is as printed ("2.6 MiB/s"), None if it took no time."""

    bytes: int
    milliseconds: int
    rate: str | None
    line: int


@dataclass(frozen=True, slots=True)
class EnvironmentLoad:
    """An attempt to load the environment.

    Attributes:
        source: "FAT", "EXT4", "MMC", "SPIFlash" ...
        ok: None if the log ends before the result.
        result: as printed: "OK", "Unable to use mmc 0:1...", "*** Warning - bad CRC, ...".
    """

    source: str
    ok: bool | None
    result: str
    line: int


@dataclass(frozen=True, slots=True)
class KernelImage:
    """The zImage that `bootz` was given: its address, and start and end from its header."""

    address: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MovedImage:
    """The Image that `booti` was given and copied to another place; end is exclusive."""

    source: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where U-Boot leaves something in memory; the end is its last byte, as printed."""

    start: int
    end: int
    in_place: bool


@dataclass(frozen=True, slots=True)
class BootModule:
    """A module of Xen in a tree that U-Boot printed (`fdt print /chosen`).

    Attributes:
        path: from the node that was printed ("chosen/module@0", "domU1/module@48000000").
        start, end: from its `reg`; the end is exclusive.
    """

    path: str
    start: int
    end: int
    compatible: tuple[str, ...]
    bootargs: str | None
    line: int


@dataclass(frozen=True, slots=True)
class UbootFacts:
    """Versions and sizes as printed, unless the name says a unit.

    Attributes:
        spl_build, build: date, and what else stands behind the version.
        boot_device: what SPL boots from ("MMC1").
        script: the boot script that U-Boot found by itself ("/boot.scr").
        fdt_address: of the tree that was given to the command that boots.
        fdt_place, ramdisk_place: where they are when the kernel starts.
        modules: of the trees that it printed; the last print of a node counts.
        xen_bootargs: of /chosen in such a tree: Xen's command line, which Xen on ARM says before
            it has a console.
        starting_kernel: it has left for the kernel (or Xen).
        errors: what went wrong, in the order of the log; also what is harmless, and what was said
            before a reset that led back here.
    """

    spl_version: str | None = None
    spl_build: str | None = None
    spl_dram_mib: int | None = None
    boot_device: str | None = None
    version: str | None = None
    build: str | None = None
    cpu: str | None = None
    model: str | None = None
    dram: str | None = None
    environment: tuple[EnvironmentLoad, ...] = ()
    script: str | None = None
    script_address: int | None = None
    loads: tuple[Load, ...] = ()
    kernel_image: KernelImage | None = None
    moved_image: MovedImage | None = None
    fdt_address: int | None = None
    fdt_place: Place | None = None
    ramdisk_place: Place | None = None
    modules: tuple[BootModule, ...] = ()
    xen_bootargs: str | None = None
    starting_kernel: bool = False
    errors: tuple[Diagnosis, ...] = ()

    @property
    def loaded_bytes(self) -> tuple[int, ...]:
        """Sizes of the files that were read, in order."""
        return tuple(load.bytes for load in self.loads)
