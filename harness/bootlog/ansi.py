"""Takes ANSI/VT100 escape sequences out of a text stream, however it is cut into chunks.

Grammar: ECMA-48 (CSI, OSC, DCS and two-character escapes). A sequence that is not one of them,
or longer than its bound, is given up: only its ESC is dropped and the rest is text, so that
line noise that looks like the start of a sequence never swallows the log.
"""

from __future__ import annotations

import re

JUMP = "\x0b"
"""Stands in the output where the cursor was moved to another place of the screen."""

_CSI_PARAMETERS = 60  # ECMA-48 sets no limit; the longest real ones (SGR) have about 20
_STRING_LENGTH = 1000  # OSC 3008 of systemd 257 needs about 400

_SEQUENCE = re.compile(
    rf"""\x1b(?:
        \[ [0-?]{{0,{_CSI_PARAMETERS}}} [ -/]{{0,2}} (?P<csi>[@-~])
      | [\]PX^_] [^\x07\x1b\n\r]{{0,{_STRING_LENGTH}}} (?:\x07|\x1b\\)
      | [ -/]{{1,2}} [0-~]
      | (?P<two>[0-OQ-WYZ\\`-~])
    )""",
    re.VERBOSE,
)
# Every proper prefix of a sequence, and nothing else: what may be held back at the end of a chunk.
_PREFIX = re.compile(
    rf"""\x1b(?:
        \[ [0-?]{{0,{_CSI_PARAMETERS}}} [ -/]{{0,2}}
      | [\]PX^_] [^\x07\x1b\n\r]{{0,{_STRING_LENGTH}}} \x1b?
      | [ -/]{{0,2}}
    )""",
    re.VERBOSE,
)
_ERASE_SCREEN = re.compile(r"\x1b\[[?]?[23]J")


class AnsiStripper:
    """Strips escape sequences incrementally; any split of the input gives the same output.

    Cursor addressing (CSI H, CSI f), clearing the screen (CSI 2J, CSI 3J) and a terminal reset
    (ESC c) become one `JUMP` each.
    """

    def __init__(self) -> None:
        self._held = ""

    @property
    def holding(self) -> bool:
        """True while the start of a sequence waits for its end."""
        return bool(self._held)

    def feed(self, text: str) -> str:
        """Returns the text without sequences; the start of one at the end is held back."""
        if self._held:
            text = self._held + text
            self._held = ""
        out: list[str] = []
        position = 0
        while (escape := text.find("\x1b", position)) >= 0:
            out.append(text[position:escape])
            match = _SEQUENCE.match(text, escape)
            if match:
                if _moves_cursor(match):
                    out.append(JUMP)
                position = match.end()
            elif _PREFIX.fullmatch(text, escape):
                self._held = text[escape:]
                return "".join(out)
            else:
                position = escape + 1
        out.append(text[position:])
        return "".join(out)

    def drop(self) -> None:
        """Forgets the unfinished sequence at the end of the stream: it is no text."""
        self._held = ""


def _moves_cursor(match: re.Match[str]) -> bool:
    final = match["csi"]
    if final == "J":
        return _ERASE_SCREEN.fullmatch(match[0]) is not None
    return final in {"H", "f"} or match["two"] == "c"
