"""A boot from a card: ours, the user's, or the one that is in the board."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness.board import load
from harness.errors import UsageError
from harness.request import BootRequest


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "sd.img"
    with path.open("wb") as out:
        out.truncate(1 << 21)
    return path


def test_ours_needs_every_binary() -> None:
    request = BootRequest(load("orangepi-pc"))
    assert request.makes_card
    assert set(request.roles()) == {"uboot", "xen", "kernel", "dtb", "initrd"}


def test_the_users_needs_none(card: Path) -> None:
    assert BootRequest(load("orangepi-pc"), card=card).roles() == ()
    # Its loader is the machine's firmware.
    assert BootRequest(load("virt-arm64"), card=card).roles() == ("uboot",)


def test_the_one_in_the_board_needs_none() -> None:
    request = BootRequest(load("orangepi-pc"), target="serial:/dev/ttyUSB0")
    assert not request.makes_card
    assert request.roles() == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"uses": {"xen": "x"}}, "--use xen with --card"),
        ({"xen_edits": "+x"}, "--cmdline-xen with --card"),
        ({"dom0_edits": "+x"}, "--cmdline-dom0 with --card"),
        ({"own": True}, "--own-binaries with --card"),
        ({"target": "serial:/dev/ttyS0"}, "takes no card"),
    ],
)
def test_what_would_change_the_users_card_is_refused(
    card: Path, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        BootRequest(load("orangepi-pc"), card=card, **more)


def test_a_card_that_is_none(tmp_path: Path) -> None:
    board = load("orangepi-pc")
    with pytest.raises(UsageError, match="No such file"):
        BootRequest(board, card=tmp_path / "none")
    with pytest.raises(UsageError, match="is no file"):
        BootRequest(board, card=tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="is no file"):
        BootRequest(board, card=tmp_path / "fifo")
    (tmp_path / "odd").write_bytes(bytes((1 << 20) + 512))
    with pytest.raises(UsageError, match="power of two") as bad:
        BootRequest(board, card=tmp_path / "odd")
    assert bad.value.hint == f"enlarge a copy: truncate -s {1 << 21} COPY"


def test_a_board_without_a_card_takes_none(card: Path) -> None:
    with pytest.raises(UsageError, match="takes no card"):
        BootRequest(load("apu2"), card=card)


@pytest.mark.parametrize(
    ("board", "method", "said"),
    [
        ("apu2", "sdcard", "no section boot.card"),
        ("orangepi-pc", "pxe", "no section boot.pxe"),
        ("orangepi-pc", "multiboot", "orangepi-pc is arm"),
    ],
)
def test_a_method_that_the_board_does_not_have(board: str, method: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        BootRequest(load(board), method=method)


def test_a_boot_that_ends_before_the_goal_waits_for_no_greeting() -> None:
    board = load("virt-arm64")
    assert list(BootRequest(board).greetings()) == ["domU1"]
    assert BootRequest(board, until="xen").greetings() == {}
    assert BootRequest(board, until="uboot").stops_at_uboot
