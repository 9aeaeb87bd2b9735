#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static int spawn(const char *path, pid_t *process) {
    char *arguments[] = {(char *)path, NULL};
    char *variables[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failure = posix_spawn_file_actions_init(&files);
    if (failure != 0) return failure;
    failure = posix_spawnattr_init(&attributes);
    if (failure == 0) {
        for (int descriptor = 0; descriptor < 3 && failure == 0; descriptor++) {
            failure = posix_spawn_file_actions_addopen(&files, descriptor, "/dev/null", O_RDWR, 0);
        }
        if (failure == 0) failure = posix_spawn_file_actions_addclosefrom_np(&files, 3);
        if (failure == 0) failure = posix_spawnattr_setsigmask(&attributes, &none);
        if (failure == 0) failure = posix_spawnattr_setsigdefault(&attributes, &all);
        if (failure == 0) {
            failure = posix_spawnattr_setflags(
                &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        }
        if (failure == 0) failure = posix_spawn(process, path, &files, &attributes, arguments, variables);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return failure;
}

int clinux_ask_program(const char *path, int milliseconds) {
    pid_t process = 0;
    int failure = spawn(path, &process);
    if (failure != 0) return -failure;
    int result = 0;
    int watched = clinux_process_descriptor(process);
    if (watched < 0) {
        result = watched;
    } else {
        struct pollfd ended = {.fd = watched, .events = POLLIN};
        int count = poll(&ended, 1, milliseconds);
        if (count == 0) result = -ETIME;
        if (count < 0) result = -errno;
        close(watched);
    }
    if (result != 0) kill(-process, SIGKILL);
    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) return -errno;
    }
    if (result != 0) return result;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
