/* Pages that another domain may map. */
#ifndef GRANT_H
#define GRANT_H

#include <stdint.h>

void grants_start(void);

/* Lets a domain map a page, to read and to write. The result is what it asks Xen for. */
uint32_t grant_page(uint32_t domid, const void *page);

#endif
