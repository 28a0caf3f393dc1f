from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.board import Board, load
from harness.board.targets import Quirk
from harness.build.files import Files
from harness.errors import UsageError
from harness.target.qemu_command import Wiring, escape, paste, qemu_command, qemu_of

FILES = Files(
    firmware="firmware",
    ipxe="ipxe",
    tftp="tftp",
    xen="xen",
    kernel="vmlinuz",
    initrd="initrd.gz",
    capture="net.pcap",
)
CARD = {
    "orangepi-pc": Files(card="sd.img", trace="trace.log"),
    "virt-arm64": Files(card="sd.img", uboot="uboot", trace="trace.log"),
}
FOLDER = Path("/run folder/work")
HELD = Wiring("serial", 4)


def command(
    board: Board,
    method: str = "pxe",
    *,
    files: Files = FILES,
    wiring: Wiring = HELD,
    kernel_cmdline: str | None = None,
) -> list[str]:
    return qemu_command(
        board,
        method,
        files,
        xen_cmdline=board.xen.cmdline,
        kernel_cmdline=board.dom0.cmdline if kernel_cmdline is None else kernel_cmdline,
        wiring=wiring,
    )


def with_machine(board: Board, **changes: Any) -> Board:
    machine = qemu_of(board).model_copy(update=changes)
    return board.model_copy(update={"targets": board.targets.model_copy(update={"qemu": machine})})


def after(argv: list[str], option: str) -> list[str]:
    """The values of an option, wherever it stands."""
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


# --- golden ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("apu2", "pxe"),
        ("apu2", "multiboot"),
        ("apu2-no-iommu", "pxe"),
        ("orangepi-pc", "sdcard"),
        ("virt-arm64", "sdcard"),
    ],
)
def test_golden(name: str, method: str, golden: Callable[[str, str], None]) -> None:
    files = CARD.get(name, FILES)
    text = paste(command(load(name), method, files=files), FOLDER)
    golden(f"qemu-{name}-{method}.txt", text + "\n")


TABLES: dict[str, Any] = {
    "acpi_tables": "acpi-tables",
    "acpi_rsdp": "acpi-rsdp",
    "acpi_loader": "acpi-loader",
}


@pytest.mark.parametrize("method", ["pxe", "multiboot"])
def test_golden_with_acpi_tables(method: str, golden: Callable[[str, str], None]) -> None:
    text = paste(command(load("apu2"), method, files=replace(FILES, **TABLES)), FOLDER)
    golden(f"qemu-apu2-{method}-acpi.txt", text + "\n")


def test_with_tables_the_emulator_makes_none() -> None:
    bare, given = command(load("apu2")), command(load("apu2"), files=replace(FILES, **TABLES))
    (kind,) = after(bare, "-machine")
    assert after(given, "-machine") == [f"{kind},acpi=off"]
    assert after(given, "-fw_cfg") == [
        "name=etc/acpi/tables,file=acpi-tables",
        "name=etc/acpi/rsdp,file=acpi-rsdp",
        "name=etc/table-loader,file=acpi-loader",
    ]
    assert after(bare, "-fw_cfg") == []


# --- what a person pastes ----------------------------------------------------------------------


def test_it_begins_in_its_folder_and_has_an_option_a_line() -> None:
    lines = paste(["qemu", "-machine", "q35", "-S", "-append", "a b"], FOLDER).splitlines()
    assert lines == [
        "cd '/run folder/work' && \\",
        "qemu \\",
        "    -machine q35 \\",
        "    -S \\",
        "    -append 'a b'",
    ]


@pytest.mark.parametrize(
    "name", ["plain", "with space", "it's", 'a"b', "a\\b", "$HOME", "a;b", "a\nb", "-x", "é,*?"]
)
def test_a_shell_reads_back_the_same_words(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "show").write_text('#!/bin/sh\nprintf "%s\\0" "$PWD" "$@"\n')
    (folder / "show").chmod(0o700)
    argv = command(load("apu2"), "multiboot", kernel_cmdline=f"x={name} 'y z' \"$0\" `id`")
    text = paste(["./show", *argv[1:]], folder)
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [str(folder), *argv[1:]]


@given(
    words=st.lists(st.text(st.characters(exclude_characters="\x00")), min_size=1),
    # "/." is written as "/".
    folder=st.text(st.characters(exclude_characters="\x00/"), min_size=1).filter(".".__ne__),
)
def test_any_words_survive_the_quoting(words: list[str], folder: str) -> None:
    read = shlex.split(paste(words, Path("/") / folder).replace("\\\n", " "))
    if not any("\\\n" in word for word in (*words, folder)):
        assert read == ["cd", f"/{folder}", "&&", *words]


def test_pasted_it_is_the_users_terminal_and_runs_at_once() -> None:
    argv = command(load("apu2"), wiring=Wiring())
    assert "-S" not in argv
    assert after(argv, "-chardev") == ["stdio,id=serial0,mux=on,signal=off"]
    assert after(argv, "-mon") == ["chardev=serial0"]


def test_held_by_the_harness_it_starts_paused() -> None:
    argv = command(load("apu2"), wiring=Wiring("serial", 9))
    assert "-S" in argv
    assert after(argv, "-chardev") == ["pipe,id=serial0,path=serial", "socket,id=qmp,fd=9"]
    assert after(argv, "-mon") == ["chardev=qmp,mode=control"]
    assert after(command(load("apu2"), wiring=Wiring("serial")), "-mon") == []


def test_waiting_for_a_saved_state_changes_nothing_else() -> None:
    argv = command(load("orangepi-pc"), "sdcard", files=CARD["orangepi-pc"])
    waiting = Wiring("serial", 4, incoming=True)
    again = command(load("orangepi-pc"), "sdcard", files=CARD["orangepi-pc"], wiring=waiting)
    assert [word for word in again if word not in argv] == ["-incoming", "defer"]
    assert "-S" in again


def test_a_reset_of_the_guest_is_an_event_and_not_the_end_of_the_emulator() -> None:
    assert after(command(load("apu2")), "-action") == ["reboot=shutdown,shutdown=pause"]


# --- method ------------------------------------------------------------------------------------


def test_multiboot_loads_xen_and_gives_it_its_modules() -> None:
    board = load("apu2")
    argv = command(board, "multiboot", kernel_cmdline="console=ttyS0,115200 a,,b")
    assert after(argv, "-kernel") == ["xen"]
    # QEMU splits -initrd at single commas: those of the command line are doubled.
    assert after(argv, "-initrd") == ["vmlinuz console=ttyS0,,115200 a,,,,b,initrd.gz"]
    # -append is no list, nothing is split.
    assert after(argv, "-append") == [board.xen.cmdline]
    assert "com1=115200,8n1" in board.xen.cmdline
    assert not any("bootindex" in word or "tftp=" in word for word in argv)
    assert after(argv, "-object") == []


def test_multiboot_without_a_command_line_of_the_kernel() -> None:
    argv = command(load("apu2"), "multiboot", kernel_cmdline="")
    assert after(argv, "-initrd") == ["vmlinuz,initrd.gz"]


@pytest.mark.parametrize("missing", ["xen", "kernel", "initrd"])
def test_multiboot_needs_its_files(missing: str) -> None:
    files = Files(**{**vars(FILES), missing: None})
    with pytest.raises(UsageError, match="multiboot needs"):
        command(load("apu2"), "multiboot", files=files)


def test_pxe_boots_from_one_card_only() -> None:
    argv = command(load("apu2"), "pxe")
    assert after(argv, "-kernel") == []
    cards = [word for word in after(argv, "-device") if "netdev=" in word]
    assert [("bootindex=0" in card, "romfile=ipxe" in card) for card in cards] == [
        (True, True),
        (False, False),
        (False, False),
        (False, False),
    ]
    assert all("romfile=," in card or card.endswith("romfile=") for card in cards[1:])
    backends = after(argv, "-netdev")
    assert "tftp=tftp,bootfile=menu.ipxe" in backends[0]
    # The others are on networks of their own.
    assert [backend.partition(",net=")[2] for backend in backends[1:]] == [
        "192.168.43.0/24,host=192.168.43.1",
        "192.168.44.0/24,host=192.168.44.1",
        "192.168.45.0/24,host=192.168.45.1",
    ]
    (dump,) = after(argv, "-object")
    assert "file=net.pcap" in dump


def test_without_firmware_and_capture_the_emulator_uses_its_own() -> None:
    argv = command(load("apu2"), files=Files(ipxe="ipxe", tftp="tftp"))
    assert after(argv, "-bios") == []
    assert after(argv, "-object") == []


# --- quirks ------------------------------------------------------------------------------------


def test_quirks_are_flags_of_the_cpu_and_go_with_them() -> None:
    board = load("apu2")
    machine = qemu_of(board)
    flags = [quirk.cpu for quirk in machine.quirks if quirk.cpu]
    assert {"monitor=off", "smap=off"} <= set(flags)
    assert after(command(board), "-cpu") == [",".join([machine.cpu, *flags])]
    bare = with_machine(board, quirks=())
    assert after(command(bare), "-cpu") == [machine.cpu]
    some = with_machine(board, quirks=tuple(q for q in machine.quirks if q.id != "monitor"))
    (cpu,) = after(command(some), "-cpu")
    assert "monitor" not in cpu
    assert "smap=off" in cpu


def test_a_quirk_may_be_an_argument() -> None:
    words: dict[str, Any] = {"reason": "r", "seen_in": "s", "mended_in": "m"}
    quirk = Quirk(id="x", argument="-global 'a.b=c d'", **words)
    argv = command(with_machine(load("apu2"), quirks=(quirk,)))
    assert after(argv, "-global") == ["a.b=c d"]
    assert after(argv, "-cpu") == [qemu_of(load("apu2")).cpu]


# --- the rest ----------------------------------------------------------------------------------


def test_a_board_without_an_emulated_machine() -> None:
    board = load("apu2")
    bare = board.model_copy(update={"targets": board.targets.model_copy(update={"qemu": None})})
    with pytest.raises(UsageError, match="board apu2 has no qemu target"):
        command(bare)


def test_commas_are_doubled() -> None:
    assert escape("a,b,,c") == "a,,b,,,,c"


def test_the_function_is_pure() -> None:
    board = load("apu2")
    assert command(board) == command(board)
    (cpu,) = after(command(board), "-smp")
    assert cpu == str(qemu_of(board).smp)
