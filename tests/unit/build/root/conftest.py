from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.build.root import Root, RootSpec, make_root
from harness.sources import Deb
from tests.unit.build.root.packages import PACKAGES, SPEC, build_deb


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Deb, ...]:
    folder = tmp_path_factory.mktemp("packages")
    return tuple(build_deb(folder, name, files) for name, files in PACKAGES.items())


@pytest.fixture
def said() -> list[str]:
    """What was reported as progress."""
    return []


@pytest.fixture
def make(debs: tuple[Deb, ...], tmp_path: Path, said: list[str]) -> Callable[..., Root]:
    def make(spec: RootSpec = SPEC, packages: tuple[Deb, ...] = debs, cache: str = "cache") -> Root:
        return make_root(spec, packages, tmp_path / cache, said.append)

    return make
