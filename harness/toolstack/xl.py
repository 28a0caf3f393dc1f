"""`xl` in dom0: its commands, their answers parsed, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bootlog import BootLog, parse_recorded
from harness.errors import FormatError, HarnessError, InfraError, UsageError
from harness.formats.xl import (
    BlockDevice,
    Domain,
    NetworkDevice,
    Vcpu,
    XenInfo,
    parse_block_list,
    parse_info,
    parse_list,
    parse_network_list,
    parse_pci_assignable,
    parse_vcpu_list,
)
from harness.shell.base import ShellError
from harness.shell.xen_keys import DANGEROUS
from harness.toolstack.privcmd import Diagnosis, diagnose_privcmd
from harness.toolstack.problems import MEMORY, PRIVCMD, Problem, explain, own_words
from harness.toolstack.words import command_line

if TYPE_CHECKING:
    from harness.toolstack.dom0 import Dom0

_CFG = "/run/harness-domain.cfg"
_SHOWN = 6


class XlError(ShellError):
    """xl failed.

    Attributes:
        command: "xl create ...".
        status: its exit status; 0 if only its answer was wrong.
        said: all that it said.
        problem: what that means, if it is known: `problem.id` does not change.
        diagnosis: why there is no way to Xen, if that is the problem.
    """

    def __init__(
        self,
        command: str,
        status: int,
        said: str,
        *,
        problem: Problem | None = None,
        diagnosis: Diagnosis | None = None,
        more: str = "",
    ) -> None:
        meaning = diagnosis.meaning if diagnosis else problem.meaning if problem else ""
        todo = diagnosis.next if diagnosis else problem.next if problem else None
        words = own_words(said).split("\n")
        shown = "".join(f"\n    {line}" for line in words[:_SHOWN] if line)
        super().__init__(
            f"`{command}` failed (exit status {status})"
            + (f": {meaning}" if meaning else "")
            + (f"; {more}" if more else "")
            + shown,
            where="dom0",
            hint=todo,
        )
        self.command = command
        self.status = status
        self.said = said
        self.problem = problem
        self.diagnosis = diagnosis


@dataclass(frozen=True)
class XenLog:
    """Xen's own log, `xl dmesg`. The oldest lines may be gone: the ring has 16 to 32 KiB.

    Attributes:
        lines: as Xen prints them, with "(XEN) ".
    """

    lines: tuple[str, ...]

    @cached_property
    def log(self) -> BootLog:
        """Parsed as the log of a boot."""
        return parse_recorded("".join(f"{line}\n" for line in self.lines).encode())


class Xl:
    """Runs `xl`.

    A method raises `XlError` when xl fails, `FormatError` when its answer cannot be read, and
    `CommandHung` when it does not end. `timeout`: seconds, on an idle host.
    """

    def __init__(self, dom0: Dom0) -> None:
        self._dom0 = dom0

    def run(self, *words: str, timeout: float = 60.0) -> str:
        """What `xl WORDS` says, warnings included."""
        command = command_line("xl", *words)
        answer = self._dom0.tool(command, timeout=timeout)
        # Some commands end well though they found nothing.
        if answer.status != 0 or "is an invalid domain identifier" in answer.output:
            raise self._error(command, answer.status, answer.output)
        return answer.output

    # --- domains -------------------------------------------------------------------------------

    def list(self) -> tuple[Domain, ...]:
        """All domains; Domain-0 is the first."""
        return parse_list(self.run("list", "-v"))

    def domain(self, name: str | int) -> Domain | None:
        """The domain of this name or number; None: there is none."""
        found = (one for one in self.list() if name in (one.name, one.id, str(one.id)))
        return next(found, None)

    def domid(self, name: str) -> int:
        """The number of a domain."""
        said = self.run("domid", name)
        if not said.strip().isdigit():
            raise FormatError(f"this is no answer to `xl domid`: {said[:80]!r}", field="domid")
        return int(said)

    def vcpu_list(self, *names: str) -> tuple[Vcpu, ...]:
        """The virtual CPUs of these domains; of all, if none is named."""
        return parse_vcpu_list(self.run("vcpu-list", *names))

    def create(self, cfg: str | Path, *, timeout: float = 180.0, paused: bool = False) -> Domain:
        """Start a domain.

        Args:
            cfg: the text of its configuration, or a file of this host with it.
            paused: it does not run until `unpause`.

        Raises:
            UsageError: the configuration gives it no name.
            XlError: also when it is gone right after its creation.
        """
        if isinstance(cfg, Path):
            try:
                cfg = cfg.read_text()
            except OSError as bad:
                raise InfraError.of(bad, "cannot read", cfg) from None
        named = re.search(r"""^\s*name\s*=\s*(['"])(.+?)\1""", cfg, re.MULTILINE)
        if named is None:
            raise UsageError("the configuration gives the domain no name", expected='name = "..."')
        name = named[2]
        self._dom0.put(_CFG, cfg.encode())
        said = self.run("create", *(["-p"] if paused else []), _CFG, timeout=timeout)
        made = self.domain(name)
        if made is None:
            gone = Problem(
                "xl-gone",
                f"the domain {name} is gone right after its creation: it ended or crashed at once",
                f"on_crash = 'preserve' keeps it; its words are in /var/log/xen/xl-{name}.log and "
                f"/var/log/xen/console/guest-{name}.log",
            )
            raise XlError(f"xl create {name}", 0, said, problem=gone)
        return made

    def destroy(self, name: str | int) -> None:
        """End a domain at once."""
        self.run("destroy", str(name))

    def shutdown(self, name: str | int, *, wait: bool = True, timeout: float = 120.0) -> None:
        """Ask a domain to end, as its power button would (-F), and wait until it has."""
        self.run("shutdown", *(["-w"] if wait else []), "-F", str(name), timeout=timeout)

    def pause(self, name: str | int) -> None:
        """Take all CPUs from a domain."""
        self.run("pause", str(name))

    def unpause(self, name: str | int) -> None:
        """Let a paused domain run."""
        self.run("unpause", str(name))

    def network_list(self, name: str | int) -> tuple[NetworkDevice, ...]:
        """The network devices of a domain."""
        return parse_network_list(self.run("network-list", str(name)))

    def block_list(self, name: str | int) -> tuple[BlockDevice, ...]:
        """The disks of a domain."""
        return parse_block_list(self.run("block-list", str(name)))

    # --- the host ------------------------------------------------------------------------------

    def info(self) -> XenInfo:
        """The host as Xen sees it."""
        return parse_info(self.run("info"))

    def dmesg(self) -> XenLog:
        """Xen's log."""
        return XenLog(tuple(self.run("dmesg", timeout=120.0).split("\n")))

    def debug_keys(self, keys: str) -> Sequence[str]:
        """Press Xen's debug keys, and give its answers, as `xl dmesg` shows them.

        `harness.bootlog.debug_keys` parses them. Unlike `XenKeys`, this needs a dom0 that works,
        and no serial input of Xen's.

        Raises:
            UsageError: one of them may end the boot (`harness.shell.xen_keys.DANGEROUS`).
            XlError: Xen does not answer: it has no such key, or prints less than it says
                (loglvl).
        """
        for key in keys:
            if key in DANGEROUS or not "!" <= key <= "~":
                raise UsageError(
                    f"{key!r} is no debug key to press from dom0",
                    expected=f"none of {' '.join(DANGEROUS)}",
                )
        lines: list[str] = []
        for key in keys:
            # Xen prints on the console too; a dump reads like a crash.
            with self._dom0.console.disarmed():
                self.run("debug-keys", key)
                log = self.dmesg().lines
            heads = [at for at, line in enumerate(log) if f"'{key}' pressed ->" in line]
            if not heads:
                silent = Problem(
                    "xl-no-answer",
                    f"Xen does not answer to debug key {key!r}",
                    "key 'h' lists those that it knows; loglvl=all lets it print",
                )
                raise XlError(f"xl debug-keys {key}", 0, "", problem=silent)
            lines += log[heads[-1] :]
        return tuple(lines)

    # --- PCI devices for guests ----------------------------------------------------------------

    def pci_assignable_list(self) -> tuple[str, ...]:
        """The addresses of the devices that guests may have: "0000:03:00.0"."""
        return parse_pci_assignable(self.run("pci-assignable-list"))

    def pci_assignable_add(self, address: str) -> None:
        """Take a device from its driver in dom0, for guests.

        Raises:
            ShellError: dom0 cannot load pciback, which holds it.
        """
        self._dom0.load("xen-pciback")
        self.run("pci-assignable-add", address)

    def pci_assignable_remove(self, address: str, *, rebind: bool = True) -> None:
        """Give a device back to dom0, and with `rebind` to the driver that it had."""
        self.run("pci-assignable-remove", *(["-r"] if rebind else []), address)

    def _error(self, command: str, status: int, said: str) -> XlError:
        """What a failure means; asks dom0 for what would help."""
        problem, diagnosis, more = explain(said), None, ""
        try:
            if problem and problem.id == PRIVCMD:
                diagnosis = diagnose_privcmd(self._dom0)
            if problem and problem.id == MEMORY:
                host = parse_info(self._dom0.tool("xl info").output)
                more = f"{host.free_memory} of {host.total_memory} MiB are free"
        except HarnessError as bad:
            # The error that was there first is the one to tell.
            more = f"and then: {bad.message}"
        return XlError(command, status, said, problem=problem, diagnosis=diagnosis, more=more)
