"""The lines that Xen prints about an IVRS, until 4.15 and since 4.16.

Sources: xen/drivers/passthrough/amd/iommu_acpi.c, iommu_detect.c, iommu_init.c, iommu_intr.c
and pci_amd_iommu.c of the releases. Until 4.15 most of them are debug messages, printed
with iommu=debug only.
"""

from __future__ import annotations

import re

from harness.lint.acpi_model.prediction import Level
from harness.lint.acpi_model.versions import XenVersion

_AMD = "AMD-Vi: "
_ERROR = "AMD-Vi: Error: "
_WARN = "AMD-Vi: Warning: "

# key -> (level, text until 4.15, text since 4.16); one text when it never changed.
# Fields in braces are numbers as "%#x" prints them, or texts.
_WORDS: dict[str, tuple[Level, str] | tuple[Level, str, str]] = {
    "table-checksum": (
        "warning",
        "ACPI Warning (tbutils-0189): Incorrect checksum in table [IVRS] - {stored}, "
        "should be {right} [20070126]",
    ),
    "checksum": (
        "error",
        _AMD + "IVRS Error: Invalid Checksum {sum}",
        _ERROR + "IVRS: invalid checksum {sum}",
    ),
    "table-length": (
        "error",
        _AMD + "IVRS Error: Table Length Exceeded: {length} -> {end}",
        _ERROR + "IVRS: table length exceeded: {length} -> {end}",
    ),
    "no-supported-type": ("error", "Cannot find supported IVHD type."),
    "ivhd-short": (
        "error",
        _AMD + "Invalid IVHD Block Length!",
        _ERROR + "invalid IVHD block length",
    ),
    "ivhd-zero-field": ("error", _AMD + "Invalid IVHD Block!", _ERROR + "invalid IVHD block"),
    "ivhd-length": (
        "error",
        _AMD + "IVHD Error: Invalid Block Length!",
        _ERROR + "IVHD: invalid block length",
    ),
    "ivhd-unknown-iommu": (
        "error",
        _AMD + "IVHD Error: No IOMMU for Dev_Id {id} Cap {cap}",
        _ERROR + "IVHD: no IOMMU for Dev_Id {id} Cap {cap}",
    ),
    "entry-type": (
        "warning",
        _AMD + "IVHD Error: Invalid Device Type!",
        _WARN + "IVHD: unknown device type {type}",
    ),
    "entry-length": (
        "error",
        _AMD + "IVHD Error: Invalid Device_Entry Length!",
        _ERROR + "IVHD: invalid Device_Entry length",
    ),
    "entry-id": (
        "error",
        _AMD + "IVHD Error: Invalid Device_Entry Dev_Id {id}",
        _ERROR + "IVHD: invalid Device_Entry Dev_Id {id}",
    ),
    "range-end-type": (
        "error",
        _AMD + "IVHD Error: Invalid Range: End_Type {type}",
        _ERROR + "IVHD: invalid range: End_Type {type}",
    ),
    "range-first": (
        "error",
        _AMD + "IVHD Error: Invalid Range: First Dev_Id {id}",
        _ERROR + "IVHD: invalid range: First Dev_Id {id}",
    ),
    "range-last": (
        "error",
        _AMD + "IVHD Error: Invalid Range: Last Dev_Id {id}",
        _ERROR + "IVHD: invalid range: Last Dev_Id {id}",
    ),
    "alias-id": (
        "error",
        _AMD + "IVHD Error: Invalid Alias Dev_Id {id}",
        _ERROR + "IVHD: invalid Alias Dev_Id {id}",
    ),
    # Forgotten when the others were reworded.
    "alias-range-id": ("error", _AMD + "IVHD Error: Invalid Alias Dev_Id {id}"),
    "special-variety": ("error", "Unrecognized IVHD special variety {variety}"),
    "ioapic-beyond": ("error", "IVHD Error: IO-APIC {id} entry beyond bounds"),
    "ioapic-unknown": ("error", "IVHD Error: Invalid IO-APIC {id}"),
    "ioapic-duplicate": (
        "warning",
        _AMD + "IVHD Warning: Duplicate IO-APIC {id} entries",
        _WARN + "IVHD: duplicate IO-APIC {id} entries",
    ),
    "ioapic-conflict": (
        "error",
        "IVHD Error: Conflicting IO-APIC {id} entries",
        _ERROR + "IVHD: conflicting IO-APIC {id} entries",
    ),
    "ioapic-many": ("error", "IVHD Error: Too many IO APICs."),
    "ioapic-missing": ("error", "IVHD Error: no information for IO-APIC {id}"),
    "ioapic-southbridge": ("error", "No southbridge IO-APIC found in IVRS table"),
    "ioapic-iommu": (
        "warning",
        _AMD + "Fail to find iommu for ioapic device id = {segment}:{id}",
        _WARN + "failed to find IOMMU for IO-APIC @ {segment}:{id}",
    ),
    "ioapic-iommu-xt": (
        "warning",
        _AMD + "No IOMMU for IO-APIC {apic} (ID {id})",
        _WARN + "no IOMMU for IO-APIC {apic} (ID {id})",
    ),
    "hpet-second": ("warning", "Only one IVHD HPET entry is supported."),
    "ivmd-length": (
        "error",
        _AMD + "IVMD Error: Invalid Block Length!",
        _ERROR + "IVMD: invalid block length",
    ),
    "ivmd-flags": (
        "error",
        _AMD + "IVMD Error: Invalid Flag Field!",
        _ERROR + "IVMD: invalid flag field",
    ),
    "ivmd-id": (
        "error",
        _AMD + "IVMD Error: Invalid Dev_Id {id}",
        _ERROR + "IVMD: invalid Dev_Id {id}",
    ),
    "ivmd-first": (
        "error",
        _AMD + "IVMD Error: Invalid Range_First Dev_Id {id}",
        _ERROR + "IVMD: invalid Range_First Dev_Id {id}",
    ),
    "ivmd-last": (
        "error",
        _AMD + "IVMD Error: Invalid Range_Last Dev_Id {id}",
        _ERROR + "IVMD: invalid Range_Last Dev_Id {id}",
    ),
    "ivmd-no-iommu": (
        "error",
        _AMD + "IVMD Error: No IOMMU for Dev_Id {id}!",
        _ERROR + "IVMD: no IOMMU for Dev_Id {id}",
    ),
    "ivmd-no-iommu-ignored": (
        "warning",
        _WARN + "IVMD: no IOMMU for device {device} - ignoring constrain",
    ),
    "ivmd-no-iommu-cap": (
        "error",
        _AMD + "IVMD Error: No IOMMU for Dev_Id {id} Cap {cap}",
        _ERROR + "IVMD: no IOMMU for Dev_Id {id} Cap {cap}",
    ),
    "ivmd-overlap": (
        "error",
        _AMD + "IVMD Error: overlap [{start},{end}) vs [{other},{other_end})",
        _ERROR + "IVMD: overlap [{start},{end}) vs [{other},{other_end})",
    ),
    "ivmd-addressable": ("warning", _WARN + "IVMD: [{start},{end}) is not IOMMU addressable"),
    "ivmd-not-reserved": (
        "warning",
        _WARN + "IVMD: [{start},{end}) is not (entirely) in reserved memory",
    ),
    "ivmd-page-ram": ("error", _ERROR + "IVMD: page at {page} can't be converted"),
    "ivmd-page-map": ("error", _ERROR + "IVMD: page at {page} couldn't be reserved"),
    "unity-not-reserved": (
        "warning",
        "IVMD: [{start}, {end}] is not (entirely) in reserved memory",
    ),
    "unity-page-ram": ("error", "IVMD: page at {page} can't be converted"),
    "unity-page-map": ("error", "IVMD: page at {page} couldn't be reserved"),
    "not-found": ("warning", "AMD-Vi: IOMMU not found!"),
    "initialization": ("error", "AMD-Vi: Error initialization"),
    "sp5100": ("warning", "AMD-Vi: SP5100 erratum 28 detected, disabling IOMMU."),
    "no-cx16": ("error", _ERROR + "no CMPXCHG16B support, disabling IOMMU"),
    "completion-wait": ("warning", "AMD IOMMU {device}: completion wait taking too long"),
    "completion-bit": ("warning", _AMD + "Warning: ComWaitInt bit did not assert!"),
    "no-pdev": (
        "warning",
        _AMD + "IOMMU: no pdev for {device}",
        _WARN + "no pdev for {device}",
    ),
}

_REWORDED = 16


def hexadecimal(number: int) -> str:
    """As "%#x" of Xen's printk: 0 has no "0x"."""
    return f"{number:#x}" if number else "0"


def device_name(function: int) -> str:
    """segment << 16 | bus << 8 | device << 3 | function, as "0000:00:14.0"."""
    return (
        f"{function >> 16:04x}:{function >> 8 & 0xFF:02x}:{function >> 3 & 31:02x}.{function & 7}"
    )


def worded(key: str, version: XenVersion, **values: int | str) -> tuple[Level, str]:
    """The level and the text of a message; integers print as "%#x"."""
    level, *texts = _WORDS[key]
    text = texts[-1] if version.minor >= _REWORDED else texts[0]
    shown = {
        name: hexadecimal(value) if isinstance(value, int) else value
        for name, value in values.items()
    }
    return level, text.format(**shown)


_PROBLEM = re.compile(
    r"AMD-Vi: (?:.*(?:error|warning|invalid|not found|fail|erratum|no iommu|no pdev)"
    r"|AMD-Vi: no )"
    r"|IVHD Error|IVMD Error|IVRS Error|No southbridge IO-APIC|Only one IVHD HPET"
    r"|Unrecognized IVHD|Cannot find supported IVHD|checksum in table \[IVRS\]"
    r"|^IVMD: |AMD IOMMU .*(?:completion wait|no cmd slot)",
    re.IGNORECASE,
)


def is_problem(text: str) -> bool:
    """Whether a line of Xen, without "(XEN) ", is an error or a warning about the IOMMU.

    The same for lines of a real log and for `Prediction.messages`, so that they compare.
    """
    return _PROBLEM.search(text) is not None
