"""The initrd that mounts dom0's root read-only, from elsewhere, and lays memory over it.

Busybox, the modules that the root needs, and /init (bootscripts/initrd/init.j2). Which root it
is says the kernel command line, not the initrd:

    harness.root=nfs:HOST:PORT:PATH   harness.root=9p:TAG   harness.root=ext4:/dev/mmcblk0p2

So one initrd serves Xen's menu entry and that of Linux alone, and every boot: the port of a
server, which differs from run to run, is not in it. And a log shows what was asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from harness.build.busybox import static_busybox
from harness.build.render import render
from harness.build.rootinitrd.modules import Modules, modules_for, read_module, read_modules
from harness.data import folder
from harness.errors import ProfileError, UsageError
from harness.formats.cpio import Entry, build
from harness.formats.gzipped import stored

__all__ = [
    "KINDS",
    "PARAMETER",
    "RootInitrdSpec",
    "modules_for",
    "read_modules",
    "root_argument",
    "root_initrd",
]

KINDS = ("nfs", "9p", "ext4")
PARAMETER = "harness.root"

# What /init and /dhcp call.
APPLETS = (
    *("cat", "chroot", "cp", "echo", "insmod", "ip", "ls", "mkdir", "mount", "nc", "rm", "sh"),
    *("sleep", "switch_root", "tail", "test", "timeout", "tr", "true", "udhcpc", "uname"),
)
_FOLDERS = ("bin", "dev", "modules", "new", "proc", "run", "sys", "tmp")

# hard: a server that is slow, on a slow host, must not look like files that are broken. timeo
# and retrans say when the kernel tells the console that the server is silent: (1 + 2) x 5 s.
# The root does not change while it is served: nothing is asked twice (nocto, actimeo).
_NFS = "ro,vers=4.1,proto=tcp,sec=sys,hard,timeo=50,retrans=2,nocto,actimeo=3600"
_9P = "ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose"
# noload: a journal that was not closed is not written to.
_EXT4 = "ro,noload"
# With 4 processors emulated on a busy host, a link takes up to 10 s.
_WAIT = 30

_WHERE = {
    "nfs": (re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}:/[A-Za-z0-9._/-]*"), "HOST:PORT:/PATH"),
    "9p": (re.compile(r"[A-Za-z0-9_-]{1,31}"), "a mount tag"),
    "ext4": (re.compile(r"/dev/[A-Za-z0-9/_-]+"), "/dev/DEVICE"),
}
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True)
class RootInitrdSpec:
    """Which roots an initrd can mount, and on what.

    Attributes:
        kinds: of `KINDS`; of several, the modules of the one that is asked for are loaded.
        arch: "x86_64", "arm" or "aarch64": whose network cards and disks.
        extra_modules: more of them, by name, in this order, before the others.
    """

    kinds: tuple[str, ...]
    arch: str
    extra_modules: tuple[str, ...] = ()


def root_argument(kind: str, where: str, nic: str | None = None) -> str:
    """What names the root on the kernel command line.

    Args:
        where: "HOST:PORT:/PATH" (`harness.serve.nfs.NfsServer.url`), a mount tag, or a device.
        nic: for NFS, the address of the network card to use; None: the first that reaches HOST.

    Raises:
        UsageError: it cannot stand there.
    """
    if kind not in _WHERE:
        raise UsageError(f"no root of kind {kind!r}", expected=f"one of {', '.join(KINDS)}")
    rule, expected = _WHERE[kind]
    if not rule.fullmatch(where):
        raise UsageError(f"{where!r} cannot be a root over {kind}", expected=expected)
    if nic is None:
        return f"harness.root={kind}:{where}"
    if not _MAC.fullmatch(nic.lower()):
        raise UsageError(f"{nic!r} is no address of a network card", expected="00:0d:b9:00:00:01")
    return f"harness.root={kind}:{where} harness.nic={nic.lower()}"


def root_initrd(spec: RootInitrdSpec, busybox: Path, modules: Modules) -> bytes:
    """The initrd of `spec` in a gzip envelope; the same arguments give the same bytes.

    Args:
        busybox: a statically linked busybox of dom0's architecture.
        modules: of the kernel that is booted (`read_modules`).

    Raises:
        ProfileError: a kind of root, or an architecture, that there is no list of modules for.
        InputError: `busybox`, or a module, is missing, cannot be read, or is not what it must be.
    """
    lists = {
        kind: modules_for(modules, [*spec.extra_modules, *wanted])
        for kind, wanted in _wanted(spec).items()
    }
    files = {_name(path): path for paths in lists.values() for path in paths}
    script = render(
        "initrd/init.j2",
        modules={kind: [_name(path) for path in paths] for kind, paths in lists.items()},
        release=modules.release,
        nfs=_NFS,
        ninep=_9P,
        ext4=_EXT4,
        wait_s=_WAIT,
    )
    entries = [Entry(name, 0o040755, nlink=2) for name in _FOLDERS]
    # The kernel opens /dev/console for /init before there is a devtmpfs.
    entries.append(Entry("dev/console", 0o020600, rdev=(5, 1)))
    entries.append(Entry("dev/null", 0o020666, rdev=(1, 3)))
    entries.append(Entry("bin/busybox", 0o100755, static_busybox(busybox)))
    entries += [Entry(f"bin/{name}", 0o120777, b"busybox") for name in APPLETS]
    entries += [
        Entry(f"modules/{name}", 0o100644, read_module(path)) for name, path in files.items()
    ]
    entries.append(Entry("dhcp", 0o100755, render("initrd/dhcp.j2").encode()))
    entries.append(Entry("init", 0o100755, script.encode()))
    return stored(build(entries))


def _name(module: Path) -> str:
    return module.name.split(".ko", 1)[0] + ".ko"


def _wanted(spec: RootInitrdSpec) -> dict[str, list[str]]:
    """The modules of bootscripts/initrd/modules.yaml, by kind."""
    path = folder("bootscripts") / "initrd" / "modules.yaml"
    table: dict[str, dict[str, list[str]]] = YAML(typ="safe").load(path)
    if not spec.kinds:
        raise ProfileError("an initrd for no kind of root", expected=f"some of {', '.join(KINDS)}")
    for kind in spec.kinds:
        if spec.arch not in table.get(kind, {}):
            raise ProfileError(
                f"no list of modules for a root over {kind} on {spec.arch}", where=str(path)
            )
    return {kind: table[kind][spec.arch] for kind in spec.kinds}
