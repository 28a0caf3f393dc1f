from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool(name)`: its path; without it the test is skipped, and on CI fails."""

    def find(name: str) -> str:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        found = shutil.which(name, path=path)
        if found is None:
            reason = f"{name} is not on this machine, to compare with"
            if os.environ.get("CI"):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
        return found

    return find
