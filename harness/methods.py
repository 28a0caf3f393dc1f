"""How firmware gets to Xen: what the harness types, and where.

`pxe`: iPXE's shell, `dhcp`, `chain`, the menu. `multiboot`: nothing to type, QEMU loads Xen.
`sdcard`: nothing to type, U-Boot finds its script on the card; unless its prompt is the goal.
`direct`: nothing to type, QEMU loads Xen, and the tree in which we wrote where its modules are.
"""

from __future__ import annotations

import pyte

from harness.board.booting import Pxe
from harness.console import Console, ConsoleTimeout
from harness.request import BootRequest
from harness.shell.base import Shell, ShellError
from harness.shell.ipxe import ipxe_shell
from harness.shell.uboot import stop_autoboot

_CTRL_B = "\x02"
_UP, _DOWN = "\x1b[A", "\x1b[B"
# iPXE offers its configuration in POST first ("to configure iPXE"); that is not the one.
_SECOND_PROMPT = r"Press\s+Ctrl-B\s+for\s+the\s+iPXE\s+command\s+line"
_COLUMNS, _ROWS = 80, 25
# Deadlines of stages end a boot that does not get on; these only bound one step of typing.
_LONG = 600.0
_TRIES = 5
_DRAWN_WITHIN = 20.0


class Screen:
    """What a terminal on the line would show; for menus, which are drawn, not printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._screen = pyte.Screen(_COLUMNS, _ROWS)
        self._stream = pyte.ByteStream(self._screen)
        console.on_bytes.append(self._stream.feed)

    def rows(self) -> list[str]:
        """The text of all rows, without trailing blanks."""
        return [row.rstrip() for row in self._screen.display]

    def selected(self) -> str | None:
        """The label of the row that iPXE shows as selected: white on red."""
        for number in range(_ROWS):
            cells = self._screen.buffer[number]
            red = [cells[c].data for c in range(_COLUMNS) if cells[c].bg == "red"]
            if "".join(red).strip():
                return "".join(red).strip()
        return None

    def close(self) -> None:
        self._console.on_bytes.remove(self._stream.feed)


def drive(request: BootRequest, console: Console, url: str, scale: float) -> None:
    """From power-on to the point from which the boot goes by itself.

    Args:
        url: of the menu script, as the board reaches it.
        scale: stretches patience, for slow hosts.

    Raises:
        ShellError: iPXE refused a command, or U-Boot cannot be stopped; with what it said.
        ConsoleTimeout, BoardStopped, ChannelClosed: see `Console`.
    """
    if request.stops_at_uboot:
        stop_autoboot(console, timeout=_LONG, scale=scale)
        return
    pxe = request.board.boot.pxe
    if request.how != "pxe" or pxe is None:
        return
    console.expect_text(_SECOND_PROMPT, _LONG * scale)
    shell = ipxe_shell(console, burst=request.board.console.burst, scale=scale)
    _enter(console, shell)
    answer = shell.run(f"dhcp {pxe.interface}", timeout=_LONG)
    if answer.status != 0:
        raise ShellError(f"iPXE: dhcp {pxe.interface} failed: {' / '.join(answer.lines[-3:])}")
    screen = Screen(console)
    try:
        shell.type_line(f"chain {url}")
        _wait_for_menu(console, screen, url, scale)
        _choose(console, screen, pxe, request.menu_entry, scale)
    finally:
        screen.close()


def _enter(console: Console, shell: Shell) -> None:
    """Ctrl-B until the prompt is there: at a prompt, it moves the cursor of an empty line."""
    for _ in range(_TRIES):
        console.send(_CTRL_B)
        try:
            shell.wait_for_prompt(1.0)
        except ConsoleTimeout:
            continue
        return
    shell.wait_for_prompt(_LONG)


def _wait_for_menu(console: Console, screen: Screen, url: str, scale: float) -> None:
    end = console.now + _LONG * scale
    while screen.selected() is None:
        if console.now > end:
            raise ConsoleTimeout("no menu was drawn")
        console.pump_checked(0.2)
        if (
            console.partial.startswith("iPXE>")
            and not console.partial.removeprefix("iPXE> ").strip()
        ):
            said = [line.text for line in console.lines[-4:] if line.text.strip()]
            raise ShellError(f"iPXE: chain {url} failed: {' / '.join(said[-2:])}")


def _choose(console: Console, screen: Screen, pxe: Pxe, entry: str, scale: float) -> None:
    labels = [item.label for item in pxe.entries]
    wanted = next(item.label for item in pxe.entries if item.id == entry)
    selected = _selection(console, screen, labels, None, scale)
    for _ in range(len(labels) * 2):
        if selected == wanted:
            console.send("\r")
            return
        if selected is None:
            break
        # One key at a time, and only once its effect is on the screen: a slow machine that got
        # two would be a row further than the screen says when Enter comes.
        console.send(_DOWN if labels.index(selected) < labels.index(wanted) else _UP)
        selected = _selection(console, screen, labels, selected, scale)
    raise ShellError(
        f"the menu does not come to the row {wanted!r}",
        expected=" | ".join(labels),
        hint="on the screen: " + " | ".join(row.strip() for row in screen.rows() if row.strip()),
    )


def _selection(
    console: Console, screen: Screen, labels: list[str], before: str | None, scale: float
) -> str | None:
    """The selected row, once it is one of `labels`, another than `before`, and drawn to its end."""
    end = console.now + _DRAWN_WITHIN * scale
    while console.now < end:
        quiet = not console.pump_checked(0.15)
        selected = screen.selected()
        if quiet and selected in labels and selected != before:
            return selected
    return None
