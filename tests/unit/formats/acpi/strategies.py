"""Hypothesis strategies for ACPI tables, to draw valid ones and ones with any field values."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.formats.acpi.header import Header
from harness.formats.acpi.ivrs import DeviceEntry, Ivhd, Ivmd, Ivrs, UnknownBlock, entries, finish
from harness.formats.acpi.ivrs.model import IVHD_HEADER_SIZES, IVMD_SIZE, IVMD_TYPES

U8 = st.integers(0, 0xFF)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, (1 << 64) - 1)

_LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


def texts(size: int) -> st.SearchStrategy[str]:
    return st.text(_LETTERS, max_size=size)


def headers(signature: str) -> st.SearchStrategy[Header]:
    """Headers of a table; length and checksum are 0, to be made right."""
    return st.builds(
        Header,
        st.just(signature),
        st.just(0),
        U8,
        st.just(0),
        texts(6),
        texts(8),
        U32,
        texts(4),
        U32,
    )


def _ordered(
    make: st.SearchStrategy[tuple[DeviceEntry, ...]],
) -> st.SearchStrategy[tuple[DeviceEntry, ...]]:
    return make.filter(lambda pair: pair[0].device_id <= pair[1].device_id)


def entry_groups() -> st.SearchStrategy[tuple[DeviceEntry, ...]]:
    """One meaning each: an entry, or the start and the end of a range."""
    single = st.one_of(
        st.just(entries.pad4()),
        st.just(entries.pad8()),
        st.builds(entries.all_devices, U8),
        st.builds(entries.select, U16, U8),
        st.builds(entries.alias_select, U16, U16, U8),
        st.builds(entries.extended_select, U16, U32, U8),
        st.builds(entries.ioapic, U8, U16, U8),
        st.builds(entries.hpet, U8, U16, U8),
        st.builds(
            entries.acpi_hid,
            U16,
            texts(8),
            cid=texts(8),
            uid=st.one_of(st.none(), U64, texts(40)),
            data=U8,
        ),
    ).map(lambda entry: (entry,))
    ranges = st.one_of(
        st.builds(entries.device_range, U16, U16, U8),
        st.builds(entries.alias_range, U16, U16, U16, U8),
        st.builds(entries.extended_range, U16, U16, U32, U8),
    )
    return st.one_of(single, _ordered(ranges))


def ivhds() -> st.SearchStrategy[Ivhd]:
    """Blocks with any values; their lengths are 0, to be made right."""
    content = st.lists(entry_groups(), max_size=12).map(lambda groups: sum(groups, ()))
    base = st.integers(0, (1 << 52) - 1).map(lambda value: value & ~0x3FFF)

    def block(
        kind: int, efr: int, efr2: int, *values: int, content: tuple[DeviceEntry, ...]
    ) -> Ivhd:
        plain = IVHD_HEADER_SIZES[kind] == 24
        flags, device_id, capability, address, segment, info, features = values
        return Ivhd(
            kind,
            flags,
            0,
            device_id,
            capability,
            address,
            segment,
            info,
            features,
            None if plain else efr,
            None if plain else efr2,
            content,
        )

    kinds = st.sampled_from(sorted(IVHD_HEADER_SIZES))
    return st.builds(block, kinds, U64, U64, U8, U16, U16, base, U16, U16, U32, content=content)


def ivmds() -> st.SearchStrategy[Ivmd]:
    return st.builds(
        Ivmd,
        st.sampled_from(sorted(IVMD_TYPES)),
        U8,
        st.just(IVMD_SIZE),
        U16,
        U16,
        U64,
        U64,
        U64,
        tail=st.just(b""),
    )


def unknown_blocks() -> st.SearchStrategy[UnknownBlock]:
    known = {*IVHD_HEADER_SIZES, *IVMD_TYPES}
    kinds = U8.filter(lambda kind: kind not in known)
    contents = st.binary(min_size=1, max_size=40)
    return st.builds(
        lambda kind, data: UnknownBlock(kind, bytes([kind, 0, 0, 0]) + data), kinds, contents
    )


def ivrs_tables() -> st.SearchStrategy[Ivrs]:
    """Tables that can be walked from end to end, with right lengths, checksum and offsets."""
    blocks = st.lists(st.one_of(ivhds(), ivmds(), unknown_blocks()), max_size=6).map(tuple)
    return st.builds(Ivrs, headers("IVRS"), U32, U64, blocks).map(finish)
