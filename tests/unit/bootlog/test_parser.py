from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bootlog import BootLog, BootLogParser, Line, Note, parse_recorded, to_json
from harness.bootlog.parser import MAX_TEXT

ReadLog = Callable[[str], bytes]

BANNER = (
    "(XEN) Xen version 4.17.7 (Debian 4.17.7) (a@b) (x86_64-linux-gnu-gcc 12) debug=n Wed Nov 4"
)


def parse(*texts: str) -> BootLog:
    parser = BootLogParser()
    for number, text in enumerate(texts, 1):
        parser.feed(Line(text, None, number))
    return parser.log


def test_an_empty_log_says_nothing() -> None:
    log = BootLogParser().log
    assert (log.stage, log.next_stage, log.arch, log.panics) == (None, "firmware", "x86", ())
    assert to_json(log)["xen"] is None


@pytest.mark.parametrize(
    ("texts", "stage"),
    [
        (["SeaBIOS (version rel-1.11.0.5-0-g7490c5f)"], "firmware"),
        (["coreboot build 20180705"], "firmware"),
        (["Press F10 key now for boot menu"], "firmware"),
        (["iPXE (http://ipxe.org) 00:03.0 CA00 PCI2.10 PnP PMM"], None),
        (["iPXE initialising devices...ok"], "loader"),
        (["Booting from ROM..."], "loader"),
        (["                     GNU GRUB  version 2.06"], None),
        (["GNU GRUB  version 2.06"], "loader"),
        ([BANNER], "xen"),
        (["(XEN) ACPI: RSDP 000F3610, 0024 (r2 CORE  )"], "acpi"),
        (["(XEN) I/O virtualisation enabled"], "iommu"),
        (["(XEN) HVM: ASIDs enabled."], "iommu"),
        (["(XEN) HVM: SVM enabled"], "iommu"),
        (["(XEN) Brought up 4 CPUs"], "smp"),
        (["(XEN) P2M: 40-bit IPA with 40-bit PA and 8-bit VMID"], "iommu"),
        (["(XEN) *** Building a PVH Dom0 ***"], "dom0-build"),
        (["(XEN) *** LOADING DOMAIN 0 ***"], "dom0-build"),
        (["(XEN) *** Serial input to DOM0 (type 'CTRL-a' three times)"], None),
        (["[    0.000000] Linux version 6.1.0"], "kernel"),
        (["[    0.000000][    T0] Linux version 6.1.0"], "kernel"),
        (["[    5.331209] Freeing unused kernel image (initmem) memory: 2824K"], "kernel"),
        (["[    6.097490] Run /init as init process"], "userspace"),
        (["[    9.000000] systemd[1]: Detected virtualization xen."], "userspace"),
        (["BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1+b1) built-in shell (ash)"], "userspace"),
        (["Done setting up Dom0"], "userspace"),
        (["sh: can't access tty; job control turned off"], "userspace"),
        (["apu2 login: root"], "login"),
        (["root@apu2:~# xl info"], "login"),
        (["/ # ls"], "login"),
        (["Last login: Mon Jul 16 23:45:56 UTC 2018 on ttyS0"], None),
        (["(XEN) Freed 312kB init memory"], "dom0-build"),
        (["(XEN) *** LOADING DOMU cpus=1 memory=4000KB ***"], None),
    ],
)
def test_what_marks_a_stage(texts: list[str], stage: str | None) -> None:
    assert parse(*texts).stage == stage


def test_the_order_of_the_stages_depends_on_the_architecture() -> None:
    smp_only = parse(
        BANNER.replace("x86_64-linux-gnu", "aarch64-linux-gnu"), "(XEN) Brought up 4 CPUs"
    )
    assert (smp_only.arch, smp_only.stage, smp_only.next_stage) == ("arm", "smp", "iommu")
    x86 = parse(BANNER, "(XEN) Brought up 4 CPUs")
    assert (x86.arch, x86.stage, x86.next_stage) == ("x86", "smp", "dom0-build")
    forced = BootLogParser("arm")
    forced.feed(Line(BANNER, None, 1))
    assert forced.log.arch == "arm"


def test_a_prompt_needs_no_line_end() -> None:
    parser = BootLogParser()
    parser.feed(Line("[    6.097490] Run /init as init process", 20.0, 1))
    assert parser.see_partial("apu2 logi", 26.0) is None
    assert parser.stage == "userspace"
    assert parser.see_partial("apu2 login: ", 26.8) == "login"
    assert parser.stage == "login"
    assert parser.log.linux.hostname == "apu2"
    assert parser.stage_times == {"kernel": 20.0, "userspace": 20.0, "login": 26.8}
    assert parser.log.stage_lines["login"] == 2
    assert not parser.log.ends_mid_line


def test_a_snapshot_is_built_only_when_something_changed() -> None:
    parser = BootLogParser()
    parser.feed(Line(BANNER, None, 1))
    first = parser.log
    assert parser.log is first
    parser.feed(Line("(XEN) Brought up 4 CPUs", None, 2))
    assert first.xen.cpus_brought_up is None  # a snapshot stays as it is
    assert parser.log.xen.cpus_brought_up == 4


def test_alarms_grow_with_panics_and_resets() -> None:
    parser = BootLogParser()
    parser.feed(Line(BANNER, None, 1))
    before = parser.alarms
    parser.feed(Line("(XEN) Brought up 4 CPUs", None, 2))
    assert parser.alarms == before
    parser.feed(Line("(XEN) Panic on CPU 3:", None, 3))
    after_panic = parser.alarms
    assert after_panic > before
    parser.feed(Line("(XEN) Reboot in five seconds...", None, 4))
    assert parser.alarms > after_panic


FIRST_BOOT = [
    "SeaBIOS (version 1.16.2)",
    "iPXE initialising devices...ok",
    BANNER,
    "(XEN) Brought up 4 CPUs",
]


def test_a_boot_that_starts_again_is_a_reset() -> None:
    log = parse(*FIRST_BOOT, *FIRST_BOOT)
    assert [(reset.line, reset.kind) for reset in log.resets] == [(5, "restart")]
    log = parse(BANNER, "(XEN) Brought up 4 CPUs", BANNER)
    assert [(reset.line, reset.kind) for reset in log.resets] == [(3, "restart")]
    log = parse(*FIRST_BOOT, "PC Engines apu2", "coreboot build 20180705", *FIRST_BOOT)
    assert [(reset.line, reset.why) for reset in log.resets] == [(5, "PC Engines apu2")]
    log = parse("U-Boot SPL 2023.01", "U-Boot SPL 2023.01")
    assert [(reset.line, reset.kind) for reset in log.resets] == [(2, "restart")]


def test_the_facts_are_those_of_the_first_boot_that_reached_xen() -> None:
    log = parse(*FIRST_BOOT, "SeaBIOS (version 2)", BANNER.replace("4.17.7", "4.20.0"))
    assert log.xen.version == "4.17.7"
    assert log.firmware.seabios == "1.16.2"
    log = parse("apu2 login: ", "[   99.000001] reboot: Restarting system", *FIRST_BOOT)
    assert log.stage == "smp"
    assert log.stage_lines["firmware"] == 3
    assert [reset.kind for reset in log.resets] == ["announced", "restart"]


def test_one_boot_is_no_reset() -> None:
    assert parse(*FIRST_BOOT).resets == ()
    log = parse("U-Boot SPL 2023.01", "U-Boot 2023.01 (Jun 22 2026)", "Starting kernel ...", BANNER)
    assert log.resets == ()


def test_reading_the_log_of_xen_in_dom0_is_no_reset() -> None:
    boot = [
        *FIRST_BOOT,
        "(XEN) ACPI: FACS CFFAF240, 0040",
        "(XEN) Freed 656kB init memory",
        "[    6.097490] Run /init as init process",
        "/ # xl dmesg",
    ]
    log = parse(
        *boot, BANNER, "(XEN) ACPI: FACS CFFAF240, 0040", "(XEN) PCI add device 0000:05:00.0"
    )
    assert log.resets == ()
    assert len(log.xen.acpi_tables) == 1
    assert log.xen.pci_added == ("0000:05:00.0",)
    assert parse(*boot, "(XEN) Resetting with ACPI MEMORY", BANNER).resets[-1].kind == "restart"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("(XEN) Hardware Dom0 shutdown: rebooting machine", "announced"),
        ("(XEN) Hardware Dom0 crashed: 'noreboot' set - not rebooting.", "announced"),
        ("(XEN) Hardware Dom0 halted: halting machine", "poweroff"),
        ("(XEN) Resetting with ACPI MEMORY or I/O RESET_REG.", "announced"),
        ("[   31.4] reboot: Restarting system", None),
        ("[   31.400000] reboot: Restarting system", "announced"),
        ("reboot: Power down", "poweroff"),
        ("resetting ...", "announced"),
        ("(XEN) Domain 3 (vcpu#0) crashed on cpu#1:", None),
        ("please do not reboot: Restarting system", None),
    ],
)
def test_who_announces_a_reset(text: str, kind: str | None) -> None:
    resets = parse(text).resets
    assert [reset.kind for reset in resets] == ([kind] if kind else [])


def test_the_emulator_has_notes_of_its_own() -> None:
    log = parse("qemu-system-x86_64: terminating on signal 15 from pid 3527 (timeout)")
    assert log.notes == (
        Note(
            1,
            None,
            "emulator",
            "qemu-system-x86_64: terminating on signal 15 from pid 3527 (timeout)",
        ),
    )


@settings(max_examples=60)
@given(data=st.binary(max_size=400))
def test_any_bytes_give_a_log(data: bytes) -> None:
    to_json(parse_recorded(data))


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 60000),
        st.sampled_from(["", " ", "0", "8", "0x", "z", "[", "]", "(", "\n", "٣", "²", "9" * 40]),
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize(
    "name",
    [
        "qemu-q35-amd-iommu-xen-4.17.7-dom0.log",
        "qemu-q35-xen-4.17.7-mwait-panic.log",
        "qemu-q35-xen-4.20-iommu-enabled.log",
        "qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log",
        "qemu-orangepi-pc-xen-4.17.5-dom0-xl.log",
        "excerpt-apu2-xen-4.8.3.log",
    ],
)
def test_a_damaged_log_gives_a_log(read_log: ReadLog, name: str) -> None:
    text = read_log(name).decode()

    @settings(max_examples=25, deadline=None)
    @given(mutations=MUTATIONS)
    def damaged(mutations: list[tuple[int, str]]) -> None:
        damaged_text = text
        for position, replacement in mutations:
            at = position % len(damaged_text)
            damaged_text = damaged_text[:at] + replacement + damaged_text[at + 1 :]
        to_json(parse_recorded(damaged_text.encode()))

    damaged()


def test_a_line_without_end_is_looked_at_up_to_its_bound() -> None:
    parser = BootLogParser()
    parser.feed(Line("(XEN) Bootloader: " + "x" * 100_000, None, 1))
    assert len(parser.log.xen.bootloader or "") == MAX_TEXT - len("(XEN) Bootloader: ")
