/*
 * Xen sets a bit for the port, one for its word, one for all, and raises PPI 31.
 * Sources: xen/include/public/xen.h (struct shared_info), event_channel.h.
 */

#include "events.h"

#include "gic.h"
#include "layout.h"
#include "xen.h"

#define PORTS 64u /* of which this guest has five */

/* Not only room for it: the page of this address becomes Xen's. */
static union {
    volatile struct shared_info info;
    uint8_t page[PAGE_SIZE];
} shared __attribute__((aligned(4096)));

static uint32_t came[PORTS / 32];

void events_start(void)
{
    add_to_physmap(XENMAPSPACE_SHARED_INFO, 0, (uintptr_t)&shared);
    for (uint32_t i = 0; i < 128; i++)
        shared.info.mask[i] = ~0u;
    gic_enable(EVENT_IRQ);
}

uint32_t event_offer(uint32_t domid)
{
    struct alloc_unbound offer = {DOMID_SELF, (uint16_t)domid, 0};

    hypercall(HYPERVISOR_EVENT_CHANNEL_OP, EVTCHNOP_ALLOC_UNBOUND, (uintptr_t)&offer, 0);
    return offer.port;
}

void event_unmask(uint32_t port)
{
    /* By Xen, which raises what came while it was masked. */
    hypercall(HYPERVISOR_EVENT_CHANNEL_OP, EVTCHNOP_UNMASK, (uintptr_t)&port, 0);
}

void event_send(uint32_t port)
{
    hypercall(HYPERVISOR_EVENT_CHANNEL_OP, EVTCHNOP_SEND, (uintptr_t)&port, 0);
}

bool event_came(uint32_t port)
{
    const uint32_t bit = 1u << port % 32;
    const bool yes = came[port / 32] & bit;

    came[port / 32] &= ~bit;
    return yes;
}

/* Interrupts are masked: what is in `came`, nobody else changes meanwhile. */
void on_interrupt(uint32_t number)
{
    if (number != EVENT_IRQ)
        return;
    /* In this order: what comes behind a step sets the one before again. */
    shared.info.upcall_pending = 0;
    barrier();
    __atomic_exchange_n(&shared.info.pending_selector[0], 0, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < PORTS / 32; i++)
        came[i] |= __atomic_exchange_n(&shared.info.pending[i], 0, __ATOMIC_SEQ_CST) &
                   ~shared.info.mask[i];
}
