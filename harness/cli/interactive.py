"""Hands the console to the user after a boot."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty

from harness.session import Session
from harness.target.base import ChannelClosed

_END = b"\x1d"  # Ctrl-], as in telnet


def interact(session: Session) -> None:
    """The user's terminal becomes the board's, until Ctrl-] or the end of the line.

    What the board prints still goes to the run folder.
    """
    console = session.console
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    os.write(screen, b"the console is yours; Ctrl-] ends\r\n")

    def show(data: bytes) -> None:
        os.write(screen, data)

    console.on_bytes.append(show)
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard)
        console.channel.write(b"\r")
        with console.disarmed():
            while True:
                console.pump(0.05)
                if not select.select([keyboard], [], [], 0)[0]:
                    continue
                typed = os.read(keyboard, 1024)
                if not typed or _END in typed:
                    return
                console.channel.write(typed)
    except ChannelClosed:
        os.write(screen, b"\r\nthe line has ended\r\n")
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        console.on_bytes.remove(show)
