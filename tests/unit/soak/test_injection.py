"""Failures made on purpose: recipes, who can have them, and whether they did what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.acpi.builder import coreboot_ivrs
from harness.board import Board, load
from harness.errors import InputError, ProfileError, UsageError
from harness.formats.acpi import ivrs
from harness.request import BootRequest
from harness.soak.injection import Recipe, chosen, injected, recipes, recipes_of, unexpected
from harness.soak.outcome import Outcome
from harness.soak.plan import Boot

APU2 = BootRequest(board=load("apu2"), method="multiboot")


@pytest.mark.parametrize("name", recipes())
def test_the_apu2_can_have_every_recipe(name: str, tmp_path: Path) -> None:
    recipe = chosen([name], APU2, tmp_path)[name]
    made = injected(APU2, recipe, tmp_path)
    assert made != APU2
    assert (made.target, made.how, made.goal) == (APU2.target, APU2.how, APU2.goal)


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_survives_json(name: str) -> None:
    assert Recipe.from_json(recipes()[name].to_json()) == recipes()[name]


def test_what_recipes_change(tmp_path: Path) -> None:
    def of(name: str) -> BootRequest:
        return injected(APU2, recipes()[name], tmp_path)

    machine = of("monitor-left-on").board.targets.qemu
    assert machine is not None
    assert "monitor" not in [one.id for one in machine.quirks]
    assert "smap" in [one.id for one in machine.quirks]
    machine = of("no-iommu").board.targets.qemu
    assert machine is not None
    assert not [one for one in machine.devices if one.startswith("amd-iommu")]
    assert of("no-iommu").xen_cmdline.endswith("iommu=required")
    machine = of("low-memory").board.targets.qemu
    assert machine is not None
    assert machine.memory_mib == 64
    assert of("no-init").kernel_cmdline.endswith("rdinit=/nothing")
    tables = of("ivhd-length-zero").tables
    assert tables is not None
    (table,) = tables.tables.all("IVRS")
    assert table.data[50:52] == bytes(2)


def test_edits_of_the_user_stay(tmp_path: Path) -> None:
    recipe = recipes()["one-cpu"]
    for edits, begins in (("+sync_console", "dom0_mem"), ("=console=com1", "console=com1")):
        made = injected(replace(APU2, xen_edits=edits), recipe, tmp_path)
        words = made.xen_cmdline.split()
        assert words[0].startswith(begins)
        assert "maxcpus=1" in words
        assert "sync_console" in words or edits.startswith("=")


def test_an_ivrs_of_the_user_is_the_one_that_is_damaged(tmp_path: Path) -> None:
    own = tmp_path / "IVRS.bin"
    own.write_bytes(coreboot_ivrs(base=0xFEB00000, functions=(0x100, 0x200, 0x300)))
    made = injected(replace(APU2, ivrs=own), recipes()["iommu-twice"], tmp_path)
    assert made.ivrs is not None
    table = ivrs.parse(made.ivrs.read_bytes())
    # Functions behind bridges are in that of the user only.
    assert len(table.blocks) == 2
    assert len(made.ivrs.read_bytes()) > 2 * len(own.read_bytes()) - 100


def test_who_cannot_have_a_recipe_is_told_what_can_be_had(tmp_path: Path) -> None:
    arm = BootRequest(board=load("cubieboard2"))
    with pytest.raises(UsageError, match="--inject no-iommu: it is for x86_64") as caught:
        chosen(["no-iommu"], arm, tmp_path)
    assert caught.value.expected == "of this boot of cubieboard2: one-cpu, no-init"
    with pytest.raises(UsageError, match="needs the quirk monitor"):
        chosen(["monitor-left-on"], replace(APU2, board=_without_quirks()), tmp_path)
    with pytest.raises(UsageError, match="there is no such recipe") as caught:
        chosen(["good", "no-iommu"], APU2, tmp_path)
    assert set(recipes()) == set(str(caught.value.expected).split(": ")[1].split(", "))
    real = BootRequest(board=load("apu2"), target="serial:/dev/null")
    with pytest.raises(UsageError, match="needs an emulated machine"):
        chosen(["low-memory"], real, tmp_path)


def _without_quirks() -> Board:
    board = load("apu2")
    assert board.targets.qemu is not None
    machine = board.targets.qemu.model_copy(update={"quirks": ()})
    return board.model_copy(update={"targets": board.targets.model_copy(update={"qemu": machine})})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: {}", "title"),
        ("a: {title: x, verdict: PASS, says: y}", "verdict"),
        ("a: {title: x, verdict: HUNG, says: '('}", "says"),
        ("a: {title: x, verdict: HUNG, says: y, machine: {colour: red}}", "machine"),
        ("a: {title: x, verdict: HUNG, says: y, board: apu2}", "board"),
        ("a: 7", "a"),
    ],
)
def test_a_damaged_recipe_is_an_error_with_its_place(tmp_path: Path, text: str, error: str) -> None:
    file = tmp_path / "injection.yaml"
    file.write_text(text + "\n")
    with pytest.raises(ProfileError, match=error) as caught:
        recipes_of(file)
    assert str(file) in str(caught.value)


def test_what_is_no_recipe() -> None:
    with pytest.raises(InputError):
        Recipe.from_json({"id": "x"})


def outcome(number: int, recipe: str | None, verdict: str, cause: str) -> Outcome:
    result = {"verdict": verdict, "cause": cause, "last_line": "x", "stage": "smp"}
    return Outcome.of(Boot(number, 1, recipe), result)


def test_every_outcome_is_the_injected_one() -> None:
    good = [
        outcome(1, None, "PASS", ""),
        outcome(2, "no-iommu", "CRASHED", "Couldn't enable IOMMU and iommu=required/force"),
        outcome(3, "iommu-twice", "HUNG", "completion wait taking too long"),
        outcome(4, "iommu-twice", "INFRA", "no disk"),
        outcome(5, None, "DIED", "killed"),
    ]
    assert unexpected(good, recipes()) == []
    bad = [
        outcome(6, None, "HUNG", ""),
        outcome(7, "no-iommu", "PASS", ""),
        outcome(8, "iommu-twice", "HUNG", "something else"),
        outcome(9, "gone", "HUNG", ""),
    ]
    said = unexpected([*good, *bad], recipes())
    assert [row.partition(":")[0] for row in said] == ["boot 6", "boot 7", "boot 8", "boot 9"]
    assert "nothing was injected" in said[0]
    assert "not CRASHED (no-iommu)" in said[1]
