"""Rules for kernel images, alone or as a script or a domain configuration names them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.formats.zimage import is_arm64_image
from harness.formats.zimage_problems import Arch, Role, problems
from harness.lint.cfg_rules import Domain
from harness.lint.facts import Facts
from harness.lint.rule import Check, Found, Hit, Missing, Rule, rule
from harness.lint.script_trace import Trace
from harness.lint.subjects import Boots, boots_of


@dataclass(frozen=True)
class Image:
    """A kernel or guest image by itself.

    Attributes:
        named: by a script or a configuration that was given too, which knows what it is for.
    """

    data: bytes
    name: str
    named: bool = False


Subject = Image | Domain | Trace

# The tag of every line that Xen prints; kernels are compressed, or have it nowhere.
_XEN_PRINTS = b"(XEN) "


@dataclass(frozen=True)
class _Use:
    """An image, what it is used for, and the line that says so."""

    name: str
    data: bytes
    role: Role
    arch: Arch
    line: int | None


def _uses(subject: Subject, facts: Facts) -> Iterator[_Use]:
    if isinstance(subject, Image):
        if not subject.named:
            arch: Arch = "arm64" if is_arm64_image(subject.data) else "arm"
            role: Role = "xen" if _XEN_PRINTS in subject.data else "guest"
            yield _Use(subject.name, subject.data, role, arch, None)
    elif isinstance(subject, Domain):
        setting = subject.config.get("kernel")
        data = facts.files.get(subject.kernel)
        if data is not None and setting is not None:
            arch = "arm64" if is_arm64_image(data) else "arm"
            yield _Use(subject.kernel, data, "guest", arch, setting.line)
    else:
        for one in boots_of(subject):
            yield from _modules(one, facts)


def _modules(one: Boots, facts: Facts) -> Iterator[_Use]:
    """The kernels among the modules; Xen itself is script.image's."""
    boot = one.boot
    if boot is None or boot.command not in ("bootz", "booti"):
        return
    arch: Arch = "arm" if boot.command == "bootz" else "arm64"
    for module in one.modules:
        if module.kind != "kernel" or module.size is None or module.size.load is None:
            continue
        load = boot.loads[module.size.load]
        data = facts.files.get(load.base_name)
        if data is not None:
            role: Role = "guest" if module.domain else "dom0"
            yield _Use(load.base_name, data, role, arch, load.line)


def _check(id: str) -> Check:  # noqa: A002
    def check(subject: Subject, facts: Facts) -> Found:
        if isinstance(subject, Image) and subject.named:
            yield Missing("another file says what the image is for", "judged with that file")
            return
        for use in _uses(subject, facts):
            for problem in problems(use.data, arch=use.arch, role=use.role):
                if problem.rule != id:
                    continue
                at = "" if problem.offset is None else f" (offset {problem.offset:#x})"
                yield Hit(
                    f"{use.name}: {problem.message}{at}",
                    use.line,
                    severity=problem.severity,
                    consequence=problem.consequence,
                )

    return check


_SOURCE = "Xen xen/arch/arm/kernel.c, tools/libs/guest/xg_dom_armzimageloader.c"


def _told(id: str, checks: str, consequence: str, reference: str = _SOURCE) -> Rule:  # noqa: A002
    made = rule(id, "error", checks=checks, reference=reference, consequence=consequence)
    return made(_check(id))


RULES: tuple[Rule, ...] = (
    _told(
        "zimage.magic",
        "The file has a zImage's magic 0x016f2818 at 0x24, or an Image's at 0x38.",
        "U-Boot, Xen and xl do not know how to load it.",
        "Linux Documentation/arch/arm/booting.rst, Documentation/arch/arm64/booting.rst",
    ),
    _told(
        "zimage.arch",
        "The image is for the CPU that it is loaded on.",
        "It is refused, or started in the other mode of the CPU.",
    ),
    _told(
        "zimage.compressed",
        "Neither the file nor what its header branches to is compressed data.",
        "Nothing unpacks it: the CPU runs compressed data.",
    ),
    _told(
        "zimage.uimage",
        "The file is no uImage where a zImage belongs.",
        "Xen takes the header's addresses or not, by version; xl does not load it.",
        "Xen xen/arch/arm/kernel.c, kernel_uimage_probe",
    ),
    _told(
        "zimage.end",
        "The header's end is its start plus the size of the file.",
        "Xen refuses an image that is larger than its file, and leaves out what is behind its end.",
    ),
    _told(
        "zimage.start",
        "A guest's image is linked to 0x40008000, or runs anywhere.",
        "xl loads it to 0x40008000 and jumps to its start.",
    ),
    _told(
        "zimage.start-old",
        "A guest's image is not linked to 0x80000000, where its memory began up to Xen 4.4.",
        "xl accepts it, and the guest spins without a word.",
    ),
)
