"""What can be linted, and what is refused: no input holds us up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from argparse import ArgumentParser
from pathlib import Path

import pytest

from harness.cli import lint as command
from harness.errors import InputError, ToolMissing
from harness.formats import uimage
from harness.lint import dts
from harness.lint.docs import render
from harness.lint.engine import RULES_OF, lint
from harness.lint.given import KINDS, TEXTS, read, recognise
from harness.lint.rule import SEVERITIES
from tests.unit.lint import good
from tests.unit.lint.conftest import Lint

ROOT = Path(__file__).resolve().parents[3]
Said = pytest.CaptureFixture[str]


def run(*words: str | Path) -> int:
    parser = ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["lint", *map(str, words)])
    code: int = options.run(options)
    return code


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "boot.cmd"
    path.write_text(good.SCRIPT)
    return path


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "data", "kind"),
        [
            ("a", good.tree(), "dtb"),
            ("a", b"/dts-v1/;\n/ { };\n", "dts"),
            ("a.dts", b"#include <x>\n", "dts"),
            ("a", b"# boot\nsetenv a b\n", "boot.cmd"),
            ("boot.cmd", b"true\n", "boot.cmd"),
            ("a", b'kernel = "x"\n', "domU.cfg"),
            ("boot.cmd", b"name = 1\n", "boot.cmd"),
            ("a", good.zimage(), "zimage"),
            ("a", good.image(), "zimage"),
            ("a", b"\x27\x05\x19\x56" + bytes(60), "zimage"),
            ("A20.bin", b"\1\2\0", "zimage"),
            ("initrd", b"\x1f\x8b\x08", "ramdisk"),
            ("zImage", b"\x1f\x8b\x08", "zimage"),
            ("boot.cmd", b"\x7fELF\2\1\0", None),
            ("a.cfg", b"\x1f\x8b\x08\0", None),
            ("boot.cmd", b"\x27\x05\x19\x56" + bytes(26) + b"\6" + bytes(33), "boot.scr"),
            ("notes.txt", b"hello\n", None),
            ("a.cmd", bytes(10), None),
        ],
    )
    def test_is_seen(self, name: str, data: bytes, kind: str | None) -> None:
        found = recognise(name, data)
        assert (found.name if found else None) == kind

    def test_every_kind_has_its_rules(self) -> None:
        assert {kind.name for kind in KINDS} == set(RULES_OF)
        assert set(RULES_OF) >= TEXTS

    def test_a_boot_scr_is_read_as_its_script(self, linted: Lint) -> None:
        data = uimage.script_image(good.SCRIPT.encode(), time=0)
        done = linted({**good.FILES, "boot.scr": data}, good.BOARD)
        assert done["boot.scr"].kind == "boot.scr"
        assert done["boot.scr"].findings == ()
        bad = good.SCRIPT.replace("0x50000000 -", "0x50000000").encode()
        one = linted({"boot.scr": uimage.script_image(bad, time=0)})["boot.scr"]
        assert [f.rule for f in one.findings] == ["script.tree-as-initrd"]
        assert one.findings[0].where.endswith("boot.scr:19")


class TestRefused:
    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="a folder of ACPI tables, but it holds no files"):
            lint([tmp_path])

    def test_a_fifo(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "boot.cmd")
        with pytest.raises(InputError, match="no regular file"):
            read(tmp_path / "boot.cmd")

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.cfg").write_bytes(b"")
        with pytest.raises(InputError, match="is empty"):
            read(tmp_path / "a.cfg")

    def test_a_binary_with_the_name_of_a_text(self, tmp_path: Path) -> None:
        (tmp_path / "boot.cmd").write_bytes(b"\x7fELF\2\1\1" + bytes(100))
        with pytest.raises(InputError) as caught:
            read(tmp_path / "boot.cmd")
        assert "its name says boot.cmd, its content is binary" in str(caught.value)

    def test_a_file_of_no_kind_says_what_helps(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("hello")
        with pytest.raises(InputError, match=r"usual endings are .*\.cmd"):
            read(tmp_path / "notes")

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="No such file"):
            read(tmp_path / "a.cfg")

    def test_a_name_with_a_null(self) -> None:
        with pytest.raises(InputError, match="null"):
            read(Path("a\0b"))

    @pytest.mark.parametrize(
        "name", ["a.img", "a.cmd", "a.cfg", "a.dts", "a.dtb", "a.scr", "a.bin"]
    )
    def test_100_mb_of_zeros(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.touch()
        os.truncate(path, 100_000_000)
        with pytest.raises(InputError, match=r"too many|what it is|is binary"):
            read(path)

    def test_a_damaged_tree_and_a_damaged_script(self, tmp_path: Path) -> None:
        (tmp_path / "a.dtb").write_bytes(good.tree()[:200])
        (tmp_path / "a.scr").write_bytes(b"\x27\x05\x19\x56" + bytes(26) + b"\x06" + bytes(33))
        for name in ("a.dtb", "a.scr"):
            with pytest.raises(InputError) as caught:
                lint([tmp_path / name])
            assert name in str(caught.value)
            assert caught.value.exit_code == 2

    def test_a_kernel_that_is_a_fifo_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "guest.bin")
        (tmp_path / "a.cfg").write_text(good.CFG)
        (done,) = lint([tmp_path / "a.cfg"], good.BOARD)
        assert [f.rule for f in done.findings] == ["cfg.kernel"]
        # It is there: that it is not would be untrue.
        assert "no file guest.bin to read" in done.findings[0].message


class TestTogether:
    def test_the_tree_of_a_guest_does_not_hide_that_of_the_board(self, linted: Lint) -> None:
        node = good.Node("passthrough", good.ONE_AND_ONE)
        part = good.build_dtb(good.Tree(good.Node("/", good.ONE_AND_ONE, (node,))))
        script = good.SCRIPT.replace("serial@1c28000", "serial@2")
        done = linted({**good.FILES, "boot.cmd": script, "guest.dtb": part}, good.BOARD)
        assert [f.rule for f in done["boot.cmd"].findings] == ["xen.dtuart"]


class TestTerminal:
    def test_what_a_terminal_would_act_on_is_written_out(
        self, tmp_path: Path, capsys: Said
    ) -> None:
        path = tmp_path / "a\x1b[2J.cmd"
        path.write_bytes(b'x\x1b]0;y\x07 \x9b\xff\n"z\n"\n')
        run(path)
        text = capsys.readouterr().out
        assert not [c for c in text if not c.isprintable() and c != "\n"]
        assert r"a\x1b[2J.cmd:1: error" in text
        rows = [row for row in text.split("\n") if row and "script." in row]
        assert all(row.endswith("]") for row in rows)

    def test_other_letters_stay(self, tmp_path: Path, capsys: Said) -> None:
        (tmp_path / "größe.cmd").write_text("boot\n")
        run(tmp_path / "größe.cmd")
        assert "größe.cmd" in capsys.readouterr().out


class TestDts:
    def test_dtc_that_is_not_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.dts").write_text("/dts-v1/;\n/ { };\n")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ToolMissing) as caught:
            lint([tmp_path / "a.dts"])
        assert caught.value.exit_code == 3

    def test_dtc_that_does_not_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = tmp_path / "dtc"
        fake.write_text("#!/bin/sh\nexec sleep 60\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(dts, "TIMEOUT_S", 0.2)
        with pytest.raises(InputError, match="does not come to an end") as caught:
            dts.compile_dts(tmp_path / "a.dts", "")
        assert "/incbin/" in str(caught.value.expected)

    @pytest.mark.skipif(
        shutil.which("dtc") is None and not os.environ.get("CI"), reason="dtc is not installed"
    )
    def test_a_source_has_the_findings_of_its_tree(self, linted: Lint, tmp_path: Path) -> None:
        (tmp_path / "flat").write_bytes(good.tree(good.RAMDISK))
        argv = ["dtc", "-q", "-I", "dtb", "-O", "dts", str(tmp_path / "flat")]
        source = subprocess.run(argv, capture_output=True, check=True).stdout
        (done,) = linted({"a.dts": source}, good.BOARD).values()
        assert done.kind == "dts"
        assert [f.rule for f in done.findings] == ["modules.kernel"]

    @pytest.mark.skipif(
        shutil.which("dtc") is None and not os.environ.get("CI"), reason="dtc is not installed"
    )
    def test_a_source_that_does_not_compile(self, linted: Lint) -> None:
        (done,) = linted({"a.dts": "/dts-v1/;\n#include <x.dtsi>\n/ { };\n"}, good.BOARD).values()
        assert [f.rule for f in done.findings] == ["tree.dtc"]
        assert "cpp" in done.findings[0].hint
        (done,) = linted({"a.dts": '/dts-v1/;\n/ { a = "b"\nc; };\n'}, good.BOARD).values()
        assert "line is: c; }; (or a ; is missing in the line before)" in done.findings[0].hint
        assert {n.rule for n in done.not_run} >= {"tree.psci", "modules.kernel"}


class TestCommand:
    def test_exit_codes(self, script: Path) -> None:
        assert run(script) == 0
        script.write_text(good.SCRIPT.replace("setenv fdt_high 0xffffffff\n", ""))
        assert run(script) == 0
        assert run(script, "--fail-on", "warning") == 1
        script.write_text(good.SCRIPT.replace("0x50000000 -", "0x50000000"))
        assert run(script) == 1

    def test_json(self, script: Path, capsys: Said) -> None:
        script.write_text(good.SCRIPT.replace("0x50000000 -", "0x50000000"))
        run(script, "--format", "json")
        document = json.loads(capsys.readouterr().out)
        assert list(document) == ["schema", "inputs"]
        assert document["schema"] == "harness-lint/1"
        (one,) = document["inputs"]
        assert (one["path"], one["kind"]) == (str(script), "boot.cmd")
        (finding,) = one["findings"]
        assert {"rule", "severity", "where", "message", "consequence"} <= set(finding)
        assert finding["severity"] in SEVERITIES
        assert all(set(each) == {"rule", "why", "needs"} for each in one["not_run"])

    def test_text_says_where_what_then_and_how_to_mend(self, script: Path, capsys: Said) -> None:
        script.write_text(good.SCRIPT.replace("0x50000000 -", "0x50000000"))
        run(script)
        said = capsys.readouterr().out
        assert f"{script}:19: error: bootz has two arguments" in said
        assert "  then: U-Boot takes the tree for a ramdisk" in said
        assert "  mend: bootz 0x50000000 - 0x4f000000" in said
        assert "1 error, 0 warnings, 0 notes in" in said

    def test_an_input_error_reaches_the_caller(self, tmp_path: Path) -> None:
        with pytest.raises(InputError):
            run(tmp_path)


def test_the_page_of_the_rules_is_up_to_date() -> None:
    page = ROOT / "docs" / "lint-rules.md"
    assert page.read_text() == render(), "python -m harness.lint.docs > docs/lint-rules.md"
