"""A profile, and what its errors say: file, line, key, the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.board import load
from harness.errors import ProfileError
from tests.unit.board.profiles import MORE, PLAIN, SHIPPED, Writer, edited, error, line_of


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
