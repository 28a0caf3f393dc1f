#include "text.h"

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

void answer_input(void)
{
    static char line[80];
    static uint32_t used;
    char c;

    while (get_char(&c)) {
        if (c == '\r' || c == '\n') {
            line[used] = 0;
            used = 0;
            put("\nyou said: ");
            put(line);
            put("\n");
        } else if (c >= ' ' && c <= '~' && used < sizeof(line) - 1) {
            line[used++] = c;
            put_char(c);
        }
    }
}
