/* A guest that crashed says where, and tells Xen: on_crash of its configuration is next. */

#include "hypercall.h"
#include "text.h"

void crash(void)
{
    static const uint32_t reason = SHUTDOWN_CRASH;

    hypercall(HYPERVISOR_SCHED_OP, SCHEDOP_SHUTDOWN, (uintptr_t)&reason, 0);
    for (;;)
        ;
}

void fault(uint32_t kind, uint32_t pc); /* called by start.S */

void fault(uint32_t kind, uint32_t pc)
{
    static const char *const names[] = {
        "undefined instruction", "supervisor call", "prefetch abort", "data abort",
    };
    uint32_t address;

    put("bare-metal guest crashed: ");
    put(names[kind]);
    put(" at ");
    put_hex(pc);
    if (kind == 3) {
        __asm__ volatile("mrc p15, 0, %0, c6, c0, 0" : "=r"(address)); /* DFAR */
        put(", address ");
        put_hex(address);
    }
    put("\n");
    crash();
}
