"""Which file plays which role of a boot, and where it comes from."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from harness.board.base import Misfit, Model, Name, OneLine

ROLES = ("firmware", "ipxe", "spl", "uboot", "script", "xen", "kernel", "initrd", "dtb")
"""The roles of a boot; the files of dom0less domains come besides (`domU1-kernel`)."""

_OF_DOMAIN = r"domU[1-9]\d?-(kernel|ramdisk|dtb)"


def is_role(name: str) -> bool:
    """Whether this is the name of a role."""
    return name in ROLES or re.fullmatch(_OF_DOMAIN, name) is not None


def _role(name: str) -> str:
    if not is_role(name):
        raise Misfit(f"there is no role {name!r}", wrong=name, names=(*ROLES, "domU1-kernel"))
    return name


Role = Annotated[
    str,
    AfterValidator(_role),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(ROLES)}|{_OF_DOMAIN})$"}),
]


class BinarySource(Model):
    """Where the file of a role comes from: a Debian package, or a file of the user."""

    package: Name | None = None
    follow: OneLine | None = None
    file: OneLine
    suite: Name | None = None
    arch: Name = "amd64"
    version: OneLine | None = None
    versions: dict[str, Name] = Field(default_factory=dict)
    build: Literal["busybox"] | None = None

    @model_validator(mode="after")
    def _package_or_file(self) -> BinarySource:
        if self.package and not self.suite:
            raise Misfit("a package needs a suite", "package")
        return self
