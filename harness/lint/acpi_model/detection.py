"""Finding the IOMMUs: checksum, type of IVHD, one struct amd_iommu per block.

Sources: iommu_acpi.c get_supported_ivhd_type(), detect_iommu_acpi(); iommu_detect.c
amd_iommu_detect_one_acpi(); pci_amd_iommu.c acpi_ivrs_init(), until 4.12 amd_iov_detect().
"""

from __future__ import annotations

from harness.lint.acpi_model.machine import EFR_SUP_BIT, IOMMU_CAPABILITY_TYPE
from harness.lint.acpi_model.state import GaveUp, Iommu, State
from harness.lint.acpi_model.table import IVHD_10, IVHD_11, Block, TableBytes, blocks
from harness.lint.acpi_model.wording import hexadecimal as x

EFR_SUP = 1 << 0  # of IVinfo
HARDWARE_SIZE = 40  # sizeof(struct acpi_ivrs_hardware), asked of type 10h too
CAP_MSI = 0x05

_TYPE = "iommu_acpi.c: get_supported_ivhd_type()"
_DETECT = "iommu_acpi.c: detect_iommu_acpi()"
_ONE = "iommu_detect.c: amd_iommu_detect_one_acpi()"


def supported_type(table: TableBytes, state: State) -> int:
    """get_supported_ivhd_type(): the highest type among those that Xen reads.

    Raises:
        GaveUp: the checksum is wrong (4.16 and newer), a block is longer than the table, or
            there is no block of a type that Xen reads.
        Ended: a block of length 0.
    """
    if state.version.type_before_detection:
        check_sum(table, state, _TYPE)
        state.info = table.number(36, 4)
    best: Block | None = None
    for block in blocks(table, state, _TYPE):
        check_end(table, block, state, _TYPE)
        if _is_ivhd(block.type, state) and (best is None or best.type < block.type):
            state.debug(
                f"IVRS Block: Found type {x(block.type)} flags {x(block.flags)} "
                f"len {x(block.length)} id {x(block.device_id)}"
            )
            best = block
    if best is None:
        state.say(
            "no-supported-type",
            _TYPE,
            "there is no IVHD block of type 10h, nor of type 11h with EFRSup set"
            if state.version.type_before_detection
            else "there is no IVHD block of type 10h or 11h",
            offset=36 if state.version.type_before_detection else None,
            field="EFRSup" if state.version.type_before_detection else None,
        )
        raise GaveUp
    state.debug(f"Using IVHD type {x(best.type)}")
    return best.type


def _is_ivhd(kind: int, state: State) -> bool:
    """is_ivhd_block()"""
    if kind == IVHD_11:
        return not state.version.type_before_detection or bool(state.info & EFR_SUP)
    return kind == IVHD_10


def check_sum(table: TableBytes, state: State, source: str) -> None:
    """Raise GaveUp when the bytes of the table do not sum up to 0."""
    total = table.sum()
    if total:
        state.say(
            "checksum",
            source,
            f"the bytes of the table sum up to {total:#04x}",
            offset=9,
            field="Checksum",
            sum=total,
        )
        raise GaveUp


def check_end(table: TableBytes, block: Block, state: State, source: str) -> None:
    """Raise GaveUp when a block goes beyond the end of the table."""
    end = block.offset + block.length
    if table.length < end:
        state.say(
            "table-length",
            source,
            f"{block} ends at {end:#x}, behind the end of the table",
            offset=block.offset + 2,
            field="Length",
            length=table.length,
            end=end,
        )
        raise GaveUp


def detect(table: TableBytes, state: State) -> None:
    """detect_iommu_acpi(): an IOMMU for each block of the chosen type (10h until 4.15).

    Raises:
        GaveUp: a block is no IOMMU, or none was found.
        Ended: a block of length 0.
    """
    if not state.version.type_before_detection:
        check_sum(table, state, _DETECT)
    wanted = state.ivhd_type if state.version.type_before_detection else IVHD_10
    for block in blocks(table, state, _DETECT):
        if table.length < block.offset + block.length:
            state.note(
                "table-length",
                _DETECT,
                f"{block} ends behind the end of the table, which is not said",
                offset=block.offset + 2,
                field="Length",
            )
            raise GaveUp
        if block.type == wanted:
            _detect_one(table, block, state)
    if not state.iommus:
        state.note("no-ivhd", _DETECT, f"there is no IVHD block of type {wanted:x}h")
        raise GaveUp


def _detect_one(table: TableBytes, block: Block, state: State) -> None:
    if block.length < HARDWARE_SIZE:
        state.say(
            "ivhd-short",
            _ONE,
            f"{block} has {block.length} bytes, Xen asks for {HARDWARE_SIZE}",
            offset=block.offset + 2,
            field="Length",
        )
        raise GaveUp
    capability = table.number(block.offset + 6, 2)
    base = table.number(block.offset + 8, 8)
    for value, at, name in (
        (block.device_id, 4, "DeviceID"),
        (capability, 6, "Capability Offset"),
        (base, 8, "IOMMU Base Address"),
    ):
        if not value:
            state.say(
                "ivhd-zero-field",
                _ONE,
                f"{name} of {block} is 0",
                offset=block.offset + at,
                field=name,
            )
            raise GaveUp
    segment = table.number(block.offset + 16, 2)
    iommu = Iommu(segment << 16 | block.device_id, capability, base, block.offset)
    _features(table, block, iommu, state)
    iommu.header = _config_dword(state, iommu.function, capability)
    if iommu.header >> 16 & 7 != IOMMU_CAPABILITY_TYPE:
        state.note(
            "iommu-capability",
            "iommu_detect.c: get_iommu_capabilities()",
            f"PCI function {block.device_id:#06x} has no IOMMU capability at {capability:#x}, "
            "which is not said",
            offset=block.offset + 4,
            field="DeviceID",
        )
        raise GaveUp
    position = _find_capability(state.machine.functions.get(iommu.function), CAP_MSI)
    if not position:
        state.note(
            "iommu-msi",
            "iommu_detect.c: get_iommu_msi_capabilities()",
            f"PCI function {block.device_id:#06x} has no MSI capability, which is not said",
            offset=block.offset + 4,
            field="DeviceID",
        )
        raise GaveUp
    state.debug(f"Found MSI capability block at {x(position)}")
    state.iommus.append(iommu)


def _features(table: TableBytes, block: Block, iommu: Iommu, state: State) -> None:
    """Since 4.16 the table tells the features when EFRSup is set; they limit the levels."""
    if not state.version.features_from_table:
        return
    if state.ivhd_type != IVHD_10:
        iommu.features = table.number(block.offset + 24, 8)
    elif state.info & EFR_SUP:
        iommu.features = _from_attributes(table.number(block.offset + 20, 4))
    elif not state.iommus:
        state.debug("EFRSup not set in ACPI table; will fall back to hardware")
    if state.info & EFR_SUP:
        limit_levels(iommu.features, state)


def limit_levels(features: int, state: State) -> None:
    """HATS, bits 11:10 of the extended features: 4 levels of page tables and more."""
    state.max_levels = min(state.max_levels, 4 + (features >> 10 & 3))


def _from_attributes(attributes: int) -> int:
    """The bits of the feature field of a 10h block at their places in the EFR."""
    # (bits in the field, their place, their place in the register)
    layout = ((1, 0, 2), (1, 1, 3), (1, 2, 4), (2, 3, 14), (1, 5, 6), (1, 6, 7))
    more = ((5, 8, 32), (2, 28, 12), (2, 30, 10))
    features = 0
    for width, source, target in (*layout, *more):
        features |= (attributes >> source & ((1 << width) - 1)) << target
    return features


def read_features(iommu: Iommu, state: State) -> None:
    """get_iommu_features(): the register, unless the table told."""
    if state.version.features_from_table and state.info & EFR_SUP:
        return
    if not iommu.header >> EFR_SUP_BIT & 1:
        return
    if answers(iommu, state):
        iommu.features = state.machine.efr.get(iommu.function, 0)
    else:
        iommu.features = 0
    if state.version.features_from_table:
        limit_levels(iommu.features, state)


def answers(iommu: Iommu, state: State) -> bool:
    """Whether this IOMMU's registers are where the table says."""
    return state.machine.iommu_bases.get(iommu.function) == iommu.address


def _config_dword(state: State, function: int, register: int) -> int:
    """pci_conf_read32(): the two low bits of the register do not count."""
    config = state.machine.functions.get(function)
    register &= ~3
    if config is None or register + 4 > len(config):
        return 0xFFFFFFFF
    return int.from_bytes(config[register : register + 4], "little")


def _find_capability(config: bytes | None, wanted: int) -> int:
    """pci_find_cap_offset(): follow the list of capabilities, 48 steps at most."""
    if config is None or not config[6] & 0x10:
        return 0
    position = config[0x34]
    for _ in range(48):
        if position < 0x40:
            return 0
        position &= ~3
        if config[position] == 0xFF:
            return 0
        if config[position] == wanted:
            return position
        position = config[position + 1]
    return 0
