/* Source: xen/include/public/grant_table.h, version 1 of the table, which every guest has. */

#include "grant.h"

#include "layout.h"
#include "xen.h"

static volatile struct grant *const table = (volatile struct grant *)GRANT_BASE;

void grants_start(void)
{
    add_to_physmap(XENMAPSPACE_GRANT_TABLE, 0, GRANT_BASE);
}

uint32_t grant_page(uint32_t domid, const void *page)
{
    static uint32_t next = FIRST_FREE_GRANT;

    table[next].domid = (uint16_t)domid;
    table[next].page = (uintptr_t)page >> PAGE_SHIFT;
    barrier(); /* the flags make it valid */
    table[next].flags = GRANT_PERMIT_ACCESS;
    return next++;
}
