"""Rules for boot scripts: the text, and what U-Boot makes of each command."""

from __future__ import annotations

from collections.abc import Callable

from harness.lint.facts import Facts
from harness.lint.rule import Check, Found, Hit, Rule, rule
from harness.lint.script_trace import Trace

# CONFIG_SYS_CBSIZE of most boards.
LONGEST_LINE = 1024
_TYPOGRAPHIC = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
    "\u00a0": " ",
    "\u00ad": "nothing",
}


def _of(*codes: str) -> Callable[[Trace, Facts], Found]:
    """The problems that the interpreter met, of some kinds."""

    def check(trace: Trace, facts: Facts) -> Found:
        del facts
        for problem in trace.problems:
            if problem.code in codes:
                yield Hit(problem.message, line=problem.line, hint=problem.hint)

    return check


def _told(check: Check, *, id: str, **words: str) -> Rule:  # noqa: A002
    return rule(id, "error", **words)(check)


syntax = _told(
    _of("syntax", "endless"),
    id="script.syntax",
    checks="U-Boot's shell can read the script: quotes are closed, if has its then and fi, no "
    "pipe and no job in the background.",
    reference="U-Boot common/cli_hush.c, parse_stream",
    consequence='U-Boot says "syntax error" and does not run the rest of the script.',
)

usage = _told(
    _of("usage"),
    id="script.usage",
    checks="Every command has the arguments that it needs.",
    reference="U-Boot cmd/fdt.c, fs/fs.c, doc/usage/cmd",
    consequence="U-Boot prints the usage of the command, and goes on without what it should do.",
)

no_fdt_addr = _told(
    _of("no-fdt-addr"),
    id="script.no-fdt-addr",
    checks="fdt addr comes before the other fdt commands.",
    reference="U-Boot cmd/fdt.c, do_fdt",
    consequence='U-Boot says "No FDT memory address configured" and changes nothing.',
)

node = _told(
    _of("node"),
    id="script.node",
    checks="A node is there before something is set in it, and is made only once.",
    reference="U-Boot cmd/fdt.c, do_fdt (fdt chosen, fdt mknod, fdt set)",
    consequence='U-Boot says "libfdt fdt_path_offset() returned FDT_ERR_NOTFOUND" (or '
    "FDT_ERR_EXISTS) and goes on: Xen does not get what was to be set.",
)

comment = _told(
    _of("comment"),
    id="script.comment",
    checks="A # at the begin of a word is written \\#.",
    reference="U-Boot common/cli_hush.c, parse_stream",
    consequence="The rest of the line is a comment: the command is called without it, and "
    "#address-cells is not set.",
)

cells = _told(
    _of("cells"),
    id="script.cells",
    checks="Numbers in <> have 0x before them, ${filesize} too.",
    reference="U-Boot cmd/fdt.c, fdt_parse_prop (simple_strtoul with base 0)",
    consequence="A decimal number is written to the tree, or U-Boot says it could not convert it: "
    "Xen looks for the module at a wrong place.",
)

scratchpad = _told(
    _of("scratchpad"),
    id="script.scratchpad",
    checks="The value of an fdt set has at most 1024 bytes.",
    reference="U-Boot cmd/fdt.c, SCRATCHPAD",
    consequence="U-Boot writes behind its buffer; what happens then is chance.",
)

no_room = _told(
    _of("no-room"),
    id="script.no-room",
    checks="The tree has room for what the script adds.",
    reference="U-Boot cmd/fdt.c (FDT_ERR_NOSPACE), boot/fdt_support.c, fdt_shrink_to_minimum",
    consequence='U-Boot says "libfdt fdt_setprop(): FDT_ERR_NOSPACE" and goes on without it.',
)


@rule(
    "script.line-ends",
    "error",
    checks="Lines end as on Unix, without a carriage return.",
    reference="U-Boot common/cli_hush.c, parse_stream: a carriage return is part of a word",
    consequence="The last word of every line has an invisible character: files are not found, "
    "addresses are refused.",
)
def _line_ends(trace: Trace, facts: Facts) -> Found:
    del facts
    if "\r" in trace.text:
        line = trace.text[: trace.text.index("\r")].count("\n") + 1
        yield Hit("a carriage return at the end of the line", line, hint="sed -i 's/\\r$//' FILE")


@rule(
    "script.characters",
    "error",
    checks="Commands are ASCII: no quotes, dashes or blanks of a word processor.",
    reference="U-Boot common/cli_hush.c, parse_stream",
    consequence="U-Boot takes them for parts of words: a quote does not quote, a dash is no dash.",
)
def _characters(trace: Trace, facts: Facts) -> Found:
    del facts
    for at, line in enumerate(trace.text.split("\n"), 1):
        code = line.partition("#")[0] if line.lstrip().startswith("#") else line
        wrong = next((letter for letter in code if ord(letter) > 0x7E), "")
        if wrong:
            right = _TYPOGRAPHIC.get(wrong)
            hint = f"write {right}" if right else "write ASCII"
            yield Hit(f"U+{ord(wrong):04X} ({wrong})", at, hint=hint)


@rule(
    "script.long-line",
    "note",
    checks=f"No line is longer than {LONGEST_LINE} characters.",
    reference="U-Boot Kconfig, SYS_CBSIZE (1024 on most boards, 512 on qemu_arm)",
    consequence="As a script it runs; typed at U-Boot's prompt it is cut without a word.",
)
def _long_line(trace: Trace, facts: Facts) -> Found:
    del facts
    for at, line in enumerate(trace.text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            yield Hit(f"{len(line)} characters", at, hint="a variable for each part of it")


@rule(
    "script.unknown-command",
    "note",
    checks="The linter knows the commands of the script.",
    reference="U-Boot doc/usage/cmd",
    consequence="What the command does was not followed; the findings behind it may be wrong.",
)
def _unknown_command(trace: Trace, facts: Facts) -> Found:
    del facts
    for line, name in trace.unknown:
        yield Hit(f"{name} was not followed", line)


@rule(
    "script.branches",
    "note",
    checks="What an if decides is known before the board runs.",
    reference="U-Boot doc/usage/cmdline.rst",
    consequence="Both ways were followed, and kept apart.",
)
def _branches(trace: Trace, facts: Facts) -> Found:
    del facts
    for line in trace.branches:
        yield Hit("only the board can decide this if; all of its arms were followed", line)


@rule(
    "script.room",
    "warning",
    checks="fdt resize with a size, or fdt addr with one, makes room before the tree is changed; "
    "and no fdt resize without a size takes it away again.",
    reference="U-Boot boot/fdt_support.c, fdt_shrink_to_minimum; cmd/fdt.c, do_fdt",
    consequence="A tree as the compiler writes it has no room: fdt set fails with "
    "FDT_ERR_NOSPACE, depending on the tree at one or the other line.",
)
def _room(trace: Trace, facts: Facts) -> Found:
    del facts
    for boot in trace.boots:
        fdt = boot.fdt
        # With the tree given its sizes are known, and script.no-room says more.
        if fdt is None or not fdt.grown or fdt.load is None:
            continue
        if fdt.shrunk is not None:
            message = (
                "fdt resize without a size shrinks the tree to what it needs, up to the end of "
                "the page: the room that fdt addr made is gone"
            )
            left = "" if fdt.total is None or fdt.used is None else f"; {fdt.total - fdt.used} left"
            yield Hit(message + left, fdt.shrunk, hint="fdt resize 0x2000")
        elif fdt.resized is None and fdt.used is None:
            yield Hit(
                "the tree is changed, and nothing made room for it",
                fdt.line,
                hint="fdt resize 0x2000, behind fdt addr",
            )


RULES: tuple[Rule, ...] = (
    syntax,
    usage,
    _line_ends,
    _characters,
    comment,
    no_fdt_addr,
    node,
    cells,
    scratchpad,
    no_room,
    _room,
    _long_line,
    _unknown_command,
    _branches,
)
