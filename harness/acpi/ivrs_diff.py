"""What changed from one IVRS to another, in the words of the AMD IOMMU Specification (48882)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import combinations
from typing import TypeVar

from harness.formats.acpi.ivrs import Ivhd, Ivmd, Ivrs, UnknownBlock, bdf
from harness.formats.acpi.ivrs import model as m
from harness.formats.acpi.ivrs.names import (
    DTE_FLAGS,
    EFR,
    IOMMU_INFO,
    IVINFO,
    IVMD_FLAGS,
    Layout,
    ivhd_features,
    ivhd_flags,
    reserved_bits,
    spell,
)
from harness.formats.acpi.ivrs.ranges import Span, attributes, spans, subject

MAX_ORDERED = 256
"""Device entries whose order is compared pair by pair; of more, only that it changed is said."""

T = TypeVar("T")
Pairs = tuple[list[tuple[T, T]], list[T], list[T]]


def diff_ivrs(old: Ivrs, new: Ivrs) -> tuple[str, ...]:
    """What changed; the header (but for the IVinfo) is not looked at.

    Blocks and entries are compared whatever their order, except where the order has a
    meaning: of device entries that overlap the later one counts, and an IVMD stands
    behind the IVHD of its device. Padding and reserved bytes have none.
    """
    found = list(_bits("IVinfo", old.ivinfo, new.ivinfo, IVINFO))
    ivhds = _pair(old.ivhds, new.ivhds, [lambda one: (one.type, one.segment, one.device_id)])
    found += _ivhd_changes(ivhds)
    ivmds = _pair(old.ivmds, new.ivmds, [_ivmd_value, _ivmd_devices])
    found += _ivmd_changes(ivmds)
    found += _order_changes(old, new, ivhds[0], ivmds[0])
    unknown = _pair(_unknown(old), _unknown(new), [lambda one: one.data])
    found += [f"{_unknown_name(one)} removed" for one in unknown[1]]
    found += [f"{_unknown_name(one)} added" for one in unknown[2]]
    for name in ("trailing", "excess"):
        a, b = getattr(old, name), getattr(new, name)
        if a != b:
            where = "at the end that are no block" if name == "trailing" else "behind the table"
            found.append(f"bytes {where}: {_amount(a)} -> {_amount(b)}")
    return tuple(found)


def _pair(old: Sequence[T], new: Sequence[T], keys: Sequence[Callable[[T], Hashable]]) -> Pairs[T]:
    """Pair what has the same key, by the first key, then the rest by the next.

    Returns:
        The pairs, what is in the old only, what is in the new only, each in its order.
    """
    pairs: list[tuple[T, T]] = []
    gone, come = list(old), list(new)
    for key in keys:
        waiting: dict[Hashable, list[T]] = defaultdict(list)
        for one in reversed(come):
            waiting[key(one)].append(one)
        left: list[T] = []
        taken: Counter[int] = Counter()
        for one in gone:
            match = waiting[key(one)]
            if match:
                other = match.pop()
                taken[id(other)] += 1
                pairs.append((one, other))
            else:
                left.append(one)
        gone = left
        come = [one for one in come if not taken[id(one)]]
    return pairs, gone, come


def _ivhd_changes(ivhds: Pairs[Ivhd]) -> Iterator[str]:
    """The same change in the blocks of several types of one IOMMU is said once."""
    pairs, gone, come = ivhds
    for block in gone:
        yield f"IVHD {block.type:02X}h at {_place(block)} removed: {_summary(block)}"
    for block in come:
        yield f"IVHD {block.type:02X}h at {_place(block)} added: {_summary(block)}"
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for old, new in pairs:
        for change in _ivhd_pair(old, new):
            where[_place(old), change].append(f"{old.type:02X}h")
    for (place, change), types in where.items():
        yield f"IVHD {', '.join(dict.fromkeys(types))} at {place}: {change}"


def _ivhd_pair(old: Ivhd, new: Ivhd) -> Iterator[str]:
    features = "feature info" if old.type == m.IVHD_10H else "attributes"
    yield from _bits("flags", old.flags, new.flags, ivhd_flags(old.type))
    yield from _number("capability offset", old.capability, new.capability)
    yield from _number("base address", old.base, new.base)
    yield from _bits("IOMMU info", old.info, new.info, IOMMU_INFO)
    yield from _bits(features, old.features, new.features, ivhd_features(old.type))
    yield from _bits("EFR image", old.efr or 0, new.efr or 0, EFR)
    yield from _number("EFR image 2", old.efr2 or 0, new.efr2 or 0)
    yield from _lengths(old.length, old.size, new.length, new.size)
    before, after = spans(old.entries), spans(new.entries)
    pairs, gone, come = _pair(before, after, [_span_value, subject])
    for span in gone:
        yield f"{_entry_name(span)} removed{_how(span)}"
    for span in come:
        yield f"{_entry_name(span)} added{_how(span)}"
    for a, b in pairs:
        yield from _span_pair(a, b)
    yield from _entry_order(before, after, pairs)
    if old.tail != new.tail:
        yield f"bytes that are no device entry: {_amount(old.tail)} -> {_amount(new.tail)}"


def _span_value(span: Span) -> Hashable:
    return subject(span), attributes(span)


def _span_pair(old: Span, new: Span) -> Iterator[str]:
    before, after = dict(attributes(old)), dict(attributes(new))
    for label in {**before, **after}:
        a, b = before.get(label, "none"), after.get(label, "none")
        if a == b:
            continue
        if label == "source device":
            yield f"{subject(old)} moved from {a} to {b}"
        elif label == "DTE setting":
            yield from _bits(
                f"{subject(old)}: DTE setting", old.entry.data, new.entry.data, DTE_FLAGS
            )
        else:
            yield f"{subject(old)}: {label} {a} -> {b}"


def _entry_order(
    old: Sequence[Span], new: Sequence[Span], pairs: Sequence[tuple[Span, Span]]
) -> Iterator[str]:
    """Where two entries for one device changed places, so that another one counts."""
    ends = [(a, b) for a, b in pairs if a.kind in ("devices", "all")]
    places = [{id(span): place for place, span in enumerate(one)} for one in (old, new)]
    ends.sort(key=lambda pair: places[0][id(pair[0])])
    order = [places[1][id(b)] for _, b in ends]
    if order == sorted(order):
        return
    if len(ends) > MAX_ORDERED:
        yield "the order of device entries changed"
        return
    for (first, x), (second, y) in combinations(ends, 2):
        if places[1][id(x)] > places[1][id(y)] and _overlap(first, second):
            yield f"{subject(second)} now stands before {subject(first)}, which overlaps it"


def _overlap(one: Span, other: Span) -> bool:
    if "all" in (one.kind, other.kind):
        return True
    return (one.first or 0) <= _last(other) and (other.first or 0) <= _last(one)


def _last(span: Span) -> int:
    return span.first or 0 if span.last is None else span.last


def _ivmd_changes(ivmds: Pairs[Ivmd]) -> Iterator[str]:
    pairs, gone, come = ivmds
    for block in gone:
        yield f"{_ivmd_name(block)} removed: {_memory(block)}, {spell(block.flags, IVMD_FLAGS)}"
    for block in come:
        yield f"{_ivmd_name(block)} added: {_memory(block)}, {spell(block.flags, IVMD_FLAGS)}"
    for old, new in pairs:
        name = _ivmd_name(old)
        yield from _bits(f"{name}: flags", old.flags, new.flags, IVMD_FLAGS)
        if (old.start, old.size) != (new.start, new.size):
            yield f"{name}: memory {_memory(old)} -> {_memory(new)}"
        size_a, size_b = (m.IVMD_SIZE + len(one.tail) for one in (old, new))
        for change in _lengths(old.length, size_a, new.length, size_b):
            yield f"{name}: {change}"


def _order_changes(
    old: Ivrs,
    new: Ivrs,
    ivhds: Sequence[tuple[Ivhd, Ivhd]],
    ivmds: Sequence[tuple[Ivmd, Ivmd]],
) -> Iterator[str]:
    places = [{id(block): at for at, block in enumerate(table.blocks)} for table in (old, new)]
    for a, b in ivmds[:MAX_ORDERED]:
        for x, y in ivhds[:MAX_ORDERED]:
            before = places[0][id(a)] < places[0][id(x)]
            after = places[1][id(b)] < places[1][id(y)]
            if before != after:
                side = "before" if after else "behind"
                yield f"{_ivmd_name(a)} now stands {side} IVHD {x.type:02X}h at {_place(x)}"


def _ivmd_value(block: Ivmd) -> Hashable:
    return (*_ivmd_devices(block), block.flags, block.start, block.size)


def _ivmd_devices(block: Ivmd) -> tuple[int, int, int]:
    """Type and devices; fields that the type does not use do not count."""
    aux = block.aux if block.type == m.IVMD_RANGE else 0
    return block.type, 0 if block.type == m.IVMD_ALL else block.device_id, aux


def _ivmd_name(block: Ivmd) -> str:
    devices = {
        m.IVMD_ALL: "all devices",
        m.IVMD_SELECT: bdf(block.device_id),
        m.IVMD_RANGE: f"{bdf(block.device_id)}-{bdf(block.aux)}",
    }
    return f"IVMD {block.type:02X}h for {devices[block.type]}"


def _memory(block: Ivmd) -> str:
    if not block.size:
        return f"nothing at {block.start:X}h"
    return f"{block.start:X}h-{block.start + block.size - 1:X}h"


def _unknown(table: Ivrs) -> list[UnknownBlock]:
    return [block for block in table.blocks if isinstance(block, UnknownBlock)]


def _unknown_name(block: UnknownBlock) -> str:
    shown = block.data[:48].hex(" ") + (" ..." if len(block.data) > 48 else "")
    return f"block of type {block.type:02X}h ({shown})"


def _place(block: Ivhd) -> str:
    place = bdf(block.device_id)
    return f"{block.segment:04x}:{place}" if block.segment else place


def _summary(block: Ivhd) -> str:
    return f"base address {block.base:X}h, {len(spans(block.entries))} device entries"


def _entry_name(span: Span) -> str:
    name = subject(span)
    return name if span.kind == "unknown" else f"device entry {name.removeprefix('device ')}"


def _how(span: Span) -> str:
    words = [f"{label} {text}" for label, text in attributes(span) if text != "none"]
    return f" ({', '.join(words)})" if words else ""


def _bits(label: str, old: int, new: int, layout: Layout) -> Iterator[str]:
    fields = [(bits.name, bits.of(old), bits.of(new)) for bits in layout]
    words = [f"{name} {a} -> {b}" for name, a, b in fields if a != b]
    a, b = reserved_bits(old, layout), reserved_bits(new, layout)
    if a != b:
        words.append(f"reserved bits {a:X}h -> {b:X}h")
    if words:
        yield f"{label}: {', '.join(words)}"


def _number(label: str, old: int, new: int) -> Iterator[str]:
    if old != new:
        yield f"{label} {old:X}h -> {new:X}h"


def _lengths(old: int, old_size: int, new: int, new_size: int) -> Iterator[str]:
    """A length that follows from the content is no change of its own."""
    follows = old == old_size and new == new_size
    if follows or (old == new and (old == old_size) == (new == new_size)):
        return
    says = "right" if new == new_size else f"wrong: it has {new_size}"
    yield f"length {old} -> {new}, which is {says}"


def _amount(data: bytes) -> str:
    return f"{len(data)} bytes ({data[:16].hex(' ')}{' ...' if len(data) > 16 else ''})"
