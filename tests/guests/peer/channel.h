/* The guest's page, mapped, and its event channel, connected. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>

#include "protocol.h"
#include "store.h"

struct pin_page *map_page(const struct place *place);  /* 0: said why not */
bool connect_channel(const struct place *place);       /* false: said why not */
bool notify(void);
bool wait_for_event(int milliseconds);                 /* false: none came */

#endif
