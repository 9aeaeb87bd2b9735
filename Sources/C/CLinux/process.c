#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

uint64_t clinux_atomic_load(const uint64_t *address) { return __atomic_load_n(address, __ATOMIC_ACQUIRE); }
void clinux_atomic_store(uint64_t *address, uint64_t value) { __atomic_store_n(address, value, __ATOMIC_RELEASE); }

int clinux_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int clinux_set_pipe_size(int descriptor, int bytes) {
    int size = fcntl(descriptor, F_SETPIPE_SZ, bytes);
    return size < 0 ? -errno : size;
}

static struct flock whole_file(void) {
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

int clinux_lock_file(int descriptor) {
    struct flock lock = whole_file();
    return fcntl(descriptor, F_SETLK, &lock) < 0 ? -errno : 0;
}

int clinux_lock_holder(int descriptor) {
    struct flock lock = whole_file();
    if (fcntl(descriptor, F_GETLK, &lock) < 0) return -errno;
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

int clinux_process_descriptor(pid_t process) {
    long descriptor = syscall(SYS_pidfd_open, process, 0);
    return descriptor < 0 ? -errno : (int)descriptor;
}

int clinux_signal_process(int descriptor, int signal_number) {
    return syscall(SYS_pidfd_send_signal, descriptor, signal_number, NULL, 0) < 0 ? -errno : 0;
}

// -- Detached programs --

enum { STACK = 64 * 1024 };

struct detached {
    const char *path;
    const char *const *arguments;
    const char *const *environment;
    int log;
    int passed;
    int error;
    char *inner_stack;
};

static int run_detached(void *context) {
    struct detached *detached = context;
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int log = fcntl(detached->log, F_DUPFD, 10);
    int passed = fcntl(detached->passed, F_DUPFD, 10);
    int nothing = open("/dev/null", O_RDWR);
    if (log < 0 || passed < 0 || nothing < 0 || dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0
        || dup2(passed, 3) < 0) {
        detached->error = errno;
        _exit(125);
    }
    if (syscall(SYS_close_range, 4, ~0U, 0) < 0)
        for (int i = 4; i < 65536; i++) close(i);
    execve(detached->path, (char *const *)detached->arguments, (char *const *)detached->environment);
    detached->error = errno;
    _exit(125);
}

static int leave_session(void *context) {
    struct detached *detached = context;
    if (setsid() < 0 || clone(run_detached, detached->inner_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, detached) < 0)
        detached->error = errno;
    _exit(0);
}

int clinux_spawn_detached(const char *path, const char *const *arguments, const char *const *environment, int log, int passed) {
    // The memory of the caller is shared until the program replaces it, so each of the two needs a stack of its own.
    size_t length = 2 * STACK;
    char *stacks = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stacks == MAP_FAILED) return -errno;
    struct detached detached = {path, arguments, environment, log, passed, 0, stacks + length};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    // No SIGCHLD (exit signal 0): a child watcher of the caller is not disturbed, __WCLONE waits for exactly this one.
    pid_t middle = clone(leave_session, stacks + STACK, CLONE_VM | CLONE_VFORK, &detached);
    int error = middle < 0 ? errno : 0;
    if (middle > 0)
        while (waitpid(middle, NULL, __WCLONE) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stacks, length);
    return error ? -error : -detached.error;
}

int clinux_wait_status(int status, int *value) {
    if (WIFEXITED(status)) {
        *value = WEXITSTATUS(status);
        return 1;
    }
    if (WIFSIGNALED(status)) {
        *value = WTERMSIG(status);
        return 2;
    }
    return 0;
}
