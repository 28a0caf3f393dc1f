"""Takes a trace: xentrace in dom0, then xenalyze.

What was seen of the tools (Xen 4.17), and what follows from it here:

- Trace buffers are allocated once in a boot; a later, other size is silently ignored. Xen starts
  to trace when they are allocated (xentrace_setsize), not when somebody reads.
- xentrace that is killed, or that cannot write, leaves tracing on. The next trace then begins with
  a "lost record" from back then. A run with tracing disabled (`-X`) clears it.
- xenalyze takes the CPU for one of 2.4 GHz if it is not told.
- xenalyze does not say how many records were lost; `--report-pcpu` says for how long.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from pathlib import Path

from harness.console import BoardStopped, ConsoleTimeout
from harness.errors import TargetDied, UsageError
from harness.formats.xenalyze import parse
from harness.shell.base import Result, ShellError
from harness.target.base import ChannelClosed
from harness.toolstack.dom0 import Dom0
from harness.tracing.causes import SPARE, TraceError, refused
from harness.tracing.doubts import doubts
from harness.tracing.record import Trace, kept

BUFFER_PAGES = 128
"""Default size of the trace buffer of each physical CPU. xentrace's own is 32 pages."""

LONGEST = 3600
"""Seconds that one trace may take."""

_PATH = 'PATH="$PATH:$(echo /usr/lib/xen*/bin | tr " " :)"'
_NEEDED = ("xl", "xentrace", "xenalyze", "timeout", "mktemp")
_CLASSES = ("all", "gen", "sched", "dom0op", "hvm")
_MASK = re.compile(rf"{'|'.join(_CLASSES)}|0x[0-9a-fA-F]{{1,8}}")
_FOLDER = re.compile(r"/tmp/trace\.\w+")  # noqa: S108 -- in dom0, made by mktemp
# Bytes of xenalyze's stderr that are kept.
_TALK = 8192
# A raw trace beyond this would take minutes over a console.
_RAW_LIMIT = 4 << 20
_SVM = ("AuthenticAMD", "HygonGenuine")


def trace(
    dom0: Dom0,
    seconds: int,
    *,
    keep: Path | None = None,
    mask: str = "all",
    buffer_pages: int = BUFFER_PAGES,
    command: str | None = None,
    raw: bool = False,
    evidence: str = "",
) -> Trace:
    """Trace Xen.

    Args:
        seconds: of dom0's clock; xentrace takes whole ones.
        keep: a folder that gets trace.txt and trace.json (and trace.bin.gz): the run folder.
            Nothing in it is overwritten: a second trace is trace-2.
        mask: classes of events: all, gen, sched, dom0op, hvm, or a number ("0x2f000").
        buffer_pages: size of the buffer of each physical CPU; the first trace of a boot sets it.
        command: run in dom0 as soon as there are records. It is not waited for.
        raw: bring the raw trace too.
        evidence: of the boot ("emulated", "hardware"); it is noted.

    Raises:
        UsageError: an argument that cannot be, or a dom0 without xentrace.
        TraceError: dom0 took no trace, or xenalyze cannot read it; or the board stopped.
        ShellError: dom0 does not answer.
        TargetDied: the emulator or the line ended.
        InfraError: `keep` cannot be written.
    """
    check(seconds, mask, buffer_pages)
    tracer = _Tracer(dom0, seconds, mask, buffer_pages, command)
    try:
        try:
            taken = tracer.take(raw=raw, evidence=evidence)
        finally:
            tracer.clean_up()
    except BoardStopped as stop:
        raise TraceError(f"the board stopped while it was traced: {stop.line.text}") from None
    except ChannelClosed:
        raise TargetDied("the emulator or the line ended while a trace was taken") from None
    return taken if keep is None else kept(taken, keep)


def check(seconds: int, mask: str, pages: int) -> None:
    """Whether a trace can be like this.

    Raises:
        UsageError: it cannot.
    """
    if isinstance(seconds, float) or not 1 <= seconds <= LONGEST:
        raise UsageError(
            f"a trace of {seconds} seconds", expected=f"whole seconds, from 1 to {LONGEST}"
        )
    if not _MASK.fullmatch(mask):
        raise UsageError(
            f"event mask {mask!r}", expected=f"one of {', '.join(_CLASSES)}, or a number 0x..."
        )
    if not 1 <= pages <= 65535:
        raise UsageError(f"a trace buffer of {pages} pages", expected="from 1 to 65535")


class _Tracer:
    """One trace in dom0."""

    def __init__(
        self, dom0: Dom0, seconds: int, mask: str, pages: int, command: str | None
    ) -> None:
        self._dom0 = dom0
        self._seconds = seconds
        self._mask = mask
        self._pages = pages
        self._command = command
        self._folder = ""
        self._warnings: list[str] = []

    def begin(self) -> str:
        """Sees to tools and a folder in dom0; what xenalyze has to know of the machine.

        As few commands as can be: each of them costs a second or more on an emulated console.
        """
        words = " ".join(_NEEDED)
        said = self._run(
            f"n=0; for t in {words}; do command -v $t >/dev/null || {{ echo missing $t; n=1; }}; "
            "done; [ $n = 0 ] && echo folder $(mktemp -d /tmp/trace.XXXXXX 2>&1) && xl info && "
            "{ grep -m1 vendor_id /proc/cpuinfo || :; }"
        )
        missing = re.findall(r"^missing (\w+)$", said.output, re.MULTILINE)
        if missing:
            raise UsageError(
                f"dom0 has no {', '.join(missing)}",
                where="dom0's root",
                expected="Xen's tools (Debian: xen-utils and xen-utils-common)",
                hint="boot with a root that has them: --root nfs, --root 9p or --root initramfs",
            )
        folder = re.search(r"^folder (.*)$", said.output, re.MULTILINE)
        if folder is None or not _FOLDER.fullmatch(folder[1]):
            raise TraceError(
                f"no folder for the trace in dom0: {folder[1] if folder else said.output}",
                hint="is /tmp there, and has it room?",
            )
        self._folder = folder[1]
        if said.status != 0:
            raise refused("xl info", said.status, said.output)
        return self._options(said.output)

    def clean_up(self) -> None:
        """Where dom0 cannot any more, there is an error already that says why."""
        if not self._folder:
            return
        with contextlib.suppress(ShellError, ConsoleTimeout, BoardStopped, ChannelClosed):
            self._run(f"rm -rf {self._folder}")

    def take(self, *, raw: bool, evidence: str) -> Trace:
        options = self.begin()
        names = self._names()
        self._prepare()
        elapsed, output = self._xentrace()
        names |= self._names()
        status, text = self._xenalyze(options)
        content = self._raw() if raw else None
        if status != 0:
            raise TraceError(
                f"xenalyze cannot read the trace (exit code {status})",
                hint=f"it said {' / '.join(text.splitlines()[-3:])!r}; fewer events (mask sched) "
                "are easier for it",
            )
        summary = parse(text)
        warnings = (*self._warnings, *doubts(summary, self._seconds, elapsed))
        return Trace(
            self._seconds, elapsed, summary, text, names, evidence, warnings, output, content
        )

    def _options(self, machine: str) -> str:
        speed = re.search(r"^cpu_mhz\s*: *(\d+(?:\.\d+)?)\s*$", machine, re.MULTILINE)
        options = ["--svm-mode"] if any(vendor in machine for vendor in _SVM) else []
        if speed is None or float(speed[1]) == 0:
            self._warnings.append(
                "xl info does not say the speed of the CPU: all times assume 2.40 GHz"
            )
        else:
            options.append(f"--cpu-hz={speed[1]}M")
        return " ".join(options)

    def _names(self) -> dict[int, str]:
        return {row.id: row.name for row in self._dom0.xl.list()}

    def _prepare(self) -> None:
        """Buffers that are allocated and empty."""
        said = self._run(f"{self._quiet()} && {{ xl dmesg | grep 'trace pages on' || :; }}")
        if said.status != 0:
            raise refused("xentrace", said.status, said.output)
        pages = re.findall(r"(\d+) trace pages on", said.output)
        if pages and int(pages[-1]) != self._pages:
            self._warnings.append(
                f"the trace buffers have {pages[-1]} pages since an earlier trace of this boot, "
                f"not {self._pages}: they cannot be changed"
            )

    def _quiet(self) -> str:
        """Allocates the buffers if there are none; tracing is off then, and nothing in them."""
        return f"timeout -k 5 60 xentrace -D -X -S {self._pages} -T 1 /dev/null"

    def _xentrace(self) -> tuple[float, str]:
        """Takes the trace: seconds of dom0's clock that it took, and what the command said."""
        to = self._folder
        uptime = "cut -d' ' -f1 /proc/uptime"
        beside = ""
        if self._command:
            wait = f"while [ -d {to} ] && ! [ -s {to}/raw ]; do sleep 0.1; done"
            beside = f"( {wait}; {self._command} ) >{to}/out 2>&1 </dev/null & "
        patience = 2 * self._seconds + 60
        said = self._run(
            f"{uptime}; {beside}timeout -k 5 {patience} xentrace -D -e {self._mask} "
            f"-S {self._pages} -r {SPARE} -T {self._seconds} {to}/raw; s=$?; {uptime}; "
            f"{f'head -c 4096 {to}/out; ' if self._command else ''}exit $s",
            # An emulated dom0 is several times slower than the clock of the host.
            timeout=4.0 * patience + 60,
        )
        if said.status != 0:
            self._run(self._quiet())
            raise refused("xentrace", said.status, said.output)
        lines = said.lines
        times = [at for at, line in enumerate(lines) if re.fullmatch(r"\d{1,12}\.\d\d", line)]
        if len(times) < 2:
            raise TraceError("dom0 has no clock (/proc/uptime)", where="dom0")
        elapsed = float(lines[times[1]]) - float(lines[times[0]])
        return round(elapsed, 2), "\n".join(lines[times[1] + 1 :])

    def _xenalyze(self, options: str) -> tuple[int, str]:
        """xenalyze's exit code, and all that it said: stderr first, as on a terminal."""
        to = self._folder
        for tolerance in ("", "--tolerance=6 "):
            said = self._run(
                f"timeout -k 5 600 xenalyze --summary --report-pcpu {tolerance}{options} "
                # Some complaints come hundreds of times in a row.
                f"{to}/raw >{to}/txt 2>{to}/err; s=$?; uniq {to}/err | head -c {_TALK}; echo; "
                f"cat {to}/txt; exit $s",
                timeout=900.0,
            )
            if said.status == 0:
                break
        if tolerance and said.status == 0:
            self._warnings.append(
                "xenalyze finds errors in the trace, and was told to go on all the same"
            )
        return said.status, f"{said.output}\n"

    def _raw(self) -> bytes | None:
        to = self._folder
        pack = f"{{ gzip -c {to}/raw || busybox gzip -c {to}/raw; }} 2>/dev/null"
        size = self._run(f"{pack} >{to}/gz && wc -c <{to}/gz").output.strip()
        if not size.isdigit() or int(size) > _RAW_LIMIT:
            self._warnings.append(
                f"the raw trace was not brought: it has {size} bytes, compressed"
                if size.isdigit()
                else "the raw trace was not brought: dom0 cannot compress it"
            )
            return None
        try:
            return base64.b64decode(self._run(f"base64 {to}/gz", timeout=1800.0).output)
        except binascii.Error:
            self._warnings.append("the raw trace was not brought: dom0's base64 is none")
            return None

    def _run(self, command: str, *, timeout: float = 60.0) -> Result:
        # In a subshell: the variables of the user's session stay as they are.
        return self._dom0.run(f"( {_PATH}; {command} )", timeout=timeout)
