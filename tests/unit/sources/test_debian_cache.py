"""What the cache keeps, how it mends itself, and processes that share it."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EXIT_INFRA, SourceError, UsageError
from harness.sources import Sources
from tests.unit.sources.repositories import (
    DEMO,
    KERNEL,
    XEN,
    Make,
    Repository,
    Wrap,
    kept,
)

# The cache


@pytest.mark.parametrize("offline", [True, False])
def test_a_second_run_runs_no_program(
    demo: Repository, sources: Make, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sources().debian("demo", DEMO)
    shutil.rmtree(demo.mirror)

    def refuse(argv: list[str], **_: object) -> str:
        pytest.fail(f"ran {argv}")

    monkeypatch.setattr("harness.tools.run", refuse)
    assert sources(offline=offline).debian("demo", DEMO) == first


def test_offline_with_an_empty_cache(demo: Repository, sources: Make) -> None:
    with pytest.raises(SourceError, match="demo = newest in bookworm cannot be resolved") as caught:
        sources(offline=True).debian("demo", DEMO)
    assert caught.value.exit_code == EXIT_INFRA
    assert "without --offline" in str(caught.value.hint)


def test_offline_with_the_lists_alone(archive: Repository, sources: Make) -> None:
    sources().debian("xen", XEN)
    with pytest.raises(
        SourceError, match=r"linux-image-6\.1\.0-56-amd64 6\.1\.192-2 .* not in the cache"
    ):
        sources(offline=True).debian("kernel", KERNEL)
    with pytest.raises(UsageError, match=r"version 4\.9") as caught:
        sources(offline=True).debian("xen", replace(XEN, version="4.9"))
    assert "the lists are of 20" in str(caught.value.hint)


def test_the_newest_stays_until_a_refresh(demo: Repository, sources: Make) -> None:
    old = sources().debian("demo", DEMO)
    demo.add("demo", "2.0", {"usr/share/demo": "two"})
    demo.publish()
    assert sources().debian("demo", DEMO) == old
    fresh = sources(refresh=True)
    assert fresh.debian("demo", DEMO).version == "2.0"
    # A second request of the same run must not fall back to what the index said before.
    assert fresh.debian("demo", replace(DEMO, version="1.0")).version == "1.0"
    assert sources().debian("demo", DEMO).version == "2.0"


def test_a_refresh_reaches_every_request(archive: Repository, sources: Make) -> None:
    sources().prefetch([KERNEL, XEN])
    archive.add("xen-hypervisor-4.17-amd64", "4.17.8-1", {"boot/xen-4.17-amd64.gz": "new"})
    archive.publish()
    fresh = sources(refresh=True)
    assert fresh.debian("kernel", KERNEL).version == "6.1.192-2"
    assert fresh.debian("xen", XEN).version == "4.17.8-1"


def test_a_version_newer_than_the_lists_is_found(demo: Repository, sources: Make) -> None:
    sources().debian("demo", DEMO)
    demo.add("demo", "2.0", {"usr/share/demo": "two"})
    demo.publish()
    assert sources().debian("demo", replace(DEMO, version="2.0")).path.read_text() == "two"


def test_stale_lists_are_fetched_anew_once(
    demo: Repository, sources: Make, said: list[str]
) -> None:
    demo.add("other", "1.0", {"usr/share/other": "x"})
    demo.publish()
    sources().debian("other", replace(DEMO, package="other", file="usr/share/other"))
    [old] = (demo.mirror / "pool").rglob("demo_1.0*.deb")
    old.unlink()
    demo.add("demo", "1.1", {"usr/share/demo": "mended"})
    demo.publish()
    said.clear()
    assert sources().debian("demo", DEMO).version == "1.1"
    assert [text for text in said if "package lists of bookworm" in text] != []


def test_a_package_that_is_gone_for_good(demo: Repository, sources: Make) -> None:
    [deb] = (demo.mirror / "pool").rglob("*.deb")
    deb.unlink()
    with pytest.raises(SourceError, match=r"demo 1\.0 could not be fetched .* apt says:") as caught:
        sources().debian("demo", DEMO)
    assert "File not found" in str(caught.value)


# Damage


def test_a_damaged_file_is_unpacked_again(demo: Repository, sources: Make, said: list[str]) -> None:
    binary = sources().debian("demo", DEMO)
    for spoil in (lambda: binary.path.write_text("eno"), binary.path.unlink):
        spoil()
        assert sources(offline=True).debian("demo", DEMO) == binary
        assert binary.path.read_text() == "one"
    assert any(str(binary.path) in text and "is damaged" in text for text in said)


def test_a_damaged_package_is_fetched_again(
    demo: Repository, sources: Make, cache: Path, said: list[str]
) -> None:
    binary = sources().debian("demo", DEMO)
    binary.path.write_text("eno")
    deb = kept(cache) / "package.deb"
    for spoil in (lambda: deb.write_bytes(b"!<arch>"), deb.unlink):
        binary.path.write_text("eno")
        spoil()
        with pytest.raises(SourceError, match="the cache is damaged") as caught:
            sources(offline=True).debian("demo", DEMO)
        for words in (str(binary.path), str(deb), "sha256", "without --offline"):
            assert words in str(caught.value)
        assert sources().debian("demo", DEMO) == binary
        assert binary.path.read_text() == "one"
    assert any("fetching demo 1.0 again" in text for text in said)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "files": 3}', "\0"])
def test_a_damaged_manifest_is_written_again(
    demo: Repository, sources: Make, cache: Path, text: str
) -> None:
    binary = sources().debian("demo", DEMO)
    manifest = kept(cache) / "manifest.json"
    before = manifest.read_text()
    manifest.write_text(text)
    assert sources(offline=True).debian("demo", DEMO) == binary
    assert manifest.read_text() == before


def test_a_cache_that_cannot_be_written(repository: Repository, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(SourceError, match="the cache cannot be used") as caught:
        Sources(blocked, apt_etc=repository.etc).debian("demo", DEMO)
    assert "HARNESS_CACHE" in str(caught.value.hint)


# Processes

RUN = """
import sys
from pathlib import Path
from harness.sources import DebianFile, Sources
request = DebianFile("demo", None, "usr/share/demo", "bookworm", "amd64")
print(Sources(Path(sys.argv[1]), apt_etc=Path(sys.argv[2])).debian("demo", request).sha256)
"""


def test_two_processes_fetch_a_package_once(
    demo: Repository, cache: Path, tmp_path: Path, wrap: Wrap
) -> None:
    log = tmp_path / "log"
    wrap("dpkg-deb", f'echo "$@" >> "{log}"; sleep 0.3; exec $REAL "$@"')
    env = wrap("apt-get", f'echo "$@" >> "{log}"; exec $REAL "$@"')
    command = [sys.executable, "-c", RUN, str(cache), str(demo.etc)]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {one.communicate()[0].strip() for one in both} == {hashlib.sha256(b"one").hexdigest()}
    assert [one.returncode for one in both] == [0, 0]
    rows = log.read_text().splitlines()
    for words in (" update", " download ", "--extract"):
        # The two pockets that this mirror lacks cost a second update.
        assert sum(words in row for row in rows) == (2 if words == " update" else 1), rows


def test_a_run_killed_while_it_unpacks_leaves_nothing_half(
    demo: Repository, sources: Make, cache: Path, tmp_path: Path, wrap: Wrap
) -> None:
    mark = tmp_path / "unpacked"
    env = wrap("dpkg-deb", f'$REAL "$@"; touch "{mark}"; exec sleep 60')
    command = [sys.executable, "-c", RUN, str(cache), str(demo.etc)]
    process = subprocess.Popen(command, env=env, start_new_session=True)
    deadline = time.monotonic() + 30
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert mark.exists()
    assert list((cache / "tmp").iterdir()) != []
    assert not (kept(cache) / "manifest.json").exists()
    assert sources(offline=True).tree("demo", replace(DEMO, version="1.0")).files
    assert list((cache / "tmp").iterdir()) == []
