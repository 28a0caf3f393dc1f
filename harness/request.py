"""What a boot is asked to be: options, checked before anything is started."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from harness.board import Board
from harness.board.base import MethodName, RootKind
from harness.board.binaries import BinarySource
from harness.build.acpi import BootTables, boot_tables
from harness.build.binaries import edit_cmdline
from harness.errors import UsageError
from harness.expectations import greetings
from harness.serve.site import Network
from harness.target.icount import MOST_SHIFT, Icount

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class BootRequest:
    """One boot.

    Args:
        board: the profile.
        target: "qemu" or "serial:URL".
        method: "pxe", "multiboot", "sdcard" or "direct"; None = the profile's.
        uses: role -> FILE, VERSION or SUITE.
        xen_edits, dom0_edits: changes to the command lines (`edit_cmdline`).
        until: the stage that is the goal; None = the profile's.
        entry: the id of the menu entry; None = the profile's.
        out: the run folder; None = a new one in the state folder.
        scale: factor on all deadlines.
        offline: fetch nothing.
        refresh: ask the mirror what is newest, instead of the cache.
        bind: address that our servers listen on.
        server_url: how the board reaches our HTTP server; None = the profile's address.
        power_on, power_off: commands for a serial target, instead of the profile's.
        login: log in once `login` is reached, so that the prompt is proven to work.
        card: the user's own image of a card, instead of one that is made; it is not written to.
        own: the board's own binaries, also where the emulated machine needs others.
        ivrs: a file with an IVRS that the emulated machine gets instead of its own.
        acpi: a file or folder with ACPI tables, in the same way; with `ivrs`, that replaces its.
        root: what dom0 lives in; None = the profile's.
        icount: how an emulator counts instructions (a recording); None = it does not.
    """

    board: Board
    target: str = "qemu"
    method: MethodName | None = None
    uses: Mapping[str, str] = field(default_factory=dict)
    xen_edits: str | None = None
    dom0_edits: str | None = None
    until: str | None = None
    entry: str | None = None
    out: Path | None = None
    scale: float = 1.0
    offline: bool = False
    refresh: bool = False
    bind: str = LOOPBACK
    server_url: str | None = None
    power_on: str | None = None
    power_off: str | None = None
    login: bool = True
    card: Path | None = None
    own: bool = False
    ivrs: Path | None = None
    acpi: Path | None = None
    root: RootKind | None = None
    icount: Icount | None = None

    def __post_init__(self) -> None:
        kind = self.target_kind
        if kind not in {"qemu", "serial"} or (kind == "serial") != bool(self.target_where):
            raise UsageError(
                f"--target {self.target}",
                expected="qemu or serial:URL",
                hint="a recorded log is judged by: harness replay LOG",
            )
        if kind == "serial" and self.how in {"multiboot", "direct"}:
            raise UsageError(
                f"method {self.how} needs an emulator", hint="--target qemu, or another --method"
            )
        if self.how == "multiboot" and self.board.arch != "x86_64":
            raise UsageError(
                f"--method multiboot: QEMU loads Xen so on x86, and {self.board.name} is "
                f"{self.board.arch}",
                expected=f"--method {self.board.boot.method}, or none",
            )
        section = {"pxe": "pxe", "sdcard": "card", "direct": "direct"}.get(self.how)
        if section is not None and getattr(self.board.boot, section) is None:
            raise UsageError(
                f"--method {self.how}: board {self.board.name} has no section boot.{section}",
                expected=f"--method {self.board.boot.method}, or none",
            )
        if self.card is not None:
            self._check_card(self.card)
        self._check_tables()
        if self.goal not in self.board.stages:
            raise UsageError(
                f"--until {self.goal}: no such stage on {self.board.arch}",
                expected=" ".join(self.board.stages),
            )
        if not 0.01 <= self.scale <= 1000:
            raise UsageError(f"--deadline-scale {self.scale}", expected="0.01 to 1000")
        pxe = self.board.boot.pxe
        if self.entry is not None and (
            pxe is None or self.entry not in [e.id for e in pxe.entries]
        ):
            names = ", ".join(e.id for e in pxe.entries) if pxe else "this board has no menu"
            raise UsageError(f"--entry {self.entry}: no such menu entry", expected=names)
        self._check_root()
        self._check_script()
        self._check_line()
        if self.icount is not None:
            self._check_icount(self.icount)

    def _check_icount(self, icount: Icount) -> None:
        """Whatever comes from outside, and QEMU does not record, is a difference at a replay."""
        what = "a recording" if icount.records else "a schedule"
        outside = self._outside(icount)
        if outside is not None:
            emulated = self.target_kind == "qemu"
            other = f"method {self.how}" if emulated else f"--target {self.target}"
            raise UsageError(
                f"{what} with {other}: what comes {outside} cannot be repeated",
                expected="--target qemu, and --method multiboot on x86",
            )
        if self.root_kind in {"9p", "nfs"}:
            raise UsageError(
                f"{what} with --root {self.root_kind}: what comes from there cannot be repeated",
                expected="--root busybox or initramfs",
            )
        machine = self.board.targets.qemu
        if icount.records and machine is not None and machine.smp != 1:
            raise UsageError(
                f"QEMU records a machine with one CPU, and that of {self.board.name} has "
                f"{machine.smp}",
                hint="harness.recording.on_cpus(board, 1)",
            )
        if not 0 <= icount.shift <= MOST_SHIFT:
            raise UsageError(f"shift={icount.shift}", expected=f"0 to {MOST_SHIFT}")

    def _outside(self, icount: Icount) -> str | None:
        """Where something comes from that QEMU does not record; None: from nowhere."""
        machine = self.board.targets.qemu
        if self.target_kind != "qemu" or machine is None:
            return "from a board"
        if self.how == "pxe":
            return "over a network"
        # On virtio, what is read comes to the machine at an instruction that QEMU records.
        if self.how == "sdcard" and not (icount.records and machine.card == "virtio"):
            return "from a card"
        return None

    def _check_root(self) -> None:
        if self.root is None:
            return
        option = f"--root {self.root}"
        if "initrd" in self.uses:
            raise UsageError(
                f"{option} with --use initrd={self.uses['initrd']}: an initrd of yours is dom0's "
                "root already",
                expected="one of them",
            )
        if not self.makes_root:
            what = f"a card of yours ({self.card})" if self.card else "what is booted"
            raise UsageError(f"{option}: {what} has its own root, if any", expected=f"no {option}")
        others = [kind for kind in get_args(RootKind) if self.board.no_root(kind) is None]
        reason = self.board.no_root(self.root, self.target_kind, self.how)
        if reason is not None:
            raise UsageError(f"{option}: {reason}", expected=f"--root {', '.join(others)}")

    def _check_script(self) -> None:
        edits = {"--cmdline-xen": self.xen_edits, "--cmdline-dom0": self.dom0_edits}
        for option, edit in edits.items():
            if edit is not None and "script" in self.uses:
                raise UsageError(
                    f"{option} with --use script={self.uses['script']}: a script of yours is not "
                    "changed",
                    expected="one of them",
                )

    def _check_card(self, card: Path) -> None:
        if self.how != "sdcard" or self.target_kind != "qemu":
            raise UsageError(
                f"--card {card}: this boot takes no card",
                expected="--method sdcard and --target qemu",
            )
        edits = {"--cmdline-xen": self.xen_edits, "--cmdline-dom0": self.dom0_edits}
        unused = [option for option, edit in edits.items() if edit is not None]
        unused += [f"--use {role}" for role in self.uses if role not in self.roles()]
        unused += ["--own-binaries"] if self.own else []
        if unused:
            raise UsageError(
                f"{unused[0]} with --card {card}: what is on a card of yours is not changed",
                hint="make another card: harness sdcard BOARD -o FILE",
            )
        try:
            size = card.stat().st_size
            if not card.is_file():
                raise UsageError(f"--card {card}: is no file", expected="the image of a card")
            card.open("rb").close()
        except OSError as bad:
            raise UsageError(f"--card {card}: {bad.strerror}") from None
        if size < 1 << 20 or size & (size - 1):
            raise UsageError(
                f"--card {card}: not the image of a card that can be emulated",
                expected="a file whose size is a power of two, at least 1 MiB",
                hint=f"enlarge a copy: truncate -s {1 << max(20, size.bit_length())} COPY",
            )

    def _check_tables(self) -> None:
        """Read them now: before anything is fetched or started."""
        given = {"--ivrs": self.ivrs, "--acpi": self.acpi}
        for option, path in given.items():
            if path is not None and (
                self.target_kind != "qemu" or self.how in {"sdcard", "direct"}
            ):
                raise UsageError(
                    f"{option} {path}: this boot takes no ACPI tables",
                    expected="--target qemu, and --method pxe or multiboot",
                )
        _ = self.tables

    @cached_property
    def tables(self) -> BootTables | None:
        """The ACPI tables that this boot is given; None: the emulator's own.

        Raises:
            UsageError, InputError, FormatError: as `boot_tables`.
        """
        if self.ivrs is None and self.acpi is None:
            return None
        return boot_tables(self.board, ivrs_file=self.ivrs, acpi=self.acpi)

    def _check_line(self) -> None:
        """The options of a board on a serial line."""
        given = {
            "--power-on": self.power_on,
            "--power-off": self.power_off,
            "--server-url": self.server_url,
            "--bind": None if self.bind == LOOPBACK else self.bind,
        }
        for option, value in given.items():
            if value is not None and self.target_kind != "serial":
                raise UsageError(
                    f"{option} {value}: only for a board on a serial line",
                    expected=f"--target serial:URL, or no {option}",
                )
        for option in ("--power-on", "--power-off"):
            _check_command(option, given[option])
        if self.server_url is not None:
            _check_url(self.server_url)

    @property
    def target_kind(self) -> str:
        return self.target.partition(":")[0]

    @property
    def target_where(self) -> str:
        return self.target.partition(":")[2]

    @property
    def how(self) -> MethodName:
        return self.method or self.board.boot.method

    @property
    def goal(self) -> str:
        return self.until or self.board.boot.goal

    @property
    def xen_cmdline(self) -> str:
        return edit_cmdline(self.board.xen_cmdline_of(self.target_kind), self.xen_edits)

    @property
    def kernel_cmdline(self) -> str:
        return edit_cmdline(self.board.dom0.cmdline, self.dom0_edits)

    @property
    def menu_entry(self) -> str:
        pxe = self.board.boot.pxe
        return self.entry or (pxe.entry if pxe else "")

    @property
    def makes_card(self) -> bool:
        """Whether we make the card: not one that the user gives, or that is in the board."""
        return self.how == "sdcard" and self.card is None and self.target_kind == "qemu"

    @property
    def makes_root(self) -> bool:
        """Whether dom0's root is ours: not an initrd or a card that the user gives."""
        own = "initrd" in self.uses or (self.how == "sdcard" and not self.makes_card)
        return self.board.dom0.present and not own

    @property
    def root_kind(self) -> RootKind | None:
        """What dom0 lives in; None: what the user gives, or there is no dom0."""
        return (self.root or self.board.dom0.root) if self.makes_root else None

    @property
    def gives_cmdlines(self) -> bool:
        """Whether Xen and dom0 get our command lines: not from a card or script of the user's."""
        return self.how != "sdcard" or (self.makes_card and "script" not in self.uses)

    @property
    def stops_at_uboot(self) -> bool:
        """Whether the boot ends at U-Boot's prompt, which it would otherwise pass."""
        return self.how == "sdcard" and self.goal == "uboot"

    @property
    def with_xen(self) -> bool:
        """Whether what is booted is Xen, and not Linux alone or a shell."""
        pxe = self.board.boot.pxe
        return (
            self.how == "multiboot"
            or pxe is None
            or any(e.id == self.menu_entry and e.kind == "xen" for e in pxe.entries)
        )

    def greetings(self) -> dict[str, re.Pattern[str]]:
        """What dom0less domains must say before the boot is at its goal."""
        early = self.board.stages.index(self.goal) < self.board.stages.index(self.board.boot.goal)
        starts = self.how in {"sdcard", "direct"}
        return greetings(self.board) if starts and not early else {}

    def network(self) -> Network:
        """What the servers need to know."""
        debian = self.root_kind not in {None, "busybox"}
        return Network(self.how == "pxe" or debian, self.bind, self.server_url, self.scale)

    def roles(self) -> tuple[str, ...]:
        """The roles whose binaries this boot needs."""
        own_firmware = self.target_kind == "serial"
        skip = {"firmware", "ipxe", "uboot"} if own_firmware else set()
        if self.how == "multiboot":
            skip |= {"ipxe"}
        if self.how == "direct":
            skip |= {"firmware", "ipxe", "uboot"}
        if self.how == "sdcard" and not self.makes_card:
            on_card = self.board.boot.card is not None and self.board.boot.card.loader_kib
            firmware = {"uboot"} if self.target_kind == "qemu" and not on_card else set()
            skip |= set(self.board.binaries) - firmware
        return tuple(role for role in self.known() if role not in skip)

    def known(self) -> Mapping[str, BinarySource]:
        """Where the binary of each role comes from on this target."""
        return self.board.binaries_of(self.target_kind, own=self.own)


def _check_command(option: str, command: str | None) -> None:
    if command is None:
        return
    try:
        words = shlex.split(command)
    except ValueError as bad:
        raise UsageError(
            f"{option} {command}: {bad}", expected="a command as for a shell"
        ) from None
    if not words:
        raise UsageError(f"{option} is empty", expected="a command")


def _check_url(text: str) -> None:
    """A whole URL, or a host alone, with or without a port."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        # `port` is parsed when it is asked for.
        good = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        raise UsageError(f"--server-url {text}", expected="http://HOST:PORT, or HOST")
