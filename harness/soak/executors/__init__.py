"""Where the boots of a soak run: on this machine, or on those of a cluster.

base.py     what every executor does
local.py    so many boots at a time here, each in a process of its own
dask.py     on a dask.distributed cluster
remote.py   what runs on the workers of a cluster
"""

from __future__ import annotations

from harness.errors import UsageError
from harness.soak.executors.base import Executor

__all__ = ["Executor", "open_executor"]

_FORMS = "local, or dask:ADDRESS such as dask:tcp://10.0.0.1:8786"


def open_executor(text: str, jobs: int) -> Executor:
    """What `--executor` asks for; close it.

    Args:
        text: "local" or "dask:ADDRESS".
        jobs: boots at a time.

    Raises:
        UsageError: it is neither.
        InfraError: the cluster cannot be reached, or the extra `cluster` is not installed.
    """
    kind, _, address = text.partition(":")
    if kind == "local" and not address:
        from harness.soak.executors.local import LocalExecutor  # noqa: PLC0415

        return LocalExecutor(jobs)
    if kind == "dask" and address:
        # Only who uses a cluster needs what it imports.
        from harness.soak.executors.dask import DaskExecutor  # noqa: PLC0415

        return DaskExecutor(address, jobs)
    raise UsageError(f"--executor {text}", expected=_FORMS)
