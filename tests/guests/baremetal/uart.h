/* The console: Xen's virtual PL011. What is printed appears as "(XEN) DOM1: ..." while
   another domain has the input of the console, and as it is while this one has. */
#ifndef UART_H
#define UART_H

#include <stdbool.h>
#include <stdint.h>

void uart_start(void);              /* interrupts for input from here on */
void put_char(char c);
void put(const char *text);
void put_hex(uint32_t value);       /* 0x and eight digits */
void put_decimal(uint32_t value);
bool get_char(char *c);             /* false: there is none */

#endif
