/* Interrupts of the virtual GIC. */
#ifndef GIC_H
#define GIC_H

#include <stdint.h>

void gic_start(void);
void gic_enable(uint32_t number);

/* Sleeps until there is one, and takes it. They are masked everywhere else, so none can
   come between looking whether there is work and going to sleep. */
void take_interrupts(void);

/* Of the guest: what each of them is for. */
void on_interrupt(uint32_t number);

#endif
