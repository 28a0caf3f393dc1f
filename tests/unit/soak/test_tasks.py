"""Tasks are plain data, and the same boot comes out of them on the other side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.board import load
from harness.board.load import available
from harness.errors import InputError
from harness.forensics import Options
from harness.request import BootRequest
from harness.soak.injection import injected, recipes
from harness.soak.plan import Boot
from harness.soak.tasks import hang_observer, request_of, task_of
from harness.soak.work import lost, run_boot
from harness.verdict import Ending

BOOT = Boot(7, 99)
APU2 = BootRequest(board=load("apu2"), method="multiboot")


def over_the_wire(task: dict[str, Any]) -> dict[str, Any]:
    """What a worker gets."""
    sent: dict[str, Any] = json.loads(json.dumps(task))
    assert sent == task
    return sent


@pytest.mark.parametrize("name", sorted(available()))
def test_the_same_boot_comes_out(name: str, tmp_path: Path) -> None:
    request = BootRequest(board=load(name), scale=2.5, offline=True)
    task = over_the_wire(task_of(BOOT, request, run_folder=tmp_path / "run"))
    assert request_of(task, tmp_path, tmp_path / "run") == replace(request, out=tmp_path / "run")


def test_paths_and_options_come_out_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = replace(
        APU2,
        uses={"xen": "4.14"},
        xen_edits="+iommu=debug",
        dom0_edits="-quiet" if "quiet" in APU2.kernel_cmdline else None,
        until="smp",
    )
    task = over_the_wire(task_of(BOOT, request, run_folder=Path("run")))
    assert task["run_folder"] == str(tmp_path / "run")
    assert not task["pack"]
    assert request_of(task, tmp_path, Path("x")) == replace(request, out=Path("x"))


def test_a_run_that_has_no_folder_here_comes_in_the_answer() -> None:
    task = task_of(BOOT, APU2)
    assert task["run_folder"] is None
    assert task["pack"]


def test_a_recipe_travels_whole(tmp_path: Path) -> None:
    recipe = recipes()["low-memory"]
    task = over_the_wire(task_of(BOOT, APU2, recipe=recipe, run_folder=tmp_path / "run"))
    made = request_of(task, tmp_path, tmp_path / "run")
    assert made == injected(replace(APU2, out=tmp_path / "run"), recipe, tmp_path)


def test_what_is_asked_of_a_hang(tmp_path: Path) -> None:
    assert hang_observer(task_of(BOOT, APU2)) is None
    asked = Options(symbols=(tmp_path / "xen-syms",), nmi=True, dump="none", limit=9.0)
    task = over_the_wire(task_of(BOOT, APU2, forensics=asked))
    assert task["forensics"]["symbols"] == [str(tmp_path / "xen-syms")]
    assert hang_observer(task) is not None


def test_a_task_of_another_version_is_an_error(tmp_path: Path) -> None:
    task = over_the_wire(task_of(BOOT, APU2))
    for name, value in (("board", {"name": "x"}), ("request", {"colour": "red"})):
        with pytest.raises(InputError, match="does not know"):
            request_of({**task, name: value}, tmp_path, tmp_path / "run")


def test_what_cannot_be_booted_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    task = task_of(BOOT, APU2, run_folder=tmp_path / "runs" / "00007")
    task["request"]["ivrs"] = str(tmp_path / "none.bin")
    answer = run_boot(task)
    assert answer["number"] == 7
    assert "none.bin" in answer["refused"]
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]


def test_a_lost_boot_says_that_it_was_injected() -> None:
    task = task_of(BOOT, APU2, recipe=recipes()["low-memory"])
    result = lost(task, "killed")["result"]
    assert result["verdict"] == "INFRA"
    assert result["soak"]["injected"]["id"] == "low-memory"


def test_a_boot_that_the_user_ended_has_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []

    @contextmanager
    def interrupted_boot(*_: object, **__: object) -> Iterator[object]:
        try:
            yield SimpleNamespace(ending=Ending("interrupted"), result={"verdict": "INFRA"})
        finally:
            left.append("taken down")

    monkeypatch.setattr("harness.soak.work.booted", interrupted_boot)
    with pytest.raises(KeyboardInterrupt):
        run_boot(task_of(BOOT, APU2, run_folder=tmp_path / "run"))
    assert left == ["taken down"]
    assert list(tmp_path.iterdir()) == []
