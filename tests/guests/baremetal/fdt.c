/*
 * One walk over a flattened device tree: no library, no memory of its own.
 * Source: Devicetree Specification 0.4, chapter 5. Every cell is big-endian.
 */

#include "fdt.h"

#define FDT_MAGIC      0xd00dfeedu
#define FDT_BEGIN_NODE 1u
#define FDT_END_NODE   2u
#define FDT_PROP       3u
#define FDT_NOP        4u

#define MAX_DEPTH 8

static uint32_t cell(const void *fdt, uint32_t offset)
{
    /* Cells are aligned; a load that is not would fault while the MMU is off. */
    return __builtin_bswap32(*(const uint32_t *)((const char *)fdt + offset));
}

/* A number of one or two cells, as #address-cells and #size-cells say. */
static uint64_t number(const void *fdt, uint32_t offset, uint32_t cells)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < cells; i++)
        value = value << 32 | cell(fdt, offset + 4 * i);
    return value;
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* "memory" is the name of "memory@40000000". */
static bool is_node(const char *name, const char *wanted)
{
    while (*wanted && *name == *wanted) {
        name++;
        wanted++;
    }
    return !*wanted && (!*name || *name == '@');
}

static uint32_t length(const char *text)
{
    uint32_t n = 0;

    while (text[n])
        n++;
    return n;
}

bool fdt_valid(const void *fdt)
{
    return ((uintptr_t)fdt & 3) == 0 && cell(fdt, 0) == FDT_MAGIC;
}

void fdt_read(const void *fdt, struct machine *machine)
{
    uint32_t at = cell(fdt, 8);
    const uint32_t end = at + cell(fdt, 36);
    const char *strings = (const char *)fdt + cell(fdt, 12);
    /* The node at each depth, and how it counts the cells of its children; [0] stands
       above the root. */
    const char *name[MAX_DEPTH] = {""};
    uint32_t address_cells[MAX_DEPTH] = {2};
    uint32_t size_cells[MAX_DEPTH] = {1};
    uint32_t depth = 0;

    machine->memory_start = 0;
    machine->memory_size = 0;
    machine->bootargs = "";
    machine->pinctrl = 0;

    while (at < end) {
        uint32_t token = cell(fdt, at);

        at += 4;
        if (token == FDT_BEGIN_NODE) {
            if (++depth == MAX_DEPTH)
                return;
            name[depth] = (const char *)fdt + at;
            address_cells[depth] = 2;
            size_cells[depth] = 1;
            at += (length(name[depth]) + 4) & ~3u;
        } else if (token == FDT_END_NODE && depth > 0) {
            depth--;
        } else if (token == FDT_PROP) {
            const uint32_t size = cell(fdt, at);
            const char *property = strings + cell(fdt, at + 4);
            const uint32_t value = at + 8;

            at = value + ((size + 3) & ~3u);
            if (same(property, "#address-cells")) {
                address_cells[depth] = cell(fdt, value);
            } else if (same(property, "#size-cells")) {
                size_cells[depth] = cell(fdt, value);
            } else if (same(property, "bootargs") && is_node(name[depth], "chosen")) {
                machine->bootargs = (const char *)fdt + value;
            } else if (same(property, "reg") && is_node(name[depth], "pinctrl")) {
                machine->pinctrl = (uintptr_t)number(fdt, value, address_cells[depth - 1]);
            } else if (same(property, "reg") && is_node(name[depth], "memory") &&
                       !machine->memory_size) {
                const uint32_t cells = address_cells[depth - 1];

                machine->memory_start = number(fdt, value, cells);
                machine->memory_size = number(fdt, value + 4 * cells, size_cells[depth - 1]);
            }
        } else if (token != FDT_NOP) {
            return; /* FDT_END, or nothing that we know */
        }
    }
}
