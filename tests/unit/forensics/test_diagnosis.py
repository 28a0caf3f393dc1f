"""From samples to what each CPU does: made-up CPUs, and recorded hangs of Xen 4.17."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.forensics.diagnosis import Names, diagnose, progress, waits_on
from harness.forensics.model import CpuDiagnosis, Forensics, Spot
from harness.forensics.samples import Sample
from harness.forensics.spots import SPOTS, known
from harness.forensics.telling import cpu_list, summary, text, with_sentences
from harness.formats.registers import CpuRegisters, parse_registers
from harness.symbols import Code, Symbol, SymbolTable, read_symbols

DATA = Path(__file__).resolve().parents[2] / "data/forensics"
TABLE = SymbolTable(
    [Symbol(0x1000, "idle_loop"), Symbol(0x1100, "busy"), Symbol(0x1200, "_spin_lock")],
    [(0x1000, 0x2000)],
)
NAMES = Names(xen=TABLE)


def recorded(name: str) -> tuple[list[Sample], Names]:
    """A hang that was recorded: its samples, and as much of symbols and code as they need."""
    kept: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    samples = [
        Sample(
            one["at"],
            parse_registers(one["registers"]),
            {int(cpu): bytes.fromhex(data) for cpu, data in one["stacks"].items()},
            {int(cpu): (at, bytes.fromhex(data)) for cpu, (at, data) in one["around"].items()},
            {int(cpu): (ran, waited) for cpu, (ran, waited) in one["times"].items()},
        )
        for one in kept["samples"]
    ]
    code = Code([(int(at, 16), bytes.fromhex(data)) for at, data in kept["code"].items()])
    return samples, Names(read_symbols("\n".join(kept["symbols"]).encode()), code=code)


def told(name: str) -> Forensics:
    samples, names = recorded(name)
    cpus = with_sentences(diagnose(samples, names))
    found = Forensics(cpus=cpus, progress=progress(cpus), samples=len(samples))
    return replace(found, summary=summary(found))


def cpu(pc: int, number: int = 0, **fields: Any) -> CpuRegisters:
    given: dict[str, Any] = {"level": 0, "halted": False, "interrupts": True} | fields
    return CpuRegisters(number, "x86", 64, pc, 0x8000, **given)


def samples_of(*pcs: int, ran: float = 0.9, waited: float = 0.0, **fields: Any) -> list[Sample]:
    return [
        Sample(float(at), (cpu(pc, **fields),), times={0: (at * ran, at * waited)})
        for at, pc in enumerate(pcs)
    ]


def only(samples: list[Sample], names: Names = NAMES) -> CpuDiagnosis:
    [one] = diagnose(samples, names)
    return one


def test_a_loop_that_stays_in_a_function_spins() -> None:
    one = only(samples_of(0x1210, 0x1214, 0x1210, 0x1218))
    assert (one.activity, one.where, one.samples_there) == ("spins", "_spin_lock", 4)
    assert one.waits_for == "a spin lock that somebody else holds"
    assert progress([one]) == "none"


def test_one_place_in_all_samples_spins_if_the_host_runs_it() -> None:
    assert only(samples_of(0x1210, 0x1210, 0x1210)).activity == "spins"
    starved = only(samples_of(0x1210, 0x1210, 0x1210, ran=0.001, waited=0.9))
    assert starved.activity == "starved"
    assert progress([starved]) == "unknown"


def test_different_functions_move() -> None:
    one = only(samples_of(0x1010, 0x1110, 0x1210, interrupts=False))
    assert one.activity == "moves"
    assert progress([one]) == "some"
    lines = summary(Forensics(cpus=(one,), progress="some"))
    assert lines[0] == "this looks slow, not hung: the guest still moves"


def test_one_sample_is_no_evidence() -> None:
    one = only(samples_of(0x1210))
    assert one.activity == "unknown"
    assert progress([one]) == "unknown"
    assert Forensics(cpus=(one,)).signature == ""


def test_who_sleeps_is_asleep_and_with_interrupts_off_stopped() -> None:
    one = only(samples_of(0x1010, 0x1010, 0x1010, halted=True))
    assert (one.activity, one.where) == ("asleep", "idle_loop")
    assert one.waits_for.startswith("an interrupt")
    one = only(samples_of(0x1010, 0x1010, 0x1010, halted=True, interrupts=False))
    assert (one.activity, one.waits_for) == ("stopped", "")


def test_who_spins_in_the_idle_loop_with_interrupts_off_is_not_asleep() -> None:
    one = only(samples_of(0x1010, 0x1014, 0x1010, interrupts=False))
    assert (one.activity, one.waits_for) == ("spins", "")


def test_parked_cpus_of_x86_and_arm() -> None:
    bios = CpuRegisters(1, "x86", 32, 0xFD09A, 0x6C5C, 0, "CPL0", True, False, {"EIP": 0xFD09A})
    [one] = diagnose([Sample(float(at), (bios,)) for at in range(5)], NAMES)
    assert (one.activity, one.context) == ("not started", "firmware")
    off = CpuRegisters(3, "aarch64", 64, 0, 0, 2, "EL2h", values={"PC": 0, "X00": 0, "PSTATE": 1})
    [one] = diagnose([Sample(float(at), (off,)) for at in range(5)], NAMES)
    assert one.activity == "not started"


def test_wfi_of_arm_is_sleep() -> None:
    idle = CpuRegisters(0, "aarch64", 64, 0x1010, 0x8000, 2, "EL2h", interrupts=False)
    wfi = (0x1000, b"\0" * 12 + bytes.fromhex("7f2003d5") + b"\0" * 16)
    [one] = diagnose([Sample(float(at), (idle,), around={0: wfi}) for at in range(5)], NAMES)
    assert (one.activity, one.where) == ("asleep", "idle_loop")


def test_a_cpu_that_xen_has_halted_is_stopped() -> None:
    table = SymbolTable([Symbol(0x1000, "halt_this_cpu"), Symbol(0x1100, "idle_loop")])
    halted = CpuRegisters(
        1, "aarch64", 64, 0x1010, 0x8000, 2, "EL2h", interrupts=False, values={"X00": 1}
    )
    wfi = (0x1000, b"\0" * 12 + bytes.fromhex("7f2003d5") + b"\0" * 16)
    looks = [Sample(float(at), (halted,), around={1: wfi}) for at in range(5)]
    [one] = diagnose(looks, Names(table))
    assert (one.activity, one.where) == ("stopped", "halt_this_cpu")
    assert one.waits_for == "nothing: Xen has halted this CPU"


def test_symbols_of_xen_are_not_for_the_addresses_of_its_guests() -> None:
    guest = CpuRegisters(0, "aarch64", 64, 0x1110, 0x8000, 1, "EL1h", interrupts=True)
    [one] = diagnose([Sample(float(at), (guest,)) for at in range(5)], NAMES)
    assert (one.context, one.where) == ("guest kernel", "0x1110")


def test_without_symbols_there_are_addresses() -> None:
    one = only(samples_of(0xFFFF82D0403D5D6C, 0xFFFF82D0403D5D7B, 0xFFFF82D0403D5D55), Names())
    assert (one.activity, one.where, one.context) == ("spins", "0xffff82d0403d5d55", "Xen")
    assert Forensics(cpus=(one,)).signature == "CPU0 in Xen"


def test_without_symbols_a_loop_with_a_call_is_one() -> None:
    seen = (0x220574, 0x200690, 0x220574, 0x2006D4, 0x220574, 0x200690)
    found = diagnose(samples_of(*seen), Names())
    assert (found[0].activity, found[0].where) == ("loops", "0x200690")
    assert progress(found) == "none"
    wide = (0x220574, 0x200690, 0x230574, 0x2406D4, 0x220574, 0x200690)
    assert diagnose(samples_of(*wide), Names())[0].activity == "moves"


def test_the_table_of_spots_is_whole() -> None:
    for name, spot in SPOTS.items():
        assert spot.says or spot.kind == "helper", name
        assert not spot.says.endswith("."), name
    found = known("queue_invalidate_wait.constprop.0")
    assert found is not None
    assert "VT-d" in found.says
    assert known("no_such_function") is None


def test_the_zero_length_block_is_named_with_its_callers() -> None:
    found = told("ivhd-length-zero")
    assert found.progress == "none"
    first = found.cpus[0]
    assert (first.where, first.activity) == ("get_supported_ivhd_type", "spins")
    assert [spot.function for spot in first.callers] == [
        "acpi_table_parse",
        "acpi_ivrs_init",
        "acpi_iommu_init",
        "__start_xen",
        "__high_start",
    ]
    assert found.summary[0].startswith(
        "CPU0 spins in get_supported_ivhd_type (called by acpi_table_parse <- acpi_ivrs_init <- "
    )
    assert found.summary[1] == "CPU1-3 not started, parked by the firmware"


def test_the_iommu_that_does_not_answer() -> None:
    found = told("iommu-twice")
    first = found.cpus[0]
    assert (first.where, first.activity) == ("flush_command_buffer", "spins")
    assert "completion wait" in first.waits_for
    assert first.callers[0].function == "amd_iommu_ioapic_update_ire"


def test_frozen_cpus_leave_cpu0_waiting_for_them() -> None:
    found = told("frozen-cpus")
    first, *others = found.cpus
    assert first.where == "on_selected_cpus"
    assert waits_on(first) == {"call_data": 24}
    assert [spot.function for spot in first.callers[:2]] == ["set_mtrr", "mtrr_aps_sync_end"]
    assert all(one.interrupts is False and one.activity != "asleep" for one in others)


def test_who_sleeps_through_an_interrupt_is_named() -> None:
    sent = CpuDiagnosis(0, "spins", "on_selected_cpus", "Xen", answers=(1, 2, 3))
    asleep = [CpuDiagnosis(n, "asleep", "idle_loop", "Xen", interrupts=False) for n in (1, 3)]
    busy = CpuDiagnosis(2, "spins", "busy", "Xen", interrupts=False)
    lines = summary(Forensics(cpus=(sent, asleep[0], busy, asleep[1]), progress="none"))
    assert any(line.startswith("CPU0 waits for CPU1,3, which the interrupt") for line in lines)
    # That interrupts are masked says nothing of who sleeps: they wake an ARM CPU all the same.
    assert "CPU1,3 asleep in idle_loop" in lines
    assert "CPU2 spins in busy, interrupts off" in lines
    assert not any("has not woken" in line for line in summary(Forensics(cpus=(sent, busy))))


def test_an_interrupt_that_is_lost_on_aarch64() -> None:
    found = told("lost-interrupt")
    first, *others = found.cpus
    assert (first.activity, first.where, first.context) == ("loops", "on_selected_cpus", "Xen")
    assert waits_on(first) == {"call_data": 24}
    assert [spot.function for spot in first.callers[:2]] == ["smp_call_function", "start_xen"]
    assert {(one.activity, one.where) for one in others} == {("asleep", "idle_loop")}
    assert found.progress == "none"


def test_samples_that_all_fall_into_a_helper_have_the_signature_of_its_caller() -> None:
    samples, names = recorded("lost-interrupt")
    assert names.xen is not None
    inside = []
    for one in samples:
        place = names.xen.code_at(one.registers[0].pc)
        if place is not None and place.name == "__bitmap_empty":
            inside.append(one)
    assert len(inside) >= 1
    again = [replace(inside[0], at=float(at)) for at in range(6)]
    (first, *_) = diagnose(again, names)
    assert first.where == "on_selected_cpus"
    assert first.callers[0].function == "smp_call_function"


def test_three_hangs_have_three_signatures() -> None:
    names = ("ivhd-length-zero", "iommu-twice", "frozen-cpus")
    assert [told(name).signature for name in names] == [
        "CPU0 in get_supported_ivhd_type",
        "CPU0 in flush_command_buffer",
        "CPU0 in on_selected_cpus",
    ]


@pytest.mark.parametrize(
    "name", ["ivhd-length-zero", "iommu-twice", "frozen-cpus", "lost-interrupt"]
)
def test_the_order_and_choice_of_samples_do_not_matter(name: str) -> None:
    samples, names = recorded(name)
    where = diagnose(samples, names)[0].where
    for first in range(len(samples) - 2):
        assert diagnose(samples[first : first + 3], names)[0].where == where
    assert diagnose(samples[::-1], names)[0].where == where


def test_numbers_of_cpus() -> None:
    assert cpu_list([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


def test_the_text_says_what_is_missing_and_is_fit_to_be_printed() -> None:
    found = Forensics(notes=["no symbols: \x1b[31mnot there"])
    said = text(found)
    assert "nothing could be found out" in said
    assert "\x1b" not in said


_PLACES = st.integers(0, 2**64 - 1) | st.integers(0x0FF0, 0x1300)


@given(
    st.lists(st.tuples(_PLACES, st.booleans(), st.booleans(), st.binary(max_size=64)), max_size=6),
    st.binary(max_size=64),
)
def test_any_samples_have_a_diagnosis(
    looks: list[tuple[int, bool, bool, bytes]], code: bytes
) -> None:
    samples = [
        Sample(float(at), (cpu(pc, halted=halted, interrupts=on),), {0: stack})
        for at, (pc, halted, on, stack) in enumerate(looks)
    ]
    cpus = with_sentences(diagnose(samples, Names(TABLE, code=Code([(0x1000, code)]))))
    assert len(cpus) == bool(samples)
    found = Forensics(cpus=cpus, progress=progress(cpus))
    assert json.dumps(found.to_json())
    assert text(replace(found, summary=summary(found)))


def test_a_spot_without_symbol_is_an_address() -> None:
    assert (str(Spot(0x1000)), Spot(0x1000, "f+0x1").function) == ("0x1000", "f")
