/* Source: Linux, include/uapi/xen/gntdev.h, evtchn.h; drivers/xen/gntdev.c, evtchn.c. */

#include "channel.h"

#include "linux.h"
#include "say.h"

/* _IOC(_IOC_NONE, type, number, size) */
#define IOC(type, number, size) ((uint32_t)(size) << 16 | (uint32_t)(type) << 8 | (number))

struct map_grant {
    uint32_t count, pad;
    uint64_t index; /* out: the offset for mmap */
    uint32_t domid, ref;
};
#define MAP_GRANT_REF IOC('G', 0, sizeof(struct map_grant))

struct interdomain {
    uint32_t domid, port;
};
#define BIND_INTERDOMAIN IOC('E', 1, sizeof(struct interdomain))
#define NOTIFY           IOC('E', 4, sizeof(uint32_t))

static int channel;
static uint32_t local_port;

struct pin_page *map_page(const struct place *place)
{
    struct map_grant grant = {1, 0, 0, place->domid, place->grant};
    const int file = sys_open("/dev/xen/gntdev");
    int error = file;
    long address;

    if (file < 0) {
        complain("cannot open /dev/xen/gntdev", -file, "is the module xen-gntdev loaded?");
        return 0;
    }
    error = sys_ioctl(file, MAP_GRANT_REF, &grant);
    address = error ? error : sys_map(file, 4096, grant.index);
    /* Linux gives user space addresses below 3 GiB; the last page of all are errors. */
    if ((unsigned long)address >= -4095ul) {
        complain("the guest's page cannot be mapped", (int)-address,
                 "does it still run? Xen says more: xl dmesg, with guest_loglvl=all");
        return 0;
    }
    return (struct pin_page *)address;
}

bool connect_channel(const struct place *place)
{
    struct interdomain remote = {place->domid, place->port};
    int result;

    channel = sys_open("/dev/xen/evtchn");
    if (channel < 0) {
        complain("cannot open /dev/xen/evtchn", -channel, "is the module xen-evtchn loaded?");
        return false;
    }
    result = sys_ioctl(channel, BIND_INTERDOMAIN, &remote);
    if (result < 0) {
        complain("cannot connect to the guest's event channel", -result,
                 "another erika-pin may be at it: one at a time");
        return false;
    }
    local_port = (uint32_t)result;
    return true;
}

bool notify(void)
{
    return sys_ioctl(channel, NOTIFY, &local_port) == 0;
}

bool wait_for_event(int milliseconds)
{
    struct pollfd one = {channel, POLLIN, 0};
    uint32_t port;

    if (sys_poll(&one, milliseconds) <= 0 || sys_read(channel, &port, sizeof(port)) < 0)
        return false;
    sys_write(channel, &port, sizeof(port)); /* unmasks it */
    return true;
}
