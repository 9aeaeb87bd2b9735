#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <linux/input.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

int clinux_is_touched_by_people(int descriptor) {
    unsigned long kinds = 0;
    if (ioctl(descriptor, EVIOCGBIT(0, sizeof kinds), &kinds) < 0) return 0;
    return (kinds & (1UL << EV_KEY | 1UL << EV_REL)) != 0;
}

int64_t clinux_last_terminal_input(void) {
    int64_t last = 0;
    setutxent();
    for (struct utmpx *entry; (entry = getutxent()) != NULL;) {
        if (entry->ut_type != USER_PROCESS) continue;
        char path[sizeof entry->ut_line + 8];
        snprintf(path, sizeof path, "/dev/%.*s", (int)sizeof entry->ut_line, entry->ut_line);
        struct stat facts;
        // A login that has ended without a word is still listed; its terminal is gone.
        if (stat(path, &facts) < 0) continue;
        int64_t begun = (int64_t)entry->ut_tv.tv_sec * 1000000000;
        int64_t typed = (int64_t)facts.st_atim.tv_sec * 1000000000 + facts.st_atim.tv_nsec;
        if (begun > last) last = begun;
        if (typed > last) last = typed;
    }
    endutxent();
    return last;
}
