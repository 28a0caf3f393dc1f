"""Predicted beside measured, without an emulator: the answers are given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import asked
from harness.acpi.builder import Spec, build, q35_ivrs
from harness.acpi.mutations import apply_to_ivrs
from harness.ask import Answer, Asked, Consumer, Question
from harness.asked import asking
from harness.board import load
from harness.errors import FormatError, TargetDied
from harness.formats.acpi.tableset import RawTable, TableSet
from harness.sources import Sources

ANSWERS = Path(__file__).parents[1] / "data" / "acpi"
MISSING = ("IVHD Error: no information for IO-APIC 0", "AMD-Vi: Error initialization")
Answers = Callable[[Question], Answer | Exception]
Ask = Callable[..., dict[str, tuple[asked.Result, ...]]]


def tables(mutation: str = "good") -> TableSet:
    data = apply_to_ivrs(q35_ivrs(), mutation)
    return TableSet((RawTable("IVRS", data),) if data else ())


def answer(outcome: Any, messages: Sequence[str] = (), **changes: Any) -> Answer:
    made = Answer(outcome, tuple(messages), "Brought up 1 CPUs", "4.17.7", True, 0.5, ())
    return replace(made, **changes)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Asks; `answers` takes the place of the emulator."""

    def run(
        inputs: dict[str, TableSet],
        answers: Answers,
        names: Sequence[str] = ("xen-4.17",),
        told: Callable[[str], None] = lambda _: None,
    ) -> dict[str, tuple[asked.Result, ...]]:
        def consumers(names: Sequence[str], *_: object) -> tuple[Consumer, ...]:
            kinds = ("linux" if name.startswith("linux") else "xen" for name in names)
            return tuple(
                Consumer(name, kind, tmp_path)  # type: ignore[arg-type]
                for name, kind in zip(names, kinds, strict=True)
            )

        def ask_many(
            questions: Sequence[Question], *, jobs: int, progress: Callable[..., None]
        ) -> tuple[Asked, ...]:
            assert jobs == 2
            done = []
            for question in questions:
                said = answers(question)
                one = (
                    Asked(question, said)
                    if isinstance(said, Answer)
                    else Asked(question, error=said)  # type: ignore[arg-type]
                )
                done.append(one)
                progress(len(done), len(questions), one)
            return tuple(done)

        monkeypatch.setattr(asking, "consumers", consumers)
        monkeypatch.setattr(asking, "ask_many", ask_many)
        sources = Sources(cache=tmp_path / "cache", offline=True)
        return asked.ask_about(inputs, names, load("apu2"), sources, tmp_path, told=told)

    return run


@pytest.mark.parametrize("name", ["xen-4.14", "xen-4.17", "xen-4.20"])
@pytest.mark.parametrize("mutation", ["good", "ioapic-missing", "ivhd-length-zero", "ivmd-ram"])
def test_the_recorded_answers_of_the_real_xen_agree(name: str, mutation: str, ask: Ask) -> None:
    recorded = json.loads((ANSWERS / f"answers-{name}.json").read_text())["answers"][mutation]

    def real(question: Question) -> Answer:
        assert question.tables.find("IVRS") is not None
        return answer(recorded["outcome"], recorded["messages"])

    (result,) = ask({"IVRS": tables(mutation)}, real, [name])["IVRS"]
    assert result.agrees is True
    assert asked.as_json([result])[name]["measured"]["outcome"] == recorded["outcome"]


def test_another_outcome_is_a_defect_of_the_rule(ask: Ask) -> None:
    results = ask({"IVRS": tables("ioapic-missing")}, lambda _: answer("enabled"))
    (result,) = results["IVRS"]
    assert result.agrees is False
    said = asked.as_text(results)
    assert "xen-4.17: enabled, NOT as predicted" in said
    assert "predicted: failed" in said
    assert f"predicted, not said: {MISSING[0]}" in said
    assert "a defect of our rule, not of the table" in said
    assert not asked.failed(results)


def test_another_message_is_one_too_and_another_address_is_not(ask: Ask) -> None:
    def told(*messages: str) -> asked.Result:
        (result,) = ask({"IVRS": tables("ioapic-missing")}, lambda _: answer("failed", messages))[
            "IVRS"
        ]
        return result

    assert told(*MISSING).agrees
    assert told(*reversed(MISSING)).agrees
    more = told(*MISSING, "IVHD Error: something else")
    assert not more.agrees
    assert "said, not predicted: IVHD Error: something else" in asked.as_text({"IVRS": (more,)})
    assert not told(MISSING[0].replace("IO-APIC 0", "IO-APIC 1"), MISSING[1]).agrees
    prediction = more.predicted
    assert prediction
    moved = replace(prediction, outcome="enabled", messages=("IVMD: [fed1c000,fed1d000)",))
    real = answer("enabled", ["IVMD: [0xfed2c000,fed2d000)"])
    assert asked.Result("xen-4.17", predicted=moved, measured=real).agrees


def test_what_was_changed_is_told_and_predicted_for(ask: Ask) -> None:
    other = tables("ivhd[0].device_id=0x02; ivhd[0].base=0xfeb80000")
    results = ask({"IVRS": other}, lambda _: answer("enabled"))
    (result,) = results["IVRS"]
    assert any("base address 0xfeb80000 of the IOMMU is now" in one for one in result.rebased)
    assert result.agrees
    assert asked.as_json([result])["xen-4.17"]["rebased"] == list(result.rebased)
    assert "      IVRS: base address 0xfeb80000" in asked.as_text(results)


def test_what_a_log_does_not_tell_is_made_up_and_told(ask: Ask) -> None:
    (table,) = tables("ivhd.base=0; ivhd.capability=0; ivrs.ivinfo=0; checksum=bad").tables
    unknown = (range(9, 10), range(36, 48), range(54, 64))
    log = TableSet((replace(table, reconstructed=True, unknown=unknown),))
    (result,) = ask({"log": log}, lambda _: answer("enabled"))["log"]
    assert result.rebased[0] == (
        "IVRS: from a log, which does not tell: IVinfo, capability offset, base address; made up"
    )
    assert result.agrees
    # The same zeros in a table that is the firmware's are what is asked about.
    (result,) = ask({"IVRS": TableSet((table,))}, lambda _: answer("enabled"))["IVRS"]
    assert not result.agrees


class TestInputs:
    def write(self, folder: Path, *names: str) -> list[str]:
        made = build(Spec(ivrs=q35_ivrs()))
        paths = []
        for name in names:
            table = made.find(name.rpartition("-")[2])
            assert table
            (folder / name).write_bytes(table.data)
            paths.append(str(folder / name))
        return paths

    def test_a_table_without_an_ivrs_goes_with_those_that_have_one(self, tmp_path: Path) -> None:
        one, two, _ = self.write(tmp_path, "a-IVRS", "b-IVRS", "APIC")
        found = asked.inputs_of([one, two, str(tmp_path / "APIC")])
        assert list(found) == [one, two]
        for each in found.values():
            assert [table.signature for table in each.tables] == ["IVRS", "APIC"]

    def test_a_folder_keeps_its_own(self, tmp_path: Path) -> None:
        folder = tmp_path / "tables"
        folder.mkdir()
        self.write(folder, "IVRS", "APIC")
        (lone,) = self.write(tmp_path, "APIC")
        (each,) = asked.inputs_of([str(folder), lone]).values()
        assert [table.origin for table in each.tables] == [
            str(folder / name) for name in ("APIC", "IVRS")
        ]

    def test_without_any_ivrs_each_is_asked_about(self, tmp_path: Path) -> None:
        paths = self.write(tmp_path, "APIC", "HPET")
        assert list(asked.inputs_of(paths)) == paths


def test_what_cannot_be_asked_says_why_and_the_others_are_asked(ask: Ask) -> None:
    several = tables("dup ivhd[0]; ivhd[1].device_id=0x4002; ivhd[1].base=0xfdf00000")
    results = ask({"two": several, "one": tables()}, lambda _: answer("enabled"))
    (two,) = results["two"]
    assert two.not_askable
    assert asked.as_json([two]) == {"xen-4.17": {"not_askable": two.not_askable}}
    assert "xen-4.17: not askable: " in asked.as_text(results)
    assert results["one"][0].agrees
    assert not asked.failed(results)


def test_our_own_failure_is_one_and_a_table_that_cannot_be_handed_over_is_none(ask: Ask) -> None:
    died = ask({"IVRS": tables()}, lambda _: TargetDied("the emulator ended"))
    assert asked.failed(died)
    assert "could not be asked: the emulator ended" in asked.as_text(died)
    assert asked.as_json(died["IVRS"])["xen-4.17"]["error"] == "the emulator ended"
    assert asked.as_json(died["IVRS"])["xen-4.17"]["measured"] is None
    refused = ask({"IVRS": tables()}, lambda _: FormatError("too long"))
    assert not asked.failed(refused)
    assert refused["IVRS"][0].not_askable == "too long"


def test_there_is_no_prediction_for_linux_nor_for_an_unknown_xen(ask: Ask) -> None:
    names = ["linux-6.1", "xen-4.99", "xen-unknown"]
    results = ask({"IVRS": tables()}, lambda _: answer("enabled"), names)
    assert [one.agrees for one in results["IVRS"]] == [None] * 3
    said = asked.as_text(results)
    assert said.startswith("what the real thing did")
    assert "linux-6.1: enabled\n" in said
    assert asked.as_json(results["IVRS"])["linux-6.1"]["predicted"] is None


def test_progress_counts_and_names(ask: Ask) -> None:
    said: list[str] = []
    ask(
        {"a": tables(), "b": tables()},
        lambda q: answer("enabled") if q.name == "a" else TargetDied("died\nof this"),
        told=said.append,
    )
    assert said == [
        "asked 1 of 2: a, xen-4.17: enabled, 0.5 s",
        "asked 2 of 2: b, xen-4.17: died",
    ]


def test_what_the_real_xen_says_does_not_act_on_a_terminal(ask: Ask) -> None:
    hang = answer("hang", ["IVHD Error: \x1b[2J"], ending="silent\x9b", panic=("a\nb",))
    said = asked.as_text(ask({"a\x1b": tables()}, lambda _: hang))
    assert not [c for c in said if not c.isprintable() and c != "\n"]
    assert r"a\nb" in said
