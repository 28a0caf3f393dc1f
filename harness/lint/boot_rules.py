"""Rules for how a script starts Xen: the arguments of bootz, and what lies where they point."""

from __future__ import annotations

from harness.formats.zimage import is_arm64_image, is_zimage
from harness.lint.facts import Facts
from harness.lint.modules import modules_of
from harness.lint.rule import Found, Hit, Missing, Rule, rule
from harness.lint.script_trace import Trace
from harness.lint.subjects import arguments, is_tree, load_of, number_in, same, starts_xen
from harness.lint.symbols import shown

_FDT_COMMANDS = ("bootz", "booti", "bootm")


@rule(
    "script.no-boot-command",
    "warning",
    checks="The script starts something: bootz, booti or bootm.",
    reference="U-Boot doc/usage/cmd/bootz.rst, booti.rst",
    consequence="U-Boot goes on with the next way to boot, or to its prompt.",
)
def _no_boot_command(trace: Trace, facts: Facts) -> Found:
    del facts
    if not trace.boots:
        yield Hit("no command of the script starts a system", hint="bootz ${xen} - ${fdt}")


@rule(
    "script.tree-as-initrd",
    "error",
    checks="The device tree is the third argument of bootz, booti and bootm; the second one is an "
    "initrd, or - for none.",
    reference="U-Boot boot/image-board.c, select_ramdisk; cmd/bootz.c",
    consequence='U-Boot takes the tree for a ramdisk: "Bad FIT ramdisk image format!" (or "Wrong '
    'Ramdisk Image Format"), "Ramdisk image is corrupt or invalid"; Xen is not started. An older '
    "U-Boot that goes on starts it without a tree, and Xen on ARM prints nothing without one.",
)
def _tree_as_initrd(trace: Trace, facts: Facts) -> Found:
    del facts
    for boot in trace.boots:
        places = arguments(boot)
        if boot.command in _FDT_COMMANDS and len(places) == 2 and is_tree(places[1], boot):
            text = shown(boot.arguments[1])
            yield Hit(
                f"{boot.command} has two arguments: {text}, the device tree, is in the initrd's "
                "place",
                boot.line,
                hint=f"{boot.command} {shown(boot.arguments[0])} - {text}",
            )


@rule(
    "script.no-tree",
    "error",
    checks="bootz, booti and bootm are given a device tree.",
    reference="U-Boot boot/image-fdt.c, boot_get_fdt; Xen docs/misc/arm/booting.txt",
    consequence="U-Boot starts Xen without a tree; Xen on ARM has no other way to find its "
    "console, and nothing is printed.",
)
def _no_tree(trace: Trace, facts: Facts) -> Found:
    del facts
    for boot in trace.boots:
        places = arguments(boot)
        if boot.command not in _FDT_COMMANDS or len(places) >= 3:
            continue
        if len(places) == 2 and is_tree(places[1], boot):
            continue
        if boot.command == "bootm" and not starts_xen(boot):
            continue  # an image may bring its tree
        said = " ".join([boot.command, *map(shown, boot.arguments)])
        hint = f"{boot.command} {shown(next(iter(boot.arguments), '${xen}'))} - ${{fdt}}"
        yield Hit(f"{said}: no third argument", boot.line, hint=hint)


@rule(
    "script.other-tree",
    "error",
    checks="The tree that Xen gets is the one that the script has edited, and it was loaded.",
    reference="U-Boot cmd/fdt.c, do_fdt (addr); boot/image-fdt.c, boot_get_fdt",
    consequence="Xen gets a tree without modules, or no tree: it panics, or stays silent.",
)
def _other_tree(trace: Trace, facts: Facts) -> Found:
    del facts
    for boot in trace.boots:
        places = arguments(boot)
        trees = [load for load in boot.loads if load.base_name.endswith(".dtb")]
        fdt = boot.fdt
        if fdt and len(places) >= 3 and not same(places[2], fdt.address):
            message = f"the tree at {fdt.address} was edited, {boot.command} is given {places[2]}"
            yield Hit(message, boot.line, hint=f"the address of fdt addr, line {fdt.line}")
        at = fdt.address.value if fdt else None
        wrong = [load for load in trees if load.address.value not in (at, None)]
        if fdt and at is not None and fdt.load is None and trees and len(wrong) == len(trees):
            load = trees[-1]
            message = f"fdt addr {fdt.address}: {load.base_name} was loaded to {load.address}"
            yield Hit(message, fdt.line, hint=f"fdt addr {load.address}")


@rule(
    "script.not-loaded",
    "error",
    checks="What is started was loaded to the address that is started.",
    reference="U-Boot cmd/bootz.c, bootz_start",
    consequence='U-Boot finds no image there: "zimage: Bad magic!" (older: "Bad Linux ARM zImage '
    'magic!").',
)
def _not_loaded(trace: Trace, facts: Facts) -> Found:
    del facts
    for boot in trace.boots:
        place = next(iter(arguments(boot)), None)
        if place is None or place.value is None or boot.command not in _FDT_COMMANDS:
            continue
        known = [load for load in boot.loads if load.address.value is not None]
        if known and len(known) == len(boot.loads) and load_of(boot, place.value) is None:
            where = ", ".join(f"{load.base_name} at {load.address}" for load in known)
            yield Hit(f"nothing was loaded to {place}; loaded were {where}", boot.line)


@rule(
    "script.image",
    "error",
    checks="bootz is given a 32-bit zImage, booti a 64-bit Image; and Xen and its kernel are for "
    "the same CPU as the command.",
    reference="U-Boot arch/arm/lib/zimage.c, bootz_setup; arch/arm/lib/image.c, booti_setup",
    consequence='U-Boot refuses: "zimage: Bad magic!" (older: "Bad Linux ARM zImage magic!"), or '
    '"Bad Linux ARM64 Image magic!".',
)
def _image(trace: Trace, facts: Facts) -> Found:
    for boot in trace.boots:
        place = next(iter(arguments(boot)), None)
        load = load_of(boot, place.value) if place else None
        if load is None or boot.command not in ("bootz", "booti"):
            continue
        data = facts.files.get(load.base_name)
        if data is None:
            yield Missing(f"{load.base_name} was not given: is it what {boot.command} takes?",
                          load.base_name)  # fmt: skip
            continue
        right = is_zimage if boot.command == "bootz" else is_arm64_image
        if not right(data):
            wanted = "32-bit ARM zImage" if boot.command == "bootz" else "64-bit ARM Image"
            yield Hit(
                f"{boot.command} {load.base_name}: {_what_is(data)}, not a {wanted}",
                boot.line,
                hint=_image_hint(data, boot.command),
            )


def _what_is(data: bytes) -> str:
    """What a file is, by its first bytes."""
    if is_zimage(data):
        return "a 32-bit ARM zImage"
    if is_arm64_image(data):
        return "a 64-bit ARM Image"
    if data[:4] == b"\x7fELF":
        machine = int.from_bytes(data[18:20], "little")
        names = {3: "x86", 40: "ARM", 62: "x86-64", 183: "ARM64"}
        return f"an ELF file for {names.get(machine, f'machine {machine}')}"
    for magic, name in (
        (b"\x1f\x8b", "a gzip file (Xen for x86 comes so)"),
        (b"\x27\x05\x19\x56", "a U-Boot image (uImage)"),
        (b"MZ", "an EFI program"),
    ):
        if data.startswith(magic):
            return name
    return "nothing that the linter knows"


def _image_hint(data: bytes, command: str) -> str:
    if command == "bootz" and is_arm64_image(data):
        return "booti, on a 64-bit board; else the armhf build of Xen"
    if command == "booti" and is_zimage(data):
        return "bootz, on a 32-bit board; else the arm64 build of Xen"
    if data[:4] == b"\x7fELF":
        return "the file xen of the build, not xen-syms; on Debian /boot/xen-VERSION-armhf"
    if data[:4] == b"\x27\x05\x19\x56":
        return "bootm, or the file that the image was made of"
    return "Xen's build for this CPU: on Debian /boot/xen-VERSION-armhf or -arm64"


@rule(
    "script.fdt-high",
    "warning",
    checks="fdt_high is all ones, so that the tree stays where the script put it, 8-byte aligned.",
    reference="U-Boot boot/image-fdt.c, boot_relocate_fdt",
    consequence="U-Boot moves the tree to the end of the memory that bootm may use, and does not "
    "ask what was loaded there: it may land on a module. (A U-Boot of 2025 or later knows its own "
    "loads.)",
)
def _fdt_high(trace: Trace, facts: Facts) -> Found:
    del facts
    for boot in trace.boots:
        if boot.command not in ("bootz", "booti") or not modules_of(boot.tree):
            continue
        if boot.fdt is not None and boot.fdt.load is None:
            continue  # U-Boot's own tree, which may stand anywhere
        text = boot.environment.get("fdt_high", "")
        ones = "0xffffffff" if boot.command == "bootz" else "0xffffffffffffffff"
        value = number_in(text, boot).value if text else None
        if not text:
            yield Hit("fdt_high is not set", boot.line, hint=f"setenv fdt_high {ones}")
        elif value is not None and value != int(ones, 16):
            yield Hit(f"fdt_high is {shown(text)}", boot.line, hint=f"setenv fdt_high {ones}")
        elif boot.fdt and boot.fdt.address.value is not None and boot.fdt.address.value % 8:
            yield Hit(
                f"the tree stays at {boot.fdt.address}, which is no multiple of 8",
                boot.line,
                severity="error",
                consequence="libfdt refuses a tree that is not aligned.",
            )


@rule(
    "script.module-address",
    "error",
    checks="The reg of a module has the address that its file was loaded to.",
    reference="Xen docs/misc/arm/device-tree/booting.txt, reg",
    consequence="Xen takes what lies at that address for the module.",
)
def _module_address(trace: Trace, facts: Facts) -> Found:
    del facts
    for boot in trace.boots:
        known = all(load.address.value is not None for load in boot.loads)
        for module in modules_of(boot.tree):
            if module.reg_line is None or module.address is None or not module.is_seen:
                continue
            if module.size is not None and module.size.load is not None:
                load = boot.loads[module.size.load]
                if not same(load.address, module.address) and known:
                    yield Hit(
                        f"the address is {module.address}, the size that of {load.base_name}, "
                        f"which was loaded to {load.address}",
                        module.reg_line,
                        module.path,
                        hint=f"<{load.address} 0x${{filesize}}>, behind the load of the module",
                    )
            elif known and boot.loads and load_of(boot, module.address.value) is None:
                message = f"nothing was loaded to {module.address}"
                yield Hit(message, module.reg_line, module.path)


RULES: tuple[Rule, ...] = (
    _no_boot_command,
    _tree_as_initrd,
    _no_tree,
    _other_tree,
    _not_loaded,
    _image,
    _fdt_high,
    _module_address,
)
