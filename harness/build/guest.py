"""The initramfs of a guest: busybox, the drivers of a domU, a shell on its console.

It is small and asks nothing, because a guest is there to be looked at: all modules are loaded, so
that /proc and /sys say which devices the toolstack gave it; `dhcp eth0` gets an address. The
host name is that of the kernel's command line (`hostname=NAME`). The same arguments give the same
bytes. What /init cannot do without ends in one line on the console and a kernel panic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.build.busybox import INIT_HEAD, static_busybox
from harness.build.initrd import APPLETS
from harness.errors import ProfileError
from harness.formats.cpio import Entry, build
from harness.formats.gzipped import stored

MODULES = (
    *("xen-blkfront", "xen-netfront", "xen-pcifront"),
    # What an HVM guest has when it does not unplug it: an IDE disk, a network card.
    *("ata_piix", "sd_mod", "8139cp", "e1000"),
    # A card of the board, or of the machine that stands in for it, that was passed through.
    *("e1000e", "vmxnet3"),
)
"""The drivers of a domU on x86; what they depend on comes before them."""

PROMPT = r"[\w.-]+:[^\s#]*# "
"""The prompt of its shell, as a regular expression: "guest:~# "."""

_FOLDERS = (
    *("bin", "dev", "etc", "lib", "lib/modules", "mnt", "proc", "root", "run", "sbin", "sys"),
    *("tmp", "usr", "usr/bin", "usr/sbin", "var", "var/log"),
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_DEVICE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")

_INIT = (
    INIT_HEAD
    + """\
busybox sed -i "s/@TTY@/$console/g" /etc/inittab
mkdir -p /dev/pts
mount -t devpts -o gid=5,mode=620 devpts /dev/pts || echo "init: no /dev/pts" >/dev/console
mount -t tmpfs -o mode=755 run /run || echo "init: no tmpfs on /run" >/dev/console
name=@HOSTNAME@
for word in $(cat /proc/cmdline); do
    case $word in hostname=?*) name=${word#hostname=} ;; esac
done
hostname "$name" || echo "init: cannot set the host name" >/dev/console
for module in @MODULES@; do
    insmod /lib/modules/$module || echo "init: cannot load $module" >/dev/console
done
busybox --install -s || echo "init: some applets have no link" >/dev/console
exec /sbin/init
fail "cannot start /sbin/init"
"""
)

# No login: who is on this console has the guest anyway.
_INITTAB = """\
@TTY@::respawn:-/bin/sh
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
"""

_PROFILE = """\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
PS1='\\h:\\w# '
cd
"""

# -n: without an answer it ends, and says so with its status.
_DHCP = """\
#!/bin/sh
# dhcp INTERFACE: bring it up and get an address for it.
ip link set "$1" up && exec udhcpc -i "$1" -n -q -t 8 -T 2 -s /etc/udhcpc.script
"""
_UDHCPC = """\
#!/bin/sh
case $1 in bound | renew) ;; *) exit 0 ;; esac
ip addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done
for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
"""


@dataclass(frozen=True)
class GuestSpec:
    """What a guest is made of, beside its kernel.

    Attributes:
        modules: (file name, content, not compressed) in the order in which they are loaded:
            `modules_for(read_modules(tree), MODULES)` and `read_module` give them.
        hostname: without one on the kernel's command line.
        console: device of its shell, without /dev/.
        extra: more files as (path without leading slash, permissions, content).
    """

    modules: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    hostname: str = "guest"
    console: str = "hvc0"
    extra: tuple[tuple[str, int, bytes], ...] = ()


def guest_initrd(spec: GuestSpec, busybox: Path) -> bytes:
    """The initramfs of a guest in a gzip envelope.

    Args:
        busybox: a statically linked busybox of the guest's architecture.

    Raises:
        InputError: `busybox` cannot be read, is no ELF file, or needs shared libraries.
        ProfileError: `spec` holds something that its files cannot express.
    """
    _check(spec)
    return stored(build(_entries(spec, static_busybox(busybox))))


def _check(spec: GuestSpec) -> None:
    if not _NAME.fullmatch(spec.hostname):
        raise ProfileError(f"{spec.hostname!r} cannot be the name of a guest", where="hostname")
    if not _DEVICE.fullmatch(spec.console):
        raise ProfileError(f"{spec.console!r} cannot be the console of a guest", where="console")
    names = [name for name, _ in spec.modules]
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.ko", name):
            raise ProfileError(
                f"{name!r} is no module that a guest can load",
                where="modules",
                expected="NAME.ko",
            )
    if len(set(names)) != len(names):
        raise ProfileError("a module is there twice", where="modules")
    for path, mode, _ in spec.extra:
        if any(part in ("", ".", "..") or "\0" in part for part in path.split("/")):
            raise ProfileError(f"{path!r} is not a path inside the initramfs", where="extra")
        if not 0 <= mode <= 0o7777:
            raise ProfileError(f"{mode:#o} are no permissions", where=f"extra, {path}")


def _entries(spec: GuestSpec, busybox: bytes) -> list[Entry]:
    made: dict[str, Entry] = {}

    def add(path: str, mode: int, data: bytes = b"", rdev: tuple[int, int] = (0, 0)) -> None:
        made[path] = Entry(path, mode, data, rdev, nlink=2 if mode & 0o170000 == 0o040000 else 1)

    for folder in _FOLDERS:
        add(folder, 0o041777 if folder == "tmp" else 0o040755)
    # The kernel opens /dev/console for /init before there is a devtmpfs.
    add("dev/console", 0o020600, rdev=(5, 1))
    add("dev/null", 0o020666, rdev=(1, 3))
    add("bin/busybox", 0o100755, busybox)
    for folder, names in APPLETS.items():
        for name in names:
            add(f"{folder}/{name}", 0o120777, b"/bin/busybox")
    for name, data in spec.modules:
        add(f"lib/modules/{name}", 0o100644, data)
    add("init", 0o100755, _fill(_INIT, spec))
    add("etc/inittab", 0o100644, _INITTAB.encode())
    add("etc/profile", 0o100644, _PROFILE.encode())
    add("etc/mtab", 0o120777, b"/proc/mounts")
    add("etc/passwd", 0o100644, b"root::0:0:root:/root:/bin/sh\n")
    add("etc/group", 0o100644, b"root:x:0:\ntty:x:5:\n")
    add("etc/udhcpc.script", 0o100755, _UDHCPC.encode())
    add("sbin/dhcp", 0o100755, _DHCP.encode())
    for path, mode, data in spec.extra:
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            if str(parent) not in made:
                add(str(parent), 0o040755)
        add(path, 0o100000 | mode, data)
    return list(made.values())


def _fill(text: str, spec: GuestSpec) -> bytes:
    modules = " ".join(name for name, _ in spec.modules)
    text = text.replace("@CONSOLE@", spec.console).replace("@HOSTNAME@", spec.hostname)
    return text.replace("@MODULES@", modules).encode()
