"""Which boots failed in the same way: shown on real logs, as `harness replay` judges them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.replay import ReplayRequest, replayed
from harness.soak.signature import Signature, board_failed, cluster, counts, signature_of
from harness.verdict import Kind

ROOT = Path(__file__).resolve().parents[3]
LOGS = ROOT / "tests" / "data" / "logs"
SHARED = ROOT.parent / "shared" / "logs"


def result_of(log: Path) -> dict[str, Any]:
    return replayed(ReplayRequest(log, silent_for=60)).result


def of_log(name: str) -> Signature:
    return signature_of(result_of(LOGS / name))


def of_text(folder: Path, text: str) -> Signature:
    log = folder / "boot.log"
    log.write_text(text)
    return signature_of(result_of(log))


def hung(last: str, **more: object) -> dict[str, object]:
    return {"verdict": "HUNG", "stage": "smp", "last_line": last, "partial_line": "", **more}


FAILURES = {
    "excerpt-apu2-hang-tail.log": "HUNG in the line `(` after `CPU2: No irq handler for vector e7",
    "qemu-q35-xen-4.17.7-ivhd-length-0-hang.log": "HUNG at `AMD-Vi: IVRS Block: Found type 0x10 ",
    "qemu-q35-xen-4.17.7-ivrs-wrong-base-hang.log": "HUNG at `AMD IOMMU 0000:00:01.0: completion ",
    "qemu-q35-xen-4.17.7-mwait-panic.log": "CRASHED: xen panic in mwait_idle_with_hints: GENERAL",
    "qemu-q35-xen-4.17.7-tiny-memory-panic.log": "CRASHED: xen panic: Not enough memory to reloc",
    "qemu-q35-xen-4.17.7-iommu-required-panic.log": "CRASHED: xen panic: Couldn't enable IOMMU ",
    "qemu-q35-xen-4.17.7-dom0-smap-crash.log": "CRASHED: dom0 crash: d0v0 Unhandled: vec 14, #PF",
    "qemu-zcu102-xen-4.17.5-smp-hang-a.log": "HUNG at `CPU 2 booted.`",
    "qemu-zcu102-xen-4.17.5-smp-hang-b.log": "HUNG at `P2M: 3 levels with order-1 root, VTCR 0x",
}


@pytest.mark.parametrize(("log", "title"), FAILURES.items())
def test_the_title_of_a_real_failure(log: str, title: str) -> None:
    found = of_log(log)
    assert found.title.startswith(title)
    assert found.failed


def test_real_failures_are_all_told_apart() -> None:
    assert len({of_log(log).id for log in FAILURES}) == len(FAILURES)


def test_boots_that_passed_are_one_cluster() -> None:
    one = of_log("qemu-q35-amd-iommu-xen-4.17.7-dom0.log")
    other = of_log("qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log")
    assert one == Signature(other.id, "PASS", "PASS", "login", ())


@pytest.mark.parametrize("cpu", [1, 3])
def test_the_panic_of_any_cpu_is_one_cluster(tmp_path: Path, cpu: int) -> None:
    text = (LOGS / "qemu-q35-xen-4.17.7-mwait-panic.log").read_bytes().decode()
    moved = text.replace("Panic on CPU 2", f"Panic on CPU {cpu}")
    moved = moved.replace("(XEN) CPU:    2", f"(XEN) CPU:    {cpu}")
    assert moved.count(f"CPU:    {cpu}") == 1
    assert of_text(tmp_path, moved) == of_log("qemu-q35-xen-4.17.7-mwait-panic.log")


def test_a_panic_at_another_place_is_another_cluster(tmp_path: Path) -> None:
    text = (LOGS / "qemu-q35-xen-4.17.7-mwait-panic.log").read_bytes().decode()
    moved = text.replace("mwait_idle_with_hints", "default_idle")
    assert of_text(tmp_path, moved).id != of_log("qemu-q35-xen-4.17.7-mwait-panic.log").id


def test_a_panic_after_which_more_or_less_was_read_is_the_same(tmp_path: Path) -> None:
    text = (LOGS / "qemu-q35-xen-4.17.7-mwait-panic.log").read_bytes().decode()
    less = text[: text.index("(XEN) Reboot in five seconds")]
    assert of_text(tmp_path, less) == of_log("qemu-q35-xen-4.17.7-mwait-panic.log")


def test_the_frozen_cpus_and_the_wrong_base_are_two_clusters(tmp_path: Path) -> None:
    """Frozen CPUs: `Brought up 4 CPUs` is the last line."""
    text = (LOGS / "qemu-q35-amd-iommu-xen-4.17.7-dom0.log").read_bytes().decode()
    end = re.search(r"Brought up \d CPUs\r?\n", text)
    assert end
    frozen = of_text(tmp_path, text[: end.end()])
    assert frozen.title == "HUNG at `Brought up 4 CPUs`"
    assert frozen.stage == "smp"
    assert frozen.id != of_log("qemu-q35-xen-4.17.7-ivrs-wrong-base-hang.log").id


def test_the_partial_line_tells_two_hangs_apart(tmp_path: Path) -> None:
    text = (LOGS / "excerpt-apu2-hang-tail.log").read_bytes().decode()
    hang = of_log("excerpt-apu2-hang-tail.log")
    assert text.endswith("\n(")
    assert of_text(tmp_path, text + "XEN) Bro").id != hang.id
    assert of_text(tmp_path, text[:-1]).id != hang.id
    other_cpu = text.replace(
        "CPU2: No irq handler for vector e7", "CPU3: No irq handler for vector 31"
    )
    assert of_text(tmp_path, other_cpu).id == hang.id


def test_the_whole_tail_of_the_board_is_the_same_hang() -> None:
    log = SHARED / "apu2-hardware-hang-tail.log"
    if not log.exists():
        pytest.skip("the collection of logs is not here")
    assert signature_of(result_of(log)).id == of_log("excerpt-apu2-hang-tail.log").id


def test_ids_stay_the_same_over_releases() -> None:
    """A change of the patterns must raise VERSION, and these."""
    assert signature_of(hung("(XEN) Brought up 4 CPUs")).id == "6221936af6"
    assert of_log("qemu-q35-xen-4.17.7-mwait-panic.log").id == "f0513b8984"


def test_a_recorded_hang_is_the_one_that_was_live() -> None:
    one, other = ({"kind": kind, "detail": "x"} for kind in ("silence", "log-end"))
    assert signature_of(hung("a", ending=one)).id == signature_of(hung("a", ending=other)).id


def test_a_refused_file_is_told_from_a_shell_that_fails() -> None:
    one, other = (
        {"verdict": "FAIL", "last_line": "iPXE>", "ending": {"kind": kind, "detail": kind}}
        for kind in ("refused", "shell")
    )
    assert signature_of(one).id != signature_of(other).id


def test_failed_expectations_make_the_signature() -> None:
    states = [("iommu", "failed"), ("cpus", "met")]
    value = {
        "verdict": "FAIL",
        "last_line": "x",
        "expectations": [{"id": name, "state": state} for name, state in states],
    }
    assert signature_of(value).title == "FAIL: iommu"
    assert signature_of(value).id == signature_of({**value, "last_line": "y"}).id
    value["expectations"] = [{"id": "cpus", "state": "failed"}]
    assert signature_of(value).title == "FAIL: cpus"


def test_our_own_failures_are_no_failures_of_the_board() -> None:
    value = {"verdict": "INFRA", "cause": "cannot write /run/7: No space left\nmore"}
    found = signature_of(value)
    assert found.title == "INFRA: cannot write /run/7: No space left"
    assert not found.failed
    assert found.id == signature_of({**value, "cause": "cannot write /run/12: No space left"}).id


def test_every_verdict_counts_as_failure_as_pass_or_not_at_all() -> None:
    assert {kind for kind in Kind if board_failed(kind)} == {
        "FAIL",
        "CRASHED",
        "HUNG",
        "INCOMPLETE",
    }
    assert {kind for kind in Kind if not counts(kind)} == {"DIED", "INFRA"}


@pytest.mark.parametrize("verdict", [None, "", "pass", 1, []])
def test_a_result_without_a_verdict(verdict: object) -> None:
    with pytest.raises(InputError, match="the verdict is"):
        signature_of({"verdict": verdict if not isinstance(verdict, list) else "x"})


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=30)
json_values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3)
)
FIELDS = ["stage", "last_line", "partial_line", "cause", "panics", "expectations", "ending"]


@given(st.sampled_from(list(Kind)), st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_result_has_a_signature(kind: Kind, fields: dict[str, Any]) -> None:
    found = signature_of({"verdict": str(kind), **fields})
    assert re.fullmatch("[0-9a-f]{10}", found.id)
    assert found.title.startswith(str(kind))
    assert len(found.title) <= 100
    assert Signature.from_json(found.to_json()) == found


@given(json_values)
def test_what_is_no_signature(value: Any) -> None:
    with pytest.raises(InputError, match="not a signature"):
        Signature.from_json(value if isinstance(value, dict) else {"id": value})


def test_clusters_the_largest_failure_first() -> None:
    hang, panic = hung("(XEN) Brought up 4 CPUs"), {"verdict": "CRASHED", "cause": "x"}
    passed = {"verdict": "PASS", "stage": "login"}
    results = [passed] * 5 + [panic] + [hang] * 3 + [{"verdict": "DIED", "cause": "x"}] * 4
    groups = cluster((n, signature_of(one)) for n, one in enumerate(results, 1))
    assert [(c.count, c.signature.verdict) for c in groups] == [
        (3, "HUNG"),
        (1, "CRASHED"),
        (5, "PASS"),
        (4, "DIED"),
    ]
    assert groups[0].boots == (7, 8, 9)
    assert groups[0].stages == (("smp", 3),)


def test_the_title_of_a_cluster_is_that_of_most_boots() -> None:
    lines = ["CPU 1 booted.", "CPU 2 booted.", "CPU 2 booted."]
    (only,) = cluster((n, signature_of(hung(line))) for n, line in enumerate(lines, 1))
    assert only.title == "HUNG at `CPU 2 booted.`"
    assert only.count == 3


@given(st.lists(st.sampled_from("abc"), max_size=30), st.randoms())
def test_no_boot_is_lost_in_clusters(lines: list[str], chance: Any) -> None:
    outcomes = [(n, signature_of(hung(line))) for n, line in enumerate(lines, 1)]
    groups = cluster(outcomes)
    assert sorted(n for one in groups for n in one.boots) == list(range(1, len(lines) + 1))
    chance.shuffle(outcomes)
    assert cluster(outcomes) == groups
