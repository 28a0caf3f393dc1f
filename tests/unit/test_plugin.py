"""The pytest plugin, on recorded logs: the evidence is `replayed`, no emulator is needed."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "tests" / "data" / "logs"
CRASH = LOGS / "qemu-q35-xen-4.17.7-mwait-panic.log"
GOOD = LOGS / "qemu-q35-amd-iommu-xen-4.17.7-dom0.log"

# The profile of the machine that recorded the good log.
RECORDED = """\
schema: 1
extends: apu2
name: recorded
title: the machine of a recorded log
identity: {nic_mac_prefix: "52:54:00"}
hardware: {memory_mib: 2048}
targets:
  qemu:
    hardware:
      pci: ["00:00.0", "00:01.0", "00:02.0", "00:03.0", "00:1f.0", "00:1f.2", "00:1f.3"]
"""

SUITE = """\
import pytest

def test_first(boot):
    assert boot.console.parser.log.xen.version == "4.17.7"

def test_second(boot):
    pass

def test_live(dom0):
    raise AssertionError("must not run on a recorded log")

@pytest.mark.board("elsewhere")
def test_of_another_board(boot):
    raise AssertionError("must not run")

def test_of_no_board():
    pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(SUITE)
    (pytester.path / "boards").mkdir()
    (pytester.path / "boards" / "recorded.yaml").write_text(RECORDED)
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-rs", "-p", "no:cacheprovider", *arguments)


def test_without_a_board_its_tests_are_deselected(suite: pytest.Pytester) -> None:
    result = run(suite)
    result.assert_outcomes(passed=1, deselected=4)


def test_a_good_log_runs_what_needs_no_live_console(suite: pytest.Pytester) -> None:
    result = run(suite, "--board", "recorded", "--target", f"replay:{GOOD}")
    result.assert_outcomes(passed=3, skipped=1, deselected=1)
    result.stdout.fnmatch_lines(["*needs a live console; the target is the recorded log*"])


def test_a_failed_boot_fails_once_with_its_cause(suite: pytest.Pytester) -> None:
    result = run(suite, "--board", "recorded", "--target", f"replay:{CRASH}")
    result.assert_outcomes(errors=1, skipped=2, passed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*CRASHED  recorded on replay (replayed)*", "*mwait_idle_with_hints+0xd0*"]
    )
    result.stdout.fnmatch_lines(["*the boot failed: CRASHED: xen panic on CPU 2*"])


def test_two_boards_are_two_boots(suite: pytest.Pytester) -> None:
    shutil.copy(suite.path / "boards" / "recorded.yaml", suite.path / "boards" / "elsewhere.yaml")
    path = suite.path / "boards" / "elsewhere.yaml"
    path.write_text(path.read_text().replace("name: recorded", "name: elsewhere"))
    suite.makepyfile("def test_it(boot): pass")
    both = ("--board", "recorded", "--board", "elsewhere", "--target", f"replay:{GOOD}")
    result = run(suite, "-v", *both)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_it?recorded?*", "*test_it?elsewhere?*"])


def test_an_unknown_board_is_a_usage_error(suite: pytest.Pytester) -> None:
    result = run(suite, "--board", "recordet")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*did you mean 'recorded'?*"])


def test_a_board_path_that_is_none_is_a_usage_error(suite: pytest.Pytester) -> None:
    result = run(suite, "--board", "recorded", "--board-path", "nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--board-path nowhere: no such folder*"])


def test_junit_says_verdict_and_evidence(suite: pytest.Pytester) -> None:
    run(suite, "--board", "recorded", "--target", f"replay:{GOOD}", "--junit-xml=out.xml")
    tree = ET.parse(suite.path / "out.xml")  # noqa: S314 -- pytest wrote it
    first = next(c for c in tree.iter("testcase") if c.get("name") == "test_first[recorded]")
    properties = {p.get("name"): p.get("value") for p in first.iter("property")}
    assert properties["verdict"] == "PASS"
    assert properties["evidence"] == "replayed"


@pytest.mark.parametrize(("ci", "outcome"), [("", {"skipped": 1}), ("1", {"errors": 1})])
def test_a_missing_emulator_is_an_error_only_in_ci(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    suite.makepyfile("def test_it(boot): pass")
    (suite.path / "boards" / "missing.yaml").write_text(
        "schema: 1\nextends: apu2\nname: missing\n"
        "targets: {qemu: {emulator: qemu-system-nowhere}}\n"
    )
    # Nothing is to be fetched for a boot that cannot start.
    for role in ("firmware", "xen", "kernel", "initrd"):
        (suite.path / role).write_bytes(b"\x02\xb0\xad\x1b" + bytes(64))
    if ci:
        monkeypatch.setenv("CI", ci)
    else:
        monkeypatch.delenv("CI", raising=False)
    uses = [f"--use={role}=./{role}" for role in ("firmware", "xen", "kernel", "initrd")]
    result = run(suite, "--board", "missing", "--method", "multiboot", *uses)
    result.stdout.fnmatch_lines(["*qemu-system-nowhere is not installed*"])
    result.assert_outcomes(**outcome)


def test_a_parameter_that_is_called_board_is_nobodys_board_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        "import pytest\n"
        "@pytest.mark.parametrize('board', ['chess', 'go'])\n"
        "def test_game(board): assert board in ('chess', 'go')\n"
    )
    run(suite).assert_outcomes(passed=2)
    run(suite, "--board", "recorded", "--target", f"replay:{GOOD}").assert_outcomes(passed=2)
