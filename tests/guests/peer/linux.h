/*
 * System calls of Linux on 32-bit Arm (EABI): number in r7, result or -errno in r0.
 * Source: Linux, arch/arm/tools/syscall.tbl; include/uapi/asm-generic.
 */
#ifndef LINUX_H
#define LINUX_H

#include <stdint.h>

#define O_RDWR      02
#define O_CLOEXEC   02000000
#define PROT_READ   1
#define PROT_WRITE  2
#define MAP_SHARED  1
#define POLLIN      1
#define EINTR       4

static inline long call(long number, long a0, long a1, long a2, long a3, long a4, long a5)
{
    register long r0 __asm__("r0") = a0;
    register long r1 __asm__("r1") = a1;
    register long r2 __asm__("r2") = a2;
    register long r3 __asm__("r3") = a3;
    register long r4 __asm__("r4") = a4;
    register long r5 __asm__("r5") = a5;
    register long r7 __asm__("r7") = number;

    __asm__ volatile("svc #0"
                     : "+r"(r0)
                     : "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5), "r"(r7)
                     : "memory");
    return r0;
}

static inline long sys_read(int file, void *data, uint32_t size)
{
    return call(3, file, (long)data, (long)size, 0, 0, 0);
}

static inline long sys_write(int file, const void *data, uint32_t size)
{
    return call(4, file, (long)data, (long)size, 0, 0, 0);
}

static inline int sys_open(const char *path)
{
    return (int)call(5, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0, 0);
}

static inline int sys_ioctl(int file, uint32_t request, void *argument)
{
    return (int)call(54, file, (long)request, (long)argument, 0, 0, 0);
}

/* mmap2: the offset is in units of 4096 bytes. */
static inline long sys_map(int file, uint32_t size, uint64_t offset)
{
    return call(192, 0, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED, file,
                (long)(offset >> 12));
}

struct pollfd {
    int file;
    int16_t events, came;
};

static inline int sys_poll(struct pollfd *one, int milliseconds)
{
    return (int)call(168, (long)one, 1, milliseconds, 0, 0, 0);
}

#endif
