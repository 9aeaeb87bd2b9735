#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
    int input;
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
    int input = detached->input < 0 ? open("/dev/null", O_RDWR) : fcntl(detached->input, F_DUPFD, 10);
    if (log < 0 || passed < 0 || input < 0 || dup2(input, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0
        || dup2(passed, 3) < 0) {
        detached->error = errno;
        _exit(125);
    }
    if (syscall(SYS_close_range, 4, ~0U, 0) < 0)
        for (int i = 4; i < 65536; i++) close(i);
    execve(detached->path, (char *const *)detached->arguments,
           detached->environment ? (char *const *)detached->environment : environ);
    detached->error = errno;
    _exit(125);
}

static int leave_session(void *context) {
    struct detached *detached = context;
    if (setsid() < 0 || clone(run_detached, detached->inner_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, detached) < 0)
        detached->error = errno;
    _exit(0);
}

int clinux_spawn_detached(const char *path, const char *const *arguments, const char *const *environment, int input, int log, int passed) {
    // The memory of the caller is shared until the program replaces it, so each of the two needs a stack of its own.
    size_t length = 2 * STACK;
    char *stacks = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stacks == MAP_FAILED) return -errno;
    struct detached detached = {path, arguments, environment, input, log, passed, 0, stacks + length};
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

// -- Time and signals --

int clinux_boot_timer(void) {
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return timer < 0 ? -errno : timer;
}

int clinux_boot_timer_set(int timer, int64_t nanoseconds) {
    struct itimerspec at;
    memset(&at, 0, sizeof at);
    at.it_value.tv_sec = nanoseconds / 1000000000;
    at.it_value.tv_nsec = nanoseconds % 1000000000;
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) < 0 ? -errno : 0;
}

int clinux_supervisor_signals(void) {
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &watched, NULL) < 0) return -errno;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals < 0 ? -errno : signals;
}

int clinux_next_signal(int signals) {
    struct signalfd_siginfo facts;
    return read(signals, &facts, sizeof facts) == sizeof facts ? (int)facts.ssi_signo : 0;
}

// -- Unix sockets --

int64_t clinux_peer_user(int socket) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ? -errno : (int64_t)peer.uid;
}

/// An address holds 108 bytes; a longer path is reached through a descriptor of its directory.
static int unix_address(const char *path, struct sockaddr_un *address, int *directory) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    *directory = -1;
    size_t length = strlen(path);
    if (length < sizeof address->sun_path) {
        memcpy(address->sun_path, path, length + 1);
        return 0;
    }
    const char *name = strrchr(path, '/');
    char parent[4096];
    if (!name || (size_t)(name - path) >= sizeof parent || strlen(name) > 40) return -ENAMETOOLONG;
    memcpy(parent, path, (size_t)(name - path));
    parent[name - path] = 0;
    *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0) return -errno;
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d%s", *directory, name);
    return 0;
}

static int unix_socket(const char *path, int backlog, int listens) {
    struct sockaddr_un address;
    int directory;
    int error = unix_address(path, &address, &directory);
    if (error < 0) return error;
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *name = (const struct sockaddr *)&address;
    int failed = made < 0;
    if (!failed && listens) {
        // The mode comes with the creation, so that there is no moment in which others may connect.
        fchmod(made, 0600);
        failed = bind(made, name, sizeof address) < 0 || listen(made, backlog) < 0;
    } else if (!failed) {
        failed = connect(made, name, sizeof address) < 0;
    }
    error = failed ? -errno : fcntl(made, F_SETFL, O_NONBLOCK) < 0 ? -errno : made;
    if (directory >= 0) close(directory);
    if (error < 0 && made >= 0) close(made);
    return error;
}

int clinux_unix_listen(const char *path, int backlog) { return unix_socket(path, backlog, 1); }
int clinux_unix_connect(const char *path) { return unix_socket(path, 0, 0); }

int clinux_pipe(int *read_end, int *write_end) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    *read_end = ends[0];
    *write_end = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}
