/* The service that this guest offers to dom0: one pin of the board. */
#ifndef PIN_H
#define PIN_H

void pin_offer(void); /* makes the page and the channel known */
void pin_serve(void); /* answers what was asked since */

#endif
