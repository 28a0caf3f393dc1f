"""A request for a file of a Debian package."""

from __future__ import annotations

from dataclasses import dataclass

NEWEST = "newest"


@dataclass(frozen=True)
class DebianFile:
    """A request for one file of a Debian package.

    Args:
        package: "xen-hypervisor-4.17-amd64", or a metapackage such as "linux-image-amd64".
        follow: a glob for the dependency of the metapackage that is meant,
            "linux-image-[0-9]*"; None: the package itself.
        file: a glob for the file inside the package, "boot/vmlinuz-*"; one must match.
        suite: "bookworm".
        arch: of Debian: "amd64", "arm64", "armhf".
        version: None or "newest"; else a Debian version or the beginning of one, also of the
            version in the package's name: "4.17", "6.1.0-47", "6.12.57+deb13". A package with
            a version in its name then stands for all of its versions.
        suites: where to search after `suite`, in this order.
    """

    package: str
    follow: str | None
    file: str
    suite: str
    arch: str
    version: str | None = None
    suites: tuple[str, ...] = ()

    def key(self) -> str:
        """What decides which package answers, as text."""
        chain = f"{self.package} -> {self.follow}" if self.follow else self.package
        return f"{chain} = {self.wanted or NEWEST} in {' '.join((self.suite, *self.suites))}"

    @property
    def wanted(self) -> str:
        """The version asked for; "" for the newest."""
        return "" if self.version in (None, NEWEST) else str(self.version)
