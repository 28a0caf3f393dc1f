"""`harness lint` of ACPI tables: what the options give the rules, and who is asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness import asked
from harness.acpi.builder import Spec, build, q35_ivrs
from harness.acpi.mutations import apply_to_ivrs
from harness.acpi.writing import write
from harness.ask import Answer
from harness.cli import lint
from harness.errors import InfraError, InputError, UsageError
from harness.formats.acpi.tableset import TableSet

Said = pytest.CaptureFixture[str]
LOG = b"""\
(XEN) Xen-e820 RAM map:
(XEN)  [0000000000000000, 000000000009fbff] (usable)
(XEN)  [0000000000100000, 00000000bfffffff] (usable)
(XEN)  [00000000fed80000, 00000000fed83fff] (reserved)
"""
LSPCI = b"""\
00:00.0 Host bridge: Intel Corporation 82G33
00:01.0 System peripheral: Red Hat, Inc. AMD IOMMU
00:1f.2 SATA controller: Intel Corporation 82801IR
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(build(Spec(ivrs=q35_ivrs())), tmp_path / "tables")
    return tmp_path / "tables"


def broken(folder: Path, mutation: str) -> None:
    path = folder / "IVRS"
    path.write_bytes(apply_to_ivrs(path.read_bytes(), mutation) or b"")


def run(*words: object) -> int:
    top = argparse.ArgumentParser()
    lint.add(top.add_subparsers(required=True))
    options = top.parse_args(["lint", *map(str, words)])
    code: int = options.run(options)
    return code


def one_input(capsys: Said, *words: object) -> Any:
    run(*words, "--format", "json")
    (one,) = json.loads(capsys.readouterr().out)["inputs"]
    return one


class TestInputs:
    def test_more_inputs_make_more_rules_run(
        self, folder: Path, tmp_path: Path, capsys: Said
    ) -> None:
        (tmp_path / "log").write_bytes(LOG)
        (tmp_path / "pci").write_bytes(LSPCI)
        less = one_input(capsys, folder)
        more = one_input(capsys, folder, "--e820", tmp_path / "log", "--pci", tmp_path / "pci")
        assert (less["machine"]["e820"], less["machine"]["pci"]) == (False, False)
        assert (more["machine"]["e820"], more["machine"]["pci"]) == (True, True)
        needs = {each["rule"] for each in less["not_run"]}
        assert needs > {each["rule"] for each in more["not_run"]}

    @pytest.mark.parametrize("option", ["--e820", "--pci"])
    def test_what_is_no_such_input(self, folder: Path, tmp_path: Path, option: str) -> None:
        (tmp_path / "notes").write_text("hello\n")
        for name in ("notes", "missing", "."):
            with pytest.raises(InputError) as caught:
                run(folder, option, tmp_path / name)
            assert str(tmp_path) in str(caught.value)

    def test_bytes_are_told_in_sarif_and_rules_in_junit(self, folder: Path, capsys: Said) -> None:
        broken(folder, "ivhd.length=0")
        assert run(folder, "--format", "sarif") == 1
        results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
        places = [one["locations"][0]["physicalLocation"] for one in results]
        assert all(one["artifactLocation"]["uri"].endswith("tables/IVRS") for one in places)
        assert {"startLine": 1, "byteOffset": 0x32, "byteLength": 2} in [
            one["region"] for one in places
        ]
        assert run(folder, "--format", "junit") == 1
        root = ElementTree.fromstring(capsys.readouterr().out)  # noqa: S314 -- ours
        assert root.get("failures") == str(len({one["ruleId"] for one in results}))

    def test_a_baseline_of_tables(self, folder: Path, tmp_path: Path) -> None:
        broken(folder, "ioapic-missing")
        known = tmp_path / "known.json"
        assert run(folder) == 1
        assert run(folder, "--write-baseline", known) == 0
        assert run(folder, "--baseline", known) == 0
        broken(folder, "ivhd.length=0")
        assert run(folder, "--baseline", known) == 1


class TestAsk:
    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
        """What is asked; every answer is "enabled" without a word."""
        calls: list[tuple[list[str], list[str]]] = []

        def ask_about(
            inputs: Mapping[str, TableSet], names: Sequence[str], *_: object, **__: object
        ) -> dict[str, tuple[asked.Result, ...]]:
            calls.append(([*inputs], [*names]))
            answer = Answer("enabled", (), "", "4.17.7", True, 0.5, ())
            return {
                path: tuple(asked.Result(name, measured=answer) for name in names)
                for path in inputs
            }

        monkeypatch.setattr(asked, "ask_about", ask_about)
        return calls

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["--ask-xen"], ["xen-4.14", "xen-4.17", "xen-4.20"]),
            (["--ask-xen=4.17"], ["xen-4.17"]),
            (["--ask-xen=4.20,4.14"], ["xen-4.20", "xen-4.14"]),
            (["--ask-xen=xen=./xen.gz"], ["xen=./xen.gz"]),
            (["--ask-linux"], ["linux"]),
            (["--ask-xen=4.17", "--ask-linux"], ["xen-4.17", "linux"]),
        ],
    )
    def test_who_is_asked(
        self,
        folder: Path,
        calls: list[tuple[list[str], list[str]]],
        words: list[str],
        names: list[str],
        capsys: Said,
    ) -> None:
        assert run(folder, *words) == 0
        assert calls == [([str(folder)], names)]
        assert capsys.readouterr().out.startswith("what the real ")

    def test_nobody_is_asked_unless_told(
        self, folder: Path, calls: list[tuple[list[str], list[str]]], capsys: Said
    ) -> None:
        assert "asked" not in one_input(capsys, folder)
        assert calls == []

    @pytest.mark.usefixtures("calls")
    def test_the_answer_is_in_json_and_in_sarif(self, folder: Path, capsys: Said) -> None:
        one = one_input(capsys, folder, "--ask-xen=4.17")
        assert set(one["asked"]) == {"xen-4.17"}
        assert one["asked"]["xen-4.17"]["measured"]["outcome"] == "enabled"
        assert set(one["predicted"]) == {"xen-4.14", "xen-4.17", "xen-4.20"}
        run(folder, "--ask-xen=4.17", "--format", "sarif")
        document = json.loads(capsys.readouterr().out)
        assert document["runs"][0]["properties"]["asked"] == {str(folder): one["asked"]}

    def test_the_exit_code_is_that_of_the_findings_then_that_of_our_side(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        error = asked.Result("xen-4.17", error=InfraError("the emulator ended"))
        monkeypatch.setattr(asked, "ask_about", lambda *_, **__: {str(folder): (error,)})
        assert run(folder, "--ask-xen") == 3
        broken(folder, "ioapic-missing")
        assert run(folder, "--ask-xen") == 1

    def test_files_without_tables_cannot_be_asked_about(self, tmp_path: Path) -> None:
        (tmp_path / "boot.cmd").write_text("boot\n")
        with pytest.raises(UsageError, match="ACPI tables, and none are given"):
            run(tmp_path / "boot.cmd", "--ask-xen")

    def test_a_file_is_not_taken_for_a_version(self, folder: Path, capsys: Said) -> None:
        with pytest.raises(SystemExit) as caught:
            run("--ask-xen", folder)
        assert caught.value.code == 2
        assert "is no version of Xen" in capsys.readouterr().err
