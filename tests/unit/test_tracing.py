"""Taking a trace, with a dom0 that answers from a table."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.bootlog import Line
from harness.console import BoardStopped
from harness.errors import InfraError, TargetDied, UsageError
from harness.report.trace import summary_report, trace_report
from harness.shell.base import Result, ShellError
from harness.target.base import ChannelClosed
from harness.toolstack.dom0 import Dom0
from harness.tracing import Trace, TraceError, domain_name, trace

DATA = Path(__file__).resolve().parents[1] / "data" / "xenalyze"
PVH = (DATA / "xen-4.17.7-svm-pvh-guest.txt").read_text()
FOLDER = "/tmp/trace.Ab12cd"  # noqa: S108 -- in dom0

# The commands.
BEGIN, QUIET, TAKE, READ = "mktemp", "-X -S", "xentrace -D -e", "xenalyze --summary"

INFO = "xen_major              : 4\ncpu_mhz                : 2700.002\n"
LOST = """\
Total time: 134.93 seconds (using cpu speed 2.70 GHz)
|-- Domain 0 --|
pcpu 0
    lost:       1 116.66s 314993561016 {314993561016|314993561016|314993561016}
"""


class Machine:
    """A dom0: the answer to the first pattern that is in the command; each command is noted."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.commands: list[str] = []
        self.timeouts: list[float] = []
        self.domains = [[(0, "Domain-0")], [(0, "Domain-0"), (2, "pvh")]]
        self.answers: dict[str, Any] = {
            BEGIN: f"folder {FOLDER}\n{INFO}vendor_id\t: AuthenticAMD",
            "rm -rf": "",
            QUIET: "(XEN) xentrace: requesting 2 t_info pages for 128 trace pages on 4 cpus",
            TAKE: "100.00\nchange evtmask to 0xffff000\n112.25\nParsing config",
            READ: PVH,
            "gzip -c": "1000",
            "base64": base64.b64encode(gzip.compress(b"records")).decode(),
        }
        self.answers.update(answers or {})

    def run(self, command: str, *, timeout: float = 60.0) -> Result:
        assert "\n" not in command
        inner = re.fullmatch(r"\( PATH=.*?; (.*) \)", command)
        assert inner, command
        self.commands.append(inner[1])
        self.timeouts.append(timeout)
        found = [pattern for pattern in self.answers if re.search(pattern, inner[1])]
        assert found, command
        answer = self.answers[found[0]]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = cast("Callable[[str], Any]", answer)(inner[1])
        text, status = answer if isinstance(answer, tuple) else (answer, 0)
        return Result(text, status)

    @property
    def xl(self) -> Any:
        rows = self.domains.pop(0) if len(self.domains) > 1 else self.domains[0]
        return SimpleNamespace(list=lambda: [SimpleNamespace(id=i, name=n) for i, n in rows])

    def ran(self, pattern: str) -> list[str]:
        return [command for command in self.commands if re.search(pattern, command)]


def traced(machine: Machine, seconds: int = 12, **more: Any) -> Trace:
    return trace(cast("Dom0", machine), seconds, **more)


def test_a_trace() -> None:
    machine = Machine()
    taken = traced(machine, evidence="emulated")
    assert taken.summary.seconds == 11.86
    assert taken.elapsed == 12.25
    assert dict(taken.names) == {0: "Domain-0", 2: "pvh"}
    assert taken.warnings == ()
    assert taken.raw is None
    assert taken.kept == ()
    (run,) = machine.ran(TAKE)
    assert "timeout -k 5 84 xentrace -D -e all -S 128 -r 16 -T 12 " in run
    (read,) = machine.ran(READ)
    assert "--svm-mode --cpu-hz=2700.002M " in read
    assert machine.commands[-1] == f"rm -rf {FOLDER}"
    # dom0's clock may be several times slower than the host's.
    assert machine.timeouts[machine.commands.index(run)] > 4 * 84


def test_an_intel_machine() -> None:
    machine = Machine({BEGIN: f"folder {FOLDER}\n{INFO}vendor_id\t: GenuineIntel"})
    traced(machine)
    assert "--svm-mode" not in machine.ran(READ)[0]


def test_the_files_of_a_trace(tmp_path: Path) -> None:
    first = traced(Machine(), keep=tmp_path, raw=True)
    second = traced(Machine(), keep=tmp_path)
    assert [path.name for path in first.kept] == ["trace.txt", "trace.bin.gz", "trace.json"]
    assert [path.name for path in second.kept] == ["trace-2.txt", "trace-2.json"]
    assert gzip.decompress((tmp_path / "trace.bin.gz").read_bytes()) == b"records"
    assert (tmp_path / "trace.txt").read_text() == first.text
    said = json.loads((tmp_path / "trace.json").read_text())
    assert said["asked_seconds"] == 12
    assert said["seconds"] == 11.86
    assert said["names"]["2"] == "pvh"
    assert said["domains"][1]["vcpus"][0]["exits"][0]["total"]["name"] == "VMEXIT_CR4_READ"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="cannot write"):
        traced(Machine(), keep=tmp_path / "none")


def test_a_command_that_is_traced() -> None:
    machine = Machine()
    taken = traced(machine, command="xl unpause pvh")
    (run,) = machine.ran(TAKE)
    assert re.search(r"\( while .*; xl unpause pvh \) >\S+/out 2>&1 </dev/null & timeout", run)
    assert taken.output == "Parsing config"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"seconds": 0}, "0 seconds"),
        ({"seconds": 3601}, "3601 seconds"),
        ({"seconds": 1.5}, "1.5 seconds"),
        ({"mask": "foo"}, "event mask 'foo'"),
        ({"mask": "0x1; reboot"}, "event mask"),
        ({"buffer_pages": 0}, "0 pages"),
    ],
)
def test_arguments_that_cannot_be(more: dict[str, Any], message: str) -> None:
    machine = Machine()
    with pytest.raises(UsageError, match=re.escape(message)):
        traced(machine, **more)
    assert machine.commands == []


def test_a_root_without_the_tools() -> None:
    machine = Machine({BEGIN: ("missing xl\nmissing xentrace", 1)})
    with pytest.raises(UsageError, match="dom0 has no xl, xentrace") as bad:
        traced(machine)
    assert "--root nfs" in str(bad.value)
    assert len(machine.commands) == 1


def test_buffers_are_emptied_before_a_trace() -> None:
    """Else it begins with what an earlier xentrace left, or with what was lost since."""
    machine = Machine()
    traced(machine, buffer_pages=128)
    order = [machine.commands.index(machine.ran(p)[0]) for p in (QUIET, TAKE)]
    assert order == sorted(order)
    assert "xentrace -D -X -S 128 -T 1 /dev/null" in machine.commands[order[0]]


def test_buffers_of_another_size() -> None:
    said = "requesting 2 t_info pages for 32 trace pages on 4 cpus"
    assert "have 32 pages since an earlier trace" in traced(Machine({QUIET: said})).warnings[0]
    assert traced(Machine({QUIET: said}), buffer_pages=32).warnings == ()
    # A Xen that logs less does not say.
    assert traced(Machine({QUIET: ""})).warnings == ()


def test_another_xentrace_runs() -> None:
    machine = Machine({QUIET: ("ERROR: failed to bind to VIRQ port (17 = File exists)", 1)})
    with pytest.raises(TraceError, match="another xentrace is running") as bad:
        traced(machine)
    assert "pidof xentrace" in str(bad.value)
    assert machine.commands[-1] == f"rm -rf {FOLDER}"
    assert not machine.ran(TAKE)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("Write failed! (size 2412, returned 1736)", "does not fit"),
        ("Disk space limit reached (free space: 15MB, limit: 16MB).", "does not fit"),
        ("Couldn't enable trace buffers: Invalid argument", "no trace buffers"),
        ("xenctrl interface open: No such file or directory", "cannot talk to Xen"),
        ("Segmentation fault", "exit code 1"),
    ],
)
def test_xentrace_that_fails(said: str, cause: str) -> None:
    """Why is said; and tracing, which it left on, is ended."""
    machine = Machine({TAKE: (f"1.00\nchange evtmask to 0xf\n{said}\n2.00", 1)})
    with pytest.raises(TraceError, match=cause) as bad:
        traced(machine)
    assert said in str(bad.value)
    assert "evtmask" not in str(bad.value)
    assert bad.value.exit_code == 1
    assert len(machine.ran(QUIET)) == 2


@pytest.mark.parametrize("status", [124, 137])
def test_xentrace_that_hangs(status: int) -> None:
    machine = Machine({TAKE: ("1.00\n90.00", status)})
    with pytest.raises(TraceError, match="did not end, and was killed"):
        traced(machine)
    assert len(machine.ran(QUIET)) == 2


def test_xenalyze_that_stumbles() -> None:
    """It is told to tolerate errors, and the reader is told of it."""
    machine = Machine({READ: lambda c: PVH if "tolerance" in c else ("Aborted", 134)})
    taken = traced(machine)
    assert taken.summary.domains
    assert "told to go on" in taken.warnings[0]


def test_xenalyze_that_fails() -> None:
    machine = Machine({READ: ("FATAL: no", 1)})
    with pytest.raises(TraceError, match=r"exit code 1") as bad:
        traced(machine)
    assert "FATAL: no" in str(bad.value)


def test_lost_records_are_told() -> None:
    taken = traced(Machine({READ: LOST}))
    assert any("lost on physical CPU 0, 1 times, 116.66 s" in w for w in taken.warnings)
    assert any("span 134.9 s, but xentrace ran for 12.2 s" in w for w in taken.warnings)


def test_what_xenalyze_complains_of_is_told() -> None:
    taken = traced_of(f"fine\nUnknown hvm event: 84011\nStrange, exit\n{PVH}")
    assert taken.warnings == ("xenalyze complains 2 times, first: Unknown hvm event: 84011",)


def test_rows_that_are_not_known_are_told() -> None:
    said = PVH[PVH.index("Total time") :] + "new in 4.30\n"
    assert any("1 rows of xenalyze are not known" in w for w in traced_of(said).warnings)


def test_a_trace_without_the_scheduler() -> None:
    said = "Total time: 1.00 seconds (using cpu speed 2.70 GHz)\n"
    assert any("no domain in the trace" in w for w in traced_of(said).warnings)


def traced_of(text: str) -> Trace:
    return traced(Machine({READ: text}))


def test_a_starved_dom0() -> None:
    machine = Machine({TAKE: "100.00\n160.00"})
    assert any("short of CPU" in w for w in traced(machine).warnings)


def test_an_unknown_cpu_speed() -> None:
    machine = Machine({BEGIN: f"folder {FOLDER}\nxen_major : 4"})
    assert "assume 2.40 GHz" in traced(machine).warnings[0]
    assert "--cpu-hz" not in machine.ran(READ)[0]


def test_xl_that_fails() -> None:
    said = "xencall: error: Could not obtain handle on privileged command interface"
    with pytest.raises(TraceError, match="cannot talk to Xen"):
        traced(Machine({BEGIN: (f"folder {FOLDER}\n{said}", 1)}))


def test_no_folder() -> None:
    machine = Machine({BEGIN: ("folder mktemp: No space left on device", 1)})
    with pytest.raises(TraceError, match="No space left"):
        traced(machine)
    assert not machine.ran("rm -rf")


@pytest.mark.parametrize(("size", "why"), [("99999999", "99999999 bytes"), ("", "cannot compress")])
def test_a_raw_trace_that_is_not_brought(size: str, why: str) -> None:
    taken = traced(Machine({"gzip -c": size}), raw=True)
    assert taken.raw is None
    assert why in taken.warnings[0]


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (ChannelClosed(), TargetDied),
        (BoardStopped(Line("Panic on CPU 0:", 1.0, 7)), TraceError),
        (ShellError("did not end"), ShellError),
    ],
)
def test_the_machine_ends(event: Exception, error: type[Exception]) -> None:
    """Also the cleaning up fails then, which hides nothing."""
    machine = Machine({TAKE: event, "rm -rf": event})
    with pytest.raises(error):
        traced(machine)
    assert machine.ran("rm -rf")


def test_names_of_domains() -> None:
    names = {0: "Domain-0"}
    assert [domain_name(names, i) for i in (0, 4, 32767, None)] == [
        "Domain-0",
        "Domain-4",
        "(idle)",
        "(unknown)",
    ]


def test_the_report() -> None:
    text = trace_report(traced(Machine(), command="true", evidence="emulated"))
    assert "the times are the emulator's" in text
    assert re.search(r"pvh +0 +9\.29s  78\.3% .* 1$", text, re.MULTILINE)
    assert "pvh: exits VMEXIT_RDTSC 31791 (2.43s), VMEXIT_IOIO 63591 (2.02s)" in text
    assert "and 3 more" in text
    assert "Domain-0: hypercalls iret 2581, mmu_update 1901" in text
    assert "pcpu 2: running 9.65s in 22 times" in text
    assert "  Parsing config" in text
    assert "(idle)" not in text
    assert max(len(row) for row in text.splitlines()) <= 110


def test_the_report_of_hardware_has_no_reservation() -> None:
    assert "emulator" not in trace_report(traced(Machine(), evidence="hardware"))


def test_the_report_of_a_hostile_text() -> None:
    summary = traced_of("Total time: 1.00 seconds (using cpu speed 2.70 GHz)\n\x1b[2J\n").summary
    assert "\x1b" not in summary_report(summary)
