/* Registers: Arm Server Base System Architecture, appendix B, "Generic UART". */

#include "uart.h"

#include "layout.h"

#define UARTDR   (UART_BASE + 0x00)
#define UARTFR   (UART_BASE + 0x18)
#define UARTIMSC (UART_BASE + 0x38)
#define FR_RXFE  (1u << 4) /* nothing to read */
#define FR_TXFF  (1u << 5) /* no room to write */
#define RXIM     (1u << 4)
#define RTIM     (1u << 6)

void uart_start(void)
{
    write32(UARTIMSC, RXIM | RTIM);
}

void put_char(char c)
{
    while (read32(UARTFR) & FR_TXFF)
        ;
    write32(UARTDR, (uint8_t)c);
}

void put(const char *text)
{
    while (*text)
        put_char(*text++);
}

void put_hex(uint32_t value)
{
    put("0x");
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[value >> shift & 15]);
}

void put_decimal(uint32_t value)
{
    if (value >= 10)
        put_decimal(value / 10);
    put_char((char)('0' + value % 10));
}

bool get_char(char *c)
{
    if (read32(UARTFR) & FR_RXFE)
        return false;
    *c = (char)read32(UARTDR);
    return true;
}
