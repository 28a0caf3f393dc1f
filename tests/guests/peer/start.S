/* Linux enters here: argc, argv ... on the stack. No C library is linked. */

        .arm
        .text
        .global _start
_start:
        mov     r0, sp
        bic     sp, sp, #7              @ as the calling convention has it
        bl      entry
        mov     r7, #248                @ exit_group
        svc     #0

        .section .note.GNU-stack, "", %progbits
