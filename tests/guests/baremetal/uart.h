/* The console of a guest without drivers of Xen: Xen's virtual PL011. What is printed appears
   as "(XEN) DOM1: ..." while another domain has the input of the console, and as it is while
   this one has. put_char and get_char of text.h are its. */
#ifndef UART_H
#define UART_H

void uart_start(void); /* interrupts for input from here on */

#endif
