/* Where the guest is, as XenStore has it. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stdint.h>

struct place {
    uint32_t domid, grant, port;
};

bool find_guest(struct place *place); /* the first that says it is ready; false: said why not */

#endif
