/*
 * A stand-in for ERIKA Enterprise as a guest of xl: a bare-metal image that talks on the
 * paravirtual console, uses XenStore, and moves a pin of the board when dom0 asks for it.
 * The page of the pin controller is given by iomem=["1c20,2"] of its configuration.
 */

#include "console.h"
#include "events.h"
#include "gic.h"
#include "grant.h"
#include "mmu.h"
#include "pin.h"
#include "text.h"
#include "xenstore.h"

static void introduce(void)
{
    char name[64], domid[16];

    xenstore_read("name", name, sizeof(name));
    xenstore_read("domid", domid, sizeof(domid));
    put("I am ");
    put(name);
    put(", domain ");
    put(domid);
    put("\n");
}

/* Only with the rights that `xenstore-chmod /local b` gives to everybody. */
static void write_outside(void)
{
    char error[16];

    put("XenStore: /local/erika ");
    if (xenstore_write("/local/erika", "was here", error, sizeof(error))) {
        put("written\n");
    } else {
        put("refused: ");
        put(error);
        put("\n");
    }
}

void main(void)
{
    mmu_start();
    console_start();
    put("hello from the bare-metal guest, on the console of xl\n");
    gic_start();
    events_start();
    console_listen();
    xenstore_start();
    grants_start();
    introduce();
    write_outside();
    pin_offer();
    for (;;) {
        take_interrupts();
        pin_serve();
        answer_input();
    }
}
