"""What all parts of a board profile are made of: the base model, and checked texts and numbers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Arch = Literal["x86_64", "arm", "aarch64"]
MethodName = Literal["pxe", "multiboot", "sdcard", "direct"]
RootKind = Literal["busybox", "initramfs", "nfs", "9p", "ext4"]
"""What dom0 lives in: busybox alone, or a Debian root with xl, in memory or from elsewhere."""


class Misfit(ValueError):  # noqa: N818 -- a state of the profile; pydantic carries it
    """A value that does not fit to another one.

    Args:
        place: the keys that lead to it, from the model that noticed.
        wrong: the value; `names`: what would have fitted.
    """

    def __init__(
        self, message: str, *place: str | int, wrong: str = "", names: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.place = place
        self.wrong = wrong
        self.names = tuple(names)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as bad:
        raise ValueError(f"not a regular expression: {bad}") from None
    return text


def _no_control(text: str) -> str:
    if any(ord(c) < 0x20 for c in text):
        raise ValueError("control characters and line breaks have no place here")
    return text


Regex = Annotated[str, AfterValidator(_regex), Field(min_length=1)]
OneLine = Annotated[str, AfterValidator(_no_control)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
Bdf = Annotated[str, Field(pattern=r"^[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$")]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Address = Annotated[int, Field(ge=0, lt=1 << 64)]
XenRange = Annotated[str, Field(pattern=r"^(<|<=|>=|>|==)\d+\.\d+$")]


class Model(BaseModel):
    """The base of all parts of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def check_network(network: str, server: str) -> None:
    """An IP network, and an address in it.

    Raises:
        Misfit: they are none; with the key.
    """
    try:
        net = ipaddress.ip_network(network)
    except ValueError as bad:
        raise Misfit(str(bad), "network") from None
    try:
        address = ipaddress.ip_address(server)
    except ValueError as bad:
        raise Misfit(str(bad), "server") from None
    if address not in net:
        raise Misfit(f"{server} is outside network {network}", "server")
