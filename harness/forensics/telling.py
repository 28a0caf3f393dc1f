"""The diagnosis in words. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.forensics.model import CpuDiagnosis, Forensics

_CALLERS = 4
_VERB = {
    "spins": "spins in",
    "loops": "loops in",
    "asleep": "asleep in",
    "stopped": "stopped in",
    "starved": "stands still at",
    "moves": "moves, last in",
    "unknown": "was in",
}


def with_sentences(cpus: Sequence[CpuDiagnosis]) -> tuple[CpuDiagnosis, ...]:
    """Each CPU with its sentence."""
    return tuple(replace(one, says=f"CPU{one.cpu} {_says(one)}") for one in cpus)


def summary(told: Forensics) -> tuple[str, ...]:
    """The lines that say what the machine does: CPUs that do the same share one."""
    groups: dict[str, list[int]] = {}
    for one in told.cpus:
        groups.setdefault(_says(one), []).append(one.cpu)
    # Who executes, or waits in vain, before who sleeps.
    order = {one.cpu: one.activity in {"asleep", "not started"} for one in told.cpus}
    rows = sorted(groups.items(), key=lambda item: (order[item[1][0]], item[1][0]))
    lines = [f"CPU{cpu_list(cpus)} {says}" for says, cpus in rows]
    asleep = {one.cpu for one in told.cpus if one.activity == "asleep"}
    for one in told.cpus:
        if deaf := sorted(asleep & set(one.answers)):
            lines.append(
                f"CPU{one.cpu} waits for CPU{cpu_list(deaf)}, which the interrupt that it sent has "
                "not woken: it is lost, or the interrupt controller does not pass it on"
            )
    if told.progress == "some":
        lines.insert(0, "this looks slow, not hung: the guest still moves")
    elif (
        told.cpus
        and told.progress == "none"
        and all(one.activity in {"asleep", "not started"} for one in told.cpus)
    ):
        lines.append("nobody executes: what runs on Xen waits for something")
    if told.host:
        lines.append(told.host)
    if told.dom0:
        lines.append(told.dom0)
    lines += [f"our server has not finished: {one}" for one in told.requests]
    return tuple(lines)


def cpu_list(cpus: Sequence[int]) -> str:
    """[0, 1, 2, 5] as "0-2,5"."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _says(one: CpuDiagnosis) -> str:
    if one.activity == "not started":
        parked = f", parked by the {one.context}" if one.context == "firmware" else ""
        return f"not started{parked}"
    words = [_VERB[one.activity], one.where or "an unknown place"]
    if one.context and one.context != "Xen":
        words.append(f"({one.context})")
    if one.callers and one.activity not in {"asleep", "moves"}:
        shown = " <- ".join(spot.function for spot in one.callers[:_CALLERS])
        words.append(f"(called by {shown})")
    text = " ".join(words)
    if one.activity in {"spins", "loops"} and one.spots:
        text += f": {one.samples_there} of {len(one.spots)} samples"
    # Who is asleep may be woken all the same: on ARM by an interrupt that is masked, too.
    if one.interrupts is False and one.activity != "asleep":
        text += ", interrupts off"
    if one.waits_for:
        text += f"; waits for {one.waits_for}"
    if one.answers:
        text += f" (still to answer: CPU{cpu_list(one.answers)})"
    if one.activity == "starved":
        text += ": the host did not run it"
    return text


def text(told: Forensics) -> str:
    """forensics.txt."""
    rows = ["What the machine does", ""]
    rows += [f"  {line}" for line in told.summary] or ["  nothing could be found out: see below"]
    rows += ["", "When", ""]
    if told.silent_since is not None:
        rows.append(f"  the console is silent since {told.silent_since:.1f} s after power-on")
    if told.looked_at is not None:
        first, last = told.looked_at
        rows.append(
            f"  {told.samples} samples from {first:.1f} to {last:.1f} s, in which the guest made "
            f"{'no' if told.progress == 'none' else told.progress} progress"
        )
    if told.instructions is not None:
        rows.append(f"  in between it executed {told.instructions} instructions")
    for one in told.cpus:
        rows += ["", one.says or f"CPU{one.cpu}", ""]
        share = (
            "" if one.host_share is None else f"; the host ran it {one.host_share:.0%} of the time"
        )
        rows.append(f"  samples: {', '.join(str(spot) for spot in one.spots)}{share}")
        for spot in one.callers:
            guess = "" if spot.sure else "  (a guess: the call goes through a register)"
            rows.append(f"  called from {spot.address:#018x} {spot.symbol}{guess}")
    rows += ["", "Beside this", ""]
    rows.append(f"  symbols: {told.symbols or 'none'}")
    for answer in told.answers:
        rows.append(f"  {answer.file}: {answer.lines} lines of Xen's answer to {answer.key}")
    rows += [f"  {name}" for name in told.files]
    if told.notes:
        rows += ["", "What could not be found out", ""]
        rows += [f"  {note}" for note in told.notes]
    safe = ("".join(c if c.isprintable() else "?" for c in row) for row in rows)
    return "\n".join(safe) + "\n"
