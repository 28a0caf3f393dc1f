"""What Xen says about itself: debug keys on the serial line, and a fatal NMI."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.bootlog import plain_text
from harness.bootlog.debug_keys import CpuState, parse_domains, parse_registers
from harness.console import BoardStopped, Console
from harness.errors import HarnessError
from harness.forensics.model import Answer, CpuDiagnosis, Forensics, Spot
from harness.forensics.spots import known
from harness.session import Session
from harness.shell.xen_input import XEN, XenInput
from harness.shell.xen_keys import XenKeys
from harness.target.base import ChannelClosed

# Xen answers at once, or not at all; on a slow host a little later.
_SCALE, _MOST_SCALE = 0.3, 2.0
_KEY_LIMIT = 20.0
_QUIET, _NMI_LIMIT = 1.5, 10.0
_NAMES = {"*": "all"}


@dataclass(frozen=True)
class Said:
    """Xen's answers: the lines to each key."""

    lines: dict[str, list[str]]

    @property
    def cpus(self) -> tuple[CpuState, ...]:
        return parse_registers(self.lines.get("d", ()))


def press_keys(
    session: Session,
    keys: str,
    folder: Path,
    told: Forensics,
    out_of_time: Callable[[], bool],
) -> Said:
    """Press debug keys, keep the answers as debug-key-X.txt.

    Never raises for what the board does: that Xen does not answer is a finding.

    Raises:
        OSError: an answer cannot be written.
    """
    said = Said({})
    stretch = session.clock.stretch() if session.clock else 1.0
    given = XenInput(session.console, scale=min(_MOST_SCALE, _SCALE * stretch))
    try:
        given.switch_to(XEN)
    except HarnessError:
        told.xen_alive = False
        return said
    except (BoardStopped, ChannelClosed) as bad:
        told.notes.append(f"debug keys: the board stopped meanwhile: {bad}")
        return said
    told.xen_alive = True
    xen_keys = XenKeys(given)
    for key in keys:
        if out_of_time():
            told.notes.append(f"debug key {key}: no time was left")
            continue
        try:
            lines = xen_keys.press(key, limit=_KEY_LIMIT)
        except HarnessError as bad:
            told.notes.append(f"debug key {key}: {bad.message}")
            continue
        except (BoardStopped, ChannelClosed) as bad:
            told.notes.append(f"debug key {key}: the board stopped meanwhile: {bad}")
            return said
        said.lines[key] = lines
        name = f"debug-key-{_NAMES.get(key, key)}.txt"
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        told.answers.append(Answer(f"debug key {key}", len(lines), name))
    return said


def cpus_by_keys(said: Said) -> tuple[CpuDiagnosis, ...]:
    """Where each CPU is, by Xen's own words: one look, so that it says nothing of a loop."""
    found: dict[int, CpuDiagnosis] = {}
    for state in said.cpus:
        if state.cpu is None or not state.title.endswith("host") or state.pc is None:
            continue
        spots = [Spot(state.pc, _plain(state.symbol))]
        spots += [Spot(frame.address, _plain(frame.symbol)) for frame in state.call_trace]
        # The first row of the trace is the program counter again.
        callers = tuple(spot for spot in spots[1:] if spot.address != state.pc)
        names = [spot.function for spot in spots[:4]]
        about = [spot for name in names if (spot := known(name)) is not None]
        idle = any(spot.kind == "idle" for spot in about)
        waits = next((spot.says for spot in about if spot.kind != "helper"), "")
        found[state.cpu] = CpuDiagnosis(
            state.cpu,
            "asleep" if idle else "unknown",
            spots[0].function or f"{state.pc:#x}",
            "Xen",
            callers,
            (spots[0],),
            1,
            waits_for=waits,
        )
    return tuple(found[cpu] for cpu in sorted(found))


def _plain(symbol: str) -> str:
    """ "domain.c#idle_loop+0x138/0x150" as "idle_loop+0x138"."""
    return symbol.rpartition("#")[2].partition("/")[0]


def dom0_state(said: Said) -> str:
    """One sentence about dom0, from the answers to q and 0; "" if they do not tell."""
    dom0 = next((one for one in parse_domains(said.lines.get("q", ())) if one.domain == 0), None)
    if dom0 is None:
        return "" if "q" not in said.lines else "there is no dom0"
    runs = [f"d0v{one.vcpu} on CPU{one.cpu}" for one in dom0.vcpus if one.runs]
    paused = [
        f"d0v{one.vcpu}" for one in dom0.vcpus if int(one.fields.get("pause_count") or "0", 0)
    ]
    if runs:
        state = f"runs ({', '.join(runs)})"
    elif paused:
        state = f"is paused ({', '.join(paused)})"
    else:
        state = f"sleeps: its {len(dom0.vcpus)} virtual CPUs wait for events"
    places = [one for one in parse_registers(said.lines.get("0", ())) if one.pc is not None]
    at = ", ".join(f"{one.vcpu} at {one.pc:#x}" for one in places[:4] if one.vcpu)
    return f"dom0 {state}" + (f"; {at}" if at else "")


def fatal_nmi(
    console: Console, inject: Callable[[], None], folder: Path, told: Forensics
) -> Sequence[str]:
    """Have Xen print its state and end, as `nmi=fatal` makes it do; keep that as nmi.txt.

    Raises:
        TargetError: the machine takes no NMI.
        OSError: nmi.txt cannot be written.
    """
    first = len(console.lines)
    inject()
    console.drain(_QUIET, _NMI_LIMIT)
    lines = [plain_text(line.text) for line in console.lines[first:]]
    if not lines:
        told.notes.append("NMI: Xen said nothing to it (it needs nmi=fatal, and a CPU to take it)")
        return ()
    (folder / "nmi.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    told.answers.append(Answer("an NMI", len(lines), "nmi.txt"))
    return lines


def clock(limit: float) -> Callable[[], bool]:
    """Says whether `limit` seconds are over."""
    end = time.monotonic() + limit
    return lambda: time.monotonic() > end
