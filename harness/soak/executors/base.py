"""What every executor does: takes tasks, gives answers (`harness.soak.work`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Executor(Protocol):
    """Boots on some machines; made by `open_executor`.

    Attributes:
        jobs: boots at a time. More may be submitted; they wait for their turn.
        local: the boots run on this machine: they write their run folder where the task says. If
            not, a task is to have `pack`, and its run folder comes home in the answer.
    """

    @property
    def jobs(self) -> int: ...

    @property
    def local(self) -> bool: ...

    def submit(self, task: Mapping[str, Any]) -> None:
        """Have a boot run, now or when it is its turn; does not wait.

        Raises:
            InfraError: nothing can run any more.
        """

    def completed(self, timeout: float) -> list[dict[str, Any]]:
        """The answers that have come, each once; empty if none came in `timeout` seconds.

        A boot whose worker died has an answer too: `harness.soak.work.lost`. Or it is run again
        elsewhere, and then only that answer counts.

        Raises:
            InfraError: nothing will come any more.
        """

    def close(self) -> None:
        """End what runs, in order if it can; nothing of it is left. May be called twice."""
