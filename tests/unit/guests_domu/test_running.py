"""A guest from create to destroy, with an xl that only notes what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.guests import running
from harness.guests.running import destroy
from harness.shell.base import ShellError
from harness.toolstack.dom0 import Dom0

CFG = 'name = "g-test"\nkernel = "/boot/vmlinuz"\nmemory = 128\n'


@dataclass
class Row:
    name: str
    id: int


@dataclass
class Xl:
    refuses: bool = False
    names: list[str] = field(default_factory=lambda: ["Domain-0"])
    asked: list[str] = field(default_factory=list)
    dying: int = 0  # so often its row is still there, without its name

    def create(self, cfg: str, *, timeout: float, paused: bool) -> None:
        assert cfg == CFG
        assert timeout > 0
        self.asked.append(f"create {paused}")
        if self.refuses:
            raise ShellError("xl create failed")
        self.names.append("g-test")

    def destroy(self, name: str) -> None:
        self.asked.append(f"destroy {name}")
        self.names.remove(name)

    def list(self) -> list[Row]:
        rows = [Row(name, number) for number, name in enumerate(self.names)]
        if len(rows) == 1 and self.dying and "destroy g-test" in self.asked:
            self.dying -= 1
            rows.append(Row("(null)", 1))
        return rows


@pytest.fixture
def xl(dom0: Any) -> Xl:
    made = Xl()
    dom0.xl = made
    return made


def test_it_is_destroyed_in_the_end(dom0: Dom0, xl: Xl) -> None:
    with running(dom0, CFG) as guest:
        guest.wait_until_up()
        assert guest.name == "g-test"
        assert xl.names == ["Domain-0", "g-test"]
    assert xl.asked == ["create False", "destroy g-test"]
    assert xl.names == ["Domain-0"]


def test_also_if_something_goes_wrong_inside(dom0: Dom0, xl: Xl) -> None:
    with pytest.raises(ZeroDivisionError), running(dom0, CFG, paused=True):
        raise ZeroDivisionError
    assert xl.asked == ["create True", "destroy g-test"]


def test_one_that_is_gone_already_is_not_destroyed_again(dom0: Dom0, xl: Xl) -> None:
    with running(dom0, CFG):
        xl.names.remove("g-test")
    assert xl.asked == ["create False"]


def test_one_that_was_never_made_leaves_nothing(dom0: Dom0, xl: Xl) -> None:
    xl.refuses = True
    with pytest.raises(ShellError, match="xl create failed"), running(dom0, CFG):
        pass
    assert xl.names == ["Domain-0"]


def test_that_it_cannot_be_tidied_up_does_not_hide_what_went_wrong(
    dom0: Dom0, xl: Xl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ShellError(f"{name} cannot be destroyed")

    monkeypatch.setattr(xl, "destroy", refuse)
    with pytest.raises(ZeroDivisionError), running(dom0, CFG):
        raise ZeroDivisionError
    with pytest.raises(ShellError, match="cannot be destroyed"), running(dom0, CFG):
        pass


def test_it_is_waited_for_until_it_is_gone(dom0: Dom0, xl: Xl) -> None:
    xl.dying = 3
    with running(dom0, CFG):
        pass
    assert xl.dying == 0


def test_one_that_does_not_go_away(dom0: Dom0, xl: Xl) -> None:
    xl.create(CFG, timeout=1, paused=False)
    xl.dying = 1 << 30
    with pytest.raises(ShellError, match=r"domain 1 \(g-test\) is destroyed, and does not go away"):
        destroy(dom0, "g-test", timeout=0.01)
