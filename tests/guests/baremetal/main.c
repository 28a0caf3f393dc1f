/*
 * A bare-metal guest of Xen on 32-bit Arm: the smallest thing that does what a real-time
 * kernel in a domU does. It reads its device tree, talks on the console, raises a pin of
 * the board, counts ticks of its timer, and answers what is typed.
 *
 * Words that it knows in its bootargs:
 *
 *     gpio   raise the pin at the address of layout.h, though the device tree names no pin
 *            controller: for a page that xl passed through (iomem), which leaves no node
 *     panic  write where there is nothing, to show a guest that crashes
 *
 * A pin controller in the device tree (a node "pinctrl") needs no word.
 */

#include "fdt.h"
#include "gic.h"
#include "gpio.h"
#include "hypercall.h"
#include "layout.h"
#include "text.h"
#include "timer.h"
#include "uart.h"

#define NOTHING_THERE 0x0f000000u

#ifndef FIRST_TICKS
#define FIRST_TICKS 5u /* one line each, then */
#endif
#ifndef LATER_TICKS
#define LATER_TICKS 60u /* one line for so many */
#endif

/* Whether a word stands in a text of words with blanks between them. */
static bool has_word(const char *text, const char *word)
{
    while (*text) {
        const char *w = word;

        while (*w && *text == *w) {
            text++;
            w++;
        }
        if (!*w && (!*text || *text == ' '))
            return true;
        while (*text && *text != ' ')
            text++;
        while (*text == ' ')
            text++;
    }
    return false;
}

/* A line through the hypercall, "(d1) ...": no UART needed. Xen allows it to domains that
   it started itself; a domU of xl is refused unless Xen was built for debugging. */
static void tell_xen(void)
{
    /* Constant, so that it is in memory for Xen too: what we write while our caches are
       off need not be what Xen, whose caches are on, reads. */
    static const char line[] = "bare-metal guest: console_io works\n";

    hypercall(HYPERVISOR_CONSOLE_IO, CONSOLEIO_WRITE, sizeof(line) - 1, (uintptr_t)line);
}

static void raise_pin(uintptr_t pio)
{
    gpio_set_ph20(pio, true);
    put("gpio: PH20 raised through ");
    put_hex(pio);
    put("\n");
}

static void report_ticks(void)
{
    static uint32_t told;

    while (told != ticks) {
        told++;
        if (told <= FIRST_TICKS || told % LATER_TICKS == 0) {
            put("tick ");
            put_decimal(told);
            put("\n");
        }
    }
}

void on_interrupt(uint32_t number)
{
    if (number == TIMER_IRQ)
        timer_tick();
    /* The UART's interrupt only ends the wait: main reads what has come. */
}

void main(const void *fdt)
{
    struct machine machine = {0, 0, "", 0};
    const bool valid = fdt_valid(fdt);

    put("hello from the bare-metal guest, DTB at ");
    put_hex((uint32_t)(uintptr_t)fdt);
    put(valid ? " (valid)\n" : " (no device tree there)\n");
    tell_xen();
    if (valid) {
        fdt_read(fdt, &machine);
        put("memory: ");
        put_decimal((uint32_t)(machine.memory_size >> 10));
        put(" KiB at ");
        put_hex((uint32_t)machine.memory_start);
        put("\nbootargs: ");
        put(*machine.bootargs ? machine.bootargs : "(none)");
        put("\n");
    }
    if (machine.pinctrl)
        raise_pin(machine.pinctrl);
    else if (has_word(machine.bootargs, "gpio"))
        raise_pin(PIO_BASE);
    if (has_word(machine.bootargs, "panic"))
        write32(NOTHING_THERE, 0);

    gic_start();
    uart_start();
    timer_start();
    for (;;) {
        take_interrupts();
        report_ticks();
        answer_input();
    }
}
