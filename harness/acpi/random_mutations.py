"""Damage drawn by a seed, told in the language of `mutations`."""

from __future__ import annotations

import random

from harness.acpi.mutation_table import FIELDS, MutableIvrs
from harness.acpi.mutations import apply
from harness.acpi.named_mutations import NAMED
from harness.errors import FormatError, UsageError
from harness.formats.acpi.tableset import TableSet

_KINDS = ("ivhd", "ivhd", "entry", "entry", "entry", "ioapic", "hpet", "range", "alias", "ivmd")
_IDS = (0, 1, 2, 8, 0x10, 0xA0, 0xF8, 0xFF, 0x100, 0x7FFF, 0xFFF8, 0xFFFF)
_LENGTHS = (0, 1, 4, 8, 16, 20, 23, 24, 28, 32, 39, 40, 48, 0x7F, 0xFF, 0x1000, 0xFFFF)
_ENTRY_TYPES = (0, 1, 2, 3, 4, 5, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x47, 0x48, 0x80, 0xF0, 0xFF)
_BLOCK_TYPES = (0, 0x0F, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22, 0x23, 0x40, 0x48, 0xFF)
_ADDRESSES = (0, 1, 0x1000, 0x8000000, 0xFEC00000, 0xFED1C000, 0xFED80000, 1 << 40, (1 << 64) - 1)
_TRIES = 100


def random_mutation(seed: int, tables: TableSet) -> tuple[str, TableSet]:
    """A mutation and the tables with it; the same for the same seed and tables.

    `apply(tables, text)` gives the same tables again.

    Raises:
        UsageError: there is no IVRS, or nothing in it to mutate.
    """
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    given = tables.find("IVRS")
    if given is None:
        raise UsageError("there is no IVRS to be mutated", where=tables.origin or None)
    for _ in range(_TRIES):
        text = "; ".join(_statement(rng, given.data) for _ in range(rng.choice((1, 1, 1, 2))))
        if rng.random() < 0.04:
            text += "; checksum=keep"
        try:
            changed = apply(tables, text)
        except (FormatError, UsageError):
            continue  # the part is not there
        if changed != tables or rng.random() < 0.1:
            return text, changed
    raise UsageError("nothing in the IVRS could be mutated", where=tables.origin or None)


def _statement(rng: random.Random, data: bytes) -> str:
    draw = rng.choices(
        (_field, _field_flip, _flip, _drop, _dup, _swap, _add_entry, _add_ivmd, _cut, _named),
        (30, 10, 10, 8, 8, 4, 8, 8, 6, 8),
    )[0]
    return draw(rng, data)


def _part(rng: random.Random, data: bytes, *kinds: str) -> tuple[str, str]:
    kind = rng.choice(kinds or _KINDS)
    try:
        count = len(MutableIvrs(data).parts(kind))
    except FormatError:
        count = 0
    return kind, f"{kind}[{rng.randrange(max(count, 1))}]"


def _field(rng: random.Random, data: bytes) -> str:
    if rng.random() < 0.1:
        name = rng.choice(("header.length", "header.length", "ivrs.ivinfo", "header.revision"))
        if name == "header.length":
            return f"{name}{rng.choice(('+=', '-='))}{rng.choice((1, 4, 8, 12, 24, 40))}"
        return f"{name}={rng.randrange(1 << 24):#x}"
    kind, part = _part(rng, data)
    name = rng.choice(sorted(FIELDS[kind]))
    return f"{part}.{name}={_value(rng, kind, name):#x}"


def _value(rng: random.Random, kind: str, name: str) -> int:
    size = FIELDS[kind][name][1]
    if rng.random() < 0.2:
        return rng.randrange(1 << 8 * size)
    if name in ("type", "end_type"):
        return rng.choice(_BLOCK_TYPES if kind in ("ivhd", "ivmd", "block") else _ENTRY_TYPES)
    if name == "length":
        return rng.choice(_LENGTHS)
    if name in ("base", "start", "size"):
        return rng.choice(_ADDRESSES)
    if size == 2:
        return rng.choice(_IDS)
    return rng.choice((0, 1, 2, 3, 4, 5, 7, 8, 0x20, 0x7F, 0x80, 0xFF))


def _field_flip(rng: random.Random, data: bytes) -> str:
    kind, part = _part(rng, data)
    name = rng.choice(sorted(FIELDS[kind]))
    return f"{part}.{name}^={1 << rng.randrange(8 * FIELDS[kind][name][1]):#x}"


def _flip(rng: random.Random, data: bytes) -> str:
    return f"byte[{rng.randrange(len(data)):#x}]^={1 << rng.randrange(8):#x}"


def _drop(rng: random.Random, data: bytes) -> str:
    return f"drop {_part(rng, data)[1]}"


def _dup(rng: random.Random, data: bytes) -> str:
    return f"dup {_part(rng, data)[1]}"


def _swap(rng: random.Random, data: bytes) -> str:
    kind = rng.choice(("entry", "entry", "block"))
    return f"swap {_part(rng, data, kind)[1]} {_part(rng, data, kind)[1]}"


def _add_entry(rng: random.Random, data: bytes) -> str:
    kind = rng.choice(_ENTRY_TYPES)
    body = bytearray([kind])
    body += rng.choice(_IDS).to_bytes(2, "little") + bytes([rng.choice((0, 0xD7))])
    if kind & 0x40 or rng.random() < 0.2:
        body += bytes([rng.choice((0, 0, 1, 4))])
        body += rng.choice(_IDS).to_bytes(2, "little") + bytes([rng.choice((0, 1, 2, 3))])
    if kind in (3, 0x43, 0x47) and rng.random() < 0.7:
        body += bytes([4]) + rng.choice(_IDS).to_bytes(2, "little") + b"\0"
    return f"add entry {body.hex()} to {_part(rng, data, 'ivhd')[1]}"


def _add_ivmd(rng: random.Random, _data: bytes) -> str:
    start = rng.choice((0xFED1C000, 0xFED1D000, 0xFED1C800, *_ADDRESSES))
    settings = (
        f"flags={rng.choice((0, 1, 3, 5, 7, 7, 7, 8, 9))}",
        f"device_id={rng.choice(_IDS):#x}",
        f"aux={rng.choice(_IDS):#x}",
        f"start={start:#x}",
        f"size={rng.choice((0, 1, 0x1000, 0x1001, 0x2000, 0x100000)):#x}",
    )
    widths = "" if rng.random() < 0.2 else "ivrs.ivinfo|=0x00142800; "
    return f"{widths}add ivmd {rng.choice((0x20, 0x21, 0x22, 0x23)):#x} {' '.join(settings)}"


def _cut(rng: random.Random, data: bytes) -> str:
    if rng.random() < 0.5:
        return f"cut {rng.choice((1, 2, 4, 8, 12, 24))}"
    if rng.random() < 0.3:
        return f"truncate {rng.randrange(8, len(data) + 1)}"
    return f"cut {_part(rng, data)[1]} {rng.choice((1, 2, 4, 8, 16))}"


def _named(rng: random.Random, _data: bytes) -> str:
    return rng.choice(sorted(NAMED))
