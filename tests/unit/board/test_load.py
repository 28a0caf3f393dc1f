from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import data
from harness.board import available, load, search_path
from harness.errors import ProfileError

SHIPPED = sorted(file.stem for file in data.folder("boards").glob("*.yaml"))

# The least that is a board. Line numbers of the tests below refer to it.
PLAIN = """\
schema: 1
name: plain
title: A plain board
arch: x86_64
identity: {vendor: v, model: m, soc: s, firmware: f}
console: {port: com1}
boot:
  method: multiboot
  goal: login
xen: {cmdline: console=com1}
dom0: {cmdline: console=hvc0, hostname: plain}
binaries:
  xen:
    package: xen-system-amd64
    file: boot/xen-*
    suite: bookworm
targets:
  qemu:
    emulator: qemu-system-x86_64
    machine: q35
    cpu: EPYC
    smp: 4
    memory_mib: 1024
    quirks:
      - {id: one, cpu: a=off, reason: r, seen_in: s, mended_in: m}
      - {id: two, cpu: b=off, reason: r, seen_in: s, mended_in: m}
      - {id: three, cpu: c=off, reason: r, seen_in: s, mended_in: m}
deadlines:
  boot: 100
  stages: {xen: 5}
expectations:
  - {id: says, must: hello, why: w}
  - id: shuts-up
    must_not: bye
    why: w
"""

# What a board has that boots from the network.
MORE = (
    PLAIN
    + """\
hardware:
  ioapics:
    - {id: 4, address: 0xfec00000}
    - {id: 5, address: 0xfec20000}
  pci:
    - "00:00.0"
    - "00:08.0"
"""
).replace(
    "  goal: login\n",
    """\
  goal: login
  pxe:
    network: 192.168.42.0/24
    server: 192.168.42.1
    entry: xen
    entries:
      - {id: shell, label: A shell, kind: shell}
      - {id: xen, label: Xen, kind: xen}
""",
)

Writer = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Writes a profile; the tests lie in a folder of their own."""

    def writer(text: str | bytes, name: str = "plain") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return writer


def error(path: Path) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        load(str(path))
    assert caught.value.where is not None
    assert str(path.parent) in caught.value.where
    return caught.value


def edited(old: str, new: str, text: str = PLAIN) -> str:
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


def line_of(part: str, text: str = PLAIN) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_boards_load(name: str) -> None:
    board = load(name)
    assert board.name == name
    assert board.boot.goal in board.stages


def test_the_plain_board_loads(write: Writer) -> None:
    board = load(str(write(PLAIN)))
    assert board.targets.qemu is not None
    assert [q.id for q in board.targets.qemu.quirks] == ["one", "two", "three"]
    assert board.deadlines.stages == {"xen": 5.0}
    assert board.binaries["xen"].arch == "amd64"


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        # Unknown keys, at every depth, and in mappings with free keys.
        ("title: A plain board", "titel: x", "titel", "did you mean 'title'?"),
        ("  method:", "  metod:", "boot.metod", "did you mean 'method'?"),
        ("    machine:", "    machin:", "targets.qemu.machin", "did you mean 'machine'?"),
        ("    package:", "    packge:", "binaries.xen.packge", "did you mean 'package'?"),
        ("  xen:\n", "  zen:\n", "binaries.zen", "did you mean 'xen'?"),
        ("must: hello", "musst: hello", "expectations.0.musst", "did you mean 'must'?"),
        (
            "    must_not: bye",
            "    mustnt: bye",
            "expectations.1.mustnt",
            "did you mean 'must_not'?",
        ),
        ("console: {port", "console: {prot", "console.prot", "did you mean 'port'?"),
        ("  boot: 100", "  zzz: 100", "deadlines.zzz", "one of: boot, silence, stages"),
        # Wrong types.
        ("    smp: 4", "    smp: four", "targets.qemu.smp", "valid integer"),
        ("    smp: 4", "    smp: 4.5", "targets.qemu.smp", "valid integer"),
        ("    smp: 4", "    smp: true", "targets.qemu.smp", "valid integer"),
        ("    machine: q35", "    machine: 35", "targets.qemu.machine", "valid string"),
        ("    machine: q35", "    machine: [q35]", "targets.qemu.machine", "valid string"),
        ("    machine: q35", "    machine:", "targets.qemu.machine", "valid string"),
        ("xen: {cmdline: console=com1}", "xen: loglvl=all", "xen", "object"),
        # Impossible values.
        ("    smp: 4", "    smp: 0", "targets.qemu.smp", "greater than or equal to 1"),
        ("  boot: 100", "  boot: -1", "deadlines.boot", "greater than 0"),
        ("  boot: 100", "  boot: 1e9", "deadlines.boot", "less than or equal to 86400"),
        ("arch: x86_64", "arch: x86-64", "arch", "did you mean 'x86_64'?"),
        ("arch: x86_64", "arch: mips", "arch", "'x86_64', 'arm' or 'aarch64'"),
        ("  method: multiboot", "  method: multibot", "boot.method", "did you mean 'multiboot'?"),
        ("  goal: login", "  goal: logn", "boot.goal", "did you mean 'login'?"),
        ("  method: multiboot", "  method: pxe", "boot.method", "no pxe section"),
        ("  stages: {xen", "  stages: {zen", "deadlines.stages.zen", "did you mean 'xen'?"),
        ("    why: w", "    why: w\n    stage: kernl", "expectations.1.stage", "mean 'kernel'?"),
        ("schema: 1", "schema: 2", "schema", "2 is not possible here"),
        ("    must_not: bye", '    must_not: "("', "expectations.1.must_not", "regular expression"),
        ("    must_not: bye", '    must_not: ""', "expectations.1.must_not", "at least 1"),
        ("    why: w", '    why: "a\\nb"', "expectations.1.why", "line breaks"),
        # Missing keys.
        ("title: A plain board\n", "", "title", "is missing"),
        ("    cpu: EPYC\n", "", "targets.qemu.cpu", "is missing"),
        ("console: {port: com1}", "console: {}", "console.port", "is missing"),
        # What two keys say does not fit.
        ("    suite: bookworm\n", "", "binaries.xen.package", "needs a suite"),
        ("    must_not: bye\n", "", "expectations.1", "exactly one of"),
        # The name is that of the file.
        ("\nname: plain", "\nname: other", None, "name: plain"),
    ],
)
def test_an_error_names_key_line_and_nearest_name(
    old: str, new: str, key: str | None, said: str, write: Writer
) -> None:
    text = edited(old, new)
    path = write(text)
    bad = error(path)
    changed = new.strip().splitlines()
    if changed:
        line = line_of(changed[-1], text)
    else:  # what is gone has no line: that of the mapping it is missing in
        line = {
            "title": 1,
            "targets.qemu.cpu": line_of("  qemu:", text),
            "binaries.xen.package": line_of("package:", text),
            "expectations.1": line_of("id: shuts-up", text),
        }[str(key)]
    assert bad.where == f"{path}:{line}"
    if key is not None:
        assert bad.message.startswith(f"{key}: ")
    assert said in str(bad)
    assert bad.exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("    entry: xen", "    entry: xne", "boot.pxe.entry", "did you mean 'xen'?"),
        ("    network: 192.168.42.0/24", "    network: nowhere", "boot.pxe.network", "nowhere"),
        ("    server: 192.168.42.1", "    server: 10.0.0.1", "boot.pxe.server", "outside network"),
        (
            "    - {id: 5, address: 0xfec20000}",
            "    - {id: 4, address: 0xfec20000}",
            "hardware.ioapics.1",
            "two IOAPICs have the same id",
        ),
        ('    - "00:08.0"', '    - "00:8.0"', "hardware.pci.1", "match pattern"),
    ],
)
def test_errors_of_sections_that_not_every_board_has(
    old: str, new: str, key: str, said: str, write: Writer
) -> None:
    assert load(str(write(MORE))).boot.pxe is not None
    text = edited(old, new, MORE)
    bad = error(write(text))
    assert bad.message.startswith(f"{key}: ")
    assert said in str(bad)
    assert bad.where is not None
    assert bad.where.endswith(f":{line_of(new, text)}")


def test_a_misspelt_key_is_named_before_the_key_that_it_leaves_missing(write: Writer) -> None:
    bad = error(write(edited("    cpu: EPYC", "    cqu: EPYC")))
    assert "targets.qemu.cqu: unknown key" in bad.message
    assert bad.hint == "1 more problem(s) in this profile"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is there twice"),
        ("a:\n  b: 1\n  b: 2\n", 3, "the key 'b' is there twice"),
        ("a: 1\nb:\n\t- 2\n", 3, "not YAML"),
        ("a: 1\nb: [2\n", 3, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("a: 1\n\nb: \x07\n", 3, "not YAML"),
        ("a: *nowhere\n", 1, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        ('a: "\\UFFFFFFFF"\n', None, "not YAML"),
        ("- " * 5000, None, "nested too deeply"),
        ("", 1, "is a mapping"),
        ("# nothing\n", 1, "is a mapping"),
        ("- a\n- b\n", 1, "is a mapping"),
        ("word\n", 1, "is a mapping"),
        ("a: 1\n2: b\n", 2, "the key '2' is not a text"),
        ("a: 1\n? [b]\n: c\n", 2, "a key is not a text"),
        ("a: 1\n~: b\n", 2, "is not a text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "'<<' is not a text"),
        ("a: 1\nb: 2001-01-01\n", 2, "'2001-01-01' is not possible"),
        ("a: 1\nb: !!binary aGk=\n", 2, "is not possible"),
        ("a: 1\nb: !!python/object/apply:os.system [x]\nc: !thing x\n", 3, "is not possible"),
        ("a: 1\nb: !!bool x\n", 2, "is not possible"),
        ("a: 1\nb: .nan\n", 2, "'.nan' is not possible"),
        ("a: 1\nb: -.inf\n", 2, "is not possible"),
        ("a: 1\nb: 1e999\n", 2, "is not possible"),
        ("a: 1\nb: " + "9" * 5000, 2, "is not possible"),
        ("a: 1\nb: 010\n", 2, "'010' is not possible"),
        ('a: 1\nb: "\\ud800"\n', 2, "surrogate"),
        ("a: 1\nb:\n  - {id: x}\n  - {id: x}\n", 4, "the id 'x' is in line 3 too"),
        ("a: &a [*a]\n", 1, "expands to more"),
        ("a: &a {b: *a}\n", 1, "expands to more"),
        ("a: &a {? *a : 1}\n", 1, "not a text"),
    ],
)
def test_what_is_no_profile_has_its_line(
    text: str, line: int | None, said: str, write: Writer
) -> None:
    path = write(text)
    bad = error(path)
    assert said in str(bad)
    assert bad.where == (str(path) if line is None else f"{path}:{line}")


def test_anchors_that_expand_without_bound_are_refused(write: Writer) -> None:
    # 9 to the power of 30 nodes in less than 2 kB.
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert "expands to more" in error(write("\n".join(rows))).message


def test_anchors_are_allowed(write: Writer) -> None:
    text = edited("machine: q35", "machine: &q q35").replace("cpu: EPYC", "cpu: *q")
    machine = load(str(write(text))).targets.qemu
    assert machine is not None
    assert machine.cpu == "q35"


def test_a_file_that_is_too_long_is_not_read(write: Writer) -> None:
    assert "256 KiB" in error(write(b"a: " + b"x" * (2 << 20))).message


def test_what_is_not_utf8_says_where(write: Writer) -> None:
    bad = error(write(b"a: 1\nb: \xff\n"))
    assert bad.message == "is not UTF-8"
    assert str(bad.where).endswith("offset 0x8")


def test_numbers_are_as_in_yaml(write: Writer) -> None:
    text = edited("memory_mib: 1024", "memory_mib: 0x400").replace("boot: 100", "boot: 1.5e2")
    board = load(str(write(text)))
    assert board.targets.qemu is not None
    assert board.targets.qemu.memory_mib == 1024
    assert board.deadlines.boot == 150.0


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").mkdir()
    with pytest.raises(ProfileError, match="cannot be read"):
        load("x", [tmp_path])
    with pytest.raises(ProfileError, match="no such board profile"):
        load(str(tmp_path / "y.yaml"))


# --- extends -----------------------------------------------------------------------------------

CHILD = "extends: plain\nname: child\n"


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


# --- where profiles are found ------------------------------------------------------------------


def titled(folder: Path, title: str, name: str = "plain") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = edited("title: A plain board", f"title: {title}").replace("name: plain", f"name: {name}")
    (folder / f"{name}.yaml").write_text(text)
    return folder


def test_the_first_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert search_path() == [data.folder("boards")]
    assert load("apu2").title == "PC Engines apu2"
    titled(tmp_path / "boards", "here", "apu2")
    assert search_path() == [Path("boards"), data.folder("boards")]
    assert load("apu2").title == "here"
    given_ = titled(tmp_path / "mine", "mine", "apu2")
    assert search_path([given_]) == [given_, Path("boards"), data.folder("boards")]
    assert load("apu2", [given_]).title == "mine"
    assert load("apu2").title == "here"
    assert load(str(data.folder("boards") / "apu2.yaml")).title == "PC Engines apu2"


def test_a_folder_that_is_named_twice_is_searched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boards").mkdir()
    assert search_path([tmp_path / "boards", tmp_path / "nowhere"]) == [
        tmp_path / "boards",
        data.folder("boards"),
    ]


def test_a_variant_prefers_the_parent_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    titled(tmp_path / "boards", "elsewhere")
    folder = titled(tmp_path / "mine", "beside")
    (folder / "child.yaml").write_text(CHILD)
    assert load(str(folder / "child.yaml")).title == "beside"
    (folder / "plain.yaml").unlink()
    assert load(str(folder / "child.yaml")).title == "elsewhere"


def test_all_names_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = titled(tmp_path / "mine", "mine")
    (folder / "notes.txt").write_text("not a board")
    assert sorted(available([folder])) == sorted([*SHIPPED, "plain"])


def test_an_unknown_board_names_the_nearest_and_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfileError) as caught:
        load("apu", [tmp_path])
    assert "did you mean 'apu2" in caught.value.message
    assert f"searched in: {tmp_path}" in str(caught.value)
    assert str(caught.value.hint).endswith(": harness boards")
    with pytest.raises(ProfileError, match="no board ''"):
        load("")


# --- whatever is in the file -------------------------------------------------------------------


def only_profile_errors(path: Path) -> None:
    where = str(path)
    try:
        load(str(path))
    except ProfileError as bad:
        where = str(bad.where)
    assert path.name in where


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
YAMLISH = st.text(st.sampled_from("ab:-?[]{}&*!|>'\"%#,~<=.0123xo_\n\t \\@`"), max_size=60)


@FUZZ
@given(content=st.one_of(st.binary(max_size=200), st.text().map(lambda t: t.encode("utf-8"))))
def test_arbitrary_bytes_are_a_profile_error(content: bytes, write: Writer) -> None:
    only_profile_errors(write(content))


@settings(FUZZ, max_examples=400)
@given(text=YAMLISH)
def test_what_looks_like_yaml_is_a_profile_error(text: str, write: Writer) -> None:
    only_profile_errors(write(text))


@settings(FUZZ, max_examples=60)
@given(place=st.integers(0, len(PLAIN)), gone=st.integers(0, 6), text=YAMLISH)
def test_a_damaged_profile_is_a_profile_error(
    place: int, gone: int, text: str, write: Writer
) -> None:
    only_profile_errors(write(PLAIN[:place] + text + PLAIN[place + gone :]))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS = re.findall(r"^(\w+):", PLAIN, re.MULTILINE)


@settings(FUZZ, max_examples=100)
@given(key=st.sampled_from(KEYS), value=JSON)
def test_any_value_of_any_key_is_a_profile_error(key: str, value: object, write: Writer) -> None:
    write(PLAIN)
    # YAML is a superset of JSON but for NaN, which is a word there.
    only_profile_errors(write(f"extends: plain\n{key}: {json.dumps(value)}\n", "child"))
