"""What one root is to be: for which machine, kernel and Xen, and who logs in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from harness.build.account import check_account, check_extra, issue_of
from harness.build.root.description import Arch, filled, load_description
from harness.errors import InputError, ProfileError
from harness.sources import Deb, Sources

_XEN = re.compile(r"\d+\.\d+")
_SUITE = re.compile(r"[a-z0-9][a-z0-9./-]*")
# Of the image that the kernel's boot protocol has, and of an uncompressed one.
_RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_~-]*")


@dataclass(frozen=True)
class RootSpec:
    """What one root is to be.

    Args:
        arch: of Debian: "amd64", "arm64", "armhf".
        suite: of the packages: "bookworm".
        xen: Xen's release, of which the tools must be: "4.17".
        hostname: also the host part of the prompt.
        user: who logs in; one other than root gets uid 1000, and root is then locked.
        password: stored as a SHA-512 hash, shown by the issue.
        banner: the name of the system, first on the login screen.
        modules: what holds the modules of dom0's kernel: a .deb (`Sources.package_of(kernel)`),
            or a folder as `make modules_install` fills it, with lib/modules in it; None: none.
        release: of the kernel ("6.1.0-56-amd64"), if `modules` may hold more than one.
        guest_kernel: a file that becomes /boot/vmlinuz, for guests to be booted with; beside it is
            their initrd, /boot/guest-initrd.gz.
        extra: more files as (path without leading slash, permissions, content); one with the
            path of another file takes its place. They are in every form of the root.
    """

    arch: str
    suite: str
    xen: str
    hostname: str = "apu2"
    user: str = "root"
    password: str = "debian"  # noqa: S105 - the login screen shows it
    banner: str = "Debian GNU/Linux 12"
    modules: Path | None = None
    release: str | None = None
    guest_kernel: Path | None = None
    extra: tuple[tuple[str, int, bytes], ...] = ()

    @property
    def issue(self) -> str:
        """The line above `login:`; who shows it fills in the console."""
        return issue_of(self.banner, self.hostname, "@TTY@", self.user, self.password)


def check(spec: RootSpec) -> None:
    """Refuse what cannot be made.

    Raises:
        ProfileError: with the field.
    """
    rules = (
        ("xen", spec.xen, _XEN, 'the release of Xen, as "4.17"'),
        ("suite", spec.suite, _SUITE, 'a suite of Debian, as "bookworm"'),
        ("release", spec.release or "6", _RELEASE, 'as `uname -r` says it: "6.1.0-56-amd64"'),
    )
    for field, value, rule, expected in rules:
        if not rule.fullmatch(value):
            raise ProfileError(
                f"{value!r} cannot be the {field}", where=f"root.{field}", expected=expected
            )
    if spec.arch not in get_args(Arch):
        raise ProfileError(
            f"there is no root for {spec.arch!r}",
            where="root.arch",
            expected=f"one of: {', '.join(get_args(Arch))}",
        )
    check_account("root", spec.hostname, spec.user, spec.password, spec.banner)
    check_extra("root", spec.extra)


def debs_of(spec: RootSpec, sources: Sources) -> tuple[Deb, ...]:
    """The packages that the root is made of, with what they depend on, in the cache.

    Raises:
        ProfileError: `spec`, or the description, is not valid.
        UsageError, SourceError, ToolMissing, ToolFailed: as `Sources.closure`.
    """
    check(spec)
    found, _ = load_description()
    packages, optional, left = (
        filled(texts, spec.arch, spec.xen)
        for texts in (found.packages.of(spec.arch), found.optional.of(spec.arch), found.without)
    )
    return sources.closure(packages, spec.suite, spec.arch, without=left, optional=optional)


def kernel_release(folder: Path, wanted: str | None, where: Path) -> str:
    """The one kernel whose modules are below `folder`/lib/modules.

    Args:
        wanted: its release, if there may be several.
        where: what the folder was unpacked from, for the error.

    Raises:
        InputError: there is none, several, or not the wanted one.
    """
    base = folder / "lib" / "modules"
    base = base if base.is_dir() else folder / "usr" / "lib" / "modules"
    has = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
    if wanted is not None and wanted in has:
        return wanted
    if wanted is None and len(has) == 1:
        return has[0]
    raise InputError(
        f"no modules of kernel {wanted}" if wanted else f"modules of {len(has) or 'no'} kernels",
        where=str(where),
        expected="lib/modules/RELEASE" if not has else f"it has: {', '.join(has)}",
    )
