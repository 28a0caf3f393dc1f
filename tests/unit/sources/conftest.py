from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.sources import Sources
from tests.unit.sources.repositories import (
    NEEDED,
    Gpg,
    Repository,
    Wrap,
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    return Repository(tmp_path / "repository")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "the cache"  # a space: paths are quoted where apt reads them


@pytest.fixture
def said() -> list[str]:
    """What was reported as progress."""
    return []


@pytest.fixture
def sources(repository: Repository, cache: Path, said: list[str]) -> Callable[..., Sources]:
    """Makes a Sources over the repository and the cache, as a new run would."""

    def make(*, offline: bool = False, refresh: bool = False) -> Sources:
        return Sources(
            cache,
            offline=offline,
            refresh=refresh,
            progress=said.append,
            apt_etc=repository.etc,
        )

    return make


@pytest.fixture
def wrap(tmp_path: Path) -> Wrap:
    """Puts a shell script in front of a program; gives the environment that finds it."""

    def make(program: str, script: str) -> dict[str, str]:
        real = shutil.which(program)
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / program
        path.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
        path.chmod(0o755)
        return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}

    return make


@pytest.fixture
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpg]:
    if shutil.which("gpg") is None or shutil.which("gpgconf") is None:
        # A refused signature is what this fixture is for: CI does not go without it.
        (pytest.fail if os.environ.get("CI") else pytest.skip)("gpg is not on this machine")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    made = Gpg(home)
    yield made
    made.stop()


@pytest.fixture
def demo(repository: Repository) -> Repository:
    """One package with one file."""
    repository.add("demo", "1.0", {"usr/share/demo": "one"})
    repository.publish()
    return repository


@pytest.fixture
def archive(repository: Repository) -> Repository:
    """Kernels and hypervisors as Debian names them, in two suites."""

    def kernel(name: str, version: str, suite: str) -> None:
        content = {f"boot/vmlinuz-{name}": version, f"lib/modules/{name}/a/b.ko": "b"}
        repository.add(f"linux-image-{name}", version, content, suite=suite)

    def meta(package: str, version: str, depends: str, suite: str) -> None:
        repository.add(package, version, depends=depends, suite=suite)

    for name, version in (("6.1.0-47-amd64", "6.1.170-3"), ("6.1.0-56-amd64", "6.1.192-2")):
        kernel(name, version, "bookworm")
        kernel(name.replace("amd64", "cloud-amd64"), version, "bookworm")
    kernel("6.12.57+deb12-amd64", "6.12.57-1", "bookworm")
    meta("linux-image-6.12-amd64", "6.12.57-1", "linux-image-6.12.57+deb12-amd64", "bookworm")
    meta("linux-image-amd64", "6.1.192-2", "linux-image-6.1.0-56-amd64 (= 6.1.192-2)", "bookworm")
    for release, version, suite in (
        ("4.17", "4.17.7-1", "bookworm"),
        ("4.14", "4.14.6-1", "bullseye"),
    ):
        content = {f"boot/xen-{release}-amd64.gz": release, f"boot/xen-{release}-amd64.config": "c"}
        repository.add(f"xen-hypervisor-{release}-amd64", version, content, suite=suite)
        depends = f"xen-hypervisor-{release}-amd64, xen-hypervisor-common | xen-utils-{release}"
        meta("xen-system-amd64", version, depends, suite)
    repository.publish("bookworm")
    repository.publish("bullseye")
    return repository
