"""`harness bisect`, and `harness boot --bisect --boots`: simulated boots, real options."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli import main
from harness.errors import InputError, SourceError
from harness.request import BootRequest

Verdict = Callable[[str, int], str]
BISECT = ("bisect", "apu2", "--method", "multiboot")
ALL = ("--good", "4.14", "--bad", "4.20")


class Boots:
    """What is booted instead of boards; `verdict` says how each boot ends."""

    def __init__(self) -> None:
        self.requests: list[BootRequest] = []
        self.verdict: Verdict = lambda use, number: "PASS"  # noqa: ARG005
        self.ending = "goal"
        self.not_written: str | None = None

    @contextmanager
    def booted(self, request: BootRequest, *_: object) -> Iterator[SimpleNamespace]:
        self.requests.append(request)
        use = request.uses.get("xen", "")
        verdict = self.verdict(use, len([r for r in self.requests if r.uses.get("xen", "") == use]))
        if verdict == "missing":
            raise InputError("no such package", where=use)
        if verdict == "INFRA":
            raise SourceError("no network")
        result = {
            "verdict": verdict,
            "cause": f"{verdict} of {use}",
            "ending": {"kind": self.ending},
            "run_folder": str(request.out),
            "seconds": 1.0,
            "not_written": self.not_written,
        }
        yield SimpleNamespace(result=result)


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> Boots:
    made = Boots()
    monkeypatch.setattr("harness.cli.bisect.booted", made.booted)
    monkeypatch.setattr("harness.cli.gitbisect.booted", made.booted)
    return made


def bad_from(*bad: str) -> Verdict:
    return lambda use, number: "HUNG" if use in bad else "PASS"  # noqa: ARG005


class TestTheAnswer:
    def test_is_the_first_bad_version(
        self, boots: Boots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        boots.verdict = bad_from("4.17", "4.20")
        out = tmp_path / "out"
        assert main([*BISECT, *ALL, "--boots-per-step", "1", "--out", str(out)]) == 0
        said = capsys.readouterr()
        assert said.out.startswith("first bad version: 4.17 (the last good one is 4.14)\n")
        assert "step 3 of about 3: 4.17, boot 1 of 1: HUNG: HUNG of 4.17\n" in said.err
        rows = [json.loads(row) for row in (out / "bisect.jsonl").read_text().splitlines()]
        assert [row["kind"] for row in rows] == ["begin", *["boot", "answer"] * 3, "end"]
        assert json.loads((out / "bisect.json").read_text())["first_bad"] == "4.17"
        folders = [request.out for request in boots.requests]
        assert folders == [
            out / "runs" / name / "0001" for name in ("003-4.20", "001-4.14", "002-4.17")
        ]

    def test_as_json_is_all_that_is_printed(
        self, boots: Boots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        boots.verdict = bad_from("4.20")
        assert main([*BISECT, *ALL, "--rate", "50%", "--confidence", "0.9", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["first_bad"] == "4.20"
        assert told["confidence"] >= 0.9
        assert told["rate"] == {"from": "--rate", "low": 0.5}
        assert (told["board"], told["role"]) == ("apu2", "xen")
        assert Path(told["folder"]).parent.name == "bisects"

    def test_measures_the_rate_if_none_is_given(
        self, boots: Boots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        boots.verdict = lambda use, number: "HUNG" if use > "4.15" and number % 2 else "PASS"
        assert main([*BISECT, *ALL]) == 0
        said = capsys.readouterr()
        assert "the bad version fails in 5 of 9 boots, so in 21 % or more" in said.err
        assert "first bad version: 4.17" in said.out

    def test_that_contradicts_an_end_has_an_exit_code(
        self, boots: Boots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*BISECT, *ALL, "--boots-per-step", "2"]) == 1
        assert "4.20, the bad end, is good: 2 boots passed" in capsys.readouterr().out
        assert len(boots.requests) == 2

    @pytest.mark.parametrize(("how", "code", "count"), [("missing", 2, 1), ("INFRA", 3, 3)])
    def test_of_an_end_that_cannot_be_tested(
        self, how: str, code: int, count: int, boots: Boots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        boots.verdict = lambda use, number: how  # noqa: ARG005
        assert main([*BISECT, *ALL, "--boots-per-step", "1"]) == code
        assert len(boots.requests) == count
        assert "4.20, an end, cannot be tested" in capsys.readouterr().out

    def test_says_what_was_skipped(self, boots: Boots, capsys: pytest.CaptureFixture[str]) -> None:
        boots.verdict = lambda use, number: {"b": "missing", "c": "HUNG"}.get(use, "PASS")  # noqa: ARG005
        assert main([*BISECT, "--versions", "a,b,c", "--boots-per-step", "1"]) == 0
        said = capsys.readouterr().out
        assert "the first bad version is one of: b, c (the last good one is a)" in said
        assert "  skipped b: b: no such package\n" in said

    def test_of_one_failure_among_others(self, boots: Boots) -> None:
        boots.ending = "silence"
        boots.verdict = lambda use, number: {"4.20": "HUNG", "4.17": "CRASHED"}.get(use, "PASS")  # noqa: ARG005
        assert main([*BISECT, *ALL, "--boots-per-step", "1", "--bad-if", "hung:of 4.20"]) == 0
        used = [request.uses["xen"] for request in boots.requests]
        assert used == ["4.20", "4.14", "4.17", "4.17", "4.17"]

    @pytest.mark.parametrize("how", ["raised", "told"])
    def test_so_far_is_told_when_it_is_interrupted(
        self, how: str, boots: Boots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def verdict(use: str, number: int) -> str:
            del number
            if use != "4.14":
                return "HUNG"
            if how == "raised":
                raise KeyboardInterrupt
            boots.ending = "interrupted"
            return "PASS"

        boots.verdict = verdict
        out = tmp_path / "out"
        assert main([*BISECT, *ALL, "--boots-per-step", "1", "--out", str(out)]) == 3
        assert "interrupted; the first bad version is one of: 4.17, 4.20" in capsys.readouterr().out
        last = (out / "bisect.jsonl").read_text().splitlines()[-1]
        assert json.loads(last)["how"] == "interrupted"

    def test_of_runs_that_cannot_be_kept_is_none(self, boots: Boots) -> None:
        boots.not_written = "cannot write /x: No space left on device"
        assert main([*BISECT, *ALL, "--boots-per-step", "1"]) == 3


class TestTheVersions:
    def test_may_be_files_of_a_list(self, boots: Boots, tmp_path: Path) -> None:
        files = [tmp_path / f"xen-{number}.gz" for number in range(5)]
        lines = ["# oldest first", *map(str, files), ""]
        (tmp_path / "LIST").write_text("\n".join(lines))
        boots.verdict = bad_from(*map(str, files[3:]))
        assert main([*BISECT, "--files", str(tmp_path / "LIST"), "--boots-per-step", "1"]) == 0
        used = {request.uses["xen"] for request in boots.requests}
        assert used <= set(map(str, files))
        assert str(files[2]) in used

    def test_may_be_of_another_role(self, boots: Boots) -> None:
        assert main([*BISECT, "--role", "kernel", "--good", "5.10", "--bad", "6.12"]) == 1
        assert {request.uses["kernel"] for request in boots.requests} == {"5.10", "6.12"}

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "--good is missing"),
            (["--good", "4.14"], "--bad is missing"),
            (["--good", "4.13", "--bad", "4.20"], "--good 4.13: the profile knows no such xen"),
            ([*ALL, "--role", "nosuch"], "board apu2 has no nosuch"),
            ([*ALL, "--role", "ipxe"], "this boot does not use it"),
            (["--role", "initrd", *ALL], "the profile knows no versions of initrd"),
            ([*ALL, "--xen", "4.17"], "--use xen=4.17: xen is what is bisected"),
            (["--versions", "a"], "1 versions"),
            (["--versions", "a,b,a"], "version a is in the list twice"),
            (["--files", "/no/such"], "/no/such: cannot be read: No such file"),
            (["--files", "/"], "cannot be read"),
            ([*ALL, "--boots-per-step", "0"], "--boots-per-step 0"),
            ([*ALL, "--boots-per-step", "many"], "auto, or a number"),
            ([*ALL, "--rate", "often"], "--rate 'often' is no share"),
            ([*ALL, "--rate", "0"], "rate 0.0"),
            ([*ALL, "--confidence", "95"], "--confidence '95' is 95"),
            ([*ALL, "--confidence", "1"], "confidence 1.0"),
            ([*ALL, "--bad-if", "INFRA"], "--bad-if INFRA"),
            ([*ALL, "--until", "nowhere"], "no such stage"),
        ],
    )
    def test_that_cannot_be_are_refused(
        self, arguments: list[str], said: str, boots: Boots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*BISECT, *arguments]) == 2
        shown = capsys.readouterr()
        assert said in shown.err
        assert shown.out == ""
        assert boots.requests == []

    def test_never_overwrite_another_bisection(self, boots: Boots, tmp_path: Path) -> None:
        (tmp_path / "precious").touch()
        assert main([*BISECT, *ALL, "--out", str(tmp_path)]) == 2
        assert [path.name for path in tmp_path.iterdir() if path.name != "state"] == ["precious"]
        assert boots.requests == []


GIT = ("boot", "apu2", "--bisect")


class TestForGit:
    @pytest.mark.parametrize(
        ("verdicts", "code", "count"),
        [
            (["PASS"] * 5, 0, 5),
            (["PASS", "PASS", "HUNG"], 1, 3),
            (["CRASHED"], 1, 1),
            (["PASS", "INFRA", "PASS", "DIED", "PASS", "PASS", "PASS"], 0, 7),
            (["PASS", "INFRA", "DIED", "INFRA"], 125, 4),
            (["INCOMPLETE"] * 3, 125, 3),
            (["missing"], 125, 1),
        ],
    )
    def test_several_boots_judge_a_commit(
        self, verdicts: list[str], code: int, count: int, boots: Boots
    ) -> None:
        boots.verdict = lambda use, number: verdicts[number - 1]  # noqa: ARG005
        assert main([*GIT, "--boots", "5"]) == code
        assert len(boots.requests) == count

    def test_as_many_as_rate_and_confidence_ask_for(
        self, boots: Boots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ("--boots", "auto", "--rate", "29%", "--confidence", "0.95", "--steps", "7")
        assert main([*GIT, *arguments]) == 0
        assert len(boots.requests) == 15
        said = capsys.readouterr()
        assert said.out == "good: 15 boots passed\n"
        assert "boot 15 of 15: PASS" in said.err

    def test_each_run_has_its_folder(
        self, boots: Boots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*GIT, "--boots", "2", "--json", "--out", str(tmp_path / "o")]) == 0
        assert [r.out for r in boots.requests] == [tmp_path / "o" / n for n in ("0001", "0002")]
        told = json.loads(capsys.readouterr().out)
        assert (told["state"], told["boots_needed"], len(told["boots"])) == ("good", 2, 2)

    def test_another_failure_is_not_the_searched_one(self, boots: Boots) -> None:
        boots.ending = "stopped"
        boots.verdict = lambda use, number: "CRASHED" if number == 2 else "PASS"  # noqa: ARG005
        assert main([*GIT, "--boots", "3", "--bad-if", "HUNG"]) == 0
        assert len(boots.requests) == 4

    def test_an_interruption_is_no_answer(self, boots: Boots) -> None:
        boots.ending = "interrupted"
        assert main([*GIT, "--boots", "3"]) == 125
        assert len(boots.requests) == 1

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--boots", "3"], "--boots goes with --bisect"),
            (["--bad-if", "HUNG"], "--bad-if goes with --bisect"),
            (["--bisect", "--boots", "auto"], "--boots auto without --rate"),
            (["--bisect", "--rate", "1/30"], "--rate goes with --boots auto"),
            (["--bisect", "--boots", "3", "--steps", "3"], "--steps goes with --boots auto"),
            (["--bisect", "--boots", "-1"], "--boots"),
            (["--bisect", "--boots", "auto", "--rate", "1/30", "--steps", "0"], "0 steps"),
            (["--bisect", "--boots", "2", "--print-command"], "--print-command with --boots"),
        ],
    )
    def test_options_that_do_not_fit(
        self, arguments: list[str], said: str, boots: Boots, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["boot", "apu2", *arguments]) in {2, 125}
        assert said in capsys.readouterr().err
        assert boots.requests == []
