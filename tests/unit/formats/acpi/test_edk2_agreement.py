"""Our IVRS against that of edk2-pytool-library, field by field, on the tables of real machines.

What it refuses, it refuses for one of three reasons of its own:
- IVinfo with EFRSup alone or nothing (it wants one of the bits 1 to 4 set);
- a block of a type that it does not know;
- the integer UID of an ACPI HID entry with another length than 8.
It joins a range's start and end into one entry, which is taken apart here again.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from harness.formats.acpi import ivrs
from harness.formats.acpi.ivrs import DeviceEntry, Ivhd, Ivmd, Ivrs, UnknownBlock

edk2 = pytest.importorskip(
    "edk2toollib.acpi.ivrs_parser",
    reason="edk2-pytool-library is not installed, to compare with",
)

Corpus = Callable[[str], list[tuple[str, bytes]]]


def decoded(data: bytes) -> Any | None:
    """Its view of a table, None if it refuses it. It ends the process when it does."""
    try:
        with redirect_stdout(StringIO()):
            return edk2.IVRS_TABLE(data)
    except (struct.error, SystemExit):
        return None


def reasons(table: Ivrs) -> list[str]:
    entries = [entry for one in table.blocks if isinstance(one, Ivhd) for entry in one.entries]
    found = []
    if table.ivinfo & 0x1E == 0:
        found.append("IVinfo")
    if any(isinstance(block, UnknownBlock) for block in table.blocks):
        found.append("block type")
    if any(entry.uid_format == 1 and len(entry.uid or b"") != 8 for entry in entries):
        found.append("integer UID")
    return found


def theirs(entry: Any) -> Iterator[tuple[object, ...]]:
    kind = int(entry.Type)
    rest: tuple[object, ...] = ()
    if kind in (66, 67):
        rest = (entry.SourceDeviceID,)
    elif kind in (70, 71):
        rest = (entry.ExtendedDTESetting,)
    elif kind == 72:
        rest = (entry.Handle, entry.SourceDeviceID, entry.Variety)
    elif kind == 240:
        uid = entry.UID.to_bytes(8, "little") if isinstance(entry.UID, int) else entry.UID or b""
        rest = (entry.HID, entry.CID, entry.UIDFormat, uid)
    yield (kind, entry.DeviceID, entry.DTESetting, *rest)
    if kind in (3, 67, 71):
        yield (4, entry.EndDeviceID, 0)


def ours(entry: DeviceEntry) -> tuple[object, ...]:
    rest: tuple[object, ...] = ()
    if entry.type in (66, 67):
        rest = (entry.source_id,)
    elif entry.type in (70, 71):
        rest = (entry.ext_data,)
    elif entry.type == 72:
        rest = (entry.handle, entry.source_id, entry.variety)
    elif entry.type == 240:
        hid, cid = (
            (text or "").encode("latin-1").ljust(8, b"\0") for text in (entry.hid, entry.cid)
        )
        rest = (hid, cid, entry.uid_format, entry.uid or b"")
    return (entry.type, entry.device_id, entry.data, *rest)


def test_the_fields_agree_on_every_table_that_it_accepts(corpus: Corpus) -> None:
    compared: Counter[str] = Counter()
    for machine, data in corpus("IVRS"):
        other = decoded(data)
        if other is None:
            continue
        table = ivrs.parse(data, strict=True)
        header = other.acpi_header
        assert (header.Signature.decode(), header.Length, header.Revision, header.Checksum) == (
            table.header.signature,
            table.header.length,
            table.header.revision,
            table.header.checksum,
        ), machine
        assert (header.IVinfo, header.Reserved) == (table.ivinfo, table.reserved), machine
        assert len(other.SubStructs) == len(table.blocks), machine
        for theirs_, block in zip(other.SubStructs, table.blocks, strict=True):
            where = (machine, block.offset)
            assert theirs_.Type == block.type, where
            if isinstance(block, Ivhd):
                assert (
                    theirs_.Flags,
                    theirs_.Length,
                    theirs_.DeviceID,
                    theirs_.CapabilityOffset,
                    theirs_.IOMMUBaseAddress,
                    theirs_.SegmentGroup,
                    theirs_.IOMMUInfo,
                    theirs_.IOMMUFeatureInfo,
                    theirs_.IOMMUEFRImage,
                ) == (
                    block.flags,
                    block.length,
                    block.device_id,
                    block.capability,
                    block.base,
                    block.segment,
                    block.info,
                    block.features,
                    block.efr,
                ), where
                flat = [one for entry in theirs_.DeviceTableEntries for one in theirs(entry)]
                assert flat == [ours(entry) for entry in block.entries], where
                compared["entries"] += len(flat)
            else:
                assert isinstance(block, Ivmd)
                assert (
                    theirs_.Flags,
                    theirs_.Length,
                    theirs_.DeviceID,
                    theirs_.AuxiliaryData,
                    theirs_.Reserved,
                    theirs_.IVMDStartAddress,
                    theirs_.IVMDMemoryBlockLength,
                ) == (
                    block.flags,
                    block.length,
                    block.device_id,
                    block.aux,
                    block.reserved,
                    block.start,
                    block.size,
                ), where
            compared["blocks"] += 1
        assert other.Encode() == ivrs.build(table) == data, machine
        compared["tables"] += 1
    assert compared["tables"] == 26
    assert compared["blocks"] > 50
    assert compared["entries"] > 500


def test_what_it_refuses_has_a_reason(corpus: Corpus) -> None:
    why: Counter[str] = Counter()
    for machine, data in corpus("IVRS"):
        found = reasons(ivrs.parse(data))
        assert (decoded(data) is None) == bool(found), machine
        why.update(found[:1])
    assert why == {"IVinfo": 57, "block type": 2, "integer UID": 1}
