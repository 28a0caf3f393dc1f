"""Domains that Xen starts by itself from the device tree (dom0less).

Source: Xen, docs/misc/arm/device-tree/booting.txt, "Creating Multiple Domains directly from Xen".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.board.base import Address, Model, OneLine, Regex
from harness.board.binaries import Role


class Load(Model):
    """A file of a domain: the role that it plays, and where U-Boot puts it."""

    role: Role
    address: Address


class Domain(Model):
    """A dom0less domain; the first one of the profile is Xen's DOM1.

    `vpl011`: it gets an emulated UART, whose output Xen prints as "(XEN) DOM1: ...".
    `enhanced`: xen,enhanced; "no-xenstore" where there is no dom0 to serve XenStore.
    `passthrough`: nodes of the host's tree that dom0 does not get. The domain gets those that
    its own partial tree (`dtb`) names.
    `greeting`: what it says when it is up; a boot waits for it.
    """

    name: Annotated[str, Field(pattern=r"^domU[1-9]\d?$")]
    memory_mib: Annotated[int, Field(ge=1, le=1 << 20)]
    cpus: Annotated[int, Field(ge=1, le=128)] = 1
    kernel: Load
    ramdisk: Load | None = None
    dtb: Load | None = None
    cmdline: OneLine = ""
    vpl011: bool = True
    enhanced: Literal["enabled", "no-xenstore", "disabled"] | None = None
    passthrough: tuple[Annotated[str, Field(pattern=r"^/[A-Za-z0-9@,._+/-]+$")], ...] = ()
    greeting: Regex | None = None

    @property
    def loads(self) -> tuple[tuple[str, Load], ...]:
        """Its modules, as (kind, load); the kernel is the first."""
        kinds = (("kernel", self.kernel), ("ramdisk", self.ramdisk), ("device-tree", self.dtb))
        return tuple((kind, load) for kind, load in kinds if load is not None)
