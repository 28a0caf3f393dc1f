"""Xen's debug keys: pressed while the serial input is Xen's, answered on the same line.

`XenKeys(xen_input).domains()` and its like give the answer parsed, `press` gives its lines.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.bootlog import plain_text
from harness.bootlog.debug_keys import (
    CpuState,
    DomainInfo,
    PciOwner,
    RunQueues,
    parse_domains,
    parse_help,
    parse_pci_devices,
    parse_registers,
    parse_run_queues,
)
from harness.bootlog.guests import named_guest
from harness.console import BoardStopped
from harness.errors import UsageError
from harness.shell.base import ShellError
from harness.shell.xen_input import XEN, XenInput

DANGEROUS: Mapping[str, str] = {
    "R": "reboots the machine",
    "C": "crashes Xen on purpose, for kexec",
    "%": "traps to a debugger that nobody attached",
    "N": "triggers an NMI, which is fatal by default",
}
"""Keys that may end the boot, and how (common/keyhandler.c, common/kexec.c, arch/x86/nmi.c)."""

# An answer is over after so many seconds without a byte: Xen prints it in one go.
_QUIET = 0.5
# Until the first byte: a key may have to wait for all CPUs.
_PATIENCE = 3.0
# At 115200 baud, a minute is 690 kB: more than the answers of all keys on a large machine.
_LIMIT = 60.0
_MOST_LINES = 20_000
_PANIC = "Panic on CPU "


def _of_xen(text: str) -> bool:
    """Whether Xen itself says it: its lines of domains name them ("(XEN) DOM1: ...")."""
    plain = plain_text(text)
    return plain.startswith("(XEN)") and named_guest(plain.removeprefix("(XEN) ")) is None


class XenKeys:
    """Presses debug keys and reads the answers."""

    def __init__(self, xen_input: XenInput) -> None:
        self._input = xen_input

    def press(self, key: str, *, allow: bool = False, limit: float = _LIMIT) -> list[str]:
        """The lines with which Xen answers a key, as they are on the console.

        What domains print meanwhile is left out. A dump reads like a crash, so panics interrupt
        nobody here; only one of Xen itself does, once it is whole.

        Args:
            key: one character; see `help`.
            allow: press it even if it is one of `DANGEROUS`.
            limit: seconds on an idle host after which even an endless answer is cut.

        Raises:
            UsageError: it is no key, or a dangerous one.
            ShellError: Xen does not answer: it has no such key; or its answer does not end.
            BoardStopped: Xen itself panicked.
            ChannelClosed: the line has ended.
        """
        if len(key) != 1 or not "!" <= key <= "~":
            raise UsageError(f"{key!r} is no debug key", expected="one printable character")
        if key in DANGEROUS and not allow:
            raise UsageError(
                f"debug key {key!r} {DANGEROUS[key]}", hint="allow=True presses it all the same"
            )
        if allow and key in DANGEROUS:
            # There may be no Xen left to give the input back.
            self._input.switch_to(XEN)
            return self._answer(key, limit)
        with self._input.owned_by(XEN):
            return self._answer(key, limit)

    def help(self) -> Mapping[str, str]:
        """The keys of this Xen and what they do ('h'). Raises: as `press`."""
        return parse_help(self.press("h"))

    def dom0_registers(self) -> tuple[CpuState, ...]:
        """The virtual CPUs of dom0 ('0'). Raises: as `press`."""
        return parse_registers(self.press("0"))

    def registers(self) -> tuple[CpuState, ...]:
        """All physical CPUs ('d'). Raises: as `press`."""
        return parse_registers(self.press("d"))

    def domains(self) -> tuple[DomainInfo, ...]:
        """The domains, their memory and virtual CPUs ('q'). Raises: as `press`."""
        return parse_domains(self.press("q"))

    def pci_devices(self) -> tuple[PciOwner, ...]:
        """The PCI devices, and which domain has them ('Q'). Raises: as `press`."""
        return parse_pci_devices(self.press("Q"))

    def run_queues(self) -> RunQueues:
        """Schedulers, cpupools, and who runs where ('r'). Raises: as `press`."""
        return parse_run_queues(self.press("r"))

    def _answer(self, key: str, limit: float) -> list[str]:
        console, scale = self._input.console, self._input.scale
        start, first = console.now, len(console.lines)
        with console.disarmed():
            console.send(key)
            self._read(key, first, limit)
        lines = [line for line in console.lines[first:] if _of_xen(line.text)]
        for line in lines:
            if _PANIC in line.text:
                console.drain(_QUIET * scale, limit)
                raise BoardStopped(line)
        said = [line.text for line in lines]
        if not said:
            raise ShellError(
                f"Xen does not answer to debug key {key!r}",
                where="Xen's console",
                expected=f"an answer within {console.now - start:.0f} s",
                hint="key 'h' lists those that it knows",
            )
        return said

    def _read(self, key: str, first: int, limit: float) -> None:
        """Until Xen is quiet, and not in the middle of a row; a domain may talk on."""
        console, scale = self._input.console, self._input.scale
        end = console.now + limit * scale
        quiet_since = console.now
        begun, seen, row = False, first, ""
        while len(console.lines) - first < _MOST_LINES and console.now < end:
            console.pump_checked(_QUIET * scale / 5)
            said = any(_of_xen(line.text) for line in console.lines[seen:])
            seen, before, row = len(console.lines), row, console.partial
            in_row = _of_xen(row)
            begun = begun or said
            if said or (in_row and row != before):
                quiet_since = console.now
                continue
            patience = _QUIET if begun and not in_row else _PATIENCE
            if console.now - quiet_since < patience * scale:
                continue
            if in_row:
                break
            return
        raise ShellError(
            f"the answer to debug key {key!r} does not end",
            where="Xen's console",
            expected=f"whole rows, {_MOST_LINES} at most, and quiet within {limit * scale:.0f} s",
            hint=f"the console stands at {console.partial[:60]!r}",
        )
