#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "attempt_job.h"
#include <sched.h>
#include <string.h>
#include <unistd.h>

// A command is started by a process that waits until it runs. The kernel gives a new process to whichever processor has
// least to do at that moment, which has to be woken, or is at work for the kernel and cannot be interrupted: that takes a
// millisecond, and now and then several. On the processor of the one who waits it runs at once.

/// The number of bytes that the kernel has for it, or -1. Raw calls: the wrappers of the C library have a size of their own.
static long allowed(struct clinux_processors *processors) {
    memset(processors, 0, sizeof *processors);
    return syscall(SYS_sched_getaffinity, 0, sizeof *processors, processors);
}

static int allow(const struct clinux_processors *processors) {
    return syscall(SYS_sched_setaffinity, 0, sizeof *processors, processors) < 0 ? -1 : 0;
}

int clinux_processors_stay(struct clinux_processors *before) {
    struct clinux_processors now, widest;
    unsigned processor;
    if (allowed(&now) <= 0 || syscall(SYS_getcpu, &processor, NULL, NULL) < 0) return 0;
    const size_t bits = 8 * sizeof now.words[0];
    if (processor >= bits * (sizeof now.words / sizeof now.words[0])) return 0;
    // Nobody has chosen where all that its group allows is allowed: then it stays so, whatever the group is allowed later.
    memset(before, 0xff, sizeof *before);
    if (allow(before) < 0) return 0;
    if (allowed(&widest) <= 0 || memcmp(&now, &widest, sizeof now) != 0) {
        *before = now;
        if (allow(before) < 0) return 0;
    }
    struct clinux_processors one;
    memset(&one, 0, sizeof one);
    one.words[processor / bits] = 1UL << processor % bits;
    return allow(&one) == 0;
}

int clinux_processors_restore(const struct clinux_processors *before) {
    if (allow(before) == 0) return 0;
    // Those are not there any more: all that its group allows.
    struct clinux_processors all;
    memset(&all, 0xff, sizeof all);
    return allow(&all);
}
