"""Why the tools find no way to Xen: no /dev/xen/privcmd, or `xenfs failed!` when the daemons start.

Both are modules of dom0's kernel. A root that was upgraded without its kernel, or the other way
round, has those of another release, or none. Source: Xen's tools/libs/call/linux.c (which device is
opened), tools/hotplug/Linux/init.d and Debian's xen.init (xenfs), Linux' drivers/xen/Kconfig.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.toolstack.dom0 import Dom0

# What the kernel calls them, and the option that builds them.
MODULES: Mapping[str, str] = {
    "xen-privcmd": "CONFIG_XEN_PRIVCMD",
    "xenfs": "CONFIG_XENFS",
}


@dataclass(frozen=True)
class Facts:
    """What dom0 says.

    Attributes:
        hypervisor: of /sys/hypervisor/type: "xen"; "" = none.
        release: of the running kernel.
        nodes: those that are there of /dev/xen/privcmd and /proc/xen/privcmd.
        loaded: modules, with "-" for "_".
        releases: folders in /lib/modules.
        files: module files, as "6.1.0-56-amd64/kernel/drivers/xen/xen-privcmd.ko".
        builtin: modules that are in the running kernel, as far as it is known.
        config: "y", "m", "n" by option, of the running kernel, as far as it is known.
    """

    hypervisor: str
    release: str
    nodes: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    builtin: tuple[str, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """Why there is no way to Xen.

    Attributes:
        id: does not change: "privcmd-missing", "privcmd-not-loaded" ...
        meaning: what is wrong, in one sentence without an end mark.
        next: what to do about it, likewise.
        facts: what it rests on.
    """

    id: str
    meaning: str
    next: str
    facts: Facts


# "@name" begins each answer. Nothing of it needs more than busybox has.
PROBES = (
    ("hypervisor", "cat /sys/hypervisor/type"),
    ("release", "uname -r"),
    ("nodes", "ls -d /dev/xen/privcmd /proc/xen/privcmd"),
    ("loaded", "cut -d' ' -f1 /proc/modules"),
    ("releases", "ls /lib/modules"),
    (
        "files",
        "cd /lib/modules && find . -name 'xen-privcmd.ko*' -o -name 'xenfs.ko*'; cd - >/dev/null",
    ),
    (
        "builtin",
        "sed -n 's/.*[/]\\(xen-privcmd\\|xenfs\\)[.]ko$/\\1/p' "
        "/lib/modules/$(uname -r)/modules.builtin",
    ),
    (
        "config",
        "{ zcat /proc/config.gz || cat /boot/config-$(uname -r); } | "
        "grep -E 'CONFIG_XEN_PRIVCMD|CONFIG_XENFS'",
    ),
)


def diagnose_privcmd(dom0: Dom0) -> Diagnosis | None:
    """Look for what keeps the tools from Xen; None: nothing does.

    Raises:
        ShellError: dom0 does not answer.
    """
    said = ""
    # In two lines, because a prompt takes no longer one.
    for probes in (PROBES[:5], PROBES[5:]):
        asked = "; ".join(f"echo @{name}; {{ {probe}; }} 2>/dev/null" for name, probe in probes)
        said += dom0.run(asked).output + "\n"
    return judge(read_facts(said))


def read_facts(said: str) -> Facts:
    """What the answers to all `PROBES` say."""
    answers: dict[str, list[str]] = {}
    name = ""
    for line in said.split("\n"):
        if line.startswith("@"):
            name = line[1:].strip()
        elif line.strip():
            answers.setdefault(name, []).append(line.strip())

    def rows(name: str) -> tuple[str, ...]:
        return tuple(answers.get(name, ()))

    config = {}
    for line in rows("config"):
        if match := re.fullmatch(r"(CONFIG_\w+)=(.)", line):
            config[match[1]] = match[2]
        elif match := re.fullmatch(r"# (CONFIG_\w+) is not set", line):
            config[match[1]] = "n"
    return Facts(
        "".join(rows("hypervisor")[:1]),
        "".join(rows("release")[:1]),
        rows("nodes"),
        tuple(one.replace("_", "-") for one in rows("loaded")),
        tuple(sorted(rows("releases"))),
        tuple(sorted(one.removeprefix("./") for one in rows("files"))),
        rows("builtin"),
        config,
    )


def judge(facts: Facts) -> Diagnosis | None:
    """Why the tools find no way to Xen; None: they should find it."""
    if facts.hypervisor != "xen":
        what = f"on {facts.hypervisor}" if facts.hypervisor else "without a hypervisor"
        return Diagnosis(
            "privcmd-no-xen",
            f"this Linux runs {what}, not on Xen",
            "boot with Xen: was the menu entry without it taken, or is the kernel's "
            "CONFIG_XEN_DOM0 missing?",
            facts,
        )
    for module in MODULES:
        served = "/dev/xen/privcmd" in facts.nodes or "/proc/xen/privcmd" in facts.nodes
        there = served if module == "xen-privcmd" else _is_active(module, facts)
        if not there:
            return _missing(module, facts)
    return None


def _is_active(module: str, facts: Facts) -> bool:
    return (
        module in facts.loaded
        or module in facts.builtin
        or facts.config.get(MODULES[module]) == "y"
        or "/proc/xen/privcmd" in facts.nodes
    )


def _missing(module: str, facts: Facts) -> Diagnosis:
    option = MODULES[module]
    files = [one for one in facts.files if re.search(rf"/{module}\.ko[^/]*$", one)]
    have = ", ".join(facts.releases) or "nothing"
    if _is_active(module, facts):
        return Diagnosis(
            "privcmd-no-node",
            f"{module} is active, but there is no /dev/xen/privcmd",
            "mount -t devtmpfs devtmpfs /dev, or let udev make the node (misc device "
            "xen!privcmd in /sys/class/misc)",
            facts,
        )
    if any(one.startswith(facts.release + "/") for one in files):
        return Diagnosis(
            "privcmd-not-loaded",
            f"module {module} is in the root, but is not loaded",
            f"modprobe {module}"
            + ("; mount -t xenfs xenfs /proc/xen" if module == "xenfs" else "")
            + "; what starts the daemons must do so",
            facts,
        )
    if facts.config.get(option) == "n":
        return Diagnosis(
            "privcmd-not-built",
            f"the kernel {facts.release} has no {option}",
            f"build it with {option}=m, or take the kernel of the distribution",
            facts,
        )
    if facts.releases and facts.release not in facts.releases:
        return Diagnosis(
            "privcmd-other-release",
            f"module {module} is missing from the root: /lib/modules has {have}, "
            f"the kernel is {facts.release}",
            "kernel and root were not upgraded together: install the kernel's package in the "
            "root, or boot the kernel that belongs to it",
            facts,
        )
    return Diagnosis(
        "privcmd-missing",
        f"module {module} is missing from the root: /lib/modules/{facts.release} has no {module}.ko"
        if facts.release in facts.releases
        else f"module {module} is missing from the root: /lib/modules has {have}, "
        f"the kernel is {facts.release}",
        "put the modules of this kernel into the root, and run depmod",
        facts,
    )
