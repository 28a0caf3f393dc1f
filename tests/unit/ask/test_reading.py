from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.ask.consumer import Kind
from harness.ask.reading import Ended, Reading, begins, is_done, parsed, read_verdict
from harness.ask.silence import Silence
from harness.bootlog import Line, read_recorded

LOGS = Path(__file__).parents[2] / "data" / "logs"


def read(texts: Sequence[str], kind: Kind = "xen", ended: Ended = "verdict") -> Reading:
    lines = [Line(text, float(n), n) for n, text in enumerate(texts, 1)]
    return read_verdict(kind, parsed(lines), texts, ended)


START = "(XEN) Xen version 4.17.7 (Debian 4.17.7+13) (x) (gcc) debug=n Wed Nov  4 16:52:28 UTC 2026"
END = "(XEN) Brought up 1 CPUs"
ON = "(XEN) I/O virtualisation enabled"
OFF = "(XEN) I/O virtualisation disabled"


def test_enabled() -> None:
    answer = read([START, ON, "(XEN) Interrupt remapping enabled", END])
    assert answer == Reading("enabled", (), "4.17.7", True)


def test_nothing_is_said_of_an_iommu_that_is_absent() -> None:
    assert read([START, OFF, END]) == Reading("absent", (), "4.17.7", None)


@pytest.mark.parametrize(
    "problem",
    [
        "AMD-Vi: Error: IVRS: invalid checksum 0x3a",
        "IVMD: page at 0x8000 can't be converted",
        "No southbridge IO-APIC found in IVRS table",
    ],
)
def test_problems_are_messages_and_make_it_failed(problem: str) -> None:
    answer = read([START, f"(XEN) {problem}", f"(XEN) {problem}", OFF, END])
    assert (answer.outcome, answer.messages) == ("failed", (problem,))


def test_a_listing_is_no_message() -> None:
    answer = read(
        [START, "(XEN) AMD-Vi: IVRS Block: type 0x10 flags 0xd1 len 0x30 id 0x8", ON, END]
    )
    assert (answer.outcome, answer.messages) == ("enabled", ())


def test_enabled_and_then_silent_is_a_hang() -> None:
    waits = "AMD IOMMU 0000:00:01.0: completion wait taking too long"
    answer = read([START, ON, f"(XEN) {waits}"], ended="silence")
    assert (answer.outcome, answer.messages) == ("hang", (waits,))


def test_a_panic_tells_its_reason() -> None:
    answer = read(
        [
            *(START, "(XEN) ", "(XEN) ****************************************"),
            *("(XEN) Panic on CPU 0:", "(XEN) Couldn't enable IOMMU and iommu=required/force"),
            "(XEN) ****************************************",
        ]
    )
    assert answer.outcome == "panic"
    assert answer.panic == ("Couldn't enable IOMMU and iommu=required/force",)
    assert answer.messages == ()


def test_a_reset_is_a_panic_without_words() -> None:
    assert read([START], ended="reset").outcome == "panic"


LINUX = "[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12)"
FOUND = "[    1.241239] pci 0000:00:01.0: AMD-Vi: Found IOMMU cap 0x40"


def test_linux_found_it() -> None:
    remaps = "[    1.241559] AMD-Vi: Interrupt remapping enabled"
    answer = read([LINUX, FOUND, remaps], "linux")
    assert answer == Reading("enabled", (), "6.1.0-56-amd64", True)


def test_linux_did_not_look_for_it() -> None:
    table = "[    0.025529] ACPI: IVRS 0x000000001FFFFF80 000060 (v02 HARNES)"
    asked = "[    0.000000] Command line: amd_iommu_dump iommu=pt"
    assert read([LINUX, asked, table], "linux").outcome == "absent"


def test_linux_gave_up() -> None:
    why = "[Firmware Bug]: AMD-Vi: IOAPIC[0] not in IVRS table"
    answer = read([LINUX, f"[    0.197104] {why}"], "linux")
    assert (answer.outcome, answer.messages) == ("failed", (why,))


def test_linux_without_a_root_file_system_is_no_panic_of_the_tables() -> None:
    panic = "[    1.885002] Kernel panic - not syncing: "
    end = f"{panic}VFS: Unable to mount root fs on unknown-block(0,0)"
    assert read([LINUX, FOUND, end], "linux").outcome == "enabled"
    other = f"{panic}timer doesn't work through Interrupt-remapped IO-APIC"
    assert read([LINUX, other], "linux").outcome == "panic"


@pytest.mark.parametrize(
    ("kind", "text", "done"),
    [
        ("xen", END, True),
        ("xen", "(XEN) [    1.2] Brought up 4 CPUs", True),
        ("xen", ON, False),
        ("xen", "[    1.2] smp: Brought up 1 node, 1 CPU", False),
        ("linux", "[    1.264083] workingset: timestamp_bits=36 max_order=17", True),
        ("linux", FOUND, False),
    ],
)
def test_the_line_that_tells_all(kind: Kind, text: str, done: bool) -> None:
    assert is_done(kind, text) is done


def test_who_speaks() -> None:
    assert begins(START)
    assert begins(LINUX)
    assert not begins("Probing EDD (edd=off to disable)... ok")


@pytest.mark.parametrize(
    ("name", "outcome", "ended"),
    [
        ("qemu-q35-xen-4.20-iommu-enabled.log", "enabled", "verdict"),
        ("qemu-q35-xen-4.17.7-ivhd-length-0-hang.log", "hang", "silence"),
        ("qemu-q35-xen-4.14.6-ivhd-length-0-rejected.log", "failed", "verdict"),
        ("qemu-q35-xen-4.17.7-iommu-required-panic.log", "panic", "verdict"),
    ],
)
def test_recorded_logs(name: str, outcome: str, ended: Ended) -> None:
    lines = read_recorded((LOGS / name).read_bytes()).lines
    assert read([line.text for line in lines], ended=ended).outcome == outcome


def test_a_silence_is_measured_by_what_the_boot_took_so_far() -> None:
    silence = Silence()
    assert not silence.is_hang(1000.0, 1000.0)  # it has not begun to speak
    silence.output(1.0, 0.5)
    assert not silence.is_hang(3.0, 1.9)
    assert silence.is_hang(3.0, 2.1)


def test_a_machine_ten_times_slower_gets_ten_times_as_long() -> None:
    silence = Silence()
    silence.output(10.0, 5.0)
    assert not silence.is_hang(30.0, 19.0)
    assert silence.is_hang(30.0, 21.0)


def test_a_machine_that_idles_is_found_out_too_but_not_one_that_gets_no_cpu() -> None:
    silence = Silence()
    silence.output(1.0, 0.5)
    assert not silence.is_hang(8.0, 0.6)
    assert silence.is_hang(14.0, 0.6)


def test_patience_stretches_it() -> None:
    silence = Silence(patience=2.0)
    silence.output(1.0, 0.5)
    assert not silence.is_hang(3.0, 3.4)
    assert silence.is_hang(3.0, 3.6)
