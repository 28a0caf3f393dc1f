/* Registers: Arm Server Base System Architecture, appendix B, "Generic UART". */

#include "uart.h"

#include "gic.h"
#include "layout.h"
#include "text.h"

#define UARTDR   (UART_BASE + 0x00)
#define UARTFR   (UART_BASE + 0x18)
#define UARTIMSC (UART_BASE + 0x38)
#define FR_RXFE  (1u << 4) /* nothing to read */
#define FR_TXFF  (1u << 5) /* no room to write */
#define RXIM     (1u << 4)
#define RTIM     (1u << 6)

void uart_start(void)
{
    gic_enable(UART_IRQ);
    write32(UARTIMSC, RXIM | RTIM);
}

void put_char(char c)
{
    while (read32(UARTFR) & FR_TXFF)
        ;
    write32(UARTDR, (uint8_t)c);
}

bool get_char(char *c)
{
    if (read32(UARTFR) & FR_RXFE)
        return false;
    *c = (char)read32(UARTDR);
    return true;
}
