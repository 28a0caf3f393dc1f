"""Baselines: what is accepted, what is new, what no longer applies, and which files are none."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path

import pytest

from harness.cli import lint as command
from harness.errors import InputError, UsageError
from harness.lint.baseline import (
    SCHEMA,
    Entry,
    compare,
    entries_of,
    read_baseline,
    write_baseline,
)
from harness.lint.fingerprint import fingerprint, steady
from tests.unit.lint import good
from tests.unit.lint.findings import finding, linted

HERE = Path()
Said = pytest.CaptureFixture[str]


def run(*words: str | Path) -> int:
    parser = ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["lint", *map(str, words)])
    code: int = options.run(options)
    return code


class TestFingerprint:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("base 0xfeb80000 is taken", "base 0xFD200000 is taken"),
            ("base FEB80000h is taken", "base FD200000h is taken"),
            ("the block at offset 30h is short", "the block at offset 0x1a8 is short"),
            ("the IVHD of type 11h at 0x30", "the IVHD of type 11h at 0x74"),
            ("as in line 12", "as in line 7"),
            ("two  words", "two words"),
        ],
    )
    def test_what_moves_does_not_count(self, one: str, other: str) -> None:
        assert fingerprint(finding(message=one)) == fingerprint(finding(message=other))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("IOAPIC 4 is not described", "IOAPIC 5 is not described"),
            ("device 00A0h is there twice", "device 00F8h is there twice"),
            ("id 0x10", "id 0x11"),
            ("the IOMMU at 00:00.2", "the IOMMU at 00:00.3"),
            ("a line was added", "a line was dropped"),
        ],
    )
    def test_what_it_is_about_counts(self, one: str, other: str) -> None:
        assert fingerprint(finding(message=one)) != fingerprint(finding(message=other))

    def test_the_rule_counts_and_half_a_surrogate_pair_does_no_harm(self) -> None:
        assert fingerprint(finding("a.b", "\udcff")) != fingerprint(finding("a.c", "\udcff"))

    def test_a_message_stays_readable(self) -> None:
        assert steady("block at offset 30h: base FEB80000h") == "block at offset #: base #"


class TestCompare:
    def test_what_was_found_is_accepted_and_what_is_new_is_not(self) -> None:
        old, new = finding(), finding("acpi.hpet", "there is no HPET")
        compared = compare([linted(old, new)], entries_of([linted(old)], HERE), HERE)
        assert compared.new[0].findings == (new,)
        assert compared.accepted == ((old,),)
        assert compared.stale == ()

    def test_one_more_of_the_same_is_new(self) -> None:
        old = finding(message="bad at offset 30h")
        more = finding(message="bad at offset 60h")
        compared = compare([linted(old, more)], entries_of([linted(old)], HERE), HERE)
        assert compared.new[0].findings == (more,)
        assert compared.accepted == ((old,),)

    def test_one_less_is_told_with_how_many(self) -> None:
        entries = entries_of([linted(*(finding() for _ in range(3)))], HERE)
        assert [one.count for one in entries] == [3]
        compared = compare([linted(finding())], entries, HERE)
        assert [(one.count, one.rule) for one in compared.stale] == [(2, "acpi.ioapic")]

    def test_an_input_that_was_not_given_is_not_stale(self) -> None:
        entries = entries_of([linted(finding(), path="other")], HERE)
        compared = compare([linted()], entries, HERE)
        assert compared.stale == ()

    def test_the_same_on_another_board_is_new(self) -> None:
        entries = entries_of([linted(finding(), path="apu2/IVRS")], HERE)
        compared = compare([linted(finding(), path="apu4/IVRS")], entries, HERE)
        assert len(compared.new[0].findings) == 1

    def test_paths_count_from_the_folder_of_the_baseline(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (one,) = entries_of([linted(finding(), path="apu2/IVRS")], HERE)
        assert one.input == "apu2/IVRS"
        (same,) = entries_of([linted(finding(), path=f"{tmp_path}/apu2/IVRS")], tmp_path)
        assert same == one
        (outside,) = entries_of([linted(finding(), path="/tables/IVRS")], tmp_path)
        assert outside.input == "IVRS"


class TestFile:
    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        path = tmp_path / "known.json"
        entries = entries_of([linted(finding(), finding(message="\udcff\x1b"))], tmp_path)
        write_baseline(path, entries)
        assert read_baseline(path) == entries
        assert json.loads(path.read_text())["schema"] == SCHEMA
        assert "\x1b" not in path.read_text()
        assert [one.name for one in tmp_path.iterdir()] == ["known.json"]

    def test_only_a_baseline_is_written_over(self, tmp_path: Path) -> None:
        path = tmp_path / "known.json"
        write_baseline(path, ())
        write_baseline(path, [Entry("a.b", "IVRS", "0", 1, "x")])
        assert len(read_baseline(path)) == 1
        path.write_text("{}")
        with pytest.raises(UsageError, match="is no baseline"):
            write_baseline(path, ())
        assert path.read_text() == "{}"

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "no JSON"),
            ("[" * 100_000, "no JSON"),
            ("[]", "no baseline"),
            ('{"schema": "harness-lint/1"}', "no baseline"),
            (f'{{"schema": "{SCHEMA}"}}', "accepts nothing"),
            (f'{{"schema": "{SCHEMA}", "accepted": [3]}}', "accepted[0]: is no object"),
            (f'{{"schema": "{SCHEMA}", "accepted": [{{"rule": "a"}}]}}', 'no text "input"'),
        ],
    )
    def test_what_is_no_baseline(self, tmp_path: Path, text: str, says: str) -> None:
        path = tmp_path / "known.json"
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            read_baseline(path)
        assert says in str(caught.value)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("count", [0, -1, "2", True, 1.5])
    def test_a_count_that_is_none(self, tmp_path: Path, count: object) -> None:
        entry = {"rule": "a", "input": "b", "fingerprint": "c", "message": "d", "count": count}
        path = tmp_path / "known.json"
        path.write_text(json.dumps({"schema": SCHEMA, "accepted": [entry]}))
        with pytest.raises(InputError, match="count"):
            read_baseline(path)

    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "large").touch()
        os.truncate(tmp_path / "large", 1 << 30)
        for name, says in [("fifo", "regular"), ("large", "too many"), (".", "directory")]:
            with pytest.raises(InputError, match=says):
                read_baseline(tmp_path / name)
        with pytest.raises(InputError, match="--write-baseline"):
            read_baseline(tmp_path / "missing")


class TestCommand:
    @pytest.fixture
    def script(self, tmp_path: Path) -> Path:
        path = tmp_path / "boot.cmd"
        path.write_text(good.SCRIPT.replace("0x50000000 -", "0x50000000"))
        return path

    def test_accepted_findings_do_not_fail_and_new_ones_do(
        self, script: Path, tmp_path: Path, capsys: Said
    ) -> None:
        known = tmp_path / "known.json"
        assert run(script) == 1
        assert run(script, "--write-baseline", known) == 0
        capsys.readouterr()
        assert run(script, "--baseline", known) == 0
        said = capsys.readouterr().out
        assert f"accepted by {known}:\n  {script}:19: error: bootz has two" in said
        assert "0 errors, 0 warnings" in said
        script.write_text(script.read_text().replace("setenv fdt_high 0xffffffff\n", ""))
        assert run(script, "--baseline", known) == 0
        assert run(script, "--baseline", known, "--fail-on", "warning") == 1

    def test_an_entry_that_no_longer_applies_is_a_note(
        self, script: Path, tmp_path: Path, capsys: Said
    ) -> None:
        known = tmp_path / "known.json"
        run(script, "--write-baseline", known)
        script.write_text(good.SCRIPT)
        capsys.readouterr()
        assert run(script, "--baseline", known, "--fail-on", "warning") == 0
        said = capsys.readouterr().out
        assert "known.json: note: no longer found in boot.cmd: bootz has two" in said
        run(script, "--baseline", known, "--format", "json")
        document = json.loads(capsys.readouterr().out)
        assert [one["rule"] for one in document["stale"]] == ["script.tree-as-initrd"]

    def test_json_lists_what_is_accepted_beside_what_is_found(
        self, script: Path, tmp_path: Path, capsys: Said
    ) -> None:
        known = tmp_path / "known.json"
        run(script, "--write-baseline", known)
        capsys.readouterr()
        run(script, "--baseline", known, "--format", "json")
        (one,) = json.loads(capsys.readouterr().out)["inputs"]
        assert one["findings"] == []
        assert [each["rule"] for each in one["accepted"]] == ["script.tree-as-initrd"]

    def test_both_at_once_is_wrong_usage(self, script: Path, capsys: Said) -> None:
        with pytest.raises(SystemExit) as caught:
            run(script, "--baseline", "a", "--write-baseline", "b")
        assert caught.value.code == 2
        assert "not allowed with" in capsys.readouterr().err
