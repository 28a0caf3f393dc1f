"""The benchmarks measure what they say and fail when a bound is not kept. Nothing here is timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import arm_boot, boot_overhead, boots, console
from benchmarks.boot_overhead import BareBoots
from benchmarks.boots import Boot
from benchmarks.console import Case, Cases, Pass, Speed, synthetic_log
from benchmarks.figures import Bound, Spread, conclude
from benchmarks.host import CpuUse, busy_seconds, cpu_use, wait_for_quiet
from harness.board.load import load
from harness.bootlog import parse_recorded
from harness.build.artifacts import Artifacts
from harness.build.files import Files
from harness.console import Console
from harness.errors import InfraError
from harness.request import BootRequest
from harness.target.base import ChannelClosed
from harness.target.qemu_command import Wiring
from harness.target.simulated import End, Say, SimulatedTarget

TINY = 200_000


class TestFigures:
    def test_a_spread_of_one_value_has_no_width(self) -> None:
        assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0, 3.0, 3.0)
        assert Spread.of([3.0]).iqr == 0

    def test_a_spread_is_median_and_quartiles(self) -> None:
        spread = Spread.of([5.0, 1.0, 2.0, 4.0, 3.0])
        assert spread == Spread(least=1, quarter=2, median=3, three_quarters=4, most=5)
        assert spread.iqr == 2

    @pytest.mark.parametrize(
        ("figure", "at_least", "kept"),
        [
            (1.0, False, True),
            (1.01, False, False),
            (1.0, True, True),
            (0.99, True, False),
            (float("nan"), False, False),
            (float("nan"), True, False),
        ],
    )
    def test_a_bound(self, figure: float, at_least: bool, kept: bool) -> None:
        assert Bound("x", figure, 1.0, at_least).kept is kept

    def test_one_broken_bound_is_enough(self, capsys: pytest.CaptureFixture[str]) -> None:
        kept, broken = Bound("good", 1, 2), Bound("bad", 3, 2)
        assert conclude([kept]) == 0
        assert conclude([kept, broken]) == 1
        assert "bad: 3.000, bound <= 2: NOT KEPT" in capsys.readouterr().out


class TestSyntheticLog:
    def test_it_has_the_size_and_one_prompt_at_its_end(self) -> None:
        log = synthetic_log(TINY)
        assert len(log) == TINY
        assert log.endswith(console.PROMPT)
        assert log.count(b"login: ") == 1

    def test_it_depends_on_the_seed_alone(self) -> None:
        assert synthetic_log(TINY) == synthetic_log(TINY)
        assert synthetic_log(TINY, seed=1) != synthetic_log(TINY, seed=2)

    def test_it_is_one_boot_that_goes_well(self) -> None:
        # A reset or a panic in it would make the parser look at the rest with half an eye.
        log = parse_recorded(synthetic_log(TINY))
        assert (log.stage, log.panics, log.resets) == ("login", (), ())


class TestConsoleBenchmark:
    def test_a_quick_run_prints_every_case(self, capsys: pytest.CaptureFixture[str]) -> None:
        never_broken = ["--linear", "0", "--faster", "0"]
        assert console.main(["--size", "0.2", "--rounds", "1", *never_broken]) == 0
        out = capsys.readouterr().out
        for reader in (console.CONSOLE, console.WINDOWED, console.UNBOUNDED):
            assert reader in out
        assert "NOT KEPT" not in out

    def test_a_bound_out_of_reach_is_exit_1(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert console.main(["--size", "0.02", "--rounds", "1", "--faster", "1e9"]) == 1
        assert "NOT KEPT" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("largest", "quarter", "windowed", "code"),
        [
            (10.0, 10.0, 10.0, 0),
            (7.0, 10.0, 5.0, 1),  # slower and slower as the log grows
            (10.0, 10.0, 11.0, 1),  # slower than pexpect
        ],
    )
    def test_which_speeds_keep_the_bounds(
        self,
        largest: float,
        quarter: float,
        windowed: float,
        code: int,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        cases = Cases(TINY)
        rates = {cases.largest: largest, cases.quarter: quarter, cases.windowed: windowed}
        speeds = {case: _speed(case, rates.get(case, 1.0)) for case in cases.all}
        assert console.report(cases, speeds, linear=0.8, faster=1.0) == code
        assert f"{largest:.2f}" in capsys.readouterr().out

    def test_the_best_pass_counts(self) -> None:
        speed = Speed(2_000_000)
        speed.add(Pass(wall=2.0, cpu=0.5))
        speed.add(Pass(wall=1.0, cpu=1.0))
        assert (speed.rate, speed.cpu_rate) == (2.0, 4.0)

    def test_a_console_that_loses_bytes_is_no_result(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def pump(self: Console, timeout: float) -> bool:
            raise ChannelClosed

        monkeypatch.setattr(Console, "pump", pump)
        with pytest.raises(InfraError, match="did not get all of the log"):
            Case(console.CONSOLE, 1000, 100).run(synthetic_log(1000))

    def test_a_reader_that_never_sees_the_prompt_is_no_result(self) -> None:
        with pytest.raises(InfraError, match="did not find the prompt"):
            Case(console.WINDOWED, 1000, 100).run(b"(XEN) no prompt\r\n" * 60)

    def test_ctrl_c_ends_it_without_a_traceback(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(console, "measure", interrupted)
        assert console.main([]) == 130
        assert capsys.readouterr().err == "interrupted\n"

    @pytest.mark.parametrize("wrong", [["--size", "0"], ["--size", "1001"], ["--rounds", "0"]])
    def test_wrong_options_are_usage_errors(self, wrong: list[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            console.main(wrong)
        assert ended.value.code == 2


def _speed(case: Case, rate: float) -> Speed:
    seconds = case.size / 1e6 / rate
    return Speed(case.size, seconds, seconds)


class TestBootOverhead:
    @pytest.mark.parametrize(
        ("bare", "code"),
        [([10.0, 10.0, 50.0], 0), ([9.0, 9.0, 9.0], 1)],
    )
    def test_the_ratio_of_medians_decides(
        self, bare: list[float], code: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ours = [Boot(10.0, 0.2, {"build": 0.5}), Boot(10.4, 0.2, {"build": 0.7})]
        ours.append(Boot(11.0, 0.3, {"build": 0.6}))
        pairs = list(zip(ours, [Boot(x, 0.1) for x in bare], strict=True))
        assert boots.report(pairs, 1.05) == code
        out = capsys.readouterr().out
        assert f"{10.4 / sorted(bare)[1]:.3f}" in out
        assert "0.60" in out

    def test_a_disturbed_pair_is_done_again_in_the_same_order(self) -> None:
        quiet, loud = Boot(10.0, 0.1, others=0.01), Boot(5.0, 0.1, others=0.5)
        made = iter([(quiet, quiet), (quiet, loud), (loud, quiet), (quiet, quiet)])
        orders: list[bool] = []

        def pair(*, bare_first: bool) -> tuple[Boot, Boot]:
            orders.append(bare_first)
            return next(made)

        assert boots.measure(pair, 2, 0.05) == [(quiet, quiet), (quiet, quiet)]
        assert orders == [False, True, True, True]

    def test_a_host_that_is_never_quiet_is_no_result(self) -> None:
        loud = Boot(10.0, 0.1, others=0.5)
        with pytest.raises(InfraError, match="0 of 2 pairs were undisturbed"):
            boots.measure(lambda **_: (loud, loud), 2, 0.05)
        assert len(boots.measure(lambda **_: (loud, loud), 2, 1.0)) == 2

    def test_what_others_use_is_what_is_not_ours(self) -> None:
        before, after = CpuUse(100.0, 50.0, 7.0), CpuUse(110.0, 65.0, 17.0)
        assert before.by_others(after, cpus=2) == 0.25  # 15 s busy, 10 of them ours, of 20
        assert before.by_others(CpuUse(110.0, 60.0, 18.0), cpus=2) == 0.0  # clocks differ a bit

    def test_busy_is_all_but_idle_and_waiting(self) -> None:
        stat = "cpu  100 20 30 9999 8888 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
        assert busy_seconds(stat, ticks=100) == 1.65
        assert cpu_use().busy > 0

    def test_quiet_is_not_waited_for_without_end(self) -> None:
        assert wait_for_quiet(1.0, 0.0, sample=0.01)
        assert not wait_for_quiet(-1.0, 0.03, sample=0.01)

    def test_another_command_line_is_no_comparison(self, tmp_path: Path) -> None:
        bare = _bare(tmp_path)
        argv = bare.argv(Wiring("serial", 6))
        bare.compare(argv, tmp_path)
        with pytest.raises(InfraError, match="different command lines"):
            bare.compare([*argv, "-S"], tmp_path)

    def test_other_files_are_no_comparison(self, tmp_path: Path) -> None:
        mine, other = tmp_path / "mine", tmp_path / "other"
        bare, _ = _bare(mine), _bare(other)
        argv = bare.argv(Wiring("serial", 6))
        bare.compare(argv, other)
        (other / "initrd.gz").write_bytes(b"something else")
        with pytest.raises(InfraError, match=r"different files: initrd\.gz"):
            bare.compare(argv, other)

    def test_the_prompt_is_found_across_chunks(self) -> None:
        said = [Say(chunk) for chunk in (b"apu2 lo", b"gi", b"n: ")]
        boots.wait_for_prompt(SimulatedTarget(said).channel)

    def test_a_line_that_ends_before_the_prompt_is_no_result(self) -> None:
        with pytest.raises(InfraError, match="did not reach its login"):
            boots.wait_for_prompt(SimulatedTarget([Say(b"apu2 log"), End()]).channel)

    def test_wrong_options_are_usage_errors(self) -> None:
        with pytest.raises(SystemExit) as ended:
            boot_overhead.main(["--pairs", "0"])
        assert ended.value.code == 2

    def test_an_error_of_the_harness_is_its_own_exit_code(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert boot_overhead.main(["--board", "no-such-board"]) == 2
        assert "no-such-board" in capsys.readouterr().err


class TestArmBoot:
    def test_the_bare_recipe_and_the_profile_load_to_the_same_places(self) -> None:
        uboot = load("cubieboard2").boot.uboot
        assert uboot is not None
        places = uboot.addresses
        for at, name in (
            (places.fdt, "board.dtb"),
            (places.kernel, "zImage"),
            (places.ramdisk, "initrd"),
            (places.xen, "xen"),
        ):
            assert f"ext4load mmc 0:2 {at:#x} {name}\n" in arm_boot.SCRIPT
        assert arm_boot.SCRIPT.endswith(f"bootz {places.xen:#x} - {places.fdt:#x}\n")

    def test_the_bare_recipe_gives_dom0_what_the_profile_gives_it(self) -> None:
        # A lean boot of something smaller would be no comparison.
        board = load("cubieboard2")
        words = {w for w in board.xen.cmdline.split() if not w.endswith("loglvl=all")}
        said = set(arm_boot.SCRIPT.replace('"', " ").split())
        assert words <= said
        assert {w for w in board.dom0.cmdline.split() if w != "earlyprintk=xen"} <= said

    @pytest.mark.parametrize("board", ["apu2", "virt-arm64"])
    def test_a_board_without_a_recipe_is_a_usage_error(
        self, board: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert arm_boot.main(["--board", board, "--offline"]) == 2
        assert f"no bare recipe is known for board {board}" in capsys.readouterr().err

    def test_wrong_options_are_usage_errors(self) -> None:
        with pytest.raises(SystemExit) as ended:
            arm_boot.main(["--pairs", "0"])
        assert ended.value.code == 2

    def test_a_ratio_over_the_bound_is_exit_1(self, capsys: pytest.CaptureFixture[str]) -> None:
        ours = Boot(16.1, 0.2, {"snapshot: save": 0.2})
        assert boots.report([(ours, Boot(10.0, 0.1))], arm_boot.BOUND) == 1
        assert "snapshot: save" in capsys.readouterr().out


def _bare(folder: Path) -> BareBoots:
    folder.mkdir(exist_ok=True)
    files = Files(xen="xen", kernel="vmlinuz", initrd="initrd.gz")
    for name in ("xen", "vmlinuz", "initrd.gz"):
        (folder / name).write_bytes(name.encode())
    request = BootRequest(board=load("apu2"), method="multiboot")
    return BareBoots(request, Artifacts(folder, files, {}, "xen line", "dom0 line"))
