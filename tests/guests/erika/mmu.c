/*
 * Every address means itself, and memory is cached. Xen's interface asks for it: what is
 * shared with Xen or another domain must be mapped as normal write-back memory, as they
 * have it, or each side reads what the other has not written yet.
 * Sources: xen/include/public/arch-arm.h, "Hypercall Calling Convention"; Arm Architecture
 * Reference Manual ARMv7-A, B3.5 (short-descriptor translation tables).
 */

#include "mmu.h"

#include <stdint.h>

#include "layout.h"

#define SECTION      2u         /* of 1 MiB */
#define READ_WRITE   (3u << 10)
#define NEVER_RUN    (1u << 4)
#define DEVICE       (1u << 2)
#define WRITE_BACK   (1u << 12 | 1u << 3 | 1u << 2) /* normal, allocates on reads and writes */
#define SHAREABLE    (1u << 16)
#define CLIENT       1u         /* of domain 0, which all sections are in */
#define SCTLR_ENABLE (1u << 12 | 1u << 2 | 1u << 0) /* I, C, M */

static uint32_t table[4096] __attribute__((aligned(16384)));

void mmu_start(void)
{
    uint32_t sctlr;

    for (uint32_t mib = 0; mib < 4096; mib++) {
        const uint32_t address = mib << 20;
        const uint32_t memory = WRITE_BACK | SHAREABLE;

        table[mib] = address | SECTION | READ_WRITE;
        if (address < GRANT_BASE)
            table[mib] |= DEVICE | NEVER_RUN;
        else if (address < RAM_BASE)
            table[mib] |= memory | NEVER_RUN;
        else
            table[mib] |= memory;
    }
    __asm__ volatile("mcr p15, 0, %0, c3, c0, 0" : : "r"(CLIENT)); /* DACR */
    __asm__ volatile("mcr p15, 0, %0, c2, c0, 2" : : "r"(0));       /* TTBCR: TTBR0 only */
    /* The table is walked past the caches, as it was written. */
    __asm__ volatile("mcr p15, 0, %0, c2, c0, 0" : : "r"(table) : "memory");
    __asm__ volatile("mcr p15, 0, %0, c8, c7, 0" : : "r"(0));       /* TLBIALL */
    __asm__ volatile("mcr p15, 0, %0, c7, c5, 0" : : "r"(0));       /* ICIALLU */
    __asm__ volatile("dsb\n\tisb" : : : "memory");
    __asm__ volatile("mrc p15, 0, %0, c1, c0, 0" : "=r"(sctlr));
    __asm__ volatile("mcr p15, 0, %0, c1, c0, 0\n\tisb" : : "r"(sctlr | SCTLR_ENABLE) : "memory");
}
