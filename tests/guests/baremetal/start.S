/*
 * The head of the image and everything that C cannot say: the zImage header, the first
 * instructions, the exception vectors.
 *
 * Xen enters at the first byte as it would enter Linux: supervisor mode, interrupts
 * masked, MMU and caches off, address of the device tree in r2. The guest stays that way:
 * with the MMU off, addresses are the guest-physical ones of layout.h.
 *
 * Sources: Linux, Documentation/arch/arm/booting.rst; Arm Architecture Reference Manual
 * ARMv7-A, B1.8 (exceptions) and B4.1.154 (VBAR).
 */

        .arm
        .section .head, "ax"

        .global _start
_start:
        .rept   8
        mov     r0, r0                  @ the nop of a zImage, 0xe1a00000
        .endr
        b       reset
        .word   0x016f2818              @ 0x24: the magic number
        .word   _start                  @ 0x28: where the image must be loaded
        .word   image_end               @ 0x2c: start + size

reset:
        cpsid   aif
        mov     r4, r2

        ldr     r0, =vectors
        mcr     p15, 0, r0, c12, c0, 0  @ VBAR

        cps     #0x12                   @ IRQ mode
        ldr     sp, =irq_stack_top
        cps     #0x17                   @ abort mode
        ldr     sp, =fault_stack_top
        cps     #0x1b                   @ undefined mode
        ldr     sp, =fault_stack_top
        cps     #0x13                   @ supervisor mode, where main runs
        ldr     sp, =stack_top

        ldr     r0, =bss_start
        ldr     r1, =bss_end
        mov     r2, #0
clear:  cmp     r0, r1
        strlo   r2, [r0], #4
        blo     clear

        mov     r0, r4
        bl      main                    @ does not return
        b       .

        .balign 32                      @ VBAR ignores bits 4..0
vectors:
        b       .                       @ reset: never taken
        b       undefined
        b       supervisor_call
        b       prefetch_abort
        b       data_abort
        b       .                       @ reserved
        b       irq
        b       .                       @ FIQ: not enabled

        @ The banked lr is ahead of the instruction at fault by a distance that depends on
        @ the exception.
undefined:
        sub     r1, lr, #4
        mov     r0, #0
        b       fault
supervisor_call:
        sub     r1, lr, #4
        mov     r0, #1
        b       fault
prefetch_abort:
        sub     r1, lr, #4
        mov     r0, #2
        b       fault
data_abort:
        sub     r1, lr, #8
        mov     r0, #3
        b       fault                   @ does not return, so nothing is saved

irq:
        sub     lr, lr, #4
        push    {r0-r3, r12, lr}
        bl      interrupt
        ldm     sp!, {r0-r3, r12, pc}^  @ ^: back to the mode that was interrupted

        .section .note.GNU-stack, "", %progbits
