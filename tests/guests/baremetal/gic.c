/* Source: Arm Generic Interrupt Controller Architecture Specification 2.0, chapter 4. */

#include "gic.h"

#include "layout.h"

#define GICD_CTLR      (GICD_BASE + 0x000)
#define GICD_ISENABLER (GICD_BASE + 0x100) /* one bit an interrupt */
#define GICD_ITARGETSR (GICD_BASE + 0x800) /* one byte an interrupt */
#define GICC_CTLR      (GICC_BASE + 0x00)
#define GICC_PMR       (GICC_BASE + 0x04)
#define GICC_IAR       (GICC_BASE + 0x0c)
#define GICC_EOIR      (GICC_BASE + 0x10)

#define FIRST_SPI 32u /* below are those that each CPU has of its own */
#define NONE      1020u

void gic_start(void)
{
    write32(GICD_CTLR, 1);
    write32(GICC_PMR, 0xf0);
    write32(GICC_CTLR, 1);
}

void gic_enable(uint32_t number)
{
    if (number >= FIRST_SPI)
        *(volatile uint8_t *)(GICD_ITARGETSR + number) = 1; /* CPU 0 */
    write32(GICD_ISENABLER + 4 * (number / 32), 1u << number % 32);
}

void take_interrupts(void)
{
    __asm__ volatile("wfi\n\tcpsie i\n\tisb\n\tcpsid i" : : : "memory");
}

void interrupt(void); /* called by start.S */

void interrupt(void)
{
    const uint32_t acknowledged = read32(GICC_IAR);
    const uint32_t number = acknowledged & 0x3ff;

    if (number >= NONE)
        return; /* gone again */
    on_interrupt(number);
    write32(GICC_EOIR, acknowledged);
}
