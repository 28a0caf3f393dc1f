"""Reading the ACPI tables of a machine from a file or a folder, whatever form they have.

The form is told from the content. A file is refused when it is too large to be one, before
it is read; a pipe or a device is never opened for longer than it takes to see that.
"""

from __future__ import annotations

import codecs
import itertools
import os
import re
import stat
import string
from dataclasses import replace
from pathlib import Path

from harness.acpi import from_log
from harness.bootlog import parse_recorded
from harness.errors import FormatError, InputError
from harness.formats.acpi import binary_dump, text_dumps
from harness.formats.acpi.tableset import RawTable, TableSet

LARGEST_BINARY = 256 << 20
LARGEST_TABLE = 16 << 20
LARGEST_TEXT = 16 << 20
LARGEST_LOG = 8 << 20
LARGEST_IN_FOLDER = 32 << 20
MOST_FILES = 1000

_HEAD = 1 << 16
_TEXT_CONTROLS = frozenset(b"\a\b\t\n\v\f\r\x1b")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOG = re.compile(r"\(XEN\)|AMD-Vi:|IVHD ")


def read(path: Path) -> TableSet:
    """The tables of a file or of a folder.

    A file may be a table, tables one after another, a dump of memory, a hex dump as text
    (`harness.formats.acpi.text_dumps`), or a Xen log, from which the IVRS is reconstructed.
    A folder is one as /sys/firmware/acpi/tables, with its subfolder `dynamic`.

    Raises:
        InputError: it cannot be read, or holds no table; says as what it was taken.
    """
    try:
        info = path.stat()
    except ValueError as bad:
        raise InputError(f"it cannot be read: {bad}", where=repr(str(path))) from bad
    except OSError as bad:
        raise _refused(path, bad) from bad
    if stat.S_ISDIR(info.st_mode):
        return _folder(path)
    data = _bytes(path, LARGEST_BINARY)
    if not _is_text(data):
        return _binary(path, data)
    if len(data) > LARGEST_TEXT:
        raise _too_large(path, len(data), LARGEST_TEXT, "text")
    return _text(path, data)


def _binary(path: Path, data: bytes) -> TableSet:
    form = "binary tables" if binary_dump.signature_at(data) else "a dump of memory"
    try:
        tables = binary_dump.parse(data)
    except FormatError as bad:
        raise _within(path, form, bad) from bad
    for table in tables:
        if len(table.data) > LARGEST_TABLE:
            raise _too_large(path, len(table.data), LARGEST_TABLE, f"table ({table.signature})")
    if len(tables) == 1 and form == "binary tables":
        return TableSet((_from(path, tables[0], ""),), str(path), "a binary table")
    return TableSet(tuple(_from(path, table) for table in tables), str(path), form)


def _text(path: Path, data: bytes) -> TableSet:
    text = _decoded(data)
    try:
        tables = text_dumps.parse_text(text)
    except text_dumps.NoTableError as bad:
        if _LOG.search(text):
            return _log(path, data)
        raise _within(path, "a hex dump", bad) from bad
    except FormatError as bad:
        raise _within(path, "a hex dump", bad) from bad
    return TableSet(tuple(_from(path, table) for table in tables), str(path), "a hex dump")


def _log(path: Path, data: bytes) -> TableSet:
    if len(data) > LARGEST_LOG:
        raise _too_large(path, len(data), LARGEST_LOG, "a Xen log")
    made = from_log.from_log(parse_recorded(data).xen)
    if made is None:
        raise InputError(
            "taken as a Xen log, but Xen printed no block of an IVRS",
            where=str(path),
            expected="lines such as 'AMD-Vi: IVRS Block: type 0x10 ...'",
            hint="boot Xen with iommu=verbose,debug on its command line",
        )
    unknown = tuple(range(one.offset, one.offset + one.size) for one in made.unknown)
    table = replace(_from(path, made.table, ""), unknown=unknown)
    return TableSet((table,), str(path), "a Xen log")


def _folder(path: Path) -> TableSet:
    tables: list[RawTable] = []
    passed: list[str] = []
    size = 0
    for file in _files(path):
        data = _bytes(file, LARGEST_IN_FOLDER, folder=path)
        size += len(data)
        if size > LARGEST_IN_FOLDER:
            raise _too_large(path, size, LARGEST_IN_FOLDER, "a folder of tables")
        if _is_text(data) or binary_dump.signature_at(data) is None:
            _must_not_be_named_as_table(file, data)
            passed.append(file.name)
            continue
        found = binary_dump.split(data)
        tables += [_from(file, table, "" if len(found) == 1 else None) for table in found]
    if not tables:
        what = f"none of its {len(passed)} files is one" if passed else "it holds no files"
        raise InputError(
            f"taken as a folder of ACPI tables, but {what}",
            where=str(path),
            expected="binary tables, as in /sys/firmware/acpi/tables",
            hint=_below(path),
        )
    return TableSet(tuple(tables), str(path), "a folder of tables")


def _files(path: Path) -> list[Path]:
    """The regular files of a folder and of its `dynamic`, in the order of their names."""
    files: list[Path] = []
    for folder in (path, path / "dynamic"):
        try:
            if folder != path and not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                some = list(itertools.islice(entries, MOST_FILES + 1))
            here = [Path(entry.path) for entry in some if entry.is_file()]
        except OSError as bad:
            raise _refused(folder, bad, folder=path) from bad
        if len(some) > MOST_FILES:
            raise InputError(
                f"taken as a folder of ACPI tables, but it holds more than {MOST_FILES} files",
                where=str(folder),
                expected="the tables of one machine",
            )
        files += sorted(here, key=_order)
    return files


def _order(file: Path) -> tuple[str, int, str]:
    # SSDT2 before SSDT10.
    name = file.stem.rstrip(string.digits)
    return name, int(file.stem[len(name) :][:9] or 0), file.name


def _must_not_be_named_as_table(file: Path, data: bytes) -> None:
    if file.stem.upper() in binary_dump.SIGNATURES:
        what = f"begins with {data[:4]!r}" if data else "is empty"
        raise FormatError(
            f"the file has the name of a table, but it {what}",
            where=str(file),
            field="Signature",
            offset=0,
            expected=f"a binary table, or another name than {file.stem}",
        )


def _below(path: Path) -> str | None:
    """Which folder below may have been meant."""
    for file in itertools.islice(path.glob("*/*"), MOST_FILES):
        if file.stem.upper() in binary_dump.SIGNATURES and file.is_file():
            return f"name one of its folders, as {file.parent}"
    return None


def _bytes(path: Path, most: int, folder: Path | None = None) -> bytes:
    """The content of a regular file of at most so many bytes, not empty."""
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise InputError(
                    "it is a pipe, a socket or a device",
                    where=str(path),
                    expected="a file, or a folder of tables",
                    hint="write what comes from it to a file, and name that",
                )
            if info.st_size > most:
                raise _too_large(path, info.st_size, most, "a file")
            data = file.read(most + 1)
    except OSError as bad:
        raise _refused(path, bad, folder) from bad
    if len(data) > most:
        raise _too_large(path, len(data), most, "a file")
    if not data and folder is None:
        raise InputError("the file is empty", where=str(path), expected="ACPI tables")
    return data


def _is_text(data: bytes) -> bool:
    """No bytes, or hardly any, that a text does not have: a serial line may add some."""
    if data.startswith(tuple(bom for bom, _name in _BOMS)):
        return True
    head = data[:_HEAD]
    controls = sum(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head)
    return controls * 50 < len(head)


def _decoded(data: bytes) -> str:
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data.decode(name, errors="replace")
    return data.decode("utf-8", errors="replace")


def _from(path: Path, table: RawTable, place: str | None = None) -> RawTable:
    place = table.origin if place is None else place
    return replace(table, origin=f"{path}, {place}" if place else str(path))


def _within(path: Path, form: str, bad: FormatError) -> FormatError:
    """The same error, with the file and with what it was taken for."""
    where = f"{path}, {bad.where}" if bad.where else str(path)
    error = FormatError(
        f"taken as {form}: {bad.message}", where=where, expected=bad.expected, hint=bad.hint
    )
    error.field, error.offset = bad.field, bad.offset
    return error


def _too_large(path: Path, size: int, most: int, form: str) -> InputError:
    return InputError(
        f"taken as {form}, it is too large: {size:,} bytes",
        where=str(path),
        expected=f"at most {most >> 20} MiB",
    )


def _refused(path: Path, bad: OSError, folder: Path | None = None) -> InputError:
    reason = bad.strerror or type(bad).__name__
    if not isinstance(bad, PermissionError):
        return InputError(f"it cannot be read: {reason}", where=str(path))
    if folder is not None:
        hint = f"sudo cp -r {folder} tables && sudo chmod -R a+rX tables, and name that copy"
    else:
        hint = f"run the same with sudo, or: sudo install -m 644 {path} ."
    return InputError(f"it cannot be read: {reason}", where=str(path), hint=hint)
