"""Lines that are typed into a file of dom0."""

from __future__ import annotations

import secrets

from harness.console import ConsoleTimeout
from harness.shell.base import Shell, ShellError, split

# Seconds of an idle host.
_PATIENCE = 10.0


def type_rows(dom0: Shell, rows: list[str], path: str) -> None:
    """Type lines into a file of dom0.

    The loop that reads them ends at a line with a dot alone, and with nothing else: rows that are
    typed behind its end would be taken for commands.

    Raises:
        ShellError: what was typed was not echoed, or the prompt did not come back.
    """
    # What is typed before the shell has left its own line editing is not for the loop.
    mark = secrets.token_hex(4)
    typed = split(mark, "''")
    loop = 'while IFS= read -r l && [ "$l" != . ]; do echo "$l"; done'
    dom0.type_line(f"echo {typed}; {loop} >{path}")
    try:
        dom0.console.expect_text(mark, _PATIENCE * dom0.scale)
    except ConsoleTimeout:
        raise ShellError(
            "dom0's shell does not read what is to be typed into a file",
            where="dom0 shell",
            hint=f"the console stands at {dom0.console.partial!r}",
        ) from None
    for row in rows:
        dom0.type_line(row)
    dom0.type_line(".")
    try:
        dom0.wait_for_prompt(_PATIENCE)
    except ConsoleTimeout:
        dom0.press("\r")
        try:
            dom0.wait_for_prompt(_PATIENCE)
        except ConsoleTimeout:
            raise ShellError(
                "no prompt after a file was typed",
                where="dom0 shell",
                hint=f"the console stands at {dom0.console.partial!r}",
            ) from None
