/* Source: Arm Architecture Reference Manual ARMv7-A, B8 (generic timer). */

#include "timer.h"

#include "gic.h"
#include "layout.h"

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

void timer_start(void)
{
    gic_enable(TIMER_IRQ);
    __asm__ volatile("mrc p15, 0, %0, c14, c0, 0" : "=r"(frequency));  /* CNTFRQ */
    __asm__ volatile("mrrc p15, 1, %Q0, %R0, c14" : "=r"(next_tick));  /* CNTVCT */
    next_tick += frequency;
    set_timer(next_tick);
}

void timer_tick(void)
{
    ticks++;
    next_tick += frequency; /* no drift, however late we come */
    set_timer(next_tick);
}
