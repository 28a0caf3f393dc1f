"""What U-Boot and Xen explain themselves is the cause of the verdict."""

from __future__ import annotations

import pytest

from harness.bootlog import STAGES, parse_recorded, read_recorded
from harness.verdict import Ending, EndKind, Kind, Verdict, judge

UBOOT = "\nU-Boot 2023.01 (Jun 22 2026 - 08:38:07 +0000)\n\nDRAM:  1 GiB\n"  # four lines
BAD_CRC = "Loading Environment from FAT... *** Warning - bad CRC, using default environment\n"
NO_DTB = (
    "Failed to load '/board.dtb'\n"
    "libfdt fdt_check_header(): FDT_ERR_BADMAGIC\n"
    "ERROR: Did not find a cmdline Flattened Device Tree\n"
)
STARTING = "\nStarting kernel ...\n\n"
XEN = STARTING + "(XEN) Xen version 4.17.5\n(XEN) Brought up 4 CPUs\n"
PROMPT = "=> "
STANDS = Ending("shell", "the boot stands at the uboot prompt; before it: 'x'")
NO_MODULES = (
    "(XEN) *** LOADING DOMAIN 0 ***\n"
    "(XEN) Missing kernel boot module?\n"
    "(XEN) ****************************************\n"
    "(XEN) Panic on CPU 0:\n"
    "(XEN) Could not set up DOM0 guest OS\n"
    "(XEN) ****************************************\n"
)


def judged(text: str, ending: Ending | EndKind = "log-end") -> Verdict:
    recorded = read_recorded(text.encode())
    return judge(
        parse_recorded(recorded),
        recorded.lines,
        recorded.partial,
        stages=STAGES["arm"],
        goal="login",
        expectations=(),
        ending=ending if isinstance(ending, Ending) else Ending(ending, f"detail of {ending}"),
    )


@pytest.mark.parametrize(
    ("ending", "kind"),
    [(STANDS, Kind.FAIL), ("deadline", Kind.FAIL), ("silence", Kind.HUNG), ("log-end", Kind.FAIL)],
)
def test_the_first_error_of_u_boot_is_the_cause(ending: Ending | EndKind, kind: Kind) -> None:
    verdict = judged(UBOOT + BAD_CRC + NO_DTB + PROMPT, ending)
    assert verdict.kind is kind
    assert verdict.cause.startswith("\"Failed to load '/board.dtb'\" (line 6): U-Boot could not")
    assert "to do: look at the card" in verdict.cause
    assert "6: Failed to load '/board.dtb'" in verdict.context
    if isinstance(ending, Ending):
        assert verdict.cause.endswith("; " + ending.detail)


def test_a_log_that_ends_at_the_prompt_of_u_boot_alone_proves_nothing() -> None:
    verdict = judged(UBOOT + PROMPT)
    assert verdict.kind is Kind.INCOMPLETE
    assert judged(UBOOT + NO_DTB).kind is Kind.INCOMPLETE  # it may go on
    assert "board.dtb" in judged(UBOOT + NO_DTB).cause


def test_a_damaged_environment_is_the_cause_when_nothing_else_is() -> None:
    assert "(line 5): the stored environment is damaged" in judged(UBOOT + BAD_CRC, STANDS).cause
    # but not of what comes when a kernel was started all the same
    for text in (UBOOT + BAD_CRC + STARTING, UBOOT + BAD_CRC + XEN):
        assert "environment" not in judged(text, "silence").cause


@pytest.mark.parametrize("ending", ["infra", "interrupted", "died", "refused", "guest-shutdown"])
def test_what_is_on_our_side_has_its_own_cause(ending: EndKind) -> None:
    assert judged(UBOOT + NO_DTB + PROMPT, ending).cause == f"detail of {ending}"


def test_an_error_of_u_boot_before_a_hang_of_xen_is_named() -> None:
    verdict = judged(UBOOT + "Failed to load '/initrd.gz'\n" + XEN, "silence")
    assert verdict.kind is Kind.HUNG
    assert verdict.cause.startswith("after smp: ")
    assert "; before that, \"Failed to load '/initrd.gz'\" (line 5)" in verdict.cause


def test_silence_behind_u_boot_says_who_has_no_voice() -> None:
    assert "nothing spoke since: no console for Xen" in judged(UBOOT + STARTING, "silence").cause
    assert "nothing spoke since" not in judged(UBOOT, "silence").cause
    assert "nothing spoke since" not in judged(UBOOT + XEN, "silence").cause


def test_a_panic_of_xen_is_explained() -> None:
    verdict = judged(UBOOT + XEN + NO_MODULES, "stopped")
    assert verdict.kind is Kind.CRASHED
    assert verdict.cause.startswith("xen panic on CPU 0: Could not set up DOM0 guest OS; ")
    assert "there is no kernel module in /chosen" in verdict.cause
    later = judged(
        UBOOT + XEN + "(XEN) Panic on CPU 0:\n(XEN) x\n(XEN) Missing kernel boot module?"
    )
    assert "/chosen" not in later.cause


def test_a_crash_of_u_boot_names_its_address() -> None:
    verdict = judged(UBOOT + BAD_CRC + "data abort\npc : [<3ff8e6d4>]\t   lr : [<3ff8e6d1>]\n")
    assert (verdict.kind, verdict.cause) == (
        Kind.CRASHED,
        "uboot crash at 0x3ff8e6d4: data abort",
    )


def test_a_reset_after_u_boot_gave_up_is_explained_though_it_starts_again() -> None:
    verdict = judged(UBOOT + "FDT and ATAGS support not compiled in\n\nresetting ...\n" + UBOOT)
    assert verdict.kind is Kind.CRASHED
    assert "name the address of the dtb as third argument" in verdict.cause


def test_a_panic_of_a_guest_is_not_the_boards() -> None:
    guest = "(XEN) DOM1: [    1.234567] Kernel panic - not syncing: x\n"
    verdict = judged(UBOOT + XEN + guest, "silence")
    assert verdict.kind is Kind.HUNG
