"""Standard files that are closed, full, or read by nobody."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.report.progress import Progress

LOG = Path(__file__).resolve().parents[2] / "data" / "logs" / "excerpt-apu2-hang-tail.log"
Shell = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ("", 1, ""),
        (">&-", 1, ""),
        ("<&- >&- 2>&-", 1, ""),
        (">/dev/full", 3, "harness: cannot write the standard output: No space left on device\n"),
        ("--bisect >/dev/full", 125, None),
    ],
)
def test_replay_ends_in_order(shell: Shell, more: str, code: int, said: str | None) -> None:
    done = shell(f"replay {LOG} {more}")
    assert done.returncode == code
    assert said is None or done.stderr == said
    assert "Traceback" not in done.stderr


def test_a_message_that_nobody_can_read_changes_no_code(shell: Shell) -> None:
    for where in ("/dev/full", "&-"):
        assert shell(f"replay /no/such 2>{where}").returncode == 2


def test_a_reader_that_is_gone_is_no_defect(shell: Shell) -> None:
    done = shell("boards schema | true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (3, "")


def test_without_stderr_stdout_is_only_json(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # empty: nothing can be booted
    done = shell("boot apu2 --offline --json 2>&-")
    assert done.returncode == 3
    assert json.loads(done.stdout)["verdict"] == "INFRA"


def test_progress_never_writes_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    Progress().step("sources")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("bad", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space")])
def test_progress_that_cannot_be_written_ends_no_boot(bad: OSError) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise bad

    progress = Progress(out=Broken())
    progress.step("sources")
    progress.step("build")
