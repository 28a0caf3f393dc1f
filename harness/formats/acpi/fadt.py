"""FADT, signature "FACP": the fixed hardware of ACPI, and where DSDT and FACS are.

Source: ACPI 6.5, section 5.2.9, "Fixed ACPI Description Table (FADT)", table 5.9. It has
grown: 116 bytes in revision 1 (ACPI 1.0), 244 in 3 and 4 (2.0 to 4.0), 268 in 5, 276 in 6.
What is there is told by the length, as firmware is careless about the revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.errors import FormatError
from harness.formats.acpi import gas
from harness.formats.acpi.gas import Gas
from harness.formats.acpi.header import HEADER_SIZE, Header, body, build_header, checksum
from harness.formats.acpi.layout import Layout

LEAST = 116
SIZE_OF_REVISION = {1: 116, 2: 132, 3: 244, 4: 244, 5: 268, 6: 276}


@dataclass(frozen=True)
class Fadt:
    """The table, as stored.

    The names of the fields are those of the specification in lower case. The ones that a
    shorter table does not have are None, from some field on all of them.

    Attributes:
        header: as stored.
        firmware_ctrl, dsdt: physical addresses of FACS and DSDT, 32 bits; their `x_` forms
            64 bits, used when not 0.
        int_model: reserved since ACPI 2.0.
        sci_int: the interrupt of ACPI events; a global system interrupt without 8259s.
        pm1a_evt_blk and other `_blk`: I/O ports, 0 for none; their `x_` forms any register.
        reset_reg, reset_value: write the value to the register to reset the machine.
        flags: bit 10 is RESET_REG_SUP.
        rest: bytes within the length that make no whole field, and what follows it.
    """

    header: Header
    firmware_ctrl: int = 0
    dsdt: int = 0
    int_model: int = 0
    preferred_pm_profile: int = 0
    sci_int: int = 0
    smi_cmd: int = 0
    acpi_enable: int = 0
    acpi_disable: int = 0
    s4bios_req: int = 0
    pstate_cnt: int = 0
    pm1a_evt_blk: int = 0
    pm1b_evt_blk: int = 0
    pm1a_cnt_blk: int = 0
    pm1b_cnt_blk: int = 0
    pm2_cnt_blk: int = 0
    pm_tmr_blk: int = 0
    gpe0_blk: int = 0
    gpe1_blk: int = 0
    pm1_evt_len: int = 0
    pm1_cnt_len: int = 0
    pm2_cnt_len: int = 0
    pm_tmr_len: int = 0
    gpe0_blk_len: int = 0
    gpe1_blk_len: int = 0
    gpe1_base: int = 0
    cst_cnt: int = 0
    p_lvl2_lat: int = 0
    p_lvl3_lat: int = 0
    flush_size: int = 0
    flush_stride: int = 0
    duty_offset: int = 0
    duty_width: int = 0
    day_alrm: int = 0
    mon_alrm: int = 0
    century: int = 0
    iapc_boot_arch: int = 0
    reserved: int = 0
    flags: int = 0
    reset_reg: Gas | None = None
    reset_value: int | None = None
    arm_boot_arch: int | None = None
    minor_version: int | None = None
    x_firmware_ctrl: int | None = None
    x_dsdt: int | None = None
    x_pm1a_evt_blk: Gas | None = None
    x_pm1b_evt_blk: Gas | None = None
    x_pm1a_cnt_blk: Gas | None = None
    x_pm1b_cnt_blk: Gas | None = None
    x_pm2_cnt_blk: Gas | None = None
    x_pm_tmr_blk: Gas | None = None
    x_gpe0_blk: Gas | None = None
    x_gpe1_blk: Gas | None = None
    sleep_control_reg: Gas | None = None
    sleep_status_reg: Gas | None = None
    hypervisor_id: int | None = None
    rest: bytes = b""

    @property
    def checksum_ok(self) -> bool:
        """The bytes that the length field covers sum up to 0."""
        return checksum(build(self)[: self.header.length]) == 0

    @property
    def facs_address(self) -> int:
        """Where the FACS is; 0 for none."""
        return self.x_firmware_ctrl or self.firmware_ctrl

    @property
    def dsdt_address(self) -> int:
        """Where the DSDT is."""
        return self.x_dsdt or self.dsdt

    @property
    def pm_timer(self) -> Gas | None:
        """The register of the power management timer, whichever field has it."""
        if self.x_pm_tmr_blk is not None and self.x_pm_tmr_blk.address:
            return self.x_pm_tmr_blk
        if self.pm_tmr_blk:
            return Gas(gas.SYSTEM_IO, 8 * self.pm_tmr_len, 0, 0, self.pm_tmr_blk)
        return None


# Each field after the header: its kind (G a Gas, else a code of `struct`), its name here,
# its name in the specification.
_FIELDS = (
    ("I", "firmware_ctrl", "FIRMWARE_CTRL"),
    ("I", "dsdt", "DSDT"),
    ("B", "int_model", "INT_MODEL"),
    ("B", "preferred_pm_profile", "Preferred_PM_Profile"),
    ("H", "sci_int", "SCI_INT"),
    ("I", "smi_cmd", "SMI_CMD"),
    ("B", "acpi_enable", "ACPI_ENABLE"),
    ("B", "acpi_disable", "ACPI_DISABLE"),
    ("B", "s4bios_req", "S4BIOS_REQ"),
    ("B", "pstate_cnt", "PSTATE_CNT"),
    ("I", "pm1a_evt_blk", "PM1a_EVT_BLK"),
    ("I", "pm1b_evt_blk", "PM1b_EVT_BLK"),
    ("I", "pm1a_cnt_blk", "PM1a_CNT_BLK"),
    ("I", "pm1b_cnt_blk", "PM1b_CNT_BLK"),
    ("I", "pm2_cnt_blk", "PM2_CNT_BLK"),
    ("I", "pm_tmr_blk", "PM_TMR_BLK"),
    ("I", "gpe0_blk", "GPE0_BLK"),
    ("I", "gpe1_blk", "GPE1_BLK"),
    ("B", "pm1_evt_len", "PM1_EVT_LEN"),
    ("B", "pm1_cnt_len", "PM1_CNT_LEN"),
    ("B", "pm2_cnt_len", "PM2_CNT_LEN"),
    ("B", "pm_tmr_len", "PM_TMR_LEN"),
    ("B", "gpe0_blk_len", "GPE0_BLK_LEN"),
    ("B", "gpe1_blk_len", "GPE1_BLK_LEN"),
    ("B", "gpe1_base", "GPE1_BASE"),
    ("B", "cst_cnt", "CST_CNT"),
    ("H", "p_lvl2_lat", "P_LVL2_LAT"),
    ("H", "p_lvl3_lat", "P_LVL3_LAT"),
    ("H", "flush_size", "FLUSH_SIZE"),
    ("H", "flush_stride", "FLUSH_STRIDE"),
    ("B", "duty_offset", "DUTY_OFFSET"),
    ("B", "duty_width", "DUTY_WIDTH"),
    ("B", "day_alrm", "DAY_ALRM"),
    ("B", "mon_alrm", "MON_ALRM"),
    ("B", "century", "CENTURY"),
    ("H", "iapc_boot_arch", "IAPC_BOOT_ARCH"),
    ("B", "reserved", "Reserved"),
    ("I", "flags", "Flags"),
    ("G", "reset_reg", "RESET_REG"),
    ("B", "reset_value", "RESET_VALUE"),
    ("H", "arm_boot_arch", "ARM_BOOT_ARCH"),
    ("B", "minor_version", "FADT Minor Version"),
    ("Q", "x_firmware_ctrl", "X_FIRMWARE_CTRL"),
    ("Q", "x_dsdt", "X_DSDT"),
    ("G", "x_pm1a_evt_blk", "X_PM1a_EVT_BLK"),
    ("G", "x_pm1b_evt_blk", "X_PM1b_EVT_BLK"),
    ("G", "x_pm1a_cnt_blk", "X_PM1a_CNT_BLK"),
    ("G", "x_pm1b_cnt_blk", "X_PM1b_CNT_BLK"),
    ("G", "x_pm2_cnt_blk", "X_PM2_CNT_BLK"),
    ("G", "x_pm_tmr_blk", "X_PM_TMR_BLK"),
    ("G", "x_gpe0_blk", "X_GPE0_BLK"),
    ("G", "x_gpe1_blk", "X_GPE1_BLK"),
    ("G", "sleep_control_reg", "SLEEP_CONTROL_REG"),
    ("G", "sleep_status_reg", "SLEEP_STATUS_REG"),
    ("Q", "hypervisor_id", "Hypervisor Vendor Identity"),
)


def parse(data: bytes) -> Fadt:
    """Read a FADT of any revision; lenient about its checksum.

    Raises:
        FormatError: another signature, or a length that is not that of such a table.
    """
    header, table = body(data, LEAST)
    if header.signature != "FACP":
        raise FormatError(
            f"the signature is {header.signature!r}",
            field="Signature",
            offset=0,
            expected="'FACP'",
        )
    values: dict[str, int | Gas] = {}
    at = HEADER_SIZE
    for kind, name, words in _FIELDS:
        size = _size(kind)
        if at + size > len(table):
            break
        values[name] = (
            gas.parse(table, at) if kind == "G" else Layout(kind, (words,)).read(table, at)[0]
        )
        at += size
    return _fadt(header, values, data[at:])


def build(table: Fadt) -> bytes:
    """Its bytes up to the first field that is None, then `rest`; the header as it stands.

    Raises:
        FormatError: a value that its field has no room for, or one behind a None.
    """
    made = build_header(table.header)
    ended = ""
    for kind, name, words in _FIELDS:
        value: int | Gas | None = getattr(table, name)
        if value is None:
            ended = ended or words
        elif ended:
            raise FormatError(
                f"has a value, but {ended} before it has none", field=words, offset=len(made)
            )
        elif isinstance(value, Gas):
            made += gas.build(value, len(made))
        else:
            made += Layout(kind, (words,)).write((value,), len(made))
    return made + table.rest


def _size(kind: str) -> int:
    return gas.SIZE if kind == "G" else Layout(kind, ("",)).size


def _fadt(header: Header, values: dict[str, int | Gas], rest: bytes) -> Fadt:
    made: Any = Fadt
    fadt: Fadt = made(header, **values, rest=rest)
    return fadt
