"""`harness acpi`: what is shown and compared, where damaged tables go, and what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from harness.acpi.builder import Spec, build, coreboot_ivrs, q35_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from harness.acpi.reading import read
from harness.acpi.writing import write
from harness.cli import acpi, parser
from harness.errors import InfraError, InputError, UsageError
from harness.formats.acpi.tableset import RawTable, TableSet

Said = pytest.CaptureFixture[str]


@pytest.fixture
def ivrs(tmp_path: Path) -> Path:
    path = tmp_path / "IVRS"
    path.write_bytes(coreboot_ivrs(base=0xF7F00000))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tables"
    write(build(Spec(ivrs=q35_ivrs())), path)
    return path


def run(*words: object) -> int:
    top = argparse.ArgumentParser()
    acpi.add(top.add_subparsers(required=True))
    options = top.parse_args(["acpi", *map(str, words)])
    code: int = options.run(options)
    return code


class TestShow:
    def test_every_table_of_a_folder(self, folder: Path, capsys: Said) -> None:
        assert run("show", folder) == 0
        said = capsys.readouterr().out
        for name in ("APIC, ", "IVRS, ", "FACP, ", "DSDT, "):
            assert f"\n{name}" in f"\n{said}"
        assert "IVHD type 10h, IOMMU 00:01.0" in said

    @pytest.mark.parametrize("name", ["APIC", "apic", "MADT", "madt"])
    def test_one_table_by_either_name(self, folder: Path, name: str, capsys: Said) -> None:
        assert run("show", folder, "--table", name) == 0
        said = capsys.readouterr().out
        assert said.startswith("APIC, ")
        assert "IVRS, " not in said

    def test_a_table_that_is_not_there(self, ivrs: Path) -> None:
        with pytest.raises(InputError, match="there is no HPET") as caught:
            run("show", ivrs, "--table", "HPET")
        assert caught.value.expected == "one of IVRS"

    def test_nothing_in_a_table_acts_on_the_terminal(self, tmp_path: Path, capsys: Said) -> None:
        path = tmp_path / "a\x1b[2J\n"
        path.write_bytes(apply_to_ivrs(q35_ivrs(), "byte[0x0a]=0x1b; byte[0x0b]=0x9b") or b"")
        assert run("show", path) == 0
        said = capsys.readouterr().out
        assert not [c for c in said if not c.isprintable() and c != "\n"]
        assert r"a\x1b[2J" in said

    def test_what_holds_no_table(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("hello")
        with pytest.raises(InputError):
            run("show", tmp_path / "notes")
        with pytest.raises(InputError):
            run("show", tmp_path / "missing")


class TestDiff:
    def test_no_difference(self, ivrs: Path, folder: Path, capsys: Said) -> None:
        assert run("diff", ivrs, ivrs) == 0
        assert capsys.readouterr().out == "no difference in 1 table\n"
        assert run("diff", folder, folder) == 0

    def test_differences_are_one_line_each_and_exit_code_1(
        self, ivrs: Path, tmp_path: Path, capsys: Said
    ) -> None:
        new = tmp_path / "new"
        new.write_bytes(apply_to_ivrs(ivrs.read_bytes(), "drop ioapic[-1]; ivhd.flags^=1") or b"")
        assert run("diff", ivrs, new) == 1
        rows = capsys.readouterr().out.splitlines()
        assert len(rows) >= 2
        assert all(row.startswith("IVRS: ") for row in rows)

    def test_only_one_table(self, folder: Path, tmp_path: Path) -> None:
        new = tmp_path / "new"
        run("mutate", folder, "--with", "ioapic-missing", "-o", new)
        assert run("diff", folder, new, "--table", "MADT") == 0
        assert run("diff", folder, new, "--table", "IVRS") == 1
        with pytest.raises(InputError, match="there is no DMAR"):
            run("diff", folder, new, "--table", "DMAR")

    def test_a_table_that_only_one_side_has(
        self, folder: Path, tmp_path: Path, capsys: Said
    ) -> None:
        run("mutate", folder, "--with", "no-ivrs", "-o", tmp_path / "new")
        capsys.readouterr()
        assert run("diff", folder, tmp_path / "new", "--table", "IVRS") == 1
        assert "IVRS removed" in capsys.readouterr().out


class TestMutate:
    def test_a_statement(self, ivrs: Path, tmp_path: Path, capsys: Said) -> None:
        out = tmp_path / "broken"
        assert run("mutate", ivrs, "--with", "ivhd.length=0", "-o", out) == 0
        assert out.read_bytes() == apply_to_ivrs(ivrs.read_bytes(), "ivhd.length=0")
        assert out.read_bytes() != ivrs.read_bytes()
        assert capsys.readouterr().out == f"mutation: ivhd.length=0\nwritten: {out}\n"

    @pytest.mark.parametrize("mutation", ["header.length=0", "header.length=16", "truncate 50"])
    def test_several_tables_are_a_folder_that_reads_the_same(
        self, folder: Path, tmp_path: Path, mutation: str
    ) -> None:
        out = tmp_path / "broken"
        assert run("mutate", folder, "--with", mutation, "-o", out) == 0
        old, new = read(folder), read(out)
        assert [t.signature for t in old.tables] == [t.signature for t in new.tables]
        changed = [o.signature for o, n in zip(old.tables, new.tables, strict=True) if o != n]
        different = [
            o.signature for o, n in zip(old.tables, new.tables, strict=True) if o.data != n.data
        ]
        assert len(changed) == len(old.tables)  # each has another origin
        assert different == ["IVRS"]

    def test_a_seed_gives_the_same_again_and_says_which(
        self, ivrs: Path, tmp_path: Path, capsys: Said
    ) -> None:
        for name in ("one", "two"):
            assert run("mutate", ivrs, "--seed", 7, "-o", tmp_path / name) == 0
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        mutation = capsys.readouterr().out.splitlines()[0].removeprefix("mutation: ")
        run("mutate", ivrs, "--with", mutation, "-o", tmp_path / "three")
        assert (tmp_path / "three").read_bytes() == (tmp_path / "one").read_bytes()

    def test_the_list_has_every_name(self, capsys: Said) -> None:
        assert run("mutate", "--list") == 0
        rows = capsys.readouterr().out.splitlines()
        assert [row.split()[0] for row in rows] == list(NAMED)

    def test_nothing_is_written_over(self, ivrs: Path, tmp_path: Path) -> None:
        before = ivrs.read_bytes()
        (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
        for out in (ivrs, tmp_path, tmp_path / "dangling"):
            with pytest.raises(UsageError, match="not written over"):
                run("mutate", ivrs, "--with", "checksum-bad", "-o", out)
        assert ivrs.read_bytes() == before
        assert not (tmp_path / "elsewhere").exists()

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--with", "good"], "where to"),
            (["-o", "x"], "which mutation"),
            (["--list"], "--list takes no file"),
            (["--with", "ioapic-mising", "-o", "x"], "ioapic-missing"),
            (["--with", "hpet[9].handle=1", "-o", "x"], "no hpet[9]"),
            (["--with", "drop ivrs", "-o", "x"], "no table is left"),
            (["--with", "good", "-o", "nowhere/x"], "no folder nowhere"),
        ],
    )
    def test_wrong_usage(
        self,
        ivrs: Path,
        words: list[str],
        says: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError) as caught:
            run("mutate", ivrs, *words)
        assert says in str(caught.value)
        assert [one.name for one in tmp_path.iterdir()] == ["IVRS"]

    def test_no_file(self) -> None:
        with pytest.raises(UsageError, match="which table"):
            run("mutate", "--with", "good", "-o", "x")


class TestWriting:
    def test_signatures_that_repeat_are_numbered(self, tmp_path: Path) -> None:
        tables = [
            RawTable(name, name.encode() + (36).to_bytes(4, "little") + bytes(28))
            for name in ("SSDT", "SSDT", "IVRS")
        ]
        files = write(TableSet(tuple(tables)), tmp_path / "tables")
        assert [file.name for file in files] == ["SSDT1", "SSDT2", "IVRS"]

    def test_no_signature_leads_out_of_the_folder(self, tmp_path: Path) -> None:
        tables = [RawTable(name, b"x") for name in ("../a", "../a", "/etc", "..\0\n", "__\0\n")]
        files = write(TableSet(tuple(tables)), tmp_path / "tables")
        assert {file.parent for file in files} == {tmp_path / "tables"}
        assert len({file.name for file in files}) == len(tables)
        assert all(file.is_file() for file in files)

    def test_a_folder_that_cannot_be_written(self, ivrs: Path, tmp_path: Path) -> None:
        name = "x" * 300
        with pytest.raises(InfraError, match="too long"):
            write(read(ivrs), tmp_path / name)


def test_the_command_is_registered_with_examples(capsys: Said) -> None:
    for words in (["acpi", "--help"], ["acpi", "mutate", "--help"]):
        with pytest.raises(SystemExit) as caught:
            parser().parse_args(words)
        assert caught.value.code == 0
        assert "examples:" in capsys.readouterr().out
