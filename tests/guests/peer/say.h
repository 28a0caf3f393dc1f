/* What the program says: the answer to stdout, what is wrong to stderr. */
#ifndef SAY_H
#define SAY_H

#include <stdbool.h>
#include <stdint.h>

bool same(const char *a, const char *b);
void say_number(uint32_t value); /* a line on stdout */

/* "erika-pin: WHAT", and " (errno N)" unless it is 0; HINT in a line of its own, unless 0. */
void complain(const char *what, int error, const char *hint);

#endif
