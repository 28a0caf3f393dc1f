/* Registers: user manual of the Allwinner A20, "Port Controller". */

#include "gpio.h"

#include "layout.h"

#define PORT_H       (7 * 0x24)
#define PH_CFG2      (PORT_H + 0x08) /* pins 16..23, four bits each */
#define PH_DAT       (PORT_H + 0x10)
#define CFG_OUTPUT   1u
#define PIN          20u
#define PIN_CFG      ((PIN - 16u) * 4u)

void gpio_set_ph20(uintptr_t pio, bool high)
{
    const uint32_t others = read32(pio + PH_DAT) & ~(1u << PIN);

    write32(pio + PH_CFG2, (read32(pio + PH_CFG2) & ~(7u << PIN_CFG)) | CFG_OUTPUT << PIN_CFG);
    write32(pio + PH_DAT, others | (uint32_t)high << PIN);
}

bool gpio_ph20(uintptr_t pio)
{
    return read32(pio + PH_DAT) >> PIN & 1;
}
