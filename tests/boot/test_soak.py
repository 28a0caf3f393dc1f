"""Real boots in a soak that is killed in the middle: none lost, none counted twice."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.soak.journal import read_journal
from harness.soak.plan import Injection, SoakPlan
from tests.boot.processes import alive, children, eventually

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]

BOOTS, SEED, SHARE = 12, 245, "20%"
RECIPES = ("no-iommu", "ivhd-length-zero")
# Xen alone: dom0 has no part in it. The silence of a hang is waited for in full.
BOOT = ("--method", "multiboot", "--until", "smp", "--deadline-scale", "0.5")


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found = children(pid, "")
    return found + [one for child in found for one in below(child)]


def in_folder(folder: Path) -> list[int]:
    """The processes that work in a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink().is_relative_to(folder):
                found.append(int(link.parent.name))
        except OSError:  # it has gone, or is not ours
            continue
    return [pid for pid in found if alive(pid)]


def test_killed_in_the_middle_and_resumed(
    harness: Run, start_harness: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "soak"
    words = ("--boots", str(BOOTS), "--seed", str(SEED), "--inject", f"{SHARE}:{','.join(RECIPES)}")
    soak = start_harness("soak", "run", "apu2", *BOOT, *words, "--out", folder)
    assert eventually(lambda: _ended(folder) >= 3 and len(in_folder(folder)) > 0, 300)
    started = below(soak.pid)
    soak.send_signal(signal.SIGKILL)
    soak.communicate()
    before = read_journal(folder)
    assert 3 <= len(before.outcomes) < BOOTS
    assert before.unfinished
    # Workers and machines die with it.
    assert len(started) >= 2
    assert eventually(lambda: not any(map(alive, started)))
    assert eventually(lambda: not in_folder(folder))

    done = harness("soak", "resume", folder, "--json")
    assert done.returncode == 1, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    assert value["unexpected"] == []
    found = read_journal(folder)
    assert sorted(found.outcomes) == list(range(1, BOOTS + 1))
    assert (found.repeated, found.sessions, found.unfinished) == (0, 2, ())
    # What was measured before is what is measured now.
    assert before.outcomes.items() <= found.outcomes.items()

    plan = SoakPlan("apu2", boots=BOOTS, seed=SEED, injection=Injection(0.2, RECIPES))
    wanted = {number: plan.boot(number).injected for number in found.outcomes}
    assert {n: one.boot.injected for n, one in found.outcomes.items()} == wanted
    assert set(wanted.values()) == {None, *RECIPES}
    ends = {None: "PASS", "no-iommu": "CRASHED", "ivhd-length-zero": "HUNG"}
    verdicts = {n: one.signature.verdict for n, one in found.outcomes.items()}
    assert verdicts == {n: ends[recipe] for n, recipe in wanted.items()}
    made = sum(recipe is not None for recipe in wanted.values())
    assert value["summary"]["rate"] == {"failures": made, "boots": BOOTS, "value": made / BOOTS}
    assert value["summary"]["natural"]["failures"] == 0
    assert not in_folder(folder)

    for number, recipe in wanted.items():
        run = folder / "runs" / f"{number:05}"
        label = json.loads((run / "result.json").read_text())["soak"]
        assert label["boot"] == number
        assert (label["injected"] or {}).get("id") == recipe
        # Small where it passed; whole, and dissected, where it hung.
        assert (run / "console.raw.gz").exists() == (recipe is None)
        assert (run / "forensics.txt").exists() == (recipe == "ivhd-length-zero")

    passed = next(number for number, recipe in wanted.items() if recipe is None)
    console = gzip.decompress((folder / "runs" / f"{passed:05}" / "console.raw.gz").read_bytes())
    kept = tmp_path / "console.raw"
    kept.write_bytes(console)
    again = harness("replay", kept, "--board", "apu2", "--until", "smp")
    assert again.returncode == 0, again.stdout


def test_asked_to_end_it_ends_in_order(harness: Run, start_harness: Start, tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    soak = start_harness("soak", "run", "apu2", *BOOT, "--boots", "50", "--out", folder)
    assert eventually(lambda: _ended(folder) >= 1 and len(in_folder(folder)) > 0, 300)
    started = below(soak.pid)
    soak.send_signal(signal.SIGTERM)
    out, err = soak.communicate(timeout=120)
    assert soak.returncode == 3
    assert f"harness soak resume {folder}" in err
    assert out.startswith("apu2: no failure in ")
    found = read_journal(folder)
    assert found.ended == "interrupted"
    assert 1 <= len(found.outcomes) < 50
    assert eventually(lambda: not any(map(alive, started)))
    assert harness("soak", "report", folder).returncode == 0


def test_a_set_up_that_is_broken_ends_soon(harness: Run, tmp_path: Path) -> None:
    board = tmp_path / "broken.yaml"
    board.write_text(
        "schema: 1\nextends: apu2\nname: broken\ntargets:\n  qemu:\n    machine: q36\n"
    )
    words = ("--method", "multiboot", "--boots", "1000", "--out", tmp_path / "soak")
    done = harness("soak", "run", board, *words)
    assert done.returncode == 3
    assert "our side failed the first 3 boots" in done.stderr
    assert "machine" in done.stderr
    assert read_journal(tmp_path / "soak").ended is not None
    assert len(read_journal(tmp_path / "soak").outcomes) == 3


def _ended(folder: Path) -> int:
    return len(read_journal(folder).outcomes) if (folder / "journal.jsonl").exists() else 0
