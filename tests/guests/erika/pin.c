#include "pin.h"

#include "events.h"
#include "gpio.h"
#include "grant.h"
#include "layout.h"
#include "protocol.h"
#include "text.h"
#include "xen.h"
#include "xenstore.h"

static union {
    struct pin_page pin;
    uint8_t page[PAGE_SIZE]; /* nothing else of ours may be in it */
} shared __attribute__((aligned(4096)));

static uint32_t port;

static void announce(const char *path, uint32_t number)
{
    char error[16];

    if (!xenstore_write_number(path, number, error, sizeof(error))) {
        put("XenStore refuses ");
        put(path);
        put(": ");
        put(error);
        put("\n");
    }
}

void pin_offer(void)
{
    char error[16];

    shared.pin.magic = PIN_MAGIC;
    port = event_offer(DOMID_DOM0);
    announce("data/erika/grant-ref", grant_page(DOMID_DOM0, &shared));
    announce("data/erika/event-channel", port);
    event_unmask(port);
    if (xenstore_write("data/erika/state", "ready", error, sizeof(error)))
        put("ready: dom0 may ask for PH20\n");
}

static uint32_t set(uint32_t level)
{
    if (level > 1)
        return PIN_BAD_ARGUMENT;
    gpio_set_ph20(PIO_BASE, level);
    shared.pin.state = level;
    put(level ? "PH20 raised\n" : "PH20 lowered\n");
    return PIN_DONE;
}

static uint32_t execute(uint32_t command, uint32_t argument)
{
    switch (command) {
    case PIN_GET:
        return PIN_DONE;
    case PIN_SET:
        return set(argument);
    case PIN_CRASH:
        put("dom0 asks for a crash\n");
        crash();
    default:
        return PIN_UNKNOWN_COMMAND;
    }
}

void pin_serve(void)
{
    const uint32_t asked = shared.pin.asked;

    if (!event_came(port) || asked == shared.pin.answered)
        return;
    barrier();
    shared.pin.status = execute(shared.pin.command, shared.pin.argument);
    shared.pin.level = gpio_ph20(PIO_BASE);
    barrier();
    shared.pin.answered = asked;
    barrier();
    event_send(port);
}
