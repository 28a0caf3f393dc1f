"""Requests against small repositories of real packages, through the real apt and dpkg-deb."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EXIT_INFRA, EXIT_USER, SourceError, UsageError
from harness.sources import DebianFile, Sources, aptconf

NEEDED = ("apt-get", "apt-cache", "apt-config", "dpkg-deb")


class Repository:
    """Suites of real .deb packages under `root`/debian, as apt reads them from a file: mirror."""

    def __init__(self, root: Path) -> None:
        self.mirror = root / "debian"
        self.etc = root / "etc"
        (self.etc / "apt.conf.d").mkdir(parents=True)
        (self.etc / "sources.list.d").mkdir()
        self._work = root / "work"
        self.configure("Trusted: yes")

    def configure(self, *options: str, uri: str = "", suites: str = "bookworm") -> None:
        rows = ["Types: deb", f"URIs: {uri or self.mirror.as_uri()}", f"Suites: {suites}"]
        text = "\n".join([*rows, "Components: main", *options, ""])
        (self.etc / "sources.list.d" / "debian.sources").write_text(text)

    def add(
        self,
        package: str,
        version: str,
        files: Mapping[str, str | bytes] | None = None,
        *,
        links: Mapping[str, str] | None = None,
        depends: str = "",
        suite: str = "bookworm",
    ) -> Path:
        """Build a package into the pool of a suite; gives the .deb. `publish` comes after."""
        shutil.rmtree(self._work, ignore_errors=True)
        for name, content in (files or {}).items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        for name, target in (links or {}).items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        control = self._work / "DEBIAN" / "control"
        control.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"Package: {package}", f"Version: {version}", "Architecture: amd64"]
        rows += ["Maintainer: Nobody <nobody@example.org>", "Description: for a test"]
        rows += [f"Depends: {depends}"] if depends else []
        control.write_text("\n".join([*rows, ""]))
        pool = self.mirror / "pool" / suite
        pool.mkdir(parents=True, exist_ok=True)
        deb = pool / f"{package}_{version.replace(':', '%3a')}_amd64.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(self._work), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        return deb

    def publish(self, suite: str = "bookworm") -> Path:
        """Write Packages and Release of a suite from its pool; gives the Release file."""
        paragraphs = []
        for deb in sorted((self.mirror / "pool" / suite).glob("*.deb")):
            field = ["dpkg-deb", "--field", str(deb)]
            control = subprocess.run(field, check=True, capture_output=True, text=True).stdout
            content = deb.read_bytes()
            paragraphs.append(
                f"{control.strip()}\nFilename: {deb.relative_to(self.mirror)}\n"
                f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
            )
        dists = self.mirror / "dists" / suite
        index = dists / "main" / "binary-amd64" / "Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("\n".join(paragraphs))
        index.with_suffix(".gz").write_bytes(gzip.compress(index.read_bytes(), mtime=0))
        sums = [
            f" {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} "
            f"{path.relative_to(dists)}"
            for path in (index, index.with_suffix(".gz"))
        ]
        release = dists / "Release"
        head = ["Origin: Debian", f"Suite: {suite}", f"Codename: {suite}", "Architectures: amd64"]
        head += ["Components: main", "Date: Sat, 01 Jan 2022 00:00:00 UTC", "SHA256:"]
        release.write_text("\n".join([*head, *sums, ""]))
        return release


Wrap = Callable[[str, str], dict[str, str]]


class Gpg:
    """A GnuPG home of its own, in a short path (its agent's socket must fit)."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def key(self, name: str, target: Path) -> Path:
        self._run("--quick-generate-key", name, "ed25519", "sign", "never")
        self._run("--output", target, "--export", name)
        return target

    def sign(self, name: str, release: Path) -> None:
        release.with_name("InRelease").unlink(missing_ok=True)
        self._run("-u", name, "--output", release.with_name("InRelease"), "--clearsign", release)

    def stop(self) -> None:
        command = ["gpgconf", "--homedir", str(self._home), "--kill", "all"]
        subprocess.run(command, check=False, capture_output=True)

    def _run(self, *words: str | Path) -> None:
        command = ["gpg", "--homedir", self._home, "--batch", "--passphrase", "", *words]
        subprocess.run(command, check=True, capture_output=True)


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


Make = Callable[..., Sources]

DEMO = DebianFile("demo", None, "usr/share/demo", "bookworm", "amd64")
KERNEL = DebianFile(
    "linux-image-amd64", "linux-image-[0-9]*", "boot/vmlinuz-*", "bookworm", "amd64"
)
XEN = DebianFile("xen-system-amd64", "xen-hypervisor-*-amd64", "boot/xen-*.gz", "bookworm", "amd64")


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


def kept(cache: Path) -> Path:
    """The folder of the only package in the cache."""
    [folder] = (cache / "packages").iterdir()
    return folder


# What a request means


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


# Verification, and the configuration of the machine


def test_an_unsigned_repository_is_refused(demo: Repository, sources: Make, cache: Path) -> None:
    demo.configure()
    with pytest.raises(SourceError, match="is not signed") as caught:
        sources().debian("demo", DEMO)
    assert caught.value.exit_code == EXIT_INFRA
    assert "debian-archive-keyring" in str(caught.value.hint)
    assert demo.mirror.as_uri() in str(caught.value.where)
    assert not (cache / "packages").exists()


def test_a_machine_that_allows_unsigned_repositories_does_not_allow_them_here(
    demo: Repository, sources: Make
) -> None:
    demo.configure()
    allow = 'Acquire::AllowInsecureRepositories "true";\n'
    (demo.etc / "apt.conf.d" / "lax").write_text(allow)
    with pytest.raises(SourceError, match="is not signed"):
        sources().debian("demo", DEMO)


def test_a_signature_must_be_of_the_configured_key(
    demo: Repository, sources: Make, gpg: Gpg, tmp_path: Path
) -> None:
    right = gpg.key("right@example.org", tmp_path / "right.gpg")
    gpg.key("wrong@example.org", tmp_path / "wrong.gpg")
    demo.configure(f"Signed-By: {right}")
    release = demo.publish()
    gpg.sign("wrong@example.org", release)
    with pytest.raises(SourceError, match=r"NO_PUBKEY|not signed"):
        sources().debian("demo", DEMO)
    gpg.sign("right@example.org", release)
    assert sources().debian("demo", DEMO).path.read_text() == "one"


def test_lists_that_were_changed_after_signing_are_refused(
    demo: Repository, sources: Make, gpg: Gpg, tmp_path: Path
) -> None:
    demo.configure(f"Signed-By: {gpg.key('right@example.org', tmp_path / 'right.gpg')}")
    gpg.sign("right@example.org", demo.publish())
    demo.add("demo", "6.6.6", {"usr/share/demo": "evil"})
    demo.publish()  # the signed InRelease stays the old one
    with pytest.raises(SourceError, match=r"unexpected size|Hash Sum mismatch"):
        sources().debian("demo", DEMO)


def test_a_package_that_is_not_the_listed_one_is_refused(
    demo: Repository, sources: Make, cache: Path
) -> None:
    [deb] = (demo.mirror / "pool").rglob("*.deb")
    content = bytearray(deb.read_bytes())
    content[-1] ^= 1
    deb.write_bytes(content)
    with pytest.raises(SourceError, match=r"demo 1\.0 could not be fetched"):
        sources().debian("demo", DEMO)
    assert not (cache / "packages").exists()


def test_settings_are_kept_and_hooks_are_not_run(
    demo: Repository, sources: Make, tmp_path: Path
) -> None:
    hook = tmp_path / "hook-was-run"
    (demo.etc / "apt.conf.d" / "50hooks").write_text(
        f'APT::Update::Post-Invoke {{ "touch {hook}"; }};\n'
        f'APT::Update::Post-Invoke-Success {{ "touch {hook}"; }};\n'
        'APT::Default-Release "sid";\nDir::Cache::pkgcache "";\n'
        'Acquire::http::Proxy "http://127.0.0.1:9/";\nAcquire::Retries "0";\n'
    )
    assert sources().debian("demo", DEMO).version == "1.0"
    assert not hook.exists()
    demo.configure("Trusted: yes", uri="http://mirror.invalid/debian")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught:  # the proxy was asked
        sources(refresh=True).debian("demo", DEMO)
    assert "http://mirror.invalid/debian" in str(caught.value)
    # A refresh that fails costs nothing that we had.
    assert sources(offline=True).debian("demo", replace(DEMO, version="1.0")).version == "1.0"


def test_updates_count_and_missing_ones_do_not(
    demo: Repository, sources: Make, said: list[str]
) -> None:
    demo.add("demo", "1.0.1", {"usr/share/demo": "updated"}, suite="bookworm-updates")
    demo.publish("bookworm-updates")
    assert sources().debian("demo", DEMO).version == "1.0.1"
    shutil.rmtree(demo.mirror / "dists" / "bookworm-updates")
    assert sources(refresh=True).debian("demo", DEMO).version == "1.0"
    assert any("going on without" in text and "bookworm-updates" in text for text in said)


def test_no_key_at_all(
    demo: Repository, sources: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.configure()
    monkeypatch.setattr(aptconf, "KEYRING", tmp_path / "missing.gpg")
    with pytest.raises(SourceError, match="there is no key"):
        sources().debian("demo", DEMO)


def test_the_apt_configuration_can_be_named(
    demo: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_APT_ETC", str(demo.etc))
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    assert Sources().debian("demo", DEMO).path.is_relative_to(cache)
