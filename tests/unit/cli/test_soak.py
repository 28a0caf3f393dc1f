"""`harness soak`: what it takes, what it says, and its exit codes; the boots are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main, soak
from harness.request import BootRequest
from harness.soak.executors import Executor
from harness.soak.journal import Journal, read_journal
from tests.unit.soak.simulated import Script, Simulated

BINARIES = {"xen": "aa" * 32}
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the boots do; nothing is fetched."""
    told: dict[str, Any] = {"script": lambda _: "PASS", "opened": [], "choose": lambda _: 0}

    def opened(text: str, jobs: int) -> Executor:
        told["opened"].append((text, jobs))
        return Simulated(jobs, told["script"], told["choose"])

    monkeypatch.setattr(soak, "open_executor", opened)
    monkeypatch.setattr(soak, "binaries_of", lambda *_: told.get("binaries", BINARIES))
    return told


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*words: str | Path) -> tuple[int, str, str]:
        code = main(["soak", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def every(nth: int, verdict: str) -> Script:
    return lambda number: verdict if number % nth == 0 else "PASS"


RUN = ("run", "apu2", "--method", "multiboot", "--seed", "5")


def test_all_passed(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    code, out, err = cli(*RUN, "--boots", "10", "--jobs", "2", "--out", tmp_path / "s")
    assert code == 0
    assert out.startswith("apu2: no failure in 10 boots\n")
    assert "none of 10 boots failed: the rate is at most 25.9 %" in out
    assert "boot 3: PASS, 2.0 s; " in err
    assert script["opened"] == [("local", 2)]
    assert read_journal(tmp_path / "s").plan.options == ("--method=multiboot",)
    assert read_journal(tmp_path / "s").plan.binaries == BINARIES


def test_the_clusters_are_the_first_thing_on_the_screen(
    cli: Cli, script: dict[str, Any], tmp_path: Path
) -> None:
    script["script"] = every(3, "HUNG")
    code, out, _ = cli(*RUN, "--boots", "10", "--out", tmp_path / "s")
    assert code == 1
    rows = out.splitlines()
    assert rows[0] == "apu2: 3 HUNG at `Brought up 4 CPUs`"
    assert "3 of 10 boots failed: 30 % [6.7, 65]" in rows
    assert "all boots have ended" in rows[-2]
    assert cli("report", tmp_path / "s")[:2] == (1, out)


def test_json_is_the_only_output(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    script["script"] = every(3, "HUNG")
    code, out, _ = cli(*RUN, "--boots", "10", "--json", "--out", tmp_path / "s")
    value = json.loads(out)
    assert code == 1
    assert value["summary"]["rate"] == {"failures": 3, "boots": 10, "value": 0.3}
    assert value["plan"]["boots"] == 10
    assert value["unexpected"] is None
    assert [one["boot"] for one in value["boots"]] == list(range(1, 11))
    assert json.loads(cli("report", tmp_path / "s", "--json")[1]) == value


def test_injected_boots_are_said_to_be(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    words = (*RUN, "--boots", "20", "--inject", "30%:ivhd-length-zero", "--out", tmp_path / "s")
    code, out, err = cli(*words)
    assert code == 0
    assert "30 % of the boots are made to fail (injected): ivhd-length-zero" in err
    made = [n for n, one in read_journal(tmp_path / "s").outcomes.items() if one.boot.injected]
    assert made
    assert f"{len(made)} of 20 boots were made to fail (injected)" in out
    assert f"boot {made[0]}: PASS (injected: ivhd-length-zero)" in err
    # They were simulated, and passed.
    assert out.count("PASS, not HUNG (ivhd-length-zero)") == len(made)
    value = json.loads(cli("report", tmp_path / "s", "--json")[1])
    assert len(value["unexpected"]) == len(made)


def test_an_interruption_and_what_follows(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    folder, steps = tmp_path / "s", iter([0, 0, 0, None])

    def choose(_: int) -> int:
        step = next(steps, 0)
        if step is None:
            raise KeyboardInterrupt
        return step

    script["choose"] = choose
    code, out, err = cli(*RUN, "--boots", "8", "--out", folder)
    assert code == 3
    assert "none of 3 boots failed" in out
    assert f"harness soak resume {folder}" in err
    code, out, err = cli("resume", folder)
    assert code == 0
    assert "none of 8 boots failed" in out
    assert "3 boots ended before; 1 had not when it was stopped" in err
    assert cli("resume", folder)[0] == 0


def test_other_binaries_than_before_are_refused(
    cli: Cli, script: dict[str, Any], tmp_path: Path
) -> None:
    assert cli(*RUN, "--boots", "2", "--out", tmp_path / "s")[0] == 0
    script["binaries"] = {"xen": "bb" * 32}
    code, _, err = cli("resume", tmp_path / "s")
    assert code == 2
    assert "boots another xen" in err


def test_our_side_fails(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    script["script"] = lambda _: "INFRA"
    code, out, err = cli(*RUN, "--boots", "100", "--out", tmp_path / "s")
    assert code == 3
    assert "our side failed the first 3 boots" in err
    assert "not counted, because our side failed: 3" in out
    # Two are too few to give up; nothing is known, all the same.
    assert cli(*RUN, "--boots", "2", "--out", tmp_path / "t")[0] == 3


def test_until_confident(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    code, out, err = cli(*RUN, "--until-confident", "1/10@95", "--out", tmp_path / "s")
    assert code == 0
    assert "until it is known whether 10 % fail (95 %)" in err
    assert "the rate is below 10 % (95 %, one-sided): 0 of 29 boots failed" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing would end this soak"),
        (["--boots", "0"], "--boots 0"),
        (["--boots", "3", "--jobs", "0"], "--jobs 0"),
        (["--boots", "3", "--seed", "-1"], "--seed -1"),
        (["--hours", "0"], "0.0 hours"),
        (["--until-confident", "often"], "rate 'often' is no share"),
        (["--boots", "3", "--inject", "20%"], "names no recipe"),
        (["--boots", "3", "--inject", "20%:gone"], "there is no such recipe"),
        (["--boots", "3", "--until", "nowhere"], "no such stage"),
        (["--boots", "3", "--symbols", "/none"], "--symbols /none: no such file"),
        (
            ["--boots", "3", "--method", "pxe", "--target", "serial:/dev/null", "--jobs", "2"],
            "there is one board on the line",
        ),
    ],
)
def test_wrong_usage_leaves_nothing(
    cli: Cli, script: dict[str, Any], tmp_path: Path, words: list[str], says: str
) -> None:
    code, _, err = cli(*RUN, *words, "--out", tmp_path / "s")
    assert code == 2
    assert says in err
    assert not (tmp_path / "s").exists()
    assert script["opened"] == []


def test_folders(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    assert cli(*RUN, "--boots", "1", "--out", tmp_path / "s")[0] == 0
    code, _, err = cli(*RUN, "--boots", "1", "--out", tmp_path / "s")
    assert code == 2
    assert "there is a soak already" in err
    for command in ("report", "resume"):
        code, _, err = cli(command, tmp_path)
        assert code == 2
        assert "there is no soak" in err
    with Journal.resume(tmp_path / "s"):
        code, _, err = cli("resume", tmp_path / "s")
        assert code == 2
        assert "another process works on this soak" in err
        assert cli("report", tmp_path / "s")[0] == 0


def test_without_out_it_is_in_the_state_folder(
    cli: Cli, script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    code, out, _ = cli(*RUN, "--boots", "1")
    assert code == 0
    (folder,) = (tmp_path / "harness" / "soaks").iterdir()
    assert out.splitlines()[-1] == f"soak: {folder}"


def test_compare_counts(cli: Cli) -> None:
    code, out, _ = cli("compare", "29/100", "0/100")
    assert code == 0
    assert out.startswith("the fix lowers 29 % [20, 39] to 0 % [0, 3.6]; p < 1e-9\n")
    assert cli("compare", "1/30", "0/12")[1].startswith("12 clean boots say nothing yet: 89 needed")
    value = json.loads(cli("compare", "29/100", "0/100", "--json")[1])
    assert value["decided"]
    assert value["a"]["limits"][0] == pytest.approx(0.2036, abs=1e-4)
    assert value["different"] is None
    assert json.loads(cli("compare", "0/10", "3/10", "--json")[1])["odds_ratio"] is None
    assert cli("compare", "29/100", "0/100", "--confidence", "99%")[1] != out
    for wrong in ("5/3", "gone", "a/b"):
        assert cli("compare", wrong, "0/100")[0] == 2
    assert cli("compare", "1/2", "1/2", "--confidence", "2")[0] == 2


def test_compare_soaks(cli: Cli, script: dict[str, Any], tmp_path: Path) -> None:
    script["script"] = every(2, "HUNG")
    cli(*RUN, "--boots", "30", "--out", tmp_path / "a")
    script["script"] = lambda _: "PASS"
    cli(*RUN, "--cmdline-xen", "+sync_console", "--boots", "20", "--out", tmp_path / "b")
    code, out, _ = cli("compare", tmp_path / "a", tmp_path / "b")
    assert code == 0
    assert out.startswith("the fix lowers 50 %")
    assert "before: apu2: 15 HUNG at `Brought up 4 CPUs`" in out
    assert "--cmdline-xen=+sync_console" in out.splitlines()[-1]
    assert "--boots" not in out
    assert "SHA-256" not in out
    script["binaries"] = {"xen": "bb" * 32}
    cli(*RUN, "--boots", "20", "--out", tmp_path / "c")
    last = cli("compare", tmp_path / "a", tmp_path / "c")[1].splitlines()[-1]
    assert last == "what is different: xen: SHA-256 aaaaaaaaaaaa, now SHA-256 bbbbbbbbbbbb"


def test_package_lists_are_fetched_anew_only_once(
    cli: Cli, script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def binaries(request: BootRequest, _: object) -> dict[str, str]:
        asked.append(request.refresh)
        return BINARIES

    monkeypatch.setattr(soak, "binaries_of", binaries)
    assert cli(*RUN, "--refresh", "--boots", "2", "--out", tmp_path / "s")[0] == 0
    assert cli("resume", tmp_path / "s")[0] == 0
    assert asked == [True, False]
