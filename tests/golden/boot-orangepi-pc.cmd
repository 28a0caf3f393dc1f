# Boots Xen on Xunlong Orange Pi PC
setenv fdt_high 0xffffffff
# What cannot be loaded; `exit` does not end a script of this shell.
setenv missing

# The tree first: the sizes of all others go into it.
load mmc 0:2 0x4f000000 /board.dtb || setenv missing ${missing} board.dtb
fdt addr 0x4f000000
fdt resize 0x2000
setenv bootargs "console=dtuart dtuart=/soc/serial@1c28000 dom0_mem=256M dom0_max_vcpus=1 loglvl=all guest_loglvl=all"
fdt chosen
fdt set /chosen \#address-cells <1>
fdt set /chosen \#size-cells <1>
fdt set /chosen bootargs "${bootargs}"

# dom0
load mmc 0:2 0x46000000 /zImage || setenv missing ${missing} zImage
fdt mknod /chosen module@0
fdt set /chosen/module@0 compatible "xen,linux-zimage" "xen,multiboot-module"
fdt set /chosen/module@0 reg <0x46000000 0x${filesize}>
fdt set /chosen/module@0 bootargs "console=hvc0 earlyprintk=xen clk_ignore_unused loglevel=4"
load mmc 0:2 0x4a000000 /initrd || setenv missing ${missing} initrd
fdt mknod /chosen module@1
fdt set /chosen/module@1 compatible "xen,linux-initrd" "xen,multiboot-module"
fdt set /chosen/module@1 reg <0x4a000000 0x${filesize}>

# Xen last; what U-Boot made of the tree goes to the log.
load mmc 0:2 0x50000000 /xen || setenv missing ${missing} xen
fdt print /chosen
if test -n "${missing}"; then
  echo "boot.cmd: not on the card:${missing}"
else
  bootz 0x50000000 - 0x4f000000
fi
