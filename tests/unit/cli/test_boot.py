"""`harness boot` when our side fails: a verdict is not lost, and nothing is a defect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import harness.boot
from harness.board import load
from harness.cli import main
from harness.console import Console
from harness.errors import SourceError, TargetDied
from harness.replay import ReplayRequest, replayed
from harness.request import BootRequest
from harness.run import RESULT, RunFolder
from harness.session import Observer, PowerOn, console_of
from harness.target.base import Target

HANG = Path(__file__).resolve().parents[2] / "data" / "logs" / "excerpt-apu2-hang-tail.log"
BOOT = ("boot", "apu2", "--method", "multiboot", "--deadline-scale", "0.01")


def raising(bad: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise bad

    return fail


@pytest.mark.usefixtures("panicking")
class TestAVerdict:
    def test_of_a_boot_is_in_the_run_folder(self, tmp_path: Path) -> None:
        assert main([*BOOT, "--out", str(tmp_path / "run")]) == 1
        result = json.loads((tmp_path / "run" / RESULT).read_text())
        assert result["verdict"] == "CRASHED"
        assert result["not_written"] is None
        assert result["console_bytes"] == (tmp_path / "run" / "console.raw").stat().st_size

    @pytest.mark.parametrize(("more", "code"), [([], 3), (["--bisect"], 125)])
    def test_that_cannot_be_written_is_still_said(
        self,
        more: list[str],
        code: int,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        class Deletes(Observer):
            def __init__(self, *, verbose: bool = False) -> None:
                del verbose

            def attached(self, console: object, target: object) -> None:
                del target
                shutil.rmtree(Path(console._raw.name).parent)  # type: ignore[attr-defined]

            def close(self) -> None:
                pass

        monkeypatch.setattr("harness.cli.oneboot.Progress", Deletes)
        assert main([*BOOT, "--json", *more]) == code
        said = capsys.readouterr()
        result = json.loads(said.out)
        assert result["verdict"] == "CRASHED"
        assert result["not_written"].endswith("result.json: No such file or directory")
        assert f"harness: cannot write {result['run_folder']}" in said.err

    def test_stays_when_the_report_cannot_be_printed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("builtins.print", raising(OSError(28, "No space left on device")))
        said: list[str] = []
        monkeypatch.setattr("harness.cli.say", said.append)
        assert main([*BOOT, "--out", str(tmp_path / "run")]) == 3
        assert said == ["cannot write the standard output: No space left on device"]
        assert json.loads((tmp_path / "run" / RESULT).read_text())["verdict"] == "CRASHED"
        assert "defect" not in capsys.readouterr().err

    def test_without_a_disk_for_the_console_is_infra(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def full(target: Target, run: RunFolder, *_: object) -> Console:
            (run.path / "console.raw").symlink_to("/dev/full")
            return console_of(target, run, load("apu2"), PowerOn())

        monkeypatch.setattr(harness.boot, "console_of", full)
        assert main([*BOOT, "--json"]) == 3
        result = json.loads(capsys.readouterr().out)
        assert result["verdict"] == "INFRA"
        assert result["cause"].startswith("cannot write ")
        assert result["cause"].endswith("console.raw: No space left on device")


@pytest.mark.usefixtures("panicking")
class TestAFailureBeforeTheFirstByte:
    @pytest.mark.parametrize(
        ("step", "bad", "verdict"),
        [
            ("resolve", SourceError("the mirror is gone"), "INFRA"),
            ("build_for", OSError(28, "No space left on device", "/x/initrd"), "INFRA"),
            ("open_target", TargetDied("it ended at once"), "DIED"),
        ],
    )
    def test_has_a_whole_result(
        self,
        step: str,
        bad: Exception,
        verdict: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(harness.boot, step, raising(bad))
        assert main([*BOOT, "--json", "--out", str(tmp_path / "run")]) == 3
        said = capsys.readouterr()
        result = json.loads(said.out)
        assert list(result) == list(replayed(ReplayRequest(HANG)).result)
        assert (result["verdict"], result["ending"]["kind"]) == (verdict, verdict.lower())
        assert (result["board"], result["goal"]) == ("apu2", "login")
        assert json.loads((tmp_path / "run" / RESULT).read_text()) == result
        assert "defect" not in said.err

    def test_names_the_file_that_could_not_be_written(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bad = OSError(28, "No space left on device", "/x/initrd")
        monkeypatch.setattr(harness.boot, "build_for", raising(bad))
        assert main([*BOOT, "--bisect"]) == 125
        assert "harness: /x/initrd: No space left on device" in capsys.readouterr().err

    def test_names_the_run_folder_when_no_file_is_known(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(harness.boot, "build_for", raising(OSError(27, "File too large")))
        assert main([*BOOT, "--out", str(tmp_path / "run")]) == 3
        said = capsys.readouterr().err
        assert f"harness: cannot work in {tmp_path / 'run'}: File too large\n" in said

    def test_of_the_user_leaves_stdout_empty(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*BOOT, "--json", "--until", "nowhere"]) == 2
        assert capsys.readouterr().out == ""


class TestForBisect:
    @pytest.mark.parametrize(
        "arguments", [["--nosuch"], ["--until", "nowhere"], ["--deadline-scale", "x"]]
    )
    def test_wrong_usage_cannot_be_judged(self, arguments: list[str]) -> None:
        assert main(["boot", *arguments]) == 2
        assert main(["boot", "--bisect", *arguments]) == 125
        assert main(["boot", *arguments, "--bis"]) == 125

    def test_help_is_help(self) -> None:
        assert main(["boot", "--bisect", "--help"]) == 0

    @pytest.mark.parametrize(
        "bad", [KeyboardInterrupt(), BrokenPipeError(), OSError(5, "I/O error"), ValueError("bug")]
    )
    def test_whatever_happens_cannot_be_judged(
        self, bad: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr("harness.cli.give_up", lambda stream: stream)
        monkeypatch.setattr("harness.cli.boot.request_from", raising(bad))
        assert main(["boot"]) == 3
        assert main(["boot", "--bisect"]) == 125

    @pytest.mark.usefixtures("panicking")
    def test_a_board_that_fails_is_bad(self) -> None:
        assert main([*BOOT, "--bisect"]) == 1


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--target=serial:/dev/x", "--power-on", 'a "b'], "No closing quotation"),
            (["--target=serial:/dev/x", "--power-off", " "], "--power-off is empty"),
            (["--target=serial:/dev/x", "--server-url", "foo bar"], "--server-url foo bar"),
            (["--target=serial:/dev/x", "--server-url", "ftp://a"], "http://HOST:PORT"),
            (["--target=serial:/dev/x", "--server-url", "http://a:99999"], "http://HOST:PORT"),
            (["--power-on", "true"], "--power-on true: only for a board on a serial line"),
            (["--power-off", "true"], "--power-off true: only for"),
            (["--server-url", "http://a"], "--server-url http://a: only for"),
            (["--bind", "10.0.0.1"], "--bind 10.0.0.1: only for"),
            (["--board-path", "/no/such"], "--board-path /no/such: no such folder"),
            (["--json", "--print-command"], "--print-command boots nothing"),
        ],
    )
    def test_that_cannot_be_are_refused(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["boot", "apu2", *arguments]) == 2
        shown = capsys.readouterr()
        assert said in shown.err
        assert shown.out == ""

    @pytest.mark.parametrize("url", ["192.168.42.1", "board-host:8080", "http://[::1]:80"])
    def test_a_host_alone_reaches_us_too(self, url: str) -> None:
        assert BootRequest(load("apu2"), "serial:/dev/x", server_url=url).server_url == url

    def test_an_unknown_board_says_what_to_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["boot", "nosuch"]) == 2
        assert "next: list them: harness boards\n" in capsys.readouterr().err

    def test_prune_has_no_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["runs", "--json", "prune", "--keep", "0"]) == 2
        assert "runs prune has no --json" in capsys.readouterr().err
        assert main(["runs", "prune", "--keep", "0"]) == 0
