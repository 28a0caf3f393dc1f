"""Fixtures of this repository's own tests. What users of the harness get is in harness/plugin.py.

Golden files are written anew with:

    pytest tests/unit tests/contract --update-golden
"""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import pytest
from hypothesis import settings

from harness import tools
from harness.errors import ToolMissing

GOLDEN = Path(__file__).parent / "tests" / "golden"

# A shared host is slow now and then; that says nothing about an example.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that writes golden files."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    """The markers of this repository."""
    config.addinivalue_line("markers", "network: fetches from a Debian mirror")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text must be that of tests/golden/NAME."""

    def check(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.write_text(text, encoding="utf-8")
        known = file.read_text(encoding="utf-8") if file.is_file() else "(there is no such file)"
        if text != known:
            diff = unified_diff(known.splitlines(), text.splitlines(), str(file), "now", n=1)
            pytest.fail(
                "\n".join([*diff, "If that is meant: pytest --update-golden"]), pytrace=False
            )

    return check


@pytest.fixture(scope="session")
def qemu() -> str:
    """The name of the emulator; without it the test is skipped, and on CI fails."""
    program = "qemu-system-x86_64"
    try:
        tools.find(program)
    except ToolMissing as bad:
        if os.environ.get("CI"):
            pytest.fail(str(bad), pytrace=False)
        pytest.skip(str(bad))
    return program
