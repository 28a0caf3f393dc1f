"""Resets on ARM: a loader that starts again, and whether somebody asked for it."""

from __future__ import annotations

import pytest

from harness.bootlog import BootLog, parse_recorded

SPL = ("", "U-Boot SPL 2023.01 (Jun 22 2026 - 08:38:07 +0000)", "DRAM: 1024 MiB", "")
UBOOT = ("", "U-Boot 2023.01 (Jun 22 2026 - 08:38:07 +0000) Allwinner Technology", "")
BOOT = (*SPL, *UBOOT)
XEN = ("Starting kernel ...", "", "(XEN) Xen version 4.17.5", "(XEN) Brought up 4 CPUs")


def parse(*rows: str) -> BootLog:
    return parse_recorded("\n".join((*rows, "")).encode())


def resets(*rows: str) -> list[tuple[str, bool]]:
    return [(reset.kind, reset.asked) for reset in parse(*rows).resets]


def test_one_boot_is_none() -> None:
    assert resets(*BOOT, *XEN) == []
    assert resets(*UBOOT, *XEN) == []


@pytest.mark.parametrize("first", [SPL, BOOT, (*BOOT, *XEN), XEN[2:]])
def test_spl_again(first: tuple[str, ...]) -> None:
    assert resets(*first, *BOOT, *XEN) == [("restart", False)]


@pytest.mark.parametrize("first", [UBOOT, (*UBOOT, *XEN), XEN[2:]])
def test_u_boot_again_where_there_is_no_spl(first: tuple[str, ...]) -> None:
    assert resets(*first, *UBOOT) == [("restart", False)]
    assert resets(*first, *UBOOT, *UBOOT) == [("restart", False)] * 2


@pytest.mark.parametrize("typed", ["=> reset", "=> setenv x 1; reset", "U-Boot> reset"])
def test_a_reset_that_was_typed(typed: str) -> None:
    asked = [("announced", True), ("restart", True)]
    assert resets(*BOOT, typed, "resetting ...", *BOOT, *XEN) == asked
    # of this boot, and of no later one
    assert resets(*BOOT, typed, "resetting ...", *BOOT, *BOOT) == [*asked, ("restart", False)]


@pytest.mark.parametrize("typed", ["=> ", "=> setenv reset 1", "=> run resetall", "reset"])
def test_a_reset_that_was_not(typed: str) -> None:
    said = [("announced", False), ("restart", False)]
    assert resets(*BOOT, typed, "resetting ...", *BOOT) == said


def test_the_reset_of_a_crash_was_not_asked_for() -> None:
    assert resets(*BOOT, "data abort", "Resetting CPU ...", "", "resetting ...") == [
        ("announced", False)
    ]


def test_the_command_version_is_no_reset() -> None:
    assert resets(*BOOT, "=> version", UBOOT[1], "gcc 12.2.0", "=> ", *XEN) == []


def test_the_facts_are_those_of_the_boot_that_reached_xen() -> None:
    log = parse(*BOOT, "Failed to load '/x'", "=> reset", "resetting ...", *BOOT, *XEN)
    assert log.stage_lines["spl"] == 12
    assert log.stage == "smp"
    # what went wrong before stays known: it may be the cause of the reset
    assert [error.line for error in log.uboot.errors] == [8]
