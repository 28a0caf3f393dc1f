"""Requests against small repositories of real packages, through the real apt and dpkg-deb."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EXIT_USER, UsageError
from harness.sources import DebianFile
from tests.unit.sources.repositories import (
    DEMO,
    KERNEL,
    XEN,
    Make,
    Repository,
    kept,
)


def test_a_file_of_a_package(demo: Repository, sources: Make) -> None:
    binary = sources().debian("thing", DEMO)
    assert binary.path.read_text() == "one"
    assert (binary.role, binary.version, binary.origin) == ("thing", "1.0", "debian")
    assert binary.sha256 == hashlib.sha256(b"one").hexdigest()
    [deb] = (demo.mirror / "pool").rglob("*.deb")
    assert binary.detail == {
        "package": "demo",
        "suite": "bookworm",
        "arch": "amd64",
        "deb_sha256": hashlib.sha256(deb.read_bytes()).hexdigest(),
        "file": "usr/share/demo",
    }


@pytest.mark.parametrize(
    ("request_", "version", "package"),
    [
        (KERNEL, None, "linux-image-6.1.0-56-amd64"),
        (KERNEL, "newest", "linux-image-6.1.0-56-amd64"),
        (KERNEL, "6.1", "linux-image-6.1.0-56-amd64"),
        (KERNEL, "6.1.0-47", "linux-image-6.1.0-47-amd64"),
        (KERNEL, "6.1.170-3", "linux-image-6.1.0-47-amd64"),
        (KERNEL, "6.12", "linux-image-6.12.57+deb12-amd64"),
        (XEN, None, "xen-hypervisor-4.17-amd64"),
        (XEN, "4.17", "xen-hypervisor-4.17-amd64"),
        (XEN, "4.14", "xen-hypervisor-4.14-amd64"),
        (
            replace(XEN, package="xen-hypervisor-4.17-amd64", follow=None),
            "4.14.6",
            "xen-hypervisor-4.14-amd64",
        ),
        (
            replace(XEN, package="xen-hypervisor-4.14-amd64", follow=None),
            None,
            "xen-hypervisor-4.14-amd64",
        ),
    ],
)
def test_versions(
    archive: Repository, sources: Make, request_: DebianFile, version: str | None, package: str
) -> None:
    wanted = replace(request_, version=version, suites=("bullseye",))
    binary = sources().debian("part", wanted)
    assert binary.detail["package"] == package
    assert binary.detail["suite"] == ("bullseye" if "4.14" in package else "bookworm")


def test_an_unknown_version_names_those_that_there_are(archive: Repository, sources: Make) -> None:
    with pytest.raises(
        UsageError, match=r"of version 4\.9 for amd64 in bookworm, bullseye"
    ) as caught:
        sources().debian("xen", replace(XEN, version="4.9", suites=("bullseye",)))
    assert caught.value.exit_code == EXIT_USER
    assert caught.value.expected == (
        "bookworm has xen-hypervisor-4.17-amd64 4.17.7-1; "
        "bullseye has xen-hypervisor-4.14-amd64 4.14.6-1"
    )


def test_an_unknown_package(demo: Repository, sources: Make) -> None:
    with pytest.raises(UsageError, match="no demon for amd64 in bookworm"):
        sources().debian("demo", replace(DEMO, package="demon"))


def test_a_follow_that_fits_no_dependency_names_them(archive: Repository, sources: Make) -> None:
    with pytest.raises(UsageError, match="depends on nothing like xem") as caught:
        sources().debian("xen", replace(XEN, follow="xem-*"))
    assert "xen-hypervisor-4.17-amd64, xen-hypervisor-common, xen-utils-4.17" in str(caught.value)


def test_a_glob_with_two_matches_names_them(archive: Repository, sources: Make) -> None:
    with pytest.raises(UsageError, match="2 files") as caught:
        sources().debian("xen", replace(XEN, file="boot/xen-*"))
    assert "boot/xen-4.17-amd64.config, boot/xen-4.17-amd64.gz" in str(caught.value)


def test_a_suite_that_the_mirror_lacks(demo: Repository, sources: Make) -> None:
    with pytest.raises(UsageError, match="has no suite bookwurm") as caught:
        sources().debian("demo", replace(DEMO, suite="bookwurm"))
    assert demo.mirror.as_uri() in str(caught.value.where)


def test_a_link_gives_the_file_behind_it(repository: Repository, sources: Make) -> None:
    repository.add("demo", "1.0", {"usr/lib/real": "real"}, links={"usr/share/demo": "../lib/real"})
    repository.publish()
    binary = sources().debian("demo", DEMO)
    assert (binary.path.read_text(), binary.detail["file"]) == ("real", "usr/lib/real")
    assert sources(offline=True).debian("demo", DEMO) == binary


def test_a_tree_has_what_was_asked_for(archive: Repository, sources: Make, cache: Path) -> None:
    modules = sources().tree("modules", KERNEL, ["lib/modules/**/*.ko"])
    assert list(modules.files) == ["lib/modules/6.1.0-56-amd64/a/b.ko"]
    assert modules.sha256 == modules.detail["deb_sha256"]
    assert not (modules.path / "boot").exists()
    whole = sources().tree("modules", KERNEL)
    assert whole.path == modules.path
    assert {name for name, sha in whole.files.items() if (whole.path / name).is_file()} == {
        "boot/vmlinuz-6.1.0-56-amd64",
        "lib/modules/6.1.0-56-amd64/a/b.ko",
    }
    manifest = json.loads((kept(cache) / "manifest.json").read_text())
    assert manifest["members"]["boot/vmlinuz-6.1.0-56-amd64"] == len("6.1.192-2")
    assert manifest["files"] == whole.files


def test_several_requests_at_once(archive: Repository, sources: Make, said: list[str]) -> None:
    requests = [KERNEL, XEN, replace(XEN, suite="bullseye"), replace(KERNEL, version="6.12")]
    sources().prefetch(requests)
    assert sum(text.startswith("fetching the package lists of bookworm") for text in said) == 2
    assert len({sources(offline=True).debian("x", item).path for item in requests}) == 4
    with pytest.raises(UsageError, match="no demon"):
        sources().prefetch([KERNEL, replace(DEMO, package="demon")])
