"""A soak on a cluster that waits to be killed: ADDRESS TASK."""

from __future__ import annotations

import json
import sys

from harness.soak.executors.dask import DaskExecutor
from tests.unit.soak import cluster_work

if __name__ == "__main__":
    executor = DaskExecutor(sys.argv[1], 1, cluster_work.patient)
    executor.submit(json.loads(sys.argv[2]))
    while not executor.completed(1):
        pass
