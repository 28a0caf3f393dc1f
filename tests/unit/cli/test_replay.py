"""`harness replay`: what it reads, and what it believes of a result.json beside the log."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.cli import main

LOGS = Path(__file__).resolve().parents[2] / "data" / "logs"
HANG = LOGS / "excerpt-apu2-hang-tail.log"
PANIC = LOGS / "qemu-q35-xen-4.17.7-mwait-panic.log"
ARM = LOGS / "qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log"

Said = pytest.CaptureFixture[str]


def recorded(folder: Path, data: bytes, **result: object) -> Path:
    """A console.raw with the result.json of its run."""
    (folder / "console.raw").write_bytes(data)
    (folder / "result.json").write_text(json.dumps(result))
    return folder / "console.raw"


def judged(log: Path, capsys: Said) -> str:
    main(["replay", str(log), "--json"])
    return str(json.loads(capsys.readouterr().out)["verdict"])


GOAL = {"kind": "goal", "detail": ""}


class TestTheOwnResult:
    def test_after_the_verdict_the_log_belongs_to_the_user(
        self, tmp_path: Path, capsys: Said
    ) -> None:
        data = HANG.read_bytes() + b"\n"
        log = recorded(tmp_path, data + PANIC.read_bytes(), ending=GOAL)
        assert judged(log, capsys) == "CRASHED"
        log = recorded(tmp_path, data + PANIC.read_bytes(), ending=GOAL, console_bytes=len(data))
        assert judged(log, capsys) != "CRASHED"

    @pytest.mark.parametrize("kind", ["nonsense", None, ["goal"], {}, 3])
    def test_an_ending_that_is_none_is_refused(
        self, kind: object, tmp_path: Path, capsys: Said
    ) -> None:
        log = recorded(tmp_path, HANG.read_bytes(), ending={"kind": kind, "detail": ""})
        assert main(["replay", str(log)]) == 2
        assert f"{tmp_path / 'result.json'}: ending.kind is" in capsys.readouterr().err

    @pytest.mark.parametrize("count", [-1, "all", True, 1.5])
    def test_a_length_that_is_none_is_refused(
        self, count: object, tmp_path: Path, capsys: Said
    ) -> None:
        log = recorded(tmp_path, HANG.read_bytes(), ending=GOAL, console_bytes=count)
        assert main(["replay", str(log)]) == 2
        assert "console_bytes is" in capsys.readouterr().err

    def test_a_result_without_an_ending_says_nothing(self, tmp_path: Path, capsys: Said) -> None:
        assert judged(recorded(tmp_path, HANG.read_bytes(), ending=None), capsys) == "HUNG"


class TestTheArchitecture:
    def test_of_another_board_is_refused(self, capsys: Said) -> None:
        assert main(["replay", str(ARM), "--board", "apu2"]) == 2
        assert "the log is of arm, board apu2 is x86_64" in capsys.readouterr().err
        assert main(["replay", str(ARM)]) != 2

    def test_that_the_log_does_not_tell_is_nobodys_fault(
        self, tmp_path: Path, capsys: Said
    ) -> None:
        log = tmp_path / "log"
        log.write_text("Linux version 6.1\n")
        assert main(["replay", str(log), "--board", "apu2"]) == 1
        assert "INCOMPLETE" in capsys.readouterr().out


class TestWhatIsRead:
    def test_standard_input(self, shell: Callable[..., CompletedProcess[str]]) -> None:
        for arguments in (f"replay - <{HANG}", f"replay - < <(cat {HANG})", "replay /dev/stdin"):
            done = shell(arguments, typed=HANG.read_text())
            assert done.stdout.startswith("HUNG"), (arguments, done)
        done = shell("replay - </dev/null")
        assert (done.returncode, done.stdout) == (2, "")
        assert "standard input: not a regular file" in done.stderr

    def test_a_fifo(self, tmp_path: Path, capsys: Said) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(HANG.read_bytes(),))
        writer.start()
        assert main(["replay", str(fifo)]) == 1
        writer.join()
        assert capsys.readouterr().out.startswith("HUNG")

    @pytest.mark.parametrize("what", [str(LOGS), "/dev/null"])
    def test_what_is_no_file_is_refused(self, what: str, capsys: Said) -> None:
        assert main(["replay", what]) == 2
        assert f"{what}: not a regular file" in capsys.readouterr().err


class TestTheReport:
    def test_says_the_iommu_without_xens_version(self, tmp_path: Path, capsys: Said) -> None:
        log = tmp_path / "log"
        log.write_text("(XEN) AMD-Vi: IOMMU 0 Enabled.\n(XEN) I/O virtualisation enabled\n")
        main(["replay", str(log)])
        assert "  xen       version not said, IOMMU enabled" in capsys.readouterr().out

    def test_says_that_no_stage_was_reached(self, tmp_path: Path, capsys: Said) -> None:
        log = tmp_path / "log"
        log.write_text("nothing of a boot\n")
        main(["replay", str(log)])
        assert "  reached   none" in capsys.readouterr().out
