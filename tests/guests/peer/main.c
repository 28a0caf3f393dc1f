/*
 * erika-pin get | set 0 | set 1 | crash
 *
 * Asks the guest for its pin, from dom0, as the driver of the original example did behind
 * /proc/sys/erika-xen/pin_state. `get` prints 0 or 1. Exit codes: 0, 1 (the guest did not
 * answer, or refused), 2 (wrong usage).
 */

#include "channel.h"
#include "say.h"

#define PATIENCE 10000 /* milliseconds; dom0's clock may be a fast one */

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static inline void barrier(void)
{
    __asm__ volatile("dmb" : : : "memory");
}

/* Whether the guest has answered; of a channel's first event nobody knows what it is for. */
static bool ask(struct pin_page *page, uint32_t command, uint32_t argument)
{
    const uint32_t number = page->answered + 1;

    page->command = command;
    page->argument = argument;
    barrier();
    page->asked = number;
    barrier();
    if (!notify())
        return false;
    if (command == PIN_CRASH)
        return true; /* there will be nobody to answer */
    do {
        if (page->answered == number) {
            barrier();
            return true;
        }
    } while (wait_for_event(PATIENCE));
    return page->answered == number;
}

static int run(uint32_t command, uint32_t argument)
{
    struct place place;
    struct pin_page *page;

    if (!find_guest(&place))
        return FAILED;
    page = map_page(&place);
    if (!page || !connect_channel(&place))
        return FAILED;
    if (page->magic != PIN_MAGIC) {
        complain("the page is not that of the pin", 0, "is it another version of the guest?");
        return FAILED;
    }
    if (!ask(page, command, argument)) {
        complain("the guest does not answer", 0, "its console may say why: xl console");
        return FAILED;
    }
    if (command != PIN_CRASH && page->status != PIN_DONE) {
        complain("the guest refuses", (int)page->status, 0);
        return FAILED;
    }
    if (command == PIN_GET) {
        say_number(page->state);
        if (page->level != page->state)
            complain("the register of the pin says otherwise", 0,
                     "an emulator without the port controller, or somebody else set the pin");
    }
    return DONE;
}

int entry(const long *stack); /* called by start.S */

int entry(const long *stack)
{
    const long count = stack[0];
    const char *const *words = (const char *const *)(stack + 1);

    if (count == 2 && same(words[1], "get"))
        return run(PIN_GET, 0);
    if (count == 2 && same(words[1], "crash"))
        return run(PIN_CRASH, 0);
    if (count == 3 && same(words[1], "set") && (same(words[2], "0") || same(words[2], "1")))
        return run(PIN_SET, words[2][0] == '1');
    complain("usage: erika-pin get | set 0 | set 1 | crash", 0, 0);
    return USAGE;
}
