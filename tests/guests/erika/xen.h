/*
 * What of Xen's interface this guest needs beside hypercall.h.
 * Sources: xen/include/public/memory.h, grant_table.h, event_channel.h, hvm/hvm_op.h,
 * hvm/params.h, xen.h (struct shared_info as 32-bit Arm has it). Numbers of pages are
 * those of the guest, of 4 KiB.
 */
#ifndef XEN_H
#define XEN_H

#include <stdint.h>

#include "hypercall.h"

#define PAGE_SHIFT   12u
#define PAGE_SIZE    (1u << PAGE_SHIFT)
#define DOMID_DOM0   0u
#define DOMID_SELF   0x7ff0u

#define HYPERVISOR_MEMORY_OP     12u
#define XENMEM_ADD_TO_PHYSMAP    7u
#define XENMAPSPACE_SHARED_INFO  0u
#define XENMAPSPACE_GRANT_TABLE  1u

struct add_to_physmap {
    uint16_t domid;
    uint16_t size; /* of ranges only */
    uint32_t space;
    uint64_t index;
    uint64_t page;
};

#define HYPERVISOR_HVM_OP        34u
#define HVMOP_GET_PARAM          1u
#define HVM_PARAM_STORE_PFN      1u
#define HVM_PARAM_STORE_EVTCHN   2u
#define HVM_PARAM_CONSOLE_PFN    17u
#define HVM_PARAM_CONSOLE_EVTCHN 18u

struct hvm_param {
    uint16_t domid;
    uint32_t index;
    uint64_t value;
};

#define HYPERVISOR_EVENT_CHANNEL_OP 32u
#define EVTCHNOP_SEND            4u
#define EVTCHNOP_ALLOC_UNBOUND   6u
#define EVTCHNOP_UNMASK          9u

struct alloc_unbound {
    uint16_t domid, remote;
    uint32_t port;
};

/* Words of 64 bits in the interface; read as pairs of 32, which one instruction can. */
struct shared_info {
    uint8_t upcall_pending;
    uint8_t unused[7];
    uint32_t pending_selector[2]; /* bit n: look at pending[2 n] and [2 n + 1] */
    uint8_t time[32];
    uint32_t pending[128];        /* a bit for each port */
    uint32_t mask[128];
};

struct grant {
    uint16_t flags;
    uint16_t domid;
    uint32_t page;
};
#define GRANT_PERMIT_ACCESS 1u
#define FIRST_FREE_GRANT    8u /* those below are for the tools in dom0 */

/* A number that xl set for this guest: where a ring is, or its event channel. */
static inline uint32_t hvm_param(uint32_t index)
{
    struct hvm_param param = {DOMID_SELF, index, 0};

    hypercall(HYPERVISOR_HVM_OP, HVMOP_GET_PARAM, (uintptr_t)&param, 0);
    return (uint32_t)param.value;
}

/* A page of Xen appears in the guest's memory. */
static inline void add_to_physmap(uint32_t space, uint64_t index, uintptr_t address)
{
    struct add_to_physmap add = {DOMID_SELF, 0, space, index, address >> PAGE_SHIFT};

    hypercall(HYPERVISOR_MEMORY_OP, XENMEM_ADD_TO_PHYSMAP, (uintptr_t)&add, 0);
}

/* What was written before is seen by the others before what is written behind. */
static inline void barrier(void)
{
    __asm__ volatile("dmb" : : : "memory");
}

#endif
