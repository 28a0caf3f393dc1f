"""The real Xen is asked about tables. The recorded answers in tests/data/acpi are more of these."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.acpi.builder import Spec, build, coreboot_ivrs, q35_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from harness.ask import (
    Answer,
    Consumer,
    Machine,
    Question,
    Rebased,
    ask,
    ask_many,
    consumer_of,
    consumers,
    rebase,
)
from harness.board.load import load
from harness.errors import TargetDied
from harness.formats.acpi.madt import IoApic
from harness.formats.acpi.tableset import RawTable, TableSet
from harness.sources import Sources

VERSIONS = ("xen-4.14", "xen-4.17", "xen-4.20")
DATA = Path(__file__).parents[1] / "data" / "acpi"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def asked_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Consumer]:
    folder = tmp_path_factory.mktemp("images")
    found = consumers([*VERSIONS, "linux-6.1"], load("apu2"), Sources(), folder)
    return {one.name: one for one in found}


def about(mutation: str, consumer: Consumer) -> Question:
    ivrs = apply_to_ivrs(q35_ivrs(), NAMED.get(mutation, mutation))
    return Question(build(Spec(ivrs=ivrs)), consumer, name=mutation)


@pytest.mark.parametrize("name", VERSIONS)
def test_good_tables_are_enabled_by_every_version(
    name: str, asked_of: dict[str, Consumer], tmp_path: Path
) -> None:
    answer = ask(about("good", asked_of[name]), keep=tmp_path / "kept")
    assert (answer.outcome, answer.messages, answer.interrupt_remapping) == ("enabled", (), True)
    assert answer.version.startswith(name.removeprefix("xen-"))
    assert "Brought up 1 CPUs" in answer.ending
    assert answer.log
    assert b"I/O virtualisation enabled" in answer.log.read_bytes()
    assert "-fw_cfg name=etc/acpi/tables," in (tmp_path / "kept" / "command").read_text()


def test_two_cpus_are_those_of_the_madt(asked_of: dict[str, Consumer]) -> None:
    tables = build(Spec(cpus=2, ivrs=q35_ivrs()))
    answer = ask(Question(tables, asked_of["xen-4.17"]))
    assert answer.outcome == "enabled"
    assert "Brought up 2 CPUs" in answer.ending


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize(
    "mutation",
    [
        *("no-ivrs", "checksum-bad", "ioapic-missing", "ivhd-length-zero", "base-wrong"),
        *("ivmd-ram", "ivmd-without-iommu"),
    ],
)
def test_answers_are_those_that_were_recorded(
    name: str, mutation: str, asked_of: dict[str, Consumer]
) -> None:
    recorded = json.loads((DATA / f"answers-{name}.json").read_text())["answers"][mutation]
    answer = ask(about(mutation, asked_of[name]))
    assert answer.outcome == recorded["outcome"]
    assert list(answer.messages) == recorded["messages"]


def test_what_the_facts_say_of_the_versions() -> None:
    outcomes = {
        name: {
            mutation: one["outcome"]
            for mutation, one in json.loads((DATA / f"answers-{name}.json").read_text())[
                "answers"
            ].items()
        }
        for name in VERSIONS
    }

    def row(mutation: str) -> list[str]:
        return [outcomes[name][mutation] for name in VERSIONS]

    assert row("good") == ["enabled"] * 3
    assert row("no-ivrs") == ["absent"] * 3
    assert row("ivhd-length-zero") == ["failed", "hang", "hang"]
    assert row("ivmd-ram") == ["enabled", "failed", "failed"]
    assert row("ivmd-without-iommu") == ["failed", "failed", "enabled"]
    assert row("base-wrong") == ["hang"] * 3
    assert set(outcomes["xen-4.17"]) == set(NAMED)


def test_a_wrong_root_pointer_leaves_nothing_to_be_found(asked_of: dict[str, Consumer]) -> None:
    tables = build(Spec(ivrs=q35_ivrs()))
    root = bytearray(tables.tables[0].data)
    root[8] ^= 0x55
    broken = TableSet((RawTable("RSD PTR ", bytes(root)), *tables.tables[1:]))
    assert ask(Question(broken, asked_of["xen-4.17"])).outcome == "absent"


def test_the_apu2s_table_of_coreboot_is_rebased_and_enabled(asked_of: dict[str, Consumer]) -> None:
    ioapics = (IoApic(4, 0, 0xFEC00000, 0), IoApic(5, 0, 0xFEC20000, 24))
    tables = build(Spec(cpus=4, ioapics=ioapics, ivrs=coreboot_ivrs(base=0xF7F00000)))
    rebased = rebase(tables)
    assert isinstance(rebased, Rebased)
    for name in VERSIONS:
        answer = ask(Question(rebased.tables, asked_of[name]))
        assert (answer.outcome, answer.interrupt_remapping) == ("enabled", True), answer.messages
        # Not rebased, it is skipped without a word.
        assert ask(Question(tables, asked_of[name], cpus=4)).outcome == "absent"


def test_linux_is_asked_in_the_same_way(asked_of: dict[str, Consumer]) -> None:
    linux = asked_of["linux-6.1"]
    good, without = ask_many([about("good", linux), about("no-ivrs", linux)])
    assert good.answer
    assert (good.answer.outcome, good.answer.interrupt_remapping) == ("enabled", True)
    assert without.answer
    assert without.answer.outcome == "absent"


def test_the_same_question_has_the_same_lines(asked_of: dict[str, Consumer]) -> None:
    first, second = ask_many([about("good", asked_of["xen-4.17"])] * 2)
    assert first.answer
    assert second.answer
    # The calibration of the clock meets the host's in its last digit.
    assert steady(first.answer) == steady(second.answer)


def steady(answer: Answer) -> list[str]:
    return [re.sub(r"[\d.]+ MHz", "MHz", line) for line in answer.lines]


def test_an_emulator_that_ends_by_itself_is_an_error_with_its_words(
    asked_of: dict[str, Consumer],
) -> None:
    with pytest.raises(TargetDied, match="no-such-device"):
        ask(about("good", asked_of["xen-4.17"]), machine=Machine(devices=("no-such-device",)))
    nothing = consumer_of("xen", Path("/nonexistent/xen"))
    (one,) = ask_many([about("good", nothing)])
    assert isinstance(one.error, TargetDied)
    assert "/nonexistent/xen" in str(one.error)


SCRIPT = """
import sys
from pathlib import Path
from harness.acpi.builder import Spec, build, q35_ivrs
from harness.acpi.mutations import apply_to_ivrs
from harness.ask import Question, ask_many, consumer_of

hangs = build(Spec(ivrs=apply_to_ivrs(q35_ivrs(), "ivhd-length-zero")))
xen = consumer_of("xen", Path(sys.argv[1]))
questions = [Question(hangs, xen)] * 50
ask_many(questions, scratch=Path(sys.argv[2]), progress=lambda *_: print("one", flush=True))
"""


@pytest.fixture
def batch(asked_of: dict[str, Consumer], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that asks, two at a time, what hangs; its first answer is in."""
    image = str(asked_of["xen-4.17"].kernel)
    argv = [sys.executable, "-c", SCRIPT, image, str(tmp_path)]
    process = subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "one\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def emulators(folder: Path) -> list[int]:
    """The emulators that work below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(folder):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_batch_that_was_ended(
    batch: subprocess.Popen[str], tmp_path: Path, how: signal.Signals
) -> None:
    batch.send_signal(how)
    batch.wait(10)
    end = time.monotonic() + 5
    while emulators(tmp_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert emulators(tmp_path) == []
    if how is signal.SIGINT:
        assert list(tmp_path.iterdir()) == []
