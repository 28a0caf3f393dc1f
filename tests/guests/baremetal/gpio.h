/* One pin of the board: PH20, the green LED of a Cubieboard2. */
#ifndef GPIO_H
#define GPIO_H

#include <stdint.h>

void gpio_set_ph20(uintptr_t pio);

#endif
