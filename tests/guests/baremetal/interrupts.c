/*
 * Sources: Arm Generic Interrupt Controller Architecture Specification 2.0, chapter 4;
 * Arm Architecture Reference Manual ARMv7-A, B8 (generic timer).
 */

#include "interrupts.h"

#include "layout.h"

#define GICD_CTLR      (GICD_BASE + 0x000)
#define GICD_ISENABLER (GICD_BASE + 0x100) /* one bit an interrupt */
#define GICD_ITARGETSR (GICD_BASE + 0x800) /* one byte an interrupt */
#define GICC_CTLR      (GICC_BASE + 0x00)
#define GICC_PMR       (GICC_BASE + 0x04)
#define GICC_IAR       (GICC_BASE + 0x0c)
#define GICC_EOIR      (GICC_BASE + 0x10)

uint32_t ticks;

static uint32_t frequency;
static uint64_t next_tick;

static void set_timer(uint64_t when)
{
    /* CNTV_CVAL, then CNTV_CTL: enabled, not masked. Xen masks the timer when it hands us
       its interrupt, so both are written every time. */
    __asm__ volatile("mcrr p15, 3, %Q0, %R0, c14" : : "r"(when));
    __asm__ volatile("mcr p15, 0, %0, c14, c3, 1" : : "r"(1));
    __asm__ volatile("isb");
}

void interrupts_start(void)
{
    write32(GICD_ITARGETSR + UART_IRQ, 0x01010101); /* CPU 0: this one and three unused */
    write32(GICD_ISENABLER, 1u << TIMER_IRQ);
    write32(GICD_ISENABLER + 4, 1u << (UART_IRQ - 32));
    write32(GICD_CTLR, 1);
    write32(GICC_PMR, 0xf0);
    write32(GICC_CTLR, 1);

    __asm__ volatile("mrc p15, 0, %0, c14, c0, 0" : "=r"(frequency));  /* CNTFRQ */
    __asm__ volatile("mrrc p15, 1, %Q0, %R0, c14" : "=r"(next_tick));  /* CNTVCT */
    next_tick += frequency;
    set_timer(next_tick);
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

    if (number >= 1020)
        return; /* gone again */
    if (number == TIMER_IRQ) {
        ticks++;
        next_tick += frequency; /* no drift, however late we come */
        set_timer(next_tick);
    }
    /* The UART's interrupt only ends the wait: main reads what has come. */
    write32(GICC_EOIR, acknowledged);
}
