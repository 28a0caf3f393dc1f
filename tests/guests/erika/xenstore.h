/* XenStore: the tree of names and values that dom0 keeps for all domains. A path without a
   slash in front is below the guest's own node, /local/domain/N. */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <stdbool.h>
#include <stdint.h>

void xenstore_start(void);

/* `answer` gets the value; if the result is false, the name of the error ("EACCES"). It
   always ends with a zero, and what is too long for it is cut. */
bool xenstore_read(const char *path, char *answer, uint32_t size);
bool xenstore_write(const char *path, const char *value, char *answer, uint32_t size);
bool xenstore_write_number(const char *path, uint32_t value, char *answer, uint32_t size);

#endif
