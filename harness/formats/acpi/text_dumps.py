"""ACPI tables out of text: acpidump's own, xxd, hexdump, od, as pasted into reports.

`harness.formats.acpi.dump_lines` names the forms. What a form leaves open (the radix of the
offsets, the order of the bytes in a word) is told by the whole: offsets must follow one
another, and the bytes must begin as a table does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from harness.errors import FormatError
from harness.formats.acpi import binary_dump
from harness.formats.acpi.dump_lines import End, Heading, Repeated, Row, lines
from harness.formats.acpi.header import HEADER_SIZE
from harness.formats.acpi.tableset import RawTable

_LARGEST = 16 << 20
_MOST_STRAY = 1000
_EXPECTED = "rows of acpidump, xxd, hexdump -C, hexdump or od, from the first byte of a table on"


class NoTableError(FormatError):
    """There are no rows of a dump, or none that begin as a table does."""


def parse_text(text: str) -> tuple[RawTable, ...]:
    """The tables in a text, in its order; a table that was quoted twice, once.

    Each has the origin "line N", and notes on what had to be assumed. Rows that belong to
    no table are passed over when there is a table as well, with a note.

    Raises:
        NoTableError: no table.
        FormatError: one that the text does not determine (rows missing, a
            repetition without an end, bytes that could be read in two ways).
    """
    tables: list[RawTable] = []
    seen: set[tuple[str, int, bytes]] = set()
    stray: list[FormatError] = []
    for block in _blocks(text):
        try:
            found = block.tables()
        except NoTableError as bad:
            if block.heading:
                raise
            stray.append(bad)
            if len(stray) > _MOST_STRAY:
                raise FormatError(
                    f"{len(stray)} times rows of a dump that are part of no table",
                    where=f"line {block.rows[0].line}",
                    expected=_EXPECTED,
                ) from bad
            continue
        address = block.heading.address if block.heading else 0
        for table in found:
            key = (table.signature, address, table.data)
            if key not in seen:
                seen.add(key)
                tables.append(table)
    if not tables:
        if stray:
            raise stray[0]
        raise NoTableError("the text holds no hex dump", expected=_EXPECTED)
    if stray:
        passed = tuple(f"passed over: {bad.where}: {bad.message}" for bad in stray[:5])
        tables[0] = replace(tables[0], notes=tables[0].notes + passed)
    return tuple(tables)


@dataclass
class _Block:
    """Rows that follow one another."""

    heading: Heading | None = None
    rows: list[Row] = field(default_factory=list)
    starred: set[int] = field(default_factory=set)  # indices of rows that were repeated
    radices: tuple[int, ...] = (16, 8, 10)
    end: End | None = None

    def accepts(self, row: Row) -> bool:
        """Take the row if it continues this block."""
        if self.end or (self.rows and not self._alike(row)):
            return False
        if not self.rows:
            # Only od counts in another radix than 16, and it writes no colon.
            tried = (16,) if row.colon else self.radices
            self.radices = tuple(radix for radix in tried if _number(row.offset, radix) is not None)
        else:
            viable = self._viable(row.offset)
            if not viable:
                return False
            self.radices = viable
        self.rows.append(row)
        return True

    def closes(self, end: End) -> None:
        """Take the offset that ends the dump, if it does end this one."""
        viable = self._viable(end.offset, padded=True) if self.rows and not self.end else ()
        if viable:
            self.radices = viable
            self.end = end

    def tables(self) -> tuple[RawTable, ...]:
        """Its tables.

        Raises:
            NoTableError: it does not begin as a table does.
            FormatError: the table cannot be told from it.
        """
        self._check_end()
        data, notes = self._read()
        if self.heading:
            signature = binary_dump.signature_at(data) or ""
            if signature.strip()[:4] != self.heading.signature[:4] and not (
                self.heading.signature == "RSDP" and signature == "RSD PTR "
            ):
                raise FormatError(
                    f"the heading says {self.heading.signature}, the bytes say {signature!r}",
                    field="Signature",
                    where=f"line {self.heading.line}",
                    expected="rows of the table that the heading names",
                )
        if any(row.stale for row in self.rows):
            stale = next(row.line for row in self.rows if row.stale)
            notes += (f"line {stale}: the text column does not match the bytes",)
        found = binary_dump.split(data)
        where = f"line {self.rows[0].line}"
        return tuple(
            replace(
                table,
                origin=where if len(found) == 1 else f"{where}, {table.origin}",
                notes=notes + table.notes,
            )
            for table in found
        )

    def continued_by(self, other: _Block) -> FormatError | None:
        """The error of a table whose rows go on in another block, some of them missing."""
        if not self.rows or other.heading or self.end or not other.rows:
            return None
        first = other.rows[0]
        try:
            data, _notes = self._read()
        except FormatError:
            return None
        length = int.from_bytes(data[4:8], "little")
        gaps = [
            at - start
            for radix in self.radices
            if (start := _number(self.rows[0].offset, radix)) is not None
            and (at := _number(first.offset, radix)) is not None
            and len(data) < at - start < length <= _LARGEST
        ]
        if not gaps or not self._alike(first):
            return None
        return FormatError(
            f"a table of {length:#x} bytes is known up to {len(data):#x} (line "
            f"{self.rows[-1].line}); the next row, line {first.line}, is that of {gaps[0]:#x}",
            field=f"row {len(data):#x}",
            where=f"line {first.line}",
            expected="every row of the dump",
        )

    def _check_end(self) -> None:
        if len(self.rows) - 1 in self.starred and not self.end:
            raise FormatError(
                f"rows like that of line {self.rows[-1].line} were left out ('*'), and the text "
                "does not say where they end",
                where=f"line {self.rows[-1].line + 1}",
                expected="the next row, or the last line of the dump with its length",
                hint="hexdump -Cv and od -v leave no rows out",
            )

    def _alike(self, row: Row) -> bool:
        """Printed by the same program; the last row may be less than one group."""
        first = self.rows[0]
        rest = len(row.groups) == 1 and row.width < first.width
        return row.colon == first.colon and (rest or row.width == first.width)

    def _viable(self, offset: str, padded: bool = False) -> tuple[int, ...]:
        """The radices in which this offset follows the last row, which may be padded."""
        last = self.rows[-1]
        exact: list[int] = []
        loose: list[int] = []
        for radix in self.radices:
            now, then = _number(offset, radix), _number(last.offset, radix)
            if now is None or then is None:
                continue
            step = now - then
            if len(self.rows) - 1 in self.starred:
                if last.count < step <= _LARGEST:
                    exact.append(radix)
            elif step == last.count:
                exact.append(radix)
            elif (last.count if not (padded or last.stale) else 0) < step <= last.most:
                loose.append(radix)
        return tuple(exact or loose)

    def _read(self) -> tuple[bytes, tuple[str, ...]]:
        """The bytes in the one reading that makes a table."""
        best = 0
        found: dict[bytes, str] = {}
        for radix in self.radices:
            for swapped in (False, True) if self.rows[0].width > 2 else (False,):
                data = self._bytes(radix, swapped)
                score = _score(data)
                if score > best:
                    best, found = score, {}
                if score and score == best:
                    found.setdefault(data, f"radix {radix}{', swapped' if swapped else ''}")
        if not found:
            raise self._no_table()
        if len(found) > 1:
            raise FormatError(
                f"{len(self.rows)} rows that can be read in {len(found)} ways: "
                + "; ".join(f"{how}: {data[:8].hex(' ')}" for data, how in found.items()),
                where=f"line {self.rows[0].line}",
                expected="rows of xxd or hexdump -C, which leave nothing open",
            )
        (data,) = found
        base = _number(self.rows[0].offset, self.radices[0])
        return data, (f"the offsets begin at {base:#x}",) if base else ()

    def _bytes(self, radix: int, swapped: bool) -> bytes:
        made = bytearray()
        offsets = [_number(row.offset, radix) or 0 for row in self.rows]
        if self.end:
            offsets.append(_number(self.end.offset, radix) or 0)
        for index, row in enumerate(self.rows):
            data = row.data(swapped)
            size = row.count if index + 1 >= len(offsets) else offsets[index + 1] - offsets[index]
            if index in self.starred:
                data = data[: row.count]
                data *= size // len(data) + 1
            if len(made) + size > _LARGEST:
                raise FormatError(
                    f"a dump of more than {_LARGEST >> 20} MiB", where=f"line {row.line}"
                )
            made += data[:size]
        return bytes(made)

    def _no_table(self) -> NoTableError:
        first, last = self.rows[0], self.rows[-1]
        what = f"{len(self.rows)} rows to line {last.line}, {first.width // 2} bytes in a group"
        where = f"line {first.line}"
        base = _number(first.offset, self.radices[0] if self.radices else 16)
        if base:
            return NoTableError(
                f"{what}: they begin at offset {base:#x}, and not with a table",
                where=where,
                field="Signature",
                expected="the first rows too: signature, length and revision are in them",
            )
        head = first.data(swapped=False)[:8].hex(" ")
        return NoTableError(
            f"{what}: they begin with {head}, and no reading of that is a table of at least "
            f"{HEADER_SIZE} bytes",
            where=where,
            field="Signature",
            expected=_EXPECTED,
        )


def _blocks(text: str) -> Iterator[_Block]:
    """The rows of a text in blocks that each follow one another.

    Raises:
        FormatError: a table whose rows are not all there.
    """
    current = _Block()
    for line in lines(text):
        if isinstance(line, Repeated):
            if current.rows:
                current.starred.add(len(current.rows) - 1)
        elif isinstance(line, End):
            current.closes(line)
        elif isinstance(line, Heading):
            if current.rows:
                yield current
            current = _Block(heading=line)
        elif not current.accepts(line):
            following = _Block()
            following.accepts(line)
            missing = current.continued_by(following)
            if missing:
                raise missing
            yield current
            current = following
    if current.rows:
        yield current


def _number(digits: str, radix: int) -> int | None:
    try:
        return int(digits, radix)
    except ValueError:
        return None


def _score(data: bytes) -> int:
    """How much these bytes look like a table: 0 not at all."""
    signature = binary_dump.signature_at(data)
    if signature is None:
        return 0
    if signature == "RSD PTR ":
        return 4
    if len(data) < HEADER_SIZE:
        return 0
    length = int.from_bytes(data[4:8], "little")
    known = signature in binary_dump.SIGNATURES
    return 1 + known + (HEADER_SIZE <= length <= _LARGEST) + (length == len(data))
