"""SARIF: what the standard requires of the properties that we write, checked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.acpi.builder import q35_ivrs
from harness.lint import sarif
from harness.lint.baseline import Compared, without_baseline
from harness.lint.engine import Linted, NotRun, rules
from harness.lint.sarif import as_sarif
from tests.unit.lint.findings import RULES, finding, linted

ROOT = Path("/repo")


def run_of(*inputs: Linted, compared: Compared | None = None, page: str = "") -> Any:
    document = as_sarif(compared or without_baseline(inputs), RULES, folder=ROOT, page=page)
    check(document)
    return json.loads(json.dumps(document))["runs"][0]


def check(document: Any) -> None:
    """What SARIF 2.1.0 says of the objects that we use (sections 3.13 to 3.58)."""
    assert set(document) == {"$schema", "version", "runs"}
    assert document["version"] == "2.1.0"
    for run in document["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"]
        names = [rule["id"] for rule in driver["rules"]]
        assert len(names) == len(set(names))
        for rule in driver["rules"]:
            for part in ("shortDescription", "fullDescription", "help"):
                assert rule[part]["text"]
            assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
        for one in run["invocations"]:
            assert isinstance(one["executionSuccessful"], bool)
            for note in one["toolConfigurationNotifications"]:
                assert note["message"]["text"]
                check_rule(note["associatedRule"], "index", "id", names)
        for artifact in run["artifacts"]:
            assert set(artifact["location"]) == {"uri"}
        for result in run["results"]:
            check_rule(result, "ruleIndex", "ruleId", names)
            assert result["level"] in {"none", "note", "warning", "error"}
            assert result["message"]["text"]
            assert all(isinstance(v, str) for v in result["partialFingerprints"].values())
            assert result["locations"]
            for location in result["locations"]:
                check_place(location["physicalLocation"])
            for one in result.get("suppressions", []):
                assert one["kind"] in {"inSource", "external"}
                assert one["status"] in {"accepted", "underReview", "rejected"}


def check_rule(one: Any, index: str, name: str, names: list[str]) -> None:
    if index in one:
        assert names[one[index]] == one[name]


def check_place(one: Any) -> None:
    uri = one["artifactLocation"]["uri"]
    assert uri
    assert uri.isascii()
    assert not set(' \\"<>') & set(uri)
    region = one["region"]
    assert region["startLine"] >= 1
    assert region.get("byteOffset", 0) >= 0
    assert region.get("byteLength", 0) >= 0


def test_a_finding_has_its_rule_level_text_and_place() -> None:
    run = run_of(linted(finding(where="/repo/a/boot.cmd:7 node"), path="/repo/a/boot.cmd"))
    (result,) = run["results"]
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("acpi.ioapic", 0, "error")
    assert result["message"]["text"].splitlines() == [
        *("IOAPIC 4 is not described", "Then: Xen panics", "Mend: add it", "See: 48882, table 95")
    ]
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "a/boot.cmd"
    assert place["physicalLocation"]["region"] == {"startLine": 7}
    assert place["logicalLocations"] == [{"fullyQualifiedName": "node"}]


class TestTables:
    """Bytes of a file that is the table itself; of any other form, the place by name."""

    def place(self, path: Path) -> Any:
        found = replace(finding(), table="IVRS", offset=0x31, size=2, field="Flags")
        document = as_sarif(
            without_baseline([linted(found, path=str(path))]), RULES, folder=path.parent
        )
        check(document)
        (result,) = document["runs"][0]["results"]
        (place,) = result["locations"]
        assert place["logicalLocations"] == [{"fullyQualifiedName": "IVRS+0x31 Flags"}]
        return place["physicalLocation"]

    def test_a_binary_table(self, tmp_path: Path) -> None:
        (tmp_path / "fw.bin").write_bytes(q35_ivrs())
        place = self.place(tmp_path / "fw.bin")
        assert place["artifactLocation"]["uri"] == "fw.bin"
        assert place["region"] == {"startLine": 1, "byteOffset": 0x31, "byteLength": 2}

    def test_a_folder_of_tables(self, tmp_path: Path) -> None:
        folder = tmp_path / "tables"
        folder.mkdir()
        (folder / "APIC").write_bytes(b"APIC")
        (folder / "AAAA").write_bytes(q35_ivrs())
        (folder / "IVRS.bin").write_bytes(q35_ivrs())
        place = self.place(folder)
        assert place["artifactLocation"]["uri"] == "tables/IVRS.bin"
        assert place["region"]["byteOffset"] == 0x31

    @pytest.mark.parametrize("data", [b"IVRS @ 0x0\n", b"\0IVRS", b""])
    def test_another_form_has_no_byte_offset(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "dump").write_bytes(data.replace(b"IVRS @", b"  IVRS @"))
        assert self.place(tmp_path / "dump")["region"] == {"startLine": 1}

    def test_a_file_that_is_gone(self, tmp_path: Path) -> None:
        assert self.place(tmp_path / "gone")["region"] == {"startLine": 1}


def test_what_a_baseline_accepts_is_suppressed() -> None:
    old = finding("acpi.hpet", "no HPET", "warning")
    compared = Compared((linted(finding()),), ((old,),))
    results = run_of(compared=compared)["results"]
    assert ["suppressions" in one for one in results] == [False, True]
    assert results[1]["ruleId"] == "acpi.hpet"


def test_fingerprints_are_of_what_does_not_move() -> None:
    def marks(*messages: str) -> list[dict[str, str]]:
        results = run_of(linted(*(finding(message=m) for m in messages)))["results"]
        return [one["partialFingerprints"] for one in results]

    assert marks("base 0xfeb80000") == marks("base 0xfec00000")
    assert marks("IOAPIC 4") != marks("IOAPIC 5")
    twice = marks("bad at offset 30h", "bad at offset 60h")
    assert twice[0] != twice[1]
    assert set(twice[0]) == {"harnessFinding/v1", "primaryLocationLineHash"}


def test_a_rule_that_was_not_judged_is_a_notification() -> None:
    missing = NotRun("acpi.ivmd-e820", "the memory map is not known", "--e820 LOG")
    (invocation,) = run_of(linted(not_run=(missing,)))["invocations"]
    (note,) = invocation["toolConfigurationNotifications"]
    assert note["associatedRule"] == {"id": "acpi.ivmd-e820", "index": 2}
    assert "needs: --e820 LOG" in note["message"]["text"]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/repo/a b/größe", "a%20b/gr%C3%B6%C3%9Fe"),
        ("/repo/\udcff", "%FF"),
        ("/sys/firmware/acpi/tables", "file:///sys/firmware/acpi/tables"),
        ("/repo/../tmp/IVRS", "file:///tmp/IVRS"),
    ],
)
def test_uris(path: str, uri: str) -> None:
    run = run_of(linted(finding(where=path), path=path))
    assert run["artifacts"] == [{"location": {"uri": uri}}]


def test_a_relative_path_is_told_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = as_sarif(without_baseline([linted(finding(), path="a/IVRS")]), RULES)
    assert document["runs"][0]["artifacts"] == [{"location": {"uri": "a/IVRS"}}]


def test_control_characters_are_written_out() -> None:
    (result,) = run_of(linted(finding(message="\x1b[2J\udcff")))["results"]
    assert result["message"]["text"].startswith(r"\x1b[2J\udcff")


def test_a_rule_that_nobody_lists_is_told_by_its_name_alone() -> None:
    (result,) = run_of(linted(finding("made.up")))["results"]
    assert result["ruleId"] == "made.up"
    assert "ruleIndex" not in result


def test_all_rules_of_lint_are_described() -> None:
    document = as_sarif(without_baseline(()), rules(), page="https://example.org/rules")
    check(document)
    described = document["runs"][0]["tool"]["driver"]["rules"]
    assert len(described) == len(rules())
    first = described[0]
    assert first["helpUri"] == f"https://example.org/rules#{first['id'].replace('.', '')}"


def test_the_page_of_the_rules_is_what_the_package_says(monkeypatch: pytest.MonkeyPatch) -> None:
    class Urls:
        def get_all(self, name: str) -> list[str]:
            assert name == "Project-URL"
            return ["Homepage, https://example.org", "Rules, https://example.org/rules"]

    monkeypatch.setattr(sarif, "metadata", lambda _: Urls())
    assert sarif.rules_page() == "https://example.org/rules"
    monkeypatch.setattr(sarif, "PACKAGE", "no-such-package-of-anybody")
    monkeypatch.undo()
    monkeypatch.setattr(sarif, "PACKAGE", "no-such-package-of-anybody")
    assert sarif.rules_page() == ""
