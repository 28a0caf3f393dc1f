/*
 * Requests and answers go through two rings in one page. One request at a time, waited for.
 * Sources: xen/include/public/io/xs_wire.h; Xen, docs/misc/xenstore.txt, xenstore-ring.txt.
 */

#include "xenstore.h"

#include "events.h"
#include "gic.h"
#include "xen.h"

#define XS_READ  2u
#define XS_WRITE 11u

#define RING 1024u

struct rings {
    char request[RING];
    char answer[RING];
    volatile uint32_t request_read, request_written;
    volatile uint32_t answer_read, answer_written;
};

struct header {
    uint32_t type, id, transaction, length;
};

static struct rings *rings;
static uint32_t port;

void xenstore_start(void)
{
    rings = (struct rings *)(hvm_param(HVM_PARAM_STORE_PFN) << PAGE_SHIFT);
    port = hvm_param(HVM_PARAM_STORE_EVTCHN);
    event_unmask(port);
}

static void send(const void *data, uint32_t length)
{
    const char *bytes = data;

    for (uint32_t i = 0; i < length; i++) {
        while (rings->request_written - rings->request_read == RING)
            take_interrupts();
        rings->request[rings->request_written % RING] = bytes[i];
        barrier();
        rings->request_written = rings->request_written + 1;
    }
}

static void receive(void *data, uint32_t length)
{
    char *bytes = data;

    for (uint32_t i = 0; i < length; i++) {
        while (rings->answer_read == rings->answer_written)
            take_interrupts();
        barrier();
        bytes[i] = rings->answer[rings->answer_read % RING];
        barrier();
        rings->answer_read = rings->answer_read + 1;
    }
}

static uint32_t length_of(const char *text)
{
    uint32_t length = 0;

    while (text[length])
        length++;
    return length;
}

/* The path with its zero; behind it the value without one, for those that have one. */
static bool ask(uint32_t type, const char *path, const char *value, char *answer, uint32_t size)
{
    const uint32_t path_length = length_of(path) + 1;
    const uint32_t value_length = length_of(value);
    struct header header = {type, 0, 0, path_length + value_length};
    uint32_t kept = 0;

    send(&header, sizeof(header));
    send(path, path_length);
    send(value, value_length);
    barrier();
    event_send(port);

    receive(&header, sizeof(header));
    for (uint32_t i = 0; i < header.length; i++) {
        char c;

        receive(&c, 1);
        if (kept < size - 1)
            answer[kept++] = c;
    }
    answer[kept] = 0;
    barrier();
    event_send(port); /* there is room again */
    return header.type == type;
}

bool xenstore_read(const char *path, char *answer, uint32_t size)
{
    return ask(XS_READ, path, "", answer, size);
}

bool xenstore_write(const char *path, const char *value, char *answer, uint32_t size)
{
    return ask(XS_WRITE, path, value, answer, size);
}

bool xenstore_write_number(const char *path, uint32_t value, char *answer, uint32_t size)
{
    char digits[11];
    char *first = &digits[10];

    *first = 0;
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return xenstore_write(path, first, answer, size);
}
