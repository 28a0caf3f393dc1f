/* One pin of the board: PH20, the green LED of a Cubieboard2. */
#ifndef GPIO_H
#define GPIO_H

#include <stdbool.h>
#include <stdint.h>

void gpio_set_ph20(uintptr_t pio, bool high); /* makes it an output first */
bool gpio_ph20(uintptr_t pio);                /* what the pin is at */

#endif
