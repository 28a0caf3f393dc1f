/*
 * Hypercalls: number in r12, arguments from r0 on, result in r0.
 * Sources: xen/include/public/arch-arm.h, "Hypercall Calling Convention"; xen.h, sched.h.
 */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include <stdint.h>

#define HYPERVISOR_CONSOLE_IO 18u
#define CONSOLEIO_WRITE       0u
#define HYPERVISOR_SCHED_OP   29u
#define SCHEDOP_SHUTDOWN      2u
#define SHUTDOWN_CRASH        3u

static inline int32_t hypercall(uint32_t number, uintptr_t a0, uintptr_t a1, uintptr_t a2)
{
    register uintptr_t r0 __asm__("r0") = a0;
    register uintptr_t r1 __asm__("r1") = a1;
    register uintptr_t r2 __asm__("r2") = a2;
    register uint32_t r12 __asm__("r12") = number;

    __asm__ volatile("hvc #0xea1" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r12) : "memory");
    return (int32_t)r0;
}

/* Ends the domain as crashed; does not return. */
void crash(void) __attribute__((noreturn));

#endif
