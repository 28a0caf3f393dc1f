"""What xl says when it fails, and what it means: a table.

The words are those of Xen 4.14 to 4.20: tools/libs/{light,guest,ctrl,call}/*.c and tools/xl/*.c.
xl tells a failure in many lines, from its cause to its consequences; the row that stands first
here names the cause best.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A row of the table.

    Args:
        id: does not change: "xl-no-memory".
        pattern: anywhere in what xl said.
        meaning, next: may name groups of the pattern: {0} is the first.
    """

    id: str
    pattern: str
    meaning: str
    next: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that fits: its id, and what it means and what to do, with the words of xl in them."""

    id: str
    meaning: str
    next: str


PRIVCMD = "xl-no-privcmd"
MEMORY = "xl-no-memory"

_SEE_ROOT = "make the root anew, with the tools of the Xen that boots"

KNOWN = (
    Known(
        PRIVCMD,
        r"Could not obtain handle on privileged command interface",
        "the tools found no /dev/xen/privcmd: dom0's kernel offers no way to call Xen",
        "the module xen-privcmd must be there, and loaded",
    ),
    Known(
        "xl-not-installed",
        r"xl: (?:command )?not found",
        "there is no xl in this dom0",
        "boot one with Xen's tools (xen-utils): --root nfs, 9p or initramfs",
    ),
    Known(
        "xl-wrong-xen",
        r"Can't find version (\S+) of xen utils",
        "the root has no tools for Xen {0}, which runs",
        _SEE_ROOT,
    ),
    Known(
        "xl-no-xen",
        r"Can't find hypervisor information in sysfs|Hypervisor is not xen",
        "this Linux does not run on Xen",
        "boot with Xen (the menu entry without it was taken?)",
    ),
    Known(
        "xl-version-mismatch",
        r"libxl_get_physinfo failed|physinfo.*Permission denied|"
        r"cannot open libxc handle: Permission denied|xc_physinfo.*Permission denied",
        "Xen refused what the tools asked: tools and Xen are of different versions, or the "
        "user is not root",
        f"`xl info` and the Xen version of the boot log must agree; {_SEE_ROOT}",
    ),
    Known(
        "xl-no-xenstored",
        r"failed to connect to xenstored|cannot connect to xenstore|"
        r"xs_open.*failed|Is xenstored running\?|could not connect to xenstore",
        "xenstored does not answer: it does not run, or its socket is not at /run/xenstored",
        "start it: xenstored --pid-file /run/xenstored.pid && xen-init-dom0; "
        "/var/run must lead to /run",
    ),
    Known(
        MEMORY,
        r"can't allocate low memory for domain|xc_dom_boot_mem_init failed|"
        r"failed to free memory for the domain|xc_domain_(?:populate_physmap|claim_pages).*failed|"
        r"Could not allocate memory for HVM guest|Cannot allocate memory|ERROR_NOMEM",
        "the machine has not so much free memory for the domain",
        "give it less `memory`, or dom0 less (dom0_mem on Xen's command line)",
    ),
    Known(
        "xl-too-little-memory",
        r"segment (\w+) too large \(",
        "the domain is given less memory than its {0} needs when it is unpacked",
        "give it more `memory`",
    ),
    Known(
        "xl-no-file",
        r"failed to open file '([^']+)': (No such file or directory|Permission denied)",
        "the kernel or ramdisk {0} of the domain cannot be read in dom0: {1}",
        "put it there, or correct `kernel` and `ramdisk`: their paths are those of dom0",
    ),
    Known(
        "xl-empty-kernel",
        r"'([^']+)': zero length file",
        "the kernel or ramdisk {0} of the domain is empty",
        "it was copied half, or the disk of dom0 is full (df)",
    ),
    Known(
        "xl-bad-kernel",
        r"no loader found: Invalid kernel",
        "the kernel of the domain is no image that this type of domain can start",
        "pv wants an ELF or bzImage with Xen's notes, pvh an ELF with XEN_ELFNOTE_PHYS32_ENTRY "
        "(CONFIG_PVH), ARM a zImage or Image; `file` says what it is",
    ),
    Known(
        "xl-no-disk",
        r"Disk vdev=(\S+) failed to stat: ([^:]+): (.*)",
        "the image {1} of disk {0} cannot be used: {2}",
        "make it, or correct `disk`: its path is that of dom0",
    ),
    Known(
        "xl-no-bridge",
        r"Could not find bridge device (\S+)",
        "dom0 has no bridge {0} for the network card of the domain",
        "make it (ip link add name {0} type bridge; ip link set {0} up), or correct `vif`",
    ),
    Known(
        "xl-no-hotplug",
        r"(\S+/scripts/\S+).*\[\d+\] exited with error status (\d+)",
        "the script {0}, which connects a device of the domain in dom0, failed",
        "its words are in /var/log/xen/xl-NAME.log and xen-hotplug.log; is all there that it "
        "calls (ip, bridge module, xenstore tools)?",
    ),
    Known(
        "xl-backend-timeout",
        r"Unable to connect to .*backend|waiting for (?:dev|device).*timed out|"
        r"unable to add (?:disk|vif|vkb|console) devices",
        "dom0 does not serve a device of the domain",
        "are the modules xen-blkback and xen-netback loaded in dom0?",
    ),
    Known(
        "xl-no-passthrough",
        r"passthrough not supported on this platform",
        "without an IOMMU, Xen gives no device to a guest",
        "`xl info` must show hvm_directio in virt_caps; see the state of the IOMMU in the boot log",
    ),
    Known(
        "xl-not-assignable",
        r"PCI device (\S+) is not assignable",
        "the PCI device {0} is not free for guests",
        "xl pci-assignable-add it first; does it exist (lspci)?",
    ),
    Known(
        "xl-no-pci-device",
        r"Couldn't lstat /sys/bus/pci/devices/(\S+): No such file",
        "dom0 has no PCI device {0}",
        "lspci shows those that it has",
    ),
    Known(
        "xl-no-pciback",
        r"pciback.*(?:not loaded|No such file)|Looks like pciback driver is not loaded",
        "dom0 has no pciback to hold the device",
        "modprobe xen-pciback (CONFIG_XEN_PCIDEV_BACKEND)",
    ),
    Known(
        "xl-not-assigned",
        r"failed to de-quarantine (\S+)",
        "the PCI device {0} was not assignable",
        "xl pci-assignable-list shows those that are",
    ),
    Known(
        "xl-no-device-model",
        r"device model .*(?:did not start|not found|is not executable)|"
        r"(\S*qemu\S*): No such file or directory",
        "the QEMU that emulates the devices of an HVM guest does not run in dom0",
        "is qemu-system-xen in the root? /var/log/xen/qemu-dm-NAME.log has its words",
    ),
    Known(
        "xl-name-taken",
        r"[Dd]omain with name \"?([^\"]+)\"? already exists",
        "there is a domain {0} already",
        "xl destroy it first",
    ),
    Known(
        "xl-no-domain",
        r"\S+ is an invalid domain identifier|Can't get domid of domain name|"
        r"Non-existant domain",
        "there is no such domain",
        "xl list shows those that there are; one that crashed may be gone (on_crash)",
    ),
    Known(
        "xl-not-dom0",
        r"Not destroying domain 0",
        "Domain-0 is not to be destroyed",
        "`poweroff` or `reboot` in dom0 end it",
    ),
    Known(
        "xl-no-command",
        r"command not implemented",
        "this xl has no such command",
        "`xl help` lists those that it has",
    ),
    Known(
        "xl-no-name",
        r"Domain name must be specified",
        "the configuration gives the domain no name",
        'name = "..."',
    ),
    Known(
        "xl-no-config",
        r"Failed to read config file: ([^:]+): (.*)",
        "the configuration {0} cannot be read: {1}",
        "its path is that of dom0",
    ),
    Known(
        "xl-bad-pci",
        r"unable to parse PCI_SPEC_STRING `([^']*)'",
        "{0!r} is no PCI address",
        "as lspci -D shows it: 0000:03:00.0",
    ),
    Known(
        "xl-bad-config",
        r"(\S+:\d+): config parsing error",
        "the configuration has an error at {0}",
        "it is Python-like: name = value, one a line; `harness lint` reads it too",
    ),
    Known(
        "xl-bad-type",
        r"Invalid domain type (\S+?)\.?(?:\s|$)",
        "there is no type {0} of domains",
        "type is pv, pvh or hvm; ARM has pvh alone",
    ),
    Known(
        "xl-bad-cpus",
        r"vcpu hard affinity map is empty",
        "`cpus` names no CPU that the machine has",
        "CPUs count from 0; xl info shows nr_cpus",
    ),
    Known(
        "xl-refused",
        r"domain creation fail: Invalid argument",
        "Xen refuses such a domain: too many vcpus, or a type that this Xen or CPU cannot",
        "xl dmesg has the reason, with loglvl=all guest_loglvl=all",
    ),
    Known(
        "xl-destroyed-half",
        r"Unable to destroy guest",
        "the domain could not be removed whole",
        "xl list shows whether it is there; its devices may be left in XenStore",
    ),
)


_TABLE = tuple((re.compile(row.pattern), row) for row in KNOWN)


def explain(said: str) -> Problem | None:
    """What the words of xl mean; None: they are not known."""
    for pattern, row in _TABLE:
        match = pattern.search(said)
        if match:
            words = [group or "" for group in match.groups()]
            return Problem(row.id, row.meaning.format(*words), row.next.format(*words))
    return None


_NOISE = re.compile(r"Parsing config from |libxl: (?:warning|info|detail|debug): ")
_CONSEQUENCE = re.compile(
    r"cannot \(re-\)build domain|Non-existant domain|Unable to destroy guest|"
    r"Destruction of domain failed"
)


def own_words(said: str) -> str:
    """The lines in which xl says the cause; without those that every failed creation ends with."""
    lines = [line for line in said.split("\n") if line and not _NOISE.match(line)]
    causes = [line for line in lines if not _CONSEQUENCE.search(line)]
    return "\n".join(causes or lines)
