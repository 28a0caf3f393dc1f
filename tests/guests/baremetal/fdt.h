/* What this guest needs to know of the device tree that Xen wrote for it. */
#ifndef FDT_H
#define FDT_H

#include <stdbool.h>
#include <stdint.h>

struct machine {
    uint64_t memory_start; /* of the first bank; the size is 0 if there is no /memory */
    uint64_t memory_size;
    const char *bootargs;  /* "" if there are none */
    uintptr_t pinctrl;     /* registers of a pin controller passed through; 0: none */
};

bool fdt_valid(const void *fdt);
void fdt_read(const void *fdt, struct machine *machine);

#endif
