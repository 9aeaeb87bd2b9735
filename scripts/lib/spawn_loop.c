// Starts a program again and again and waits for each: the speed that the operating system allows, beside which the
// task rate of swarmlet is read. With --isolate every child gets pid, mount and ipc namespaces of its own, the host's
// root read-only, and its own /proc and /tmp, as the tasks of swarmlet do; a user who is not root gets them through a
// user namespace. With --isolate-strict it gets user, network and host name namespaces of its own as well, and an empty
// root in memory in place of the host's, with the host's programs in it.
//
//   spawn_loop COUNT PARALLEL [--isolate | --isolate-strict] PROGRAM [ARGUMENT...]   prints children per second, and
//       the milliseconds from before the clone to the exec: their median, and what 99 of 100 were below
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what) {
    fprintf(stderr, "spawn_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int outside, outside_group;

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

static int put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t written = write(file, text, strlen(text));
    close(file);
    return written < 0 ? -1 : 0;
}

static const char *const programs[5] = {"/usr", "/bin", "/lib", "/lib64", "/etc"};

static int strict_child(void *arguments) {
    char **command = arguments;
    char map[32];
    snprintf(map, sizeof map, "0 %d 1", outside);
    if (put("/proc/self/setgroups", "deny") != 0 || put("/proc/self/uid_map", map) != 0) _exit(125);
    snprintf(map, sizeof map, "0 %d 1", outside_group);
    if (put("/proc/self/gid_map", map) != 0) _exit(125);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) _exit(125);
    int trees[5];
    for (int i = 0; i < 5; i++) {
        trees[i] = (int)syscall(SYS_open_tree, AT_FDCWD, programs[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (trees[i] < 0 && errno != ENOENT) _exit(125);
    }
    int process = (int)syscall(SYS_fsopen, "proc", 1 /* FSOPEN_CLOEXEC */);
    if (process < 0 || syscall(SYS_fsconfig, process, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) _exit(125);
    int made = (int)syscall(SYS_fsmount, process, 1 /* FSMOUNT_CLOEXEC */, MOUNT_ATTR_NOSUID);
    if (made < 0) _exit(125);
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0 || chdir("/tmp") != 0) _exit(125);
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) _exit(125);
    for (int i = 0; i < 5; i++) {
        if (trees[i] < 0) continue;
        if (mkdir(programs[i], 0755) != 0) _exit(125);
        if (syscall(SYS_move_mount, trees[i], "", AT_FDCWD, programs[i], MOVE_MOUNT_F_EMPTY_PATH) != 0) _exit(125);
    }
    if (mkdir("/proc", 0755) != 0) _exit(125);
    if (syscall(SYS_move_mount, made, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) != 0) _exit(125);
    execv(command[0], command);
    _exit(127);
}

enum isolation { NONE, STANDARD, STRICT };

static void start(char **command, enum isolation isolation) {
    if (isolation == NONE) {
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
    if (isolation == STRICT) flags |= CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWUTS;
    int (*child)(void *) = isolation == STRICT ? strict_child : isolated_child;
    if (clone(child, stack + sizeof stack, flags, command) < 0) fail("clone");
}

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static int order(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

int main(int count_of_arguments, char **arguments) {
    if (count_of_arguments < 4) {
        fprintf(stderr, "usage: spawn_loop COUNT PARALLEL [--isolate | --isolate-strict] PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    int count = atoi(arguments[1]), parallel = atoi(arguments[2]);
    enum isolation isolation = strcmp(arguments[3], "--isolate") == 0          ? STANDARD
                               : strcmp(arguments[3], "--isolate-strict") == 0 ? STRICT
                                                                               : NONE;
    char **command = arguments + 3 + (isolation != NONE);
    outside = (int)geteuid();
    outside_group = (int)getegid();
    double *taken = calloc((size_t)(count > 0 ? count : 1), sizeof *taken);
    if (count < 1 || taken == NULL) fail("room for the times");
    double begin = milliseconds();
    for (int started = 0, ended = 0; ended < count;) {
        while (started < count && started - ended < parallel) {
            double before = milliseconds();
            start(command, isolation);
            taken[started++] = milliseconds() - before;
        }
        int status;
        if (wait(&status) < 0) fail("wait");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "spawn_loop: a child ended with status %d\n", status);
            return 1;
        }
        ended++;
    }
    double seconds = (milliseconds() - begin) / 1e3;
    qsort(taken, (size_t)count, sizeof *taken, order);
    printf("%.1f %.3f %.3f\n", count / seconds, taken[count / 2], taken[count - 1 - count / 100]);
    return 0;
}
