"""Device entries of an IVHD block.

Source: iommu_acpi.c get_last_bdf_ivhd(), parse_ivhd_block(), parse_ivhd_device_*().
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.lint.acpi_model.mapping import map_device, map_range
from harness.lint.acpi_model.special import special
from harness.lint.acpi_model.state import Ended, GaveUp, Iommu, State
from harness.lint.acpi_model.table import IVHD_10, IVHD_10_HEADER, IVHD_11_HEADER, Block, TableBytes
from harness.lint.acpi_model.wording import hexadecimal as x

END = 0x04
_LAST = "iommu_acpi.c: get_last_bdf_ivhd()"
_PARSE = "iommu_acpi.c: parse_ivhd_block()"

# type -> (bytes that Xen steps over, offset of the id that counts for the last one)
_SIZES: dict[int, tuple[int, int | None]] = {
    0x00: (4, None),
    0x40: (8, None),
    0x02: (4, 1),
    0x42: (8, 1),
    0x46: (8, 1),
    0x03: (8, 5),
    0x43: (12, 9),
    0x47: (12, 9),
    0x48: (8, 5),
}


def header_size(block: Block) -> int:
    """get_ivhd_header_size()"""
    return IVHD_10_HEADER if block.type == IVHD_10 else IVHD_11_HEADER


def check_length(block: Block, state: State, source: str) -> None:
    """Raise GaveUp when the block is shorter than its header."""
    if block.length < header_size(block):
        state.say(
            "ivhd-length",
            source,
            f"{block} is shorter than its header of {header_size(block)} bytes",
            offset=block.offset + 2,
            field="Length",
        )
        raise GaveUp


class _Walk:
    """Offsets of the entries, counted in 16 bits as Xen does: they can wrap."""

    def __init__(self, block: Block, state: State, source: str) -> None:
        self.block = block
        self.state = state
        self.source = source
        self.at = header_size(block)
        self._wrapped: set[int] = set()

    def __iter__(self) -> Iterator[int]:
        while self.block.length >= self.at + 4:
            yield self.at

    def step(self, size: int) -> None:
        self.at += size
        if self.at <= 0xFFFF:
            return
        self.at &= 0xFFFF
        if self.at in self._wrapped:
            self.state.note(
                "entries-wrap",
                self.source,
                f"the 16-bit offset of the entries of {self.block} wraps for ever",
                offset=self.block.offset + 2,
                field="Length",
            )
            raise Ended("hang")
        self._wrapped.add(self.at)

    def unknown(self, at: int, kind: int) -> None:
        self.state.say(
            "entry-type",
            self.source,
            f"type {kind:#04x} is no device entry that Xen knows",
            offset=self.block.offset + at,
            field="Type",
            type=kind,
        )
        raise GaveUp


def last_device_id(table: TableBytes, block: Block, state: State) -> int:
    """get_last_bdf_ivhd(): the highest id of an entry; lengths are not checked here."""
    check_length(block, state, _LAST)
    last = 0
    walk = _Walk(block, state, _LAST)
    for at in walk:
        kind = table.number(block.offset + at, 1)
        if kind not in _SIZES:
            walk.unknown(at, kind)
        size, id_at = _SIZES[kind]
        if id_at is not None:
            last = max(last, table.number(block.offset + at + id_at, 2))
        walk.step(size)
    return last


def parse_ivhd(table: TableBytes, block: Block, state: State) -> None:
    """parse_ivhd_block()

    Raises:
        GaveUp: on the first entry that Xen does not accept.
    """
    check_length(block, state, _PARSE)
    capability = table.number(block.offset + 6, 2)
    segment = table.number(block.offset + 16, 2)
    if state.version.says_block_address:
        state.debug(
            f"IVHD: IOMMU @ {x(table.number(block.offset + 8, 8))} cap @ {x(capability)} "
            f"seg 0x{segment:04x} info {x(table.number(block.offset + 18, 2))} "
            f"attr {x(table.number(block.offset + 20, 4))}"
        )
    iommu = state.find_iommu(segment << 16 | block.device_id, capability)
    if iommu is None:
        state.say(
            "ivhd-unknown-iommu",
            _PARSE,
            f"{block} is of an IOMMU that detection did not find",
            offset=block.offset + 4,
            field="DeviceID",
            id=block.device_id,
            cap=capability,
        )
        raise GaveUp
    walk = _Walk(block, state, _PARSE)
    for at in walk:
        entry = _Entry(table, block, at, iommu, state)
        state.debug(
            f"IVHD Device Entry: type {x(entry.type)} id {x(entry.id)} flags {x(entry.data)}"
        )
        if entry.type not in _SIZES:
            walk.unknown(at, entry.type)
        size = _SIZES[entry.type][0]
        if entry.type != 0x02 and block.length < at + size:
            state.say(
                "entry-length",
                entry.source,
                f"the entry of {size} bytes goes beyond the end of {block}",
                offset=entry.offset,
                field="Type",
            )
            raise GaveUp
        if entry.type in _PARSERS:
            _PARSERS[entry.type](entry)
        walk.step(size)


class _Entry:
    """One device entry, as its parser needs it."""

    def __init__(
        self, table: TableBytes, block: Block, at: int, iommu: Iommu, state: State
    ) -> None:
        self.table = table
        self.iommu = iommu
        self.state = state
        self.offset = block.offset + at
        self.type = table.number(self.offset, 1)
        self.id = table.number(self.offset + 1, 2)
        self.data = table.number(self.offset + 3, 1)

    @property
    def source(self) -> str:
        return f"iommu_acpi.c: {_FUNCTIONS[self.type]}()"

    def check(self, key: str, device: int, at: int, name: str, *, first: int = -1) -> None:
        """Raise GaveUp when an id is beyond the last one, or not above `first`."""
        if device < self.state.entries and device > first:
            return
        self.state.say(
            key,
            self.source,
            f"{device:#06x} is not above {first:#06x}"
            if device <= first
            else f"{device:#06x} is above {self.state.entries - 1:#06x}, the last id in use",
            offset=self.offset + at,
            field=name,
            id=device,
        )
        raise GaveUp

    def span(self, end_at: int) -> tuple[int, int]:
        """The ids of a range; its end entry lies `end_at` bytes behind its start."""
        end_type = self.table.number(self.offset + end_at, 1)
        if end_type != END:
            self.state.say(
                "range-end-type",
                self.source,
                f"the range is followed by an entry of type {end_type:#04x}, not by its end",
                offset=self.offset + end_at,
                field="Type",
                type=end_type,
            )
            raise GaveUp
        last = self.table.number(self.offset + end_at + 1, 2)
        self.check("range-first", self.id, 1, "DeviceID")
        self.check("range-last", last, end_at + 1, "DeviceID", first=self.id)
        return self.id, last


def _select(entry: _Entry) -> None:
    entry.check("entry-id", entry.id, 1, "DeviceID")
    map_device(entry.state, entry.iommu, entry.id, entry.id, table=False)


def _range(entry: _Entry) -> None:
    first, last = entry.span(8 if entry.type == 0x47 else 4)
    entry.state.debug(f" Dev_Id Range: {x(first)} -> {x(last)}")
    map_range(entry.state, entry.iommu, first, last, None)


def _alias(entry: _Entry) -> None:
    entry.check("entry-id", entry.id, 1, "DeviceID")
    alias = entry.table.number(entry.offset + 5, 2)
    entry.check("alias-id", alias, 5, "Source DeviceID")
    entry.state.debug(f" Dev_Id Alias: {x(alias)}")
    map_device(entry.state, entry.iommu, entry.id, alias, table=True)


def _alias_range(entry: _Entry) -> None:
    first, last = entry.span(8)
    alias = entry.table.number(entry.offset + 5, 2)
    entry.check("alias-range-id", alias, 5, "Source DeviceID")
    entry.state.debug(f" Dev_Id Range: {x(first)} -> {x(last)} alias {x(alias)}")
    map_range(entry.state, entry.iommu, first, last, alias)


def _special(entry: _Entry) -> None:
    device = entry.table.number(entry.offset + 5, 2)
    entry.check("entry-id", device, 5, "Source DeviceID")
    special(
        entry.state,
        entry.iommu,
        offset=entry.offset,
        device=device,
        handle=entry.table.number(entry.offset + 4, 1),
        variety=entry.table.number(entry.offset + 7, 1),
    )


_PARSERS: dict[int, Callable[[_Entry], None]] = {
    0x02: _select,
    0x42: _alias,
    0x46: _select,
    0x03: _range,
    0x43: _alias_range,
    0x47: _range,
    0x48: _special,
}
_FUNCTIONS = {
    0x00: "parse_ivhd_device_padding",
    0x40: "parse_ivhd_device_padding",
    0x02: "parse_ivhd_device_select",
    0x42: "parse_ivhd_device_alias",
    0x46: "parse_ivhd_device_extended",
    0x03: "parse_ivhd_device_range",
    0x43: "parse_ivhd_device_alias_range",
    0x47: "parse_ivhd_device_extended_range",
    0x48: "parse_ivhd_device_special",
}
