"""`harness acpi`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.acpi.diff import diff
from harness.acpi.mutations import NAMED, apply
from harness.acpi.random_mutations import random_mutation
from harness.acpi.reading import read
from harness.acpi.show import show_all
from harness.acpi.writing import check_output, write
from harness.cli.options import out
from harness.errors import EXIT_BOARD_FAILED, EXIT_PASS, InputError, UsageError
from harness.formats.acpi.tableset import TableSet
from harness.texts import printable

_EPILOG = """\
examples:
  harness acpi show /sys/firmware/acpi/tables --table IVRS
  harness acpi show acpidump.txt
  harness acpi show console.log              the IVRS, from the lines of iommu=verbose,debug
  harness acpi diff old/tables new/tables    what a firmware update changed
  harness acpi mutate IVRS --with ioapic-missing -o broken
  harness acpi mutate --list

Tables are read from binary files, output of acpidump, xxd or hexdump, memory dumps, folders of
tables, and logs of Xen. docs/acpi.md has more.
"""
_MUTATE_EPILOG = """\
examples:
  harness acpi mutate IVRS --with ivhd.length=0 -o broken
  harness acpi mutate IVRS --with 'ioapic[0].handle=0x2a; checksum=bad' -o broken
  harness acpi mutate tables --with ivmd-ram -o broken-tables
  harness acpi mutate IVRS --seed 7 -o broken
  harness acpi mutate --list

One table is written as a file, several as a folder. The checksum is made right at the end,
unless the mutation is about it. docs/acpi.md has the language.
"""
# What the specifications call them; the signature is older.
_NAMES = {"MADT": "APIC", "FADT": "FACP", "RSDP": "RSD PTR ", "RSD PTR": "RSD PTR "}
_INPUT = "a table, a dump, a folder of tables, or a log of Xen"


def add(commands: Any) -> None:
    """Add this command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "acpi",
        help="show ACPI tables, compare them, damage them on purpose",
        description="Show the ACPI tables of a machine field by field, say what changed between "
        "two firmware versions, or damage an IVRS on purpose. `harness lint` checks tables.",
        epilog=_EPILOG,
        formatter_class=raw,
    )
    what = parser.add_subparsers(metavar="WHAT", required=True)

    showing = what.add_parser(
        "show",
        help="print every field with its offset and bytes",
        description="Print every field of every table, with its offset in the table and its "
        "bytes, in the words of the specification.",
    )
    showing.add_argument("file", metavar="FILE", type=Path, help=_INPUT)
    _add_table(showing)
    showing.set_defaults(run=run_show)

    comparing = what.add_parser(
        "diff",
        help="say what changed from one set of tables to another",
        description="Say what changed from one set of tables to another, one line each. The "
        "exit code is 0 if nothing did, 1 if something did.",
    )
    comparing.add_argument("old", metavar="A", type=Path, help=_INPUT)
    comparing.add_argument("new", metavar="B", type=Path, help="the same, newer")
    _add_table(comparing)
    comparing.set_defaults(run=run_diff)

    damaging = what.add_parser(
        "mutate",
        help="damage an IVRS on purpose",
        description="Damage an IVRS on purpose: to see what a consumer makes of it.",
        epilog=_MUTATE_EPILOG,
        formatter_class=raw,
    )
    damaging.add_argument("file", metavar="FILE", type=Path, nargs="?", help=_INPUT)
    how = damaging.add_mutually_exclusive_group()
    how.add_argument(
        "--with",
        dest="mutation",
        metavar="MUTATION",
        help="a name of --list, or statements such as ivhd.length=0, or several with ; between",
    )
    how.add_argument("--seed", metavar="N", type=int, help="draw a mutation; N gives it again")
    how.add_argument("--list", action="store_true", help="list the mutations that have a name")
    damaging.add_argument(
        "-o", "--output", metavar="OUT", type=Path, help="write here, never over what is there"
    )
    damaging.set_defaults(run=run_mutate)


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--table", metavar="SIG", help="only tables of this signature: IVRS, APIC (or MADT) ..."
    )


def run_show(options: argparse.Namespace) -> int:
    """All fields of all tables."""
    tables = _only(read(options.file), options.table, options.file)
    out(printable(show_all(tables).rstrip("\n")))
    return EXIT_PASS


def run_diff(options: argparse.Namespace) -> int:
    """What changed; the exit code says whether something did."""
    both = [read(options.old), read(options.new)]
    wanted = _signature(options.table)
    if wanted and not any(one.find(wanted) for one in both):
        _only(both[0], options.table, options.old)
    old, new = (_selected(one, wanted) for one in both)
    changes = diff(old, new)
    if not changes:
        count = len(new.tables)
        out(f"no difference in {count} {'table' if count == 1 else 'tables'}")
        return EXIT_PASS
    # One line each: what is in a table is not ours, and breaks no line.
    out("\n".join(printable(text.replace("\n", r"\n")) for text in changes))
    return EXIT_BOARD_FAILED


def run_mutate(options: argparse.Namespace) -> int:
    """Write tables that are broken as told."""
    if options.list:
        if options.file or options.output:
            raise UsageError("--list takes no file", expected="harness acpi mutate --list")
        width = max(map(len, NAMED))
        out("\n".join(f"{name:{width}}  {text or '(nothing)'}" for name, text in NAMED.items()))
        return EXIT_PASS
    output: Path | None = options.output
    if options.file is None or output is None:
        missing = "which table" if options.file is None else "where to"
        raise UsageError(f"{missing}?", expected="harness acpi mutate FILE --with MUTATION -o OUT")
    if options.mutation is None and options.seed is None:
        raise UsageError(
            "which mutation?", expected="--with MUTATION or --seed N", hint="--list has names"
        )
    check_output(output)
    tables = read(options.file)
    if options.seed is not None:
        mutation, changed = random_mutation(options.seed, tables)
    else:
        mutation, changed = options.mutation, apply(tables, options.mutation)
    written = write(changed, output)
    out(printable(f"mutation: {mutation}\nwritten: {', '.join(map(str, written))}"))
    return EXIT_PASS


def _signature(name: str | None) -> str | None:
    if name is None:
        return None
    upper = name.upper()
    return _NAMES.get(upper, upper)


def _selected(tables: TableSet, signature: str | None) -> TableSet:
    if signature is None:
        return tables
    return TableSet(tables.all(signature), tables.origin, tables.form)


def _only(tables: TableSet, name: str | None, path: Path) -> TableSet:
    found = _selected(tables, _signature(name))
    if not found.tables:
        there = ", ".join(dict.fromkeys(one.signature.strip() for one in tables.tables))
        raise InputError(f"there is no {name}", where=str(path), expected=f"one of {there}")
    return found
