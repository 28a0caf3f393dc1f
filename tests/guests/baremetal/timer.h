/* The virtual timer, which ticks once a second. */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

void timer_start(void); /* the first tick comes a second later */
void timer_tick(void);  /* at each interrupt TIMER_IRQ */

/* Seconds since then, by the timer's own frequency (CNTFRQ): an emulator whose timer runs
   at another one ticks at another pace. */
extern uint32_t ticks;

#endif
