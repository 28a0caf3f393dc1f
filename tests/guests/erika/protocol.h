/*
 * What the guest and its peer in dom0 agree on: one page of the guest, granted to dom0, and
 * an event channel that each of them notifies the other by.
 *
 * dom0 writes the command and its argument, then counts `asked` up, then notifies. The guest
 * does it, writes the status and the state of the pin, sets `answered` to what `asked` was,
 * and notifies. Both are little-endian, and each word is written by one side only.
 *
 * In XenStore the guest says below /local/domain/N/data/erika where to find them:
 * "grant-ref", "event-channel", and last "state" = "ready".
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

#define PIN_MAGIC 0x4e495045u /* "EPIN" */

enum pin_command { PIN_GET = 1, PIN_SET = 2, PIN_CRASH = 3 };
enum pin_status { PIN_DONE = 0, PIN_UNKNOWN_COMMAND = 1, PIN_BAD_ARGUMENT = 2 };

struct pin_page {
    volatile uint32_t magic;    /* of the guest, as all below `argument` */
    volatile uint32_t asked;    /* of dom0 */
    volatile uint32_t command;  /* of dom0: pin_command */
    volatile uint32_t argument; /* of dom0: 0 or 1, to set */
    volatile uint32_t answered;
    volatile uint32_t status;   /* pin_status */
    volatile uint32_t state;    /* what the pin was set to; 0 at first */
    volatile uint32_t level;    /* what its register says: an emulator may not have one */
};

#endif
