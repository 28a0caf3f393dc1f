"""Rules for what an IVRS says of the IOMMUs themselves."""

from __future__ import annotations

from harness.formats.acpi.ivrs import Ivhd, bdf
from harness.lint.acpi_coverage import Coverage
from harness.lint.acpi_model.machine import RAM
from harness.lint.acpi_subject import SPEC, AcpiSubject, acpi_rule, at, name
from harness.lint.rule import Consequences, Found, Missing, Rule

_IVHD = SPEC + '"I/O Virtualization Hardware Definition (IVHD) Block"'
_REGISTERS = 'AMD IOMMU Specification (48882), chapter 3, "IOMMU Base Address Low Register"'
_ZERO: Consequences = (
    ("Xen 4.8-4.15", 'no IOMMU: "Invalid IVHD Block!", with iommu=debug only'),
    ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: invalid IVHD block"'),
)
_NO_WORD = "no IOMMU, and not a word of why"
_HANG: Consequences = (
    ("Xen 4.8-4.12", '"ComWaitInt bit did not assert!"'),
    (
        "Xen 4.13+",
        'says "I/O virtualisation enabled", and the boot hangs: "completion wait taking too long"',
    ),
    ("Linux", '"Completion-Wait loop timed out"; devices do not work'),
)
_PCI_HINT = "the output of lspci (--pci), a log of Xen, or a board profile (--board)"


@acpi_rule(
    "ivrs.iommu-device",
    "error",
    checks="The DeviceID of an IVHD is a PCI function of the machine, not 00:00.0.",
    reference=_IVHD,
    then=(*_ZERO, ("Linux", "no IOMMU: its function is not found")),
)
def devices(subject: AcpiSubject) -> Found:
    """An id that is 0, or that the board does not have."""
    for block in subject.ivhds:
        function = block.segment << 16 | block.device_id
        if not block.device_id:
            yield at(
                block.offset + 4,
                2,
                "DeviceID",
                f"the IOMMU of {name(block)} is at 00:00.0",
                "the PCI function of the IOMMU, mostly 00:00.2",
            )
        elif subject.pci is not None and function not in subject.pci:
            yield at(
                block.offset + 4,
                2,
                "DeviceID",
                f"the machine has no PCI function {bdf(block.device_id)}, where {name(block)} "
                "has its IOMMU",
                "enable the IOMMU in the firmware, or name the function that it is",
                severity="warning",
                then=(("Xen 4.8+", _NO_WORD), ("Linux", "no IOMMU")),
            )
    if subject.pci is None:
        yield Missing("the PCI functions of the board are not known", _PCI_HINT)


@acpi_rule(
    "ivrs.iommu-base",
    "error",
    checks="The IOMMU's base address is not 0, lies at a multiple of 16 KiB, better of 512 KiB, "
    "below 2^52, and not in RAM.",
    reference=_REGISTERS,
    then=(*_ZERO, ("Linux", 'no IOMMU: "Can not reserve memory region 0-... for mmio"')),
)
def bases(subject: AcpiSubject) -> Found:
    """Addresses that cannot be."""
    for block in subject.ivhds:
        where = (block.offset + 8, 8, "IOMMU Base Address")
        base = block.base
        what = f"the registers of {name(block)} are at {base:#x}"
        hint = "the address in the IOMMU's capability block, without its enable bit"
        if not base:
            yield at(*where, what, hint)
        elif base >> 52:
            yield at(
                *where,
                f"{what}, beyond what a processor can reach",
                hint,
                then=(("Xen 4.8+", "panics on boot, a page fault"), ("Linux", "no IOMMU")),
            )
        elif base & 0x3FFF:
            yield at(*where, f"{what}, which is no multiple of 16 KiB", hint, then=_HANG)
        elif _in_ram(subject, base):
            yield at(*where, f"{what}, which is RAM by the memory map", hint, then=_HANG)
        elif base & 0x7FFFF:
            yield at(
                *where,
                f"{what}, which is no multiple of 512 KiB",
                "right for an IOMMU without performance counters, whose registers take 16 KiB",
                severity="note",
                then=(("Xen 4.8+", "uses it"), ("Linux", "uses it")),
            )
    if subject.e820 is None:
        yield Missing("the memory map is not known", "a boot log with the memory map (--e820)")


def _in_ram(subject: AcpiSubject, base: int) -> bool:
    return any(one.type == RAM and one.start <= base < one.end for one in subject.e820 or ())


@acpi_rule(
    "ivrs.iommu-capability",
    "error",
    checks="The Capability Offset of an IVHD is one of a PCI capability: 40h to FCh, a multiple "
    "of 4.",
    reference=_IVHD,
    then=(*_ZERO, ("Linux", "reads another register as the IOMMU's capabilities")),
)
def capabilities(subject: AcpiSubject) -> Found:
    """Offsets where no capability can be."""
    for block in subject.ivhds:
        offset = block.capability
        if 0x40 <= offset <= 0xFC and not offset & 3:
            continue
        silent = offset and not 0x40 <= offset <= 0xFF
        yield at(
            block.offset + 6,
            2,
            "Capability Offset",
            f"the capability of {name(block)} is at {offset:#x}",
            "the offset of the IOMMU's capability block (id 0Fh) in its configuration space, "
            "mostly 40h",
            severity="warning" if offset and not silent else None,
            then=(("Xen 4.8+", _NO_WORD), ("Linux", "reads a wrong register")) if silent else (),
        )


@acpi_rule(
    "ivrs.iommu-twice",
    "error",
    checks="Each IOMMU has one IVHD of each type, and registers of its own.",
    reference=_IVHD,
    then=_HANG,
)
def twice(subject: AcpiSubject) -> Found:
    """The same function, or the same registers, in two blocks of a type."""
    functions: dict[tuple[int, int, int], Ivhd] = {}
    registers: dict[tuple[int, int], Ivhd] = {}
    for block in subject.ivhds:
        first = functions.setdefault((block.type, block.segment, block.device_id), block)
        if first is not block:
            yield at(
                block.offset + 4,
                2,
                "DeviceID",
                f"{name(block)} is about {bdf(block.device_id)}, as that at {first.offset:#x} is",
                "one block with the device entries of both",
            )
            continue
        first = registers.setdefault((block.type, block.base), block)
        if first is not block and block.base:
            yield at(
                block.offset + 8,
                8,
                "IOMMU Base Address",
                f"the registers of {bdf(block.device_id)} are at {block.base:#x}, as those of "
                f"{bdf(first.device_id)}",
                "the address that is in the capability block of each",
            )


@acpi_rule(
    "ivrs.device-not-covered",
    "warning",
    checks="Each PCI function of the board is behind an IOMMU; host bridges need not be.",
    reference=SPEC + '"IVHD Device Entries"',
    then=(
        ("Xen 4.8+", '"No iommu for ...; cannot be handed to d0": dom0 cannot use the device'),
        ("Linux", "the device has no IOMMU: its DMA is not translated"),
    ),
)
def covered(subject: AcpiSubject) -> Found:
    """Functions of the board that no entry is about, by the block that Xen reads."""
    if subject.pci is None:
        yield Missing("the PCI functions of the board are not known", _PCI_HINT)
        return
    kind = subject.read_by_xen
    blocks = subject.of_type(kind) if kind is not None else ()
    iommus = {block.segment << 16 | block.device_id for block in blocks}
    known: dict[int, Coverage] = {}
    for function in sorted(subject.pci - iommus):
        segment, device = function >> 16, function & 0xFFFF
        if segment not in known:
            known[segment] = Coverage(blocks, segment)
        if blocks and device not in known[segment]:
            yield at(
                blocks[0].offset,
                blocks[0].header_size,
                "device entries",
                f"no entry of the IVHDs of type {kind:02X}h is about {segment:04x}:{bdf(device)}",
                "a range that it is in, or an entry of type 2",
            )


RULES: tuple[Rule, ...] = (devices, bases, capabilities, twice, covered)
