"""Cards that are broken on purpose: each boot names what is wrong, and lint named it before."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.board import Board, load
from harness.boot import booted
from harness.build.binaries import resolve
from harness.build.bootscript import render_script
from harness.request import BootRequest
from harness.session import Session, build_for
from harness.sources import Sources
from harness.verdict import Kind

SEED = Path(__file__).parents[1] / "data" / "lint" / "erika-cubieboard2-boot.cmd"


@pytest.fixture
def board() -> Board:
    return load("orangepi-pc")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def good_script(board: Board) -> str:
    return render_script(board, board.xen.cmdline, board.dom0.cmdline)


def with_addresses(board: Board, **changes: int) -> Board:
    """The board with other addresses."""
    uboot = board.boot.uboot
    assert uboot is not None
    addresses = uboot.addresses.model_copy(update=changes)
    boot = {"uboot": uboot.model_copy(update={"addresses": addresses})}
    return board.model_copy(update={"boot": board.boot.model_copy(update=boot)})


@contextmanager
def scripted(board: Board, text: str, folder: Path) -> Iterator[Session]:
    """A boot with a script of one's own."""
    script = folder / "boot.cmd"
    script.write_text(text)
    with booted(BootRequest(board, uses={"script": str(script)})) as session:
        yield session


def rules(session: Session) -> set[str]:
    """What lint found: the ids of errors."""
    return {one.rule for one in session.findings if one.severity == "error"}


def test_a_good_card_has_no_findings(board: Board, tmp_path: Path) -> None:
    request = BootRequest(board)
    binaries = resolve(board, request.roles(), {}, Sources(), request.known())
    assert build_for(request, binaries, tmp_path).findings == ()


def test_a_tree_that_is_not_on_the_card(board: Board, tmp_path: Path) -> None:
    text = good_script(board).replace("/board.dtb", "/sun7i-a20-cubieboard2.dtb")
    with scripted(board, text, tmp_path) as session:
        assert session.verdict.kind is Kind.FAIL
        assert session.verdict.cause.startswith(
            "\"Failed to load '/sun7i-a20-cubieboard2.dtb'\" (line"
        )
        assert "the boot stands at the uboot prompt" in session.verdict.cause


def test_a_module_over_xen(board: Board) -> None:
    with booted(BootRequest(with_addresses(board, kernel=0x5000E000))) as session:
        assert session.verdict.kind is Kind.CRASHED
        assert "overlaps the image that is booted" in session.verdict.cause
        assert "script.overlap" in rules(session)


def test_an_initrd_over_the_kernel(board: Board) -> None:
    with booted(BootRequest(with_addresses(board, ramdisk=0x46200000))) as session:
        assert session.verdict.kind is Kind.CRASHED
        assert "module@0 0x46000000" in session.verdict.cause
        assert "overlaps chosen/module@1" in session.verdict.cause
        assert "script.overlap" in rules(session)


def test_a_kernel_whose_header_is_wrong(board: Board, tmp_path: Path) -> None:
    binaries = resolve(board, ["kernel"], {}, Sources(), board.binaries)
    image = bytearray(binaries["kernel"].path.read_bytes())
    image[0x24:0x28] = bytes(4)
    (tmp_path / "zImage").write_bytes(image)
    uses = {"kernel": str(tmp_path / "zImage")}
    with booted(BootRequest(board, uses=uses)) as session:
        assert session.verdict.kind is Kind.CRASHED
        assert "Could not set up DOM0 guest OS" in session.verdict.cause
        assert "not the magic of an ARM zImage" in session.verdict.cause
        assert "zimage.magic" in rules(session)


def test_a_tree_without_modules(board: Board, tmp_path: Path) -> None:
    writes = ("fdt chosen", "fdt set", "fdt mknod", "fdt print")
    text = "".join(r for r in good_script(board).splitlines(True) if not r.startswith(writes))
    with scripted(board, text, tmp_path) as session:
        assert session.verdict.kind is Kind.CRASHED
        assert "'Missing kernel boot module?'" in session.verdict.cause
        assert "modules.kernel" in rules(session)


def test_a_xen_of_another_architecture(board: Board) -> None:
    arm64 = load("virt-arm64")
    xen = resolve(arm64, ["xen"], {}, Sources(), arm64.binaries)["xen"].path
    with booted(BootRequest(board, uses={"xen": str(xen)})) as session:
        assert session.verdict.kind is Kind.FAIL
        assert session.verdict.cause.startswith("'zimage: Bad magic!'")
        assert "a 64-bit ARM Image" in session.verdict.cause
        assert "script.image" in rules(session)


def test_an_environment_that_is_corrupt(board: Board, tmp_path: Path) -> None:
    request = BootRequest(board, until="uboot")
    binaries = resolve(board, request.roles(), {}, Sources(), request.known())
    (tmp_path / "work").mkdir()
    build_for(request, binaries, tmp_path / "work")
    data = bytearray((tmp_path / "work" / "sd.img").read_bytes())
    data[environment_of(data) + 10] ^= 1
    (tmp_path / "sd.img").write_bytes(data)
    with booted(BootRequest(board, until="uboot", card=tmp_path / "sd.img")) as session:
        # It is no failure: the loader has variables of its own.
        assert session.verdict.kind is Kind.PASS
        (tried,) = session.console.parser.log.uboot.environment
        assert tried.ok is False
        assert "bad CRC" in tried.result
        assert "uboot-environment" in {e.id for e in session.console.parser.log.uboot.errors}


def environment_of(card: bytes | bytearray) -> int:
    """Where uboot.env lies: 64 KiB, the CRC of what follows it first."""
    for at in range(0, 17 << 20, 512):
        if zlib.crc32(card[at + 4 : at + 0x10000]) == int.from_bytes(card[at : at + 4], "little"):
            return at
    pytest.fail("no environment on the card")


def test_the_script_of_2014_as_it_was_printed(board: Board, tmp_path: Path) -> None:
    """Its addresses are in what U-Boot keeps for itself today, its last line lacks a word."""
    text = SEED.read_text().replace("mmc 0 ", "mmc 0:2 ")
    text = text.replace("/sun7i-a20-cubieboard2", "/board")
    with scripted(board, text, tmp_path) as session:
        assert session.verdict.kind is Kind.FAIL
        assert "Reading file would overwrite reserved memory" in session.verdict.cause
        assert {"script.tree-as-initrd", "script.over-uboot"} <= rules(session)
        assert {"modules.kind", "xen.dtuart"} <= {one.rule for one in session.findings}


def test_a_tree_that_was_edited_before_the_boot(board: Board) -> None:
    """The same content, written by us: for loaders that cannot."""
    uboot = board.boot.uboot
    assert uboot is not None
    boot = board.boot.model_copy(update={"uboot": uboot.model_copy(update={"chosen": "static"})})
    static = board.model_copy(update={"boot": boot})
    with booted(BootRequest(static)) as session:
        assert session.verdict.kind is Kind.PASS, session.verdict.cause
        assert session.findings == ()
        states = {one.id: one.state for one in session.verdict.outcomes}
        assert states["built.modules"] == "met"
        assert "fdt mknod" not in render_script(static, "", "")
