#include "say.h"

#include "linux.h"

static void text(int file, const char *what)
{
    uint32_t length = 0;

    while (what[length])
        length++;
    sys_write(file, what, length);
}

static void number(int file, uint32_t value)
{
    char digits[11];
    char *first = &digits[10];

    *first = 0;
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text(file, first);
}

bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

void say_number(uint32_t value)
{
    number(1, value);
    text(1, "\n");
}

void complain(const char *what, int error, const char *hint)
{
    text(2, "erika-pin: ");
    text(2, what);
    if (error) {
        text(2, " (errno ");
        number(2, (uint32_t)error);
        text(2, ")");
    }
    text(2, "\n");
    if (hint) {
        text(2, "  ");
        text(2, hint);
        text(2, "\n");
    }
}
