/* Event channels: interrupts between domains. All are masked until asked for. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>
#include <stdint.h>

void events_start(void);
uint32_t event_offer(uint32_t domid); /* a new port, to which that domain may connect */
void event_unmask(uint32_t port);
void event_send(uint32_t port);       /* to the other end; nothing happens without one */
bool event_came(uint32_t port);       /* since the last time that this was asked */

#endif
