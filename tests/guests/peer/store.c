/*
 * /dev/xen/xenbus carries XenStore's messages: a header, then names that end with zero.
 * Sources: xen/include/public/io/xs_wire.h; Linux, drivers/xen/xenbus/xenbus_dev_frontend.c.
 */

#include "store.h"

#include "linux.h"
#include "say.h"

#define XS_DIRECTORY 1u
#define XS_READ      2u

#define MOST 4096u /* XENSTORE_PAYLOAD_MAX */

static int file;

/* "a" + "b" + "c", cut to what `out` holds; the length includes the zero. */
static uint32_t join(char *out, uint32_t size, const char *a, const char *b, const char *c)
{
    const char *const parts[] = {a, b, c};
    uint32_t used = 0;

    for (uint32_t i = 0; i < 3; i++)
        for (const char *p = parts[i]; *p && used < size - 1; p++)
            out[used++] = *p;
    out[used] = 0;
    return used + 1;
}

static bool get(void *data, uint32_t size)
{
    char *bytes = data;

    while (size) {
        const long got = sys_read(file, bytes, size);

        if (got == -EINTR)
            continue;
        if (got <= 0)
            return false;
        bytes += got;
        size -= (uint32_t)got;
    }
    return true;
}

/* The answer's length, with a zero behind it; -1: the node is not there, or cannot be read. */
static long ask(uint32_t type, const char *path, uint32_t path_length, char *answer)
{
    struct {
        uint32_t type, id, transaction, length;
        char path[128];
    } message;
    const uint32_t header = sizeof(message) - sizeof(message.path);

    message.type = type;
    message.id = message.transaction = 0;
    message.length = path_length;
    join(message.path, sizeof(message.path), path, "", "");
    if (sys_write(file, &message, header + path_length) != (long)(header + path_length))
        return -1;
    if (!get(&message, header) || message.length > MOST || !get(answer, message.length))
        return -1;
    answer[message.length] = 0;
    return message.type == type ? (long)message.length : -1;
}

static bool read_node(const char *domain, const char *node, char *answer)
{
    char path[128];
    const uint32_t length = join(path, sizeof(path), "/local/domain/", domain, node);

    return ask(XS_READ, path, length, answer) >= 0;
}

static bool number(const char *text, uint32_t *value)
{
    *value = 0;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        *value = *value * 10 + (uint32_t)(*p - '0');
    }
    return *text;
}

static bool read_number(const char *domain, const char *node, uint32_t *value)
{
    static char answer[MOST + 1];

    return read_node(domain, node, answer) && number(answer, value);
}

bool find_guest(struct place *place)
{
    static char domains[MOST + 1], answer[MOST + 1];
    static const char root[] = "/local/domain";
    long length;

    file = sys_open("/dev/xen/xenbus");
    if (file < 0) {
        complain("cannot open /dev/xen/xenbus", -file, "is this dom0, or another domain of Xen?");
        return false;
    }
    length = ask(XS_DIRECTORY, root, sizeof(root), domains);
    if (length < 0) {
        complain("XenStore does not answer", 0, "is xenstored running?");
        return false;
    }
    for (const char *one = domains; one < domains + length;) {
        if (read_node(one, "/data/erika/state", answer) && same(answer, "ready") &&
            read_number(one, "/data/erika/grant-ref", &place->grant) &&
            read_number(one, "/data/erika/event-channel", &place->port) &&
            number(one, &place->domid))
            return true;
        while (*one)
            one++;
        one++;
    }
    complain("no domain offers a pin", 0,
             "/local/domain/N/data/erika/state is not there: is the guest in `xl list`?");
    return false;
}
