"""Expectations from what we gave the board to boot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.bootlog import BootLog
from harness.expectations.facts import fact, words
from harness.rules import Expectation, Fact, Scope


@dataclass(frozen=True)
class Built:
    """What we know of a boot because we made it; None where a role was not ours to make.

    Args:
        xen_version: of the Debian package; Xen prints it in its banner.
        kernel_release: what `uname -r` says.
        hostname: what the login prompt says.
        sizes: of the files on the card, in bytes, by role; empty if we made no card.
        cmdline_shown: whether the log shows Xen's command line.
    """

    xen_version: str | None = None
    xen_cmdline: str | None = None
    kernel_release: str | None = None
    kernel_cmdline: str | None = None
    hostname: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    cmdline_shown: bool = True


def from_artifacts(built: Built, early: str) -> list[Expectation]:
    """What the log must show of Xen and dom0; `early`: the stage after Xen's banner."""
    why = "this is what we gave it to boot"
    found: list[Expectation] = []
    if built.xen_version:
        version = built.xen_version
        found.append(
            Fact(
                "built.xen.version",
                _xen_package_version,
                lambda have: str(have) == version,
                version,
                why,
                Scope("xen"),
            )
        )
    if built.xen_cmdline is not None and built.cmdline_shown:
        found.append(
            fact(
                "built.xen.cmdline",
                early,
                _xen_cmdline,
                words(built.xen_cmdline),
                why,
            )
        )
    return found + of_linux(built)


# KERN_NOTICE is 5: its banner and command line stay out of a log with a lower level.
_QUIET = re.compile(r"(?:^| )(?:quiet|loglevel=[0-5])(?: |$)")


def of_linux(built: Built) -> list[Expectation]:
    """What Linux must show, with Xen below or without."""
    why = "this is what we gave it to boot"
    # A command line that was not ours to give may say so, too.
    quiet = built.kernel_cmdline is None or _QUIET.search(built.kernel_cmdline) is not None
    found: list[Expectation] = []
    if built.hostname:
        found.append(
            fact("built.hostname", "login", lambda log: log.linux.hostname, built.hostname, why)
        )
    if built.kernel_release:
        found.append(
            fact(
                "built.kernel.release",
                "kernel",
                lambda log: log.linux.version,
                built.kernel_release,
                why,
                optional=quiet,
            )
        )
    if built.kernel_cmdline is not None:
        found.append(
            fact(
                "built.kernel.cmdline",
                "userspace",
                lambda log: words(log.linux.command_line),
                words(built.kernel_cmdline),
                why,
                optional=quiet,
            )
        )
    return found


def _xen_cmdline(log: BootLog) -> str | None:
    """On ARM Xen reads it before it has a console; U-Boot prints the tree that it is in."""
    return words(log.xen.command_line or log.uboot.xen_bootargs)


def _xen_package_version(log: BootLog) -> object:
    """Debian's version of Xen, which its banner has in brackets: (Debian 4.17.7+13-...)."""
    full = log.xen.distribution_version
    return full.split()[-1] if full else log.xen.version
