"""A soak while it runs: boots in order, each in the journal before and after, until it is over."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.build.binaries import resolve
from harness.build.dom0root import gather
from harness.errors import InfraError, InputError, UsageError
from harness.forensics import Options
from harness.request import BootRequest
from harness.soak import kept
from harness.soak.executors import Executor
from harness.soak.injection import Recipe
from harness.soak.journal import Journal
from harness.soak.outcome import Outcome
from harness.soak.plan import Boot, Until
from harness.soak.signature import counts
from harness.soak.summary import failed, series, settled
from harness.soak.tasks import task_of
from harness.soak.work import lost
from harness.sources import Sources
from harness.statistics.sequential import StoppingRule

RUNS = "runs"
INTERRUPTED = "interrupted"

# A set-up that is broken fails each boot within seconds: no night of that.
_HOPELESS, _BROKEN = 3, 10
_TICK = 0.5


class Watch:
    """Is told what happens in a soak; the base class ignores it all."""

    def note(self, text: str) -> None:
        """Something that a person may want to know: what is fetched, what was found again."""

    def started(self, boot: Boot) -> None:
        """A boot is started, or waits for its turn."""

    def ended(self, outcome: Outcome) -> None:
        """A boot has ended, and is in the journal."""

    def tick(self) -> None:
        """Called several times a second."""


@dataclass(frozen=True)
class Tasks:
    """Makes the task of each boot of a soak.

    Args:
        request: what all of them boot.
        folder: of the soak.
        local: whether the boots run where the soak does.
        recipes: by id, those that may be injected.
        binaries: role -> SHA-256.
        forensics: for boots that hang; None: nothing is asked.
    """

    request: BootRequest
    folder: Path
    local: bool = True
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    binaries: Mapping[str, str] = field(default_factory=dict)
    forensics: Options | None = None

    def run_folder(self, number: int) -> Path:
        """Where the run of a boot is kept."""
        return self.folder / RUNS / f"{number:05}"

    def __call__(self, boot: Boot) -> dict[str, Any]:
        """The task of a boot (`harness.soak.work`)."""
        return task_of(
            boot,
            # The package lists were fetched anew once, at the start.
            replace(self.request, refresh=False),
            recipe=None if boot.injected is None else self.recipes[boot.injected],
            binaries=self.binaries,
            run_folder=self.run_folder(boot.number) if self.local else None,
            forensics=self.forensics,
        )


def binaries_of(request: BootRequest, progress: Callable[[str], None]) -> dict[str, str]:
    """Fetch what a boot is made of, once for all boots; role -> SHA-256.

    Files that the user gives beside the binaries (`card`, `ivrs`) are among them.

    Raises:
        UserError, InfraError: it cannot be had.
    """
    sources = Sources(offline=request.offline, refresh=request.refresh, progress=progress)
    board = request.board
    found = resolve(board, request.roles(), request.uses, sources, request.known())
    gather(board, request.root_kind, found, sources)
    given = {"card": request.card, "ivrs": request.ivrs}
    return {role: binary.sha256 for role, binary in found.items()} | {
        name: _sha256(path) for name, path in given.items() if path is not None
    }


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as bad:
        raise InputError(f"cannot be read: {bad.strerror}", where=str(path)) from None


class Soak:
    """Runs what a journal has still to do.

    Args:
        make: the tasks.
        clock: seconds, of any zero.
    """

    def __init__(
        self,
        journal: Journal,
        executor: Executor,
        make: Tasks,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal, self._executor, self._make = journal, executor, make
        self._watch = watch or Watch()
        self._clock = clock
        self._running: dict[int, dict[str, Any]] = {}
        self._numbers: Iterator[int] = iter(())
        self._bad = 0  # boots in a row that our side failed
        self._good = 0  # boots of this session that say something of the board
        plan = journal.plan
        self._rule = _rule(plan.until)
        left = None if plan.hours is None else plan.hours * 3600 - journal.was.seconds
        self._ends = None if left is None else clock() + left

    def run(self) -> str:
        """Boot until the soak is over; why it is.

        An interruption by the user ends it in order: what runs is killed, what has ended is kept.
        The executor is closed in any case.

        Raises:
            UsageError: a boot cannot be carried out.
            InfraError: nothing can be booted, or the journal cannot be written.
        """
        try:
            try:
                self._adopt()
                why = self._loop()
            except KeyboardInterrupt:
                self._take(0.0)
                why = INTERRUPTED
            except InfraError as bad:
                with contextlib.suppress(InfraError):  # it may be the journal that fails
                    self._journal.end(bad.message)
                raise
        finally:
            self._executor.close()
        self._journal.end(why)
        return why

    def _adopt(self) -> None:
        """Count the boots that had ended when the soak was killed, before it could say so."""
        plan = self._journal.plan
        for number in self._journal.was.unfinished:
            boot = plan.boot(number)
            folder = self._make.run_folder(number)
            result = kept.adopted(folder, self._make(boot))
            if result is not None:
                self._watch.note(f"boot {number} had ended when the soak was killed: it counts")
                self._finish(Outcome.of(boot, {**result, "run_folder": str(folder.absolute())}))

    def _loop(self) -> str:
        self._numbers = self._journal.was.to_do()
        while True:
            why = self._known() or self._fill()
            if why is not None:
                return why
            self._take(_TICK)
            self._watch.tick()

    def _known(self) -> str | None:
        """Why no more boots are needed, not even those that run; None: they are."""
        if self._rule is None:
            return None
        outcomes = self._journal.outcomes
        decision = self._rule.decide(failed(one) for one in series(settled(outcomes)))
        if decision.answer == "undecided":
            return None
        return f"the answer is known: {decision.answer} {self._rule.rate:.3g}"

    def _fill(self) -> str | None:
        """Start boots; why there is nothing more to do, and None while there is."""
        late = self._ends is not None and self._clock() >= self._ends
        while not late and len(self._running) < self._executor.jobs:
            number = next((n for n in self._numbers if n not in self._journal.outcomes), None)
            if number is None:
                break
            self._start(self._journal.plan.boot(number))
        if self._running:
            return None
        return "its time is over" if late else "all boots have ended"

    def _start(self, boot: Boot) -> None:
        kept.clear(self._make.run_folder(boot.number))
        task = self._make(boot)
        self._journal.start(boot)
        self._running[boot.number] = task
        self._executor.submit(task)
        self._watch.started(boot)

    def _take(self, timeout: float) -> None:
        for answer in self._executor.completed(timeout):
            task = self._running.pop(answer["number"], None)
            if task is None:
                continue  # it has its answer
            if answer["refused"] is not None:
                raise UsageError(f"boot {answer['number']} cannot be done: {answer['refused']}")
            outcome = Outcome.of(
                self._journal.plan.boot(answer["number"]), self._brought_home(task, answer)
            )
            self._finish(outcome)
            self._check(outcome)

    def _brought_home(
        self, task: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The result; its run folder is here, wherever it was."""
        result: Mapping[str, Any] = answer["result"]
        if answer["files"] is None:
            return result
        folder = self._make.run_folder(answer["number"])
        try:
            return kept.brought_home(answer["files"], folder, task, result)
        except InputError as bad:
            damaged: dict[str, Any] = lost(task, bad.message)["result"]
            return damaged

    def _finish(self, outcome: Outcome) -> None:
        if self._journal.finish(outcome):
            self._watch.ended(outcome)

    def _check(self, outcome: Outcome) -> None:
        """Give up where nothing will ever come of it.

        Raises:
            InfraError: our side failed too many boots in a row.
        """
        if counts(outcome.signature.verdict):
            self._good += 1
            self._bad = 0
            return
        self._bad += 1
        if self._bad >= (_BROKEN if self._good else _HOPELESS):
            first = "first" if not self._good else "last"
            raise InfraError(
                f"our side failed the {first} {self._bad} boots, and they say nothing of the "
                f"board: {outcome.cause.partition(chr(10))[0]}",
                hint=f"mend it, then: harness soak resume {self._journal.folder}",
                log=outcome.run_folder,
            )


def _rule(until: Until | None) -> StoppingRule | None:
    return None if until is None else StoppingRule(until.rate, until.confidence)
