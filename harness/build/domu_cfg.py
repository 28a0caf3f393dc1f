"""The configuration of a domU for xl: the text is bootscripts/domU.cfg.j2.

xl forgives much and silently: it ignores CPUs of virtual CPUs that there are not, and takes
a name of digits for the number of a domain. Such values are refused here.
Sources: xl.cfg(5); Xen, tools/xl/xl_parse.c, tools/libs/util/libxlu_cfg_l.l
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from harness.build.render import render
from harness.errors import ProfileError

OnCrash = Literal[
    "destroy",
    "restart",
    "rename-restart",
    "preserve",
    "coredump-destroy",
    "coredump-restart",
    "soft-reset",
]

PAGE = 4096
ADDRESS_BITS = 40  # physical addresses of 32-bit Arm with LPAE, and of guests ("40-bit IPA")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]{0,62}")
_RANGE = r"\^?(all|\d+(-\d+)?|nodes?:\d+(-\d+)?)"
_CPUS = re.compile(rf"{_RANGE}(,{_RANGE})*")


@dataclass(frozen=True)
class IoPages:
    """Pages of the board that a guest gets.

    Attributes:
        address: of the first one on the board, in bytes.
        pages: how many, of 4 KiB.
        guest_address: where the guest finds them; None: at the same address.
    """

    address: int
    pages: int = 1
    guest_address: int | None = None

    @property
    def text(self) -> str:
        """As xl writes it: "1c20,2" or "1c20,2@10000"."""
        there = "" if self.guest_address is None else f"@{self.guest_address // PAGE:x}"
        return f"{self.address // PAGE:x},{self.pages:x}{there}"


def render_domu_cfg(
    *,
    name: str,
    kernel: str,
    memory_mib: int,
    vcpus: int = 1,
    cpus: str | Sequence[str] | None = None,
    on_crash: OnCrash = "destroy",
    iomem: Sequence[IoPages] = (),
    cmdline: str = "",
    vuart: bool = False,
) -> str:
    """The text of a domU's configuration.

    Args:
        name: what `xl list` shows.
        kernel: path in dom0, from its root or from where xl is started.
        vcpus: number of virtual CPUs.
        cpus: the CPUs that they may run on, in xl's words: "1", "0-3,^2", "all"; one text
            for all virtual CPUs, or one for each of them.
        on_crash: what xl does with a guest that crashes.
        iomem: pages of the board that it gets.
        cmdline: its bootargs.
        vuart: give it Xen's PL011, where a guest without drivers of Xen finds its console.

    Raises:
        ProfileError: a value that xl would refuse, ignore or take for something else.
    """
    _check_name(name)
    _check_text("kernel", kernel)
    if not kernel:
        raise _bad("kernel", kernel, "the path of an image")
    _check_text("cmdline", cmdline)
    _check_number("memory_mib", memory_mib, 1, 1 << (ADDRESS_BITS - 20))
    _check_number("vcpus", vcpus, 1, 128)
    _check_cpus(cpus, vcpus)
    if on_crash not in get_args(OnCrash):
        raise _bad("on_crash", on_crash, f"one of {', '.join(get_args(OnCrash))}")
    _check_iomem(iomem)
    return render(
        "domU.cfg.j2",
        name=name,
        kernel=kernel,
        memory=memory_mib,
        vcpus=vcpus,
        cpus=cpus if cpus is None or isinstance(cpus, str) else list(cpus),
        on_crash=on_crash,
        iomem=[one.text for one in iomem],
        cmdline=cmdline,
        vuart=vuart,
    )


def _bad(field: str, value: object, expected: str) -> ProfileError:
    return ProfileError(
        f"{value!r} cannot be the {field} of a domU", where=f"domU.{field}", expected=expected
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        expected = "a letter or _, then letters, digits, _ . + -, at most 63 in all"
        raise _bad("name", name, expected)
    if name == "Domain-0":
        raise _bad("name", name, "a name that dom0 does not have")


def _check_text(field: str, text: str) -> None:
    """No quote may end the string, no backslash start an escape, no line end in it."""
    if not (text.isascii() and text.isprintable()) or set(text) & set("\"'\\"):
        raise _bad(field, text, "printable ASCII without quotes and backslashes")


def _check_number(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _bad(field, value, f"{least} to {most}")


def _check_cpus(cpus: str | Sequence[str] | None, vcpus: int) -> None:
    if cpus is None:
        return
    texts = [cpus] if isinstance(cpus, str) else list(cpus)
    for text in texts:
        if not _CPUS.fullmatch(text):
            raise _bad("cpus", text, 'CPUs as xl writes them: "1", "0-3,^2", "all"')
    if not isinstance(cpus, str) and len(texts) != vcpus:
        raise _bad("cpus", texts, f"one entry for each of the {vcpus} virtual CPUs")


def _check_iomem(iomem: Sequence[IoPages]) -> None:
    for number, one in enumerate(iomem):
        field = f"iomem[{number}]"
        _check_number(f"{field}.pages", one.pages, 1, 1 << (ADDRESS_BITS - 12))
        for name, address in (("address", one.address), ("guest_address", one.guest_address)):
            if address is None:
                continue
            if address % PAGE:
                page = address - address % PAGE
                expected = f"the start of a page; {address:#x} is in that of {page:#x}"
                raise _bad(f"{field}.{name}", hex(address), expected)
            end = (1 << ADDRESS_BITS) - one.pages * PAGE
            if not 0 <= address <= end:
                raise _bad(f"{field}.{name}", hex(address), f"0 to {end:#x}")
