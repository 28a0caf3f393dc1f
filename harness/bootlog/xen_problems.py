"""What Xen on ARM says when it cannot start, and what it means: a table.

Wordings: Xen 4.17 to 4.20; xen/arch/arm/{setup,bootfdt,kernel,domain_build,time,gic*,psci,
smpboot}.c, and arm32/head.S with early printk. The lines of a panic's reason are among them.
"""

from __future__ import annotations

from harness.bootlog.diagnoses import Known, table

_MODULES = (
    'give /chosen a module with compatible "xen,linux-zimage", "xen,multiboot-module" '
    '("multiboot,kernel", "multiboot,module"), and reg = address and size of the kernel'
)
_DTB = "hand over the board's own device tree, whole, and not an edited copy that lost nodes"
_PSCI = 'the node /psci must be there, with method "smc"; U-Boot adds it on sunxi boards'

XEN_PROBLEMS = table(
    Known(
        "Missing",
        "xen-no-kernel-module",
        "fatal",
        r"Missing kernel boot module\?",
        "Xen found no kernel for the domain that it builds: for dom0 there is no kernel module in "
        "/chosen, for a domU none in its node, or its reg has size 0",
        _MODULES,
    ),
    Known(
        "Could",
        "xen-dom0-not-built",
        "fatal",
        r"Could not (?:set up DOM0 guest OS|construct domain 0|set up domain (\S+))",
        "Xen could not build a domain from its modules; if nothing above says why, the kernel "
        "module is no zImage or Image of a kind that this Xen starts, its header is wrong "
        "(end - start longer than the module), or it was overwritten",
        "check the kernel that was loaded, the address and size in its reg, and that no module "
        "lies over another one or over Xen",
    ),
    Known(
        "Error",
        "xen-domain-not-created",
        "fatal",
        r"Error creating domain (\S+)",
        "Xen could not create domain {0}",
        "look at its properties in the device tree: cpus, memory, and what this Xen was built for",
    ),
    Known(
        "Error",
        "xen-domu-property",
        "fatal",
        r"Error building DomU: cannot read \"(\w+)\" property",
        'a node with compatible "xen,domain" has no property {0}',
        "add it: memory = <0 KiB>, with two cells",
    ),
    Known(
        "Missing",
        "xen-domu-property",
        "fatal",
        r"Missing property '(\w+)' for domain (\S+)",
        "the node of domain {1} has no property {0}",
        "add it to the node",
    ),
    Known(
        "Failed",
        "xen-dom0-memory",
        "fatal",
        r"Failed to allocate requested (?:dom0|domain) memory\. *(\d+)MB unallocated",
        "there is not so much free RAM in blocks that dom0 can be given 1:1: {0} MiB are missing",
        "ask for less (dom0_mem), or move the modules so that larger blocks stay free",
    ),
    Known(
        "Unable",
        "xen-dom0-memory",
        "fatal",
        r"Unable to allocate first memory bank",
        "there is no free block of RAM for dom0 below 4 GiB",
        "ask for less (dom0_mem), or move the modules so that larger blocks stay free",
    ),
    Known(
        "Not",
        "xen-first-bank",
        "fatal",
        r"Not enough memory in the first bank for the kernel\+dtb\+initrd",
        "kernel, device tree and initrd do not fit into the domain's first bank of memory",
        "give it more memory (dom0_mem), or a smaller initrd",
    ),
    Known(
        "Unable",
        "xen-first-bank",
        "fatal",
        r"Unable to find suitable location for dtb\+initrd",
        "beside the kernel there is no room for device tree and initrd in the first bank",
        "give the domain more memory (dom0_mem), or a smaller initrd",
    ),
    Known(
        "Not",
        "xen-heap",
        "fatal",
        r"Not enough space for xenheap",
        "Xen found no free block of RAM for itself: modules or reserved regions lie in its way",
        "move the modules together, away from the middle of RAM",
    ),
    Known(
        "No",
        "xen-no-ram",
        "fatal",
        r"No memory bank",
        "the device tree describes no RAM",
        "the loader must fill in /memory; " + _DTB,
    ),
    Known(
        "Invalid",
        "xen-bad-dtb",
        "fatal",
        r"Invalid device tree blob at physical address (\S+?)\.",
        "what the loader handed over at {0} is no device tree, is not 8-byte aligned, or is "
        "larger than 2 MiB",
        "name the address of the dtb in the boot command; check that nothing is loaded over it",
    ),
    Known(
        "No",
        "xen-bad-dtb",
        "fatal",
        r"No valid device tree",
        "what the loader handed over is no device tree",
        "name the address of the dtb in the boot command; check that nothing is loaded over it",
    ),
    Known(
        "node",
        "xen-module-reg",
        "fatal",
        r"node (\S+) missing `reg' property",
        "the module {0} does not say where it is in memory",
        "add reg = address and size to its node",
    ),
    Known(
        "fdt:",
        "xen-module-reg",
        "fatal",
        r"fdt: node `([^']*)': `reg`? property length is too short",
        "the reg of module {0} has fewer cells than #address-cells and #size-cells of its parent",
        "write as many cells as the parent says, or correct the parent",
    ),
    Known(
        "Region:",
        "xen-overlap",
        "fatal",
        r"Region: \[(\S+), (\S+)\) overlapping with (\w+)\[(\d+)\]: \[(\S+), (\S+)\)",
        "{0}-{1} lies over {2} {3} ({4}-{5}): two modules, or a module and a reserved region",
        "choose addresses that lie further apart than the files are long",
    ),
    Known(
        "Ignoring",
        "xen-too-many-modules",
        "error",
        r"Ignoring (.*?) boot module at (\S+) \(too many\)",
        "the device tree has more modules than Xen keeps, and this one ({0}) was left out",
        "use fewer modules",
    ),
    Known(
        "Device",
        "xen-dom0-tree",
        "fatal",
        r"Device tree generation failed \((-?\d+)\)",
        "Xen could not make the domain's device tree from the board's",
        _DTB,
    ),
    Known(
        "Unable",
        "xen-no-timer",
        "fatal",
        r"Unable to find a compatible timer in the device tree",
        "the device tree has no architected timer: it is of another board, or was damaged",
        _DTB,
    ),
    Known(
        "Timer:",
        "xen-no-timer",
        "fatal",
        r"Timer: Unable to retrieve IRQ (\d+) from the device tree",
        "the timer node has no interrupt {0}; Xen needs the hypervisor's timer interrupt too",
        _DTB,
    ),
    Known(
        "CPU",
        "xen-no-timer",
        "fatal",
        r"CPU does not support the Generic Timer",
        "this CPU has no timer that Xen can use: a Cortex-A8 or A9 cannot run Xen",
        "use a CPU with virtualisation extensions (Cortex-A7, A15, A17, or any arm64)",
    ),
    Known(
        "Unable",
        "xen-no-gic",
        "fatal",
        r"Unable to find compatible GIC in the device tree",
        "the device tree has no interrupt controller that Xen knows",
        _DTB,
    ),
    Known(
        "GICv#",
        "xen-no-gic",
        "fatal",
        r"GICv\d: +(?:Cannot find|No (?:rdist|redistributor)|no distributor)",
        "the interrupt controller's node lacks what virtualisation needs: the addresses of GICH "
        "and GICV, redistributors, or the maintenance interrupt",
        _DTB,
    ),
    Known(
        "Unable",
        "xen-node-address",
        "error",
        r"Unable to retrieve address (\d+) for (\S+)",
        "address {0} of the node {1} cannot be translated: reg and #address-cells do not agree",
        "correct reg, ranges or #address-cells of this node and its parents",
    ),
    Known("/psci", "xen-psci", "error", r"/psci ", "Xen cannot use the firmware's PSCI", _PSCI),
    Known(
        "PSCI",
        "xen-psci",
        "error",
        r"PSCI conduit must be SMC, but is HVC",
        "the firmware's PSCI is called by HVC, which is Xen's own: Xen itself needs SMC",
        _PSCI + "; in QEMU, virtualization=on makes it SMC",
    ),
    Known(
        "Error:",
        "xen-psci",
        "error",
        r"Error: Unrecognized PSCI version (\S+)",
        "Xen does not know PSCI {0}",
        "use other firmware, or a newer Xen",
    ),
    Known(
        "GICv#",
        "xen-gicc-not-aliased",
        "warning",
        r"GICv2: GICC size=(0x[0-9a-f]+) but not aliased",
        "the device tree gives the GIC's CPU interface {0} bytes, as where each of its two pages "
        "is repeated 16 times, but it does not say that it is a GIC-400: Xen takes what is at "
        "0x1000 for the second page; if that is the first one again, its writes to GICC_DIR go to "
        "GICC_CTLR, and switch interrupts off",
        "give the two pages in the middle: reg of GICC = base + 0xf000, size 0x2000, and the same "
        "for GICV (docs/zcu102-smp-hang.md)",
    ),
    Known(
        "SMP",
        "xen-one-cpu",
        "warning",
        r"SMP init failed",
        "Xen has no way to start the other CPUs and goes on with one",
        _PSCI,
    ),
    Known(
        "WARNING:",
        "xen-one-cpu",
        "warning",
        r"WARNING: Can't find /cpus in the device tree",
        "the device tree does not say which CPUs there are; Xen goes on with one",
        _DTB,
    ),
    Known(
        "CPU#",
        "xen-cpu-lost",
        "error",
        r"CPU(\d+) never came online",
        "CPU {0} was started through the firmware and did not report",
        "boot with maxcpus=1 to see whether the rest works; look at firmware and /psci",
    ),
    Known(
        "Failed",
        "xen-cpu-lost",
        "error",
        r"Failed to bring up CPU ?(\d+)",
        "CPU {0} could not be started through the firmware",
        "boot with maxcpus=1 to see whether the rest works; look at firmware and /psci",
    ),
    Known(
        "Couldn't",
        "xen-iommu",
        "fatal",
        r"Couldn't configure correctly all the IOMMUs",
        "Xen found an IOMMU and could not set it up",
        "boot with iommu=no to see whether the rest works; look at its node in the device tree",
    ),
    Known(
        "At",
        "xen-domu-xenstore",
        "fatal",
        r"At the moment, Xenstore support requires dom0",
        "a domU with xen,enhanced asks for XenStore, and there is no dom0",
        'say xen,enhanced = "no-xenstore" in its node',
    ),
    Known(
        "PLEASE",
        "xen-dom0-mem-default",
        "harmless",
        r"PLEASE SPECIFY dom0_mem PARAMETER",
        "Xen was not told how much memory dom0 gets, and takes 512 MiB",
        "say dom0_mem=... in Xen's bootargs",
    ),
    # Early printk, before there is a console: without the prefix of Xen.
    Known(
        "-",
        "xen-not-hyp",
        "fatal",
        r"- (?:Xen must be entered in (?:NS )?(?:Hyp|EL2) mode|CPU doesn't support the virtualiz"
        r"ation extensions|Please update the bootloader)",
        "Xen was not started in hypervisor mode (HYP, EL2)",
        "the loader must leave the secure world and enter HYP: a U-Boot with PSCI and virtualisa"
        "tion (CONFIG_ARMV7_VIRT); in QEMU, virtualization=on",
    ),
    Known(
        "-",
        "xen-early-failure",
        "fatal",
        r"- (?:Boot failed|Missing processor info|Unable to build boot page tables)",
        "Xen stopped before it had a console",
        "look at the line itself; the address that Xen is loaded to may be the reason",
    ),
)
