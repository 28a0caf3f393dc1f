/*
 * The console of a guest of xl: a ring in a page that xenconsoled in dom0 reads. A full ring
 * loses what is behind: a real-time kernel does not wait for its readers.
 * Source: xen/include/public/io/console.h
 */

#include "console.h"

#include "events.h"
#include "text.h"
#include "xen.h"

struct ring {
    char in[1024];
    char out[2048];
    volatile uint32_t in_read, in_written;
    volatile uint32_t out_read, out_written;
};

static struct ring *ring;
static uint32_t port;

void console_start(void)
{
    ring = (struct ring *)(hvm_param(HVM_PARAM_CONSOLE_PFN) << PAGE_SHIFT);
    port = hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
}

void console_listen(void)
{
    event_unmask(port);
}

void put_char(char c)
{
    const uint32_t written = ring->out_written;

    if (written - ring->out_read < sizeof(ring->out)) {
        ring->out[written % sizeof(ring->out)] = c;
        barrier();
        ring->out_written = written + 1;
        barrier();
    }
    event_send(port);
}

bool get_char(char *c)
{
    const uint32_t next = ring->in_read;

    if (next == ring->in_written)
        return false;
    barrier();
    *c = ring->in[next % sizeof(ring->in)];
    barrier();
    ring->in_read = next + 1;
    event_send(port);
    return true;
}
