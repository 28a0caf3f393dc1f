"""Asks many questions, several at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from threading import Event

from harness.ask.answer import Answer, Asked, Question
from harness.ask.running import TIMEOUT, ask
from harness.errors import HarnessError, InfraError, TargetDied, ToolMissing

Progress = Callable[[int, int, Asked], None]
"""Is told how many of how many have been asked, and what the last one brought."""

# From outside: the kernel short of memory, somebody's kill.
_KILLED = frozenset({-9, -15})
# How often a Ctrl-C is looked for, in seconds.
_TICK = 0.25


def _silent(_done: int, _all: int, _asked: Asked) -> None:
    pass


def ask_many(
    questions: Sequence[Question],
    *,
    jobs: int = 2,
    progress: Progress = _silent,
    timeout: float = TIMEOUT,
    keep: Path | None = None,
    scratch: Path | None = None,
) -> tuple[Asked, ...]:
    """The answers, in the order of the questions.

    An emulator that ends by itself is the failure of its question alone. One that our side
    failed (it was killed, it cannot be driven) is asked once more, and the answer says so.
    Ctrl-C ends those that run, and is then raised.

    Args:
        jobs: emulators at once; each keeps one CPU of the host busy.
        progress: called from the calling thread, as they come.
        keep: a folder; each question gets one in it, named after its number and name.
        timeout, scratch: as of `ask`.
    """
    stop = Event()

    def one(number: int, question: Question) -> Asked:
        folder = keep / _folder_name(number, question) if keep else None

        def once(attempt: Path | None) -> Answer:
            return ask(question, timeout=timeout, keep=attempt, scratch=scratch, stop=stop.is_set)

        try:
            try:
                return Asked(question, once(folder))
            except InfraError as bad:
                if not _is_ours(bad):
                    raise
                again = folder.with_name(f"{folder.name}-again") if folder else None
                return Asked(question, replace(once(again), retried=str(bad)))
        except HarnessError as bad:
            return Asked(question, error=bad)

    with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="ask") as pool:
        futures: list[Future[Asked]] = []
        try:
            futures += [pool.submit(one, *item) for item in enumerate(questions)]
            left = set(futures)
            while left:
                done, left = wait(left, timeout=_TICK, return_when=FIRST_COMPLETED)
                for future in done:
                    progress(sum(f.done() for f in futures), len(futures), future.result())
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return tuple(future.result() for future in futures)


def _is_ours(bad: InfraError) -> bool:
    """Whether another try may help: nothing that the tables can have done."""
    if isinstance(bad, TargetDied):
        return bad.returncode in _KILLED
    return not isinstance(bad, ToolMissing)


def _folder_name(number: int, question: Question) -> str:
    parts = (f"{number:03}", question.consumer.name, question.name)
    return re.sub(r"[^\w.-]+", "-", "-".join(part for part in parts if part))
