#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Its output goes to `output`; -1: to nobody.
static int spawn(const char *path, const char *first, const char *second, int output, pid_t *process) {
    char *arguments[] = {(char *)path, (char *)first, (char *)second, NULL};
    char libraries[4096] = "LD_LIBRARY_PATH=";
    const char *own = getenv("LD_LIBRARY_PATH");
    if (own && strlen(own) >= sizeof libraries - strlen(libraries)) return E2BIG;
    char *variables[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
        own ? strcat(libraries, own) : NULL, NULL,
    };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failure = posix_spawn_file_actions_init(&files);
    if (failure != 0) return failure;
    failure = posix_spawnattr_init(&attributes);
    if (failure == 0) {
        failure = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
        if (failure == 0) {
            failure = output < 0 ? posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_RDWR, 0)
                                 : posix_spawn_file_actions_adddup2(&files, output, 1);
        }
        if (failure == 0) failure = posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_RDWR, 0);
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

static int left(const struct timespec *began, int milliseconds) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    long gone = (now.tv_sec - began->tv_sec) * 1000 + (now.tv_nsec - began->tv_nsec) / 1000000;
    return gone >= milliseconds ? 0 : milliseconds - (int)gone;
}

// What it writes, until it closes its output. 0 or -errno.
static int take(int output, char *answer, int capacity, const struct timespec *began, int milliseconds) {
    int length = 0;
    char rest[4096];
    answer[0] = 0;
    for (;;) {
        struct pollfd ready = {.fd = output, .events = POLLIN};
        int count = poll(&ready, 1, left(began, milliseconds));
        if (count == 0) return -ETIME;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        int room = capacity - 1 - length;
        ssize_t read_bytes = read(output, room > 0 ? answer + length : rest, room > 0 ? (size_t)room : sizeof rest);
        if (read_bytes < 0 && errno == EINTR) continue;
        if (read_bytes < 0) return -errno;
        if (read_bytes == 0) return 0;
        if (room > 0) {
            length += (int)read_bytes;
            answer[length] = 0;
        }
    }
}

static int await_end(pid_t process, const struct timespec *began, int milliseconds) {
    int watched = clinux_process_descriptor(process);
    if (watched < 0) return watched;
    struct pollfd ended = {.fd = watched, .events = POLLIN};
    int count;
    while ((count = poll(&ended, 1, left(began, milliseconds))) < 0 && errno == EINTR) {}
    int result = count == 0 ? -ETIME : count < 0 ? -errno : 0;
    close(watched);
    return result;
}

int clinux_question_program(
    const char *path, const char *first, const char *second, char *answer, int capacity, int milliseconds) {
    int ends[2] = {-1, -1};
    if (answer && pipe2(ends, O_CLOEXEC) < 0) return -errno;
    struct timespec began;
    clock_gettime(CLOCK_BOOTTIME, &began);
    pid_t process = 0;
    int failure;
    // A process that this one has just started may hold a file that was written here until it executes its own.
    while ((failure = spawn(path, first, second, ends[1], &process)) == ETXTBSY && left(&began, milliseconds) > 0)
        poll(NULL, 0, 5);
    if (answer) close(ends[1]);
    int result = -failure;
    if (failure == 0) {
        if (answer) result = take(ends[0], answer, capacity, &began, milliseconds);
        if (result == 0) result = await_end(process, &began, milliseconds);
        if (result != 0) kill(-process, SIGKILL);
    }
    if (answer) close(ends[0]);
    if (failure != 0) return result;
    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) return -errno;
    }
    if (result != 0) return result;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
