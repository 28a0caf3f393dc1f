"""Small repositories of real packages, as apt reads them, and requests to them."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.sources import DebianFile, Sources

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


Make = Callable[..., Sources]

DEMO = DebianFile("demo", None, "usr/share/demo", "bookworm", "amd64")
KERNEL = DebianFile(
    "linux-image-amd64", "linux-image-[0-9]*", "boot/vmlinuz-*", "bookworm", "amd64"
)
XEN = DebianFile("xen-system-amd64", "xen-hypervisor-*-amd64", "boot/xen-*.gz", "bookworm", "amd64")


def kept(cache: Path) -> Path:
    """The folder of the only package in the cache."""
    [folder] = (cache / "packages").iterdir()
    return folder
