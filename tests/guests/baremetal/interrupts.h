/* Interrupts of the virtual GIC, and the virtual timer that ticks once a second. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <stdint.h>

void interrupts_start(void); /* the first tick comes a second later */

/* Sleeps until there is one, and takes it. They are masked everywhere else, so none can
   come between looking whether there is work and going to sleep. */
void take_interrupts(void);

/* Seconds since then, by the timer's own frequency (CNTFRQ): an emulator whose timer runs
   at another one ticks at another pace. */
extern uint32_t ticks;

#endif
