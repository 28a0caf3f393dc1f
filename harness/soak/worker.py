"""Boots of a soak in a process of their own: `python -m harness.soak.worker TASKS ANSWERS`.

TASKS and ANSWERS are file descriptors of pipes with a line of JSON for each boot. One boot after
the other, until TASKS ends: what is imported once serves them all.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence

from harness.soak.work import run_boot


def main(argv: Sequence[str]) -> int:
    """Boot until there are no more tasks; 0 then, and 1 if we were asked to end."""
    taken, given = (int(word) for word in argv)
    for one in (taken, given):
        # The machine that we start must not hold our pipes.
        os.set_inheritable(one, False)
    # Asked to end, we take the machine down in order.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    # Nobody waits for an answer any more: nor does anybody for us.
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        with os.fdopen(taken, "rb") as tasks, os.fdopen(given, "wb") as answers:
            for line in tasks:
                answer = run_boot(json.loads(line))
                answer.pop("files")
                answers.write(json.dumps(answer).encode() + b"\n")
                answers.flush()
        return 0
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
