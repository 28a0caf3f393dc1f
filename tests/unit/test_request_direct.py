"""A boot in which QEMU loads Xen and its modules itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.board import Board, load
from harness.errors import UsageError
from harness.expectations.artifacts import Built, from_artifacts
from harness.request import BootRequest


def changed(board: Board, *place: str | int, value: object) -> dict[str, Any]:
    """The profile with one value exchanged."""
    document: dict[str, Any] = board.model_dump(by_alias=True)
    section: Any = document
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    return document


def test_nothing_of_a_firmware_is_needed() -> None:
    request = BootRequest(load("zcu102"))
    assert set(request.roles()) == {"xen", "kernel", "dtb", "initrd"}
    assert request.with_xen
    assert request.gives_cmdlines
    assert not request.makes_card


def test_variants_differ_in_cpus_and_in_the_tree() -> None:
    one, hangs, mended = (load(f"zcu102{end}") for end in ("", "-smp", "-smp-mended"))
    assert "maxcpus=1" in one.xen.cmdline.split()
    rest = [word for word in one.xen.cmdline.split() if word != "maxcpus=1"]
    assert hangs.xen.cmdline.split() == mended.xen.cmdline.split() == rest
    same = {"name", "title", "xen"}
    assert mended.model_dump(exclude=same) == one.model_dump(exclude=same)
    assert hangs.model_dump(exclude={*same, "targets"}) == one.model_dump(
        exclude={*same, "targets"}
    )

    def quirks(board: Board) -> list[str]:
        assert board.targets.qemu is not None
        return [quirk.id for quirk in board.targets.qemu.quirks if quirk.tree]

    assert (quirks(hangs), quirks(mended)) == ([], ["gic-cpu-interface"])


def test_the_log_is_not_expected_to_show_what_xen_reads_before_it_has_a_console() -> None:
    shown = Built(xen_cmdline="console=dtuart")
    ids = [one.id for one in from_artifacts(shown, "smp")]
    hidden = [one.id for one in from_artifacts(replace(shown, cmdline_shown=False), "smp")]
    assert (ids, hidden) == (["built.xen.cmdline"], [])


@pytest.mark.parametrize(
    ("board", "target", "said"),
    [
        ("zcu102", "serial:/dev/null", "needs an emulator"),
        ("virt-arm64", "qemu", "no section boot.direct"),
        ("apu2", "qemu", "no section boot.direct"),
    ],
)
def test_where_it_cannot_be(board: str, target: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        BootRequest(load(board), target=target, method="direct")


def test_it_takes_no_card_and_no_tables(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no card"):
        BootRequest(load("zcu102"), card=tmp_path)
    with pytest.raises(UsageError, match="takes no ACPI tables"):
        BootRequest(load("zcu102"), ivrs=tmp_path)
    with pytest.raises(UsageError, match="no card to put it on"):
        BootRequest(load("zcu102"), root="ext4")


def test_a_domain_that_xen_starts_is_waited_for() -> None:
    board = load("zcu102")
    guest = load("virt-arm64").domains[0]
    with_guest = board.model_copy(update={"domains": (guest,)})
    assert list(BootRequest(with_guest).greetings()) == ["domU1"]
    assert BootRequest(with_guest, until="xen").greetings() == {}


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("targets", "qemu", "quirks", 1, "tree", "cells"), (1 << 32,), "less than 4294967296"),
        (("targets", "qemu", "quirks", 1, "tree", "node"), "axi", "should match pattern"),
        (("boot", "direct"), None, "there is no direct section"),
        (("boot", "direct", "ramdisk"), 0x10000000, "is the address of kernel too"),
        (("boot", "direct", "kernel"), 0x90000000, "outside hardware.ram"),
    ],
)
def test_a_profile_that_cannot_be(place: tuple[str | int, ...], value: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Board.model_validate(changed(load("zcu102"), *place, value=value))
