// Starts a program again and again and waits for each: the speed that the operating system allows, beside which the
// task rate of swarmlet is read. With --isolate every child gets pid, mount and ipc namespaces of its own, the host's
// root read-only, and its own /proc and /tmp, as the tasks of swarmlet do; a user who is not root gets them through a
// user namespace.
//
//   spawn_loop COUNT PARALLEL [--isolate] PROGRAM [ARGUMENT...]      prints children per second
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what) {
    fprintf(stderr, "spawn_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static const char *const temporary[3] = {"/tmp", "/var/tmp", "/dev/shm"};

static int isolated_child(void *arguments) {
    char **command = arguments;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) _exit(125);
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof read_only) != 0) _exit(125);
    for (int i = 0; i < 3; i++) {
        if (mount("tmpfs", temporary[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0) _exit(125);
    }
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) _exit(125);
    execv(command[0], command);
    _exit(127);
}

static void start(char **command, int isolate) {
    if (!isolate) {
        pid_t pid;
        int failure = posix_spawn(&pid, command[0], NULL, NULL, command, environ);
        if (failure != 0) {
            errno = failure;
            fail("posix_spawn");
        }
        return;
    }
    // The parent stands still until the child has executed (CLONE_VFORK), so one stack serves all of them.
    static char stack[64 * 1024] __attribute__((aligned(16)));
    int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_VM | CLONE_VFORK | SIGCHLD;
    if (geteuid() != 0) flags |= CLONE_NEWUSER;
    if (clone(isolated_child, stack + sizeof stack, flags, command) < 0) fail("clone");
}

int main(int count_of_arguments, char **arguments) {
    if (count_of_arguments < 4) {
        fprintf(stderr, "usage: spawn_loop COUNT PARALLEL [--isolate] PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    int count = atoi(arguments[1]), parallel = atoi(arguments[2]);
    int isolate = strcmp(arguments[3], "--isolate") == 0;
    char **command = arguments + 3 + isolate;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int started = 0, ended = 0; ended < count;) {
        while (started < count && started - ended < parallel) {
            start(command, isolate);
            started++;
        }
        int status;
        if (wait(&status) < 0) fail("wait");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "spawn_loop: a child ended with status %d\n", status);
            return 1;
        }
        ended++;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%.1f\n", count / seconds);
    return 0;
}
