"""What keeps a kernel image of ARM from being started.

Sources: Xen 4.17, xen/arch/arm/kernel.c (kernel_decompress, kernel_uimage_probe,
kernel_zimage32_probe, kernel_zimage_place) and tools/libs/guest/xg_dom_armzimageloader.c (what
xl does); xen/include/public/arch-arm.h (where a guest's memory is); U-Boot 2023.01,
arch/arm/lib/zimage.c and image.c (bootz and booti).
"""

from __future__ import annotations

from typing import Literal

from harness.formats import uimage
from harness.formats.problem import Problem, Severity
from harness.formats.zimage import (
    ARM64_HEADER_SIZE,
    ARM64_MAGIC_OFFSET,
    END_OFFSET,
    HEADER_SIZE,
    MAGIC,
    MAGIC_OFFSET,
    START_OFFSET,
    ZImage,
    is_arm64_image,
    is_zimage,
    parse,
)

Arch = Literal["arm", "arm64"]
Role = Literal["xen", "dom0", "guest"]

# Where the memory of every guest begins, and where it began up to Xen 4.4.
GUEST_RAM_BASE = 0x40000000
OLD_GUEST_RAM_BASE = 0x80000000
# xl loads a zImage there whatever its start says.
XL_LOAD_ADDRESS = GUEST_RAM_BASE + 0x8000

_BRANCH_OFFSET = 0x20
_FDT_MAGIC = b"\xd0\x0d\xfe\xed"
_COMPRESSED = {
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x89LZO": "lzo",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
}
_NAMES = {"arm": "an ARM zImage (32-bit)", "arm64": "an arm64 Image (64-bit)"}


def compression(data: bytes) -> str | None:
    """The compression that `data` begins with: "gzip", "xz", ...; None for none known."""
    if data[:2] == b"MZ" and data[4:8] == b"zimg":
        return "EFI zboot"
    if data[:3] == b"]\0\0" and len(data) >= 5:
        # Three bytes alone may as well be an ARM branch; the dictionary is a power of 2.
        return "lzma" if int.from_bytes(data[1:5], "little").bit_count() == 1 else None
    return next((name for magic, name in _COMPRESSED.items() if data.startswith(magic)), None)


def problems(
    data: bytes, *, arch: Arch = "arm", role: Role = "guest", size: int | None = None
) -> tuple[Problem, ...]:
    """What is wrong with a kernel image, for who will load it.

    Args:
        data: the file, or as much of it as there is.
        arch: "arm" for a zImage, "arm64" for an Image.
        role: "xen": U-Boot loads it, with bootz or booti; "dom0": Xen does; "guest": Xen
            (dom0less) or xl does.
        size: of the file, if `data` is not all of it.

    Rules: zimage.compressed, zimage.uimage, zimage.arch, zimage.magic; zimage.end for zImages
    of dom0 and guests; zimage.start-old and zimage.start for those of guests.
    """
    wrapped = _wrapped(data, arch, role)
    if wrapped:
        return (wrapped,)
    right, wrong = (is_zimage, is_arm64_image) if arch == "arm" else (is_arm64_image, is_zimage)
    if wrong(data) and not right(data):
        return (_other_arch(arch, role),)
    if not right(data) or len(data) < (HEADER_SIZE if arch == "arm" else ARM64_HEADER_SIZE):
        return (_no_magic(data, arch, role),)
    if arch == "arm64" or role == "xen":
        # bootz only reserves what the header says, and Xen's own counts memory that is not
        # in the file; Xen does not look at the sizes of an Image.
        return ()
    image = parse(data, size=size)
    found = [
        _end(image, data, role),
        _payload(data),
        _start(image) if role == "guest" else None,
    ]
    return tuple(problem for problem in found if problem)


def _refusal(arch: Arch, role: Role) -> str:
    """What is said of an image that nobody knows how to load."""
    if role == "xen":
        return (
            'bootz says "zimage: Bad magic!" (older: "Bad Linux ARM zImage magic!")'
            if arch == "arm"
            else 'booti says "Bad Linux ARM64 Image magic!"'
        )
    if role == "dom0":
        return 'Xen panics: "Could not set up DOM0 guest OS"'
    return 'xl says "no loader found"; for a dom0less domain Xen panics: "Could not set up domain"'


def _wrapped(data: bytes, arch: Arch, role: Role) -> Problem | None:
    """The image is inside of something else."""
    if data[:4] == uimage.MAGIC.to_bytes(4):
        return _uimage(data, arch, role)
    packed = compression(data)
    if packed is None:
        return None
    severity: Severity = "error"
    consequence = _refusal(arch, role)
    if role == "xen" and arch == "arm64" and packed != "EFI zboot":
        severity = "warning"
        consequence = "booti unpacks it only if kernel_comp_addr_r and kernel_comp_size are set"
    elif role != "xen" and packed == "gzip":
        severity = "warning"
        consequence = (
            "Xen and xl unpack gzip, and no other compression, before they look for the header:"
            " it is not checked here; Xen reads the unpacked size from the last 4 bytes of the"
            " module, so the module must have the exact size of the file"
        )
    return Problem(
        "zimage.compressed",
        severity,
        f"the file itself is compressed ({packed}), {_NAMES[arch]} was expected",
        consequence,
        0,
    )


def _uimage(data: bytes, arch: Arch, role: Role) -> Problem:
    severity: Severity = "error"
    code = data[31] if len(data) > 31 else 0
    packed = uimage.COMPRESSION_NAMES.get(code, f"compression {code}")
    if role == "xen":
        consequence = f"{_refusal(arch, role)}; bootm takes it"
    elif code:
        consequence = (
            "Xen up to 4.17 runs the compressed data as if it were code, from 4.18 it unpacks"
            " gzip only; xl does not load uImages"
        )
    else:
        severity = "error" if role == "guest" else "warning"
        consequence = (
            "Xen takes the data for position-independent code and ignores load address and"
            " entry point (up to 4.17); xl does not load uImages"
        )
    return Problem(
        "zimage.uimage",
        severity,
        f"the file is a U-Boot image (uImage, {packed}), {_NAMES[arch]} was expected",
        consequence,
        0,
    )


def _other_arch(arch: Arch, role: Role) -> Problem:
    found, offset = ("arm64", ARM64_MAGIC_OFFSET) if arch == "arm" else ("arm", MAGIC_OFFSET)
    severity: Severity = "error"
    consequence = _refusal(arch, role)
    if arch == "arm64" and role != "xen":
        severity = "warning"
        consequence = "Xen starts it as a 32-bit domain, on a CPU whose EL1 can do AArch32"
    message = f"this is {_NAMES[found]}, not {_NAMES[arch]}"
    return Problem("zimage.arch", severity, message, consequence, offset)


def _no_magic(data: bytes, arch: Arch, role: Role) -> Problem:
    offset = MAGIC_OFFSET if arch == "arm" else ARM64_MAGIC_OFFSET
    found = data[offset : offset + 4]
    if len(data) < (HEADER_SIZE if arch == "arm" else ARM64_HEADER_SIZE):
        message = f"the file ends after {len(data)} bytes, within the header"
    elif arch == "arm" and found == MAGIC.to_bytes(4):
        message = "the magic is big-endian: the header was assembled for a big-endian CPU"
    elif data[:4] == b"\x7fELF":
        message = f"this is an ELF file, not {_NAMES[arch]}: objcopy -O binary is missing"
    else:
        message = f"at {offset:#x} there is {found.hex(' ')}, not the magic of {_NAMES[arch]}"
    return Problem("zimage.magic", "error", message, _refusal(arch, role), offset)


def _end(image: ZImage, data: bytes, role: Role) -> Problem | None:
    """Xen compares with the file and loads what the header says; xl loads the file as it is."""
    if image.size == image.size_in_file:
        return None
    severity: Severity = "error"
    message = (
        f"end is {image.end:#x}: with start {image.start:#x} that is {image.size:#x} bytes,"
        f" the file has {image.size_in_file:#x}"
    )
    if image.size < 0 or image.size > image.size_in_file:
        consequence = "Xen takes no image that is larger than its module: " + (
            _refusal("arm", role)
            if role == "dom0"
            else 'it panics over a dom0less domain, "Could not set up domain"; xl does not look'
            " at end"
        )
    elif data[image.size : image.size + 4] == _FDT_MAGIC:
        severity = "warning"
        consequence = "a device tree is appended: Xen leaves it out and hands the domain its own"
    else:
        lost = image.size_in_file - image.size
        consequence = f"Xen leaves out the last {lost:#x} bytes of the file"
        if role == "guest":
            consequence += "; xl loads them"
    return Problem("zimage.end", severity, message, consequence, END_OFFSET)


def _payload(data: bytes) -> Problem | None:
    """Compressed data is normal inside of a zImage, behind code that unpacks it."""
    branch = int.from_bytes(data[_BRANCH_OFFSET : _BRANCH_OFFSET + 4], "little")
    if branch >> 24 != 0xEA:
        return None
    distance = (branch & 0xFFFFFF) - ((branch & 0x800000) << 1)
    target = _BRANCH_OFFSET + 8 + 4 * distance
    packed = compression(data[target : target + 16]) if target >= 0 else None
    if packed is None:
        return None
    return Problem(
        "zimage.compressed",
        "error",
        f"the header branches to {target:#x}, where {packed} data begins",
        "nothing unpacks it: the CPU runs compressed data",
        target,
    )


def _start(image: ZImage) -> Problem | None:
    start = image.start
    if start in (0, XL_LOAD_ADDRESS):
        return None
    jumps = f"xl loads the image to {XL_LOAD_ADDRESS:#x} and jumps to {start:#x}"
    panics = 'for a dom0less domain Xen panics: "Unable to copy the kernel in the hwdom memory"'
    if start >= OLD_GUEST_RAM_BASE:
        return Problem(
            "zimage.start-old",
            "error",
            f"start is {start:#x}: the memory of a guest began at {OLD_GUEST_RAM_BASE:#x} up to"
            f" Xen 4.4, since then it begins at {GUEST_RAM_BASE:#x}; link it to"
            f" {XL_LOAD_ADDRESS:#x}",
            f"{jumps}, where nothing is: the guest spins and says nothing; {panics}, unless"
            " the domain has more than 1 GiB",
            START_OFFSET,
        )
    if start < GUEST_RAM_BASE:
        return Problem(
            "zimage.start",
            "error",
            f"start is {start:#x}, the memory of a guest begins at {GUEST_RAM_BASE:#x}",
            f"{jumps}, where there is no memory; {panics}",
            START_OFFSET,
        )
    return Problem(
        "zimage.start",
        "warning",
        f"start is {start:#x}, neither 0 nor {XL_LOAD_ADDRESS:#x}",
        f"{jumps}; a dom0less domain works, if its memory reaches that far",
        START_OFFSET,
    )
