/*
 * Where things are for a guest of Xen on Arm. The guest finds them at these addresses
 * whatever the board; Xen may move them between releases, and says so where they stand:
 * xen/include/public/arch-arm.h. The same from Xen 4.5 (the UART from 4.10) to 4.17; in
 * Xen 4.4 the memory began at 0x80000000, and the distributor was at 0x2c001000.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>

#define GICD_BASE     0x03001000u /* vGICv2, distributor */
#define GICC_BASE     0x03002000u /* vGICv2, CPU interface */
#define UART_BASE     0x22000000u /* vpl011 */
#define GRANT_BASE    0x38000000u /* free for a guest to map its grant table */
#define MAGIC_BASE    0x39000000u /* the pages that it shares with daemons in dom0 */
#define RAM_BASE      0x40000000u
#define TIMER_IRQ     27u         /* virtual timer: a PPI */
#define EVENT_IRQ     31u         /* "an event channel has something": a PPI */
#define UART_IRQ      32u         /* vpl011: the first SPI */

/* Port controller of Allwinner A10..H3; user manual of the A20, "Port Controller". Its
   page also holds the clock controller: whoever gets the page gets both. */
#define PIO_BASE      0x01c20800u

static inline uint32_t read32(uintptr_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void write32(uintptr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

#endif
