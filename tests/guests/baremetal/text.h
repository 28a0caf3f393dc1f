/* Text on the console, whatever it is: each guest has a put_char of its own. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* Of the guest: vpl011 (uart.c), or the ring that dom0 reads (erika/console.c). */
void put_char(char c);
bool get_char(char *c);             /* false: there is none */

void put(const char *text);
void put_hex(uint32_t value);       /* 0x and eight digits */
void put_decimal(uint32_t value);

void answer_input(void);            /* echoes what is typed, answers a line at its end */

#endif
