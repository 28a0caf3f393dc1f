# Boots Xen and dom0 on a board with 1 GiB from 0x40000000.
setenv fdt_high 0xffffffff
setenv xen_addr_r 0x50000000
setenv kernel_addr_r 0x46000000
setenv ramdisk_addr_r 0x4a000000
setenv fdt_addr 0x4f000000

ext4load mmc 0:1 ${xen_addr_r} /xen
setenv bootargs "console=dtuart dtuart=/soc/serial@1c28000 dom0_mem=256M loglvl=all guest_loglvl=all"

ext4load mmc 0:1 ${fdt_addr} /board.dtb
fdt addr ${fdt_addr}
fdt resize 0x2000
fdt chosen
fdt set /chosen \#address-cells <1>
fdt set /chosen \#size-cells <1>

ext4load mmc 0:1 ${kernel_addr_r} /zImage
fdt mknod /chosen module@0
fdt set /chosen/module@0 compatible "xen,linux-zimage" "xen,multiboot-module"
fdt set /chosen/module@0 reg <${kernel_addr_r} 0x${filesize} >
fdt set /chosen/module@0 bootargs "console=hvc0 earlyprintk=xen clk_ignore_unused"

ext4load mmc 0:1 ${ramdisk_addr_r} /initrd.gz
fdt mknod /chosen module@1
fdt set /chosen/module@1 compatible "xen,linux-initrd" "xen,multiboot-module"
fdt set /chosen/module@1 reg <${ramdisk_addr_r} 0x${filesize} >

fdt print /chosen
bootz ${xen_addr_r} - ${fdt_addr}
