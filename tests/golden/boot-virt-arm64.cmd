# Boots Xen on QEMU virt, AArch64
setenv fdt_high 0xffffffffffffffff
# What cannot be loaded; `exit` does not end a script of this shell.
setenv missing

# The tree first: the sizes of all others go into it.
fdt addr 0x40000000
fdt resize 0x4000
setenv bootargs "console=dtuart dtuart=/pl011@9000000 dom0_mem=256M dom0_max_vcpus=1 loglvl=all guest_loglvl=all"
fdt chosen
fdt set /chosen \#address-cells <2>
fdt set /chosen \#size-cells <2>
fdt set /chosen bootargs "${bootargs}"

# dom0
load virtio 0:2 0x47000000 /zImage || setenv missing ${missing} zImage
fdt mknod /chosen module@0
fdt set /chosen/module@0 compatible "xen,linux-zimage" "xen,multiboot-module"
fdt set /chosen/module@0 reg <0x0 0x47000000 0x0 0x${filesize}>
fdt set /chosen/module@0 bootargs "console=hvc0 earlyprintk=xen"
load virtio 0:2 0x4d000000 /initrd || setenv missing ${missing} initrd
fdt mknod /chosen module@1
fdt set /chosen/module@1 compatible "xen,linux-initrd" "xen,multiboot-module"
fdt set /chosen/module@1 reg <0x0 0x4d000000 0x0 0x${filesize}>

# domU1
fdt mknod /chosen domU1
fdt set /chosen/domU1 compatible "xen,domain"
fdt set /chosen/domU1 \#address-cells <2>
fdt set /chosen/domU1 \#size-cells <2>
fdt set /chosen/domU1 memory <0x0 0x20000>
fdt set /chosen/domU1 cpus <1>
fdt set /chosen/domU1 vpl011
load virtio 0:2 0x54000000 /zImage || setenv missing ${missing} zImage
fdt mknod /chosen/domU1 module@54000000
fdt set /chosen/domU1/module@54000000 compatible "multiboot,kernel" "multiboot,module"
fdt set /chosen/domU1/module@54000000 reg <0x0 0x54000000 0x0 0x${filesize}>
fdt set /chosen/domU1/module@54000000 bootargs "console=ttyAMA0"
load virtio 0:2 0x5a000000 /domU1-ramdisk || setenv missing ${missing} domU1-ramdisk
fdt mknod /chosen/domU1 module@5a000000
fdt set /chosen/domU1/module@5a000000 compatible "multiboot,ramdisk" "multiboot,module"
fdt set /chosen/domU1/module@5a000000 reg <0x0 0x5a000000 0x0 0x${filesize}>

# Xen last; what U-Boot made of the tree goes to the log.
load virtio 0:2 0x50000000 /xen || setenv missing ${missing} xen
fdt print /chosen
if test -n "${missing}"; then
  echo "boot.cmd: not on the card:${missing}"
else
  booti 0x50000000 - 0x40000000
fi
