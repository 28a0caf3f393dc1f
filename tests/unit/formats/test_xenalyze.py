"""Summaries of xenalyze: whole ones of real machines, excerpts, rows that are rare."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.formats.xenalyze import IDLE_DOMAIN, Count, Figure, Summary, parse
from harness.formats.xenalyze.rows import figure

DATA = Path(__file__).resolve().parents[2] / "data" / "xenalyze"
FILES = sorted(DATA.glob("*.txt"))


def read(name: str) -> Summary:
    return parse((DATA / name).read_text())


def test_a_pv_dom0_of_the_tutorial() -> None:
    summary = read("tutorial-vmx-pv-excerpt.txt")
    assert (summary.seconds, summary.cpu_hz, summary.gaps) == (7.49, 2.4e9, 1)
    assert summary.notes[0] == "No output defined, using summary."
    assert len(summary.notes) == 20
    assert summary.unknown == ()
    assert [(v.pcpu, [(c.name, c.count) for c in v.bytes]) for v in summary.volumes] == [
        (0, [("gen", 8), ("sched", 282600), ("pv", 67844)]),
        (1, [("gen", 40), ("sched", 314136), ("pv", 132084), ("hw", 3816)]),
    ]
    (dom0,) = summary.domains
    assert [f.name for f in dom0.runstates] == [
        "blocked",
        "partial run",
        "full run",
        "partial contention",
        "concurrency_hazard",
        "full_contention",
    ]
    (vcpu,) = dom0.vcpus
    assert vcpu.runstates[0] == Figure(
        "running", 467, 0.09, None, 482969, (235239, 559149, 1667760)
    )
    assert [f.name for f in vcpu.runstates] == ["running", "runnable", "blocked"]
    assert [(f.name, f.count) for f in vcpu.runnable] == [("wake", 466)]
    assert vcpu.affinity is not None
    assert [(f.name, f.cycles) for f in vcpu.pcpus] == [("1", 17975278527)]
    assert vcpu.pv_events == (Count("emulate privop", 2718), Count("hypercall", 4161))
    assert vcpu.hypercalls[0] == Count("mmu_update", 21, 1)
    assert vcpu.hypercalls[-1] == Count("sysctl", 1, 35)
    assert sum(call.count for call in vcpu.hypercalls) == 4161
    assert vcpu.seconds("blocked") == 7.39
    assert vcpu.seconds("lost") == 0


def test_an_hvm_excerpt_of_the_tutorial() -> None:
    """Only pieces: whose they are is not said, and no figure of one goes to another."""
    summary = read("tutorial-vmx-hvm-excerpt.txt")
    assert summary.seconds is None
    assert summary.gaps == 4
    assert [(row.section, row.text) for row in summary.unknown] == [("pv", "    (null)")]
    (volume,) = summary.volumes
    assert volume.pcpu is None
    assert [c.count for c in volume.bytes] == [495516, 825860, 1190580]
    pv, hvm = (domain.vcpus[0] for domain in summary.domains)
    assert [domain.id for domain in summary.domains] == [None, None]
    assert pv.id is None
    assert not pv.exits
    assert hvm.id == 0
    assert not hvm.hypercalls
    assert [(e.total.name, e.total.count, e.total.percent) for e in hvm.exits] == [
        ("EXTERNAL_INTERRUPT", 4, 0.13),
        ("PENDING_INTERRUPT", 182, 0.02),
        ("CR_ACCESS", 458, 0.02),
        ("IO_INSTRUCTION", 40647, 73.4),
    ]
    interrupt, _, cr, io = hvm.exits
    assert interrupt.vectors[0] == Count("THERMAL_APIC", 2, 250)
    assert [part.name for part in cr.parts] == ["cr0"]
    assert [(part.name, part.count) for part in io.parts] == [("(no handler)", 22758)]


def test_an_hvm_guest() -> None:
    summary = read("xen-4.17.7-svm-hvm-guest.txt")
    assert summary.unknown == ()
    assert [domain.id for domain in summary.domains] == [0, 3, IDLE_DOMAIN]
    guest = summary.domain(3)
    assert guest is not None
    (vcpu,) = guest.vcpus
    exits = {one.total.name: one for one in vcpu.exits}
    assert exits["VMEXIT_IOIO"].total.seconds == 7.81
    assert [part.name for part in exits["VMEXIT_NPF"].parts] == ["mmio"]
    assert [(part.name, part.count) for part in exits["VMEXIT_VMMCALL"].parts] == [
        ("memory_op", 2),
        ("xen_version", 1),
        ("sched_op", 4),
        ("evtchn_op", 3),
        ("hvm_op", 2),
    ]
    assert {port.name for port in vcpu.ports} >= {"e9:[w]", "cf8:[w]"}
    assert summary.domain(7) is None
    assert [pcpu.id for pcpu in summary.pcpus] == [0, 1, 2, 3]
    assert all(pcpu.idle and pcpu.running and not pcpu.lost for pcpu in summary.pcpus)
    hvm = [c.name for c in summary.volumes[0].bytes if "/" in c.name]
    assert hvm == ["hvm/vmentry", "hvm/vmexit", "hvm/handler"]


def test_a_hypercall_that_xenalyze_has_no_name_for() -> None:
    calls = [
        call
        for domain in read("xen-4.17.7-svm-hvm-guest.txt").domains
        for vcpu in domain.vcpus
        for call in vcpu.hypercalls
    ]
    assert Count("dm_op", 78, 41) in calls
    assert not any("null" in call.name for call in calls)


def test_a_pvh_guest() -> None:
    guest = read("xen-4.17.7-svm-pvh-guest.txt").domain(2)
    assert guest is not None
    (vcpu,) = guest.vcpus
    counts = {one.total.name: one.total.count for one in vcpu.exits}
    assert counts["VMEXIT_RDTSC"] == 31791
    assert counts["VMEXIT_IOIO"] == 63591
    interrupt = next(one for one in vcpu.exits if one.total.name == "VMEXIT_INTR")
    assert interrupt.vectors == (Count("", 172, 0),)


def test_lost_records() -> None:
    """The buffers were full before anybody read them."""
    summary = read("xen-4.17.7-svm-lost-records.txt")
    lost = [pcpu.lost.seconds for pcpu in summary.pcpus if pcpu.lost is not None]
    assert lost == [11.39, 11.32, 11.47, 1.18]
    dom0 = summary.domain(0)
    assert dom0 is not None
    assert [vcpu.seconds("lost") for vcpu in dom0.vcpus] == [0, 0, 0.21, 0]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_no_row_is_dropped(file: Path) -> None:
    """Each number of a row is somewhere in the figures, or the row is among the unknown."""
    text = file.read_text()
    summary = parse(text)
    said = repr(summary)
    start = text.index("PV events") if "Total time" not in text else text.index("Total time")
    for line in text[start:].splitlines():
        words = line.replace("|", " ").replace("{", " ").replace("}", " ").split()
        for word in words:
            if word.isdigit() and len(word) > 3:
                assert word in said, line


# Rows that the machines at hand do not print (tools/xentrace/xenalyze.c).
RARE = """\
Total time: 0.50 seconds (using cpu speed 24.00 MHz)
--- Log volume summary ---
 - cpu 7 -
 sched :         10
 +-verbose:          4
|-- Domain 5 --|
 Runstates:
  full run:       3  0.01s 2610699
      lost:       1  0.01s 5069750 {6881848|7881392|8165366}
 Grant table ops:
  Done by:
   grant-map     : 3
   pod-superpage-splinter: 1
  Done for:
   set-p2m       : 7
 Populate-on-demand:
  Populated:
   [0] 12
   [1] 2
  Reclaim order:
   [0] 5
  Reclaim contexts:
   * [fault] 5
    [0] 5
-- v2 --
 Runstates:
     other:       1  0.00s   9474 {  9474|  9474|  9474}
PV events:
  trap  4
    [14] 4
  hypercall  2
    sched_op                     [29]:      2
  hypercall  2
    sched_op                     [29]:      2
Exit reasons:
 EXCEPTION_NMI               1  0.00s   nan%     0 cyc {    0|    0|    0}
   page_fault
     propagate                  3  0.00s  0.01%   100 cyc {    1|    2|    3}
      *emulate-lvl   2  0.00s  0.01%   100 cyc {    1|    2|    3}
                   77       2  0.00s  0.01%    10 cyc
  Other:         : 6
Guest interrupt counts:
  [ 48] 20
   * wake to halt alone:       5  0.00s 100 {     1|     2|     3}
  [256+] 1
IPI latency
       9  0.00s  0.00%    55 cyc {    1|    2|    3}
    [253]          4
MMIO address summary:
fee00000@ffff5000:[r]        3  0.00s  0.00%    10 cyc {    1|    2|    3}
Emulate eip list
   ffffffff8100(schedule +1f)                       :        3 60.00%
|-- Default domain --|
 Grant table ops:
pcpu 7
 running:       1  0.00s     10
    lost:       2  0.25s     10
Total active cpus: 1
what is this
"""


def test_rare_rows() -> None:
    summary = parse(RARE)
    assert summary.cpu_hz == 24e6
    assert [c.name for c in summary.volumes[0].bytes] == ["sched", "sched/verbose"]
    domain, default = summary.domains
    assert default.id == 32768
    assert domain.runstates[0].spread is None
    assert domain.runstates[1].name == "lost"
    assert domain.grants_by == (Count("grant-map", 3), Count("pod-superpage-splinter", 1))
    assert domain.grants_for == (Count("set-p2m", 7),)
    assert domain.populated == (Count("", 12, 0), Count("", 2, 1))
    assert domain.reclaimed == (Count("", 5, 0),)
    assert domain.reclaim_contexts == (Count("fault", 5), Count("", 5, 0))
    (vcpu,) = domain.vcpus
    assert vcpu.traps == (Count("", 4, 14),)
    assert vcpu.hypercalls == (Count("sched_op", 2, 29),)
    assert [f.name for f in vcpu.runnable] == ["other"]
    nmi, unnamed = vcpu.exits
    assert nmi.total.percent is None
    assert [part.name for part in nmi.parts] == ["propagate", "*emulate-lvl"]
    assert unnamed.total.name == "77"
    assert unnamed.vectors == (Count("Other", 6),)
    first, more = vcpu.interrupts
    assert (first.vector, first.count, first.cases[0].name) == (48, 20, "wake to halt alone")
    assert (more.vector, more.count) == (256, 1)
    assert vcpu.ipi is not None
    assert vcpu.ipi.count == 9
    assert vcpu.ipi_vectors == (Count("", 4, 253),)
    assert vcpu.mmio[0].name == "fee00000@ffff5000:[r]"
    (pcpu,) = summary.pcpus
    assert pcpu.idle is None
    assert pcpu.lost is not None
    assert pcpu.lost.count == 2
    # Addresses without samples have no cycles: kept as they are.
    assert [(row.section, row.text.split()[0]) for row in summary.unknown] == [
        ("emulated", "ffffffff8100(schedule"),
        ("pcpu", "what"),
    ]
    assert summary.unknown[-1].line == len(RARE.splitlines())


def test_what_is_no_summary() -> None:
    summary = parse("Using VMX hardware-assisted virtualization.\nopen: No such file\n")
    assert summary == Summary(
        notes=("Using VMX hardware-assisted virtualization.", "open: No such file")
    )
    assert parse("") == Summary()


def test_a_trace_without_time() -> None:
    summary = parse("Total time: -nan seconds (using cpu speed 2.40 GHz)\n")
    assert summary.seconds is None
    assert summary.cpu_hz == 2.4e9


def test_a_row_that_is_too_long_is_kept() -> None:
    row = "   running:" + " 1" * 100_000
    summary = parse(f"|-- Domain 1 --|\n Runstates:\n{row}\n")
    assert [kept.text for kept in summary.unknown] == [row]


NAMES = st.text("abcdefgh_ ()%:", min_size=1).filter(lambda s: s.strip(" :") == s)
CYCLES = st.integers(0, 10**15)


@given(NAMES, st.integers(0, 2**31 - 1), st.floats(0, 1e6), CYCLES, st.tuples(*[CYCLES] * 3))
def test_a_row_that_is_printed_is_read(
    name: str, count: int, seconds: float, cycles: int, spread: tuple[int, int, int]
) -> None:
    low, mid, high = spread
    tail = f"{{{low:6d}|{mid:6d}|{high:6d}}}"
    wanted = Figure(name, count, float(f"{seconds:.2f}"), None, cycles, spread)
    assert figure(f"  {name:>8}: {count:7d} {seconds:5.2f}s {cycles:6d} {tail}") == wanted


@given(st.lists(st.sampled_from([*RARE.splitlines(), "...", "", "pcpu 1", " - cpu 0 -"])))
def test_rows_in_any_order(lines: list[str]) -> None:
    """Reading goes on, and what is not known is one of the rows."""
    assert {row.text for row in parse("\n".join(lines)).unknown} <= set(lines)


@given(st.sampled_from(FILES), st.randoms(use_true_random=False), st.text(max_size=20))
def test_damaged_text(file: Path, chance: random.Random, junk: str) -> None:
    text = file.read_text()
    for _ in range(5):
        at = chance.randrange(len(text))
        text = text[:at] + junk + text[at + chance.randrange(40) :]
    parse(text)


@given(st.text())
def test_any_text(text: str) -> None:
    parse(text)
