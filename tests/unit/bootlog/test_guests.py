"""What guests print is theirs: neither Xen's, nor dom0's, nor the board's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.bootlog import BootLog, DomainFacts, parse_recorded, to_json
from harness.bootlog.guests import KEPT_LINES, MAX_GUESTS
from harness.bootlog.xen_facts import AddressRange

ReadLog = Callable[[str], bytes]

BANNER = "(XEN) Xen version 4.17.5 (Debian) (a@b) (arm-linux-gnueabihf-gcc 12) debug=n Sat Nov 29"
PANIC = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"


def parse(*rows: str) -> BootLog:
    return parse_recorded("\n".join((BANNER, *rows, "")).encode())


def test_a_bare_metal_guest(read_log: ReadLog) -> None:
    log = parse_recorded(read_log("qemu-orangepi-pc-xen-4.17.5-dom0-xl.log"))
    assert log.xen.domains.keys() == {1}
    guest = log.xen.domains[1]
    assert (guest.cpus, guest.memory_kb, guest.memory_mb) == (1, 16384, 16)
    assert guest.banks == (AddressRange("bank 0", 0x40000000, 0x41000000),)
    assert guest.kernel_module == 0x48000000
    assert guest.paddr == AddressRange("paddr", 0x40008000, 0x400090A0)
    assert guest.dtb == AddressRange("dtb", 0x40E00000, 0x40E004F3)
    assert guest.line_count == 27
    assert guest.first_lines[1] == "ERIKA-like tiny domU on Xen"
    assert "HELLO" in guest.first_lines
    assert guest.last_lines[-1] == "tick 20 dom0 counter=0"
    assert len(guest.first_lines) == len(guest.last_lines) == KEPT_LINES
    # dom0's build is its own, though some lines do not name the domain
    assert log.xen.dom0.paddr == AddressRange("paddr", 0x5FA00000, 0x5FF32200)
    assert log.xen.dom0.banks == (AddressRange("bank 0", 0x58000000, 0x60000000),)
    assert log.xen.dom0.memory_mb == 128


DOM0LESS = (
    "(XEN) Brought up 2 CPUs",
    "(XEN) P2M: 40-bit IPA",
    "(XEN) Xen dom0less mode detected",
    "(XEN) *** LOADING DOMU cpus=1 memory=0x4000KB ***",
    "(XEN) Loading d1 kernel from boot module @ 0000000048000000",
    "(XEN) Loading ramdisk from boot module @ 0000000049000000",
    "(XEN) Allocating mappings totalling 16MB for d1:",
    "(XEN) d1 BANK[0] 0x00000040000000-0x00000041000000 (16MB)",
    "(XEN) Loading zImage from 0000000048000000 to 0000000040008000-00000000400090a0",
    "(XEN) Loading d1 DTB to 0x0000000040e00000-0x0000000040e004f3",
    "(XEN) *** LOADING DOMU cpus=2 memory=8000KB ***",
    "(XEN) Loading d2 kernel from boot module @ 000000004b000000",
    "(XEN) d2 BANK[0] 0x00000040000000-0x00000042000000 (32MB)",
    "(XEN) Loading zImage from 000000004b000000 to 0000000040000000-0000000040001000",
    "(XEN) Loading d2 initrd from 000000004c000000 to 0x0000000040200000-0x0000000040300000",
)


def test_dom0less_without_a_dom0() -> None:
    log = parse(*DOM0LESS)
    assert log.stage == "iommu"
    one, two = log.xen.domains[1], log.xen.domains[2]
    assert (one.memory_kb, one.initrd_module) == (16384, 0x49000000)
    assert (two.cpus, two.memory_kb, two.initrd_module) == (2, 32768, None)
    assert one.paddr == AddressRange("paddr", 0x40008000, 0x400090A0)
    assert two.paddr == AddressRange("paddr", 0x40000000, 0x40001000)
    assert two.initrd == AddressRange("initrd", 0x40200000, 0x40300000)
    assert log.xen.dom0.paddr is None
    log = parse(*DOM0LESS, "(XEN) DOM1: hello", "(XEN) Freed 324kB init memory.", "(XEN) DOM1: x")
    assert (log.stage, log.next_stage) == ("dom0-build", "kernel")
    assert log.xen.boot_finished
    assert log.xen.domains[1].first_lines == ("hello", "x")


def test_a_guest_without_a_dom0_and_one_beside_it(read_log: ReadLog) -> None:
    name = "qemu-orangepi-pc-xen-4.17.5-dom0less-{}.log"
    alone = parse_recorded(read_log(name.format("baremetal-alone")))
    beside = parse_recorded(read_log(name.format("dom0-and-baremetal")))
    assert (alone.stage, beside.stage) == ("dom0-build", "login")
    assert (alone.xen.console_owner, beside.xen.console_owner) == ("DOM1", "DOM0")
    for log in (alone, beside):
        guest = log.xen.domains[1]
        assert (guest.cpus, guest.memory_kb, guest.kernel_module) == (1, 16384, 0x42000000)
        assert "gpio: PH20 raised through 0x01c20800" in guest.first_lines
    assert alone.xen.dom0.paddr is None
    assert beside.xen.dom0.kernel_module is not None


@pytest.mark.parametrize(
    "row",
    [
        f"(XEN) DOM1: {PANIC}",
        f"(XEN) DOM1: [    1.234567] {PANIC}",
        f"(XEN) [    9.876543] DOM1: [    1.234567] {PANIC}",
        f"(d1) {PANIC}",
        f"(d1) [    1.234567] {PANIC}",
        f"(d1) [2026-11-21 08:00:00] [    1.234567] {PANIC}",
    ],
)
def test_the_panic_of_a_guest_is_its_own(row: str) -> None:
    log = parse("(XEN) Freed 324kB init memory.", row, "[    0.000000] Linux version 6.1.0")
    assert log.panics == ()
    assert (log.xen.domains[1].panicked, log.xen.domains[1].panicked_line) == (PANIC, 3)
    (note,) = log.warnings
    assert (note.kind, note.line, note.text) == ("guest", 3, f"DOM1: {PANIC}")
    assert log.stage == "kernel"


def test_the_panic_of_dom0_beside_a_guest_is_the_boards() -> None:
    for row in (f"[    1.234567] {PANIC}", f"login: [    1.234567] {PANIC}", PANIC):
        (panic,) = parse("(XEN) DOM1: hello", row).panics
        assert panic.kind == "linux panic"


def test_the_guest_that_owns_the_console_has_no_name() -> None:
    owner = "(XEN) *** Serial input to DOM2 (type 'CTRL-a' three times to switch input)"
    log = parse(owner, f"(XEN) [    1.234567] {PANIC}", "(XEN) reboot: Restarting system")
    assert log.xen.console_owner == "DOM2"
    assert log.xen.domains[2].panicked == PANIC
    assert (log.panics, log.resets) == ((), ())
    assert parse(f"(XEN) {PANIC}").xen.domains == {}  # nobody knows whose


def test_a_guest_that_xen_kills() -> None:
    log = parse("(XEN) Domain 1 (vcpu#0) crashed on cpu#1:", "(XEN) ----[ Xen-4.17.5  arm32 ]----")
    assert log.panics == ()
    assert log.xen.domains[1].crashed == "Domain 1 (vcpu#0) crashed on cpu#1"
    assert [note.kind for note in log.notes] == ["guest"]
    assert parse("(XEN) Domain 0 (vcpu#0) crashed on cpu#1:").xen.domains == {}


def test_a_guest_with_a_triple_fault() -> None:
    """From a boot on the emulated apu2: QEMU's SVM ran a guest on with the registers of Xen."""
    log = parse(
        "(XEN) d12v0 Triple fault - invoking HVM shutdown action 1",
        "(XEN) *** Dumping Dom12 vcpu#0 state: ***",
        "(XEN) ----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----",
        "(XEN) RIP:    e008:[<ffff82d0402044a5>]",
    )
    assert log.panics == ()
    assert log.xen.domains[12].crashed == ("d12v0 Triple fault - invoking HVM shutdown action 1")
    (own,) = parse(
        "(XEN) *** Dumping Dom0 vcpu#0 state: ***",
        "(XEN) ----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----",
    ).panics
    assert own.kind == "xen panic"


@pytest.mark.parametrize("prefix", ["(d1) ", "(XEN) DOM1: "])
@pytest.mark.parametrize(
    "words",
    [
        "reboot: Restarting system",
        "The system is going down for reboot NOW!",
        "apu2 login: ",
        "Linux version 6.1.0",
        "SeaBIOS (version 1.16.2)",
        "Xen version 4.17.5",
        "BUG: unable to handle page fault",
        "[    1.234567] Oops: 0002 [#1] PREEMPT",
    ],
)
def test_what_a_guest_says_is_not_said_by_the_board(prefix: str, words: str) -> None:
    log = parse("(XEN) Freed 324kB init memory.", prefix + words)
    assert (log.stage, log.panics, log.resets, log.notes) == ("dom0-build", (), (), ())
    assert log.xen.domains[1].last_lines == (words,)
    assert log.linux.version is None
    assert log.last_xen_line is not None
    assert log.last_xen_line.number == 2


def test_a_guest_that_speaks_in_the_middle_of_a_line() -> None:
    log = parse("/ # (d1) HELLO", "some words(XEN) DOM1: hello", "words(d2) world")
    assert log.xen.domains[1].first_lines == ("HELLO", "hello")
    assert log.xen.domains[2].first_lines == ("world",)
    # words in brackets are no guest
    assert parse("a list (d1) of things", '"(d1) x"', "(driver) x", "(d0) x").xen.domains == {}


def test_a_line_without_words() -> None:
    assert parse("(XEN) DOM1:", "(XEN) DOM1: ", "(d1)").xen.domains[1].first_lines == ("", "", "")


def test_guests_are_bounded_and_counted() -> None:
    rows = [f"(d{number}) x" for number in range(1, 10 * MAX_GUESTS)]
    assert len(parse(*rows).xen.domains) == MAX_GUESTS
    log = parse(*(f"(d1) {number} {'x' * 3000}" for number in range(1000)))
    guest = log.xen.domains[1]
    assert guest.line_count == 1000
    assert guest.last_lines[-1].startswith("999 ")
    assert max(map(len, guest.last_lines)) == 500


def test_domains_are_json_by_their_ids() -> None:
    xen = to_json(parse("(XEN) DOM1: hello"))["xen"]
    assert isinstance(xen, dict)
    assert xen["domains"][1]["line_count"] == 1
    assert DomainFacts().line_count == 0


def test_what_a_domain_asks_for_is_not_that_of_another() -> None:
    bank = "(XEN) d2 BANK[0] 0x00000040000000-0x00000041000000 (16MB)"
    domains = parse(*DOM0LESS[3:5], bank).xen.domains
    assert (domains[1].cpus, domains[2].cpus) == (1, None)
