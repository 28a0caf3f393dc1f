"""The iPXE menu on a machine that draws slowly. Evidence: simulated."""

from __future__ import annotations

import time

import pytest

from harness.board import load
from harness.console import Console
from harness.methods import Screen, _choose
from harness.shell.base import ShellError

LABELS = ("ipxe shell", "Xen", "Debian stable netboot", "Exit to the next boot device")


class SlowMenu:
    """An iPXE menu as a serial line: rows in blue, the selected one in red, drawn in pieces.

    It takes keys in the order of typing, as slowly as it draws; `lag` is the number of reads
    between the two rows of one redraw.
    """

    def __init__(self, lag: int) -> None:
        self.selected = 0
        self.chosen: str | None = None
        self._lag = lag
        self._keys: list[bytes] = []
        self._out: list[bytes] = [self._row(i, red=i == 0) for i in range(len(LABELS))]

    @staticmethod
    def _row(index: int, *, red: bool) -> bytes:
        colour = b"\x1b[0;41;1m" if red else b"\x1b[0;44m"
        return b"\x1b[%02d;02H" % (4 + index) + colour + f"  {LABELS[index]:76}".encode()

    def read(self, size: int, timeout: float) -> bytes:
        if not self._out and self._keys:
            self._act(self._keys.pop(0))
        if not self._out:
            time.sleep(min(timeout, 0.002))
            return b""
        piece = self._out.pop(0)
        if not piece:
            time.sleep(min(timeout, 0.002))
        return piece[:size]

    def _act(self, key: bytes) -> None:
        if key == b"\r":
            self.chosen = LABELS[self.selected]
            return
        before = self.selected
        step = 1 if key == b"\x1b[B" else -1
        self.selected = min(max(0, before + step), len(LABELS) - 1)
        if self.selected != before:
            pause = [b""] * self._lag
            self._out += [
                *pause,
                self._row(before, red=False),
                *pause,
                self._row(self.selected, red=True),
            ]

    def write(self, data: bytes) -> None:
        self._keys += [key for key in (b"\x1b[A", b"\x1b[B", b"\r") if data == key]


def choose(entry: str, lag: int) -> str | None:
    menu = SlowMenu(lag)
    zero = time.monotonic()
    console = Console(menu, raw=None, log=None, clock=lambda: time.monotonic() - zero)
    screen = Screen(console)
    pxe = load("apu2").boot.pxe
    assert pxe is not None
    _choose(console, screen, pxe, entry, scale=0.2)
    for _ in range(50):
        console.pump(0.01)
    return menu.chosen


@pytest.mark.parametrize("lag", [0, 5, 120])
@pytest.mark.parametrize(("entry", "label"), [("shell", 0), ("xen", 1), ("netboot", 2)])
def test_the_row_that_is_wanted_is_chosen_however_slowly_it_is_drawn(
    entry: str, label: int, lag: int
) -> None:
    assert choose(entry, lag) == LABELS[label]


def test_a_menu_without_the_row_says_what_is_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(self: SlowMenu, data: bytes) -> None:
        del self, data

    monkeypatch.setattr(SlowMenu, "write", deaf)
    with pytest.raises(ShellError, match="does not come to the row 'Xen'") as caught:
        choose("xen", 0)
    assert "Debian stable netboot" in str(caught.value)
