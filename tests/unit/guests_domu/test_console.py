"""The console of a guest inside dom0's. Evidence: real shells on terminals of the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.console import BoardStopped
from harness.errors import UsageError
from harness.guests import line
from harness.guests.console import GuestConsole, attached
from harness.guests.diagnosis import GuestError
from harness.shell.base import ShellError
from harness.shell.dom0 import Dom0Shell
from harness.target.base import ChannelClosed


def said(console: Any) -> str:
    return "\n".join(row.text for row in console.lines)


def test_commands_run_in_the_guest_and_in_dom0_by_turns(dom0: Dom0Shell, tmp_path: Path) -> None:
    with attached(dom0, "g-test", folder=tmp_path) as guest:
        guest.wait_until_up()
        assert guest.shell.run("echo in the guest; x=7; (exit 3)").output == "in the guest"
        assert dom0.run("echo in $x dom0").output == "in dom0"
        assert not guest.line.attached
        assert guest.shell.run("echo $x").output == "7"
        assert guest.line.attached
    assert dom0.run("echo back").output == "back"


def test_its_lines_are_its_own(dom0: Dom0Shell, tmp_path: Path) -> None:
    with attached(dom0, "g-test", folder=tmp_path) as guest:
        guest.wait_until_up()
        guest.shell.run("echo only-the-guest-says-it")
        assert "only-the-guest-says-it" in said(guest.console)
    assert "only-the-guest-says-it" not in said(dom0.console)
    assert "only-the-guest-says-it" in (tmp_path / "guest-g-test.log").read_text()
    assert b"only-the-guest-says-it" in (tmp_path / "guest-g-test.raw").read_bytes()


def test_dom0s_kernel_is_quiet_while_a_guest_is_listened_to(dom0: Dom0Shell, level: Path) -> None:
    with attached(dom0, "g-test") as guest:
        guest.wait_until_up()
        assert level.read_text().split()[0] == "1"
    dom0.run("true")
    assert level.read_text().split()[0] == "7"


def test_what_xen_says_meanwhile_is_not_the_guests(dom0: Dom0Shell, wire: Any) -> None:
    with attached(dom0, "g-test") as guest:
        guest.wait_until_up()
        wire.injected = b"(XEN) d3v0 something\r\n"
        assert guest.shell.run("echo x").output == "x"
        assert "(XEN)" not in said(guest.console)
    assert "(XEN) d3v0 something" in said(dom0.console)


def test_a_panic_of_xen_is_the_boards(dom0: Dom0Shell, wire: Any) -> None:
    with attached(dom0, "g-test") as guest:
        guest.wait_until_up()
        wire.injected = b"(XEN) Panic on CPU 0:\r\n(XEN) FATAL TRAP\r\n"
        with pytest.raises(BoardStopped, match="Panic on CPU 0"):
            guest.shell.run("sleep 5")


PANIC = "[    3.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"


def test_a_panic_of_the_guest_is_the_guests(dom0: Dom0Shell) -> None:
    with attached(dom0, "g-test") as guest:
        guest.wait_until_up()
        with pytest.raises(GuestError) as caught:
            guest.shell.run(f"echo '{PANIC}' >/dev/tty; sleep 50")
        assert caught.value.kind == "panicked"
        assert "Attempted to kill init" in str(caught.value)
        assert "128  2  -b---- " in caught.value.evidence
        assert "it waits for an event" in caught.value.evidence
    assert not dom0.console.parser.log.panics
    assert dom0.run("echo dom0 lives").output == "dom0 lives"


def test_a_guest_that_is_destroyed_under_us(dom0: Dom0Shell, guest: Any) -> None:
    with attached(dom0, "g-test") as console:
        console.wait_until_up()
        guest.destroy()
        with pytest.raises(GuestError) as caught:
            console.shell.run("echo x")
        assert caught.value.kind == "gone"
        with pytest.raises(GuestError):
            console.wait_for("never", 5)
    assert dom0.run("echo dom0 lives").output == "dom0 lives"


def test_a_guest_that_never_was(dom0: Dom0Shell, guest: Any) -> None:
    guest.destroy()
    with attached(dom0, "g-none") as console, pytest.raises(GuestError) as caught:
        console.wait_until_up()
    assert caught.value.kind == "gone"
    assert "status 1" in str(caught.value)
    assert "g-none is an invalid domain identifier" in str(caught.value)
    assert "xl list does not know it" in caught.value.evidence


def test_a_guest_that_says_nothing(dom0: Dom0Shell) -> None:
    with attached(dom0, "g-test") as console:
        console.wait_until_up()
        with pytest.raises(GuestError) as caught:
            console.wait_for("never", 30, silence=0.5)
        assert caught.value.kind == "silent"
        assert caught.value.expected is not None
        assert "'never'" in caught.value.expected


def test_a_guest_that_talks_of_other_things(dom0: Dom0Shell) -> None:
    with attached(dom0, "g-test") as console:
        console.wait_until_up()
        console.shell.press("while sleep 0.05; do echo busy; done\r")
        with pytest.raises(GuestError) as caught:
            console.wait_for("never", 1.5)
        assert caught.value.kind == "busy"


@pytest.mark.parametrize("key", ["\x01", "a\x1d"])
def test_keys_of_xen_and_of_xl_console_are_not_typed(key: str, dom0: Dom0Shell) -> None:
    with attached(dom0, "g-test") as guest:
        guest.wait_until_up()
        with pytest.raises(UsageError, match="Ctrl-A"):
            guest.shell.press(key)


def test_a_board_that_ends_under_a_guest_is_not_a_guest_that_is_gone(
    dom0: Dom0Shell, wire: Any
) -> None:
    with attached(dom0, "g-test") as guest:
        guest.wait_until_up()
        wire.kill()
        with pytest.raises(ChannelClosed):
            guest.shell.run("echo x")


def test_what_dom0_types_to_a_second_guest_leaves_the_first(dom0: Dom0Shell) -> None:
    with attached(dom0, "g-test") as one:
        one.wait_until_up()
        with attached(dom0, "g-test") as two:
            assert not one.line.attached
            two.shell.settle()
            assert two.shell.run("echo two").output == "two"
        assert one.shell.run("echo one").output == "one"


def test_a_dom0_that_does_not_answer(dom0: Dom0Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_PATIENCE", 0.3)
    with attached(dom0, "g-test") as guest:
        guest.wait_until_up()
        monkeypatch.setattr(line, "LEAVE", b"x")
        with pytest.raises(ShellError, match="does not end at Ctrl-]"):
            dom0.run("echo x")
        monkeypatch.undo()


def test_the_types_of_what_is_given(dom0: Dom0Shell) -> None:
    with attached(dom0, "g-test") as guest:
        assert isinstance(guest, GuestConsole)
        assert guest.name == "g-test"
