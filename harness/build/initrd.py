"""The initramfs of a dom0 that is busybox alone: no root, no network, the same bytes every time.

/init mounts the kernel's file systems, names the host, links busybox's applets and
becomes busybox init, which keeps a getty on the console. What /init cannot do without
ends in one line on the console and a kernel panic, never in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.build.account import (
    account_files,
    check_account,
    check_extra,
    for_getty,
    issue_of,
    os_release,
)
from harness.build.busybox import INIT_HEAD, static_busybox
from harness.errors import ProfileError
from harness.formats.cpio import Entry, build
from harness.formats.gzipped import stored

# What /init, the inittab and a login need before `busybox --install` has run. The list is
# not asked of the binary: it may be of another architecture than the host.
APPLETS = {
    "bin": (
        *("cat", "chmod", "chown", "dmesg", "echo", "grep", "hostname", "kill", "ln", "login"),
        *("ls", "mkdir", "mount", "ps", "sh", "sleep", "stty", "sync", "umount", "uname"),
    ),
    "sbin": ("getty", "halt", "init", "insmod", "modprobe", "poweroff", "reboot"),
    "usr/bin": ("head", "id", "tail", "test", "tty", "whoami"),
}

_FOLDERS = (
    *("bin", "dev", "etc", "mnt", "proc", "root", "run", "sbin", "sys", "tmp"),
    *("usr", "usr/bin", "usr/sbin", "var", "var/log"),
)
_DEVICE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")

_INIT = (
    INIT_HEAD
    + """\
busybox sed -i "s/@TTY@/$console/g" /etc/inittab /etc/issue
mkdir -p /dev/pts
mount -t devpts -o gid=5,mode=620 devpts /dev/pts || echo "init: no /dev/pts" >/dev/console
mount -t tmpfs -o mode=755 run /run || echo "init: no tmpfs on /run" >/dev/console
mount -t tmpfs -o mode=1777 tmp /tmp || echo "init: no tmpfs on /tmp" >/dev/console
hostname @HOSTNAME@ || echo "init: cannot set the host name" >/dev/console
busybox --install -s || echo "init: some applets have no link" >/dev/console
exec /sbin/init
fail "cannot start /sbin/init"
"""
)

# getty's third word becomes TERM.
_INITTAB = """\
@TTY@::respawn:/sbin/getty -L 0 @TTY@ dumb
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
"""

_PROFILE = """\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export TERM=dumb
PS1='\\u@\\h:\\w\\$ '
"""

_MOTD = "dom0: busybox in an initramfs; nothing is kept over a reboot\n"


@dataclass(frozen=True)
class InitrdSpec:
    """What the dom0 is called, who may log in, and where.

    Attributes:
        hostname: also the host part of the prompt.
        user: who logs in; one other than root gets uid 1000, and root is then locked.
        password: stored as a SHA-512 hash, shown by the issue.
        banner: the name of the system, first on the login screen.
        console: device of the login, without /dev/: hvc0 under Xen, ttyS0 without.
        extra: more files as (path without leading slash, permissions, content); one with
            the path of a file of ours takes its place.
    """

    hostname: str = "apu2"
    user: str = "root"
    password: str = "debian"  # noqa: S105 - the login screen shows it
    banner: str = "Debian GNU/Linux 12"
    console: str = "hvc0"
    extra: tuple[tuple[str, int, bytes], ...] = ()

    @property
    def issue(self) -> str:
        """The line above `login:`, with the credentials; /init fills in the console."""
        return issue_of(self.banner, self.hostname, "@TTY@", self.user, self.password)


def dom0_initrd(spec: InitrdSpec, busybox: Path) -> bytes:
    """The initramfs of `spec` in a gzip envelope; the same arguments give the same bytes.

    Args:
        busybox: a statically linked busybox of dom0's architecture.

    Raises:
        InputError: `busybox` cannot be read, is no ELF file, or needs shared libraries.
        ProfileError: `spec` holds something that its files cannot express.
    """
    _check(spec)
    return stored(build(_entries(spec, static_busybox(busybox))))


def _entries(spec: InitrdSpec, busybox: bytes) -> list[Entry]:
    made: dict[str, Entry] = {}

    def add(path: str, mode: int, data: bytes = b"", rdev: tuple[int, int] = (0, 0)) -> None:
        made[path] = Entry(path, mode, data, rdev, nlink=2 if _is_folder(mode) else 1)

    for folder in _FOLDERS:
        add(folder, 0o041777 if folder == "tmp" else 0o040755)
    # The kernel opens /dev/console for /init before there is a devtmpfs.
    add("dev/console", 0o020600, rdev=(5, 1))
    add("dev/null", 0o020666, rdev=(1, 3))
    add("bin/busybox", 0o100755, busybox)
    for folder, names in APPLETS.items():
        for name in names:
            add(f"{folder}/{name}", 0o120777, b"/bin/busybox")
    add("init", 0o100755, _fill(_INIT, spec))
    add("etc/mtab", 0o120777, b"/proc/mounts")
    if spec.user != "root":
        add("home", 0o040755)
        home = f"home/{spec.user}"
        made[home] = Entry(home, 0o040750, uid=1000, gid=1000, nlink=2)
    for path, text in _etc(spec).items():
        add(path, 0o100600 if path == "etc/shadow" else 0o100644, text)
    for path, mode, data in spec.extra:
        for folder in reversed([str(parent) for parent in PurePosixPath(path).parents][:-1]):
            if folder not in made:
                add(folder, 0o040755)
            elif not _is_folder(made[folder].mode):
                raise ProfileError(f"/{folder} is no folder", where=f"initrd.extra, {path}")
        if path in made and _is_folder(made[path].mode):
            raise ProfileError(f"/{path} is a folder", where="initrd.extra")
        add(path, 0o100000 | mode, data)
    return list(made.values())


def _is_folder(mode: int) -> bool:
    return mode & 0o170000 == 0o040000


def _etc(spec: InitrdSpec) -> dict[str, bytes]:
    texts = {
        **account_files(spec.user, spec.password, login_shell="/bin/sh"),
        "etc/hostname": f"{spec.hostname}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {spec.hostname}\n",
        "etc/issue": f"{for_getty(spec.issue)}\n\n",
        "etc/motd": _MOTD,
        "etc/os-release": os_release(spec.banner, "busybox initramfs"),
    }
    made = {path: text.encode() for path, text in texts.items()}
    return made | {"etc/inittab": _fill(_INITTAB, spec), "etc/profile": _PROFILE.encode()}


def _fill(text: str, spec: InitrdSpec) -> bytes:
    return text.replace("@CONSOLE@", spec.console).replace("@HOSTNAME@", spec.hostname).encode()


def _check(spec: InitrdSpec) -> None:
    check_account("initrd", spec.hostname, spec.user, spec.password, spec.banner)
    if not _DEVICE.fullmatch(spec.console):
        raise ProfileError(
            f"{spec.console!r} cannot be the console",
            where="initrd.console",
            expected='the name of a device without /dev/, as "hvc0"',
        )
    check_extra("initrd", spec.extra)
