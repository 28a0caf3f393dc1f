"""A boot from a card: ours, the user's, or the one that is in the board."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness.board import load
from harness.board.base import MethodName
from harness.bootlog import BootLog
from harness.build.artifacts import Artifacts
from harness.build.files import Files
from harness.errors import UsageError
from harness.judging import rules_for_boot, rules_for_log
from harness.request import BootRequest
from harness.target.simulated import SimulatedTarget

LOG = Path(__file__).parents[1] / "data" / "logs" / "qemu-orangepi-pc-xen-4.17.5-armhf-dom0.log"


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


@pytest.mark.parametrize("edits", ["xen_edits", "dom0_edits"])
def test_a_script_of_the_users_is_not_changed(edits: str) -> None:
    uses = {"script": "boot.cmd"}
    assert not BootRequest(load("orangepi-pc"), uses=uses).gives_cmdlines
    with pytest.raises(UsageError, match=r"with --use script=boot\.cmd"):
        BootRequest(load("orangepi-pc"), uses=uses, **{edits: "+x"})  # type: ignore[arg-type]  # one of two fields


def test_what_a_script_of_the_users_does_is_not_expected() -> None:
    board, target = load("orangepi-pc"), SimulatedTarget([])
    ours, own = BootRequest(board), BootRequest(board, uses={"script": "boot.cmd"})
    made = Artifacts(Path(), Files(), {}, "", "", sizes={"kernel": 1, "initrd": 1})
    derived = [
        {
            e.id
            for e in rules_for_boot(one, target, {}, made, BootLog()).expectations
            if "built" in e.id
        }
        for one in (ours, own)
    ]
    assert {"built.xen.cmdline", "built.modules", "built.dom0.kernel.place"} <= derived[0]
    assert derived[1] == {"built.hostname"}


def test_a_card_that_cannot_be_read_is_the_users_to_mend(
    card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    board = load("orangepi-pc")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        BootRequest(board, card=card)


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
def test_a_method_that_the_board_does_not_have(board: str, method: MethodName, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        BootRequest(load(board), method=method)


def test_a_boot_that_ends_before_the_goal_waits_for_no_greeting() -> None:
    board = load("virt-arm64")
    assert list(BootRequest(board).greetings()) == ["domU1"]
    assert BootRequest(board, until="xen").greetings() == {}
    assert BootRequest(board, until="uboot").stops_at_uboot


@pytest.mark.parametrize("board", ["orangepi-pc", "cubieboard2"])
def test_a_log_of_the_emulated_machine_shows_that_it_is_one(board: str) -> None:
    """Also where dom0's kernel is quiet: with the profile's loglevel=4 it names no model."""
    said = [
        row for row in LOG.read_text(errors="replace").splitlines() if "Machine model" not in row
    ]
    assert rules_for_log(load(board), "arm", None, said).facts_of == "qemu"
    real = [row.replace("SUN8I 0000", "SUN8I 1680") for row in said]
    facts_of = {"orangepi-pc": "board", "cubieboard2": "qemu"}  # any H3 stands in for the A20
    assert rules_for_log(load(board), "arm", None, real).facts_of == facts_of[board]
