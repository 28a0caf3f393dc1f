"""Damage done to an IVRS on purpose, in a small language.

    apply(tables, "ioapic-missing")
    apply(tables, "entry[3].device_id=0xfff8")
    apply(tables, "dup ivhd[0]; ivhd[1].base+=0x1000; checksum=bad")

A mutation is a name of `NAMED`, or statements, or both, with ";" between them. They are done
in their order. Numbers are decimal, or hexadecimal with 0x.

    PART.FIELD=N            store a number; also += -= |= &= ^=; it is cut to the field's size
    byte[N]=N               the same for any byte of the table, by its offset
    drop PART               leave it out; `drop ivrs` drops the table
    dup PART                have it twice, the second behind the first
    swap PART PART          exchange two blocks, or two entries of one block
    add entry HEX           device entries behind the last one of the first IVHD
    add entry HEX to ivhd[N]
    add block HEX           blocks at the end of the table
    add ivmd TYPE NAME=N... a whole IVMD: flags, device_id, aux, reserved, start, size
    retype ivhd[N] TYPE     make it of type 0x10, 0x11 or 0x40, its header long or short
    cut N                   the table loses its last N bytes, and its length says so
    cut to N                the same, down to N bytes
    cut PART N              a block or an entry loses its last N bytes; lengths say so
    truncate N              only N bytes of the table are left; its length stays
    checksum=bad            wrong by 0x3a; also checksum=keep, or a number

Parts are `header` (length, revision, checksum), `ivrs` (ivinfo, reserved), and by number
`block[N]`, `ivhd[N]`, `ivmd[N]`, `entry[N]` (device entries of all blocks, counted through) and
those of a kind: `ioapic[N]`, `hpet[N]`, `range[N]`, `alias[N]`, `select[N]`, `extended[N]`,
`pad[N]`. [-1] is the last, [*] are all; without a number it is the first.

    blocks      type flags length device_id
      ivhd      capability base segment info features efr efr2
      ivmd      aux reserved start size
    entries     type device_id data handle source_id variety ext_data
      range     end_type end end_data (of the entry behind its start)

When a statement changes a size, the length fields around it change with it, by as much: true
ones stay true. At the end the checksum is made right, unless a statement is about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from harness.acpi.mutation_table import FIELDS, MutableIvrs, Part, near
from harness.acpi.named_mutations import NAMED
from harness.errors import UsageError
from harness.formats.acpi.header import CHECKSUM_OFFSET
from harness.formats.acpi.tableset import RawTable, TableSet

__all__ = ["NAMED", "apply", "apply_to_ivrs"]

_WRONG_BY = 0x3A
_NUMBER = r"-?(?:0x[0-9a-fA-F]+|\d+)"
_PART = rf"([a-z]+)(?:\[({_NUMBER}|\*)\])?"
_ASSIGN = re.compile(rf"{_PART}\.(\w+)\s*([-+|&^]?=)\s*({_NUMBER})")
_BYTE = re.compile(rf"byte\[({_NUMBER})\]\s*([-+|&^]?=)\s*({_NUMBER})")
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "=": lambda _old, value: value,
    "+=": lambda old, value: old + value,
    "-=": lambda old, value: old - value,
    "|=": lambda old, value: old | value,
    "&=": lambda old, value: old & value,
    "^=": lambda old, value: old ^ value,
}
_VERBS = ("drop", "dup", "swap", "add", "retype", "cut", "truncate")
_MAX_STATEMENTS = 1000
_IVHD_HEADERS = {0x10: 24, 0x11: 40, 0x40: 40}


def apply(tables: TableSet, mutation: str) -> TableSet:
    """The table set with its (first) IVRS mutated; the other tables stay.

    Raises:
        UsageError: no such name, statement, part or field, with the nearest that there is.
        FormatError: the table is too broken for its parts to be counted.
    """
    given = tables.find("IVRS")
    if given is None:
        raise UsageError("there is no IVRS to be mutated", where=tables.origin or None)
    data = apply_to_ivrs(given.data, mutation)
    changed: list[RawTable] = []
    done = False
    for table in tables.tables:
        if table is given and not done:
            done = True
            if data is not None:
                changed.append(replace(table, data=data))
        else:
            changed.append(table)
    return replace(tables, tables=tuple(changed))


def apply_to_ivrs(data: bytes, mutation: str) -> bytes | None:
    """The same for the bytes of the table; None when it is dropped."""
    table = MutableIvrs(data)
    mends = True
    for statement in _statements(mutation):
        if statement == "drop ivrs":
            return None
        if statement.startswith("checksum"):
            _checksum(table, statement)
            mends = False
        else:
            _do(table, statement)
            mends = mends and not statement.startswith("header.checksum")
    if mends and len(table.data) > CHECKSUM_OFFSET:
        table.mend_checksum()
    return bytes(table.data)


def _statements(mutation: str) -> list[str]:
    found: list[str] = []
    for one in mutation.split(";"):
        text = " ".join(one.split())
        if text in NAMED:
            found += _statements(NAMED[text])
        elif text:
            found.append(text)
        if len(found) > _MAX_STATEMENTS:
            raise UsageError(f"more than {_MAX_STATEMENTS} statements")
    return found


def _do(table: MutableIvrs, statement: str) -> None:
    match = _BYTE.fullmatch(statement)
    if match:
        offset = _number(match[1])
        if offset < 0:
            raise UsageError(f"{match[1]} is no offset", where=statement)
        _store(table, offset, 1, match[2], match[3])
        return
    match = _ASSIGN.fullmatch(statement)
    if match:
        _assign(table, statement, match)
        return
    verb, _, rest = statement.partition(" ")
    if verb in _VERBS and rest:
        _VERB[verb](table, rest, statement)
        return
    known = [*NAMED, *(f"{verb} ..." for verb in _VERBS), *(f"{kind}.field=" for kind in FIELDS)]
    raise UsageError(f"{statement!r} is no mutation", hint=near(statement, known))


def _assign(table: MutableIvrs, statement: str, match: re.Match[str]) -> None:
    kind, index, name, operation, value = match.groups()
    if kind not in FIELDS:
        raise UsageError(
            f"{kind!r} is no part of an IVRS", where=statement, hint=near(kind, FIELDS)
        )
    parts: list[Part | None] = [None]
    if kind not in ("header", "ivrs"):
        parts = [*_select(table, kind, index, statement)]
    for part in parts:
        offset, size = table.field(kind, name, part)
        _store(table, offset, size, operation, value)


def _store(table: MutableIvrs, offset: int, size: int, operation: str, value: str) -> None:
    old = table.get(offset, size)
    table.put(offset, size, _OPERATIONS[operation](old, _number(value)))


def _select(table: MutableIvrs, kind: str, index: str | None, statement: str) -> list[Part]:
    parts = table.parts(kind)
    if index == "*" and parts:
        return parts
    number = _number(index) if index not in (None, "*") else 0
    if not -len(parts) <= number < len(parts):
        raise UsageError(
            f"the table has no {kind}[{index or 0}]",
            where=statement,
            expected=f"{kind}[0] to {kind}[{len(parts) - 1}]" if parts else f"a {kind} in it",
        )
    return [parts[number]]


def _parts(table: MutableIvrs, text: str, statement: str) -> tuple[str, list[Part]]:
    match = re.fullmatch(_PART, text)
    if match is None:
        raise UsageError(f"{text!r} is no part", where=statement, expected="entry[2], ivhd[0] ...")
    return match[1], _select(table, match[1], match[2], statement)


def _number(text: str | None) -> int:
    return int(text or "0", 0)


def _hex(text: str, statement: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if not data:
        raise UsageError(f"{text!r} is no hexadecimal bytes", where=statement)
    return data


def _drop(table: MutableIvrs, rest: str, statement: str) -> None:
    _kind, parts = _parts(table, rest, statement)
    for part in reversed(parts):
        table.splice(part.offset, part.size, b"", part.block)


def _dup(table: MutableIvrs, rest: str, statement: str) -> None:
    _kind, parts = _parts(table, rest, statement)
    for part in reversed(parts):
        copy = bytes(table.data[part.offset : part.offset + part.size])
        table.splice(part.offset + part.size, 0, copy, part.block)


def _swap(table: MutableIvrs, rest: str, statement: str) -> None:
    first, _, second = rest.partition(" ")
    both = [_parts(table, text, statement)[1][0] for text in (first, second)]
    a, b = sorted(both, key=lambda part: part.offset)
    if a.block != b.block or a.offset + a.size > b.offset:
        raise UsageError(
            "they cannot be exchanged",
            where=statement,
            expected="two blocks, or two entries of one block",
        )
    data = table.data
    one, two = data[a.offset : a.offset + a.size], data[b.offset : b.offset + b.size]
    between = data[a.offset + a.size : b.offset]
    data[a.offset : b.offset + b.size] = two + between + one


def _add(table: MutableIvrs, rest: str, statement: str) -> None:
    what, _, rest = rest.partition(" ")
    if what == "entry":
        text, _, to = rest.partition(" to ")
        _kind, parts = _parts(table, to or "ivhd", statement)
        block = parts[0]
        table.splice(block.offset + block.size, 0, _hex(text, statement), block.offset)
    elif what == "block":
        table.splice(_end(table), 0, _hex(rest, statement))
    elif what == "ivmd":
        table.splice(_end(table), 0, _ivmd(rest, statement))
    else:
        raise UsageError(
            f"{what!r} cannot be added", where=statement, expected="entry, block, ivmd"
        )


def _end(table: MutableIvrs) -> int:
    return min(table.get(4, 4), len(table.data))


def _ivmd(rest: str, statement: str) -> bytes:
    kind, *settings = rest.split() or [""]
    made = MutableIvrs(bytes(32))
    values = {"type": kind, "length": "32", "flags": "7", "size": "0x1000"}
    for setting in settings:
        name, _, value = setting.partition("=")
        values[name] = value
    for name, value in values.items():
        if not re.fullmatch(_NUMBER, value):
            raise UsageError(f"{value!r} is no number for {name}", where=statement)
        offset, size = made.field("ivmd", name, Part(0, 32))
        made.put(offset, size, _number(value))
    return bytes(made.data)


def _retype(table: MutableIvrs, rest: str, statement: str) -> None:
    text, _, kind = rest.partition(" ")
    _kind, parts = _parts(table, text, statement)
    wanted = _number(kind) if re.fullmatch(_NUMBER, kind) else 0
    if _kind != "ivhd" or wanted not in _IVHD_HEADERS:
        raise UsageError("not to be retyped", where=statement, expected="retype ivhd[N] 0x11")
    for part in reversed(parts):
        old = _IVHD_HEADERS.get(table.data[part.offset], 24)
        table.put(part.offset, 1, wanted)
        if old < _IVHD_HEADERS[wanted]:
            table.splice(part.offset + 24, 0, bytes(16), part.offset)
        elif old > _IVHD_HEADERS[wanted]:
            table.splice(part.offset + 24, 16, b"", part.offset)


def _cut(table: MutableIvrs, rest: str, statement: str) -> None:
    match = re.fullmatch(rf"(to )?({_NUMBER})", rest)
    if match:
        size = len(table.data)
        left = _number(match[2]) if match[1] else size - _number(match[2])
        if not 0 <= left <= size or left < 8:
            raise UsageError(f"{left} bytes cannot be left of {size}", where=statement)
        table.splice(left, size - left, b"")
        return
    text, _, count = rest.rpartition(" ")
    _kind, parts = _parts(table, text, statement)
    for part in reversed(parts):
        lost = _number(count) if re.fullmatch(_NUMBER, count) else -1
        if not 0 <= lost <= part.size:
            raise UsageError(f"it has {part.size} bytes to lose", where=statement)
        around = part.offset if part.block is None else part.block
        table.splice(part.offset + part.size - lost, lost, b"", around)


def _truncate(table: MutableIvrs, rest: str, statement: str) -> None:
    if not re.fullmatch(_NUMBER, rest) or not 8 <= _number(rest) <= len(table.data):
        raise UsageError(
            f"{rest} bytes cannot be left", where=statement, expected=f"8 to {len(table.data)}"
        )
    del table.data[_number(rest) :]


_VERB: dict[str, Callable[[MutableIvrs, str, str], None]] = {
    "drop": _drop,
    "dup": _dup,
    "swap": _swap,
    "add": _add,
    "retype": _retype,
    "cut": _cut,
    "truncate": _truncate,
}


def _checksum(table: MutableIvrs, statement: str) -> None:
    match = re.fullmatch(rf"checksum\s*=\s*(bad|keep|{_NUMBER})", statement)
    if match is None:
        raise UsageError(
            f"{statement!r} is no mutation", expected="checksum=bad, checksum=keep, checksum=0x12"
        )
    if match[1] == "bad":
        table.mend_checksum()
        table.put(CHECKSUM_OFFSET, 1, table.get(CHECKSUM_OFFSET, 1) + _WRONG_BY)
    elif match[1] != "keep":
        table.put(CHECKSUM_OFFSET, 1, _number(match[1]))
