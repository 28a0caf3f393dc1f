"""`harness lint`."""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import asked
from harness.board import load
from harness.cli.options import (
    DEFAULT_BOARD,
    add_board_path,
    add_fetch_options,
    add_report_options,
    out,
)
from harness.errors import EXIT_BOARD_FAILED, EXIT_INFRA, EXIT_PASS, UsageError
from harness.lint import baseline_report
from harness.lint.acpi_inputs import read_e820, read_pci
from harness.lint.baseline import (
    Compared,
    compare,
    entries_of,
    read_baseline,
    without_baseline,
    write_baseline,
)
from harness.lint.engine import RULES_OF, Linted, lint, rules
from harness.lint.facts import Facts
from harness.lint.junit import as_junit
from harness.lint.of_board import facts_of
from harness.lint.report import as_json, as_text, fails
from harness.lint.sarif import as_sarif, rules_page
from harness.report.progress import Progress
from harness.sources import Sources
from harness.workfolder import work_folder

_EPILOG = """\
examples:
  harness lint boot.cmd board.dtb xen zImage --board cubieboard2
  harness lint /sys/firmware/acpi/tables
  harness lint IVRS --e820 console.log --pci lspci.txt
  harness lint tables --ask-xen=4.17        and boot the real Xen with them
  harness lint tables --format sarif > lint.sarif
  harness lint tables --write-baseline known.json
  harness lint tables --baseline known.json

exit codes:
  0  nothing at --fail-on or above that the baseline does not accept
  1  something is
  2  wrong usage, or a file that cannot be read
  3  our side failed
"""
_XEN = ("4.14", "4.17", "4.20")
_VERSION = re.compile(r"\d+\.\d+[\w.+~:-]*")


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "lint",
        help="check boot scripts, device trees, ACPI tables, domain configurations and images",
        description="Check the files that a board boots from, without booting it: boot.cmd, "
        "boot.scr, .dtb, .dts, ACPI tables, xl's domain configurations, kernel and guest images. "
        "Files that are given together know of each other.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
    parser.add_argument("--board", metavar="BOARD", help="where its RAM and registers are")
    add_board_path(parser)
    add_report_options(parser, more=("sarif", "junit"))
    known = parser.add_mutually_exclusive_group()
    known.add_argument(
        "--baseline",
        metavar="FILE",
        type=Path,
        help="accept the findings that this file lists; only others count",
    )
    known.add_argument(
        "--write-baseline",
        metavar="FILE",
        type=Path,
        help="write such a file: all that is found now is accepted",
    )
    acpi = parser.add_argument_group("ACPI tables")
    acpi.add_argument(
        "--e820", metavar="LOG", type=Path, help="a log of Xen or Linux with the memory map"
    )
    acpi.add_argument(
        "--pci", metavar="FILE", type=Path, help="the PCI devices: lspci's output, or a log of Xen"
    )
    acpi.add_argument(
        "--ask-xen",
        metavar="VERSIONS",
        nargs="?",
        type=_versions,
        const=[f"xen-{one}" for one in _XEN],
        help="boot the real Xen with the tables and compare what it does with what is predicted; "
        f"--ask-xen={','.join(_XEN)} is the default, xen=FILE is a build of yours",
    )
    acpi.add_argument(
        "--ask-linux",
        action="store_true",
        help="the same with Debian's kernel, of which there is no prediction",
    )
    add_fetch_options(acpi)
    parser.set_defaults(run=run)


def _versions(text: str) -> list[str]:
    words = text.split(",")
    for word in words:
        if not _VERSION.fullmatch(word) and not word.startswith("xen="):
            raise argparse.ArgumentTypeError(
                f"{word!r} is no version of Xen (write it as --ask-xen=4.17,4.20, and FILE before "
                "an --ask-xen without versions)"
            )
    return [word if word.startswith("xen=") else f"xen-{word}" for word in words]


def run(options: argparse.Namespace) -> int:
    """Lint, ask, report, and give the exit code."""
    board = load(options.board, options.board_path) if options.board else None
    facts = facts_of(board) if board else Facts()
    if options.e820:
        facts = replace(facts, e820=read_e820(options.e820))
    if options.pci:
        facts = replace(facts, pci=read_pci(options.pci))
    known: Path | None = options.baseline or options.write_baseline
    entries = read_baseline(options.baseline) if options.baseline else ()
    linted = lint(options.files, facts)
    if options.write_baseline:
        entries = entries_of(linted, options.write_baseline.parent)
        write_baseline(options.write_baseline, entries)
    compared = compare(linted, entries, known.parent) if known else without_baseline(linted)
    results = _asked(options, linted)
    out(_report(options, compared, results))
    if fails(compared.new, options.fail_on):
        return EXIT_BOARD_FAILED
    return EXIT_INFRA if asked.failed(results) else EXIT_PASS


def _asked(options: argparse.Namespace, linted: Sequence[Linted]) -> asked.Results:
    names = [*(options.ask_xen or ()), *(["linux"] if options.ask_linux else ())]
    if not names:
        return {}
    tables = asked.inputs_of(one.path for one in linted if one.kind == "acpi")
    if not tables:
        raise UsageError(
            "--ask-xen and --ask-linux ask about ACPI tables, and none are given",
            expected="a table, a dump or a folder of tables",
        )
    told = Progress().detail
    sources = Sources(offline=options.offline, refresh=options.refresh, progress=told)
    board = load(DEFAULT_BOARD, options.board_path)
    jobs = len(os.sched_getaffinity(0))
    with work_folder(Path(tempfile.gettempdir()), "harness-lint-") as folder:
        return asked.ask_about(tables, names, board, sources, folder, jobs=jobs, told=told)


def _report(options: argparse.Namespace, compared: Compared, results: asked.Results) -> str:
    known: Path | None = options.baseline or options.write_baseline
    if options.format == "junit":
        return as_junit(compared, RULES_OF, options.fail_on)
    if options.format == "sarif":
        document = as_sarif(compared, rules(), page=rules_page())
        if results:
            by_input = {path: asked.as_json(each) for path, each in results.items()}
            document["runs"][0]["properties"] = {"asked": by_input}
        return json.dumps(document, indent=2)
    if options.format == "json":
        document = as_json(compared.new)
        if known:
            baseline_report.add_to_json(document, compared)
        for one in document["inputs"]:
            if one["path"] in results:
                one["asked"] = asked.as_json(results[one["path"]])
        return json.dumps(document, indent=2)
    parts = [baseline_report.as_text(compared, str(known))] if known else []
    parts += [asked.as_text(results)] if results else []
    return "\n\n".join([*(part for part in parts if part), as_text(compared.new)])
