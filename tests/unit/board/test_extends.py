"""Variants: what they change, and errors in the file and line that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.board import load
from harness.errors import ProfileError
from tests.unit.board.profiles import CHILD, PLAIN, Writer, edited, error, line_of


def test_a_variant_says_only_what_differs(write: Writer) -> None:
    write(PLAIN)
    board = load(
        str(
            write(
                CHILD
                + "targets:\n  qemu:\n    smp: 2\n"
                + "deadlines: {stages: {smp: 7}}\n"
                + "expectations:\n  - {id: says, must: salut}\n  - {id: new, must: x, why: w}\n",
                "child",
            )
        )
    )
    machine = board.targets.qemu
    assert machine is not None
    assert (machine.smp, machine.machine) == (2, "q35")
    assert board.deadlines.stages == {"xen": 5.0, "smp": 7.0}
    assert [(e.id, e.must, e.why) for e in board.expectations] == [
        ("says", "salut", "w"),
        ("shuts-up", None, "w"),
        ("new", "x", "w"),
    ]


def test_items_are_removed_by_id_and_other_lists_replaced(write: Writer) -> None:
    write(edited("    smp: 4", "    smp: 4\n    devices: [a, b, c]"))
    change = "targets: {qemu: {devices: [d], quirks: [{id: two, remove: true}]}}\n"
    machine = load(str(write(CHILD + change, "child"))).targets.qemu
    assert machine is not None
    assert machine.devices == ("d",)
    assert [q.id for q in machine.quirks] == ["one", "three"]


def test_an_empty_list_empties(write: Writer) -> None:
    write(PLAIN)
    machine = load(str(write(CHILD + "targets: {qemu: {quirks: []}}\n", "child"))).targets.qemu
    assert machine is not None
    assert machine.quirks == ()


def test_what_is_not_there_cannot_be_removed(write: Writer) -> None:
    write(PLAIN)
    change = "targets:\n  qemu:\n    quirks:\n      - {id: thre, remove: true}\n"
    bad = error(write(CHILD + change, "child"))
    assert bad.message == "there is no 'thre' to remove; did you mean 'three'?"
    assert str(bad.where).endswith("child.yaml:6")


@pytest.mark.parametrize(
    ("parent", "child", "file", "line", "key"),
    [
        # In the child, in what it adds and in what it changes.
        (PLAIN, "titel: x\n", "child", 3, "titel"),
        (PLAIN, "boot:\n  goal: logn\n", "child", 4, "boot.goal"),
        (PLAIN, "boot:\n  goal: 3\n", "child", 4, "boot.goal"),
        (
            PLAIN,
            "expectations:\n  - {id: a, must: x, why: w}\n  - id: b\n    must: '('\n    why: w\n",
            "child",
            6,
            "expectations.3.must",
        ),
        (
            PLAIN,
            "expectations:\n  - id: shuts-up\n    must_not: 1\n",
            "child",
            5,
            "expectations.1.must_not",
        ),
        # In the parent's part of a list, behind an item that the child took out.
        (
            edited("{id: three, cpu: c=off", "{id: three, cpuu: c=off"),
            "targets: {qemu: {quirks: [{id: one, remove: true}]}}\n",
            "plain",
            line_of("id: three"),
            "targets.qemu.quirks.1.cpuu",
        ),
        # In the child's part of such a list.
        (
            PLAIN,
            "targets:\n  qemu:\n    quirks:\n      - {id: one, remove: true}\n"
            "      - {id: three, cpuu: x}\n",
            "child",
            7,
            "targets.qemu.quirks.1.cpuu",
        ),
        (
            PLAIN,
            "targets:\n  qemu:\n    quirks:\n      - {id: one, remove: true}\n"
            "      - {id: four, cpuu: x}\n",
            "child",
            7,
            "targets.qemu.quirks.2.cpuu",
        ),
        # In the parent, in a mapping that the child changes too.
        (
            edited("    smp: 4", "    smp: x"),
            "targets: {qemu: {cpu: y}}\n",
            "plain",
            22,
            "targets.qemu.smp",
        ),
        # A key that both could have is missing where the child went.
        (
            edited("    cpu: EPYC\n", ""),
            "targets:\n  qemu:\n    smp: 2\n",
            "child",
            4,
            "targets.qemu.cpu",
        ),
        (edited("    cpu: EPYC\n", ""), "title: x\n", "plain", 18, "targets.qemu.cpu"),
        # A list that was replaced: its lines are the child's.
        (
            edited("    smp: 4", "    smp: 4\n    devices: [a, b, c]"),
            "targets:\n  qemu:\n    devices:\n      - a\n      - 3\n",
            "child",
            7,
            "targets.qemu.devices.1",
        ),
    ],
)
def test_errors_of_variants_name_the_file_and_line_that_is_wrong(
    parent: str, child: str, file: str, line: int, key: str, write: Writer
) -> None:
    folder = write(parent).parent
    bad = error(write(CHILD + child, "child"))
    assert bad.where == f"{folder / file}.yaml:{line}"
    assert bad.message.startswith(f"{key}: ")


def test_a_variant_has_a_name_of_its_own(write: Writer) -> None:
    write(PLAIN)
    path = write("extends: plain\n", "child")
    bad = error(path)
    assert bad.where == f"{path}:1"
    assert bad.expected == "name: child"


def test_a_grandchild(write: Writer) -> None:
    write(PLAIN)
    write(CHILD + "title: of the child\nboot: {goal: smp}\n", "child")
    text = "extends: child\nname: grandchild\nboot: {goal: kernel}\n"
    board = load(str(write(text, "grandchild")))
    assert (board.title, board.boot.goal, board.boot.method) == (
        "of the child",
        "kernel",
        "multiboot",
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("plane", "extends 'plane', and there is no such board; did you mean 'plain'?"),
        ("child", "extends 'child', and there is no such board"),
        ("[plain]", "takes the name of one board"),
        ("", "takes the name of one board"),
        ("3", "takes the name of one board"),
    ],
)
def test_a_parent_that_is_none(value: str, said: str, write: Writer) -> None:
    write(PLAIN)
    path = write(f"name: child\nextends: {value}\n", "child")
    bad = error(path)
    assert said in bad.message
    assert bad.where == f"{path}:2"


def test_a_loop_of_profiles(write: Writer, tmp_path: Path) -> None:
    write("extends: b\nname: a\n", "a")
    write("name: b\nextends: c\n", "b")
    write("name: c\n\nextends: a\n", "c")
    bad = error(tmp_path / "a.yaml")
    assert bad.message == "a profile extends itself"
    assert bad.expected == "no loop: a.yaml -> b.yaml -> c.yaml -> a.yaml"
    assert str(bad.where).endswith("c.yaml:3")


def test_a_profile_that_extends_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "apu2.yaml").write_text("extends: apu2\nname: apu2\n")
    with pytest.raises(ProfileError, match="extends itself"):
        load("apu2", [tmp_path])
